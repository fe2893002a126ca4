/*
 * col_text_shape_int - an open SHAPED page: its templates, and rows rebuilt from them in batches.
 */
#ifndef STORAGE_COL_TEXT_SHAPE_INT_H
#define STORAGE_COL_TEXT_SHAPE_INT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "storage/col_depend.h"
#include "storage/col_stream.h"
#include "storage/col_text_int.h"
#include "storage/col_token.h"

enum {
	/* Rows rebuilt at a time, fewer where their templates are wide. */
	COL_TEXT_BATCH_ROWS = 4096,
	COL_TEXT_BATCH_ROWS_MIN = 16,
	COL_TEXT_BATCH_BYTES = 256 << 10,
	/* Rows between two places from which counting can start. */
	COL_TEXT_STEP_ROWS = 4096,
	COL_TEXT_STEPS_MAX = COL_STREAM_COUNT_MAX / COL_TEXT_STEP_ROWS,
	COL_TEXT_IP6_GROUPS = 8,
	/* Texts of steps and words are copied in pieces of so many bytes; as many may be read behind them. */
	COL_TEXT_PAD = 16,
};

/* How a step's slot is written. */
enum col_text_op {
	COL_TEXT_OP_END, /* there is none */
	COL_TEXT_OP_EMAIL,
	COL_TEXT_OP_COPY,
	COL_TEXT_OP_SPAN, /* a word of metadata */
	COL_TEXT_OP_WORDS,
	COL_TEXT_OP_NUMBER, /* in decimal, without zeroes in front, or up to so many digits */
	COL_TEXT_OP_ZEROES,
	COL_TEXT_OP_TOKEN, /* by its class */
};

struct col_text_stream {
	struct span bytes;
	struct col_stream s;
	struct col_depend *depend; /* KEYED, once it is open */
	bool open;
};

struct col_text_slot {
	uint8_t class;
	uint8_t param;
	uint8_t method; /* 0: EMAIL, COPY */
	uint8_t digits; /* PADDED */
	uint8_t streams_count;
	uint8_t columns_count; /* arrays of a batch: streams, or number or span of a leaf */
	uint32_t stream_idx;
	uint32_t word_idx; /* WORD, WORDS: the first, in the pool */
	uint32_t words_count;
	uint32_t leaf;
	uint8_t key; /* KEYED, and how many keys */
	uint32_t keys_count;
};

/* Text that does not vary, and the slot behind it; slot NULL: the end. */
struct col_text_step {
	struct span text; /* COL_TEXT_PAD bytes behind it may be read */
	const struct col_text_slot *slot;
	uint16_t op;
	uint16_t column; /* the slot's first one among those of the template */
};

struct col_text_template {
	struct span pattern;
	uint32_t rows_count; /* once there are codes */
	uint32_t slot_idx;
	uint16_t slots_count;
	uint16_t emails_count;
	uint16_t columns_count; /* of all slots */
	uint16_t sources;       /* bits */
	bool leaves;
	bool keyed;
	struct col_text_step *steps; /* NULL: not made so far */
	size_t bytes_max;            /* that they write, but for what other columns and pages say */
};

/* What there is before a row: counting goes on from there. */
struct col_text_cursor {
	uint32_t row;
	uint32_t *counts; /* rows of each code; or of each key, where it tells the code */
	uint32_t emails_row;
	uint32_t emails; /* before that row */
};

/* Of a row: its code, rows of it before, and e-mail addresses before; these only if its code has any. */
struct col_text_rank {
	uint32_t code;
	uint32_t rows;
	uint32_t emails;
};

struct col_text_batch;

struct col_text_shaped {
	struct col_text_page base;
	uint32_t templates_count;
	uint32_t words_count; /* of the pool, behind the patterns */
	uint32_t columns_max; /* of a template */
	uint32_t emails_max;
	struct col_text_template *templates;
	uint16_t *mails; /* e-mail addresses in a row of each code */
	struct col_text_slot *slots;
	struct col_text_stream *streams;
	uint32_t slots_count;
	uint32_t streams_count;
	uint32_t *pool_offs; /* patterns and words: one more than there are */
	const uint8_t *pool;
	struct span codes_bytes;
	struct span counts_bytes; /* p NULL or n 0: there are none */
	uint8_t key;              /* 1 + the key that codes depend on; 0: none */
	uint32_t keys_count;      /* its lists */
	uint32_t *key_offs;       /* into key_codes */
	uint16_t *key_codes;
	bool key_tells; /* the key alone tells the code, the code tells the key; nobody shows addresses */
	struct col_stream codes_stream;
	uint16_t *codes; /* of all rows, once they were asked for; of steps that are ready */
	bool counted;
	bool no_labels;
	struct col_text_labels *labels; /* of all rows; NULL: not asked for so far */
	uint32_t *step_counts;          /* counts and emails at each step, once it is counted */
	uint16_t **step_codes;          /* of each step; NULL: not read so far */
	uint16_t **step_marks;          /* counts inside of it, or NULL (col_text_code.c) */
	uint16_t **key_marks;           /* the same of the keys that tell the codes */
	uint16_t *step_room;            /* for the next one; NULL: none */
	uint16_t *marks_room;
	uint32_t emails_count; /* of all rows */
	uint32_t residue_count;
	struct span emails_bytes;
	struct span residue_bytes;
	struct col_text_page *emails;   /* NULL: not opened */
	struct col_text_env emails_env; /* asks for the rows that show them */
	uint32_t *email_rows;           /* if they depend on a key; NULL: few were asked so far */
	uint32_t emails_found;          /* one by one */
	struct col_text_page *residue;
	struct col_text_cursor cursor;
	struct col_text_batch *batch; /* of the question at hand; NULL: none */
};

