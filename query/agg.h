/*
 * agg - aggregations: the matching events in groups, and numbers about each group.
 *
 *	agg_request_init -> agg_param for each name=value -> agg_request_check
 *	agg_run on a snapshot -> agg_result: columns, and a row of typed cells for each group
 *
 * Groups.    By up to AGG_BY_MAX fields, and by a time bucket. An event without the field, or with a null
 *            there, is in the group null. Numbers are one group if they are equal (1 and 1.0); a text is
 *            never a number's group. A list or a map is a group of its own bytes.
 * Buckets.   [n * width, (n + 1) * width) of event time, n from 1970-01-01 UTC, of whole weeks from Monday
 *            1970-01-05; moved by the offset of `tz`. Automatic: the smallest width of a list of handy ones
 *            (agg_bucket.h) that cuts the events' range into so many or fewer.
 * Functions. Of numbers: sum, avg, quantile; what is none is passed over, and where none is left the cell
 *            is null. A sum of integers is exact while 127 bits hold it; one with fractions is off by less
 *            than 2^-50 of the sum of the magnitudes. min and max are of numbers if the group has one, else
 *            of texts, byte by byte; of times and ids as they are. distinct counts different values.
 * Sketches.  distinct is exact up to LIMIT_QUERY_DISTINCT_EXACT values of a group (fewer when there are many
 *            groups), then a HyperLogLog (query/hll.h); a quantile likewise (query/quantile.h). A column with
 *            such a cell is `approximate`.
 * Bounds.    Groups and what functions keep of them take AGG_BYTES_MAX at most, of all groupings of a run
 *            together. With three quarters of it, events of further groups are counted in `ungrouped` alone,
 *            and the result is ENGINE_PARTIAL_GROUPS; groups that are in it are whole, or, if
 *            `approximate_groups` says so, too small by ungrouped events at most.
 *
 * Thread:    a request is read-only after check. agg_run as engine_run.
 * Memory:    the result's arena; while it runs AGG_BYTES_MAX, and the scratches of the engine. A second
 *            thread helps as long as groups are few and what it needs for a unit is not much.
 * Errors:    as engine.h; of a parameter in an engine_err whose error names the position in the value.
 */
#ifndef QUERY_AGG_H
#define QUERY_AGG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/arena.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"
#include "proto/expr/expr.h"
#include "query/engine.h"

enum {
	AGG_BY_MAX = LIMIT_QUERY_BY,
	AGG_CALLS_MAX = LIMIT_QUERY_CALLS,
	AGG_COLUMNS_MAX = 1 + AGG_BY_MAX + AGG_CALLS_MAX,
	AGG_LIMIT_DEFAULT = 1000,
	AGG_LIMIT_MAX = LIMIT_QUERY_GROUPS,
	AGG_BUCKETS_DEFAULT = 100, /* of bucket=auto */
	AGG_BYTES_MAX = LIMIT_QUERY_GROUP_BYTES,
};

/* ---------------------------------------------------------------- asking */

enum agg_function {
	AGG_COUNT, /* events; with a field: those that have it, and not null */
	AGG_DISTINCT,
	AGG_SUM,
	AGG_MIN,
	AGG_MAX,
	AGG_AVG,
	AGG_QUANTILE, /* the smallest value that so many of the numbers are not above */
};

struct agg_call {
	enum agg_function function;
	bool has_field; /* AGG_COUNT may have none, the others have one */
	struct expr_field field;
	double quantile;  /* 0..1 */
	struct span name; /* of the column, as it was written */
};

enum agg_order {
	AGG_ORDER_DESC,  /* by the first function, largest first; then by bucket and values */
	AGG_ORDER_ASC,   /* smallest first */
	AGG_ORDER_GROUP, /* by bucket, oldest first, then by values */
};

/* One grouping. May be read freely, and written by a caller that knows the values. */
struct agg_spec {
	struct expr_field by[AGG_BY_MAX];
	struct span by_names[AGG_BY_MAX];
	uint32_t by_count;
	bool bucket;       /* the first column is the bucket's begin */
	int64_t bucket_ns; /* 0: automatic */
	uint32_t buckets;  /* automatic: at most so many */
	int64_t zone_ns;   /* that local time is ahead of UTC */
	bool fill; /* buckets without events too: for each group of `by`, counts 0, else null */
	struct agg_call calls[AGG_CALLS_MAX];
	uint32_t calls_count; /* 0: count alone */
	enum agg_order order;
	uint32_t limit; /* groups in the result */
	/* Absent, or: only groups whose first value is a text that begins so; ASCII case ignored. */
	struct span prefix;
	/* Only groups whose first function is a number within. */
	bool has_min, has_max;
	double min, max;
};

