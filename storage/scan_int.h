/*
 * scan_int - the inside of a scan, for scan*.c and their tests.
 *
 * The tree of a scan is kept as nodes, parents before children. scan_plan makes the list of units;
 * scan_prune says of each node in which blocks of a segment it may hold and in which it holds for all
 * rows, without reading a page; scan_match decides the rest of a block on codes and columns, test by
 * test (scan_test*); scan_fetch makes events of the rows.
 */
#ifndef STORAGE_SCAN_INT_H
#define STORAGE_SCAN_INT_H

#include <stdatomic.h>

#include "proto/base/needle.h"
#include "storage/block_reader.h"
#include "storage/match_kernel.h"
#include "storage/scan.h"
#include "storage/sidx_set.h"

/* What is left to decide of a unit. */
enum {
	SCAN_COND_ID = 1 << 0,
	SCAN_COND_TIME = 1 << 1,
	SCAN_COND_WHERE = 1 << 2,
	/* Some of the unit's rows were deleted: those are left out (storage/redact.h). */
	SCAN_COND_SHOWN = 1 << 3,
};

enum {
	/* What is known of nodes and blocks, of all segments: beyond it blocks are asked themselves. */
	SCAN_BITS_BYTES = 4 << 20,
	/* What tests say of dictionaries, in one scratch: beyond it, anew for each block. */
	SCAN_VERDICT_BYTES = 8 << 20,
	/* Rows of which values are looked at together. */
	SCAN_SOME = 256,
	/* With less than one row in so many left, numbers are asked for one by one. */
	SCAN_FEW = 8,
	/* Rows under way in a tree: two for each level, and what one test needs. */
	SCAN_SPARE = 2 * LIMIT_EXPR_DEPTH + 4,
};

/* An entity or a user is in few blocks, which a sidecar knows, and in few rows of them. */
static inline bool scan_is_key(const struct expr *x)
{
	return x->kind == EXPR_TEST && x->test == EXPR_TEST_IN && !x->negate &&
	       x->field.kind == EXPR_FIELD_TEXT &&
	       (x->field.text == EVENT_TEXT_ENTITY_ID || x->field.text == EVENT_TEXT_USER_ID);
}

struct scan_node {
	const struct expr *expr;
	uint32_t end;          /* behind its descendants, which stand from the next one on */
	struct needle literal; /* of an EXPR_TEST_REGEX: lent by the tree; n 0: none */
};

struct scan_segment {
	const struct seg_reader *reader;
	size_t snapshot_idx;
	/* Of each node a bit a block, bits_words words. NULL: nothing is known. */
	uint32_t bits_words;
	uint64_t *may; /* some row may match */
	uint64_t *all; /* every row matches */
};

struct scan_piece {
	struct scan_unit unit; /* first: what the caller sees */
	uint32_t conds;        /* still open */
	bool counted;          /* `count` is exact */
	uint64_t count;
	bool journal;
	uint32_t segment; /* index in segments; of a journal batch: its number in the snapshot */
	uint32_t block;
	_Atomic bool touched; /* a page of it was read: for the statistics */
};

struct scan {
	struct store_snapshot *snap; /* NULL: made of readers alone */
	uint64_t serial;             /* tells scans apart in a scratch */
	struct scan_spec spec;
	struct scan_node *nodes; /* nodes[0] is the root */
	uint32_t nodes_count;    /* 0: no condition */
	uint32_t tests_count;
	bool asks_sidecars;
	bool asks_bounds; /* blocks may be ruled out by time or id */
	/* The value that every row which matches has; p NULL: it is not told. */
	struct span told[EVENT_TEXT_COUNT];
	struct expr_scratch *expr; /* for scan_prune, while the scan is opened */
	size_t bits_bytes;
	struct scan_segment *segments;
	size_t segments_count;
	struct scan_piece *pieces;
	size_t pieces_count;
	size_t pieces_cap;
};

/* What one test says of the entries of a dictionary, its negation included. */
struct scan_verdict {
	uint64_t scan_serial; /* 0: of no scan */
	uint64_t dict_serial;
	const struct expr *test;
	uint32_t wanted_count;
	uint16_t wanted_code; /* when it is the only one */
	uint32_t count;       /* of codes */
	uint32_t cap;
	uint8_t *wanted; /* by code: 0, 1 */
};

