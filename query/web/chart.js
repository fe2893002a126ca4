/*
 * chart - bars over time, stacked by the values of a field. A range is dragged over with the pointer, a
 * bar clicked; with the keyboard arrows walk over the bars, which are read out, and Enter takes one.
 */
import { el, svg, put, plain } from './el.js';
import { label, duration } from './when.js';

const W = 1000; /* of the drawing; it is stretched to the page's width */
const H = 96;
const LEGEND = 9; /* values told apart; the rest is one */
const REST = 'others';
const SEVERITY = /^(emergency|alert|critical|error|warning|notice|info|debug)$/;
/* What went well and what did not has its colour wherever it is met. */
const KNOWN = { sent: 'tone-1', delivered: 'tone-4', ok: 'tone-1', success: 'tone-1', failed: 'sev-error',
	bounced: 'sev-warning', rejected: 'sev-critical', [REST]: 'tone-7' };

/*
 * Rows [time, value, count] of /api/query, to { buckets: [{ from, to, total, parts: Map }], values }.
 * order: values that are known, from the bottom to the top of a bar; others follow by size.
 */
export function buckets(answer, order = []) {
	const width = answer.bucket_ns / 1e6;
	const by = new Map();
	const sums = new Map();

	for (const row of answer.rows) {
		const value = row.length > 2 ? row[1] ?? '(none)' : '';
		const count = row[row.length - 1];
		const from = Date.parse(row[0]);
		const bucket = by.get(from) || { from, to: from + width, total: 0, parts: new Map() };
		bucket.total += count;
		bucket.parts.set(value, (bucket.parts.get(value) || 0) + count);
		by.set(from, bucket);
		sums.set(value, (sums.get(value) || 0) + count);
	}
	const rest = [...sums.keys()].filter((v) => !order.includes(v)).sort((a, b) => sums.get(b) - sums.get(a));
	const out = { width, values: [...order.filter((v) => sums.has(v)), ...rest],
		buckets: [...by.values()].sort((a, b) => a.from - b.from) };
	return out.values.length > LEGEND ? gather(out) : out;
}

/* The rarest values become one. */
function gather({ width, values, buckets: list }) {
	const kept = values.slice(0, LEGEND - 1);

	for (const bucket of list) {
		const parts = new Map(kept.filter((v) => bucket.parts.has(v)).map((v) => [v, bucket.parts.get(v)]));
		const rest = bucket.total - [...parts.values()].reduce((n, c) => n + c, 0);
		if (rest)
			parts.set(REST, rest);
		bucket.parts = parts;
	}
	return { width, values: [...kept, REST], buckets: list };
}

function tone(value, i) {
	if (SEVERITY.test(value))
		return `sev-${value}`;
	return Object.hasOwn(KNOWN, value) ? KNOWN[value] : `tone-${i % 7}`;
}

export class Chart {
	/* options: height, pick(from, to): a range was chosen; utc(): which zone; name: for readers. */
	constructor(options) {
		this.options = options;
		this.height = options.height || H;
		this.at = -1;
		this.tip = el('p', { class: 'tip', 'aria-hidden': 'true' });
		this.plot = svg('svg', { viewBox: `0 0 ${W} ${this.height}`, preserveAspectRatio: 'none', role: 'img',
			tabindex: options.pick ? '0' : null });
		this.axis = el('div', { class: 'axis', 'aria-hidden': 'true' });
		this.key = el('ul', { class: 'legend', 'aria-label': 'Legend' });
		this.peak = el('span', { class: 'peak', 'aria-hidden': 'true' });
		this.node = el('figure', { class: 'chart' }, this.plot, this.peak, this.axis, this.key, this.tip);
		this.plot.addEventListener('pointermove', (e) => this.hover(e));
		this.plot.addEventListener('pointerleave', () => this.leave());
		if (options.pick)
			this.listen();
	}

	listen() {
		this.plot.addEventListener('pointerdown', (e) => {
			this.begin = this.timeAt(e);
			this.plot.setPointerCapture(e.pointerId);
		});
		this.plot.addEventListener('pointerup', (e) => this.release(e));
		this.plot.addEventListener('pointercancel', () => {
			this.begin = undefined;
			this.shade();
		});
		this.plot.addEventListener('keydown', (e) => this.press(e));
	}

