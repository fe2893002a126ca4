/* logs - the page of events: what chooses them, and what is told of them. */
import { readFileSync } from 'node:fs';
import { test, check, equal, becomes, until, open, another, settled, seen, gone, day, query, total, api, send } from './kit.mjs';

const chips = (page) => page.locator('.chips li > span').allTextContents();
const first = (page) => page.locator('tr.line').first();

/* So many are told, and all else is there too: what is told comes before the rows may. */
async function says(page, n) {
	await becomes(() => total(page), n, 'events told');
	await settled(page);
}

async function ask(page, question) {
	await page.fill('#ask', question);
	await page.press('#ask', 'Enter');
	await becomes(() => query(page).get('q'), question, 'the question in the address');
	await settled(page);
}

test('a page opens with events, histogram and facets', async (page) => {
	await open(page, day());
	equal(await total(page), 6000);
	check(await page.locator('tr.line').count() > 10, 'rows');
	check(await page.locator('.chart svg g').count() > 10, 'bars');
	equal(await page.locator('.facets details').count(), 5, 'facets');
});

/* ---- time ---- */

const range = (page) => page.locator('details.range > summary');

async function between(page, from, to) {
	await range(page).click();
	await page.fill('#range-from', from);
	await page.fill('#range-to', to);
	await page.locator('.range button[type=submit]').click();
}

test('time: quick ranges', async (page) => {
	await open(page, day());
	await range(page).click();
	await page.getByRole('button', { name: 'Last 24 hours' }).click();
	await becomes(() => query(page).get('from'), '-24h', 'the range in the address');
	await settled(page);
	equal(await range(page).textContent(), 'Last 24 hours');
	equal(await total(page), 206, 'of notifications and thoughts');
	await range(page).click();
	await page.getByRole('button', { name: 'All time' }).click();
	await becomes(() => query(page).get('from'), null, 'no range in the address');
});

test('time: absolute, in the zone that is shown', async (page) => {
	await open(page, '/');
	await between(page, '2026-01-15 02:00', '2026-01-15 02:59');
	await says(page, 250); /* an hour of Berlin, one event each 14.4 s */
	equal(await page.locator('tr.line time').first().getAttribute('datetime'), '2026-01-15T01:59:45.6Z');
});

test('time: typed words', async (page) => {
	await open(page, '/');
	await between(page, '2 hours ago', 'now');
	await becomes(() => [query(page).get('from'), query(page).get('to')], ['2 hours ago', 'now'], 'the words in the address');
	await settled(page);
	check(await total(page) > 100, 'events of two hours');
	await between(page, 'yesterday', '');
	await becomes(() => query(page).get('from'), 'yesterday', 'the word in the address');
	await settled(page);
});

test('time: what is no time is said in place', async (page) => {
	await open(page, day());
	await between(page, 'the day before', '');
	check((await page.locator('.range [role=alert]').textContent()).includes('"the day before" is no time'), 'the reason');
	check(await page.locator('#range-from').evaluate((n) => n === document.activeElement), 'focus at the wrong field');
	equal(query(page).get('from'), '2026-01-15T00:00:00Z', 'nothing is changed');
});

test('time: the zone is switched and remembered', async (page) => {
	await open(page, day());
	const time = page.locator('tr.line time').first();
	equal(await time.textContent(), '2026-01-16 00:59:45.600');
	await page.getByRole('button', { name: 'Local time' }).click();
	await becomes(() => time.textContent(), '2026-01-15 23:59:45.600', 'UTC');
	await page.reload();
	await settled(page);
	equal(await time.textContent(), '2026-01-15 23:59:45.600');
});

test('time: absolute and relative', async (page) => {
	await open(page, '/?from=-3h&q=event_type=THOUGHT');
	const time = page.locator('tr.line time').first();
	check(/^20\d\d-/.test(await time.textContent()), 'absolute');
	check(/ago/.test(await time.getAttribute('title')), 'relative beside it');
	await page.getByRole('button', { name: 'Ago' }).click();
	await until(async () => /^\d+ (s|min) ago$/.test(await time.textContent()), 'relative');
	check(/^20\d\d-/.test(await time.getAttribute('title')), 'absolute beside it');
});

/* ---- histogram ---- */

