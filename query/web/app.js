/*
 * app - the page's frame: head, pages, theme, zone, keyboard.
 */
import { el, put } from './el.js';
import { State, PAGES, habit, keep } from './state.js';
import { age } from './cells.js';
import { PageLogs } from './page_logs.js';
import { PageLive } from './page_live.js';
import { PageStats } from './page_stats.js';
import { PageNotifications } from './page_notifications.js';
import { PageThoughts } from './page_thoughts.js';
import { PageStatus } from './page_status.js';

const KINDS = { '/': PageLogs, '/live': PageLive, '/stats': PageStats, '/notifications': PageNotifications,
	'/thoughts': PageThoughts, '/status': PageStatus };
const HELP = [['/', 'Type a question'], ['j k', 'Next and previous event'], ['Enter', 'Open and close the event'],
	['x', 'Export'], ['t', 'Range of time'], ['f', 'Filter by value'], ['Esc', 'Close'], ['?', 'This list']];

const AGE_MS = 10000;

const state = new State();
const main = document.getElementById('main');
let page = null;
let kind = null;

function theme() {
	const chosen = habit('theme', '');

	if (chosen)
		document.documentElement.dataset.theme = chosen;
	else
		delete document.documentElement.dataset.theme;
}

function isDark() {
	return habit('theme', '') === 'dark' || (!habit('theme', '') && matchMedia('(prefers-color-scheme: dark)').matches);
}

function zoneName() {
	return state.utc ? 'UTC' : 'Local time';
}

/* A button that turns a habit; text(): what it says; after(): what follows. */
function turn(text, title, after) {
	const node = el('button', { type: 'button', title, onclick: () => {
		after();
		show();
	} });
	const show = () => {
		const { name, on } = text();
		node.textContent = name;
		if (on !== undefined)
			node.setAttribute('aria-pressed', String(on));
	};

	show();
	return node;
}

function head() {
	const local = Intl.DateTimeFormat().resolvedOptions().timeZone;

	put(document.getElementById('tools'),
		turn(() => ({ name: zoneName() }), `Zone of all times: ${local} or UTC`, () => {
			keep('zone', state.utc ? 'local' : 'utc');
			enter(true);
		}),
		turn(() => ({ name: 'Ago', on: state.ago }), 'Times as how long ago they were', () => {
			keep('ago', !state.ago);
			enter(true);
		}),
		turn(() => ({ name: 'Dark', on: isDark() }), 'Dark or light', () => {
			keep('theme', isDark() ? 'light' : 'dark');
			theme();
		}),
		el('button', { type: 'button', 'aria-label': 'Keyboard shortcuts', title: 'Keyboard shortcuts (?)', onclick: help }, '?'));
}

function nav() {
	put(document.getElementById('nav'), PAGES.map(([path, name]) => el('li', {},
		el('a', { href: path, 'aria-current': path === state.page ? 'page' : null, onclick: (e) => {
			if (e.ctrlKey || e.metaKey || e.shiftKey)
				return;
			e.preventDefault();
			state.set({ page: path, entry: '' });
		} }, name))));
	document.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

function help() {
	const dialog = el('dialog', { 'aria-labelledby': 'help-title' }, el('h2', { id: 'help-title' }, 'Keyboard'),
		el('dl', { class: 'help' }, HELP.map(([key, text]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, text)])),
		el('button', { type: 'button', class: 'main', onclick: () => dialog.close() }, 'Close'));

	dialog.addEventListener('close', () => dialog.remove());
	document.body.append(dialog);
	dialog.showModal();
}

/* Shows the page of the state; anew: even if it is the same. */
function enter(anew, change) {
	const Kind = KINDS[state.page];

	if (anew || Kind !== kind) {
		page?.close();
		page = new Kind(state);
		kind = Kind;
		put(main, page.node);
		nav();
		document.title = `${PAGES.find(([p]) => p === state.page)[1]} \u00b7 Astrolabe`;
	}
	page.show(change);
}

function typing(e) {
	return e.target.closest('input, textarea, select, dialog') || e.ctrlKey || e.metaKey || e.altKey;
}

document.addEventListener('keydown', (e) => {
	if (e.key === 'Escape')
		document.querySelectorAll('details.menu[open]').forEach((m) => {
			m.open = false;
			m.querySelector('summary').focus();
		});
	if (typing(e))
		return;
	if (e.key === '?') {
		e.preventDefault();
		help();
	} else if (page?.keys?.[e.key]) {
		e.preventDefault();
		page.keys[e.key]();
	}
});

/* A click beside an open menu closes it. */
document.addEventListener('pointerdown', (e) => {
	document.querySelectorAll('details.menu[open]').forEach((m) => {
		if (!m.contains(e.target))
			m.open = false;
	});
});

state.addEventListener('change', (e) => enter(false, e.detail));
theme();
head();
enter(true);
setInterval(age, AGE_MS);
