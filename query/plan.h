/*
 * plan - a request turned into work: which units of the store may hold something, in the order in which
 * they are worth looking at.
 *
 * A scan takes one range of id and one of time. Both are made as narrow as the tests of `where` that
 * must hold allow, so that one event or one minute is found without a look at what else there is.
 *
 * Life:    make, read, free. The request and the snapshot must outlive it.
 * Thread:  read-only after make.
 * Memory:  by units.
 * Errors:  those of scan_open, SCAN_COLD among them, and -ENOMEM.
 */
#ifndef QUERY_PLAN_H
#define QUERY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "query/engine.h"
#include "query/page.h"

/* Keys of a unit's rows, matching or not, have `a` from lo to hi. */
struct plan_unit {
	uint64_t lo;
	uint64_t hi;
	uint32_t unit; /* of the scan */
	uint32_t rows_count;
	bool all; /* every row matches */
};

struct plan {
	enum engine_order order;
	bool need_total;
	bool resumed; /* a cursor was given: rows up to and with `place` are behind us */
	struct page_key place;
	struct scan *scan;       /* NULL: nothing can match */
	struct plan_unit *units; /* by lo */
	size_t units_count;
};

/* What a scan of all that the request may find is asked. False: nothing can match. */
bool plan_spec(
	const struct engine_request *req, struct store_snapshot *snap, struct scan_spec *out);

int plan_make(const struct engine_request *req, struct store_snapshot *snap, struct plan *out,
	struct scan_stats *stats, struct diag *d);
/* Of a zeroed or half-made plan too. */
void plan_free(struct plan *p);

/* Units from `from` on whose rows may stand between those of others: [from, return) is a whole. */
size_t plan_cluster(const struct plan *p, size_t from);

#endif
