/*
 * block - the rows of one block as columns in memory: what a writer fills and encodes, and what a
 * reader that wants whole blocks decodes into.
 *
 * A text column holds its values in one of two ways. Coded: each row has a code into the dictionary
 * of the column, which belongs to the whole segment; a value that recurs is looked up and not copied.
 * Plain: the bytes of the rows one after another. A writer begins the columns of few values coded and
 * gives a column up for the rest of the segment once its values turn out to be many.
 *
 * Life:    new, then put... and encode, or seg_reader_rows; reset and use again; begin_segment before
 *          the first row of another segment; free.
 * Thread:  one at a time.
 * Memory:  grows with its rows, to BLOCK_BYTES_MAX of values that are not coded at most, and the
 *          dictionaries; reset keeps it.
 * Errors:  -ENOMEM leaves the block as it was.
 */
#ifndef STORAGE_BLOCK_H
#define STORAGE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "proto/wire/event.h"
#include "storage/col_dict.h"
#include "storage/seg_layout.h"

enum {
	/* A block takes no more rows (BLOCK_FULL) once its plain values have so many bytes. */
	BLOCK_BYTES_MAX = LIMIT_BLOCK_BYTES + LIMIT_EVENT_BYTES,
	BLOCK_FULL = 1,
	/* Where the metadata stand among the bytes columns: behind the texts of enum event_text. */
	BLOCK_METADATA = EVENT_TEXT_COUNT,
};

/* One bytes column. */
struct block_text {
	bool coded;
	/* Coded: by row 0 absent, else 1 + place in the dictionary; where the entries are. */
	uint16_t *codes;
	const uint8_t *entries;
	const uint32_t *entry_offs;
	/* Plain: by row 0 absent, else bytes + 1; where the bytes begin; all of them. */
	uint32_t *lengths;
	uint32_t *offs;
	struct buf bytes;
};

/* What a writer needs for a column that it codes, beside the codes. */
struct block_coder {
	struct col_dict_maker dict; /* of the segment so far */
	uint32_t entries_before;    /* of it when the block began */
	uint32_t present_count;     /* rows of the block that have the field */
	size_t bytes_count;         /* that these would take if they were copied */
	bool given_up;
};

struct block_reader;

struct block {
	uint32_t rows_count;
	uint32_t rows_cap;
	uint32_t rows_max;           /* after which it is full */
	size_t bytes_count;          /* in plain columns */
	uint64_t raw_bytes;          /* of all texts and metadata */
	int64_t *ints[SEG_COL_INTS]; /* ids are stored as int64 of the same bits */
	struct block_text texts[SEG_COL_BYTES];
	struct block_coder *coders;  /* by column; NULL: nothing was ever put */
	struct block_reader *reader; /* that decoded it, and has the dictionaries; NULL: none did */
};

/*
 * The order in which the bytes columns of a block are encoded, and decoded: a page of text may refer to
 * columns of a lower rank alone. Codes first, then what texts repeat, metadata, and last the description.
 */
unsigned block_rank(int text);
/* The column of that rank, 0 .. SEG_COL_BYTES - 1. */
int block_ranked(unsigned rank);

struct block *block_new(void);
void block_free(struct block **b);
void block_reset(struct block *b);
/* Resets, and forgets the dictionaries. rows_max: 0 is LIMIT_BLOCK_ROWS. */
void block_begin_segment(struct block *b, uint32_t rows_max);

/*
 * Copies the event. ERR_LIMIT: its texts and metadata have LIMIT_EVENT_BYTES or more.
 * BLOCK_FULL (1): not taken, encode and reset first.
 */
int block_put(struct block *b, const struct event *ev);
/* The row as an event; its spans live in the block until reset. */
void block_get(const struct block *b, uint32_t row, struct event *out);

/* The value of one bytes column; SPAN_NONE: absent. */
static inline struct span block_text_at(const struct block_text *t, uint32_t row)
{
	if (t->coded) {
		uint32_t code = t->codes[row], off;

		if (code == 0)
			return SPAN_NONE;
		off = t->entry_offs[code - 1];
		return span_of(t->entries + off, t->entry_offs[code] - off);
	}
	if (t->lengths[row] == 0)
		return SPAN_NONE;
	return span_of(t->bytes.p + t->offs[row], t->lengths[row] - 1);
}

/* Room for rows_count rows, all columns empty; for decoders. 0 or -ENOMEM. */
int block_prepare(struct block *b, uint32_t rows_count);
/* Room for the codes, or for the lengths, of a column of a prepared block. 0 or -ENOMEM. */
int block_prepare_coded(struct block *b, int text);
int block_prepare_plain(struct block *b, int text);

#endif
