/*
 * page_logs - events: question, range, chips, histogram, facets and the list.
 *
 * A page is a class with `node`, `show()` (the state has changed, or the page is entered), `close()` and
 * `keys` (what the keyboard does while it is shown).
 */
import { el, put, soon } from './el.js';
import { Asker, aborted, events, ask, url } from './api.js';
import { AskBox } from './ask_box.js';
import { RangeBox } from './range_box.js';
import { Facets } from './facets.js';
import { Chart, buckets } from './chart.js';
import { List } from './list.js';
import { choose, narrow } from './columns.js';
import { detail } from './detail.js';
import { chips, exportMenu, viewsMenu } from './menus.js';
import { iso, label } from './when.js';
import { habit, keep } from './state.js';
import { SEVERITIES } from './lang.js';

const BARS = 120;
const SLOW_MS = 200;   /* only what takes longer can be cancelled: no button comes and goes for a blink */
const AGAIN_MS = 1000; /* between looks whether the server is there again */

export class PageLogs {
	constructor(state) {
		this.state = state;
		this.asker = new Asker();
		this.ask = new AskBox(state, (q) => this.question(q));
		this.range = new RangeBox(state);
		this.facets = new Facets(state, this.asker);
		this.chart = new Chart({ name: 'Events over time', utc: () => state.utc,
			pick: (from, to) => state.set({ from: iso(from), to: iso(Math.ceil(to) - 1) }) });
		this.status = el('p', { class: 'status', role: 'status' });
		this.list = new List(state, (text, bad) => this.note(text, bad));
		this.list.addEventListener('opened', (e) =>
			state.set({ entry: e.detail.open ? String(e.detail.event.id) : '' }, true));
		this.list.addEventListener('lost', () => this.retry(() => {
			this.told();
			this.list.draw(true);
		}));
		this.single = el('section', { class: 'single', hidden: true, 'aria-label': 'Linked event' });
		this.chips = el('ul', { class: 'chips', 'aria-label': 'Filters' });
		this.cancel = el('button', { type: 'button', hidden: true, onclick: () => this.stop() }, 'Cancel');
		this.empty = el('section', { class: 'empty', hidden: true });
		this.node = this.build();
		this.keys = { '/': () => this.ask.input.focus(), t: () => this.range.summary.click(),
			j: () => this.list.move(1), k: () => this.list.move(-1), x: () => this.exports.querySelector('summary').click(),
			f: () => this.toFacets() };
	}

	build() {
		this.exports = exportMenu(this.state);
		this.side = el('button', { type: 'button', 'aria-controls': 'facets', title: 'Filter by value (f)',
			onclick: () => this.aside(this.facets.node.hidden) }, 'Values');
		this.aside(habit('facets', !narrow()), false);
		return el('div', { class: 'logs' },
			el('div', { class: 'bar', role: 'search' }, this.ask.node, this.range.node,
				el('button', { type: 'button', class: 'main', onclick: () => this.ask.ask() }, 'Search')),
			this.chips, this.chart.node,
			el('div', { class: 'tools' }, this.side, this.status, this.cancel,
				el('button', { type: 'button', onclick: () => choose(() => this.list.reshape()) }, 'Columns'),
				viewsMenu(this.state), this.exports),
			el('div', { class: 'split' }, this.facets.node,
				el('div', { class: 'main-list' }, this.single, this.empty, this.list.node)));
	}

	/* Shows the sidebar or not; where it is shown by default only a wish against it is kept. */
	aside(shown, wish = true) {
		this.facets.node.hidden = !shown;
		this.side.setAttribute('aria-expanded', String(shown));
		if (wish && !narrow())
			keep('facets', shown);
	}

	toFacets() {
		this.aside(true);
		this.facets.node.querySelector('button')?.focus();
	}

	question(q) {
		if (q === this.state.q)
			this.show();
		else
			this.state.set({ q, entry: '' });
	}

	note(text, bad = false) {
		put(this.status, text);
		this.status.classList.toggle('bad', bad);
	}

	stop() {
		this.asker.cancelAll();
		this.list.abort.abort();
		this.busy(false);
		this.note('Cancelled. Ask again to continue.');
	}

	busy(on) {
		clearTimeout(this.slow);
		this.node.setAttribute('aria-busy', String(on));
		if (on)
			this.slow = setTimeout(() => {
				this.cancel.hidden = false;
			}, SLOW_MS);
		else
			this.cancel.hidden = true;
	}

	close() {
		clearTimeout(this.again);
		clearTimeout(this.slow);
		this.asker.cancelAll();
		this.list.close();
	}

