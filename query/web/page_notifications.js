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
import { Board, card, number, ranked } from './board.js';
import { test } from './lang.js';
import { ago, duration, iso, show } from './when.js';

const EVERY = 3000;
const HEARTBEAT_S = 60;
const MISSING = 3; /* heartbeats late: the service is taken for gone */
const BEAT = 'metadata.kind=heartbeat';
const FAILED = 'metadata.status in (failed, bounced, error, rejected)';
const SENT = 'metadata.status in (sent, delivered, ok, success)';
const FAILURES = 20;

export class PageNotifications extends Board {
	constructor(state) {
		super(state, EVERY);
		this.range = new RangeBox(state);
		this.cards = el('dl', { class: 'cards' });
		this.up = el('ol', { class: 'uptime', 'aria-label': 'Uptime over the range' });
		this.failures = el('section', { class: 'panel wide' });
		this.panels = el('div', { class: 'panels' });
		this.chart = new Chart({ name: 'Notifications over time by status', height: 140, utc: () => state.utc,
			pick: (from, to) => state.set({ from: iso(from), to: iso(Math.ceil(to) - 1) }) });
		this.node = el('div', { class: 'page' }, el('h1', {}, 'Notification service'),
			el('div', { class: 'bar' }, this.range.node), this.status, this.cards, this.up, this.chart.node,
			this.panels, this.failures);
		this.keys = { t: () => this.range.summary.click() };
	}

	show() {
		this.range.show();
		return super.show();
	}

	async load() {
		const range = this.state.range;
		const time = [['event_type', 'NOTIFY'], ...this.state.filters({ range })];
		const count = (name, q, more = []) => this.asker.ask(name, url('/api/query', [...time, ['q', q], ...more]));
		const no = `not (${BEAT})`;
		const top = (name, q, by) => count(name, q, [['by', by], ['top', 10]]);
		const [sent, failed, types, statuses, failing, over, beats, last, bad] = await Promise.all([
			count('sent', SENT), count('failed', FAILED),
			top('types', no, 'metadata.notification_type'), top('statuses', no, 'metadata.status'),
			top('failing', FAILED, 'metadata.notification_type'),
			count('over', no, [['by', 'metadata.status'], ['buckets', 100], ['order', 'group'], ['limit', 20000]]),
			count('beats', BEAT, [['bucket', 'auto'], ['buckets', 90]]),
			this.asker.ask('last', url('/api/logs', [['event_type', 'NOTIFY'], ['q', BEAT], ['limit', 1], ['total', 'none']])),
			this.asker.ask('bad', url('/api/logs', [...time, ['q', FAILED], ['limit', FAILURES], ['total', 'none']]))]);

		this.draw({ sent, failed, types, statuses, failing, over, beats, last: events(last)[0], bad: events(bad), range });
	}

	draw({ sent, failed, types, statuses, failing, over, beats, last, bad, range }) {
		const late = last ? (Date.now() - Date.parse(last.timestamp)) / 1e3 : null;
		const alive = late !== null && late < MISSING * HEARTBEAT_S;
		const uptime = this.uptime(beats, range);
		const share = sent.total + failed.total ? failed.total / (sent.total + failed.total) * 100 : 0;

		put(this.cards,
			card('Service', last ? (alive ? '\u25cf running' : '\u25b2 silent') : '\u2013 unknown',
				last ? `heartbeat ${ago(Date.parse(last.timestamp))}` : 'no heartbeat in the store', last && !alive),
			card('Uptime', uptime === null ? '\u2013' : `${number(uptime * 100)} %`, 'of the range, by heartbeats'),
			card('Sent', number(sent.total)), card('Failed', number(failed.total), `${number(share)} %`),
			card('Queue now', number(last?.metadata?.queue_size), last ? ago(Date.parse(last.timestamp)) : ''));
		this.chart.draw(buckets(over, ['sent', 'delivered']), range.from, range.to);
		put(this.panels, ranked('By type', types.rows, (v) => this.open('metadata.notification_type', v)),
			ranked('By status', statuses.rows, (v) => this.open('metadata.status', v)),
			ranked('Failures by type', failing.rows, (v) => this.open('metadata.notification_type', v, FAILED)));
		put(this.failures, el('h2', {}, 'Last failures'), this.table(bad));
	}

	open(field, value, ...more) {
		this.state.set({ page: '/', chips: ['event_type=NOTIFY', test(field, value), ...more], entry: '' });
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

	table(list) {
		if (!list.length)
			return el('p', { class: 'none' }, 'No failures in this range.');
		return el('table', { class: 'plain-table', 'aria-label': 'Last failures' },
			el('thead', {}, el('tr', {}, ['Time', 'Type', 'Recipient', 'What happened'].map((t) => el('th', { scope: 'col' }, t)))),
			el('tbody', {}, list.map((e) => el('tr', {},
				el('td', {}, el('time', { datetime: e.timestamp }, show(e.timestamp, this.state.utc))),
				el('td', {}, plain(String(e.metadata?.notification_type ?? ''))), el('td', {}, plain(String(e.metadata?.recipient ?? ''))),
				el('td', { class: 'grow' }, el('button', { type: 'button', class: 'plain',
					onclick: () => this.state.set({ page: '/', entry: String(e.id) }) }, plain((e.description || '(no description)').slice(0, 500))))))));
	}
}
