/*
 * kit - what the tests of the viewer are written with. A test gets an empty page and an empty memory; waiting is for a condition, with a deadline. A page that throws, breaks the
 * Content-Security-Policy or writes an error to the console fails its test.
 */
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { mkdirSync } from 'node:fs';

const load = createRequire(`${process.env.ASTRO_MODULES}/`);
const { chromium } = load('playwright-core');

export const BASE = process.env.ASTRO_URL;
export const AXE = load.resolve('axe-core/axe.min.js');
const SCALE = Number(process.env.ASTRO_TIME_SCALE || 1);
/* So many times slower is the page's thread: what a check that does not wait relies on, fails then. */
const SLOW = Number(process.env.ASTRO_BROWSER_SLOW || 1);
const PATIENCE_MS = 20000 * SCALE * SLOW;
const TEST_MS = 6 * PATIENCE_MS;
const PAUSE_MAX_MS = 30;
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
	'--disable-background-networking', '--disable-component-update', '--disable-sync'];
/* What the browser itself says of an answer that is no 2xx, or of a server that is away. */
const NETWORK = /Failed to load resource|WebSocket connection to/;
const COLOUR = /\x1b\[\d+m/g;

const tests = [];
/* Of the pages of the test that runs. */
const complaints = [];

/*
 * options: width, height, dark, reduced; network: the server is away for a while, or says no; lacks: asked
 * before the test, why it cannot be.
 */
export function test(name, run, options = {}) {
	tests.push({ name, run, options });
}

export function check(condition, text) {
	if (!condition)
		throw new Error(text);
}

export function equal(got, want, text = '') {
	const [a, b] = [JSON.stringify(got), JSON.stringify(want)];

	if (a !== b)
		throw new Error(`${text && `${text}: `}got ${a?.slice(0, 1500)}, wanted ${b?.slice(0, 1500)}`);
}

/* Calls ask until it returns something true, which is returned. */
export async function until(ask, what) {
	const end = Date.now() + PATIENCE_MS;
	let last;

	for (let pause = 2; ; pause = Math.min(PAUSE_MAX_MS, pause * 1.5)) {
		try {
			const got = await ask();
			if (got)
				return got;
			last = undefined;
		} catch (e) {
			last = e;
		}
		if (Date.now() > end)
			throw new Error(`not in time: ${what}${last ? ` (${last.message})` : ''}`);
		await new Promise((go) => setTimeout(go, pause));
	}
}

/* Until what ask returns is that. */
export async function becomes(ask, want, what) {
	let got;

	await until(async () => JSON.stringify(got = await ask()) === JSON.stringify(want), what)
		.catch(() => equal(got, want, what));
}

/* ---- the daemons ---- */

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function order(job) {
	process.stdout.write(`${JSON.stringify(job)}\n`);
	const answer = JSON.parse((await answers.next()).value);
	check(!answer.error, answer.error);
	return answer;
}

export const send = (events) => order({ do: 'send', events });
export const kill = () => order({ do: 'kill' });
export const start = () => order({ do: 'start' });

/* For tests that need such a route. */
export const lacks = (path) => async () => ((await fetch(BASE + path)).status === 404 ? `the server has no ${path}` : null);

export async function api(path) {
	const response = await fetch(BASE + path);

	return response.json();
}

/* ---- pages ---- */

function watch(page) {
	page.setDefaultTimeout(PATIENCE_MS);
	page.on('pageerror', (e) => complaints.push({ text: e.stack }));
	page.on('console', (m) => {
		if (m.type() === 'error')
			complaints.push({ text: m.text(), network: NETWORK.test(m.text()) });
	});
}

/* Opens an address and waits until the page has what it asked for. */
export async function open(page, address) {
	await page.goto(BASE + address);
	await settled(page);
}

/* The page has asked and has its answers. (Playwright's own waiting looks twice a second after a while.) */
export async function settled(page) {
	await until(() => page.evaluate(() => document.querySelector('main > [aria-busy="false"]') !== null), 'answers');
}

/* Until one is seen, or none is. */
export const seen = (locator) => until(() => locator.first().isVisible(), `${locator} is seen`);
export const gone = (locator) => until(async () => await locator.count() === 0, `${locator} is gone`);

/* An address of the shop's day. */
export function day(more = '') {
	return `/?from=2026-01-15T00:00:00Z&to=2026-01-15T23:59:59Z${more}`;
}

export function query(page) {
	return new URL(page.url()).searchParams;
}

export async function total(page) {
	const m = /^([\d,]+) events?\b/.exec(await page.locator('.status').first().textContent());

	return m ? Number(m[1].replaceAll(',', '')) : null;
}

/* ---- running ---- */

async function slow(page) {
	if (SLOW > 1)
		await (await page.context().newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: SLOW });
}

/* A page beside that of the test: gone at its end with all that was done to it. */
export async function another(around) {
	const page = await around.newPage();

	watch(page);
	await slow(page);
	return page;
}

/* One context serves all: a process less for each test, and files that need not be read again. */
async function dress(page, options) {
	await page.setViewportSize({ width: options.width || 1280, height: options.height || 720 });
	await page.emulateMedia({ colorScheme: options.dark ? 'dark' : 'light',
		reducedMotion: options.reduced ? 'reduce' : 'no-preference' });
}

/* Nothing of a test is left for the next one. */
async function undress(around, page) {
	await page.unrouteAll({ behavior: 'ignoreErrors' });
	for (const other of around.pages())
		if (other !== page)
			await other.close();
	if (page.url().startsWith(BASE))
		await page.evaluate(() => localStorage.clear());
	await page.goto('about:blank');
}

/* Some of playwright's calls wait for ever. */
async function within(running) {
	let timer;
	const late = new Promise((_, fail) => {
		timer = setTimeout(() => fail(new Error(`no end after ${TEST_MS / 1000} s`)), TEST_MS);
	});

	await Promise.race([running, late]).finally(() => clearTimeout(timer));
}

async function one(around, page, number, { name, run, options }) {
	const began = Date.now();
	const bad = () => complaints.filter((c) => !(c.network && options.network)).map((c) => c.text);

	complaints.length = 0;
	const lacks = await options.lacks?.();
	if (lacks) {
		console.log(`ok ${number} - ${name} # SKIP ${lacks}`);
		return true;
	}
	try {
		await dress(page, options);
		await within(run(page, around));
		equal(bad(), [], 'errors in the browser');
		console.log(`ok ${number} - ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
		return true;
	} catch (e) {
		const picture = `${process.env.ASTRO_FAILED}/${name.replace(/\W+/g, '-')}.png`;
		console.log(`not ok ${number} - ${name}`);
		for (const line of [e.stack, ...bad(), `picture: ${picture}`].join('\n').replace(COLOUR, '').split('\n'))
			console.log(`# ${line}`);
		mkdirSync(process.env.ASTRO_FAILED, { recursive: true });
		await page.screenshot({ path: picture }).catch(() => {});
		return false;
	} finally {
		await undress(around, page);
	}
}

export async function main(words) {
	const chosen = tests.filter((t) => words.length === 0 || words.some((w) => t.name.includes(w)));
	const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS });
	const around = await browser.newContext({ timezoneId: 'Europe/Berlin', locale: 'en-US', acceptDownloads: true,
		permissions: ['clipboard-read', 'clipboard-write'] });
	const page = await around.newPage();
	let good = true;

	watch(page);
	await slow(page);
	console.log(`1..${chosen.length}`);
	for (const [i, t] of chosen.entries())
		good = await one(around, page, i + 1, t) && good;
	await browser.close();
	process.exit(good ? 0 : 1);
}