	/* from, to: of the whole axis, in ms; where open, of the buckets. */
	draw(data, from, to) {
		const list = data.buckets;

		this.data = data;
		this.from = from ?? list[0]?.from ?? 0;
		this.to = to ?? (list.length ? list[list.length - 1].to : 1);
		if (this.to <= this.from)
			this.to = this.from + 1;
		const max = list.reduce((m, b) => Math.max(m, b.total), 1);
		put(this.plot, list.map((b) => this.bar(b, max)), svg('rect', { class: 'shade', y: 0, height: this.height }));
		this.plot.setAttribute('aria-label', this.summary(list, max));
		this.peak.textContent = list.length ? `${max.toLocaleString('en')} in ${duration(data.width / 1e3)}` : '';
		put(this.axis, this.ticks());
		put(this.key, data.values.length > 1 && data.values.map((v, i) =>
			el('li', {}, el('span', { class: `swatch ${tone(v, i)}`, 'aria-hidden': 'true' }), plain(v))));
	}

	summary(list, max) {
		const total = list.reduce((n, b) => n + b.total, 0);

		if (!list.length)
			return `${this.options.name}: no events`;
		return `${this.options.name}: ${total.toLocaleString('en')} events from ${label(this.from, this.options.utc())} ` +
			`to ${label(this.to, this.options.utc())}, at most ${max.toLocaleString('en')} in ` +
			`${duration(this.data.width / 1e3)}`;
	}

	x(ms) {
		return (ms - this.from) / (this.to - this.from) * W;
	}

	bar(bucket, max) {
		const left = Math.max(0, this.x(bucket.from));
		const right = Math.min(W, this.x(bucket.to));
		const width = Math.max(1, (right - left) * 0.92);
		let y = this.height;

		return svg('g', {}, this.data.values.map((value, i) => {
			const count = bucket.parts.get(value);
			if (!count)
				return null;
			const height = Math.max(1, count / max * (this.height - 4));
			y -= height;
			return svg('rect', { class: tone(value, i), x: left.toFixed(2), y: y.toFixed(2),
				width: width.toFixed(2), height: height.toFixed(2) });
		}));
	}

	ticks() {
		const utc = this.options.utc();

		return [0, 0.25, 0.5, 0.75, 1].map((part) =>
			el('span', {}, label(this.from + part * (this.to - this.from), utc)));
	}

	timeAt(e) {
		const box = this.plot.getBoundingClientRect();
		const part = Math.min(1, Math.max(0, (e.clientX - box.left) / box.width));

		return this.from + part * (this.to - this.from);
	}

	bucketAt(ms) {
		return this.data?.buckets.find((b) => ms >= b.from && ms < b.to);
	}

	text(bucket) {
		const utc = this.options.utc();
		const parts = this.data.values.length > 1 ? this.data.values.filter((v) => bucket.parts.has(v))
			.map((v) => `${plain(v)} ${bucket.parts.get(v).toLocaleString('en')}`) : [];

		return [`${label(bucket.from, utc, this.data.width < 6e4)}: ${bucket.total.toLocaleString('en')}`, ...parts].join(' \u00b7 ');
	}

	hover(e) {
		const ms = this.timeAt(e);
		const bucket = this.bucketAt(ms);

		this.tip.textContent = bucket ? this.text(bucket) : label(ms, this.options.utc(), true);
		this.tip.style.setProperty('left', `${Math.min(80, this.x(ms) / W * 100)}%`);
		this.tip.classList.add('on');
		if (this.begin !== undefined)
			this.shade(this.begin, ms);
	}

	leave() {
		this.tip.classList.remove('on');
	}

	shade(a, b) {
		const rect = this.plot.querySelector('.shade');

		if (!rect)
			return;
		rect.setAttribute('x', a === undefined ? 0 : this.x(Math.min(a, b)));
		rect.setAttribute('width', a === undefined ? 0 : Math.abs(this.x(b) - this.x(a)));
	}

	release(e) {
		const begin = this.begin;
		const end = this.timeAt(e);
		const bucket = this.bucketAt(end);

		this.begin = undefined;
		this.shade();
		if (begin === undefined)
			return;
		if (Math.abs(this.x(end) - this.x(begin)) > W / 200)
			this.options.pick(Math.min(begin, end), Math.max(begin, end));
		else if (bucket)
			this.options.pick(bucket.from, bucket.to);
	}

	press(e) {
		const list = this.data?.buckets || [];
		const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];

		if (by && list.length) {
			e.preventDefault();
			this.at = Math.min(list.length - 1, Math.max(0, this.at < 0 ? 0 : this.at + by));
			const bucket = list[this.at];
			this.shade(bucket.from, bucket.to);
			this.tip.textContent = this.text(bucket);
			this.tip.style.setProperty('left', `${Math.min(80, this.x(bucket.from) / W * 100)}%`);
			this.tip.classList.add('on');
			document.getElementById('said').textContent = this.text(bucket);
		} else if (e.key === 'Enter' && list[this.at]) {
			this.options.pick(list[this.at].from, list[this.at].to);
		}
	}
}
