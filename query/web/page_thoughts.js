/*
 * page_thoughts - what an agent thought, as a timeline: its THOUGHT events of a user and a range, and
 * beside each what else happened until the next one.
 */
import { el, put, plain } from './el.js';
import { events, url, aborted } from './api.js';
import { RangeBox } from './range_box.js';
import { Board } from './board.js';
import { test } from './lang.js';
import { moment } from './cells.js';
import { ago, iso, show } from './when.js';

const PAGE = 50;
const BESIDE = 8;
const MOMENT_MS = 600000; /* a moment lasts to the next thought, at most so long */

export class PageThoughts extends Board {
	constructor(state) {
		super(state, 0);
		this.range = new RangeBox(state);
		this.user = el('select', { id: 'thinker', onchange: () => state.set({ user: this.user.value }) });
		this.search = el('input', { id: 'thought-search', type: 'search', placeholder: 'words', onchange: () => state.set({ q: this.search.value }) });
		this.list = el('ol', { class: 'thoughts', 'aria-label': 'Thoughts, newest first' });
		this.more = el('button', { type: 'button', hidden: true, onclick: () => this.page() }, 'Earlier thoughts');
		/* What stands beside a thought is asked for when it comes into sight. */
		this.sight = new IntersectionObserver((list) => list.filter((e) => e.isIntersecting).forEach((e) => {
			this.sight.unobserve(e.target);
			this.moments.get(e.target)?.();
		}));
		this.moments = new WeakMap();
		this.node = el('div', { class: 'page' },
			el('div', { class: 'bar' }, el('h1', {}, 'Thoughts'), el('label', { for: 'thinker' }, 'Of'), this.user, this.range.node,
				el('label', { for: 'thought-search' }, 'With'), this.search), this.status, this.list, this.more);
		this.keys = { '/': () => this.search.focus(), t: () => this.range.summary.click() };
	}

	show() {
		this.range.show();
		this.search.value = this.state.q;
		return super.show();
	}

	close() {
		this.sight.disconnect();
		super.close();
	}

	async load() {
		const { range } = this.state;

		this.pairs = [['event_type', 'THOUGHT'], ...this.state.filters({ range })];
		const users = await this.asker.ask('users', url('/api/fields/user_id/values', [...this.pairs, ['top', 200]]));
		put(this.user, el('option', { value: '' }, 'everybody'), users.values.filter((v) => v.value !== null).map((v) =>
			el('option', { value: v.value }, `${plain(String(v.value))} (${v.count.toLocaleString('en')})`)));
		this.user.value = this.state.user;
		if (this.state.user)
			this.pairs.push(['user_id', this.state.user]);
		put(this.list);
		this.next = null;
		this.last = null;
		return [users, await this.page()];
	}

	async page() {
		const answer = await this.asker.ask('page', url('/api/logs', [...this.pairs, ['limit', PAGE], ['cursor', this.next], ['total', 'none']]));
		const list = events(answer);

		this.next = answer.next;
		this.more.hidden = !answer.next;
		for (const event of list) {
			this.list.append(this.thought(event, this.last));
			this.last = event;
		}
		if (!this.list.hasChildNodes())
			put(this.list, el('li', { class: 'empty' }, el('p', {}, 'No thoughts here. An agent writes them as events of type THOUGHT, ' +
				'with user_id and description.'), this.wider()));
		return answer;
	}

	wider() {
		const { from, to, q, user } = this.state;

		return (from || to || q || user) && el('button', { type: 'button',
			onclick: () => this.state.set({ from: '', to: '', q: '', user: '' }) }, 'All thoughts');
	}

	thought(event, later) {
		const beside = el('div', { class: 'beside' });
		const node = el('li', {},
			el('article', { 'aria-label': `Thought ${event.id}` },
				el('header', {}, event.user_id && el('b', {}, plain(event.user_id)), moment(event.timestamp, this.state, 0),
					!this.state.ago && el('span', {}, ago(Date.parse(event.timestamp))),
					el('a', { href: this.state.address('/', { q: '', user: '', entry: String(event.id), chips: event.user_id ? [test('user_id', event.user_id)] : [] }) },
						event.user_id ? 'All of this user' : 'In the logs')),
				el('p', { class: 'text' }, plain(event.description || '', true))),
			beside);

		this.moments.set(node, () => this.moment(event, later, beside));
		this.sight.observe(node);
		return node;
	}

	/* Events from this thought to the next one. */
	async moment(event, later, into) {
		const from = Date.parse(event.timestamp);
		const to = later ? Math.min(Date.parse(later.timestamp), from + MOMENT_MS) : from + MOMENT_MS;

		try {
			const answer = await this.asker.ask(`moment.${event.id}`, url('/api/logs', [['q', 'event_type!=THOUGHT'],
				['start_time', event.timestamp], ['end_time', iso(Math.max(to, from + 1))], ['order', 'asc'], ['limit', BESIDE]]));
			const list = events(answer);
			put(into, list.length === 0 ? el('p', {}, 'Nothing else in this moment.')
				: el('ul', { 'aria-label': 'In the same moment' }, list.map((e) => this.deed(e))),
			answer.total > list.length && el('p', {}, `and ${(answer.total - list.length).toLocaleString('en')} more`));
		} catch (e) {
			if (!aborted(e))
				put(into, el('p', { class: 'bad' }, e.message));
		}
	}

	deed(event) {
		return el('li', {}, el('a', { href: this.state.address('/', { q: '', user: '', entry: String(event.id) }) },
			el('time', { datetime: event.timestamp, title: show(event.timestamp, this.state.utc, 9) }, show(event.timestamp, this.state.utc, 0).slice(11))),
		' ', el('b', {}, plain(event.event_type || '')), ' ', plain((event.description || '').slice(0, 200)));
	}
}
