/*
 * engine - the query engine's face: what is asked, how it is parsed, run and answered. No sockets, no
 * loop: astroqueryd runs it in its worker threads, `astroquery -D DIR` in main.
 *
 *	engine_request_init -> engine_param for each name=value -> engine_request_check
 *	engine_run on a snapshot -> engine_result: events in order, total, cursor, statistics
 *
 * Orders.  Time order is (timestamp, id), newest first unless `order=asc`. Arrival order is by id,
 *          ascending; `after` chooses it.
 * Pages.   A cursor holds the place (timestamp, id) after which to go on, and the newest id of the
 *          snapshot its walk began on: the walk sees exactly the events that were there then, none
 *          twice and none left out, whatever arrives or is sealed meanwhile.
 * Budgets. A query that uses up its time or memory ends early with what it has: the answer is right as
 *          far as it goes, says so in `partial`, and its cursor goes on from there.
 * Damage.  A unit of the store that cannot be read is left out and named in the result.
 *
 * Thread:  a request is read-only after check. An engine belongs to one thread at a time; it starts a
 *          second one itself for large scans. engine_cancel may be called from any thread.
 * Errors:  negative codes; engine_param and engine_request_check explain themselves in an engine_err.
 */
#ifndef QUERY_ENGINE_H
#define QUERY_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/base/limits.h"
#include "proto/expr/expr.h"
#include "proto/wire/event.h"
#include "storage/scan.h"
#include "storage/store.h"

/* ---------------------------------------------------------------- asking */

enum {
	ENGINE_LIMIT_DEFAULT = 100,
	ENGINE_LIMIT_MAX = LIMIT_QUERY_ROWS,
	ENGINE_CURSOR_BYTES = 96, /* text of a cursor with its NUL, at most */
	ENGINE_DAMAGE_MAX = 8,    /* damaged units that an answer names */
};

enum engine_order {
	ENGINE_ORDER_DESC,
	ENGINE_ORDER_ASC,
	ENGINE_ORDER_ARRIVAL,
};

/* What is wrong with a parameter, for people and for the API's error body. */
struct engine_err {
	int code; /* as returned */
	unsigned
		position; /* of q: the first byte that is wrong, from 1; 0: nowhere in particular */
	char field[32];   /* the parameter's name, cut */
	char error[200];  /* what was expected and found, a clause without a full stop */
	char hint[160];   /* what to do, or "" */
};

/* Any of these; nothing: no condition. */
struct engine_texts {
	struct span values[LIMIT_QUERY_VALUES];
	size_t count;
};
struct engine_numbers {
	int64_t values[LIMIT_QUERY_VALUES]; /* ids as the same 64 bits */
	size_t count;
};

struct engine_place {
	bool set;
	int64_t time_ns;
	uint64_t id;
	uint64_t newest; /* committed id of the snapshot that the walk began on */
	int64_t now_ns;  /* when it began: relative times stay what they were */
	uint64_t total;  /* counted then */
	bool total_known;
	uint32_t query_sum; /* of the query it belongs to; another one refuses the cursor */
};

/* May be read freely, and written by a caller that knows the values (the CLI's --since). */
struct engine_request {
	struct arena arena;                          /* of the values */
	struct engine_texts *text[EVENT_TEXT_COUNT]; /* NULL: no condition */
	struct engine_numbers *ids;
	struct engine_numbers *times;
	struct engine_numbers *received;
	uint8_t severity_mask; /* 0: no condition */
	struct span search;    /* absent or empty: no condition */
	int64_t from_ns;       /* inclusive; INT64_MIN: open */
	int64_t to_ns;         /* inclusive; INT64_MAX: open */
	enum engine_order order;
	uint32_t limit; /* events at most; 0: the count alone */
	uint64_t offset;
	uint64_t after; /* arrival order: ids greater than this */
	uint64_t upto;  /* the same: and not greater than this */
	struct engine_place place;
	bool want_total;
	uint32_t wait_ms;       /* for callers that can wait for events; the engine does not */
	bool spelled_as_time;   /* start_time or end_time was used: the API's list is `data` */
	struct engine_texts *q; /* NULL: no condition; all must hold */
	int64_t now_ns; /* what times in `q` are taken from; a walk stays with its first page's */
	/* Made by check: a normal tree of all filters; what time range, place and order say is apart. */
	const struct expr *where;
	uint32_t query_sum;          /* of `where`, range and order, for cursors; made by check */
	struct expr_builder builder; /* of `q` and `where` */
	bool explain;                /* the answer says how the request was understood */
	size_t values_bytes;         /* copied so far */
	unsigned given;              /* which single parameters were given; private */
	int64_t budget_ns;           /* of time; 0: none */
	size_t budget_bytes;         /* of events in the result */
	unsigned threads;            /* 1 or 2 */
	bool warm; /* run it only if it reads no file and is done in a moment; else ENGINE_COLD */
	uint32_t wanted; /* what of the events is read: SCAN_FETCH_*; all at first */
};

