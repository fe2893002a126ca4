/*
 * api - questions to the server. An answer is the parsed JSON; what is not one is a Problem, which says
 * what went wrong, in which parameter, and what to do.
 */

export class Problem extends Error {
	constructor(status, body) {
		super(body.error || `the server answered ${status}`);
		this.status = status;
		this.field = body.field;
		this.position = body.position;
		this.hint = body.hint;
	}
}

async function reply(path, options) {
	let response;

	try {
		response = await fetch(path, options);
	} catch (e) {
		if (e.name === 'AbortError')
			throw e;
		throw new Problem(0, { error: 'the server cannot be reached',
			hint: 'astroqueryd may be stopped or restarting; this page tries again' });
	}
	const text = await response.text();
	let body = {};
	try {
		body = text ? JSON.parse(text) : {};
	} catch {
		throw new Problem(response.status, { error: 'the answer is not JSON',
			hint: 'a proxy may stand between this page and the server' });
	}
	if (!response.ok)
		throw new Problem(response.status, body);
	return body;
}

/* pairs: [[name, value]...]; values that are null are left out. */
export function url(path, pairs) {
	const query = new URLSearchParams();

	for (const [name, value] of pairs)
		if (value !== null && value !== undefined && value !== '')
			query.append(name, value);
	const text = query.toString();
	return text ? `${path}?${text}` : path;
}

export function ask(path, pairs = [], signal = undefined) {
	return reply(url(path, pairs), { signal, headers: { Accept: 'application/json' } });
}

export function send(method, path, body) {
	return reply(path, { method, headers: { 'Content-Type': 'application/json' },
		body: body === undefined ? undefined : JSON.stringify(body) });
}

/* One question at a time under a name: asking again ends the one before. */
export class Asker {
	#controllers = new Map();

	async ask(name, path, pairs) {
		this.cancel(name);
		const controller = new AbortController();
		this.#controllers.set(name, controller);
		try {
			return await ask(path, pairs, controller.signal);
		} finally {
			if (this.#controllers.get(name) === controller)
				this.#controllers.delete(name);
		}
	}

	cancel(name) {
		this.#controllers.get(name)?.abort();
		this.#controllers.delete(name);
	}

	cancelAll() {
		for (const name of [...this.#controllers.keys()])
			this.cancel(name);
	}

	get busy() {
		return this.#controllers.size > 0;
	}
}

export function aborted(e) {
	return e.name === 'AbortError';
}

/* Events of a page, whichever the list is called. */
export function events(answer) {
	return answer.logs || answer.data || [];
}
