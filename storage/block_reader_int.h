/*
 * block_reader_int - the inside of a block_reader, for block_reader*.c alone.
 */
#ifndef STORAGE_BLOCK_READER_INT_H
#define STORAGE_BLOCK_READER_INT_H

#include <stdbool.h>

#include "proto/base/arena.h"
#include "storage/block_reader.h"
#include "storage/col_stream.h"

enum {
	/* Tables of open pages; values of columns that others refer to. */
	BLOCK_READER_TABLES_MAX = COL_MAP_MEMORY_MAX + (48 << 20),
	BLOCK_READER_LENT_MAX = 2 * COL_TEXT_RAW_MAX + (16 << 20),
	BLOCK_READER_HAND_MAX = COL_MAP_MEMORY_MAX,
	/* Of each of these two, what the next question is left. */
	BLOCK_READER_KEEP_BYTES = 1 << 20,
	BLOCK_READER_SOME = 256,
	/* Asked for one row in so many, a column is decoded whole; integers, which take most room then. */
	BLOCK_READER_MANY = 8,
	BLOCK_READER_MANY_INTS = 2,
	BLOCK_READER_PARTS = LIMIT_BLOCK_ROWS / BLOCK_READER_PART_ROWS,
};

struct block_index;

/* What is open of one column of the block athand. */
struct block_column {
	bool open;    /* the page was checked and unwrapped */
	bool counted; /* page_cb knows of it */
	bool stream_open;
	bool ints_ready;
	bool codes_ready;
	struct block_list *lists;    /* of codes, that were asked for */
	struct block_labels *labels; /* of text, the same, by list */
	uint16_t **parts; /* of a stream of codes: those that were asked for alone; NULL: none */
	bool text_open;
	uint8_t encoding;
	enum col_kind kind;
	uint32_t asked; /* rows it was asked for, one by one */
	struct span page;
	struct col_stream stream;
	struct col_text text;
	struct col_map *map;
	struct col_bytes *bytes;
	uint32_t *lengths; /* of bytes */
	/* The whole column of text, for those that refer to it; NULL: not yet. */
	const struct col_text_value *all;
	const uint8_t *all_bytes;
	struct block_index *index; /* block_reader_equal.c; NULL: not asked often enough */
	uint8_t questions;         /* of equality */
};

/* Memory by column that outlives blocks. */
struct block_arrays {
	int64_t *ints;
	uint16_t *codes;
	uint32_t ints_cap, codes_cap; /* rows that they have room for */
};

struct block_dict {
	bool loaded;
	bool counted;
	struct col_dict *dict; /* NULL: never asked for */
};

/* Values that the caller has at hand (block_reader_hold). */
struct block_hand {
	const uint32_t *rows; /* NULL: none */
	size_t count;
	size_t stride;
	const struct span *cols[SEG_COL_COUNT]; /* NULL: not of that column */
};

/* Private to block_pool, under its lock. */
struct block_reader_pooled {
	struct block_reader *prev, *next, *chain;
	size_t bytes;
	uint64_t seg_serial; /* of one that is out */
	uint32_t heat_at;    /* of an idle one */
	bool stale;          /* its segment was closed while it was out */
	bool passing;        /* it goes before any other */
};

struct block_reader {
	struct block_reader_pooled pooled;
	const struct seg_reader *seg;
	uint64_t seg_serial; /* 0: none entered */
	uint32_t block;
	uint32_t rows_count;
	bool entered;
	struct block_column cols[SEG_COL_COUNT];
	struct block_arrays arrays[SEG_COL_COUNT];
	struct block_dict dicts[SEG_COL_BYTES];
	struct arena tables; /* of the block */
	/*
	 * Of the question at hand: values of other columns and what searches need (lent); what maps
	 * are read in (hand), until the hold ends where there is one; values on their way.
	 */
	struct block_reader_work work;
	struct block_hand hand;
	struct col_text_env env;
	struct diag inner; /* of a column that another asked; code 0: none */
	void (*page_cb)(void *ctx, const struct seg_page *page);
	void *page_ctx;
};

/* The page checked, unwrapped, and its kind known. */
int block_reader_open(struct block_reader *b, int col, struct block_column **out, struct diag *d);
/* Counts the rows a column is asked for; true: from now on, better the whole column. */
static inline bool block_reader_prefers_whole(
	const struct block_reader *b, struct block_column *c, size_t count)
{
	uint32_t most = b->rows_count /
			(c->kind == COL_KIND_INTS ? BLOCK_READER_MANY_INTS : BLOCK_READER_MANY);

	if (c->asked < most && count < most)
		c->asked += (uint32_t)count;
	else
		c->asked = most;
	return c->asked >= most;
}

/* A row's value of a column that is there as a whole. */
static inline struct span block_reader_whole(const struct block_column *c, uint32_t row)
{
	struct col_text_value v = c->all[row];

	return v.length ? span_of(c->all_bytes + v.off, v.length - 1) : SPAN_NONE;
}

/* Memory that maps are read in is given back. */
static inline void block_reader_let_go(struct block_reader *b)
{
	if (b->cols[SEG_COL_METADATA].map)
		col_map_let_go(b->cols[SEG_COL_METADATA].map);
	arena_reset(&b->work.hand);
	if (arena_held(&b->work.hand) > BLOCK_READER_KEEP_BYTES)
		arena_trim(&b->work.hand);
}

/* What was lent for the question before is given back. */
static inline void block_reader_begin(struct block_reader *b)
{
	arena_reset(&b->work.lent);
	if (arena_held(&b->work.lent) > BLOCK_READER_KEEP_BYTES)
		arena_trim(&b->work.lent);
	if (!b->hand.rows)
		block_reader_let_go(b);
	b->inner.code = 0;
}

/* Codes of rows first .. to memory of the caller, checked. */
int block_reader_codes_to(struct block_reader *b, int col, uint32_t first, uint32_t count,
	uint16_t *out, struct diag *d);
/* Room for count places. */
int block_reader_places(struct block_reader *b, size_t count);
/* As block_reader_get, without beginning a new question. */
int block_reader_values(struct block_reader *b, int col, const uint32_t *rows, size_t count,
	struct buf *bytes, struct span *out, struct diag *d);
/* The page of text, without beginning a new question. */
int block_reader_open_text(
	struct block_reader *b, int col, struct block_column **out, struct diag *d);
/* As block_reader_map, without beginning a new question. */
int block_reader_open_map(struct block_reader *b, struct col_map **out, struct diag *d);
/* Values of other columns, for pages of text (block_reader_env.c). */
void block_reader_env_init(struct block_reader *b);
/* Whether a page of that column may refer to these: all are of a lower rank. */
bool block_reader_env_allows(int text, unsigned sources, unsigned keys, bool leaves);

#endif
