/*
 * state - what is shown, kept whole in the address: a link is the view. Of one page it is the path; of
 * the rest the parameters q (question), f (chips, one test each), from and to (as typed), order, entry
 * (an open event), view (a named one), field... A change that a person would want to go back from
 * makes a new entry of the history; one that follows another (typing, scrolling) replaces it.
 *
 * What is a habit and not part of a view (zone, theme, columns, history of questions) is in
 * localStorage, which may be full or forbidden: then it lasts as long as the page.
 */
import { range, iso } from './when.js';

const ONE = ['q', 'from', 'to', 'order', 'entry', 'user', 'bucket'];

export const PAGES = [
	['/', 'Logs'], ['/live', 'Live'], ['/stats', 'Statistics'], ['/notifications', 'Notifications'],
	['/thoughts', 'Thoughts'], ['/status', 'Status'],
];

export class State extends EventTarget {
	constructor() {
		super();
		this.read();
		window.addEventListener('popstate', () => {
			this.read();
			this.dispatchEvent(new CustomEvent('change', { detail: { back: true } }));
		});
	}

	read() {
		const query = new URLSearchParams(location.search);

		this.page = PAGES.some(([p]) => p === location.pathname) ? location.pathname : '/';
		for (const key of ONE)
			this[key] = query.get(key) || '';
		this.chips = query.getAll('f').filter((f) => f);
	}

	address(page = this.page, over = {}) {
		const all = { ...this, ...over };
		const query = new URLSearchParams();

		for (const key of ONE)
			if (all[key])
				query.append(key, all[key]);
		for (const chip of all.chips)
			query.append('f', chip);
		const text = query.toString();
		return text ? `${page}?${text}` : page;
	}

	/* changes: of the keys above, chips, page. replace: no new entry of the history. */
	set(changes, replace = false) {
		const before = this.address();
		const page = changes.page || this.page;

		Object.assign(this, changes);
		this.page = page;
		const after = this.address(page);
		if (after === before && location.pathname + location.search === after)
			return;
		history[replace ? 'replaceState' : 'pushState'](null, '', after);
		this.dispatchEvent(new CustomEvent('change', { detail: { changes } }));
	}

	/* To an address that was kept. */
	go(address) {
		const to = new URL(address, location.href);

		if (to.origin !== location.origin)
			return;
		history.pushState(null, '', to.pathname + to.search);
		this.read();
		this.dispatchEvent(new CustomEvent('change', { detail: { back: true } }));
	}

	add(chip) {
		if (!this.chips.includes(chip))
			this.set({ chips: [...this.chips, chip], entry: '' });
	}

	drop(chip) {
		this.set({ chips: this.chips.filter((c) => c !== chip), entry: '' });
	}

	get utc() {
		return habit('zone', 'local') === 'utc';
	}

	/* Times are told by how long ago they were. */
	get ago() {
		return habit('ago', false);
	}

	/* Start and end in ms; throws as when.range. */
	get range() {
		return range(this.from, this.to, this.utc);
	}

	/* The parameters that choose events, as pairs. */
	filters(only = {}) {
		const r = only.range || this.range;
		const pairs = [];

		if (this.q.trim())
			pairs.push(['q', this.q.trim()]);
		for (const chip of this.chips)
			pairs.push(['q', chip]);
		if (only.time !== false) {
			if (r.from !== undefined)
				pairs.push(['start_time', iso(r.from)]);
			if (r.to !== undefined)
				pairs.push(['end_time', iso(r.to)]);
		}
		return pairs;
	}
}

const memory = new Map();

export function habit(name, otherwise) {
	if (memory.has(name))
		return memory.get(name);
	try {
		const text = localStorage.getItem(`astrolabe.${name}`);
		return text === null ? otherwise : JSON.parse(text);
	} catch {
		return otherwise;
	}
}

export function keep(name, value) {
	memory.set(name, value);
	try {
		localStorage.setItem(`astrolabe.${name}`, JSON.stringify(value));
	} catch {
		/* Full or forbidden: the memory of this page has it. */
	}
}
