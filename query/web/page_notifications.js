/*
 * page_notifications - the notification service, as its NOTIFY events tell: whether it runs (from its
 * heartbeats), what it sent, what failed, how long its queue is.
 *
 * What the service writes: event_type NOTIFY; metadata.status sent, delivered, failed, bounced...;
 * metadata.notification_type; metadata.kind heartbeat with metadata.queue_size, every
 * HEARTBEAT_S seconds or so.
 */
import { el, put, plain } from './el.js';
import { events, url } from './api.js';
import { RangeBox } from './range_box.js';
import { Chart, buckets } from './chart.js';
import { test } from './lang.js';
import { Board, card, number, table } from './board.js';
import { moment } from './cells.js';
import { ago, duration, iso, show } from './when.js';

const EVERY = 3000;
const HEARTBEAT_S = 60;
const MISSING = 3; /* heartbeats late: the service is taken for gone */
const BEAT = 'metadata.kind=heartbeat';
const BAD = ['failed', 'bounced', 'error', 'rejected'];
const GOOD = ['sent', 'delivered', 'ok', 'success'];
const FAILED = `metadata.status in (${BAD.join(', ')})`;
const FAILURES = 20;
const TYPES = 20;

export class PageNotifications extends Board {
	constructor(state) {
		super(state, EVERY);
		this.range = new RangeBox(state);
		this.cards = el('dl', { class: 'cards' });
		this.up = el('ol', { class: 'uptime', 'aria-label': 'Uptime over the range' });
		this.panels = el('div', { class: 'panels' });
		this.chart = new Chart({ name: 'Notifications over time by status', height: 140, utc: () => state.utc,
			pick: (from, to) => state.set({ from: iso(from), to: iso(Math.ceil(to) - 1) }) });
		this.none = el('p', { class: 'status', hidden: true }, 'No notifications in this range. ',
			el('button', { type: 'button', onclick: () => state.set({ from: '', to: '' }) }, 'All time'),
			' A service writes them as events of type NOTIFY with metadata.status and metadata.notification_type, ' +
			'and each minute one with metadata.kind=heartbeat and metadata.queue_size.');
		this.node = el('div', { class: 'page' },
			el('div', { class: 'bar' }, el('h1', {}, 'Notification service'), this.range.node), this.status, this.none, this.cards,
			this.up, this.chart.node, this.panels);
		this.keys = { t: () => this.range.summary.click() };
	}

	show() {
		this.range.show();
		return super.show();
	}

	async load() {
		const { range } = this.state;
		const time = [['event_type', 'NOTIFY'], ...this.state.filters({ range })];
		const count = (name, q, more = []) => this.asker.ask(name, url('/api/query', [...time, ['q', q], ...more]));
		const no = `not (${BEAT})`;
		const answers = await Promise.all([
			count('types', no, [['by', 'metadata.notification_type,metadata.status'], ['top', 1000]]),
			count('over', no, [['by', 'metadata.status'], ['buckets', 100], ['order', 'group'], ['limit', 20000]]),
			count('beats', BEAT, [['bucket', 'auto'], ['buckets', 90]]),
			this.asker.ask('last', url('/api/logs', [['event_type', 'NOTIFY'], ['q', BEAT], ['limit', 1], ['total', 'none']])),
			this.asker.ask('bad', url('/api/logs', [...time, ['q', FAILED], ['limit', FAILURES], ['total', 'none']]))]);
		const [types, over, beats, last, bad] = answers;

		this.draw({ types: this.byType(types), over, beats, last: events(last)[0], bad: events(bad), range });
		return answers;
	}

	/* Rows [type, status, count] as [type, sent, failed, all]. */
	byType({ rows }) {
		const by = new Map();

		for (const [type, status, n] of rows) {
			const line = by.get(type) || [type, 0, 0, 0];
			line[1] += GOOD.includes(status) ? n : 0;
			line[2] += BAD.includes(status) ? n : 0;
			line[3] += n;
			by.set(type, line);
		}
		return [...by.values()].sort((a, b) => b[3] - a[3]);
	}

	draw({ types, over, beats, last, bad, range }) {
		const late = last ? (Date.now() - Date.parse(last.timestamp)) / 1e3 : null;
		const alive = late !== null && late < MISSING * HEARTBEAT_S;
		const uptime = this.uptime(beats, range);
		const sum = (i) => types.reduce((n, t) => n + t[i], 0);
		const [sent, failed] = [sum(1), sum(2)];
		const share = sent + failed ? failed / (sent + failed) * 100 : 0;

		this.none.hidden = types.length > 0 || beats.rows.length > 0;
		put(this.cards,
			card('Service', last ? (alive ? '\u25cf running' : '\u25b2 silent') : '\u2013 unknown',
				last ? `heartbeat ${ago(Date.parse(last.timestamp))}` : 'no heartbeat in the store', last && (alive ? 'good' : 'bad')),
			card('Uptime', uptime === null ? '\u2013' : `${number(uptime * 100)} %`, 'by heartbeats, since the first of the range'),
			card('Sent', number(sent), 'in the range'), card('Failed', number(failed), `${number(share)} %`, failed ? 'bad' : ''),
			card('Queue now', number(last?.metadata?.queue_size), last ? `told ${ago(Date.parse(last.timestamp))}` : ''));
		this.chart.draw(buckets(over, ['sent', 'delivered']), range.from, range.to ?? Date.now());
		put(this.panels, table('By type', ['Type', '#Sent', '#Failed', '#All'], types.slice(0, TYPES).map(([type, ...n]) =>
			[type === null ? '(none)' : el('button', { type: 'button', class: 'plain', onclick: () => this.open(test('metadata.notification_type', type)) },
				plain(String(type))), ...n.map(number)])), this.failed(bad));
	}

	open(chip) {
		this.state.set({ page: '/', chips: ['event_type=NOTIFY', chip], entry: '' });
	}

	/* Part of the buckets, from the first heartbeat on, that have as many as are due. */
	uptime(beats, range) {
		const width = beats.bucket_ns / 1e9;
		const by = new Map(beats.rows.map((r) => [Date.parse(r[0]), r[1]]));
		const starts = [...by.keys()].sort((a, b) => a - b);

		if (!starts.length) {
			put(this.up);
			return null;
		}
		const end = Math.min(range.to ?? Date.now(), Date.now());
		const cells = [];
		for (let at = starts[0]; at < end; at += width * 1e3) {
			const due = Math.max(1, Math.floor(Math.min(width, (end - at) / 1e3) / HEARTBEAT_S) - 1);
			cells.push({ at, part: Math.min(1, (by.get(at) || 0) / due) });
		}
		put(this.up, cells.map((c) => el('li', { class: c.part >= 1 ? 'up' : c.part > 0 ? 'part' : 'down',
			title: `${show(iso(c.at), this.state.utc, 0)}: ${Math.round(c.part * 100)} % in ${duration(width)}` },
		el('span', { class: 'hidden' }, `${Math.round(c.part * 100)} %`))));
		return cells.reduce((n, c) => n + c.part, 0) / cells.length;
	}

	failed(list) {
		return table('Last failures', ['Time', 'Type', 'Recipient', 'What happened'], list.map((e) => [
			moment(e.timestamp, this.state), plain(String(e.metadata?.notification_type ?? '')),
			plain(String(e.metadata?.recipient ?? '')),
			el('a', { href: this.state.address('/', { entry: String(e.id) }) }, plain((e.description || '(no description)').slice(0, 500)))]),
		'No failures in this range.');
	}
}
