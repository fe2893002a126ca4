/* viewer.mjs - what viewer.py measures, in the browser. Prints a JSON object for each figure. */
import { createRequire } from 'node:module';

const { chromium } = createRequire(`${process.env.ASTRO_MODULES}/`)('playwright-core');
const BASE = process.env.ASTRO_URL;
const ROUNDS = Number(process.env.ROUNDS);
const ROWS = Number(process.env.ROWS);
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
	'--disable-background-networking', '--disable-component-update', '--disable-sync'];

/*
 * In the page: the time of the first frame in which rows of events are drawn after the last call of
 * window.again, by the page's own clock, which begins at navigation.
 */
function watch() {
	const seen = () => requestAnimationFrame(() => setTimeout(() => window.done?.(performance.now())));

	window.again = () => new Promise((go) => {
		window.done = go;
	});
	window.first = window.again();
	new MutationObserver((list) => {
		if (list.some((m) => [...m.addedNodes].some((n) => n.matches?.('tr.line'))))
			seen();
	}).observe(document, { childList: true, subtree: true });
}

const sorted = (list) => [...list].sort((a, b) => a - b);
const figure = (list) => ({ least: Math.round(sorted(list)[0]), median: Math.round(sorted(list)[list.length >> 1]) });

async function settled(page) {
	await page.locator('main > [aria-busy="false"]').waitFor();
}

async function firstPage(page) {
	const out = [];

	for (let i = 0; i < ROUNDS; i++) {
		await page.goto('about:blank');
		await page.goto(BASE, { waitUntil: 'commit' });
		out.push(await page.evaluate(() => window.first));
		await settled(page);
	}
	return figure(out);
}

/* A value of the sidebar is clicked, and clicked away. */
async function filterChange(page) {
	const out = [];

	for (let i = 0; i < ROUNDS; i++) {
		out.push(await page.evaluate(async (n) => {
			const buttons = document.querySelectorAll('.facets button.grow');
			const began = performance.now();
			const done = window.again();
			(document.querySelector('.facets [aria-pressed="true"]') || buttons[n % 8]).click();
			return await done - began;
		}, i));
		await settled(page);
	}
	return figure(out);
}

async function heap(cdp) {
	await cdp.send('HeapProfiler.collectGarbage');
	const { metrics } = await cdp.send('Performance.getMetrics');
	const of = (name) => metrics.find((m) => m.name === name).value;

	return { heap_mib: +(of('JSHeapUsedSize') / 2 ** 20).toFixed(1), nodes: of('Nodes') };
}

/* Down to a row, some heights of the window at a time. */
async function scroll(page, cdp) {
	await page.goto(BASE);
	await settled(page);
	for (let row = ROWS / 10; row <= ROWS; row += ROWS / 10) {
		await page.evaluate((want) => new Promise((go) => {
			const list = document.querySelector('.list');
			const step = () => {
				const last = Number([...document.querySelectorAll('tr[data-row]')].at(-1).dataset.row);
				if (last >= want)
					go();
				else {
					list.scrollTop += 4 * list.clientHeight;
					requestAnimationFrame(step);
				}
			};
			step();
		}), row);
		console.log(JSON.stringify({ name: 'scroll', row, ...await heap(cdp) }));
	}
}

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS });
const page = await browser.newPage({ viewport: { width: 1600, height: 900 } });
const cdp = await page.context().newCDPSession(page);

page.setDefaultTimeout(120000);
await page.addInitScript(watch);
await cdp.send('Performance.enable');
console.log(JSON.stringify({ name: 'first', ...await firstPage(page) }));
console.log(JSON.stringify({ name: 'filter', ...await filterChange(page) }));
await scroll(page, cdp);
await browser.close();
