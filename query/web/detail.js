/*
 * detail - one event opened: every field with what can be done with it, the metadata as a tree, the raw
 * JSON, and what happened around it.
 */
import { el, put, plain, marked, opening } from './el.js';
import { ask } from './api.js';
import { FIELDS, path, test } from './lang.js';
import { TITLES } from './columns.js';
import { moment, severity } from './cells.js';
import { show, ago } from './when.js';

const AROUND = 10;

export function announce(text) {
	const live = document.getElementById('said');

	live.textContent = '';
	requestAnimationFrame(() => {
		live.textContent = text;
	});
}

async function copy(text, what) {
	try {
		await navigator.clipboard.writeText(text);
		announce(`${what} copied`);
	} catch {
		announce('The browser does not allow copying here; select the text instead.');
	}
}

function actions(state, field, value) {
	const name = TITLES[field] || field;
	const scalar = value === null || typeof value !== 'object';
	const button = (sign, text, act) => el('button', { type: 'button', class: 'act', title: text,
		'aria-label': `${text}: ${plain(name)}`, onclick: act }, sign);

	return el('span', { class: 'acts' },
		scalar && button('=', 'Only events with this value', () => state.add(test(field, value))),
		scalar && button('\u2260', 'Without events of this value', () => state.add(test(field, value, true))),
		button('copy', 'Copy the value', () => copy(scalar ? String(value) : JSON.stringify(value, null, 2), name)));
}

/*
 * A text longer than this is shown in part until somebody asks for all of it; then it scrolls by itself, in
 * pieces that the browser lays out as they come into sight.
 */
const LONG = 20000;

function text(value, options) {
	const all = String(value);
	const show = (part) => marked(plain(part, true), options.needles || []);

	if (all.length <= LONG)
		return show(all);
	const node = el('span', {}, show(all.slice(0, LONG)), '\u2026 ',
		el('button', { type: 'button', onclick: () => {
			const huge = el('span', { class: 'huge', tabindex: '0', role: 'group', 'aria-label': 'The whole text' });
			for (let at = 0; at < all.length; at += LONG)
				huge.append(el('span', { class: 'piece' }, show(all.slice(at, at + LONG))));
			put(node, huge);
			huge.focus();
			options.resized?.();
		} }, `Show all ${all.length.toLocaleString('en')} characters`));
	return [node];
}

/* A field of the event: a row of the list of terms. */
function field(event, name, state, options) {
	const value = event[name];
	const time = name === 'timestamp' || name === 'received';

	return [el('dt', {}, TITLES[name] || name),
		el('dd', {}, el('span', { class: 'value' },
			time ? `${show(value, state.utc, 9)} (${ago(Date.parse(value))})`
				: name === 'severity' ? severity(value) : text(value, options)),
		actions(state, name, value))];
}

function leaf(key, value, keys, state) {
	const kind = value === null ? 'null' : typeof value;

	return el('li', {}, el('span', { class: 'key' }, plain(key)), ' ',
		el('span', { class: `value ${kind}` }, text(value, {})),
		keys && actions(state, path(keys), value));
}

function entries(value) {
	return Array.isArray(value) ? value.map((v, i) => [String(i), v]) : Object.entries(value);
}

/* keys: the path, or null below a list, into which no path leads. */
function branch(key, value, keys, state) {
	const list = entries(value);
	const inner = Array.isArray(value) || !keys ? null : keys;
	const body = el('ul');
	const node = el('details', {},
		el('summary', {}, el('span', { class: 'key' }, plain(key)),
			el('span', { class: 'count' }, Array.isArray(value) ? ` [${list.length}]` : ` {${list.length}}`)),
		body);
	const fillIn = () => {
		if (!body.hasChildNodes())
			put(body, list.map(([k, v]) => item(k, v, inner ? [...inner, k] : null, state)));
	};

	/* A large map is only made into a tree when somebody looks. */
	return opening(node, fillIn);
}

function item(key, value, keys, state) {
	if (value !== null && typeof value === 'object' && entries(value).length > 0)
		return el('li', {}, branch(key, value, keys, state));
	if (value !== null && typeof value === 'object')
		return leaf(key, Array.isArray(value) ? '[]' : '{}', null, state);
	return leaf(key, value, keys, state);
}

function tree(event, state) {
	const list = Object.entries(event.metadata || {});

	if (list.length === 0)
		return null;
	return el('section', { class: 'tree' }, el('h3', {}, `Metadata (${list.length})`),
		el('ul', {}, list.map(([k, v]) => item(k, v, [k], state))));
}

function raw(event, resized) {
	const node = el('details', { ontoggle: resized }, el('summary', {}, 'Raw JSON'));

	return opening(node, () => {
		if (!node.querySelector('pre'))
			node.append(el('pre', { tabindex: '0' }, text(JSON.stringify(event, null, 2), { resized })));
	});
}

function near(event, here, state) {
	return el('tr', { class: here ? 'here' : '', 'aria-current': here ? 'true' : null },
		el('td', {}, el('a', { href: link(event, state), title: `Event ${event.id}` }, moment(event.timestamp, state))),
		el('td', {}, event.severity ? severity(event.severity) : ''), el('td', {}, plain(event.event_type || '')),
		el('td', {}, plain(`${event.entity_type || ''}/${event.entity_id || ''}`)),
		el('td', { class: 'description' }, plain((event.description || '').slice(0, 300))));
}

async function around(event, same, into, state, resized) {
	put(into, el('p', { role: 'status' }, 'Reading\u2026'));
	try {
		const answer = await ask(`/api/logs/${event.id}/context`,
			[['before', AROUND], ['after', AROUND], ['same', same || null]]);
		put(into, el('table', { class: 'near', 'aria-label': same ? 'Same entity' : 'All events around' }, el('tbody', {},
			answer.before.map((e) => near(e, false, state)), near(answer.log, true, state),
			answer.after.map((e) => near(e, false, state)))));
	} catch (e) {
		put(into, el('p', { class: 'bad' }, `${e.message}. ${e.hint || ''}`));
	}
	resized();
}

export function link(event, state) {
	return new URL(state.address('/', { entry: String(event.id), user: '' }), location.href).href;
}

/* options: needles to mark; resized() is called when the node's height has changed. */
export function detail(event, state, options) {
	const resized = options.resized || (() => {});
	const context = el('div', { class: 'context' });
	const known = FIELDS.filter((name) => event[name] !== undefined);
	const has = event.entity_type !== undefined || event.entity_id !== undefined;

	return el('div', { class: 'event', onclick: (e) => e.stopPropagation() },
		el('div', { class: 'row', role: 'group', 'aria-label': 'Event' },
			el('button', { type: 'button', onclick: () => copy(JSON.stringify(event), 'Event') }, 'Copy JSON'),
			el('button', { type: 'button', onclick: () => copy(link(event, state), 'Link') }, 'Copy link'),
			el('a', { href: link(event, state) }, 'Link to this event'),
			el('button', { type: 'button', onclick: () => around(event, '', context, state, resized) }, 'What happened around'),
			has && el('button', { type: 'button', onclick: () => around(event, 'entity', context, state, resized) },
				'Around, same entity')),
		event.flags && el('p', { class: 'flags' }, `Flags: ${event.flags.join(', ')}`),
		el('dl', {}, known.map((name) => field(event, name, state, options))),
		tree(event, state), raw(event, resized), context);
}
