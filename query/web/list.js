/*
 * list - a table of events that scrolls without an end, over the pages of pages.js. The browser lays out the
 * rows in sight alone; rows have one height, but for those that are open. The table is a real one: heading
 * cells, row numbers (aria-rowindex) of the whole, and two empty rows that stand for what is above and below.
 *
 * No browser can make a node as high as millions of rows are: the document holds a stretch of SPAN pixels of
 * the whole, which moves along where its edges come near.
 */
import { el } from './el.js';
import { ask, aborted } from './api.js';
import { columns } from './columns.js';
import { content, name } from './cells.js';
import { detail } from './detail.js';
import { Heading } from './heading.js';
import { Pages, SIZE } from './pages.js';
import { needles } from './lang.js';

const BEYOND = 12; /* rows laid out above and below those in sight */
const ROW = 26;

export class List extends EventTarget {
	static SPAN = 8e6;

	/* state: of the page; note(text, bad): says what goes on. */
	constructor(state, note) {
		super();
		this.state = state;
		this.note = note;
		this.body = el('tbody');
		this.head = new Heading(state, () => this.reshape());
		this.table = el('table', { class: 'events', 'aria-label': 'Events' }, this.head.sizes, this.head.node, this.body);
		this.node = el('div', { class: 'list', tabindex: '0', role: 'region', 'aria-label': 'Events, scrollable' },
			this.table);
		this.above = this.spacer();
		this.below = this.spacer();
		this.node.addEventListener('scroll', () => this.draw(), { passive: true });
		this.sized = new ResizeObserver(() => this.draw());
		this.sized.observe(this.node);
		this.pairs = [];
		this.clear();
	}

	clear() {
		this.abort?.abort();
		this.abort = new AbortController();
		const { signal } = this.abort;
		this.pages = new Pages((cursor) => ask('/api/logs', [...this.pairs, ['limit', SIZE], ['cursor', cursor],
			['order', this.state.order || 'desc'], ['total', 'none']], signal));
		this.lines = new Map(); /* row -> { event, tr, toggle } of those laid out */
		this.open = new Map();  /* row -> { height, node } of its detail */
		this.at = -1;           /* the row that the keyboard is on */
		this.origin = 0;        /* the pixel of the whole at which the document begins */
		this.drawn = '';
	}

	close() {
		this.abort.abort();
		this.sized.disconnect();
	}

	/* Begins anew with what the state asks; what was there stays in sight until the answer comes. */
	async start(pairs) {
		this.pairs = pairs;
		this.clear();
		this.needles = [...new Set([this.state.q, ...this.state.chips].flatMap(needles))];
		const { pages } = this;
		const answer = await pages.load(0);
		if (pages === this.pages) {
			this.node.scrollTop = 0;
			this.reshape();
			this.warn(answer);
		}
		return answer;
	}

	warn(answer) {
		if (answer?.partial)
			this.note(`The answer is partial (${answer.partial}): some events may be missing.`, true);
	}

	/* Columns or widths are others. */
	reshape() {
		this.shown = columns();
		this.table.style.setProperty('min-width', `${this.head.show(this.shown)}px`);
		for (const cell of [this.above.firstChild, this.below.firstChild])
			cell.colSpan = this.shown.length + 1;
		this.lines.clear();
		for (const open of this.open.values())
			open.node = null;
		this.draw(true);
	}

	event(row) {
		return this.pages.event(row);
	}

	/* Pixels of the whole above a row, and the row at a pixel of the whole. */
	top(row) {
		let y = row * ROW;

		for (const [r, d] of this.open)
			if (r < row)
				y += d.height;
		return y;
	}

	rowAt(y) {
		let low = 0;
		let high = this.pages.known;

		while (low < high) {
			const mid = (low + high) >> 1;
			if (this.top(mid + 1) <= y)
				low = mid + 1;
			else
				high = mid;
		}
		return low;
	}

	/* Moves the stretch that the document holds; returns by how much. */
	slide(all) {
		const { SPAN } = List;
		const y = this.node.scrollTop;
		let origin = 0;

		if (all > SPAN) {
			origin = this.origin;
			if (y > SPAN * 0.75 || (y < SPAN * 0.25 && origin > 0))
				origin = Math.round(Math.min(all - SPAN / 2, Math.max(0, origin + y - SPAN / 2)));
		}
		const by = origin - this.origin;
		this.origin = origin;
		return by;
	}

