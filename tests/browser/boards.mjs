/* boards - the pages of numbers: statistics, notifications, thoughts, status. */
import { test, check, equal, becomes, until, open, settled, seen, day, query, send, api } from './kit.mjs';

/* { name: value } of the cards, without their notes. */
const cards = async (page) => Object.fromEntries(await page.locator('.card').evaluateAll((all) =>
	all.map((c) => [c.querySelector('dt').textContent, c.querySelector('dd').firstChild.textContent])));

const rows = (page, name) => page.getByRole('table', { name }).locator('tbody tr').evaluateAll((all) =>
	all.map((tr) => [...tr.cells].map((c) => c.textContent)));

const now = (ms = 0) => new Date(Date.now() + ms).toISOString();

/* ---- statistics ---- */

const stats = day().replace('/?', '/stats?');

test('statistics: cards, counts, histogram, top lists', async (page) => {
	await open(page, stats);
	const c = await cards(page);
	equal([c.Events, c.Users, c.Entities], ['6,000', '7', '80']);
	check(/^[\d.,]+ \/s$/.test(c.Now) && 'Last 24 hours' in c, JSON.stringify(c));
	equal((await rows(page, 'By type'))[0], ['AUTH', '1,800']);
	equal(await rows(page, 'By entity type'), [['order', '4,000'], ['session', '2,000']]);
	equal((await rows(page, 'Top users'))[0][1], '858');
	equal((await rows(page, 'Top entities')).length, 10);
	equal(await page.locator('.legend li').count(), 6, 'types in the histogram');
});

test('statistics: all of it honours the filters', async (page) => {
	await open(page, `${stats}&q=event_type%3DERROR&f=service%3Dbilling`);
	equal((await cards(page)).Events, '200');
	equal(await rows(page, 'By type'), [['ERROR', '200']]);
	await page.getByRole('table', { name: 'Top users' }).getByRole('button', { name: 'anna' }).click();
	await becomes(() => query(page).getAll('f'), ['service=billing', 'user_id=anna'], 'a value is a filter');
	await until(async () => (await rows(page, 'Top users')).length === 1, 'one user is left');
	await page.fill('#ask', 'nothing_has_this');
	await page.press('#ask', 'Enter');
	await page.getByRole('button', { name: 'All events' }).click();
	await until(async () => Number((await cards(page)).Events.replace(',', '')) > 6000, 'all events');
});

/* ---- notifications ---- */

test('notifications: uptime, sent, failed, queue, by type and over time', async (page) => {
	await send([{ timestamp: now(), event_type: 'NOTIFY', description: 'heartbeat', metadata: { kind: 'heartbeat', queue_size: 3 } }]);
	await open(page, '/notifications?from=-4h');
	const c = await cards(page);
	check(c.Service.endsWith('running'), `the service: ${c.Service}`);
	check(/^[6-9]\d(\.\d+)? %$/.test(c.Uptime), `ten minutes of two hours, and those of the tests, without heartbeats: ${c.Uptime}`);
	equal(Number(c.Sent) + Number(c.Failed), 60);
	equal([c.Failed, c['Queue now']], ['6', '3']);
	const types = await rows(page, 'By type');
	equal(types.map((r) => r[0]).sort(), ['email', 'push', 'sms']);
	equal(types.reduce((n, r) => n + Number(r[2]), 0), 6, 'failures by type');
	equal(await page.locator('.legend li').allTextContents(), ['sent', 'failed']);
	check(await page.locator('.uptime .down').count() > 0, 'the silence is seen');
	equal((await rows(page, 'Last failures'))[0].slice(1), ['email', 'user0@example.org', 'mailbox 0 is full']);
});

test('notifications: the board lives', async (page) => {
	await open(page, '/notifications?from=-4h');
	const before = Number((await cards(page)).Failed);
	await send([{ timestamp: now(), event_type: 'NOTIFY', description: 'the gateway is away', metadata: { notification_type: 'fax', recipient: 'boss', status: 'failed' } },
		{ timestamp: now(), event_type: 'NOTIFY', description: 'heartbeat', metadata: { kind: 'heartbeat', queue_size: 77 } }]);
	/* Each is a question of its own: one may be answered just before the events came, and has them the next time. */
	await becomes(async () => {
		const c = await cards(page);
		return [c['Queue now'], Number(c.Failed), (await rows(page, 'Last failures'))[0][3]];
	}, ['77', before + 1, 'the gateway is away'], 'queue, count and reason');
	await page.getByRole('button', { name: 'fax' }).click();
	await becomes(() => query(page).getAll('f'), ['event_type=NOTIFY', 'metadata.notification_type=fax'], 'in the logs');
});

