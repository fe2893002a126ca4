/*
 * col - the encodings of a column's page, all behind one table.
 *
 * A page holds one column of one block. Its values are integers, codes into the segment's
 * dictionary, or bytes; an encoder takes the cheapest encoding of that kind, the page table says
 * which one it was, and the decoder looks it up here. A new encoding is a new number and a line in
 * the table; a number is never used again.
 *
 * Thread:  none of its own.
 * Memory:  decoding writes rows_count values into arrays of the caller and, for bytes, at most
 *          memory() bytes into a buffer. Encoding appends to a buffer.
 * Errors:  decoders take bytes nobody vouches for: ERR_CORRUPT, and what was written is undefined.
 */
#ifndef STORAGE_COL_H
#define STORAGE_COL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

enum col_kind {
	COL_KIND_INTS,  /* int64_t */
	COL_KIND_CODES, /* uint16_t: 0 absent, else 1 + index in the dictionary */
	COL_KIND_BYTES, /* lengths (0 absent, else bytes + 1) and the bytes one after another */
	COL_KIND_TEXT,  /* a page of col_text.h, which is opened and asked, not decoded here */
	COL_KIND_MAP,   /* a page of col_map.h, likewise */
};

/* On disk. */
enum col_encoding {
	/* 1 to 7 were written before there were streams; they are only read. */
	COL_SEQ = 1,          /* ints: first + row * step; a constant has step 0 */
	COL_INT = 2,          /* ints: frames of 128, each its minimum and packed bits */
	COL_DELTA = 3,        /* ints: first value, then frames of differences */
	COL_TIME = 4,         /* ints: a unit all values are multiples of, then as COL_DELTA */
	COL_TIME_REL = 5,     /* ints: as COL_INT, less the row's time */
	COL_CODE_SAME = 6,    /* codes: one for all rows */
	COL_CODES = 7,        /* codes: packed in one width */
	COL_BYTES = 8,        /* bytes: lengths, then chunks of rows, LZ4 where it pays */
	COL_DICT = 9,         /* not a column but its dictionary (col_dict.h) */
	COL_TEXT = 10,        /* a page of col_text.h */
	COL_MAP = 11,         /* a page of col_map.h */
	COL_STREAM = 12,      /* ints: a stream of col_stream.h */
	COL_STREAM_REL = 13,  /* ints: the same, less the row's time */
	COL_CODE_STREAM = 14, /* codes: the same */
	COL_ENCODING_COUNT,
};

struct col_stream_maker;

struct col_input {
	uint32_t rows_count; /* 1 .. LIMIT_BLOCK_ROWS */
	const int64_t *ints;
	const int64_t *times; /* of the same rows; NULL: COL_STREAM_REL does not apply */
	const uint16_t *codes;
	const uint32_t *lengths;
	const uint8_t *bytes;
	int compress_level;             /* 0: LZ4, else LZ4HC */
	struct buf *scratch;            /* NULL, or memory to keep between calls: for COL_BYTES */
	struct col_stream_maker *maker; /* the same, for streams */
};

struct col_output {
	uint32_t rows_count;
	int64_t *ints;
	const int64_t *times;
	uint16_t *codes;
	uint32_t *lengths;
	struct buf *bytes; /* reset first */
};

struct col_codec {
	const char *name;
	enum col_kind kind;
	/* Bytes that encode would write, or a close estimate; SIZE_MAX: does not apply. NULL: not compared. */
	size_t (*cost)(const struct col_input *in);
	/* Appends to out; its sticky error is the error. NULL, as decode: not by way of this table. */
	void (*encode)(const struct col_input *in, struct buf *out);
	int (*decode)(struct span page, struct col_output *out);
	/* Memory that decode takes beside the arrays: from the page's own claim, already bounded. */
	int (*memory)(struct span page, uint32_t rows_count, size_t *out_bytes);
};

/* NULL: no such encoding. */
const struct col_codec *col_codec(unsigned encoding);

/* Appends the column in the cheapest encoding of its kind; returns that encoding. */
enum col_encoding col_encode(enum col_kind kind, const struct col_input *in, struct buf *out);
/* ERR_CORRUPT also where the encoding is unknown or of another kind. */
int col_decode(unsigned encoding, enum col_kind kind, struct span page, struct col_output *out);
/* Whether its values are relative to the times of the rows, which decode then asks for. */
bool col_is_relative(unsigned encoding);

/* ---- the table's members, one file each ---- */

int col_int_seq_decode(struct span page, struct col_output *out);
int col_int_decode(struct span page, struct col_output *out);
int col_int_delta_decode(struct span page, struct col_output *out);

int col_time_decode(struct span page, struct col_output *out);
int col_time_rel_decode(struct span page, struct col_output *out);

int col_dict_same_decode(struct span page, struct col_output *out);
int col_dict_codes_decode(struct span page, struct col_output *out);

size_t col_stream_page_cost(const struct col_input *in);
void col_stream_page_encode(const struct col_input *in, struct buf *out);
int col_stream_page_decode(struct span page, struct col_output *out);
size_t col_stream_page_rel_cost(const struct col_input *in);
void col_stream_page_rel_encode(const struct col_input *in, struct buf *out);
int col_stream_page_rel_decode(struct span page, struct col_output *out);
void col_stream_page_codes_encode(const struct col_input *in, struct buf *out);
int col_stream_page_codes_decode(struct span page, struct col_output *out);
int col_stream_page_memory(struct span page, uint32_t rows_count, size_t *out_bytes);

void col_bytes_encode(const struct col_input *in, struct buf *out);
int col_bytes_decode(struct span page, struct col_output *out);
int col_bytes_memory(struct span page, uint32_t rows_count, size_t *out_bytes);

#endif