void engine_request_init(struct engine_request *req);
void engine_request_fini(struct engine_request *req);

/*
 * One parameter by its API name; value bytes are copied. Filters (event_type, entity_type, entity_id,
 * user_id, description, ip_address, user_agent, service, host, severity, id, timestamp, received) may
 * be given again: any of the values; `q` (proto/expr/expr_parse.h) too: all of them. Single ones given
 * twice are refused: search, start_date, end_date, start_time, end_time, order (asc, desc), limit,
 * offset, cursor, after, wait (seconds), total or count (exact, none), explain (0, 1).
 * ERR_UNKNOWN: no such parameter, the hint names the closest; ERR_SYNTAX, ERR_RANGE, ERR_LIMIT.
 */
int engine_param(
	struct engine_request *req, struct span name, struct span value, struct engine_err *err);
/* After the last one: what contradicts another parameter is refused here. */
int engine_request_check(struct engine_request *req, struct engine_err *err);

/* ---------------------------------------------------------------- answering */

enum engine_partial {
	ENGINE_WHOLE,
	ENGINE_PARTIAL_TIME,   /* the time budget ended the search */
	ENGINE_PARTIAL_MEMORY, /* the page is shorter than asked: events are large */
	ENGINE_PARTIAL_CANCELED,
	ENGINE_PARTIAL_DAMAGE, /* something could not be read; see `damage` */
	ENGINE_PARTIAL_GROUPS, /* of aggregations: there are more groups than the memory holds */
	ENGINE_PARTIAL_REGEX, /* a regular expression was given up on some texts: taken as no match */
};
/* "time", "memory" ...; NULL for a whole one. Static text. */
const char *engine_partial_name(enum engine_partial partial);

struct engine_stats {
	struct scan_stats scan;
	uint64_t units_total;   /* blocks and journal batches not excluded beforehand */
	uint64_t units_visited; /* of these, looked into for events */
	uint64_t units_counted; /* of these, counted only */
	uint64_t us;            /* of wall time */
	unsigned threads;
};

struct engine_result {
	struct arena arena;
	struct event *events; /* in the arena, in the order asked for */
	size_t count;
	uint32_t wanted; /* as requested, but no SCAN_FETCH_JSON where that does not fit */
	/* Of all matching events, whatever limit, offset and cursor; a walk counts on its first page. */
	uint64_t total;
	bool total_known; /* false: not asked for, or at least so many */
	enum engine_partial partial;
	char next[ENGINE_CURSOR_BYTES]; /* "" on the last page, and in arrival order */
	uint64_t committed;             /* newest id of the snapshot */
	/* Every event up to this id was considered: the next `after` of a follower. */
	uint64_t covered;
	struct engine_stats stats;
	struct diag damage[ENGINE_DAMAGE_MAX];
	size_t damage_count; /* may be more than are kept */
};

/* Snapshots taken for one query, at most, while astrocompact retires what they name. */
enum { ENGINE_SNAPSHOTS_MAX = 20 };

struct engine;
/* What one thread needs to run queries, kept between them. NULL: out of memory. */
struct engine *engine_new(void);
void engine_free(struct engine **e);

/* Of an answer to a warm request. */
enum {
	ENGINE_WARM_ROWS = 64,
	ENGINE_WARM_BYTES = 96 << 10,
};
/* From engine_run: the request says `warm`, and it is not so; nothing was done. */
enum { ENGINE_COLD = 1 };

/*
 * 0, also for a partial answer; *out must be given to engine_result_fini. ERR_BUDGET: the offset is too
 * deep for the memory (go by cursor); ERR_STALE: segments of the snapshot were retired before they
 * were opened (take a new snapshot and run again); others: the store cannot be read at all.
 */
int engine_run(struct engine *e, struct store_snapshot *snap, const struct engine_request *req,
	struct engine_result *out, struct diag *d);
void engine_result_fini(struct engine_result *out);

/*
 * Appends how a checked request is understood and what of the snapshot it would have to read, as the
 * JSON of GET /api/explain. ERR_STALE as engine_run; nothing is appended on failure.
 */
int engine_explain(struct store_snapshot *snap, const struct engine_request *req, struct buf *out,
	struct diag *d);
/* What is asked alone: members of an object, without braces. A failure sticks in the buffer. */
void engine_explain_where(const struct engine_request *req, struct buf *out);

/* Ends the engine's running query soon, with ENGINE_PARTIAL_CANCELED; without one, the next. Any thread. */
void engine_cancel(struct engine *e);
/* Between two queries: where memory is tight (storage/footprint.h), gives up what it keeps for the next one. */
void engine_rest(struct engine *e);
/* Lowers the priority of the second thread, if it has one, to this nice value. Any thread. */
void engine_lower(struct engine *e, int nice);
/* Before a new query: forgets an earlier cancel. */
void engine_uncancel(struct engine *e);

#endif
