/*
 * cells - how values of events look in tables: severities by word, colour and shape, times by the zone and
 * manner that were chosen, all else as plain text.
 */
import { el, plain, marked } from './el.js';
import { cell } from './columns.js';
import { show, ago } from './when.js';

const LONGEST = 1000;
const DATE = '2026-11-20 '.length;

/* A sign beside the word: severities are told apart without colour. */
const SIGNS = { emergency: '\u2b23', alert: '\u2b23', critical: '\u2b22', error: '\u25b2',
	warning: '\u25c6', notice: '\u25cf', info: '\u25cb', debug: '\u00b7' };

export function severity(value) {
	return el('span', { class: `sev ${value}` },
		el('span', { class: 'sign', 'aria-hidden': 'true' }, SIGNS[value] || '?'), value);
}

/* A moment of an event: absolute, or relative with the absolute one as its title. */
export function moment(text, state, digits = 3) {
	const full = show(text, state.utc, 9);

	if (state.ago)
		return el('time', { datetime: text, title: full, class: 'ago' }, ago(Date.parse(text)));
	const shown = show(text, state.utc, digits);
	return el('time', { datetime: text, title: `${full}, ${ago(Date.parse(text))}` },
		el('span', { class: 'date' }, shown.slice(0, DATE)), shown.slice(DATE));
}

/* Relative times that are on the page go on. */
export function age() {
	for (const node of document.querySelectorAll('time.ago'))
		node.textContent = ago(Date.parse(node.dateTime));
}

/* What a row has in a column; needles are marked in descriptions. */
export function content(event, name, state, needles = []) {
	const value = cell(event, name);

	if (value === undefined)
		return el('span', { class: 'none' }, '\u2013');
	if (name === 'severity')
		return severity(value);
	if (name === 'timestamp' || name === 'received')
		return moment(value, state);
	const text = plain(String(value).slice(0, LONGEST));
	return name === 'description' ? marked(text, needles) : text;
}

export function name(column) {
	return column.replace(/\W/g, '-');
}
