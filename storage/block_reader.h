/*
 * block_reader - the columns of one block of a segment: opened when they are first asked for, and kept
 * open until another block is entered. What scans, sidecars and readers of whole blocks read with.
 *
 * A column is asked by its kind (block_reader_kind):
 *   ints   block_reader_ints, _ints_at
 *   codes  block_reader_codes, _codes_at, and the dictionary: block_reader_dict
 *   text   block_reader_text: a page of col_text.h
 *   map    block_reader_map: a page of col_map.h
 *   bytes  block_reader_bytes: a page of col_bytes.h, of older segments
 * or, whatever its kind, for the values of some rows or of all: block_reader_get, _all.
 *
 * A page of text may refer to other columns of its row, those before it in block_rank's order; these
 * are opened with it.
 *
 * Life:    new, then enter and ask, any number of times; free. Spans and pointers live until the next
 *          enter of another block. The seg_reader must live while its block is entered.
 * Thread:  one at a time; a seg_reader serves many.
 * Memory:  BLOCK_READER_BYTES_MAX at most, whatever pages claim; mostly some hundred KiB. Kept.
 * Errors:  ERR_CORRUPT names file, offset, block and column of the page to blame, which may be one that
 *          the column refers to; -ENOMEM.
 */
#ifndef STORAGE_BLOCK_READER_H
#define STORAGE_BLOCK_READER_H

#include <stdint.h>

#include "storage/block.h"
#include "storage/col.h"
#include "storage/col_bytes.h"
#include "storage/col_dict.h"
#include "storage/col_map.h"
#include "storage/col_text.h"
#include "storage/seg_reader.h"

enum {
	BLOCK_READER_BYTES_MAX = 320 << 20,
	/* That block_reader_equal_rows gives, at most. */
	BLOCK_READER_EQUAL_ROWS = 256,
	/* Rows of a part of codes. */
	BLOCK_READER_PART_ROWS = COL_TEXT_KEY_ROWS,
};

struct block_reader;

struct block_reader *block_reader_new(void);
void block_reader_free(struct block_reader **b);

/* Called with each page of a block, and each dictionary, when it is first asked for. For statistics. */
void block_reader_watch(
	struct block_reader *b, void (*page_cb)(void *ctx, const struct seg_page *page), void *ctx);
/* Another query begins: all pages count as never asked for, whether they are open or not. */
void block_reader_recount(struct block_reader *b);

/* Turns to that block; nothing happens if it is the one entered last. */
void block_reader_enter(struct block_reader *b, const struct seg_reader *seg, uint32_t block);

bool block_reader_is_at(const struct block_reader *b, const struct seg_reader *seg, uint32_t block);

int block_reader_kind(struct block_reader *b, int col, enum col_kind *out, struct diag *d);

/* Memory that questions work in, which many readers may have in turn. */
struct block_reader_work {
	struct arena lent;
	struct arena hand;
	struct buf bytes;
	struct col_text_value *places;
	size_t places_cap;
};

void block_reader_work_init(struct block_reader_work *w);
void block_reader_work_fini(struct block_reader_work *w);
/* Changes its memory for that one; between two questions. */
void block_reader_swap(struct block_reader *b, struct block_reader_work *w);

/* What it holds of the heap; and of that, what blocks before have left and this one has no use for. */
size_t block_reader_held(const struct block_reader *b);
size_t block_reader_spare(const struct block_reader *b);
/* Gives that back. */
void block_reader_trim(struct block_reader *b);

/* Gives back what the block took, but not the dictionaries; enter again before any question. */
void block_reader_leave(struct block_reader *b);

/* The whole column; checked as seg_decode_ints does. */
int block_reader_ints(struct block_reader *b, int col, const int64_t **out, struct diag *d);
/* The same into memory of the caller. times: those of the block if at hand, or NULL. */
int block_reader_ints_into(
	struct block_reader *b, int col, const int64_t *times, int64_t *out, struct diag *d);
/* Of count rows, rising; of few rows it decodes little. */
int block_reader_ints_at(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	int64_t *out, struct diag *d);