test('histogram: stacked by severity, with a legend', async (page) => {
	await open(page, day());
	const legend = await page.locator('.legend li').allTextContents();
	equal(legend, ['critical', 'error', 'warning', 'info', 'debug']);
	check(await page.locator('.chart rect.sev-warning').count() > 10, 'parts of bars');
	await page.locator('.chart svg').hover({ position: { x: 300, y: 30 } });
	await until(async () => /: 6[23] .*info \d+/.test(await page.locator('.tip').textContent()), 'what a bar holds');
});

test('histogram: dragging zooms, back goes back', async (page) => {
	await open(page, day());
	const box = await page.locator('.chart svg').boundingBox();
	await page.mouse.move(box.x + box.width * 0.25, box.y + 20);
	await page.mouse.down();
	await page.mouse.move(box.x + box.width * 0.4, box.y + 20, { steps: 4 });
	await page.mouse.move(box.x + box.width * 0.5, box.y + 20);
	await page.mouse.up();
	await until(async () => await total(page) < 1600, 'a quarter of the day');
	await settled(page);
	check(await total(page) > 1400, `a quarter of the day: ${await total(page)}`);
	const from = Date.parse(query(page).get('from'));
	check(Math.abs(from - Date.parse('2026-01-15T06:00:00Z')) < 300e3, `begins at six: ${query(page).get('from')}`);
	await page.goBack();
	await says(page, 6000);
});

test('histogram: a click selects a bar; so do the keys', async (page) => {
	await open(page, day());
	const box = await page.locator('.chart svg').boundingBox();
	await page.mouse.click(box.x + box.width / 2 + 5, box.y + 40);
	await until(async () => [62, 63].includes(await total(page)), 'the events of a bar');
	await page.goBack();
	await says(page, 6000);
	await page.locator('.chart svg').focus();
	await page.keyboard.press('ArrowRight');
	await page.keyboard.press('ArrowRight');
	await until(async () => (await page.locator('#said').textContent()).includes(': 62'), 'the bar is read out');
	await page.keyboard.press('Enter');
	await says(page, 62);
});

/* ---- question ---- */

test('question: what is asked is found', async (page) => {
	await open(page, day());
	await ask(page, 'event_type=ERROR timeout');
	await says(page, 600);
	equal(await page.locator('tr.line td.event_type').first().textContent(), 'ERROR');
});

const offers = (page) => page.locator('#offers [role=option] > span').allTextContents();

test('question: fields and values are completed', async (page) => {
	await open(page, day());
	await page.locator('#ask').click();
	await page.keyboard.type('serv');
	await until(async () => (await offers(page)).includes('service'), 'the field');
	await page.keyboard.press('ArrowDown');
	await page.keyboard.press('Enter');
	await until(async () => (await offers(page)).includes('billing'), 'its values');
	await page.keyboard.type('bi');
	await becomes(() => offers(page), ['billing'], 'the value');
	await page.keyboard.press('ArrowDown');
	await page.keyboard.press('Tab');
	await becomes(() => page.inputValue('#ask'), 'service=billing ', 'the test');
	await page.keyboard.type('metadata.http.st');
	await until(async () => (await offers(page)).includes('metadata.http.status'), 'a path of the metadata');
	await page.keyboard.press('Escape');
	await becomes(() => page.getAttribute('#ask', 'aria-expanded'), 'false', 'closed');
	check(await page.locator('#offers').isHidden(), 'and not seen');
});

/* Types more and presses keys in one turn of the page: the offers shown are still those of before. */
async function hurry(page, text, ...keys) {
	await page.locator('#ask').evaluate((input, [all, presses]) => {
		input.value = all;
		input.dispatchEvent(new Event('input'));
		for (const key of presses)
			input.dispatchEvent(new KeyboardEvent('keydown', { key, cancelable: true, bubbles: true }));
	}, [text, keys]);
}

