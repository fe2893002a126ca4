/* hostile - events made to break a page are text like any other. */
import { test, check, equal, becomes, until, open, settled, seen, gone, query, total } from './kit.mjs';

const evil = (type, page = '/') => `${page}?from=2026-02-02T00:00:00Z&to=2026-02-02T23:59:59Z${type ? `&q=event_type%3D${type}` : ''}`;

/* No script ran, no node came from an event, nothing is wider than the window. */
async function unhurt(page) {
	const state = await page.evaluate(() => ({ hurt: window.hurt, polluted: ({}).polluted,
		nodes: document.querySelectorAll('main img, main script, main b b, main i, main iframe').length,
		links: [...document.querySelectorAll('a')].filter((a) => a.href && !a.href.startsWith(location.origin)).map((a) => a.href),
		over: document.documentElement.scrollWidth - innerWidth }));
	equal(state, { nodes: 0, links: [], over: 0 });
}

async function opened(page, type) {
	await open(page, evil(type));
	await page.locator('tr.line .toggle').first().click();
	await seen(page.locator('tr.detail .event'));
	await page.locator('tr.detail summary', { hasText: 'Raw JSON' }).click();
	await seen(page.locator('tr.detail pre'));
	await unhurt(page);
	return page.locator('tr.detail');
}

/* Opens all that is folded, what comes into sight by it too. */
const unfold = (detail) => detail.evaluate(async (node) => {
	for (let next; (next = node.querySelector('.tree details:not([open])'));) {
		next.open = true;
		await null;
	}
});

test('hostile: all of them, on every page', async (page) => {
	await open(page, evil());
	equal(await total(page), 12);
	for (const toggle of await page.locator('tr.line .toggle').all())
		await toggle.click();
	await unhurt(page);
	equal(await page.locator('tr.line').first().evaluate((n) => n.offsetHeight), 26, 'rows keep their height');
	for (const path of ['/stats', '/live', '/thoughts', '/notifications']) {
		await open(page, evil('', path));
		await unhurt(page);
	}
});

test('hostile: scripts are text', async (page) => {
	await open(page, evil('', '/'));
	await page.fill('#ask', 'description:"<script>"');
	await page.press('#ask', 'Enter');
	await becomes(() => total(page), 1, 'found by its text');
	await settled(page);
	await page.locator('tr.line .toggle').first().click();
	check((await page.locator('tr.line td.description').textContent()).startsWith('<script>window.hurt = 1</script><img'), 'as it is');
	await page.locator('tr.detail').getByRole('button', { name: 'Only events with this value: Description' }).click();
	await becomes(() => total(page), 1, 'as a filter');
	check((await page.locator('.chips').textContent()).includes('<script>'), 'in a chip');
	await unhurt(page);
});

test('hostile: control characters and turned text are seen', async (page) => {
	let detail = await opened(page, 'CONTROL');
	const text = await detail.locator('dd').nth(2).textContent();
	check(text.includes('⟨07⟩') && text.includes('⟨1b⟩[31m') && text.includes('⟨7f⟩'), text);
	detail = await opened(page, 'BIDI');
	check((await page.locator('tr.line td.description').textContent()).includes('⟨202e⟩gnp.exe⟨202c⟩'), 'an override');
	check((await page.locator('tr.line td.user_id').textContent()).startsWith('⟨202e⟩anna'), 'in a name');
	await detail.getByRole('button', { name: 'Only events with this value: User' }).click();
	await becomes(() => query(page).getAll('f'), ['user_id=\u202eanna'], 'a filter has the very name');
	await becomes(() => total(page), 1, 'the filter finds it');
	check(!(await page.locator('.chips').textContent()).includes('\u202e'), 'a chip does not turn either');
});

test('hostile: a megabyte of description', async (page) => {
	const detail = await opened(page, 'LONG');
	check((await page.locator('tr.line td.description').textContent()).length < 2000, 'a row has its beginning');
	const all = detail.locator('dd').getByRole('button', { name: /Show all [\d,]+ characters/ });
	await all.click();
	await until(async () => (await detail.locator('dd').nth(2).textContent()).length > 900000, 'all of it');
	await unhurt(page);
	await page.locator('tr.line .toggle').first().click();
	await gone(page.locator('tr.detail'));
});

test('hostile: five hundred keys, and names of the language', async (page) => {
	let detail = await opened(page, 'KEYS');
	equal(await detail.locator('.tree > ul > li').count(), 500);
	detail = await opened(page, 'PROTO');
	const keys = await detail.locator('.tree > ul > li').evaluateAll((all) => all.map((li) => li.querySelector('.key').textContent));
	equal([...keys].sort(), ['', '<i>key</i>', '__proto__', 'constructor', 'hasOwnProperty', 'toString'].sort());
	await detail.locator('summary', { hasText: '__proto__' }).click();
	await until(async () => (await detail.locator('.tree').textContent()).includes('polluted yes'), 'its value');
	await detail.getByRole('button', { name: 'Only events with this value: metadata.toString' }).click();
	await becomes(() => total(page), 1, 'as a filter');
	await unhurt(page);
});

test('hostile: columns of such names', async (page) => {
	await open(page, evil('PROTO'));
	await page.evaluate(() => localStorage.setItem('astrolabe.columns',
		JSON.stringify([['metadata.constructor', 100], ['metadata.__proto__.polluted', 100], ['metadata.valueOf', 100], ['description', 0]])));
	await page.reload();
	await settled(page);
	equal(await page.locator('tr.line td').allTextContents(), ['', '{"prototype":{"polluted":"yes"}}', 'yes', '–', 'names of the language']);
	await page.evaluate(() => localStorage.setItem('astrolabe.columns', '{"broken": '));
	await page.reload();
	await settled(page);
	equal(await page.locator('.events th').count(), 8, 'what cannot be read is as at first');
});

test('hostile: links, depth, long words, marks upon marks', async (page) => {
	for (const type of ['LINK', 'DEEP', 'FORMULA', 'EMPTY', 'ZALGO']) {
		await opened(page, type);
		await unfold(page.locator('tr.detail'));
		check(type !== 'DEEP' || await page.locator('tr.detail .tree').getByText('bottom').isVisible(), 'down to the bottom');
		await unhurt(page);
	}
});