/* ---- thoughts ---- */

const thoughts = (page) => page.locator('.thoughts article .text').allTextContents();

test('thoughts: a timeline beside the events of the moment', async (page) => {
	await open(page, '/thoughts?from=-3h');
	const all = await thoughts(page);
	equal(all.length, 12);
	check(all[0].startsWith('Thought 0') && all[0].includes('\n'), 'the newest first, as it was written');
	const moment = page.locator('.thoughts > li').nth(1).locator('.beside');
	await until(async () => (await moment.textContent()).includes('deed 2 after thought 1'), 'what happened then');
	check(!(await moment.textContent()).includes('thought 0'), 'and nothing of the next thought');
	await page.locator('.thoughts > li').nth(11).scrollIntoViewIfNeeded();
	await until(async () => (await page.locator('.thoughts > li').nth(11).textContent()).includes('deed 1 after thought 11'), 'as it comes into sight');
});

test('thoughts: of a user, a range, with words', async (page) => {
	await open(page, '/thoughts?from=-3h');
	await page.selectOption('#thinker', 'agent-1');
	await becomes(() => query(page).get('user'), 'agent-1', 'in the address');
	await until(async () => (await thoughts(page)).length === 6, 'those of one');
	await page.fill('#thought-search', '"Thought 3"');
	await page.press('#thought-search', 'Enter');
	await until(async () => (await thoughts(page)).length === 1, 'with these words');
	await page.fill('#thought-search', 'no such thought');
	await page.press('#thought-search', 'Enter');
	await seen(page.getByText('No thoughts here'));
	await page.getByRole('button', { name: 'All thoughts' }).click();
	await until(async () => (await thoughts(page)).length === 12, 'all again');
	const [, second] = (await api('/api/logs?event_type=THOUGHT&limit=3')).logs;
	await open(page, `/thoughts?from=${second.timestamp}`);
	equal((await thoughts(page)).length, 2, 'of the range');
});

/* ---- status ---- */

test('status: store, doors, loss, retention, days', async (page) => {
	await open(page, '/status');
	const c = await cards(page);
	check(Number(c.Events.replace(',', '')) > 6000, `events: ${c.Events}`);
	check(c.Collector.endsWith('running'), `the collector: ${c.Collector}`);
	check(/^[\d.,]+ [KMG]iB$/.test(c.Store) && 'An event' in c, `size: ${c.Store}`);
	equal(c.Lost, '0');
	for (const name of ['Doors', 'Retention', 'Files'])
		check(await page.getByRole('heading', { name }).count() === 1, name);
	check((await rows(page, 'Files')).some((r) => r[0] === 'journal'), 'files');
	await settled(page);
});

test('status: what the server tells of doors, disk and days', async (page) => {
	await page.route('**/api/status', async (route) => {
		const answer = await (await route.fetch()).json();
		Object.assign(answer, { disk: { free: 5 * 2 ** 30, total: 10 * 2 ** 30 },
			doors: [{ name: 'forward', events: 1234567, rate: 20.5, refused: 3, lost: 0 }],
			days: [{ day: '2026-01-14', events: 10, bytes: 100, segments: 1 }, { day: '2026-01-15', events: 6000, bytes: 60000, segments: 3 }] });
		await route.fulfill({ json: answer });
	});
	await open(page, '/status');
	equal(await rows(page, 'Doors'), [['forward', '1,234,567', '20.5 /s', '3', '0']]);
	check((await page.locator('.card', { hasText: 'Store' }).textContent()).includes('5 GiB of 10 GiB free'), 'disk');
	equal(await page.locator('.days li').count(), 2);
	const colours = await page.locator('.days li').evaluateAll((all) => all.map((d) => getComputedStyle(d).backgroundColor));
	check(new Set([...colours, 'rgba(0, 0, 0, 0)']).size === 3, `days are seen, the darker the more: ${colours}`);
	check((await page.locator('.days li').last().getAttribute('title')).startsWith('2026-01-15: 6,000 events, 3 segments'), 'a day');
});