	draw(force = false) {
		if (!this.shown)
			return;
		const count = this.pages.known;
		const y = this.node.scrollTop + this.origin;
		const by = this.slide(this.top(count));
		const from = Math.max(0, this.rowAt(y) - BEYOND);
		const to = Math.min(count, this.rowAt(y + this.node.clientHeight) + BEYOND);

		this.want(from, to, count);
		const key = `${from} ${to} ${count} ${this.origin}`;
		if (!force && key === this.drawn)
			return;
		this.drawn = key;
		this.lay(from, to, count);
		if (by)
			this.node.scrollTop = y - this.origin;
		this.dispatchEvent(new Event('drawn'));
	}

	/* The pages in sight, and the next one before its time. */
	want(from, to, count) {
		const last = this.pages.find(Math.max(from, to - 1));

		for (let i = this.pages.find(from); i <= last; i++)
			this.load(i);
		if (!this.pages.end && to + SIZE / 2 >= count)
			this.load(this.pages.list.length - 1);
	}

	async load(index) {
		const { pages } = this;

		try {
			const answer = await pages.load(index);
			if (!answer || pages !== this.pages)
				return;
			this.warn(answer);
			this.draw(true);
		} catch (e) {
			if (aborted(e))
				return;
			this.note(e.hint ? `${e.message}. ${e.hint}` : `${e.message}. Scroll to try again.`, true);
			if (!e.status)
				this.dispatchEvent(new Event('lost'));
		}
	}

	spacer() {
		return el('tr', { class: 'space', 'aria-hidden': 'true' }, el('td', {}));
	}

	stretch(spacer, height) {
		spacer.firstChild.style.setProperty('height', `${Math.max(0, height)}px`);
	}

	lay(from, to, count) {
		const rows = [this.above];
		const lines = new Map();

		for (let row = from; row < to; row++) {
			const line = this.line(row);
			lines.set(row, line);
			rows.push(line.tr);
			if (this.open.has(row) && line.event)
				rows.push(this.detail(row));
		}
		rows.push(this.below);
		this.lines = lines;
		this.stretch(this.above, this.top(from) - this.origin);
		this.stretch(this.below, Math.min(this.top(count), this.origin + List.SPAN) - this.top(to));
		this.place(rows);
		this.table.setAttribute('aria-rowcount', this.pages.end ? count + 1 : -1);
		this.measure();
	}

	/* Rows that stay are not touched: focus and selection stay with them. */
	place(rows) {
		const keep = new Set(rows);
		const within = this.body.contains(document.activeElement);
		let at;

		for (const node of [...this.body.children])
			if (!keep.has(node))
				node.remove();
		at = this.body.firstChild;
		for (const row of rows) {
			if (row === at)
				at = at.nextSibling;
			else
				this.body.insertBefore(row, at);
		}
		if (within && !this.body.contains(document.activeElement))
			this.node.focus({ preventScroll: true });
	}

	line(row) {
		const event = this.event(row);
		const old = this.lines.get(row);
		const line = old && old.event === event ? old : this.make(row, event);

		line.tr.classList.toggle('at', row === this.at);
		line.toggle?.setAttribute('aria-expanded', String(this.open.has(row)));
		return line;
	}

	make(row, event) {
		const props = { 'aria-rowindex': row + 2, data: { row } };

		if (!event)
			return { event, tr: el('tr', { ...props, class: 'wait' }, el('td', { colspan: this.shown.length + 1 }, '\u2026')) };
		const toggle = el('button', { type: 'button', class: 'toggle', 'aria-label': `Event ${event.id}`, onclick: (e) => {
			e.stopPropagation();
			this.toggle(row);
		} });
		const tr = el('tr', { ...props, class: `line ${event.severity || ''}`, onclick: () => {
			if (!String(getSelection()))
				this.toggle(row);
		} }, el('td', {}, toggle),
		this.shown.map((c) => el('td', { class: name(c.name) }, content(event, c.name, this.state, this.needles))));
		return { event, tr, toggle };
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
		const row = Math.min(this.pages.known - 1, Math.max(0, this.at < 0 ? 0 : this.at + by));
		const head = this.head.node.offsetHeight;

		if (row < 0)
			return;
		this.at = row;
		const y = this.top(row) - this.origin;
		if (y < this.node.scrollTop)
			this.node.scrollTop = y;
		else if (y + ROW + head > this.node.scrollTop + this.node.clientHeight)
			this.node.scrollTop = y + ROW + head - this.node.clientHeight;
		this.draw(true);
		this.lines.get(row)?.toggle?.focus({ preventScroll: true });
	}
}
