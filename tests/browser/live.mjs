/* live - events as they come; nothing is lost, whatever happens to the connection. */
import { test as plain, lacks, check, equal, becomes, until, send, kill, start, another, query } from './kit.mjs';

const test = (name, run, options = {}) => plain(name, run, { ...options, lacks: lacks('/ws/logs') });
let round = 0;

/* So many events of a user whom no other test has. */
function batch(user, from, count, more = {}) {
	return [...Array(count).keys()].map((i) => ({ event_type: 'LIVE', user_id: user, description: `live ${from + i}`, ...more }));
}

const numbers = (page) => page.locator('tr.line td.description').evaluateAll((all) =>
	all.map((td) => Number(td.textContent.replace('live ', ''))));
const upTo = (n) => [...Array(n).keys()];
const state = (page) => page.locator('.status').textContent();

/* Opens the page for a user of this test; returns the name. */
async function live(page, more = '') {
	const user = `live-${round++}`;

	await page.goto(`${process.env.ASTRO_URL}/live?f=user_id%3D${user}${more}`);
	await until(async () => await state(page) === 'Live', 'live');
	return user;
}

test('live: what comes is shown, with its rate', async (page) => {
	const user = await live(page);
	await send(batch(user, 0, 20));
	await becomes(() => numbers(page), upTo(20), 'events, the newest last');
	await page.locator('tr.line .toggle').last().click();
	check((await page.locator('tr.detail').textContent()).includes('live 19'), 'an event opened');
	/* Of the last seconds only. */
	await until(async () => /^[1-9][\d.]* events\/s$/.test(await page.locator('.rate').textContent()) ||
		!await send(batch(user, 20, 10)), 'the rate');
});

test('live: stop and start', async (page) => {
	const user = await live(page);
	await send(batch(user, 0, 3));
	await becomes(() => numbers(page), upTo(3), 'events');
	await page.getByRole('button', { name: 'Stop' }).click();
	await becomes(() => state(page), 'Stopped', 'stopped');
	await send(batch(user, 3, 3));
	await page.getByRole('button', { name: 'Start' }).click();
	await becomes(() => numbers(page), upTo(6), 'what came meanwhile is there');
});

test('live: filters and question', async (page) => {
	const user = await live(page, '&q=severity%3E%3Derror');
	await send([...batch(user, 0, 5, { severity: 'info' }), ...batch(user, 5, 2, { severity: 'error' })]);
	await becomes(() => numbers(page), [5, 6], 'only errors');
	await page.fill('#ask', 'live and (');
	await page.press('#ask', 'Enter');
	await until(async () => (await page.locator('#ask-error').textContent()).includes('expected'), 'an error in place');
	await page.fill('#ask', '');
	await page.press('#ask', 'Enter');
	await becomes(() => numbers(page), upTo(7), 'all');
	await becomes(() => query(page).get('q'), null, 'no question in the address');
}, { network: true });

/* Where the list stands once a turn of the wheel has come to its end. */
async function still(page) {
	const top = () => page.locator('.list').evaluate((n) => new Promise((done) => {
		requestAnimationFrame(() => requestAnimationFrame(() => done(n.scrollTop)));
	}));
	let at = await top();

	await until(async () => at === (at = await top()), 'the list stands still');
	return at;
}

test('live: scrolling back holds the view and counts', async (page) => {
	const user = await live(page);
	await send(batch(user, 0, 80));
	await until(async () => (await numbers(page)).length === 80, 'events');
	await page.locator('.list').hover();
	await page.mouse.wheel(0, -600);
	await until(async () => (await state(page)).startsWith('Paused'), 'held');
	const at = await still(page);
	await send(batch(user, 80, 30));
	await becomes(() => page.locator('.more').textContent(), '30 new ↓', 'counted');
	equal(await page.locator('.list').evaluate((n) => n.scrollTop), at, 'nothing moves');
	equal((await numbers(page)).length, 80);
	await page.locator('.more').click();
	await becomes(() => numbers(page), upTo(110), 'all of it');
	equal(await state(page), 'Live');
	await page.keyboard.press(' ');
	await until(async () => (await state(page)).startsWith('Paused'), 'held by a key');
	await page.getByRole('button', { name: 'Go on' }).click();
	await becomes(() => state(page), 'Live', 'and on');
});

/* The list scrolls itself to what came; the browser tells of that in its next frame, behind what the reader does. */
for (const [name, by] of [['pauses', 'key'], ['scrolls back', 'wheel']])
	test(`live: who ${name} as events come has paused`, async (page) => {
		const user = await live(page);
		await send(batch(user, 0, 80));
		await becomes(() => numbers(page), upTo(80), 'events');
		await page.locator('.list tbody').evaluate((body, what) => {
			new MutationObserver((_, watch) => {
				watch.disconnect();
				if (what === 'key')
					document.body.dispatchEvent(new KeyboardEvent('keydown', { key: ' ', bubbles: true, cancelable: true }));
				else
					document.querySelector('.list').scrollTop -= 300;
				requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(() => {
					window.told = document.querySelector('.status').textContent;
				})));
			}).observe(body, { childList: true });
		}, by);
		await send(batch(user, 80, 1));
		equal(await until(() => page.evaluate(() => window.told), 'frames after it'), 'Paused: what comes is counted');
		await page.locator('.list').evaluate((n) => {
			n.scrollTop = n.scrollHeight;
		});
		if (by === 'wheel')
			await becomes(() => state(page), 'Live', 'on, at the end');
	});

test('live: nothing is lost when the server is killed', async (page) => {
	const user = await live(page);
	await send(batch(user, 0, 10));
	await becomes(() => numbers(page), upTo(10), 'before');
	await kill();
	await until(async () => (await state(page)).startsWith('Connection lost'), 'lost is said');
	await send(batch(user, 10, 10));
	await start();
	await becomes(() => state(page), 'Live', 'recovered');
	await send(batch(user, 20, 10));
	await becomes(() => numbers(page), upTo(30), 'all, each once');
}, { network: true });

test('live: what was left out is told', async (_, around) => {
	const page = await another(around);
	await page.addInitScript(() => {
		const Real = window.WebSocket;
		window.WebSocket = class extends Real {
			addEventListener(name, run, ...more) {
				super.addEventListener(name, name !== 'message' ? run : (e) => {
					const message = JSON.parse(e.data);
					/* The first one is empty, and comes before anything can be lost. */
					run({ data: JSON.stringify({ ...message, dropped: message.count && 12 }) });
				}, ...more);
			}
		};
	});
	const user = await live(page);
	await send(batch(user, 0, 1));
	await until(async () => /\d+ events were left out/.test(await state(page)), 'the loss');
});
