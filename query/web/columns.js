/*
 * columns - which fields the list shows, in which order and how wide; chosen in a dialog, sized by the
 * edge of a heading, remembered by this browser.
 */
import { el, put } from './el.js';
import { ask } from './api.js';
import { habit, keep } from './state.js';
import { FIELDS, keys } from './lang.js';

const DEFAULT = [['timestamp', 184], ['severity', 96], ['event_type', 120], ['entity', 180],
	['user_id', 120], ['service', 120], ['description', 0]];
const NARROW = [['timestamp', 108], ['severity', 88], ['description', 0]];
export const WIDTH_MIN = 56;
export const WIDTH_MAX = 1600;

export const TITLES = { timestamp: 'Time', severity: 'Severity', event_type: 'Type', entity: 'Entity',
	entity_type: 'Entity type', entity_id: 'Entity id', user_id: 'User', description: 'Description',
	service: 'Service', host: 'Host', ip_address: 'Address', user_agent: 'User agent', id: 'Id',
	received: 'Received' };

export function title(name) {
	return TITLES[name] || name.replace(/^metadata\./, '');
}

export function narrow() {
	return matchMedia('(max-width: 800px)').matches;
}

function usual() {
	return narrow() ? NARROW : DEFAULT;
}

/* [{ name, width }], width 0: the rest of the line. */
export function columns() {
	const kept = habit('columns', usual());
	const sound = Array.isArray(kept) && kept.length > 0 && kept.every((c) => Array.isArray(c) &&
		typeof c[0] === 'string' && Number.isFinite(c[1]));

	return (sound ? kept : usual()).map(([name, width]) => ({ name, width }));
}

function remember(list) {
	keep('columns', list.map((c) => [c.name, c.width]));
}

export function resize(name, width) {
	const list = columns();
	const found = list.find((c) => c.name === name);

	if (found)
		found.width = Math.round(Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, width)));
	remember(list);
}

/* What a row shows in a column: text, or undefined where the event has no such field. */
export function cell(event, name) {
	if (name === 'entity') {
		if (event.entity_type === undefined && event.entity_id === undefined)
			return undefined;
		return `${event.entity_type ?? ''}/${event.entity_id ?? ''}`;
	}
	if (!name.startsWith('metadata.'))
		return event[name];
	let at = event.metadata;
	for (const key of keys(name))
		at = at !== null && typeof at === 'object' && Object.hasOwn(at, key) ? at[key] : undefined;
	return at === undefined || typeof at === 'string' ? at : JSON.stringify(at);
}

function moved(list, from, to) {
	const out = [...list];

	if (to >= 0 && to < out.length)
		out.splice(to, 0, ...out.splice(from, 1));
	return out;
}

function shownItem(list, i, redraw) {
	const name = title(list[i].name);

	return el('li', {},
		el('span', { class: 'grow' }, name),
		el('button', { type: 'button', 'aria-label': `Move ${name} up`, disabled: i === 0,
			onclick: () => redraw(moved(list, i, i - 1)) }, '\u2191'),
		el('button', { type: 'button', 'aria-label': `Move ${name} down`, disabled: i === list.length - 1,
			onclick: () => redraw(moved(list, i, i + 1)) }, '\u2193'),
		el('button', { type: 'button', 'aria-label': `Remove ${name}`, disabled: list.length === 1,
			onclick: () => redraw(list.filter((_, k) => k !== i)) }, '\u2715'));
}

function others(known, list, redraw) {
	return known.filter((name) => !list.some((c) => c.name === name)).map((name) =>
		el('li', {}, el('button', { type: 'button', class: 'plain',
			onclick: () => redraw([...list, { name, width: name === 'description' ? 0 : 140 }]) },
		`+ ${title(name)}`)));
}

/* The dialog; done() is called when the columns have changed. */
export async function choose(done) {
	const shown = el('ol', { class: 'picks', 'aria-label': 'Columns shown' });
	const rest = el('ul', { class: 'picks scroll', 'aria-label': 'More columns' });
	const search = el('input', { type: 'search', placeholder: 'Find a field', 'aria-label': 'Find a field' });
	const dialog = el('dialog', { 'aria-labelledby': 'columns-title' },
		el('h2', { id: 'columns-title' }, 'Columns'), shown, search, rest,
		el('p', { class: 'row' },
			el('button', { type: 'button', onclick: () => redraw(usual().map(([name, width]) => ({ name, width }))) },
				'As at first'),
			el('button', { type: 'button', class: 'main', onclick: () => dialog.close() }, 'Done')));
	let known = ['entity', ...FIELDS];
	let list = columns();

	function offer() {
		put(rest, others(known.filter((n) => n.toLowerCase().includes(search.value.toLowerCase())), list, redraw));
	}
	function redraw(next) {
		list = next;
		remember(list);
		put(shown, list.map((_, i) => shownItem(list, i, redraw)));
		offer();
	}
	search.addEventListener('input', offer);
	dialog.addEventListener('close', () => {
		dialog.remove();
		done();
	});
	document.body.append(dialog);
	redraw(list);
	dialog.showModal();
	try {
		const answer = await ask('/api/fields');
		known = [...known, ...answer.fields.map((f) => f.name).filter((n) => n.startsWith('metadata.'))];
		offer();
	} catch {
		rest.append(el('li', {}, 'The fields of the metadata could not be read.'));
	}
}
