/* list - the table of events: scrolling without an end, columns, and an event opened. */
import { test, check, equal, becomes, until, open, settled, seen, day, query, total } from './kit.mjs';

const STEPS = /step (\d+)$/;
const steps = (page) => page.locator('tr.line td.description').evaluateAll((all) =>
	all.map((td) => Number(/step (\d+)$/.exec(td.textContent)[1])));

/* Scrolls to the end of what is known, until there is no more. */
async function toEnd(page) {
	await until(async () => {
		await page.locator('.list').evaluate((n) => {
			n.scrollTop = n.scrollHeight;
		});
		return await page.locator('table.events').getAttribute('aria-rowcount') === '6001' &&
			await page.locator('tr.line[data-row="5999"]').count() === 1;
	}, 'the last of 6000 rows');
}

test('list: thousands of rows by cursor, without offset', async (page) => {
	const asked = [];
	page.on('request', (r) => r.url().includes('/api/logs?') && asked.push(new URL(r.url()).searchParams));
	await open(page, day());
	await toEnd(page);
	equal((await steps(page)).at(-1), 0, 'the oldest event');
	check(asked.length >= 30 && asked.every((p) => !p.has('offset')), 'no offset');
	check(asked.slice(1).every((p) => p.has('cursor')), 'cursors');
	const shown = await steps(page);
	check(shown.every((n, i) => i === 0 || n === shown[i - 1] - 1), `no row is missing or twice: ${shown}`);
	check(await page.locator('tr.line').count() < 100, 'only rows in sight are laid out');
	await page.locator('.list').evaluate((n) => {
		n.scrollTop = 0;
	});
	await until(async () => (await steps(page))[0] === 5999, 'the first page, which was forgotten, again');
});

test('list: goes on where no browser can hold the height', async (page) => {
	await open(page, day());
	await page.evaluate(async () => {
		(await import('/web/list.js')).List.SPAN = 20000;
	});
	await toEnd(page);
	check(await page.locator('.list').evaluate((n) => n.scrollHeight <= 20200), 'the document stays low');
	equal((await steps(page)).at(-1), 0, 'the oldest event');
	await until(async () => {
		await page.locator('.list').evaluate((n) => {
			n.scrollTop = 0;
		});
		return (await steps(page))[0] === 5999;
	}, 'back at the first row');
});

test('list: rows that stay keep focus and selection', async (page) => {
	await open(page, day());
	await page.locator('tr.line[data-row="8"] .toggle').focus();
	await page.locator('.list').evaluate((n) => {
		n.scrollTop = 130;
	});
	await until(() => page.locator('tr.line[data-row="25"]').count(), 'rows below');
	equal(await page.evaluate(() => document.activeElement.closest('tr').dataset.row), '8');
});

/* ---- columns ---- */

const titles = (page) => page.locator('.events th').evaluateAll((all) => all.slice(1).map((t) => t.innerText.replace(/ [↑↓]$/, '')));

test('columns: picked and ordered, and remembered', async (page) => {
	await open(page, day());
	await page.getByRole('button', { name: 'Columns' }).click();
	await page.getByRole('button', { name: 'Remove Entity' }).click();
	await page.getByRole('button', { name: 'Remove Service' }).click();
	await page.getByRole('button', { name: 'Move User up' }).click();
	await page.fill('dialog input', 'amount');
	await page.getByRole('button', { name: '+ amount' }).click();
	await page.getByRole('button', { name: 'Done' }).click();
	const want = ['Time', 'Severity', 'User', 'Type', 'Description', 'amount'];
	await becomes(() => titles(page), want, 'the columns, when the dialog has closed');
	equal(await page.locator('tr.line').first().locator('td').last().textContent(), '7498.75');
	await page.reload();
	await settled(page);
	equal(await titles(page), want, 'after a reload');
});

test('columns: what can be pressed stays when the fields come', async (page) => {
	let free;
	await open(page, day());
	await page.route('**/api/fields', async (route) => {
		await new Promise((go) => {
			free = go;
		});
		await route.continue();
	});
	await page.getByRole('button', { name: 'Columns' }).click();
	const button = await page.getByRole('button', { name: 'Remove Entity' }).elementHandle();
	await until(() => free, 'the fields are asked for');
	free();
	await seen(page.getByRole('button', { name: '+ amount' }));
	check(await button.evaluate((n) => n.isConnected), 'the same button');
});

test('columns: sized by pointer and keys, and remembered', async (page) => {
	await open(page, day());
	const width = () => page.locator('.events th').nth(3).evaluate((n) => n.offsetWidth);
	const before = await width();
	const grip = page.locator('.grip').nth(2);
	const box = await grip.boundingBox();
	await page.mouse.move(box.x + 4, box.y + 4);
	await page.mouse.down();
	await page.mouse.move(box.x + 84, box.y + 4, { steps: 3 });
	await page.mouse.up();
	await becomes(width, before + 80, 'wider by the pointer');
	await grip.focus();
	await page.keyboard.press('ArrowLeft');
	await becomes(width, before + 64, 'narrower by a key');
	await page.reload();
	await settled(page);
	equal(await width(), before + 64, 'after a reload');
});

/* ---- an event opened ---- */

async function opened(page, more = '') {
	await open(page, day(more));
	await page.locator('tr.line .toggle').first().click();
	await seen(page.locator('tr.detail .event'));
	return page.locator('tr.detail');
}