test('question: a choice holds while what is offered changes', async (page) => {
	await open(page, day());
	await page.locator('#ask').click();
	await page.keyboard.type('ser');
	await becomes(() => offers(page), ['service', 'user_id', 'user_agent'], 'fields');
	await hurry(page, 'serv', 'ArrowDown');
	await becomes(() => offers(page), ['service'], 'offered anew');
	await page.keyboard.press('Enter');
	equal(await page.inputValue('#ask'), 'service=', 'what was chosen');
	await page.fill('#ask', 'user_id=anna ser');
	await becomes(() => offers(page), ['service', 'user_id', 'user_agent'], 'fields');
	await hurry(page, 'user_id=anna serv', 'ArrowDown', 'Enter');
	equal(await page.inputValue('#ask'), 'user_id=anna service=', 'in the place of all that was typed');
	await page.keyboard.press('Escape');
	await hurry(page, 'event_type=ERROR', 'Enter');
	await becomes(() => query(page).get('q'), 'event_type=ERROR', 'nothing was chosen: it is asked');
});

test('question: those asked before are offered', async (page) => {
	await open(page, day());
	await ask(page, 'user_id=anna');
	await ask(page, 'user_id=bert');
	await page.reload();
	await settled(page);
	await page.fill('#ask', '');
	await becomes(() => offers(page), ['user_id=bert', 'user_id=anna'], 'history');
	await page.keyboard.press('ArrowDown');
	await page.keyboard.press('ArrowDown');
	await page.keyboard.press('Enter');
	equal(await page.inputValue('#ask'), 'user_id=anna');
});

test('question: what is wrong is shown at its place', async (page) => {
	await open(page, day());
	await page.fill('#ask', 'user_id=anna and (service=');
	await page.press('#ask', 'Enter');
	await until(async () => (await page.locator('#ask-error').textContent()).includes('expected a value'), 'the error');
	equal(await page.getAttribute('#ask', 'aria-invalid'), 'true');
	check(await page.locator('#ask-error code mark').count() === 1, 'the place');
	await page.fill('#ask', 'user_id=anna');
	equal(await page.getAttribute('#ask', 'aria-invalid'), 'false');
}, { network: true });

test('question: what was looked for is marked', async (page) => {
	await open(page, day('&q=timeout+"payment+gateway"'));
	const marks = await page.locator('tr.line').first().locator('mark').allTextContents();
	equal(marks, ['timeout', 'payment gateway']);
	await page.locator('tr.line .toggle').first().click();
	equal(await page.locator('tr.detail dd mark').allTextContents(), ['timeout', 'payment gateway'], 'in the open event');
});

/* ---- facets and chips ---- */

const facet = (page, name) => page.locator('.facets li').filter({ hasText: name }).first();

test('facets: counts, a click for only these', async (page) => {
	await open(page, day());
	equal(await facet(page, 'billing').locator('.count').textContent(), '2,000');
	await facet(page, 'billing').locator('button.grow').click();
	await says(page, 2000);
	equal(await chips(page), ['service=billing']);
	equal(await facet(page, 'billing').locator('button.grow').getAttribute('aria-pressed'), 'true');
	await facet(page, 'billing').locator('button.grow').click();
	await says(page, 6000);
});

test('facets: alt and click, or the sign beside, for none of these', async (page) => {
	await open(page, day());
	await facet(page, 'billing').locator('button.grow').click({ modifiers: ['Alt'] });
	await says(page, 4000);
	equal(await chips(page), ['service!=billing']);
	await facet(page, 'shop').hover();
	await page.getByRole('button', { name: 'Without shop' }).click();
	await says(page, 2000);
	equal(await chips(page), ['service!=billing', 'service!=shop']);
});

test('chips: each can be taken away', async (page) => {
	await open(page, day('&f=service%3Dbilling&f=user_id%3Danna'));
	const both = await total(page);
	await page.getByRole('button', { name: 'Remove filter user_id=anna' }).click();
	await says(page, 2000);
	check(both < 2000, 'fewer with both');
	await becomes(() => query(page).getAll('f'), ['service=billing'], 'the address');
});

test('the address holds the whole view', async (page, around) => {
	await open(page, day());
	await ask(page, 'signed');
	await facet(page, 'billing').locator('button.grow').click();
	await says(page, 600);
	await page.getByRole('button', { name: /^Time/ }).click();
	await becomes(() => query(page).get('order'), 'asc', 'the order');
	await settled(page);
	await first(page).locator('.toggle').click();
	await until(() => query(page).get('entry'), 'the open event');
	const id = query(page).get('entry');
	const other = await another(around);
	await other.goto(page.url());
	await settled(other);
	equal([await other.inputValue('#ask'), await chips(other), await total(other)], ['signed', ['service=billing'], 600]);
	equal(await other.locator('tr.line td.description').first().textContent(),
		await first(page).locator('td.description').textContent(), 'the same order');
	equal(await other.locator('.single h2').textContent(), `Event ${id}`);
	await page.goBack();
	await becomes(() => query(page).get('order'), null, 'back');
	await page.goForward();
	await becomes(() => query(page).get('order'), 'asc', 'forward');
});