struct agg_request {
	struct engine_request
		filter; /* filters, search, q, range; its order and pages do not count */
	struct agg_spec spec;
	struct expr_builder names; /* owns what the spec points to */
	unsigned given;            /* private */
};

/* Count of all: no grouping, no bucket. */
void agg_request_init(struct agg_request *req);
void agg_request_fini(struct agg_request *req);

/*
 * One parameter by its API name: by, agg, bucket, buckets, tz, fill, top, limit, order, min, max as
 * query/API.md has them; what selects events goes to engine_param. Those of pages are unknown here.
 */
int agg_param(struct agg_request *req, struct span name, struct span value, struct engine_err *err);
/* After the last one: defaults, and what contradicts another parameter. */
int agg_request_check(struct agg_request *req, struct engine_err *err);
/* For /api/fields/NAME/values and the like: one field to group by, and what its texts begin with. */
int agg_request_by(struct agg_request *req, struct span name, struct engine_err *err);
int agg_request_prefix(struct agg_request *req, struct span prefix, struct engine_err *err);

/* ---------------------------------------------------------------- answering */

enum agg_cell_kind {
	AGG_CELL_NULL,
	AGG_CELL_BOOL,
	AGG_CELL_INT,
	AGG_CELL_UINT, /* integers above INT64_MAX */
	AGG_CELL_ID,   /* u */
	AGG_CELL_DOUBLE,
	AGG_CELL_TEXT,
	AGG_CELL_TIME,     /* i: nanoseconds */
	AGG_CELL_SEVERITY, /* i: enum event_severity */
	AGG_CELL_MSGPACK,  /* text: a value that is none of these, as its msgpack */
};

struct agg_cell {
	enum agg_cell_kind kind;
	union {
		bool truth;
		int64_t i;
		uint64_t u;
		double f;
		struct span text;
	};
};

struct agg_column {
	struct span name; /* "time", a field, a function */
	bool is_call;     /* a function's */
	bool approximate; /* at least one of its cells comes from a sketch */
};

struct agg_result {
	struct arena arena;
	struct agg_column columns[AGG_COLUMNS_MAX];
	uint32_t columns_count;
	const struct agg_cell *cells; /* rows_count * columns_count, row after row */
	uint32_t rows_count;
	uint64_t groups;    /* there are, those beyond the limit too */
	uint64_t total;     /* matching events that were looked at */
	uint64_t ungrouped; /* of these, in no group: see ENGINE_PARTIAL_GROUPS */
	bool approximate_groups;
	int64_t bucket_ns; /* 0: no buckets */
	enum engine_partial partial;
	uint64_t committed; /* newest id of the snapshot */
	struct engine_stats stats;
	uint64_t cube_rows; /* of the total, those that a sidecar or a footer answered */
	struct diag damage[ENGINE_DAMAGE_MAX];
	size_t damage_count; /* may be more than are kept */
	bool has_turn;       /* private: no other run fills its groups until fini */
};

static inline const struct agg_cell *agg_cell(
	const struct agg_result *r, uint32_t row, uint32_t column)
{
	return &r->cells[(size_t)row * r->columns_count + column];
}

/*
 * As engine_run. A large result is given to agg_result_fini before its thread runs another aggregation: until
 * then those that need groups wait.
 */
int agg_run(struct engine *e, struct store_snapshot *snap, const struct agg_request *req,
	struct agg_result *out, struct diag *d);
/*
 * Several groupings of the same events, LIMIT_QUERY_GROUPINGS at most, in one pass; each of out must be
 * given to agg_result_fini.
 */
int agg_run_all(struct engine *e, struct store_snapshot *snap, const struct engine_request *filter,
	const struct agg_spec *const *specs, uint32_t specs_count, struct agg_result *out,
	struct diag *d);
void agg_result_fini(struct agg_result *out);

#endif
