/*
 * export_int - the inside of an export: pieces of work in order, and the lanes that do them.
 *
 * A piece is a run of rows whose text stands together: matching rows of a unit, or of several where each
 * has few, or hits of a page of units that overlap. Pieces are planned in order (export_plan.c), done by
 * two lanes in any order (export_step.c, export_lane.c), handed out in order (export.c). A piece that fills
 * its buffer before it is done goes on when that was taken; what stands behind it waits.
 *
 * Thread: the lock holds whatever a struct says nothing else about. A piece that runs is its lane's, but for
 *         its state and what it has promised.
 */
#ifndef QUERY_EXPORT_INT_H
#define QUERY_EXPORT_INT_H

#include <pthread.h>

#include "proto/wire/json_out.h"
#include "query/engine_int.h"
#include "query/exec.h"
#include "query/export.h"
#include "query/heap.h"
#include "query/plan.h"

enum export_piece_state {
	EXPORT_PIECE_WAITS, /* for a lane */
	EXPORT_PIECE_RUNS,
	EXPORT_PIECE_FULL, /* its text is to be taken, then it waits again */
	EXPORT_PIECE_DONE, /* its text is to be taken, if there is any */
};

struct export_piece {
	enum export_piece_state state;
	uint64_t promised; /* rows it may write yet, when it was looked at last */
	bool of_page;      /* hits [at, to) of the page */
	size_t unit; /* else matching rows of the units [unit, unit_end) of the plan, of the first */
	size_t unit_end; /* one from position `at` of the order asked for, of a single one up to `to` */
	size_t at, to;
	uint64_t most; /* rows it may write yet */
	bool done;
	struct buf text;
	/* Of the lane's work since its outcome was gathered. */
	int rc;
	uint64_t rows;          /* written */
	uint64_t looked, found; /* rows of the units looked through, and matching ones among them */
	struct scan_stats stats;
	struct exec_damage damage;
};

struct export_run {
	/* Set by open. */
	uint64_t number; /* from 1 on: no other run of this process has it */
	struct store_snapshot *snap;
	const struct export_request *req;
	struct plan plan;
	uint32_t wanted; /* SCAN_FETCH_*: what of an event is written */
	int64_t began_ns;
	bool (*on_part)(void *arg);
	void *on_part_arg;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* a piece or a place for one */
	bool failed, done;
	/* Who takes alone looks at these. */
	bool head_due, first_row_due, tail_due;
	/* Work under way: a ring. */
	struct export_piece pieces[EXPORT_PLANNED_MAX];
	size_t pieces_first, pieces_count;
	struct buf stock[EXPORT_PIECES_MAX]; /* given back; empty */
	size_t stock_count;
	/* What is next to be planned. */
	size_t unit;     /* first unit of the plan that no piece has */
	size_t unit_at;  /* rows of it that earlier pieces have */
	size_t page_end; /* of the units that overlap; 0: none are under way */
	struct plan page_plan;
	struct heap page; /* hits, sorted; it stays as it is while there are pieces of it */
	size_t page_at;
	bool page_last;
	/* Experience, from which pieces are cut. */
	uint64_t looked, found, written, written_bytes;
	struct engine_result result;
};

/* Of the pieces in order, from 0 on. */
struct export_piece *export_piece_at(struct export_run *x, size_t i);
/* Its text is there, and no lane has it. */
bool export_piece_is_ready(const struct export_piece *p);
/* Pieces at the front that are done and have no text leave. */
void export_drop_finished(struct export_run *x);
void export_add_damage(struct export_run *x, const struct exec_damage *damage);

enum export_planned {
	EXPORT_PLANNED_PIECE,
	EXPORT_PLANNED_WAIT, /* until pieces are done, or taken */
	EXPORT_PLANNED_PAGE, /* export_plan_page is next, with no piece under way */
	EXPORT_PLANNED_END,
};

/* Adds a piece, if there can be one. */
enum export_planned export_plan_next(struct export_run *x);
/* The next page of the units that overlap. Errors as of exec_run, and -ECANCELED. */
int export_plan_page(struct export_run *x, struct engine *e, struct diag *d);
bool export_limit_reached(const struct export_run *x);
/* Nothing is left to be planned. */
bool export_planned_all(const struct export_run *x);

/* Text of one event as the request wants it. Negative: as json_out_event. */
int export_put_event(const struct export_run *x, const struct event *ev, struct json_out_memo *memo,
	struct buf *out);
void export_put_head(const struct export_run *x, struct buf *out);
void export_put_tail(const struct export_run *x, struct buf *out);

/* NULL: out of memory. */
struct export_lane *export_lane_new(void);
void export_lane_free(struct export_lane **l);
/* Works on the piece until it is done or its text is long enough; the outcome is in the piece. */
void export_lane_run(struct export_lane *l, const struct export_run *x, struct export_piece *p,
	struct scan_scratch *scratch, const atomic_bool *cancel);
/* The unit that the piece begins with is the one the lane has at hand. */
bool export_lane_has(
	const struct export_lane *l, const struct export_run *x, const struct export_piece *p);

#endif
