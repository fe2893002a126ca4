/*
 * kit - what the tests of the viewer are written with. A test gets a page of its own, in a browser context
 * of its own; waiting is for a condition, with a deadline. A page that throws, breaks the
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
const PATIENCE_MS = 20000 * SCALE;
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
	'--disable-background-networking', '--disable-component-update', '--disable-sync'];
/* What the browser itself says of an answer that is no 2xx, or of a server that is away. */
const NETWORK = /Failed to load resource|WebSocket connection to/;

const tests = [];

/* options: width, height, dark, reduced, touch; network: the test takes the server away. */
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

	for (let pause = 2; ; pause = Math.min(100, pause * 1.5)) {
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

export async function api(path) {
	const response = await fetch(BASE + path);

	return response.json();
}

/* ---- pages ---- */

async function context(browser, options) {
	return browser.newContext({ viewport: { width: options.width || 1280, height: options.height || 800 },
		colorScheme: options.dark ? 'dark' : 'light', reducedMotion: options.reduced ? 'reduce' : 'no-preference',
		timezoneId: 'Europe/Berlin', locale: 'en-US', hasTouch: !!options.touch, acceptDownloads: true });
}

function watch(page, complaints, options) {
	page.setDefaultTimeout(PATIENCE_MS);
	page.on('pageerror', (e) => complaints.push(e.stack));
	page.on('console', (m) => {
		if (m.type() === 'error' && !NETWORK.test(m.text()))
			complaints.push(m.text());
		else if (m.type() === 'error' && !options.network && /ERR_/.test(m.text()))
			complaints.push(m.text());
	});
}

/* Opens an address and waits until the page has what it asked for. */
export async function open(page, address) {
	await page.goto(BASE + address);
	await settled(page);
}

/* The page has asked and has its answers. */
export async function settled(page) {
	await page.locator('main > [aria-busy="false"]').waitFor();
}

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

async function one(browser, number, { name, run, options }) {
	const began = Date.now();
	const complaints = [];
	const around = await context(browser, options);
	const page = await around.newPage();

	watch(page, complaints, options);
	try {
		await run(page, around);
		equal(complaints, [], 'errors in the browser');
		console.log(`ok ${number} - ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
		return true;
	} catch (e) {
		const picture = `${process.env.ASTRO_FAILED}/${name.replace(/\W+/g, '-')}.png`;
		console.log(`not ok ${number} - ${name}`);
		for (const line of [e.stack, ...complaints, `picture: ${picture}`].join('\n').split('\n'))
			console.log(`# ${line}`);
		mkdirSync(process.env.ASTRO_FAILED, { recursive: true });
		await page.screenshot({ path: picture }).catch(() => {});
		return false;
	} finally {
		await around.close();
	}
}

export async function main(words) {
	const chosen = tests.filter((t) => words.length === 0 || words.some((w) => t.name.includes(w)));
	const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS });
	let good = true;

	console.log(`1..${chosen.length}`);
	for (const [i, t] of chosen.entries())
		good = await one(browser, i + 1, t) && good;
	await browser.close();
	process.exit(good ? 0 : 1);
}