struct scan_scratch {
	struct block_reader *block;    /* where it works: one of the pool, or its own */
	struct block_reader *pooled;   /* NULL: none is out */
	struct block_reader *own;      /* for want of memory */
	struct block_reader_work work; /* what the one of the pool left behind meanwhile */
	struct expr_scratch *expr;
	uint64_t scan_serial;          /* whose use expr was reset for */
	struct scan_verdict *verdicts; /* by test */
	uint32_t verdicts_count;
	size_t verdicts_bytes;
	struct scan_verdict shared;     /* of a test that has no room of its own */
	struct col_map_cell *cells;     /* entries of a path; NULL: not needed yet */
	struct scan_values_mem *values; /* NULL: not asked for any yet */
	struct buf batch;
	struct buf bytes;                  /* values that were asked for, a chunk */
	struct buf fetched[SEG_COL_BYTES]; /* the same of each column of the rows fetched last */
	struct buf json;                   /* metadata of these rows as text */
	uint8_t *spare[SCAN_SPARE];        /* rows under way; NULL: not needed yet */
	uint32_t spare_used;
	uint8_t match[LIMIT_BLOCK_ROWS];
	uint32_t rows[LIMIT_BLOCK_ROWS];
	uint32_t open[LIMIT_BLOCK_ROWS]; /* rows asked by their maps */
	struct span spans[LIMIT_BLOCK_ROWS];
	struct scan_hit hits[LIMIT_BLOCK_ROWS];
};

/* What works on one unit carries along. */
struct scan_work {
	const struct scan *scan;
	struct scan_piece *piece;
	struct scan_scratch *scratch;
	struct scan_stats *stats;
	struct diag *d;
	const struct seg_reader *reader; /* NULL for a journal batch */
	uint32_t rows_count;
};

/* A scan of segments alone, in that order; the readers must outlive it. For tests. */
int scan_open_readers(const struct seg_reader *const *readers, size_t count,
	const struct scan_spec *spec, struct scan **out, struct scan_stats *stats, struct diag *d);

/* ---- scan_plan ---- */

int scan_plan_init(struct scan *s, const struct scan_spec *spec);
/* Adds the units of a segment that may hold a match. SCAN_COLD. */
int scan_plan_segment(struct scan *s, const struct seg_reader *r, size_t snapshot_idx,
	struct scan_stats *stats, struct diag *d);
int scan_plan_batch(struct scan *s, size_t snapshot_idx, struct diag *d);
/* Whether bounds of time and id leave any match possible. */
bool scan_plan_overlaps(const struct scan *s, int64_t time_min_ns, int64_t time_max_ns,
	uint64_t id_min, uint64_t id_max);

/* ---- scan_prune ---- */

/* One segment while it is planned. */
struct scan_prune {
	const struct scan *scan;
	const struct scan_segment *segment;
	const struct seg_reader *reader;
	struct scan_stats *stats;
	uint32_t blocks_count;
	uint32_t words;
	uint64_t *may;
	uint64_t *all;
	uint32_t **
		rows; /* by node: of a test, rows of each block that hold, negation aside; or NULL */
	/* Entity types that stand beside the test of entity ids that is being asked; NULL: any. */
	const struct textset *types;
	bool cold; /* a page of a sidecar was needed that must not be read (scan_warm.c) */
};

static inline bool scan_prune_bit(const uint64_t *bits, uint32_t block)
{
	return bits[block / 64] >> block % 64 & 1;
}

/* may and all of each node in the blocks of `wanted`; scan->nodes_count > 0. -ENOMEM. */
int scan_prune_init(struct scan_prune *p, const struct scan *s, const struct scan_segment *segment,
	const uint64_t *wanted, struct scan_stats *stats);
void scan_prune_fini(struct scan_prune *p);
/* Rows of the block for which the node holds, if that is known. */
bool scan_prune_count(
	const struct scan_prune *p, uint32_t node, uint32_t block, uint64_t *out_count);

/* ---- scan_prune_test ---- */

