/*
 * page_live - events as they come: the newest at the end, as in a terminal. Scrolling back holds the view
 * still and counts what comes; nothing is lost by it. Before the first one that comes stand the last ones
 * that were there.
 */
import { el, put } from './el.js';
import { AskBox } from './ask_box.js';
import { Tail } from './tail.js';
import { content, name } from './cells.js';
import { columns } from './columns.js';
import { Heading } from './heading.js';
import { chips } from './menus.js';
import { detail } from './detail.js';

const ROWS = 1000;  /* in the page; older ones go */
const HELD = 5000;  /* kept while the view is held */
const RATE_MS = 5000;
const TEXTS = { open: 'Live', connecting: 'Connecting\u2026', stopped: 'Stopped', held: 'Paused: what comes is counted' };

export class PageLive {
	constructor(state) {
		this.state = state;
		this.tail = new Tail();
		this.held = [];
		this.seen = [];
		this.ask = new AskBox(state, (q) => (q === state.q ? this.show() : state.set({ q })));
		this.chips = el('ul', { class: 'chips', 'aria-label': 'Filters' });
		this.body = el('tbody');
		this.head = new Heading(state, () => this.reshape(), false);
		this.table = el('table', { class: 'events', 'aria-label': 'Live events' }, this.head.sizes, this.head.node, this.body);
		this.box = el('div', { class: 'list live', tabindex: '0', role: 'region', 'aria-label': 'Live events, scrollable' },
			this.table);
		this.run = el('button', { type: 'button', class: 'main', onclick: () => (this.tail.running ? this.tail.stop() : this.show()) });
		this.pause = el('button', { type: 'button', onclick: () => this.turn() });
		this.more = el('button', { type: 'button', class: 'more main', hidden: true, onclick: () => this.resume() });
		this.status = el('p', { class: 'status', role: 'status' });
		this.rate = el('span', { class: 'rate' });
		this.node = el('div', { class: 'logs' },
			el('div', { class: 'bar', role: 'search' }, this.ask.node, this.run, this.pause, this.rate),
			this.chips, el('div', { class: 'tools' }, this.status),
			el('div', { class: 'split' }, el('div', { class: 'main-list' }, this.box, this.more)));
		this.listen();
		this.keys = { '/': () => this.ask.input.focus(), ' ': () => this.turn() };
	}

	listen() {
		this.tail.addEventListener('logs', (e) => this.take(e.detail));
		this.tail.addEventListener('state', (e) => this.tell(e.detail));
		this.tail.addEventListener('fault', (e) => this.fault(e.detail));
		this.tail.addEventListener('dropped', (e) => {
			this.lost += e.detail;
			this.tell(this.told);
		});
		this.box.addEventListener('scroll', () => {
			/* What flush did tells nothing of what the reader wants: who paused since then has paused. */
			const own = this.box.scrollTop === this.put;
			this.put = null;
			if (own)
				return;
			const end = this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - 4;
			if (end && this.holding)
				this.resume();
			else if (!end && !this.holding)
				this.hold();
		}, { passive: true });
		this.timer = setInterval(() => this.count(), 1000);
	}

	close() {
		clearInterval(this.timer);
		this.tail.stop();
	}

	show() {
		this.ask.show(this.state.q);
		this.ask.fault(null);
		put(this.chips, chips(this.state));
		this.reshape();
		put(this.body);
		this.held = [];
		this.seen = [];
		this.lost = 0;
		this.fresh = 0;
		this.holding = false;
		this.more.hidden = true;
		this.node.setAttribute('aria-busy', 'true');
		this.tail.start(this.state.filters({ time: false, range: {} }));
	}

	reshape() {
		this.shown = columns();
		this.table.style.setProperty('min-width', `${this.head.show(this.shown)}px`);
	}

	/* What is asked cannot be. */
	fault(problem) {
		this.ask.fault(problem);
		this.tell(problem.message);
	}

	tell(state) {
		const lost = this.lost ? ` \u00b7 ${this.lost.toLocaleString('en')} events were left out: more came than could be shown` : '';
		const text = state === 'open' && this.holding ? TEXTS.held : TEXTS[state] || state;

		this.told = state;
		this.run.textContent = this.tail.running ? 'Stop' : 'Start';
		this.pause.textContent = this.holding ? 'Go on' : 'Pause';
		this.pause.disabled = !this.tail.running;
		put(this.status, text, lost);
		this.status.classList.toggle('bad', !TEXTS[state] || this.lost > 0);
		this.node.setAttribute('aria-busy', String(state === 'connecting'));
	}

	take({ list, first }) {
		if (!first)
			this.seen.push([performance.now(), list.length]);
		this.held.push(...list);
		if (this.holding) {
			this.held.splice(0, this.held.length - HELD);
			this.more.hidden = false;
			this.fresh += list.length;
			this.more.textContent = `${this.fresh.toLocaleString('en')} new \u2193`;
		} else if (!this.frame) {
			/* One layout for all that came since the last one. */
			this.frame = requestAnimationFrame(() => this.flush());
		}
	}

	flush() {
		const list = this.held.splice(0, this.held.length).slice(-ROWS);

		this.frame = 0;
		if (this.holding)
			return;
		this.body.append(...list.map((e) => this.row(e)));
		while (this.body.rows.length > ROWS)
			this.body.rows[0].remove();
		this.box.scrollTop = this.box.scrollHeight;
		this.put = this.box.scrollTop;
	}

	turn() {
		if (this.holding)
			this.resume();
		else if (this.tail.running)
			this.hold();
	}

	hold() {
		this.holding = true;
		this.fresh = 0;
		this.tell(this.told);
	}

	resume() {
		this.holding = false;
		this.more.hidden = true;
		this.tell(this.told);
		this.flush();
	}

	row(event) {
		const tr = el('tr', { class: `line ${event.severity || ''}` },
			el('td', {}, el('button', { type: 'button', class: 'toggle', 'aria-expanded': 'false', 'aria-label': `Event ${event.id}`,
				onclick: (e) => this.toggle(tr, event, e.currentTarget) })),
			this.shown.map((c) => el('td', { class: name(c.name) }, content(event, c.name, this.state))));

		return tr;
	}

	toggle(tr, event, button) {
		const open = button.getAttribute('aria-expanded') === 'true';

		if (!this.holding)
			this.hold();
		button.setAttribute('aria-expanded', String(!open));
		if (open)
			tr.nextElementSibling.remove();
		else
			tr.after(el('tr', { class: 'detail' }, el('td', { colspan: this.shown.length + 1 }, detail(event, this.state, {}))));
	}

	count() {
		const now = performance.now();

		this.seen = this.seen.filter(([at]) => now - at < RATE_MS);
		const n = this.seen.reduce((sum, [, k]) => sum + k, 0);
		this.rate.textContent = `${(n / (RATE_MS / 1000)).toLocaleString('en', { maximumFractionDigits: 1 })} events/s`;
	}
}
