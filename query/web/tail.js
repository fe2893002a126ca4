/*
 * tail - events as they are committed, by WebSocket. A connection that is lost is made again and goes on
 * behind the last event that came, so that none is missed and none comes twice.
 */
import { url } from './api.js';

const PAUSE_MIN = 500;
const PAUSE_MAX = 10000;

/* Events: "logs" with detail the list, "state" with detail open, lost or stopped, "dropped". */
export class Tail extends EventTarget {
	/* pairs: what is asked, as for /api/logs. */
	start(pairs) {
		this.stop();
		this.pairs = pairs;
		this.after = null;
		this.pause = PAUSE_MIN;
		this.running = true;
		this.connect();
	}

	stop() {
		this.running = false;
		clearTimeout(this.timer);
		this.socket?.close();
		this.socket = null;
		this.say('state', 'stopped');
	}

	say(name, detail) {
		this.dispatchEvent(new CustomEvent(name, { detail }));
	}

	connect() {
		const at = new URL(url('/ws/logs', [...this.pairs, ['after', this.after]]), location.href);
		at.protocol = at.protocol === 'https:' ? 'wss:' : 'ws:';
		const socket = new WebSocket(at);

		this.socket = socket;
		socket.addEventListener('open', () => {
			this.pause = PAUSE_MIN;
			this.say('state', 'open');
		});
		socket.addEventListener('message', (e) => this.take(JSON.parse(e.data)));
		socket.addEventListener('close', (e) => {
			if (!this.running || socket !== this.socket)
				return;
			this.say('state', e.reason ? `lost: ${e.reason}` : 'lost');
			this.timer = setTimeout(() => this.connect(), this.pause);
			this.pause = Math.min(PAUSE_MAX, this.pause * 2);
		});
	}

	take(message) {
		if (message.covered !== undefined)
			this.after = message.covered;
		if (message.dropped)
			this.say('dropped', message.dropped);
		if (message.type === 'logs' && message.data.length)
			this.say('logs', message.data);
	}
}
