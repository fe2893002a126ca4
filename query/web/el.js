/*
 * el - elements by plain calls. Children that are text become text nodes: nothing that comes from an
 * event can ever be markup. Nothing here or elsewhere uses innerHTML or style attributes, which the
 * Content-Security-Policy would refuse anyway.
 */

const SVG = 'http://www.w3.org/2000/svg';

function set(node, props) {
	for (const [key, value] of Object.entries(props)) {
		if (value === null || value === undefined || value === false)
			continue;
		if (key.startsWith('on'))
			node.addEventListener(key.slice(2), value);
		else if (key === 'style')
			for (const [name, text] of Object.entries(value))
				node.style.setProperty(name, text);
		else if (key === 'data')
			Object.assign(node.dataset, value);
		else if (key === 'value' || key === 'checked' || key === 'disabled')
			node[key] = value;
		else
			node.setAttribute(key, value === true ? '' : value);
	}
	return node;
}

function fill(node, children) {
	for (const child of children.flat(2))
		if (child !== null && child !== undefined && child !== false)
			node.append(child);
	return node;
}

/* el('a', { href: '/x', onclick: f }, 'text', otherNode) */
export function el(tag, props = {}, ...children) {
	return fill(set(document.createElement(tag), props), children);
}

export function svg(tag, props = {}, ...children) {
	return fill(set(document.createElementNS(SVG, tag), props), children);
}

/* Replaces what stands in a node. */
export function put(node, ...children) {
	node.replaceChildren();
	return fill(node, children);
}

const openers = new WeakMap();
const doors = new MutationObserver((changes) => {
	for (const node of new Set(changes.map((c) => c.target)))
		if (node.open)
			openers.get(node)();
});

/*
 * Calls run each time that a <details> has opened, by whatever means: before anything is drawn and before
 * the next event. Its own event, toggle, comes in a task of its own, which may be late: what is filled in
 * then was missing until then, and a focus set then takes it from where it was moved since. Returns the node.
 */
export function opening(node, run) {
	openers.set(node, run);
	doors.observe(node, { attributeFilter: ['open'] });
	return node;
}

/* Text with the places marked that one of the needles (lower case) matches, as text and <mark>. */
export function marked(text, needles) {
	const out = [];
	const low = text.toLowerCase();
	let at = 0;

	while (at < text.length) {
		let best = -1;
		let length = 0;
		for (const needle of needles) {
			const found = low.indexOf(needle, at);
			if (found >= 0 && (best < 0 || found < best || (found === best && needle.length > length))) {
				best = found;
				length = needle.length;
			}
		}
		if (best < 0)
			break;
		if (best > at)
			out.push(text.slice(at, best));
		out.push(el('mark', {}, text.slice(best, best + length)));
		at = best + length;
	}
	if (at < text.length)
		out.push(text.slice(at));
	return out;
}

/*
 * What is invisible or turns the direction of a line is shown as a sign of its own: a description
 * cannot pretend to be another one. lines: line ends and tabs stay what they are.
 */
export function plain(text, lines = false) {
	const hidden = lines
		// eslint-disable-next-line no-control-regex
		? /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
		// eslint-disable-next-line no-control-regex
		: /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

	return text.replace(hidden, (c) => {
		if (c === '\n')
			return '\u21b5';
		if (c === '\t')
			return '\u2192';
		return `\u27e8${c.charCodeAt(0).toString(16).padStart(2, '0')}\u27e9`;
	});
}

const SOON_MS = 30;
const waiting = [];

/*
 * Answers that come one soon after another are drawn together, in one layout. Resolves when run has been
 * called.
 */
export function soon(run) {
	return new Promise((done) => {
		const first = waiting.push(() => {
			run();
			done();
		}) === 1;
		if (first)
			setTimeout(() => waiting.splice(0).forEach((draw) => draw()), SOON_MS);
	});
}

export function debounce(wait, run) {
	let timer = 0;
	const later = (...args) => {
		clearTimeout(timer);
		timer = setTimeout(() => run(...args), wait);
	};

	later.cancel = () => clearTimeout(timer);
	return later;
}
