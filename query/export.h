/*
 * export - every event that a request means, as text, part by part, in constant memory.
 *
 *	export_request_init -> export_param for each name=value -> export_request_check
 *	export_open on a snapshot -> (export_step -> export_take until there is none)... until done -> close
 *	                              what was taken may come back: export_give_back
 *
 * Formats. ndjson: one object a line. json: one object with the events in an array and, behind it, what
 *          /api/logs says of an answer. csv: csv_out.h, or the columns asked for.
 * Orders.  arrival (by id; the default, and the cheapest), asc and desc, by (timestamp, id): each is
 *          total, whatever arrives, is sealed or merged meanwhile: an export shows its snapshot.
 * Work.    A step makes the next parts, of about EXPORT_PART_BYTES each, in two threads if the request
 *          says so; they may be taken meanwhile, which makes room for more. What is asked of units that
 *          do not overlap is written as it is found; where they overlap, rows are put in order by pages
 *          of EXPORT_PAGE_ROWS, the first ones first.
 * Damage.  A unit that cannot be read is left out, and the export says so at its end: json in `partial`
 *          and `damage`; ndjson in a last line {"partial":"damage",...}, which only an export that is
 *          not whole has; csv has no place for it, whoever transports it must tell by result->partial.
 *
 * Life:    the request and the snapshot must outlive the export, which holds no other reference.
 * Thread:  step: one at a time; each may come from another thread, with another engine. take, give_back,
 *          waiting and done: one thread at a time, that of the step or another one meanwhile. The others
 *          while there is no step.
 * Memory:  EXPORT_BYTES_MAX, an event's own size apart; what was taken is the taker's. What was given
 *          back counts, too: parts not taken have their memory from it.
 * Errors:  of a step: -ECANCELED after engine_cancel, -ENOMEM; nothing but close may follow.
 */
#ifndef QUERY_EXPORT_H
#define QUERY_EXPORT_H

#include "proto/wire/columns.h"
#include "query/engine.h"

enum {
	/* A part is handed out when it has so many bytes. */
	EXPORT_PART_BYTES = 512 << 10,
	EXPORT_PIECES_MAX = 8,
	/* Pieces of work that are planned at once; up to EXPORT_PIECES_MAX of them have text. */
	EXPORT_PLANNED_MAX = 2 * EXPORT_PIECES_MAX,
	/* A step of which parts are taken makes at most so many times as many as it may leave. */
	EXPORT_STEP_TURNS = 8,
	EXPORT_PAGE_ROWS = 16384,
	/* Parts not taken, and the rows and texts that are being put in order. */
	EXPORT_BYTES_MAX = 12 << 20,
};

enum export_format { EXPORT_NDJSON, EXPORT_JSON, EXPORT_CSV };

struct export_request {
	struct engine_request base;
	enum export_format format;
	uint64_t limit;         /* events at most; 0: all */
	struct columns columns; /* none: all */
	enum engine_order order;
	unsigned given; /* private */
};

void export_request_init(struct export_request *req);
void export_request_fini(struct export_request *req);

/*
 * One parameter by its API name: filters, search, q, range and `after` as engine_param takes them; format
 * (ndjson, json, csv), order (arrival, asc, desc), limit, columns, also spelled fields (names, a comma
 * between; may be given again). Errors as of engine_param.
 */
int export_param(
	struct export_request *req, struct span name, struct span value, struct engine_err *err);
/* The value of `columns`, or of another parameter of that meaning. */
int export_param_columns(
	struct columns *columns, const char *name, struct span value, struct engine_err *err);
int export_request_check(struct export_request *req, struct engine_err *err);

/* "application/x-ndjson" ...; "ndjson" ... Static text. */
const char *export_content_type(enum export_format format);
const char *export_format_name(enum export_format format);

struct export_run;

/* ERR_STALE: take a new snapshot and open again; others: the store cannot be read at all. */
int export_open(struct store_snapshot *snap, const struct export_request *req,
	struct export_run **out, struct diag *d);
void export_close(struct export_run **x);

/*
 * Before the first step: what a step calls when there is a part to take, by any of its threads; it must not
 * wait. False: others wait for the thread, and the step is to end with the parts it has room for.
 */
void export_on_part(struct export_run *x, bool (*on_part)(void *arg), void *arg);
/*
 * Works until `pieces` (1..EXPORT_PIECES_MAX) parts are ready, those of earlier steps among them, some
 * perhaps further on in order than what can be taken; or EXPORT_STEP_TURNS times as many were made; or
 * all is done.
 */
int export_step(struct export_run *x, struct engine *e, unsigned pieces, struct diag *d);
/* The next part into an empty buffer, which is the caller's then. False: there is none so far. */
bool export_take(struct export_run *x, struct buf *out);
/* Parts that can be taken now; the bytes are those of all that are ready. */
size_t export_waiting(struct export_run *x, size_t *out_bytes);
/*
 * Memory of a part that was taken and is read: a later part is written into it. The export keeps it or
 * frees it; the buffer is left empty.
 */
void export_give_back(struct export_run *x, struct buf *part);
/* Everything was taken. */
bool export_done(struct export_run *x);

/* Events written so far, costs and damage; `partial` is right once it is done. Lives as long as x. */
const struct engine_result *export_result(const struct export_run *x);

#endif
