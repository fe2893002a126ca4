/*
 * idset - a set of event ids: which are there, which are there twice, which are missing.
 *
 * Ids are dense, so the set is kept by pages of IDSET_PAGE_IDS ids with a bit each, and a page that
 * is full costs no bits any more.
 *
 * Life:    init, add and ask, fini.
 * Thread:  one at a time.
 * Memory:  24 bytes for each page touched, and 8 KiB for each that is not full; at most bytes_max.
 * Errors:  ERR_LIMIT beyond bytes_max, -ENOMEM; the set is then as it was before.
 */
#ifndef STORAGE_IDSET_H
#define STORAGE_IDSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	IDSET_TWICE = 1,
	IDSET_PAGE_IDS = 65536,
};

struct idset_page;

struct idset {
	struct idset_page *pages; /* by rising id */
	size_t pages_count;
	size_t pages_cap;
	size_t last; /* page of the last add: ids come in order */
	size_t bytes;
	size_t bytes_max;
	uint64_t count;
};

void idset_init(struct idset *s, size_t bytes_max);
void idset_fini(struct idset *s);

/* IDSET_TWICE (1): it was there already. */
int idset_add(struct idset *s, uint64_t id);
bool idset_has(const struct idset *s, uint64_t id);

/* The first id that is in the set from `from` on; false: there is none. */
bool idset_next(const struct idset *s, uint64_t from, uint64_t *out_id);
/* The first run of ids within from..to that are in the set; false: none is. */
bool idset_run(
	const struct idset *s, uint64_t from, uint64_t to, uint64_t *out_first, uint64_t *out_last);
/* The first run of ids within from..to that are not in the set; false: all are. */
bool idset_gap(
	const struct idset *s, uint64_t from, uint64_t to, uint64_t *out_first, uint64_t *out_last);

#endif
