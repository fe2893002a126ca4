/*
 * heading - the head of the list of events: titles, the order of time, and edges that size a column by
 * pointer or arrow keys.
 */
import { el, put } from './el.js';
import { WIDTH_MIN, WIDTH_MAX, narrow, resize, title } from './columns.js';

const STEP = 16;
/* What a column without a width has at least. */
const rest = () => (narrow() ? 200 : 320);

export class Heading {
	/* changed(): a width is another one. sorted: the order of time can be turned. */
	constructor(state, changed, sorted = true) {
		this.state = state;
		this.sorted = sorted;
		this.changed = changed;
		this.node = el('thead');
		this.sizes = el('colgroup');
	}

	/* columns: as columns.columns gives them. Returns the least width of the table. */
	show(columns) {
		put(this.sizes, el('col', { class: 'toggle' }), columns.map((c) =>
			el('col', { style: c.width ? { width: `${c.width}px` } : {} })));
		put(this.node, el('tr', { 'aria-rowindex': 1 }, el('th', { scope: 'col' }, el('span', { class: 'hidden' }, 'Open')),
			columns.map((c, i) => el('th', { scope: 'col', 'aria-sort': this.sort(c.name) },
				this.label(c.name), this.grip(c, i)))));
		return columns.reduce((n, c) => n + (c.width || rest()), 30);
	}

	sort(name) {
		if (name !== 'timestamp' || !this.sorted)
			return null;
		return this.state.order === 'asc' ? 'ascending' : 'descending';
	}

	label(name) {
		if (name !== 'timestamp' || !this.sorted)
			return title(name);
		const asc = this.state.order === 'asc';
		return el('button', { type: 'button', class: 'plain', title: asc ? 'Newest first' : 'Oldest first',
			onclick: () => this.state.set({ order: asc ? '' : 'asc' }) }, `${title(name)} ${asc ? '\u2191' : '\u2193'}`);
	}

	grip(column, i) {
		const width = () => this.node.querySelectorAll('th')[i + 1].offsetWidth;
		const to = (w) => {
			resize(column.name, w);
			this.changed();
		};
		const node = el('span', { class: 'grip', role: 'separator', tabindex: '0', 'aria-orientation': 'vertical',
			'aria-label': `Width of ${title(column.name)}`, 'aria-valuenow': column.width || rest(),
			'aria-valuemin': WIDTH_MIN, 'aria-valuemax': WIDTH_MAX,
			onkeydown: (e) => {
				const by = { ArrowLeft: -STEP, ArrowRight: STEP }[e.key];
				if (!by)
					return;
				e.preventDefault();
				to(width() + by);
				this.node.querySelectorAll('.grip')[i].focus();
			},
			onpointerdown: (e) => this.drag(e, node, this.sizes.children[i + 1], width() - e.clientX, to) });

		return node;
	}

	drag(e, node, col, begin, to) {
		const follow = (m) => col.style.setProperty('width', `${Math.max(WIDTH_MIN, begin + m.clientX)}px`);

		e.preventDefault();
		node.setPointerCapture(e.pointerId);
		node.addEventListener('pointermove', follow);
		node.addEventListener('pointerup', (u) => to(begin + u.clientX), { once: true });
		node.addEventListener('pointercancel', () => this.changed(), { once: true });
	}
}
