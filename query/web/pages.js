/*
 * pages - the events of a question, page by page behind cursors: what is far from the reader is forgotten,
 * and fetched again by its cursor when it is wanted. So memory is bounded by HELD pages and some bytes for
 * each page seen, and no page costs an offset.
 *
 * Rows are numbered from 0 over all pages that have been seen. A page has as many as it had the first time:
 * a walk by cursor is over the events that were there when it began.
 */
import { events } from './api.js';

export const SIZE = 200; /* of a page; the server may answer fewer where events are large */
const HELD = 12;
const AT_ONCE = 3;

export class Pages {
	/* fetch(cursor): a promise of the answer. */
	constructor(fetch) {
		this.fetch = fetch;
		this.list = [{ cursor: null, start: 0, count: 0, events: null }];
		this.known = 0;
		this.end = false;
		this.loading = new Set();
	}

	/* The page that has a row. */
	find(row) {
		let low = 0;
		let high = this.list.length - 1;

		while (low < high) {
			const mid = (low + high + 1) >> 1;
			if (this.list[mid].start <= row)
				low = mid;
			else
				high = mid - 1;
		}
		return low;
	}

	event(row) {
		const page = this.list[this.find(row)];

		return page.events?.[row - page.start];
	}

	/* The answer, or null where nothing has to be fetched, or too much is on its way. */
	async load(index) {
		const page = this.list[index];

		if (!page || page.events || this.loading.has(index) || this.loading.size >= AT_ONCE)
			return null;
		this.loading.add(index);
		try {
			const answer = await this.fetch(page.cursor);
			this.take(index, answer);
			return answer;
		} finally {
			this.loading.delete(index);
		}
	}

	take(index, answer) {
		const page = this.list[index];

		page.events = events(answer);
		if (index === this.list.length - 1) {
			page.count = page.events.length;
			this.known = page.start + page.count;
			this.end = !answer.next;
			if (answer.next)
				this.list.push({ cursor: answer.next, start: this.known, count: 0, events: null });
		}
		this.forget(index);
	}

	forget(index) {
		const held = this.list.map((p, i) => [i, p]).filter(([, p]) => p.events);

		held.sort(([a], [b]) => Math.abs(b - index) - Math.abs(a - index));
		for (const [, page] of held.slice(0, Math.max(0, held.length - HELD)))
			page.events = null;
	}
}