/* Codes are not greater than the dictionary's count. */
int block_reader_codes(struct block_reader *b, int col, const uint16_t **out, struct diag *d);
/*
 * The codes from row `first` to the end of its part, whose rows begin at a multiple of
 * BLOCK_READER_PART_ROWS: of a stream little else is decoded.
 */
int block_reader_codes_part(
	struct block_reader *b, int col, uint32_t first, const uint16_t **out, struct diag *d);
int block_reader_codes_at(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	uint16_t *out, struct diag *d);
/*
 * The rows that have a code, rising. They are found once and kept with the block until another one is entered,
 * two bytes each; so are labels of text that were asked for, four bytes each.
 */
struct block_list {
	struct block_list *next; /* private */
	const uint16_t *rows;
	uint32_t count;
	uint16_t code;
};
int block_reader_list(struct block_reader *b, int col, uint16_t code, const struct block_list **out,
	struct diag *d);
/* Labels of a list's rows in a column of text. BLOCK_READER_LABELS_NOT (1): as COL_TEXT_LABELS_NOT. */
enum { BLOCK_READER_LABELS_NOT = 1 };
int block_reader_list_labels(struct block_reader *b, const struct block_list *list, int col,
	const uint32_t **out, const struct col_text_labels **labels, struct diag *d);

/*
 * The segment's dictionary of the column: empty where it has none. A value may be looked at after
 * _need of its code; code 0: of all. It is kept for the next block of the same segment; *out_serial,
 * if not NULL, is the same number for the same dictionary alone.
 */
int block_reader_dict(struct block_reader *b, int col, struct col_dict **out, uint64_t *out_serial,
	struct diag *d);
int block_reader_dict_need(struct block_reader *b, int col, unsigned code, struct diag *d);

/* An open page of text, for one question: values of other columns that it asks for live until the next call. */
int block_reader_text(struct block_reader *b, int col, struct col_text **out, struct diag *d);
/* Of a page of text, as col_text_equal. */
int block_reader_equal(
	struct block_reader *b, int col, const struct textset *set, uint8_t *match, struct diag *d);
/* The rows, rising, if block_reader_equal was asked so often that there is an index. 1: ask that. */
int block_reader_equal_rows(struct block_reader *b, int col, const struct textset *set,
	uint32_t *rows, uint32_t *out_count, struct diag *d);
/* How many that may be, at a glance; UINT32_MAX: there is no index. */
uint32_t block_reader_equal_count(const struct block_reader *b, int col, const struct textset *set);
int block_reader_map(struct block_reader *b, struct col_map **out, struct diag *d);
/* *out_lengths: of all rows, 0 absent, else bytes + 1. */
int block_reader_bytes(struct block_reader *b, int col, const struct col_bytes **out,
	const uint32_t **out_lengths, struct diag *d);

/*
 * Values of count rows, rising, of any column that is not of integers. Bytes that do not stand still
 * elsewhere are appended to bytes, whose memory the spans may point into: a later call with the same
 * buffer may move them, reset it first.
 */
int block_reader_get(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	struct buf *bytes, struct span *out, struct diag *d);
/*
 * The same of metadata as JSON text (json_out.h). BLOCK_READER_JSON_NOT (1): the block keeps it otherwise,
 * and block_reader_get gives it as it is. -ENOMEM where the text does not fit bytes, too.
 */
enum { BLOCK_READER_JSON_NOT = 1 };
int block_reader_get_json(struct block_reader *b, const uint32_t *rows, size_t count,
	struct buf *bytes, struct span *out, struct diag *d);
/*
 * Values at hand: whoever reads several columns of the same rows says what they have given, and columns
 * that refer to these take it from there. hold: of these rows, rising, so far of no column; rows NULL:
 * nothing is at hand. hold_col: the first value, each other one stride bytes behind the one before.
 * All of it is read until the next hold, which must come before any of it is gone.
 */
void block_reader_hold(struct block_reader *b, const uint32_t *rows, size_t count, size_t stride);
void block_reader_hold_col(struct block_reader *b, int col, const struct span *first);
/* The whole column into the text of a prepared block (block_prepare). */
int block_reader_all(struct block_reader *b, int col, struct block *into, struct diag *d);

/* For whoever found a page's values to be wrong: fills the diag, returns rc. */
int block_reader_fail(struct block_reader *b, int col, int rc, struct diag *d);

#endif
