/*
 * page_live - events as they come: the newest at the end, as in a terminal. Scrolling back holds the
 * view still and counts what comes; nothing is lost by it.
 */
import { el, put, plain } from './el.js';
import { AskBox } from './ask_box.js';
import { Tail } from './tail.js';
import { severity } from './list.js';
import { cell, columns, title } from './columns.js';
import { chips } from './menus.js';
import { show } from './when.js';
import { detail } from './detail.js';

const ROWS = 1000;  /* in the page; older ones go */
const HELD = 5000;  /* kept while the view is held */
const RATE_MS = 5000;

export class PageLive {
	constructor(state) {
		this.state = state;
		this.tail = new Tail();
		this.held = [];
		this.seen = [];
		this.lost = 0;
		this.ask = new AskBox(state, (q) => (q === state.q ? this.show() : state.set({ q })));
		this.chips = el('ul', { class: 'chips', 'aria-label': 'Filters' });
		this.body = el('tbody');
		this.head = el('tr');
		this.box = el('div', { class: 'list live', tabindex: '0', role: 'region', 'aria-label': 'Live events, scrollable' },
			el('table', { class: 'events', 'aria-label': 'Live events' }, el('thead', {}, this.head), this.body));
		this.run = el('button', { type: 'button', class: 'main', onclick: () => (this.tail.running ? this.tail.stop() : this.show()) });
		this.more = el('button', { type: 'button', class: 'more', hidden: true, onclick: () => this.resume() });
		this.status = el('p', { class: 'status', role: 'status' });
		this.rate = el('span', { class: 'rate' });
		this.node = el('div', { class: 'logs' },
			el('div', { class: 'bar', role: 'search' }, this.ask.node, this.run, this.rate),
			this.chips, this.status, el('div', { class: 'main-list' }, this.box, this.more));
		this.listen();
		this.keys = { '/': () => this.ask.input.focus(), ' ': () => (this.holding ? this.resume() : this.hold()) };
	}

	listen() {
		this.tail.addEventListener('logs', (e) => this.take(e.detail));
		this.tail.addEventListener('state', (e) => this.tell(e.detail));
		this.tail.addEventListener('dropped', (e) => {
			this.lost += e.detail;
			this.tell('open');
		});
		this.box.addEventListener('scroll', () => {
			const end = this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - 4;
			if (end && this.holding)
				this.resume();
			else if (!end && !this.moving)
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
		put(this.chips, chips(this.state));
		this.shown = columns();
		put(this.head, el('th', { scope: 'col' }, el('span', { class: 'hidden' }, 'Open')),
			this.shown.map((c) => el('th', { scope: 'col' }, title(c.name))));
		put(this.body);
		this.held = [];
		this.lost = 0;
		this.holding = false;
		this.more.hidden = true;
		this.tail.start(this.state.filters({ time: false, range: {} }));
		this.tell('connecting');
	}

	tell(state) {
		const texts = { open: 'Live', connecting: 'Connecting\u2026', stopped: 'Stopped' };
		const lost = this.lost ? ` \u00b7 ${this.lost.toLocaleString('en')} events were left out: more came than could be shown` : '';

		this.run.textContent = this.tail.running ? 'Stop' : 'Start';
		put(this.status, texts[state] || 'Connection lost: connecting again, nothing is missed', lost);
		this.status.classList.toggle('bad', !texts[state] || this.lost > 0);
	}

	take(list) {
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
		this.body.append(...list.map((e) => this.row(e)));
		while (this.body.rows.length > ROWS)
			this.body.rows[0].remove();
		this.moving = true;
		this.box.scrollTop = this.box.scrollHeight;
		requestAnimationFrame(() => {
			this.moving = false;
		});
	}

	hold() {
		this.holding = true;
		this.fresh = 0;
	}

	resume() {
		this.holding = false;
		this.more.hidden = true;
		this.flush();
	}

	row(event) {
		const tr = el('tr', { class: `line ${event.severity || ''}` },
			el('td', {}, el('button', { type: 'button', class: 'toggle', 'aria-expanded': 'false', 'aria-label': `Event ${event.id}`,
				onclick: (e) => this.toggle(tr, event, e.currentTarget) }, '\u25b8')),
			this.shown.map((c) => el('td', { class: c.name.replace(/\W/g, '-') }, this.cell(event, c.name))));

		return tr;
	}

	cell(event, name) {
		const value = cell(event, name);

		if (value === undefined)
			return el('span', { class: 'none' }, '\u2013');
		if (name === 'severity')
			return severity(value);
		if (name === 'timestamp' || name === 'received')
			return el('time', { datetime: value }, show(value, this.state.utc));
		return plain(String(value).slice(0, 1000));
	}

	toggle(tr, event, button) {
		const open = button.getAttribute('aria-expanded') === 'true';

		this.hold();
		button.setAttribute('aria-expanded', String(!open));
		button.textContent = open ? '\u25b8' : '\u25be';
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
