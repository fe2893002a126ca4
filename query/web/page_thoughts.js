/*
 * page_thoughts - what an agent thought, as a timeline: its THOUGHT events of a user and a range, and
 * beside each what else happened until the next one, asked for when the thought comes into sight.
 */
import { el, put, plain } from './el.js';
import { events, url, aborted } from './api.js';
import { RangeBox } from './range_box.js';
import { Board } from './board.js';
import { test } from './lang.js';
import { ago, iso, show } from './when.js';

const PAGE = 50;
const BESIDE = 8;
const MOMENT_MS = 60000; /* what stands beside a thought that no other follows */

export class PageThoughts extends Board {
	constructor(state) {
		super(state, 0);
		this.range = new RangeBox(state);
		this.user = el('select', { id: 'thinker', onchange: () => state.set({ user: this.user.value }) });
		this.search = el('input', { id: 'thought-search', type: 'search', placeholder: 'words', onchange: () => state.set({ q: this.search.value }) });
		this.list = el('ol', { class: 'thoughts', 'aria-label': 'Thoughts, newest first' });
		this.more = el('button', { type: 'button', hidden: true, onclick: () => this.page() }, 'Earlier thoughts');
		this.node = el('div', { class: 'page' }, el('h1', {}, 'Thoughts'),
			el('div', { class: 'bar' }, el('label', { for: 'thinker' }, 'Of'), this.user, this.range.node,
				el('label', { for: 'thought-search' }, 'With'), this.search), this.status, this.list, this.more);
		this.moments = new WeakMap();
		this.sight = new IntersectionObserver((seen) => this.see(seen), { rootMargin: '200px' });
		this.keys = { '/': () => this.search.focus(), t: () => this.range.summary.click() };
	}

	close() {
		this.sight.disconnect();
		super.close();
	}

	/* What stands beside the thoughts that have come into sight, once. */
	see(seen) {
		for (const { isIntersecting, target } of seen)
			if (isIntersecting) {
				this.sight.unobserve(target);
				this.moment(target);
			}
	}

	show() {
		this.range.show();
		this.search.value = this.state.q;
		return super.show();
	}

	async load() {
		const range = this.state.range;

		this.pairs = [['event_type', 'THOUGHT'], ...this.state.filters({ range })];
		const users = await this.asker.ask('users', url('/api/fields/user_id/values', [...this.pairs, ['top', 200]]));
		put(this.user, el('option', { value: '' }, 'everybody'), users.values.filter((v) => v.value !== null).map((v) =>
			el('option', { value: v.value }, `${plain(String(v.value))} (${v.count.toLocaleString('en')})`)));
		this.user.value = this.state.user;
		if (this.state.user)
			this.pairs.push(['user_id', this.state.user]);
		this.sight.disconnect();
		put(this.list);
		this.next = null;
		this.last = null;
		await this.page();
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
			put(this.list, el('li', { class: 'empty' }, 'No thoughts here. An agent writes them as events of type THOUGHT, ' +
				'with user_id and description.'));
	}

	thought(event, later) {
		const beside = el('div', { class: 'beside', 'aria-label': 'What happened then', role: 'group' });

		this.moments.set(beside, { event, later });
		this.sight.observe(beside);
		return el('li', {},
			el('article', { 'aria-label': `Thought ${event.id}` },
				el('header', {}, this.link(event), el('span', { class: 'none' }, ` ${ago(Date.parse(event.timestamp))} `),
					event.user_id && el('a', { title: 'All events of this user',
						href: this.state.address('/', { q: '', chips: [test('user_id', event.user_id)] }) }, plain(event.user_id))),
				el('p', { class: 'text' }, plain(event.description || '', true))),
			beside);
	}

	/* Its time, which leads to the event itself. */
	link(event) {
		return el('a', { class: 'time', href: this.state.address('/', { q: '', chips: [], user: '', entry: String(event.id) }) },
			el('time', { datetime: event.timestamp, title: event.timestamp }, show(event.timestamp, this.state.utc, 0)));
	}

	/* Events from this thought to the next one. */
	async moment(into) {
		const { event, later } = this.moments.get(into);
		const from = Date.parse(event.timestamp);
		const to = later ? Math.min(Date.parse(later.timestamp), from + 10 * MOMENT_MS) : from + MOMENT_MS;

		put(into, 'Loading\u2026');
		try {
			const answer = await this.asker.ask(`moment.${event.id}`, url('/api/logs', [['q', 'event_type!=THOUGHT'],
				['start_time', event.timestamp], ['end_time', iso(Math.max(to, from + 1))], ['order', 'asc'], ['limit', BESIDE]]));
			put(into, this.beside(events(answer), answer.total, from, to));
		} catch (e) {
			if (!aborted(e))
				put(into, el('p', { class: 'bad' }, e.message));
		}
	}

	beside(list, total, from, to) {
		if (list.length === 0)
			return el('p', {}, 'Nothing else happened before the next thought.');
		return [el('ul', {}, list.map((e) => el('li', {},
			el('time', { datetime: e.timestamp }, show(e.timestamp, this.state.utc, 0).slice(11)),
			el('b', {}, plain(e.event_type || '')), el('span', {}, plain((e.description || '').slice(0, 200)))))),
		total > list.length && el('a', { href: this.state.address('/', { q: '', user: '', chips: ['event_type!=THOUGHT'], from: iso(from), to: iso(to - 1) }) },
			`${(total - list.length).toLocaleString('en')} more`)];
	}
}
