/*
 * tail - events as they are committed, by WebSocket, behind the last ones that are there already. A
 * connection that is lost is made again and goes on behind the last event that came, so that none is missed
 * and none comes twice.
 */
import { ask, url, events, aborted } from './api.js';

const PAUSE_MIN = 250;
const PAUSE_MAX = 5000;
const BEFORE = 100; /* events to begin with */

/*
 * Events: "logs" with detail { list, first: those that were there }; "state" with detail connecting, open,
 * stopped, or a text that says what is wrong; "dropped" with how many; "fault" with a Problem: what is asked
 * cannot be.
 */
export class Tail extends EventTarget {
	/* pairs: what is asked, as for /api/logs. */
	start(pairs) {
		this.stop(false);
		this.pairs = pairs;
		this.after = null;
		this.pause = PAUSE_MIN;
		this.running = true;
		this.say('state', 'connecting');
		this.connect();
	}

	stop(tell = true) {
		this.running = false;
		clearTimeout(this.timer);
		this.abort?.abort();
		this.socket?.close();
		this.socket = null;
		if (tell)
			this.say('state', 'stopped');
	}

	say(name, detail) {
		this.dispatchEvent(new CustomEvent(name, { detail }));
	}

	again(why) {
		if (!this.running)
			return;
		this.say('state', `Connection lost${why ? ` (${why})` : ''}: connecting again, nothing is missed`);
		this.timer = setTimeout(() => this.connect(), this.pause);
		this.pause = Math.min(PAUSE_MAX, this.pause * 2);
	}

	async connect() {
		try {
			if (this.after === null)
				await this.first();
			this.open();
		} catch (e) {
			if (aborted(e))
				return;
			if (e.status >= 400 && e.status < 500) {
				this.running = false;
				this.say('fault', e);
			} else {
				this.again(e.status ? e.message : '');
			}
		}
	}

	/* The last ones there are, and up to which id that is. */
	async first() {
		this.abort = new AbortController();
		const answer = await ask('/api/logs', [...this.pairs, ['limit', BEFORE], ['total', 'none']], this.abort.signal);

		this.after = answer.covered;
		this.say('logs', { list: events(answer).reverse(), first: true });
	}

	open() {
		const at = new URL(url('/ws/logs', [...this.pairs, ['after', this.after]]), location.href);
		at.protocol = at.protocol === 'https:' ? 'wss:' : 'ws:';
		const socket = new WebSocket(at);

		this.socket = socket;
		socket.addEventListener('open', () => {
			this.pause = PAUSE_MIN;
			this.say('state', 'open');
		});
		socket.addEventListener('message', (e) => socket === this.socket && this.take(JSON.parse(e.data)));
		socket.addEventListener('close', (e) => socket === this.socket && this.again(e.reason));
	}

	take(message) {
		if (message.covered !== undefined)
			this.after = message.covered;
		if (message.dropped)
			this.say('dropped', message.dropped);
		if (message.type === 'logs' && message.data.length)
			this.say('logs', { list: message.data });
	}
}
