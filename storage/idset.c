#include "storage/idset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	PAGE_SHIFT = 16,
	PAGE_WORDS = IDSET_PAGE_IDS / 64,
	PAGE_BYTES = PAGE_WORDS * 8,
};

static_assert(IDSET_PAGE_IDS == 1 << PAGE_SHIFT, "a page is a power of two of ids");

struct idset_page {
	uint64_t number; /* id >> PAGE_SHIFT */
	uint64_t *bits;  /* NULL: all are there */
	uint32_t count;
};

void idset_init(struct idset *s, size_t bytes_max)
{
	memset(s, 0, sizeof *s);
	s->bytes_max = bytes_max;
}

void idset_fini(struct idset *s)
{
	for (size_t i = 0; i < s->pages_count; i++)
		free(s->pages[i].bits);
	free(s->pages);
	memset(s, 0, sizeof *s);
}

/* The position of the first page whose number is not smaller. */
static size_t lower_bound(const struct idset *s, uint64_t number)
{
	size_t low = 0, high = s->pages_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->pages[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static const struct idset_page *find_page(const struct idset *s, uint64_t number)
{
	size_t i = lower_bound(s, number);

	return i < s->pages_count && s->pages[i].number == number ? &s->pages[i] : NULL;
}

static int grow(struct idset *s)
{
	size_t cap = s->pages_cap ? s->pages_cap * 2 : 16;
	size_t more = (cap - s->pages_cap) * sizeof *s->pages;
	struct idset_page *pages;

	if (s->bytes + more > s->bytes_max)
		return ERR_LIMIT;
	pages = realloc(s->pages, cap * sizeof *pages);
	if (!pages)
		return -ENOMEM;
	s->pages = pages;
	s->pages_cap = cap;
	s->bytes += more;
	return 0;
}

/* Puts an empty page at position i. */
static int insert_page(struct idset *s, size_t i, uint64_t number)
{
	uint64_t *bits;

	if (s->pages_count == s->pages_cap) {
		int rc = grow(s);

		if (rc < 0)
			return rc;
	}
	if (s->bytes + PAGE_BYTES > s->bytes_max)
		return ERR_LIMIT;
	bits = calloc(PAGE_WORDS, sizeof *bits);
	if (!bits)
		return -ENOMEM;
	memmove(s->pages + i + 1, s->pages + i, (s->pages_count - i) * sizeof *s->pages);
	s->pages[i] = (struct idset_page){ .number = number, .bits = bits };
	s->pages_count++;
	s->bytes += PAGE_BYTES;
	return 0;
}

int idset_add(struct idset *s, uint64_t id)
{
	uint64_t number = id >> PAGE_SHIFT, mask = UINT64_C(1) << (id % 64);
	struct idset_page *page;
	uint64_t *word;

	if (s->last >= s->pages_count || s->pages[s->last].number != number) {
		size_t i = lower_bound(s, number);

		if (i == s->pages_count || s->pages[i].number != number) {
			int rc = insert_page(s, i, number);

			if (rc < 0)
				return rc;
		}
		s->last = i;
	}
	page = &s->pages[s->last];
	if (!page->bits)
		return IDSET_TWICE;
	word = &page->bits[id % IDSET_PAGE_IDS / 64];
	if (*word & mask)
		return IDSET_TWICE;
	*word |= mask;
	s->count++;
	if (++page->count == IDSET_PAGE_IDS) {
		free(page->bits);
		page->bits = NULL;
		s->bytes -= PAGE_BYTES;
	}
	return 0;
}

static bool page_has(const struct idset_page *page, uint64_t id)
{
	if (!page)
		return false;
	return !page->bits || (page->bits[id % IDSET_PAGE_IDS / 64] >> (id % 64) & 1);
}

bool idset_has(const struct idset *s, uint64_t id)
{
	return page_has(find_page(s, id >> PAGE_SHIFT), id);
}

/* The first id of the page from `at` (within the page) on; IDSET_PAGE_IDS: none. */
static uint32_t page_next(const struct idset_page *page, uint32_t at)
{
	uint32_t word = at / 64;
	uint64_t bits;

	if (!page->bits)
		return at;
	bits = page->bits[word] & UINT64_MAX << at % 64;
	while (bits == 0 && ++word < PAGE_WORDS)
		bits = page->bits[word];
	return bits ? word * 64 + (uint32_t)__builtin_ctzll(bits) : IDSET_PAGE_IDS;
}

bool idset_next(const struct idset *s, uint64_t from, uint64_t *out_id)
{
	uint64_t number = from >> PAGE_SHIFT;

	for (size_t i = lower_bound(s, number); i < s->pages_count; i++) {
		const struct idset_page *page = &s->pages[i];
		uint32_t at = page->number == number ? from % IDSET_PAGE_IDS : 0;
		uint32_t found = page_next(page, at);

		if (found < IDSET_PAGE_IDS) {
			*out_id = page->number << PAGE_SHIFT | found;
			return true;
		}
	}
	return false;
}

/* The last id of the pages from `number` on that nobody touched. */
static uint64_t untouched_end(const struct idset *s, uint64_t number)
{
	size_t i = lower_bound(s, number);

	return i < s->pages_count ? (s->pages[i].number << PAGE_SHIFT) - 1 : UINT64_MAX;
}

/* The last id up to `to` of the run that begins at `from` and is all there, or all not there. */
static uint64_t run_end(const struct idset *s, uint64_t from, uint64_t to)
{
	bool has = idset_has(s, from);
	uint64_t id = from;

	while (id < to) {
		uint64_t number = (id + 1) >> PAGE_SHIFT;
		const struct idset_page *page = find_page(s, number);
		uint64_t end = id + 1;

		if (page_has(page, id + 1) != has)
			break;
		if (!page)
			end = untouched_end(s, number);
		else if (!page->bits)
			end = (number << PAGE_SHIFT) | (IDSET_PAGE_IDS - 1);
		id = end < to ? end : to;
	}
	return id;
}

bool idset_run(
	const struct idset *s, uint64_t from, uint64_t to, uint64_t *out_first, uint64_t *out_last)
{
	uint64_t first;

	if (!idset_next(s, from, &first) || first > to)
		return false;
	ASSERT(idset_has(s, first));
	*out_first = first;
	*out_last = run_end(s, first, to);
	return true;
}

bool idset_gap(
	const struct idset *s, uint64_t from, uint64_t to, uint64_t *out_first, uint64_t *out_last)
{
	if (from > to)
		return false;
	if (idset_has(s, from)) {
		uint64_t end = run_end(s, from, to);

		if (end == to)
			return false;
		from = end + 1;
	}
	ASSERT(!idset_has(s, from));
	*out_first = from;
	*out_last = run_end(s, from, to);
	return true;
}
