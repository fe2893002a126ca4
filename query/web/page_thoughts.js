/*
 * page_thoughts - what an agent thought, as a timeline: its THOUGHT events of a user and a range, and
 * beside each what else happened until the next one.
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
		this.keys = { '/': () => this.search.focus(), t: () => this.range.summary.click() };
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
		const beside = el('div', { class: 'beside' });

		return el('li', {},
			el('article', { 'aria-label': `Thought ${event.id}` },
				el('header', {}, el('time', { datetime: event.timestamp, title: event.timestamp }, show(event.timestamp, this.state.utc, 0)),
					el('span', { class: 'none' }, ` ${ago(Date.parse(event.timestamp))}`), event.user_id && el('b', {}, ` ${plain(event.user_id)}`)),
				el('p', { class: 'text' }, plain(event.description || '', true)),
				el('button', { type: 'button', onclick: (e) => this.moment(event, later, beside, e.currentTarget) }, 'What happened then'),
				event.user_id && el('a', { href: this.state.address('/', { q: '', chips: [test('user_id', event.user_id)] }) }, 'All of this user')),
			beside);
	}

	/* Events from this thought to the next one. */
	async moment(event, later, into, button) {
		const from = Date.parse(event.timestamp);
		const to = later ? Math.min(Date.parse(later.timestamp), from + 10 * MOMENT_MS) : from + MOMENT_MS;

		button.disabled = true;
		try {
			const answer = await this.asker.ask(`moment.${event.id}`, url('/api/logs', [['q', 'event_type!=THOUGHT'],
				['start_time', event.timestamp], ['end_time', iso(Math.max(to, from + 1))], ['order', 'asc'], ['limit', BESIDE]]));
			const list = events(answer);
			put(into, list.length === 0 ? el('p', { class: 'none' }, 'Nothing else in this moment.')
				: el('ul', {}, list.map((e) => el('li', {}, el('time', { datetime: e.timestamp }, show(e.timestamp, this.state.utc).slice(11)),
					' ', el('b', {}, plain(e.event_type || '')), ' ', plain((e.description || '').slice(0, 200))))),
			answer.total > list.length && el('p', { class: 'none' }, `and ${(answer.total - list.length).toLocaleString('en')} more`));
		} catch (e) {
			if (!aborted(e))
				put(into, el('p', { class: 'bad' }, e.message));
		}
		button.disabled = false;
	}
}
