/*
 * board - what pages of numbers share: cards, ranked lists, tables, and asking again now and then.
 */
import { el, put, plain } from './el.js';
import { Asker, aborted } from './api.js';

const SLOW_MS = 200;
const AGAIN_MS = 1000; /* after a question that the server did not answer */

export function card(name, value, note, tone) {
	return el('div', { class: 'card' }, el('dt', {}, name),
		el('dd', { class: tone }, value, note && el('small', {}, note)));
}

export function number(n) {
	return n === null || n === undefined ? '\u2013' : n.toLocaleString('en', { maximumFractionDigits: 2 });
}

export function bytes(n) {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let i = 0;

	if (n === null || n === undefined)
		return '\u2013';
	for (; n >= 1024 && i < units.length - 1; i++)
		n /= 1024;
	return `${n.toLocaleString('en', { maximumFractionDigits: i ? 1 : 0 })} ${units[i]}`;
}

/* rows: [value, count]; pick(value) makes the value a button. */
export function ranked(name, rows, pick) {
	const max = rows.reduce((m, [, n]) => Math.max(m, n), 1);

	return el('section', { class: 'panel' }, el('h2', {}, name), rows.length === 0 ? el('p', { class: 'none' }, 'none')
		: el('table', { class: 'ranked', 'aria-label': name }, el('tbody', {}, rows.map(([value, n]) => {
			const text = value === null ? '(none)' : plain(String(value));
			return el('tr', { style: { '--part': `${n / max * 100}%` } },
				el('th', { scope: 'row' }, pick ? el('button', { type: 'button', class: 'plain', title: text, onclick: () => pick(value) }, text)
					: el('span', { title: text }, text)),
				el('td', {}, number(n)));
		}))));
}

/* heads: names; a name that begins with # is of a column of numbers. rows: cells, the first of which names its row. */
export function table(name, heads, rows, none = 'none') {
	const kind = (i) => (heads[i].startsWith('#') ? 'number' : null);

	return el('section', { class: 'panel wide' }, el('h2', {}, name), rows.length === 0 ? el('p', { class: 'none' }, none)
		: el('table', { class: 'plain-table', 'aria-label': name },
			el('thead', {}, el('tr', {}, heads.map((h, i) => el('th', { scope: 'col', class: kind(i) }, h.replace('#', ''))))),
			el('tbody', {}, rows.map((r) => el('tr', {}, r.map((c, i) => (i ? el('td', { class: kind(i) }, c)
				: el('th', { scope: 'row', class: kind(i) }, c))))))));
}

/* A page that asks anew every so often, says so when it cannot, and goes on when it can again. */
export class Board {
	constructor(state, every) {
		this.state = state;
		this.every = every;
		this.asker = new Asker();
		this.status = el('p', { class: 'status', role: 'status' });
		this.keys = {};
	}

	close() {
		this.closed = true;
		clearTimeout(this.timer);
		clearTimeout(this.slow);
		this.asker.cancelAll();
	}

	tell(bad, ...what) {
		put(this.status, what);
		this.status.classList.toggle('bad', bad);
	}

	cancel() {
		this.asker.cancelAll();
		this.tell(false, 'Cancelled. ', el('button', { type: 'button', onclick: () => this.show() }, 'Ask again'));
	}

	/* load() is the page's own: asks, draws, and returns its answers. */
	async show() {
		const turn = this.turn = {};

		clearTimeout(this.timer);
		clearTimeout(this.slow);
		this.node.setAttribute('aria-busy', 'true');
		this.slow = setTimeout(() => this.drawn || this.tell(false, 'Reading\u2026 ',
			el('button', { type: 'button', onclick: () => this.cancel() }, 'Cancel')), SLOW_MS);
		let next = this.every;
		try {
			const partial = (await this.load()).find((a) => a?.partial);
			this.drawn = true;
			this.tell(!!partial, partial && `Partial (${partial.partial}): not everything could be looked at.`);
		} catch (e) {
			if (turn !== this.turn || this.closed || aborted(e))
				return;
			this.tell(true, e.hint ? `${e.message}. ${e.hint}` : e.message);
			if (!e.status)
				next = AGAIN_MS;
		} finally {
			if (turn === this.turn) {
				clearTimeout(this.slow);
				this.node.setAttribute('aria-busy', 'false');
			}
		}
		if (next && turn === this.turn && !this.closed)
			this.timer = setTimeout(() => this.show(), next);
	}
}
