/*
 * page_stats - how many, of what, when: of all events, or of those that question and filters choose.
 */
import { el, put } from './el.js';
import { url } from './api.js';
import { AskBox } from './ask_box.js';
import { RangeBox } from './range_box.js';
import { Chart, buckets } from './chart.js';
import { Board, card, number, ranked } from './board.js';
import { chips, exportMenu, viewsMenu } from './menus.js';
import { iso } from './when.js';
import { test } from './lang.js';

const EVERY = 10000;
const RATE_S = 60;

export class PageStats extends Board {
	constructor(state) {
		super(state, EVERY);
		this.ask = new AskBox(state, (q) => (q === state.q ? this.show() : state.set({ q })));
		this.range = new RangeBox(state);
		this.chips = el('ul', { class: 'chips', 'aria-label': 'Filters' });
		this.cards = el('dl', { class: 'cards' });
		this.panels = el('div', { class: 'panels' });
		this.none = el('p', { class: 'status', hidden: true }, 'No events are meant. ',
			el('button', { type: 'button', onclick: () => state.set({ q: '', chips: [], from: '', to: '' }) }, 'All events'));
		this.chart = new Chart({ name: 'Events by type over time', height: 180, utc: () => state.utc,
			pick: (from, to) => state.set({ from: iso(from), to: iso(Math.ceil(to) - 1) }) });
		this.node = el('div', { class: 'page' },
			el('div', { class: 'bar', role: 'search' }, this.ask.node, this.range.node,
				el('button', { type: 'button', class: 'main', onclick: () => this.ask.ask() }, 'Search'), exportMenu(state), viewsMenu(state)),
			this.chips, this.status, this.none, this.cards, this.chart.node, this.panels);
		this.keys = { '/': () => this.ask.input.focus(), t: () => this.range.summary.click() };
	}

	show() {
		this.ask.show(this.state.q);
		this.range.show();
		put(this.chips, chips(this.state));
		return super.show();
	}

	async load() {
		const range = this.state.range;
		const pairs = this.state.filters({ range });
		const top = (by) => this.asker.ask(by, url('/api/query', [...pairs, ['by', by], ['top', 10]]));
		const recent = [...this.state.filters({ time: false, range: {} }), ['start_time', iso(Date.now() - RATE_S * 1e3)]];

		this.ask.fault(null);
		try {
			const [stats, types, users, entities, now] = await Promise.all([
				this.asker.ask('stats', url('/api/logs/stats', pairs)),
				this.asker.ask('types', url('/api/query', [...pairs, ['by', 'event_type'], ['buckets', 100], ['order', 'group'], ['limit', 20000]])),
				top('user_id'), top('entity_type,entity_id'),
				this.asker.ask('now', url('/api/query', recent))]);
			this.draw({ stats, types, users, entities, now, range });
			return [stats, types, users, entities, now];
		} catch (e) {
			if (e.field === 'q')
				this.ask.fault(e);
			throw e;
		}
	}

	draw({ stats, types, users, entities, now, range }) {
		const only = (field) => (value) => this.state.add(test(field, value));

		put(this.cards, card('Events', number(stats.total_logs), 'in the range'),
			card('Last 24 hours', number(stats.recent_24h), 'by the clock of the server'),
			card('Now', `${number(now.total / RATE_S)} /s`, `mean of ${RATE_S} s`),
			card('Users', number(users.groups)), card('Entities', number(entities.groups)));
		this.none.hidden = stats.total_logs > 0;
		this.chart.draw(buckets(types), range.from, range.to);
		put(this.panels,
			ranked('By type', Object.entries(stats.by_event_type).slice(0, 20), only('event_type')),
			ranked('By entity type', Object.entries(stats.by_entity_type).slice(0, 20), only('entity_type')),
			ranked('By severity', Object.entries(stats.by_severity), only('severity')),
			ranked('Top users', users.rows, only('user_id')),
			ranked('Top entities', entities.rows.filter((r) => r[1] !== null).map((r) => [`${r[0] ?? ''}/${r[1]}`, r[2]]),
				(value) => this.state.add(test('entity', value))));
	}
}
