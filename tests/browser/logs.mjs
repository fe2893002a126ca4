/* logs - the page of events: what chooses them, and what is told of them. */
import { test, check, equal, open, day, total } from './kit.mjs';

test('a page opens with events, histogram and facets', async (page) => {
	await open(page, day());
	equal(await total(page), 6000);
	check(await page.locator('tr.line').count() > 10, 'rows');
	check(await page.locator('.chart svg g').count() > 10, 'bars');
	equal(await page.locator('.facets details').count(), 5, 'facets');
});
