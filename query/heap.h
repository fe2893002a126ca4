/*
 * heap - the first k of many hits, by key: a heap whose root is the last of those kept, so that one
 * comparison turns away what cannot be among them.
 *
 * Life:    init, push..., sort once, read, fini.
 * Thread:  one at a time.
 * Memory:  grows with what is kept, up to k hits.
 * Errors:  push: -ENOMEM.
 */
#ifndef QUERY_HEAP_H
#define QUERY_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "query/page.h"

struct heap_hit {
	struct page_key key;
	uint32_t unit; /* of the plan */
	uint32_t row;
};

struct heap {
	struct heap_hit *hits;
	size_t count, cap, k;
};

void heap_init(struct heap *h, size_t k);
void heap_fini(struct heap *h);

/* True: a hit of this key would be kept. */
static inline bool heap_wants(const struct heap *h, struct page_key key)
{
	return h->count < h->k || (h->k && page_key_less(key, h->hits[0].key));
}

/* True: no hit whose key begins with `a` or more would be kept. */
static inline bool heap_done(const struct heap *h, uint64_t a)
{
	return h->count == h->k && (h->k == 0 || a > h->hits[0].key.a);
}

/* Keeps it if it is wanted. */
int heap_push(struct heap *h, const struct heap_hit *hit);

/* In order, first one first; after it nothing may be pushed. */
void heap_sort(struct heap *h);

#endif
