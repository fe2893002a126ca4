/* states - the page says what is: loading, nothing there, an error and its cause, a part only, no connection. */
import { test, check, equal, becomes, until, open, settled, seen, day, query, total, kill, start, BASE } from './kit.mjs';

const status = (page) => page.locator('.status').first().textContent();

/* Holds answers to such requests until the function that it returns is called. */
async function hold(page, pattern) {
	let free;
	const gate = new Promise((go) => {
		free = go;
	});

	await page.route(pattern, async (route) => {
		await gate;
		await route.continue().catch(() => {});
	});
	return free;
}

test('loading: said, and can be cancelled', async (page) => {
	const free = await hold(page, '**/api/**');
	await page.goto(BASE + day());
	await page.getByRole('button', { name: 'Cancel' }).click();
	await until(async () => (await status(page)).startsWith('Cancelled'), 'cancelled');
	equal(await page.locator('.logs').getAttribute('aria-busy'), 'false');
	check(await page.getByRole('button', { name: 'Cancel' }).isHidden(), 'nothing left to cancel');
	free();
	await page.unroute('**/api/**');
	await page.getByRole('button', { name: 'Search' }).click();
	await becomes(() => total(page), 6000, 'asked again');
}, { network: true });

test('loading: a board too', async (page) => {
	const free = await hold(page, '**/api/status');
	await page.goto(`${BASE}/status`);
	await page.getByRole('button', { name: 'Cancel' }).click();
	await seen(page.getByText('Cancelled'));
	free();
	await page.unroute('**/api/status');
	await page.getByRole('button', { name: 'Ask again' }).click();
	await seen(page.locator('.card'));
}, { network: true });

test('nothing there: what the store has, and the next step', async (page) => {
	await open(page, day('&q=service%3Dnowhere&f=user_id%3Danna'));
	equal(await page.locator('.empty h2').textContent(), 'No events');
	check(/The store has [\d,]+ events, from 2026-01-15/.test(await page.locator('.empty p').first().textContent()), 'what there is');
	await page.getByRole('button', { name: 'Without question and filters' }).click();
	await becomes(() => total(page), 6000, 'the next step');
	await open(page, '/?from=2020-01-01&to=2020-01-02');
	await page.getByRole('button', { name: 'All time' }).last().click();
	await until(async () => await total(page) > 6000, 'all time');
});

test('an error: its cause and a hint', async (page) => {
	await page.route('**/api/logs?**', (route) => route.fulfill({ status: 503,
		json: { status: 'error', error: 'too many queries wait', hint: 'try again in a moment' } }));
	await page.goto(BASE + day());
	await becomes(() => status(page), 'too many queries wait. try again in a moment', 'the cause');
	check(await page.locator('.status.bad').count() === 1, 'shown as one');
	await page.unroute('**/api/logs?**');
	await page.getByRole('button', { name: 'Search' }).click();
	await becomes(() => total(page), 6000, 'asked again');
}, { network: true });

test('an error: a proxy that answers no JSON', async (page) => {
	await page.route('**/api/query?**', (route) => route.fulfill({ status: 502, body: '<h1>Bad gateway</h1>' }));
	await page.goto(BASE + day());
	await until(async () => (await status(page)).includes('the answer is not JSON'), 'the cause');
	check(await page.locator('tr.line').count() > 10, 'what did come is shown');
}, { network: true });

test('a partial answer is called one', async (page) => {
	await page.route('**/api/query?**', async (route) => {
		const answer = await (await route.fetch()).json();
		await route.fulfill({ json: { ...answer, partial: 'time' } });
	});
	await open(page, day());
	check(/partial \(time\)/.test(await status(page)), await status(page));
	await open(page, day().replace('/?', '/stats?'));
	check(/Partial \(time\)/.test(await page.locator('.status').first().textContent()), 'on a board too');
});

test('the connection: lost while scrolling, and recovered', async (page) => {
	await open(page, day());
	await kill();
	await page.locator('.list').evaluate((n) => {
		n.scrollTop = n.scrollHeight;
	});
	await until(async () => (await status(page)).includes('the server cannot be reached'), 'lost');
	await start();
	await until(async () => /^6,000 events/.test(await status(page)), 'recovered');
	await until(async () => await page.locator('tr.line').count() > 10, 'rows');
}, { network: true });

test('the connection: lost while asking, and recovered', async (page) => {
	await open(page, day());
	await kill();
	await page.getByRole('button', { name: /^Time/ }).click();
	await until(async () => (await status(page)).includes('the server cannot be reached'), 'lost');
	await start();
	await until(async () => /^6,000 events/.test(await status(page)), 'recovered');
	equal(query(page).get('order'), 'asc');
	await open(page, '/notifications');
	await kill();
	await until(async () => (await status(page)).includes('cannot be reached'), 'lost on a board');
	await start();
	await becomes(() => status(page), '', 'recovered on a board');
	await settled(page);
}, { network: true });
