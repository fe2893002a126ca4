#include "query/heap.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"

enum { HEAP_CAP_MIN = 256 };

void heap_init(struct heap *h, size_t k)
{
	*h = (struct heap){ .k = k };
}

void heap_fini(struct heap *h)
{
	free(h->hits);
	*h = (struct heap){ .k = 0 };
}

static int grow(struct heap *h)
{
	size_t cap = h->cap ? h->cap * 2 : HEAP_CAP_MIN;
	struct heap_hit *hits;

	if (cap > h->k)
		cap = h->k;
	ASSERT(cap > h->count);
	hits = realloc(h->hits, cap * sizeof *hits);
	if (!hits)
		return -ENOMEM;
	h->hits = hits;
	h->cap = cap;
	return 0;
}

static void sink(struct heap *h, const struct heap_hit *hit, size_t at)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= h->count)
			break;
		if (child + 1 < h->count &&
			page_key_less(h->hits[child].key, h->hits[child + 1].key))
			child++;
		if (!page_key_less(hit->key, h->hits[child].key))
			break;
		h->hits[at] = h->hits[child];
		at = child;
	}
	h->hits[at] = *hit;
}

static void rise(struct heap *h, const struct heap_hit *hit, size_t at)
{
	while (at > 0 && page_key_less(h->hits[(at - 1) / 2].key, hit->key)) {
		h->hits[at] = h->hits[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	h->hits[at] = *hit;
}

int heap_push(struct heap *h, const struct heap_hit *hit)
{
	if (!heap_wants(h, hit->key))
		return 0;
	if (h->count == h->k) {
		sink(h, hit, 0);
		return 0;
	}
	if (h->count == h->cap && grow(h) < 0)
		return -ENOMEM;
	rise(h, hit, h->count++);
	return 0;
}

static int compare(const void *x, const void *y)
{
	const struct heap_hit *a = x, *b = y;

	if (page_key_less(a->key, b->key))
		return -1;
	return page_key_less(b->key, a->key);
}

void heap_sort(struct heap *h)
{
	if (h->count)
		qsort(h->hits, h->count, sizeof h->hits[0], compare);
}
