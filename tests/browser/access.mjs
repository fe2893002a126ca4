/*
 * access - the viewer for everybody: no serious finding of axe-core on any page in either colour, keys for
 * all that the pointer does, narrow and wide windows, little motion, and assets that are soon there.
 */
import { readFileSync } from 'node:fs';
import { test, check, equal, becomes, until, open, settled, seen, gone, day, total, AXE, BASE } from './kit.mjs';

const PAGES = [['Logs', day()], ['Live', '/live'], ['Statistics', day().replace('/?', '/stats?')],
	['Notifications', '/notifications?from=-3h'], ['Thoughts', '/thoughts?from=-3h'], ['Status', '/status']];

/* Findings that keep somebody out, as text; of the rows, which are alike, some. */
async function findings(page, within = 'html') {
	/* The policy of the page allows no script of others: the debugger puts it in. */
	if (!await page.evaluate(() => 'axe' in window))
		await page.evaluate(readFileSync(AXE, 'utf8'));
	const { violations } = await page.evaluate((include) => window.axe.run({ include, exclude: ['tr.line:nth-child(n+10)'] },
		{ resultTypes: ['violations'] }), within);
	return violations.filter((v) => ['serious', 'critical'].includes(v.impact))
		.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary}`).join(' | ')}`);
}

for (const dark of [false, true])
	for (const [name, address] of PAGES)
		test(`axe: ${name}, ${dark ? 'dark' : 'light'}`, async (page) => {
			await open(page, address);
			if (name === 'Logs') {
				await page.locator('tr.line .toggle').first().click();
				await page.locator('.detail summary', { hasText: 'Raw JSON' }).click();
				await page.locator('.detail').getByRole('button', { name: 'What happened around' }).click();
				await seen(page.locator('.near'));
			}
			equal(await findings(page), []);
		}, { dark });

test('axe: menus and dialogs', async (page) => {
	await open(page, day());
	for (const name of ['Export', 'Views']) {
		await page.locator('summary', { hasText: name }).click();
		await seen(page.locator('.menu[open] li'));
		equal(await findings(page, '.menu[open]'), [], name);
		await page.keyboard.press('Escape');
	}
	await page.keyboard.press('?');
	equal(await findings(page, 'dialog'), [], 'help');
	await page.keyboard.press('Escape');
	await gone(page.locator('dialog'));
	await page.getByRole('button', { name: 'Columns' }).click();
	await seen(page.getByRole('button', { name: '+ amount' }));
	equal(await findings(page, 'dialog'), [], 'columns');
});

test('tables are tables, and changes are said', async (page) => {
	await open(page, day());
	const table = page.getByRole('table', { name: 'Events' });
	equal(await table.getAttribute('aria-rowcount'), '-1', 'not known before the end');
	equal(await table.locator('th[scope=col]').count(), 8);
	equal(await table.locator('th[aria-sort]').getAttribute('aria-sort'), 'descending');
	equal(await table.locator('tr.line').first().getAttribute('aria-rowindex'), '2');
	check(await page.locator('[role=status]').first().isVisible(), 'a status');
	equal(await page.locator('#said').getAttribute('aria-live'), 'polite');
	equal(await page.title(), 'Logs · Astrolabe');
	await page.getByRole('link', { name: 'Status' }).click();
	await becomes(() => page.title(), 'Status · Astrolabe', 'the title');
	equal(await page.locator('nav [aria-current=page]').textContent(), 'Status');
});

test('focus goes from the top to the bottom', async (page) => {
	await open(page, day());
	const seen = [];
	for (let i = 0; i < 22; i++) {
		await page.keyboard.press('Tab');
		seen.push(await page.evaluate(() => document.activeElement.getAttribute('aria-label') || document.activeElement.textContent.slice(0, 30)));
	}
	const order = ['To the content', 'Astrolabe', 'Logs', 'Status', 'Local time', 'Question', 'Search', 'Events over time', 'Values', 'Columns', 'Export', 'Type'];
	const at = order.map((name) => seen.findIndex((s) => s.startsWith(name)));
	check(at.every((n, i) => n >= 0 && (i === 0 || n > at[i - 1])), `${order}: ${at} in ${seen}`);
});