	/* What is asked, without what is open: a row that opens asks nothing anew. */
	key() {
		const { q, chips: f, from, to, order, utc } = this.state;

		return JSON.stringify([q, f, from, to, order, utc]);
	}

	show(change = {}) {
		this.ask.show(this.state.q);
		this.range.show();
		put(this.chips, chips(this.state));
		if (change.changes && this.key() === this.shown)
			return;
		this.shown = this.key();
		this.load();
	}

	async load() {
		const began = performance.now();
		let range;

		this.ask.fault(null);
		this.empty.hidden = true;
		this.wrong = false;
		try {
			range = this.state.range;
		} catch (e) {
			this.note(e.message, true);
			return;
		}
		const pairs = this.state.filters({ range });
		this.busy(true);
		this.note('Reading\u2026');
		const parts = [this.list.start(pairs), this.histogram(pairs, range), this.facets.load(pairs), this.linked()];
		/* The first to fail is told below. */
		for (const part of parts)
			part.catch(() => {});
		try {
			const first = await parts[0];
			this.took = Math.round(performance.now() - began);
			const none = first && events(first).length === 0;
			this.list.node.hidden = none;
			if (none)
				await this.nothing(range);
			await Promise.all(parts);
			if (!this.list.abort.signal.aborted)
				this.busy(false);
		} catch (e) {
			this.failed(e);
		}
	}

	failed(e) {
		if (aborted(e))
			return;
		this.busy(false);
		this.wrong = true;
		if (e.field === 'q' || e.field === 'search')
			this.ask.fault(e);
		this.note(e.hint ? `${e.message}. ${e.hint}` : e.message, true);
		if (!e.status)
			this.retry(() => this.load());
	}

	/* The server is away: when it is there again, it goes on. */
	retry(on) {
		clearTimeout(this.again);
		this.again = setTimeout(async () => {
			try {
				await ask('/readyz');
				on();
			} catch {
				this.retry(on);
			}
		}, AGAIN_MS);
	}

	async histogram(pairs, range) {
		const answer = await this.asker.ask('histogram', url('/api/query', [...pairs, ['by', 'severity'],
			['buckets', BARS], ['order', 'group'], ['limit', 10000]]));

		await soon(() => {
			this.chart.draw(buckets(answer, SEVERITIES), range.from, range.to);
			this.counted = answer;
			if (!this.wrong)
				this.told();
		});
	}

	told() {
		const { total, partial } = this.counted;
		const why = partial ? ` \u00b7 partial (${partial}): not everything could be looked at` : '';

		this.note(`${total.toLocaleString('en')} event${total === 1 ? '' : 's'}${this.took ? ` \u00b7 first page in ${this.took} ms` : ''}${why}`,
			!!partial);
	}

	/* An event that a link names is shown on top, whatever the filters. */
	async linked() {
		const id = this.state.entry;

		this.single.hidden = true;
		if (!id || !/^\d+$/.test(id))
			return;
		try {
			const answer = await this.asker.ask('entry', `/api/logs/${id}`);
			put(this.single, el('header', {}, el('h2', {}, `Event ${id}`), el('button', { type: 'button', onclick: () => {
				this.single.hidden = true;
				this.state.set({ entry: '' }, true);
			} }, 'Close')), detail(answer.log, this.state, { needles: this.list.needles }));
		} catch (e) {
			if (aborted(e))
				return;
			put(this.single, el('p', { class: 'bad' }, `${e.message}. ${e.hint || ''}`));
		}
		this.single.hidden = false;
	}

	async nothing(range) {
		const steps = [];

		if (this.state.chips.length || this.state.q)
			steps.push(el('button', { type: 'button', onclick: () => this.state.set({ q: '', chips: [] }) }, 'Without question and filters'));
		if (range.from !== undefined || range.to !== undefined)
			steps.push(el('button', { type: 'button', onclick: () => this.state.set({ from: '', to: '' }) }, 'All time'));
		put(this.empty, el('h2', {}, 'No events'), el('p', {}, await this.why()), el('p', { class: 'row' }, steps));
		this.empty.hidden = false;
		this.list.node.hidden = true;
	}

	async why() {
		try {
			const { store } = await ask('/api/status');
			if (!store.events)
				return 'The store is empty. Send a first event: astrosend -t AUTH -m "signed in"';
			return `Nothing matches. The store has ${store.events.toLocaleString('en')} events, from ` +
				`${label(Date.parse(store.time_min), this.state.utc)} to ${label(Date.parse(store.time_max), this.state.utc)}.`;
		} catch {
			return 'Nothing matches.';
		}
	}
}
