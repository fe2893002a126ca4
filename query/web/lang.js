/*
 * lang - what the page must know of the query language (query/API.md): how a value is written, which
 * words a question looks for, and what can stand at the cursor. Questions are understood by the server
 * alone; nothing here decides whether one is right.
 */

export const FIELDS = ['event_type', 'severity', 'entity_type', 'entity_id', 'user_id', 'description',
	'service', 'host', 'ip_address', 'user_agent', 'id', 'timestamp', 'received'];
export const SEVERITIES = ['emergency', 'alert', 'critical', 'error', 'warning', 'notice', 'info', 'debug'];

const WORD = /^[\p{L}\p{N}_\-.:/@+%#\u0080-\u{10ffff}]+$/u;
const KEYWORDS = new Set(['and', 'or', 'not', 'in']);

export function quoted(text) {
	const body = text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\t/g, '\\t')
		// eslint-disable-next-line no-control-regex
		.replace(/[\u0000-\u001f\u007f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);

	return `"${body}"`;
}

/* A value of the answer as the language writes it: texts that read as something else are quoted. */
export function literal(value) {
	if (typeof value !== 'string')
		return String(value);
	if (!WORD.test(value) || KEYWORDS.has(value.toLowerCase()) || /^[-+.\d]/.test(value) ||
		/^(true|false|null)$/.test(value))
		return quoted(value);
	return value;
}

/* "a.b" of keys ["a", "b"], with what is no plain word quoted. */
export function path(keys) {
	return ['metadata', ...keys.map((k) => (/^[\p{L}\p{N}_-]+$/u.test(k) && !KEYWORDS.has(k) ? k : quoted(k)))]
		.join('.');
}

/* The keys of a path: ["a", "b c"] of metadata.a."b c". */
export function keys(name) {
	const out = [];

	for (const m of name.slice('metadata.'.length).matchAll(/"((?:[^"\\]|\\.)*)"|[^."]+/gsu))
		out.push(m[1] === undefined ? m[0] : m[1].replace(/\\(.)/gs, '$1'));
	return out;
}

/* field=value; an absent value (null) asks for events without the field. */
export function test(field, value, not = false) {
	if (value === null)
		return not ? `${field}=*` : `${field}!=*`;
	return `${field}${not ? '!=' : '='}${literal(value)}`;
}

/* The pieces of a question: { text, from, to, kind } with kind word, quoted, op, paren or open. */
export function tokens(text) {
	const out = [];
	const shape = /\s+|"(?:[^"\\]|\\.)*"|"(?:[^"\\]|\\.)*$|[()]|,|!=|!~|=~|<=|>=|[=<>]|[^\s()",=<>!]+|!/gsu;

	for (const m of text.matchAll(shape)) {
		const t = m[0];
		let kind = 'word';
		if (/^\s/.test(t))
			continue;
		if (t[0] === '"')
			kind = t.length > 1 && t.endsWith('"') ? 'quoted' : 'open';
		else if (/^[()]$/.test(t))
			kind = 'paren';
		else if (/^(!=|!~|=~|<=|>=|[=<>,!])$/.test(t))
			kind = 'op';
		out.push({ text: t, from: m.index, to: m.index + t.length, kind });
	}
	return out;
}

function unquoted(text) {
	return text.replace(/^"|"$/g, '').replace(/\\(["\\])/g, '$1');
}

/* What a question looks for in descriptions, in lower case, for highlighting. */
export function needles(text) {
	const all = tokens(text);
	const out = new Set();
	let negated = false;

	all.forEach((t, i) => {
		const next = all[i + 1];
		const before = all[i - 1];
		if (t.kind === 'op' || t.kind === 'paren' || (before && before.kind === 'op'))
			return;
		if (t.kind === 'word' && KEYWORDS.has(t.text.toLowerCase())) {
			negated = t.text.toLowerCase() === 'not';
			return;
		}
		const skip = negated || (next && next.kind === 'op');
		negated = false;
		if (skip)
			return;
		const contains = /^(description|message|msg|log):(.*)$/s.exec(t.text);
		if (contains && !contains[2] && next && next.kind === 'quoted')
			return;
		if (t.kind === 'word' && !contains && /^[\w.]+:/.test(t.text) && FIELDS.includes(t.text.split(':')[0]))
			return;
		const needle = unquoted(contains ? contains[2] : t.text).toLowerCase();
		if (needle)
			out.add(needle);
	});
	return [...out];
}

/*
 * What the cursor stands in: { kind: 'field' | 'value', field, prefix, from, to }; from and to are the
 * place that a completion replaces.
 */
export function place(text, cursor) {
	const all = tokens(text.slice(0, cursor));
	const last = all[all.length - 1];
	const touching = last && last.to === cursor;

	if (touching && last.kind === 'op' && last.text !== ',')
		return { kind: 'value', field: all[all.length - 2]?.text, prefix: '', from: cursor, to: cursor };
	if (touching && (last.kind === 'word' || last.kind === 'open')) {
		const op = all[all.length - 2];
		if (op && op.kind === 'op' && /^(=|!=)$/.test(op.text))
			return { kind: 'value', field: all[all.length - 3]?.text, prefix: unquoted(last.text),
				from: last.from, to: cursor };
		if (last.kind === 'word' && (!op || op.kind !== 'op'))
			return { kind: 'field', prefix: last.text, from: last.from, to: cursor };
		return null;
	}
	if (!touching)
		return { kind: 'field', prefix: '', from: cursor, to: cursor };
	return null;
}

/* The question with one more test, which is not joined to an "or" by accident. */
export function joined(question, more) {
	const q = question.trim();

	if (!q)
		return more;
	return /\bor\b/i.test(q) ? `(${q}) ${more}` : `${q} ${more}`;
}
