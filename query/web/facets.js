/*
 * facets - the most frequent values of some fields among the events that are shown, with counts. A click
 * shows only those (again: all), alt and click (or the button beside it) leaves them out.
 */
import { el, put, plain, soon } from './el.js';
import { url, aborted } from './api.js';
import { test, SEVERITIES } from './lang.js';
import { title } from './columns.js';
import { severity } from './cells.js';

const FIELDS = ['event_type', 'entity_type', 'severity', 'user_id', 'service'];
const TOP = 8;
const MORE = 100;

export class Facets {
	constructor(state, asker) {
		this.state = state;
		this.asker = asker;
		this.lists = new Map(FIELDS.map((f) => [f, el('ul')]));
		this.top = new Map();
		this.node = el('aside', { id: 'facets', class: 'facets', 'aria-label': 'Values to filter by' },
			FIELDS.map((f) => el('details', { open: true }, el('summary', {}, title(f)), this.lists.get(f))));
	}

	async load(pairs) {
		this.pairs = pairs;
		await Promise.all(FIELDS.map((f) => this.one(f)));
	}

	async one(field) {
		const list = this.lists.get(field);

		try {
			const answer = await this.asker.ask(`facet.${field}`, url(`/api/fields/${field}/values`,
				[...this.pairs, ['top', this.top.get(field) || TOP]]));
			await soon(() => put(list, this.values(field, answer.values),
				answer.values.length === 0 && el('li', { class: 'none' }, 'none'), this.rest(field, answer)));
		} catch (e) {
			if (!aborted(e))
				put(list, el('li', { class: 'bad' }, e.message));
		}
	}

	/* Severities in their own order, all else by count. */
	values(field, values) {
		const max = values.reduce((m, v) => Math.max(m, v.count), 1);
		const list = field === 'severity'
			? [...values].sort((a, b) => SEVERITIES.indexOf(a.value) - SEVERITIES.indexOf(b.value)) : values;

		return list.map((v) => this.value(field, v, max));
	}

	rest(field, answer) {
		const left = answer.groups - answer.values.length;
		const text = `${left.toLocaleString('en')} more`;

		if (left <= 0)
			return null;
		if (this.top.get(field) === MORE)
			return el('li', { class: 'none' }, text);
		return el('li', {}, el('button', { type: 'button', class: 'plain none', onclick: () => {
			this.top.set(field, MORE);
			this.one(field);
		} }, text));
	}

	value(field, { value, count }, max) {
		const shown = value === null ? '(none)' : plain(String(value));
		const only = test(field, value);
		const out = test(field, value, true);
		const on = this.state.chips.includes(only);
		const click = (e) => (on ? this.state.drop(only) : this.state.add(e.altKey ? out : only));

		return el('li', { style: { '--part': `${count / max * 100}%` } },
			el('button', { type: 'button', class: 'plain grow', 'aria-pressed': String(on),
				title: `${shown}: click for only these, Alt and click for none of these`, onclick: click },
			field === 'severity' && value !== null ? severity(value) : shown),
			el('span', { class: 'count' }, count.toLocaleString('en')),
			el('button', { type: 'button', class: 'act', title: 'None of these',
				'aria-label': `Without ${shown}`, onclick: () => this.state.add(out) }, '\u2260'));
	}
}
