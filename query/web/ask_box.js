/*
 * ask_box - where a question is typed: fields and values are offered as the cursor comes to them, the
 * questions asked before when it is empty, and what is wrong is shown at its place.
 */
import { el, put, plain, debounce } from './el.js';
import { ask, url, aborted } from './api.js';
import { FIELDS, SEVERITIES, place, literal } from './lang.js';
import { habit, keep } from './state.js';

const HISTORY = 30;
const OFFERS = 12;

export class AskBox {
	/* run(question): Enter was pressed. */
	constructor(state, run) {
		this.state = state;
		this.run = run;
		this.offers = [];
		this.at = -1;
		this.list = el('ul', { id: 'offers', role: 'listbox', class: 'offers', hidden: true, 'aria-label': 'Suggestions' });
		this.error = el('p', { id: 'ask-error', class: 'ask-error', role: 'alert' });
		this.input = el('input', { id: 'ask', type: 'text', role: 'combobox', autocomplete: 'off', spellcheck: 'false',
			autocapitalize: 'off', maxlength: '8000', 'aria-label': 'Question', 'aria-autocomplete': 'list', 'aria-controls': 'offers',
			'aria-expanded': 'false', 'aria-describedby': 'ask-error',
			placeholder: 'event_type=ERROR timeout  \u00b7  press / to type' });
		this.node = el('div', { class: 'ask-box' }, this.input, this.list, this.error);
		this.suggest = debounce(80, () => this.offer());
		this.input.addEventListener('input', () => {
			this.fault(null);
			this.select(-1);
			this.suggest();
		});
		this.input.addEventListener('keydown', (e) => this.press(e));
		this.input.addEventListener('focus', () => this.input.value === '' && this.suggest());
		this.input.addEventListener('blur', () => setTimeout(() => this.close(), 150));
	}

	show(text) {
		if (this.input.value !== text)
			this.input.value = text;
	}

	/* A Problem, or null. */
	fault(problem) {
		this.input.setAttribute('aria-invalid', problem ? 'true' : 'false');
		if (!problem) {
			put(this.error);
			return;
		}
		const where = problem.position && problem.field === 'q' ? this.mark(problem.position) : null;
		put(this.error, where, el('span', {}, problem.message), problem.hint && el('span', { class: 'hint' }, ` ${problem.hint}`));
	}

	/* The question with the wrong place marked; positions count bytes from 1. */
	mark(position) {
		const bytes = new TextEncoder().encode(this.input.value);
		const before = new TextDecoder().decode(bytes.slice(0, position - 1));
		const rest = this.input.value.slice(before.length);

		return el('code', {}, before.slice(-60), el('mark', {}, rest.slice(0, 1) || '\u2423'), rest.slice(1, 60));
	}

	async offer() {
		const at = place(this.input.value, this.input.selectionStart);

		this.abort?.abort();
		this.abort = new AbortController();
		const { signal } = this.abort;
		if (document.activeElement !== this.input)
			return;
		if (this.input.value.trim() === '' && habit('asked', []).length)
			this.fill(habit('asked', []).slice(0, OFFERS).map((q) => ({ text: q, whole: true, kind: 'asked before' })));
		else if (!at)
			this.close();
		else
			await this.offerAt(at, signal).catch((e) => aborted(e) || this.close());
	}

	async offerAt(at, signal) {
		if (at.kind === 'value') {
			const values = at.field === 'severity' ? SEVERITIES.filter((s) => s.startsWith(at.prefix.toLowerCase()))
				: await this.values(at, signal);
			if (signal.aborted)
				return;
			this.fill(values.map((v) => ({ text: literal(v), shown: v, at, kind: 'value' })));
			return;
		}
		const low = at.prefix.toLowerCase();
		const names = await this.fields();
		if (signal.aborted)
			return;
		const found = names.filter((n) => low && n.toLowerCase().includes(low))
			.sort((a, b) => b.toLowerCase().startsWith(low) - a.toLowerCase().startsWith(low));
		this.fill(found.slice(0, OFFERS).map((n) => ({ text: `${n}=`, shown: n, at, kind: 'field', more: true })));
	}

	async values(at, signal) {
		const answer = await ask(url(`/api/fields/${encodeURIComponent(at.field)}/values`,
			[['prefix', at.prefix], ['top', OFFERS]]), [], signal);

		return answer.values.map((v) => v.value).filter((v) => v !== null);
	}

	async fields() {
		this.known ||= ask('/api/fields').then((a) => a.fields.map((f) => f.name).filter((n) => n.startsWith('metadata.')));
		try {
			return [...FIELDS, ...await this.known];
		} catch {
			this.known = null;
			return FIELDS;
		}
	}

	/* What is selected stays so where it is still offered: offers may be renewed behind a key that chose. */
	fill(offers) {
		const chosen = this.offers[this.at]?.text;

		this.offers = offers;
		put(this.list, offers.map((o, i) => el('li', { id: `offer-${i}`, role: 'option', 'aria-selected': 'false',
			onpointerdown: (e) => {
				e.preventDefault();
				this.take(i);
			} }, el('span', { class: 'grow' }, plain(String(o.shown ?? o.text))), el('small', {}, o.kind))));
		this.list.hidden = offers.length === 0;
		this.input.setAttribute('aria-expanded', String(offers.length > 0));
		this.select(offers.findIndex((o) => o.text === chosen));
	}

	/* And what is still on its way is not shown. */
	close() {
		this.suggest.cancel();
		this.abort?.abort();
		this.fill([]);
	}

	/* -1: none. */
	select(i) {
		this.at = i;
		[...this.list.children].forEach((li, k) => li.setAttribute('aria-selected', String(k === i)));
		if (i < 0) {
			this.input.removeAttribute('aria-activedescendant');
			return;
		}
		this.list.children[i].scrollIntoView({ block: 'nearest' });
		this.input.setAttribute('aria-activedescendant', `offer-${i}`);
	}

	take(i) {
		const offer = this.offers[i];
		const value = this.input.value;

		if (offer.whole) {
			this.input.value = offer.text;
		} else {
			/* More may have been typed since this was offered. */
			const { from, to } = place(value, this.input.selectionStart) || offer.at;
			const text = offer.more ? offer.text : `${offer.text} `;
			this.input.value = value.slice(0, from) + text + value.slice(to).trimStart();
			this.input.setSelectionRange(from + text.length, from + text.length);
		}
		this.close();
		this.input.focus();
		if (offer.more)
			this.suggest();
	}

	press(e) {
		const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];

		if (step && this.offers.length) {
			e.preventDefault();
			const count = this.offers.length;
			this.select(((this.at < 0 && step < 0 ? 0 : this.at) + step + count) % count);
		} else if ((e.key === 'Enter' || e.key === 'Tab') && this.at >= 0) {
			e.preventDefault();
			this.take(this.at);
		} else if (e.key === 'Enter') {
			e.preventDefault();
			this.close();
			this.ask();
		} else if (e.key === 'Escape') {
			e.stopPropagation();
			if (this.offers.length)
				this.close();
			else
				this.input.blur();
		}
	}

	ask() {
		const question = this.input.value.trim();

		if (question)
			keep('asked', [question, ...habit('asked', []).filter((q) => q !== question)].slice(0, HISTORY));
		this.run(question);
	}
}
