/*
 * agg_spare - arrays that one aggregation leaves to the next: to take them anew from the system costs more
 * than to fill them.
 *
 * An array grows to powers of two; one that grows beyond AGG_SPARE_ARRAY_MAX bytes comes from the system, and
 * goes back to it.
 *
 * Thread:  free for all.
 * Memory:  what lies idle is AGG_SPARE_BYTES at most.
 * Errors:  grow: NULL when out of memory; the array is as it was then.
 */
#ifndef QUERY_AGG_SPARE_H
#define QUERY_AGG_SPARE_H

#include <stddef.h>

#include "proto/base/limits.h"

enum {
	AGG_SPARE_BYTES = LIMIT_QUERY_SPARE_BYTES,
	AGG_SPARE_ARRAY_MAX = 1 << 20,
};

/* An array of `bytes` (NULL: none so far) made one of `wanted` bytes, not cleared; what is in it stays. */
void *agg_spare_grow(void *p, size_t bytes, size_t wanted);
/* bytes: as it was asked for. NULL is nothing. */
void agg_spare_give(void *p, size_t bytes);
/* Of all that lies idle. */
size_t agg_spare_held(void);

#endif
