/*
 * facets - the most frequent values of some fields among the events that are shown, with counts. A click
 * shows only those, alt and click (or the button beside it) leaves them out.
 */
import { el, put, plain } from './el.js';
import { url, aborted } from './api.js';
import { test } from './lang.js';
import { title } from './columns.js';
import { severity } from './list.js';

const FIELDS = ['event_type', 'entity_type', 'severity', 'user_id', 'service'];
const TOP = 8;

export class Facets {
	constructor(state, asker) {
		this.state = state;
		this.asker = asker;
		this.lists = new Map(FIELDS.map((f) => [f, el('ul')]));
		this.node = el('aside', { class: 'facets', 'aria-label': 'Values to filter by' },
			FIELDS.map((f) => el('details', { open: true }, el('summary', {}, title(f)), this.lists.get(f))));
	}

	async load(pairs) {
		await Promise.all(FIELDS.map((f) => this.one(f, pairs)));
	}

	async one(field, pairs) {
		const list = this.lists.get(field);

		list.setAttribute('aria-busy', 'true');
		try {
			const answer = await this.asker.ask(`facet.${field}`, url(`/api/fields/${field}/values`,
				[...pairs, ['top', TOP]]));
			const max = answer.values.reduce((m, v) => Math.max(m, v.count), 1);
			put(list, answer.values.map((v) => this.value(field, v, max)),
				answer.values.length === 0 && el('li', { class: 'none' }, 'none'),
				answer.groups > answer.values.length &&
					el('li', { class: 'none' }, `and ${(answer.groups - answer.values.length).toLocaleString('en')} more`));
		} catch (e) {
			if (!aborted(e))
				put(list, el('li', { class: 'bad' }, e.message));
		} finally {
			list.removeAttribute('aria-busy');
		}
	}

	value(field, { value, count }, max) {
		const shown = value === null ? '(none)' : plain(String(value));
		const only = test(field, value);
		const out = test(field, value, true);

		return el('li', { style: { '--part': `${count / max * 100}%` } },
			el('button', { type: 'button', class: 'plain grow', title: 'Only these; with Alt: without these',
				onclick: (e) => this.state.add(e.altKey ? out : only) },
			field === 'severity' && value !== null ? severity(value) : shown),
			el('span', { class: 'count' }, count.toLocaleString('en')),
			el('button', { type: 'button', class: 'act', title: 'Without these',
				'aria-label': `Without ${shown}`, onclick: () => this.state.add(out) }, '\u2260'));
	}
}
