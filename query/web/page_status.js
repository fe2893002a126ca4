/*
 * page_status - the store and the collector: size, segments by day, doors, loss, retention.
 */
import { el, put } from './el.js';
import { Board, bytes, card, number, table } from './board.js';
import { ago, label, show } from './when.js';

const EVERY = 5000;

/* What the section of a class says of it. */
function kept({ configured, hold, keep_s: keep, max_bytes: most }) {
	if (!configured)
		return 'all of it: no section names it';
	const age = keep ? `${number(keep / 86400)} days` : 'for ever';
	const size = most ? `, ${bytes(most)} at most` : '';

	return hold ? `on hold${hold === 'always' ? '' : ` until ${hold.slice(0, 10)}`}` : age + size;
}

export class PageStatus extends Board {
	constructor(state) {
		super(state, EVERY);
		this.cards = el('dl', { class: 'cards' });
		this.panels = el('div', { class: 'panels' });
		/* Nothing in it takes the focus, and the keys must scroll it. */
		this.node = el('div', { class: 'page', tabindex: '0', role: 'region', 'aria-label': 'Status' }, el('div', { class: 'bar' }, el('h1', {}, 'Status')), this.status, this.cards, this.panels);
	}

	async load() {
		const answer = await this.asker.ask('status', '/api/status');

		this.draw(answer);
		return [answer];
	}

	draw({ store, files, classes, collector, days = [], doors, disk, ingest }) {
		const { utc } = this.state;
		const running = { running: '\u25cf running', starting: '\u25cb starting', none: '\u25b2 not there' };
		const time = (text) => (text ? show(text, utc, 0) : '\u2013');

		put(this.cards,
			card('Events', number(store.events), `${number(store.journal_events)} not sealed yet`),
			card('Collector', running[collector.state] || collector.state,
				collector.beat ? `seen ${ago(Date.parse(collector.beat))}` : '', collector.state === 'running' ? 'good' : 'bad'),
			ingest && card('Ingest now', `${number(ingest.rate)} /s`, `${number(ingest.events)} since it started`),
			card('Store', bytes(store.bytes), disk ? `${bytes(disk.free)} of ${bytes(disk.total)} free` : ''),
			card('An event', store.sealed_events ? `${number(store.bytes_per_sealed_event)} bytes` : '\u2013',
				store.sealed_events ? 'sealed, with its indexes' : 'none is sealed yet'),
			card('Lost', number(store.lost_ids), store.lost_ids ? 'the journal was damaged' : 'no gap in the ids',
				store.lost_ids ? 'bad' : ''),
			card('Span', store.time_min ? label(Date.parse(store.time_min), utc).slice(0, 10) : '\u2013',
				store.time_max ? `to ${label(Date.parse(store.time_max), utc)}` : ''));
		put(this.panels, this.map(days),
			doors ? table('Doors', ['Door', '#Events', '#Now', '#Refused', '#Lost'], doors.map((d) =>
				[d.name, number(d.events), `${number(d.rate)} /s`, number(d.refused), number(d.lost)]))
				: table('Doors', [], [], 'The collector does not tell what came by which door.'),
			table('Retention', ['Class', '#Events', '#Size', 'Oldest', 'Newest', 'Kept'], classes.map((c) =>
				[c.name, number(c.events), bytes(c.bytes), time(c.time_min), time(c.time_max), kept(c)]),
			'Nothing is sealed yet: what is in the journal belongs to no class.'),
			table('Files', ['Kind', '#Count', '#Size', '#Missing'], Object.entries(files).map(([kind, f]) =>
				[kind, number(f.count), bytes(f.bytes), number(f.missing ?? 0)])));
	}

	/* A cell a day, the darker the more it holds. */
	map(days) {
		const max = days.reduce((m, d) => Math.max(m, d.bytes), 1);

		return days.length > 0 && el('section', { class: 'panel wide' }, el('h2', {}, 'Segments by day'),
			el('ol', { class: 'days' }, days.map((d) => el('li', { style: { '--part': `${Math.round(15 + 85 * d.bytes / max)}%` },
				title: `${d.day}: ${number(d.events)} events, ${d.segments} segments, ${bytes(d.bytes)}` },
			el('span', { class: 'hidden' }, `${d.day}: ${d.events} events`)))));
	}
}