/* ---- what can be taken along ---- */

async function saved(page, name) {
	await page.locator('summary', { hasText: 'Export' }).click();
	const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name }).click()]);
	return readFileSync(await download.path(), 'utf8');
}

test('export: what is shown, as CSV, JSON and NDJSON', async (page) => {
	await open(page, day('&q=event_type=ERROR&f=service%3Dbilling'));
	const n = await total(page);
	equal((await saved(page, 'CSV')).trimEnd().split('\r\n').length, n + 1, 'lines of CSV');
	await page.keyboard.press('Escape');
	const json = JSON.parse(await saved(page, 'JSON, one'));
	equal((json.logs || json.data).length, n, 'events of JSON');
	await page.keyboard.press('Escape');
	const lines = (await saved(page, 'NDJSON')).trimEnd().split('\n').map((l) => JSON.parse(l));
	equal(lines.length, n, 'lines of NDJSON');
	check(lines.every((e) => e.event_type === 'ERROR' && e.service === 'billing'), 'the filter holds');
});

/* Looked at in the turn that opens it, as in list.mjs. */
test('menus: what opens has its content and the focus at once', async (page) => {
	await open(page, day());
	for (const [menu, focus] of [['Export', '.sheet a[href*="format=csv"]'], ['Views', '#view-name'], ['2026', '#range-from']]) {
		check(await page.locator('.menu > summary', { hasText: menu }).evaluate(async (summary, what) => {
			summary.click();
			await null;
			return document.activeElement.matches(what);
		}, focus), menu);
		await page.keyboard.press('Escape');
	}
});

test('views: an answer from before a change does not hide it', async (page) => {
	let old, late;
	const came = new Promise((go) => {
		late = go;
	});
	await open(page, day());
	await page.route('**/api/views', async (route) => {
		const answer = await route.fetch();
		old = () => route.fulfill({ response: answer }).catch(() => {});
		late();
	}, { times: 1 });
	await page.locator('summary', { hasText: 'Views' }).click();
	await came;
	await page.fill('#view-name', 'new');
	await page.keyboard.press('Enter');
	await seen(page.getByRole('link', { name: 'new' }));
	await old();
	await page.evaluate(() => fetch('/healthz'));
	check(await page.getByRole('link', { name: 'new' }).isVisible(), 'still there');
	await page.getByRole('button', { name: 'Delete view new' }).click();
	await gone(page.getByRole('link', { name: 'new' }));
});

test('views: saved on the server, opened, deleted', async (page) => {
	await open(page, day('&q=signed&f=service%3Dbilling'));
	await page.locator('summary', { hasText: 'Views' }).click();
	await page.fill('#view-name', 'Sign-ins of <billing>');
	await page.keyboard.press('Enter');
	const view = page.getByRole('link', { name: 'Sign-ins of <billing>' });
	await seen(view);
	equal((await api('/api/views')).views.map((v) => v.name), ['Sign-ins of <billing>']);
	await open(page, '/stats');
	await page.locator('summary', { hasText: 'Views' }).click();
	await view.click();
	await becomes(() => chips(page), ['service=billing'], 'the view');
	await says(page, 600);
	await page.locator('summary', { hasText: 'Views' }).click();
	await page.getByRole('button', { name: 'Delete view Sign-ins of <billing>' }).click();
	await gone(view);
	equal((await api('/api/views')).views, []);
});

test('what comes later is found by asking again', async (page) => {
	await open(page, '/?q=user_id%3Dlatecomer');
	equal(await page.locator('.empty h2').textContent(), 'No events');
	await send([{ event_type: 'LATE', user_id: 'latecomer', description: 'at last' }]);
	await page.getByRole('button', { name: 'Search' }).click();
	await says(page, 1);
	check(await page.locator('.empty').isHidden(), 'no longer empty');
});
