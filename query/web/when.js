/*
 * when - times as people type and read them. A typed time names a span (a day, a minute): a range
 * begins where its start begins, and ends where its end ends. Zones are UTC and the browser's own.
 *
 * Times of events stay the server's text: RFC 3339 with up to nine digits, which no Date holds.
 */

const UNITS = {
	s: 1e3, sec: 1e3, second: 1e3, seconds: 1e3,
	m: 6e4, min: 6e4, minute: 6e4, minutes: 6e4,
	h: 36e5, hour: 36e5, hours: 36e5,
	d: 864e5, day: 864e5, days: 864e5,
	w: 6048e5, week: 6048e5, weeks: 6048e5,
};
const DAY = 864e5;

export const QUICK = [
	['-15m', 'Last 15 minutes'], ['-1h', 'Last hour'], ['-6h', 'Last 6 hours'],
	['-24h', 'Last 24 hours'], ['-7d', 'Last 7 days'], ['-30d', 'Last 30 days'],
	['today', 'Today'], ['yesterday', 'Yesterday'], ['', 'All time'],
];

function midnight(ms, utc) {
	const d = new Date(ms);

	return utc ? Date.UTC(d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate())
		: new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
}

function at(y, mo, d, h, mi, s, utc) {
	return utc ? Date.UTC(y, mo, d, h, mi, s) : new Date(y, mo, d, h, mi, s).getTime();
}

function clock(text) {
	const m = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text);

	if (!m || m[1] > 23 || m[2] > 59 || (m[3] || 0) > 59)
		return null;
	return { ms: m[1] * 36e5 + m[2] * 6e4 + (m[3] || 0) * 1e3, unit: m[3] ? 1e3 : 6e4 };
}

function relative(text, now) {
	const m = /^(?:-\s*)?(\d+(?:\.\d+)?)\s*([a-z]+)(?:\s+ago)?$/.exec(text);

	if (!m || !(m[2] in UNITS) || !(/^-|ago$/.test(text)))
		return null;
	return now - m[1] * UNITS[m[2]];
}

function absolute(text, utc) {
	const m = /^(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[t ](\d{1,2})(?::(\d{2})(?::(\d{2})(\.\d{1,9})?)?)?)?)?)?\s*(z|[+-]\d{2}:?\d{2})?$/
		.exec(text);

	if (!m)
		return null;
	const [, y, mo, d, h, mi, s, frac, zone] = m;
	const part = [y, (mo || 1) - 1, d || 1, h || 0, mi || 0, s || 0].map(Number);
	let from = at(...part, utc || !!zone);
	let to;

	if (part[1] > 11 || part[2] > 31 || part[3] > 23 || part[4] > 59 || part[5] > 60)
		return null;
	if (frac)
		to = (from += Math.floor(frac * 1e3)) + 1;
	else if (s !== undefined)
		to = from + 1e3;
	else if (mi !== undefined)
		to = from + 6e4;
	else if (h !== undefined)
		to = from + 36e5;
	else if (d !== undefined)
		to = at(part[0], part[1], part[2] + 1, 0, 0, 0, utc || !!zone);
	else if (mo !== undefined)
		to = at(part[0], part[1] + 1, 1, 0, 0, 0, utc || !!zone);
	else
		to = at(part[0] + 1, 0, 1, 0, 0, 0, utc || !!zone);
	if (zone && zone !== 'z') {
		const off = (zone[0] === '-' ? -1 : 1) * (zone.slice(1, 3) * 36e5 + zone.slice(-2) * 6e4);
		from -= off;
		to -= off;
	}
	return { from, to };
}

/*
 * The span that a text names, { from, to } in ms, to exclusive; null: it is no time.
 * "-2h", "2h ago", "now", "today", "yesterday 14:00", "14:00", "@1700000000", "2026-11-20 14:30",
 * RFC 3339.
 */
export function span(text, utc, now = Date.now()) {
	const t = text.trim().toLowerCase();
	const instant = relative(t, now);

	if (instant !== null)
		return { from: instant, to: instant };
	if (t === 'now')
		return { from: now, to: now };
	if (/^@\d+(\.\d+)?$/.test(t)) {
		const ms = Math.floor(t.slice(1) * 1e3);
		return { from: ms, to: ms + (t.includes('.') ? 1 : 1e3) };
	}
	const m = /^(today|yesterday|tomorrow)?\s*([\d:]*)$/.exec(t);
	if (m && t) {
		const shift = { yesterday: -1, tomorrow: 1 }[m[1]] || 0;
		const day = midnight(midnight(now, utc) + shift * DAY + DAY / 2, utc);
		if (m[1] && !m[2])
			return { from: day, to: midnight(day + DAY * 1.5, utc) };
		const c = clock(m[2]);
		if (c)
			return { from: day + c.ms, to: day + c.ms + c.unit };
	}
	return absolute(t, utc);
}

/* Start and end of a range as typed, in ms; absent where open. Throws an Error that says which is wrong. */
export function range(from, to, utc, now = Date.now()) {
	const out = {};

	if (from) {
		const s = span(from, utc, now);
		if (!s)
			throw Object.assign(new Error(`"${from}" is no time`), { field: 'from' });
		out.from = s.from;
		/* A day's name alone means that day. */
		if (!to && /^(today|yesterday)$/.test(from.trim().toLowerCase()))
			out.to = s.to;
	}
	if (to) {
		const s = span(to, utc, now);
		if (!s)
			throw Object.assign(new Error(`"${to}" is no time`), { field: 'to' });
		out.to = s.to;
	}
	if (out.from !== undefined && out.to !== undefined && out.from >= out.to)
		throw Object.assign(new Error('the range ends before it begins'), { field: 'to' });
	return out;
}

export function iso(ms) {
	return new Date(ms).toISOString();
}

const two = (n) => String(n).padStart(2, '0');

function parts(text, utc) {
	const d = new Date(text);
	const frac = (/\.(\d+)/.exec(text) || ['', ''])[1];

	return utc
		? { date: text.slice(0, 10), clock: text.slice(11, 19), frac }
		: { date: `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`,
			clock: `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`, frac };
}

/* "2026-11-20 14:30:00.512" of the server's text; digits: of the fraction, 9 for all that there are. */
export function show(text, utc, digits = 3) {
	const p = parts(text, utc);
	const frac = digits >= 9 ? p.frac : p.frac.padEnd(digits, '0').slice(0, digits);

	return `${p.date} ${p.clock}${frac ? '.' + frac : ''}`;
}

/* The same of ms, to the minute or the second: for axes and ranges. */
export function label(ms, utc, seconds = false) {
	const p = parts(iso(ms), utc);

	return `${p.date} ${seconds ? p.clock : p.clock.slice(0, 5)}`;
}

/* "5 min ago" */
export function ago(ms, now = Date.now()) {
	const s = Math.round((now - ms) / 1e3);
	const steps = [[60, 's', 1], [3600, 'min', 60], [86400, 'h', 3600], [Infinity, 'd', 86400]];
	const [, unit, size] = steps.find(([below]) => Math.abs(s) < below);
	const n = Math.floor(Math.abs(s) / size);

	return s < 0 ? `in ${n} ${unit}` : `${n} ${unit} ago`;
}

export function duration(seconds) {
	if (seconds < 120)
		return `${Math.round(seconds)} s`;
	if (seconds < 7200)
		return `${Math.round(seconds / 60)} min`;
	if (seconds < 172800)
		return `${Math.round(seconds / 3600)} h`;
	return `${Math.round(seconds / 86400)} d`;
}
