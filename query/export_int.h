/*
 * export_int - the inside of an export: pieces of work in order, and the lanes that do them.
 *
 * A piece is a run of rows whose text stands together: matching rows of a unit, or of several where each
 * has few, or hits of a page of units that overlap. Pieces are planned in order (export.c), done by two
 * lanes in any order (export_lane.c), handed out in order. A piece that fills its buffer before it is
 * done goes on in the next step; what stands behind it waits.
 */
#ifndef QUERY_EXPORT_INT_H
#define QUERY_EXPORT_INT_H

#include "proto/wire/json_out.h"
#include "query/engine_int.h"
#include "query/exec.h"
#include "query/export.h"
#include "query/heap.h"
#include "query/plan.h"

struct export_piece {
	bool of_page; /* hits [at, to) of the page */
	size_t unit; /* else matching rows of the units [unit, unit_end) of the plan, of the first */
	size_t unit_end; /* one from position `at` of the order asked for, of a single one up to `to` */
	size_t at, to;
	uint64_t most; /* rows it may write yet */
	bool done;
	struct buf text;
	/* Of the lane's work since gather looked at them. */
	int rc;
	uint64_t rows;          /* written */
	uint64_t looked, found; /* rows of the units looked through, and matching ones among them */
	struct scan_stats stats;
	struct exec_damage damage;
};

struct export_run {
	uint64_t number; /* from 1 on: no other run of this process has it */
	struct store_snapshot *snap;
	const struct export_request *req;
	struct plan plan;
	uint32_t wanted; /* SCAN_FETCH_*: what of an event is written */
	int64_t began_ns;
	bool head_due, first_row_due, tail_due, done;
	/* Work handed to lanes: pieces[0] stands first. */
	struct export_piece pieces[EXPORT_PIECES_MAX];
	size_t pieces_count;
	struct buf stock[EXPORT_PIECES_MAX]; /* given back; empty */
	size_t stock_count;
	/* What is next to be planned. */
	size_t unit;     /* first unit of the plan that no piece has */
	size_t unit_at;  /* rows of it that earlier pieces have */
	size_t page_end; /* of the units that overlap; 0: none are under way */
	struct plan page_plan;
	struct heap page; /* hits, sorted */
	size_t page_at;
	bool page_last;
	/* Experience, from which pieces are cut. */
	uint64_t looked, found, written, written_bytes;
	struct engine_result result;
};

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

#endif