/* The same of one test: in the blocks of `wanted`. */
int scan_prune_test(struct scan_prune *p, uint32_t node, const uint64_t *wanted);
/* The test alone says whether a sidecar is worth opening. */
bool scan_prune_test_asks(const struct expr *test);
/* Rows of the block for which the test holds, negation aside. */
bool scan_prune_test_count(
	const struct scan_prune *p, uint32_t node, uint32_t block, uint64_t *out_count);

/* ---- scan_column ---- */

/* The work's block in a reader of the pool, and its pages in the statistics. NULL: a journal batch. */
struct block_reader *scan_column_enter(struct scan_work *w);
/* Gives the reader back. */
void scan_column_leave(struct scan_scratch *s);
/* What the node's test, of a field with a dictionary, says of the codes of the block's segment. */
int scan_column_verdict(struct scan_work *w, uint32_t node, const struct scan_verdict **out);
/* The rows of a journal batch. */
int scan_column_batch(struct scan_work *w, struct span *out);

/* ---- scan_match ---- */

/* Sets scratch->match for each row of a block; their number. */
int scan_match_block(struct scan_work *w, uint32_t *out_count);
/* What scan_prune decided of a node in this block. */
bool scan_match_nowhere(const struct scan_work *w, uint32_t node);
bool scan_match_everywhere(const struct scan_work *w, uint32_t node);
/* Memory for a byte a row; to be given back in the opposite order. NULL: out of memory. */
uint8_t *scan_match_take(struct scan_work *w);
void scan_match_give(struct scan_work *w);

/* ---- scan_some ---- */

/*
 * Sets scratch->rows to those of a block that match, at most SCAN_SOME, without going through its rows;
 * their number. 1: no test of the tree names them; ask scan_match_block.
 */
int scan_some_block(struct scan_work *w, uint32_t *out_count);
/* How many these may be, if the block is open and that answers; else UINT32_MAX. */
uint32_t scan_some_count(const struct scan *s, struct scan_piece *p);

/* ---- scan_warm ---- */

/* Of a scan of what is warm alone: whether its tree, a segment's sidecars and its units are. */
bool scan_warm_tree(const struct scan *s);
bool scan_warm_sidecars(const struct scan *s, const struct seg_reader *r);
bool scan_warm_pieces(const struct scan *s);

/* ---- scan_test, scan_test_text, scan_test_meta ---- */

/* Of the rows of match, `left` in number, those stay for which the node's test holds. */
int scan_test_keep(struct scan_work *w, uint32_t node, uint8_t *match, uint32_t left);
/* Whether the node's test, not of metadata, holds for each of these rows, at most SCAN_SOME. */
int scan_test_rows(
	struct scan_work *w, uint32_t node, const uint32_t *rows, uint32_t count, uint8_t *holds);
/* The cheaper a test, the smaller; of the block entered. */
int scan_test_cost(struct scan_work *w, uint32_t node, unsigned *out_cost);
/* The same for a text field that is no column of codes, and for metadata; negation aside. */
int scan_test_text_keep(struct scan_work *w, uint32_t node, uint8_t *match);
int scan_test_text_rows(struct scan_work *w, const struct expr *t, const uint32_t *rows,
	uint32_t count, uint8_t *holds);
int scan_test_meta_keep(struct scan_work *w, uint32_t node, uint8_t *match);

/* The column of a field of numbers. */
int scan_test_column(enum expr_field_kind kind);

/* ---- scan_meta ---- */

/* A value of a path's column, whose bytes are in the buffer, which `out` may point into. */
void scan_meta_cell(const struct col_map_cell *x, const struct buf *bytes, struct expr_cell *out);

/* ---- scan_values ---- */

void scan_values_free(struct scan_values_mem **m);

/* ---- scan_select ---- */

/* Sets scratch->hits to those of a journal batch; their number. */
int scan_select_journal(struct scan_work *w, size_t *out_count);
/* scan_match_block, with what regular expressions gave up counted. */
int scan_select_block(struct scan_work *w, uint32_t *out_count);

struct scan_work scan_select_work(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	struct scan_stats *stats, struct diag *d);

#endif
