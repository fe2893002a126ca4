/*
 * board - what pages of numbers share: cards, ranked lists, and asking again now and then.
 */
import { el, put, plain } from './el.js';
import { Asker, aborted } from './api.js';

/* bad: somebody should look after it. */
export function card(name, value, note, bad = false) {
	return el('div', { class: bad ? 'card wrong' : 'card' }, el('dt', {}, name), el('dd', {}, value, note && el('small', {}, note)));
}

export function number(n) {
	return n === null || n === undefined ? '\u2013' : n.toLocaleString('en', { maximumFractionDigits: 2 });
}

export function bytes(n) {
	const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
	let i = 0;

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
				el('th', { scope: 'row' }, pick ? el('button', { type: 'button', class: 'plain', onclick: () => pick(value) }, text) : text),
				el('td', {}, number(n)));
		}))));
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
		clearTimeout(this.timer);
		this.asker.cancelAll();
	}

	/* load() is the page's own: asks and draws. */
	async show() {
		clearTimeout(this.timer);
		try {
			await this.load();
			put(this.status);
			this.status.classList.remove('bad');
		} catch (e) {
			if (aborted(e))
				return;
			put(this.status, e.hint ? `${e.message}. ${e.hint}` : e.message);
			this.status.classList.add('bad');
		}
		if (this.every && this.node.isConnected)
			this.timer = setTimeout(() => this.show(), this.every);
	}
}
