/*
 * list - a table of events that scrolls without an end by cursors. Events come in pages; a page that is
 * far away is forgotten and, as its cursor is kept, fetched again when it is scrolled to. So memory is
 * bounded by PAGES_HELD pages and some bytes for each page seen, and no page costs an offset.
 *
 * Rows have one height, but for those that are open; the browser lays out those in sight alone. The
 * table is a real one: heading cells, row numbers (aria-rowindex) of the whole, and two empty rows that
 * stand for what is above and below.
 */
import { el, put, plain, marked } from './el.js';
import { ask, events, aborted } from './api.js';
import { columns, cell, title, resize } from './columns.js';
import { show, ago } from './when.js';
import { detail } from './detail.js';
import { needles } from './lang.js';

const PAGE = 200;
const PAGES_HELD = 12;
const BEYOND = 12; /* rows laid out above and below those in sight */
const ROW = 28;

/* A sign beside the word: severities are told apart without colour. */
export const SIGNS = { emergency: '\u2b23', alert: '\u2b23', critical: '\u2b22', error: '\u25b2',
	warning: '\u25c6', notice: '\u25cf', info: '\u25cb', debug: '\u00b7' };

export function severity(value) {
	return el('span', { class: `sev ${value}` },
		el('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[value] || '?'), value);
}

export class List extends EventTarget {
	/* state: of the page; note(text, bad): says what goes on; more: pairs beside the state's filters. */
	constructor(state, note) {
		super();
		this.state = state;
		this.note = note;
		this.body = el('tbody');
		this.head = el('thead');
		this.sizes = el('colgroup');
		this.table = el('table', { class: 'events', 'aria-label': 'Events' }, this.sizes, this.head, this.body);
		this.node = el('div', { class: 'list', tabindex: '0', role: 'region', 'aria-label': 'Events, scrollable' },
			this.table);
		this.node.addEventListener('scroll', () => this.draw(), { passive: true });
		this.sized = new ResizeObserver(() => this.draw());
		this.sized.observe(this.node);
		this.clear();
	}

	clear() {
		this.abort?.abort();
		this.abort = new AbortController();
		this.pages = []; /* { cursor, events or null, count } */
		this.loading = new Set();
		this.open = new Map(); /* row -> { height, node } of its detail */
		this.at = -1;          /* the row that the keyboard is on */
		this.end = false;
		this.total = null;
		this.drawn = '';
		this.node.scrollTop = 0;
	}

	close() {
		this.abort.abort();
		this.sized.disconnect();
	}

	/* Begins anew with what the state asks. Resolves when the first page is there. */
	async start(pairs) {
		this.clear();
		this.pairs = pairs;
		this.needles = [...new Set([this.state.q, ...this.state.chips].flatMap(needles))];
		this.pages.push({ cursor: null, events: null, count: 0 });
		this.heading();
		return this.fetch(0);
	}

	get known() {
		return this.pages.reduce((n, p) => n + p.count, 0);
	}

	async fetch(index) {
		const page = this.pages[index];
		const signal = this.abort.signal;

		if (!page || page.events || this.loading.has(index))
			return null;
		this.loading.add(index);
		try {
			const extra = [['limit', PAGE], ['cursor', page.cursor], ['order', this.state.order || 'desc'],
				['total', 'none']];
			const answer = await ask('/api/logs', [...this.pairs, ...extra], signal);
			this.take(index, answer);
			return answer;
		} finally {
			if (signal === this.abort.signal)
				this.loading.delete(index);
		}
	}

	take(index, answer) {
		const page = this.pages[index];

		page.events = events(answer);
		page.count = page.events.length;
		if (index === this.pages.length - 1) {
			if (answer.next)
				this.pages.push({ cursor: answer.next, events: null, count: 0 });
			else
				this.end = true;
		}
		if (answer.partial)
			this.note(`The answer is partial (${answer.partial}): some events may be missing.`, true);
		this.forget(index);
		this.draw(true);
	}

	/* Pages far from this one lose their events, not their place. */
	forget(index) {
		const held = this.pages.map((p, i) => [i, p]).filter(([, p]) => p.events);

		held.sort(([a], [b]) => Math.abs(b - index) - Math.abs(a - index));
		for (const [, page] of held.slice(0, Math.max(0, held.length - PAGES_HELD)))
			page.events = null;
	}

	event(row) {
		const index = Math.floor(row / PAGE);

		return this.pages[index]?.events?.[row - index * PAGE];
	}

	/* Pixels above a row, and the row at a pixel. */
	top(row) {
		let y = row * ROW;

		for (const [r, d] of this.open)
			if (r < row)
				y += d.height;
		return y;
	}

	rowAt(y) {
		let low = 0;
		let high = this.known;

		while (low < high) {
			const mid = (low + high) >> 1;
			if (this.top(mid + 1) <= y)
				low = mid + 1;
			else
				high = mid;
		}
		return low;
	}

	draw(force = false) {
		const count = this.known;
		const from = Math.max(0, this.rowAt(this.node.scrollTop) - BEYOND);
		const to = Math.min(count, this.rowAt(this.node.scrollTop + this.node.clientHeight) + BEYOND);

		for (let i = Math.floor(from / PAGE); i <= Math.floor(Math.max(from, to - 1) / PAGE); i++)
			this.want(i);
		if (!this.end && to + PAGE / 2 >= count)
			this.want(this.pages.length - 1);
		const key = `${from} ${to} ${count}`;
		if (!force && key === this.drawn)
			return;
		this.drawn = key;
		this.rows(from, to, count);
		this.dispatchEvent(new Event('drawn'));
	}

	want(index) {
		this.fetch(index).catch((e) => {
			if (!aborted(e))
				this.note(`${e.message}. Scroll to try again.`, true);
		});
	}

	spacer(height) {
		return el('tr', { class: 'space', 'aria-hidden': 'true' },
			el('td', { colspan: this.shown.length + 1, style: { height: `${height}px` } }));
	}

	rows(from, to, count) {
		const active = this.body.contains(document.activeElement) ? document.activeElement : null;
		const out = [this.spacer(this.top(from))];

		for (let row = from; row < to; row++) {
			out.push(this.line(row));
			if (this.open.has(row) && this.event(row))
				out.push(this.detail(row));
		}
		out.push(this.spacer(this.top(count) - this.top(to)));
		put(this.body, out);
		this.table.setAttribute('aria-rowcount', this.end ? count + 1 : -1);
		this.refocus(active);
		this.measure();
	}

	/* A row that was made anew has the focus its predecessor had. */
	refocus(active) {
		const key = active?.dataset.focus;
		const next = active?.isConnected ? active
			: key && this.body.querySelector(`[data-focus="${CSS.escape(key)}"]`);

		next?.focus({ preventScroll: true });
	}

	line(row) {
		const event = this.event(row);
		const open = this.open.has(row);
		const props = { 'aria-rowindex': row + 2, data: { row } };

		if (!event)
			return el('tr', { ...props, class: 'wait' },
				el('td', { colspan: this.shown.length + 1 }, '\u2026'));
		const toggle = el('button', { type: 'button', class: 'toggle', data: { focus: `t${event.id}` },
			'aria-expanded': String(open), 'aria-label': `Event ${event.id}`,
			onclick: (e) => {
				e.stopPropagation();
				this.toggle(row);
			} }, open ? '\u25be' : '\u25b8');
		return el('tr', { ...props, class: `line ${event.severity || ''}${row === this.at ? ' at' : ''}`,
			onclick: () => {
				if (!String(getSelection()))
					this.toggle(row);
			} },
		el('td', {}, toggle),
		this.shown.map((c) => el('td', { class: c.name.replace(/\W/g, '-') }, this.cell(event, c.name))));
	}

	cell(event, name) {
		const value = cell(event, name);

		if (value === undefined)
			return el('span', { class: 'none' }, '\u2013');
		if (name === 'severity')
			return severity(value);
		if (name === 'timestamp' || name === 'received')
			return el('time', { datetime: value, title: `${value}, ${ago(Date.parse(value))}` },
				show(value, this.state.utc));
		const text = plain(String(value).slice(0, 1000));
		return name === 'description' ? marked(text, this.needles) : text;
	}

	/* Made once, so that what was unfolded in it stays so. */
	detail(row) {
		const open = this.open.get(row);

		open.node ||= el('tr', { class: 'detail', data: { detail: row } },
			el('td', { colspan: this.shown.length + 1 }, detail(this.event(row), this.state,
				{ needles: this.needles, resized: () => this.measure() })));
		return open.node;
	}

	/* Heights of open rows are what the browser made of them. */
	measure() {
		for (const [, d] of this.open) {
			const height = d.node?.isConnected ? d.node.getBoundingClientRect().height : d.height;
			if (Math.abs(d.height - height) > 1) {
				d.height = height;
				this.drawn = '';
			}
		}
	}

	toggle(row) {
		const event = this.event(row);

		if (!event)
			return;
		this.at = row;
		if (this.open.has(row))
			this.open.delete(row);
		else
			this.open.set(row, { height: 0, node: null });
		this.draw(true);
		this.dispatchEvent(new CustomEvent('opened', { detail: { event, open: this.open.has(row) } }));
	}

	/* The keyboard's row, moved by so many; it is brought into sight. */
	move(by) {
		const row = Math.min(this.known - 1, Math.max(0, this.at < 0 ? 0 : this.at + by));

		if (row < 0)
			return;
		this.at = row;
		const y = this.top(row);
		const head = this.head.offsetHeight;
		if (y < this.node.scrollTop)
			this.node.scrollTop = y;
		else if (y + ROW + head > this.node.scrollTop + this.node.clientHeight)
			this.node.scrollTop = y + ROW + head - this.node.clientHeight;
		this.draw(true);
		this.body.querySelector(`tr[data-row="${row}"] .toggle`)?.focus({ preventScroll: true });
	}

	current() {
		return this.at < 0 ? undefined : this.event(this.at);
	}

	heading() {
		this.shown = columns();
		put(this.sizes, el('col', { class: 'toggle' }), this.shown.map((c) =>
			el('col', { style: c.width ? { width: `${c.width}px` } : {} })));
		put(this.head, el('tr', {}, el('th', { scope: 'col' }, el('span', { class: 'hidden' }, 'Open')),
			this.shown.map((c, i) => el('th', { scope: 'col', 'aria-sort': this.sort(c.name) },
				this.label(c.name), this.grip(c, i)))));
		this.table.style.setProperty('min-width',
			`${this.shown.reduce((n, c) => n + (c.width || 320), 30)}px`);
	}

	sort(name) {
		if (name !== 'timestamp')
			return null;
		return this.state.order === 'asc' ? 'ascending' : 'descending';
	}

	label(name) {
		if (name !== 'timestamp')
			return title(name);
		const asc = this.state.order === 'asc';
		return el('button', { type: 'button', class: 'plain', title: asc ? 'Newest first' : 'Oldest first',
			onclick: () => this.state.set({ order: asc ? '' : 'asc' }) }, `${title(name)} ${asc ? '\u2191' : '\u2193'}`);
	}

	/* The edge of a heading: dragged, or moved with the arrow keys. */
	grip(column, i) {
		const width = () => this.head.querySelectorAll('th')[i + 1].offsetWidth;
		const to = (w) => {
			resize(column.name, w);
			this.heading();
			this.draw(true);
		};
		const node = el('span', { class: 'grip', role: 'separator', tabindex: '0', 'aria-orientation': 'vertical',
			'aria-label': `Width of ${title(column.name)}`, 'aria-valuenow': column.width || 320,
			'aria-valuemin': 56, 'aria-valuemax': 1600,
			onkeydown: (e) => {
				const by = { ArrowLeft: -16, ArrowRight: 16 }[e.key];
				if (!by)
					return;
				e.preventDefault();
				to(width() + by);
				this.head.querySelectorAll('.grip')[i].focus();
			},
			onpointerdown: (e) => {
				const begin = width() - e.clientX;
				const col = this.sizes.children[i + 1];
				const follow = (m) => col.style.setProperty('width', `${Math.max(56, begin + m.clientX)}px`);
				e.preventDefault();
				node.setPointerCapture(e.pointerId);
				node.addEventListener('pointermove', follow);
				node.addEventListener('pointerup', (u) => to(begin + u.clientX), { once: true });
			} });

		return node;
	}
}
