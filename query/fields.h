/*
 * fields - which fields events have: the known ones, and every path of metadata, with how many events have
 * each, from the tables of blocks alone.
 *
 * The newest blocks and journal batches are asked, LIMIT_QUERY_FIELD_UNITS of them at most: `events` says how
 * many events that are. A filter chooses blocks, of which then all events count.
 *
 * Thread:  as engine_run.
 * Memory:  the result's arena.
 * Errors:  as engine_run.
 */
#ifndef QUERY_FIELDS_H
#define QUERY_FIELDS_H

#include "proto/base/buf.h"
#include "proto/expr/expr.h"
#include "query/engine.h"

struct fields_one {
	struct span name; /* as expr_field_find takes it */
	unsigned kinds;   /* bit 1 << enum expr_cell_kind */
	uint64_t events;  /* of those looked at, that have it */
};

struct fields_result {
	struct arena arena;
	struct fields_one
		*fields; /* the known ones in their order, then paths, the most frequent first */
	size_t count;
	bool more;                   /* there are more than LIMIT_QUERY_FIELDS */
	enum engine_partial partial; /* why of the units that were to be asked some were not */
	uint64_t events;             /* that were looked at */
	uint64_t total;              /* in all blocks that the filter leaves */
	struct scan_stats stats;
};

int fields_run(struct engine *e, struct store_snapshot *snap, const struct engine_request *filter,
	struct fields_result *out, struct diag *d);
void fields_result_fini(struct fields_result *out);

/* As the JSON of /api/fields; the buffer's error. */
int fields_put(const struct fields_result *r, struct buf *out);

#endif
