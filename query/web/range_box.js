/*
 * range_box - the range of time: quick ones, typed words, absolute times; the zone is beside it in the
 * page's head.
 */
import { el, put, opening } from './el.js';
import { QUICK, range, label } from './when.js';

export class RangeBox {
	constructor(state) {
		this.state = state;
		this.from = el('input', { id: 'range-from', type: 'text', autocomplete: 'off', placeholder: '-2h, yesterday, 2026-11-20 14:30' });
		this.to = el('input', { id: 'range-to', type: 'text', autocomplete: 'off', placeholder: 'now' });
		this.error = el('p', { class: 'bad', role: 'alert' });
		this.summary = el('summary', { title: 'Range of time (t)' });
		this.node = el('details', { class: 'menu range' }, this.summary,
			el('form', { class: 'sheet', onsubmit: (e) => {
				e.preventDefault();
				this.set(this.from.value.trim(), this.to.value.trim());
			} },
			el('ul', { class: 'quick' }, QUICK.map(([text, name]) => el('li', {},
				el('button', { type: 'button', class: 'plain', onclick: () => this.set(text, '') }, name)))),
			el('label', { for: 'range-from' }, 'From'), this.from,
			el('label', { for: 'range-to' }, 'To, its end included'), this.to,
			this.error,
			el('button', { type: 'submit', class: 'main' }, 'Show')));
		opening(this.node, () => this.from.focus());
	}

	set(from, to) {
		try {
			range(from, to, this.state.utc);
		} catch (e) {
			put(this.error, e.message, '. Times are -2h, 2h ago, yesterday 14:00, 2026-11-20, 14:30, @1700000000 and RFC 3339.');
			(e.field === 'to' ? this.to : this.from).focus();
			return;
		}
		this.node.open = false;
		this.summary.focus();
		this.state.set({ from, to });
	}

	show() {
		const { from, to, utc } = this.state;
		const quick = QUICK.find(([text]) => text === from && !to);
		const name = (text) => (/^\d{4}-\d\d-\d\dT/.test(text) ? label(Date.parse(text), utc, true) : text);

		this.from.value = from;
		this.to.value = to;
		put(this.error);
		this.summary.textContent = quick ? quick[1] : `${name(from) || 'the beginning'} \u2013 ${name(to) || 'now'}`;
	}
}