/* Behind the word COL_TEXT_PAD bytes may be read. */
static inline struct span col_text_pool_at(const struct col_text_shaped *p, uint32_t i)
{
	return span_of(p->pool + p->pool_offs[i], p->pool_offs[i + 1] - p->pool_offs[i]);
}

/* Text of steps, forms, words: up to COL_TEXT_PAD bytes more are written; the end. */
static inline uint8_t *col_text_copy_padded(uint8_t *to, struct span s)
{
	for (size_t i = 0; i < s.n; i += COL_TEXT_PAD)
		memcpy(to + i, s.p + i, COL_TEXT_PAD);
	return to + s.n;
}

/* How many rows each template has; where the page says it, codes are not read. */
int col_text_shape_counts(struct col_text_shaped *p);
/* Reads the codes of all rows, which most questions need first; or those of a step. */
int col_text_shape_codes(struct col_text_shaped *p);
int col_text_shape_codes_of(struct col_text_shaped *p, uint32_t step, const uint16_t **out);
/* The same, not kept: in `room`, of COL_TEXT_STEP_ROWS, unless they were read before. */
int col_text_shape_codes_once(
	struct col_text_shaped *p, uint32_t step, uint16_t *room, const uint16_t **out);
/* Rows of the code before a step; needs the counts. */
uint32_t col_text_shape_before(const struct col_text_shaped *p, uint32_t step, uint32_t code);
/*
 * The ranks of rows, rising, whose codes are read where they are needed. A row costs what is between it
 * and the one asked before, or between it and its step.
 */
int col_text_shape_ranks(
	struct col_text_shaped *p, const uint32_t *rows, size_t count, struct col_text_rank *out);
/* The page of e-mail addresses or of the residue, opened; only if it has rows. */
int col_text_shape_emails(struct col_text_shaped *p);
int col_text_shape_residue(struct col_text_shaped *p);
/* Stream i of the slot; values first .. of its template's rows. */
int col_text_shape_stream(struct col_text_shaped *p, const struct col_text_template *t,
	const struct col_text_slot *slot, unsigned i, struct col_stream **out);

/* Fills in the template's steps. */
int col_text_shape_steps(struct col_text_shaped *p, struct col_text_template *t);

/* The same of a KEYED slot. */
int col_text_shape_depend(struct col_text_shaped *p, const struct col_text_template *t,
	const struct col_text_slot *slot, struct col_depend **out);

/* Rows, rising, rebuilt and appended to bytes. */
int col_text_shape_get(struct col_text_page *base, const uint32_t *rows, size_t count,
	struct buf *bytes, struct col_text_value *out);
int col_text_shape_all(struct col_text_page *base, uint32_t *lengths, struct buf *bytes);
/* The same where a row is nothing but a number in a text; COL_TEXT_NUMBER_NOT (1): it is more. */
enum { COL_TEXT_NUMBER_NOT = 1 };
int col_text_number_all(struct col_text_shaped *p, uint32_t *lengths, struct buf *bytes);
/* As col_text_numbers; texts and what the forms point to live as long as mem. */
int col_text_number_split(
	struct col_text_shaped *p, struct arena *mem, struct col_text_numbers *out);
/* As col_text_labels, of a page that has no entries. */
int col_text_number_labels(struct col_text_page *base, const uint16_t *rows, size_t count,
	uint32_t *out, const struct col_text_labels **labels);
int col_text_shape_equal(struct col_text_page *base, const struct textset *set, uint8_t *match);
int col_text_shape_contains(struct col_text_page *base, const struct needle *x, uint8_t *match);
int col_text_shape_letters(struct col_text_page *base, struct col_letters *out);

#endif