test('keys: / j k Enter x t f ? Escape', async (page) => {
	const focus = (what) => page.evaluate((sel) => document.activeElement.matches(sel), what);
	await open(page, day());
	await page.keyboard.press('j');
	await page.keyboard.press('j');
	await page.keyboard.press('j');
	await page.keyboard.press('k');
	await becomes(() => page.locator('tr.line.at').getAttribute('data-row'), '1', 'the second row');
	await page.keyboard.press('Enter');
	await seen(page.locator('tr.detail'));
	await page.keyboard.press('Enter');
	await gone(page.locator('tr.detail'));
	await page.keyboard.press('x');
	await until(() => focus('.sheet a'), 'export');
	await page.keyboard.press('Escape');
	check(await focus('summary'), 'back at the menu');
	await page.keyboard.press('t');
	await until(() => focus('#range-from'), 'time');
	await page.keyboard.press('Escape');
	await page.keyboard.press('f');
	await until(() => focus('.facets button'), 'values');
	await page.keyboard.press('?');
	await seen(page.getByRole('dialog', { name: 'Keyboard' }));
	await page.keyboard.press('Escape');
	await gone(page.locator('dialog'));
	await page.keyboard.press('/');
	await until(() => focus('#ask'), 'question');
	await page.keyboard.type('j?/x');
	equal(await page.inputValue('#ask'), 'j?/x', 'keys are text where text is typed');
});

test('dark and light, remembered', async (page) => {
	const dark = () => page.evaluate(() => {
		const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
		return r + g + b < 384;
	});
	await open(page, day());
	check(!await dark(), 'light, as the system says');
	await page.getByRole('button', { name: 'Dark' }).click();
	check(await dark(), 'dark, as it was chosen');
	await page.reload();
	await settled(page);
	check(await dark(), 'remembered');
	await page.getByRole('button', { name: 'Dark' }).click();
	await page.emulateMedia({ colorScheme: 'dark' });
	check(!await dark(), 'light was chosen, whatever the system says');
});

for (const [width, height] of [[360, 740], [2560, 1300]])
	test(`${width} pixels wide: nothing sticks out`, async (page) => {
		for (const [name, address] of PAGES) {
			await open(page, address);
			const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
			check(over <= 0, `${name} is ${over} px too wide`);
		}
		await open(page, day());
		await page.locator('tr.line .toggle').first().click();
		const box = await page.locator('tr.detail .event').boundingBox();
		check(box.x >= 0 && box.x + box.width <= width, `an open event fits: ${JSON.stringify(box)}`);
		await page.keyboard.press('f');
		await becomes(() => page.locator('.facets').isVisible(), true, 'the values');
		await page.keyboard.press('x');
		const sheet = await page.locator('.menu[open] .sheet').boundingBox();
		check(sheet.x >= 0 && sheet.x + sheet.width <= width, 'a menu fits');
	}, { width, height });

test('little motion where little is wanted', async (page) => {
	await open(page, day());
	const moving = await page.evaluate(() => [...document.querySelectorAll('*')].filter((n) => {
		const s = getComputedStyle(n);
		return s.transitionDuration !== '0s' || s.animationName !== 'none';
	}).length);
	equal(moving, 0);
}, { reduced: true });

test('assets: under 80 kB together, named before they are needed', async (page) => {
	const html = await (await fetch(BASE)).text();
	const named = new Set([...html.matchAll(/(?:href|src)="(\/web\/[^"]+)"/g)].map((m) => m[1]));
	const loaded = new Set(['/']);
	let sum = 0;

	page.on('response', (r) => {
		const { pathname } = new URL(r.url());
		if (pathname.startsWith('/web/'))
			loaded.add(pathname);
	});
	await open(page, day());
	for (const path of [...loaded, '/web/icon.svg']) {
		const r = await fetch(BASE + path, { headers: { 'Accept-Encoding': 'gzip' } });
		check(r.headers.get('content-encoding') === 'gzip', `${path} is packed`);
		sum += Number(r.headers.get('content-length'));
	}
	check(sum > 10000 && sum < 80000, `${sum} bytes`);
	equal([...loaded].filter((p) => p.endsWith('.js') && !named.has(p)), [], 'a module that the page does not name');
	equal(await total(page), 6000);
});
