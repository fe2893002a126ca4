/*
 * page_status - the store and the collector: size, segments by day, doors, loss, retention.
 */
import { el, put } from './el.js';
import { Board, bytes, card, number } from './board.js';
import { ago, label, show } from './when.js';

const EVERY = 5000;

function table(name, heads, rows) {
	return el('section', { class: 'panel wide' }, el('h2', {}, name), rows.length === 0 ? el('p', { class: 'none' }, 'none')
		: el('table', { class: 'plain-table', 'aria-label': name },
			el('thead', {}, el('tr', {}, heads.map((h) => el('th', { scope: 'col' }, h)))),
			el('tbody', {}, rows.map((r) => el('tr', {}, r.map((c, i) => (i ? el('td', {}, c) : el('th', { scope: 'row' }, c))))))));
}

export class PageStatus extends Board {
	constructor(state) {
		super(state, EVERY);
		this.cards = el('dl', { class: 'cards' });
		this.panels = el('div', { class: 'panels' });
		this.node = el('div', { class: 'page' }, el('h1', {}, 'Status'), this.status, this.cards, this.panels);
	}

	async load() {
		const answer = await this.asker.ask('status', '/api/status');

		this.draw(answer);
	}

	draw({ store, files, classes, collector, days = [], doors = [], disk }) {
		const utc = this.state.utc;
		const running = { running: '\u25cf running', starting: '\u25cb starting', none: '\u25b2 not there' };

		put(this.cards,
			card('Events', number(store.events), `${number(store.journal_events)} not sealed yet`),
			card('Collector', running[collector.state] || collector.state, collector.beat ? `seen ${ago(Date.parse(collector.beat))}` : '',
				collector.state === 'none'),
			card('Disk', bytes(store.bytes), disk ? `${bytes(disk.free)} free` : ''),
			card('An event', store.bytes_per_sealed_event ? `${number(store.bytes_per_sealed_event)} bytes` : '\u2013',
				store.bytes_per_sealed_event ? 'sealed, with its indexes' : 'nothing is sealed yet'),
			card('Lost', number(store.lost_ids), store.lost_ids ? 'the journal was damaged' : 'no gap in the ids', store.lost_ids > 0),
			card('From', store.time_min ? label(Date.parse(store.time_min), utc) : '\u2013'),
			card('To', store.time_max ? label(Date.parse(store.time_max), utc) : '\u2013'));
		put(this.panels,
			this.map(days),
			doors.length > 0 && table('Doors', ['Door', 'Events', 'Now', 'Refused', 'Lost'], doors.map((d) =>
				[d.name, number(d.events), `${number(d.rate)} /s`, number(d.refused), number(d.lost)])),
			table('Retention', ['Class', 'Events', 'Size', 'Oldest', 'Newest'], classes.map((c) =>
				[c.name, number(c.events), bytes(c.bytes), c.time_min ? show(c.time_min, utc, 0) : '\u2013', c.time_max ? show(c.time_max, utc, 0) : '\u2013'])),
			table('Files', ['Kind', 'Count', 'Size', 'Missing'], Object.entries(files).map(([kind, f]) =>
				[kind, number(f.count), bytes(f.bytes), number(f.missing ?? 0)])));
	}

	/* A cell a day, the darker the more it holds. */
	map(days) {
		const max = days.reduce((m, d) => Math.max(m, d.bytes), 1);

		return days.length > 0 && el('section', { class: 'panel wide' }, el('h2', {}, 'Segments by day'),
			el('ol', { class: 'days' }, days.map((d) => el('li', { style: { '--part': String(0.15 + 0.85 * d.bytes / max) },
				title: `${d.day}: ${number(d.events)} events, ${d.segments} segments, ${bytes(d.bytes)}` },
			el('span', { class: 'hidden' }, `${d.day}: ${d.events} events`)))));
	}
}