test('event: every field, the metadata as a tree, raw JSON', async (page) => {
	const detail = await opened(page);
	const names = await detail.locator('dt').allTextContents();
	equal(names, ['Type', 'Severity', 'Entity type', 'Entity id', 'User', 'Description', 'Service', 'Host', 'Address', 'Id', 'Time', 'Received']);
	check((await detail.locator('.tree > ul > li').allTextContents()).some((t) => t.startsWith('a key with a blank')), 'metadata');
	await detail.locator('.tree summary', { hasText: 'http' }).click();
	await detail.locator('.tree summary', { hasText: 'path' }).click();
	await seen(detail.getByText('/cart'));
	await detail.locator('summary', { hasText: 'Raw JSON' }).click();
	const raw = JSON.parse(await detail.locator('pre').textContent());
	equal([raw.metadata.step, raw.metadata.list], [5999, [1, 'two', { three: 3 }]]);
});

/* Looked at in the turn that opens it: no other task of the page has run by then. */
test('event: what is unfolded is filled when it opens', async (page) => {
	const detail = await opened(page);
	const unfold = (name, act) => detail.locator('summary', { hasText: name }).evaluate(async (summary, how) => {
		if (how === 'click')
			summary.click();
		else
			summary.parentNode.open = true;
		await null;
		return summary.nextElementSibling?.textContent || '';
	}, act);
	check((await unfold('http', 'click')).startsWith('status 200'), 'a map, by a click');
	check((await unfold('list', 'script')).startsWith('0 1'), 'a list, by a script');
	check((await unfold('Raw JSON', 'click')).startsWith('{'), 'the raw JSON');
	await detail.locator('summary', { hasText: 'path' }).focus();
	await page.keyboard.press('Enter');
	await seen(detail.locator('.tree').getByText('/cart'));
});

test('event: filter for and filter out', async (page) => {
	let detail = await opened(page);
	await detail.getByRole('button', { name: 'Only events with this value: User' }).click();
	await becomes(() => query(page).getAll('f'), ['user_id=anna'], 'only anna');
	await settled(page);
	check(await total(page) < 1000, 'fewer');
	detail = await opened(page);
	await detail.getByRole('button', { name: 'Without events of this value: metadata.step' }).click();
	await becomes(() => query(page).getAll('f'), ['metadata.step!=5999'], 'without this');
	await becomes(() => total(page), 5999, 'one less');
	detail = await opened(page);
	await detail.getByRole('button', { name: 'Only events with this value: metadata."a key"' }).click();
	await becomes(() => query(page).getAll('f'), ['metadata."a key"="with a blank"'], 'a key that is no word');
	await becomes(() => total(page), 6000, 'all have it');
});

test('event: copied, and linked to', async (page) => {
	const detail = await opened(page);
	const clip = () => page.evaluate(() => navigator.clipboard.readText());
	await detail.getByRole('button', { name: 'Copy JSON' }).click();
	await until(async () => JSON.parse(await clip()).metadata.step === 5999, 'the event');
	await detail.getByRole('button', { name: 'Copy the value: Description' }).click();
	await until(async () => STEPS.test(await clip()), 'the value');
	await becomes(() => page.locator('#said').textContent(), 'Description copied', 'said');
	await detail.getByRole('button', { name: 'Copy link' }).click();
	await until(async () => (await clip()).startsWith('http'), 'the link');
	const link = await clip();
	equal(await detail.getByRole('link', { name: 'Link to this event' }).getAttribute('href'), link);
	await page.goto(link);
	await settled(page);
	check((await page.locator('.single').textContent()).includes('step 5999'), 'the linked event');
	await page.locator('.single').getByRole('button', { name: 'Close' }).click();
	await becomes(() => query(page).get('entry'), null, 'no longer in the address');
});

test('event: what happened around it, all and of the same entity', async (page) => {
	const detail = await opened(page, '&q=metadata.step%3D3000');
	const near = () => detail.locator('.near td.description').allTextContents();
	await detail.getByRole('button', { name: 'What happened around' }).click();
	await until(async () => (await near()).length === 21, 'ten on each side');
	equal((await near()).map((t) => Number(STEPS.exec(t)[1])), [...Array(21).keys()].map((i) => 2990 + i));
	equal(await detail.locator('.near .here td.description').textContent(), (await near())[10], 'the one in the middle');
	await detail.getByRole('button', { name: 'Around, same entity' }).click();
	await until(async () => (await near()).some((t) => t.endsWith('step 2880')), 'of the same entity');
	check((await near()).every((t) => Number(STEPS.exec(t)[1]) % 120 === 0), 'and of no other');
});

test('severity: by colour, text and shape', async (page) => {
	await open(page, day('&q=severity%3E%3Dwarning'));
	const seen = new Map();
	for (const node of await page.locator('tr.line .sev').all()) {
		const [all, sign] = [await node.textContent(), await node.locator('.sign').textContent()];
		seen.set(all.replace(sign, ''), [sign, await node.evaluate((n) => getComputedStyle(n).color)]);
	}
	check(seen.has('warning') && seen.has('error'), `${[...seen.keys()]}`);
	const [a, b] = [seen.get('warning'), seen.get('error')];
	check(a[0] !== b[0] && a[1] !== b[1], 'sign and colour differ');
});
