/*
 * menus - what pages with filters share: the chips, the export and the saved views.
 */
import { el, put, plain, opening } from './el.js';
import { Asker, aborted, send, url } from './api.js';

export function chips(state) {
	return state.chips.map((chip) => el('li', {}, el('span', {}, plain(chip)),
		el('button', { type: 'button', 'aria-label': `Remove filter ${chip}`, onclick: () => state.drop(chip) }, '\u2715')));
}

const FORMATS = [['csv', 'CSV, for spreadsheets'], ['json', 'JSON, one document'], ['ndjson', 'NDJSON, an event a line']];

/* Links are made when the menu opens: what is shown then is what is exported. */
export function exportMenu(state) {
	const list = el('ul', { class: 'sheet' });
	const node = el('details', { class: 'menu' }, el('summary', { title: 'Export (x)' }, 'Export'), list);

	return opening(node, () => {
		let pairs;
		try {
			pairs = state.filters();
		} catch (e) {
			put(list, el('li', {}, e.message));
			return;
		}
		put(list, FORMATS.map(([format, name]) => el('li', {},
			el('a', { href: url('/api/logs/export', [...pairs, ['format', format]]), download: `astrolabe-events.${format}` }, name))));
		list.querySelector('a').focus();
	});
}

/* Only addresses of this very site are followed. */
function viewItem(state, view, redraw, complain) {
	const to = new URL(view.address, location.href);

	return el('li', { class: 'row' },
		el('a', { href: to.origin === location.origin ? to.pathname + to.search : null, class: 'grow', onclick: (e) => {
			e.preventDefault();
			e.target.closest('details').open = false;
			state.go(view.address);
		} }, plain(view.name)),
		el('button', { type: 'button', 'aria-label': `Delete view ${view.name}`, onclick: async () => {
			await send('DELETE', `/api/views/${encodeURIComponent(view.name)}`).catch((e) => complain(e));
			redraw();
		} }, '\u2715'));
}

export function viewsMenu(state) {
	const list = el('ul');
	const bad = el('p', { class: 'bad', role: 'alert' });
	const asker = new Asker();
	const name = el('input', { id: 'view-name', type: 'text', required: true, maxlength: '80', autocomplete: 'off' });
	const node = el('details', { class: 'menu' }, el('summary', {}, 'Views'),
		el('form', { class: 'sheet', onsubmit: (e) => {
			e.preventDefault();
			save();
		} }, list, el('label', { for: 'view-name' }, 'Name of this view'), name, bad,
		el('button', { type: 'submit', class: 'main' }, 'Save')));

	function complain(e) {
		put(bad, e.hint ? `${e.message}. ${e.hint}` : e.message);
	}
	/* An answer from before a change would hide the change: only the last one asked for is shown. */
	async function redraw() {
		try {
			const answer = await asker.ask('views', '/api/views');
			put(list, answer.views.map((v) => viewItem(state, v, redraw, complain)),
				answer.views.length === 0 && el('li', { class: 'none' }, 'No views are saved yet.'));
		} catch (e) {
			if (aborted(e))
				return;
			put(list, el('li', { class: 'none' }, 'The saved views cannot be read.'));
			complain(e);
		}
	}
	async function save() {
		put(bad);
		try {
			await send('PUT', `/api/views/${encodeURIComponent(name.value.trim())}`, { address: state.address(state.page, { entry: '' }) });
			name.value = '';
			redraw();
		} catch (e) {
			complain(e);
		}
	}
	return opening(node, () => {
		put(bad);
		redraw();
		name.focus();
	});
}
