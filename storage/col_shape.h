/*
 * col_shape - gathers the texts of a column by their form: per template the numbers and words of its
 * rows, ready to be written slot by slot.
 *
 * Two texts have one template if their patterns are the same (col_token.h), and the first word, as
 * long as no more than LIMIT_TEXT_FORKS first words were met with the pattern.
 *
 * Life:    init, then reset, add... for each column; fini. What a column's texts are must stay in
 *          place until the next reset: words are pointers to them.
 * Thread:  one.
 * Memory:  LIMIT_TEXT_GATHER_BYTES for values and templates, kept by reset; tables beside them grow
 *          with the words, COL_SHAPE_WORDS_MAX at most. What does not fit is not gathered.
 */
#ifndef STORAGE_COL_SHAPE_H
#define STORAGE_COL_SHAPE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/span.h"
#include "storage/col_token.h"

enum {
	COL_SHAPE_NONE = UINT16_MAX, /* no template: the limits are reached */
	COL_SHAPE_COUNT_MAX = 4096,  /* while gathering; a page has LIMIT_TEXT_TEMPLATES at most */
	COL_SHAPE_WORDS_MAX = 1 << 18,
	COL_SHAPE_HEADS = 1024,
	COL_SHAPE_HINTS = 256,
	COL_SHAPE_SLAB_BYTES = 1 << 20,
	COL_SHAPE_SLABS = LIMIT_TEXT_GATHER_BYTES / COL_SHAPE_SLAB_BYTES,
};

struct col_shape_slot {
	uint8_t class;
	uint8_t param;
	uint8_t values_count; /* in a row's tuple: WORD 1 (its number), EMAIL 1, COPY 0 */
	bool varied;          /* WORD: not the same in all rows */
	uint16_t at;          /* in the tuple */
	uint32_t last;        /* WORD: of the last row */
};

/* Rows of one template, oldest block first; a row's tuple is width values. */
struct col_shape_block {
	struct col_shape_block *next;
	uint32_t rows_count;
	uint32_t rows_cap;
	uint64_t values[];
};

/* What the rows so far had in common, and the slot behind it; see col_shape_match.c. */
struct col_shape_step {
	struct span text;
	uint32_t slot;
};

struct col_shape {
	uint64_t hash;
	struct span pattern;
	struct span word; /* the first one, if the template is a fork; else absent */
	uint32_t forks;   /* templates of this pattern, counted in the first of them */
	uint32_t rows_count;
	uint16_t slots_count;
	uint16_t width;
	uint16_t emails_count;
	struct col_shape_slot *slots;
	struct col_shape_block *first;
	struct col_shape_block *last;
	struct col_shape_step *steps; /* NULL: none so far */
	uint32_t steps_count;
	uint32_t steps_due; /* rows at which they are made anew */
	uint64_t *tuple;    /* of the row they were made from */
};

struct col_shape_word {
	struct span text;
	uint64_t hash;
};

struct col_shape_table {
	uint32_t *at; /* 1 + index; 0: free */
	uint32_t size;
};

struct col_shape_set {
	bool emails;              /* addresses are tokens; the caller's to set */
	struct col_shape *shapes; /* COL_SHAPE_COUNT_MAX */
	uint32_t shapes_count;
	struct col_shape_table shape_table;
	struct col_shape_word *words;
	uint32_t words_count;
	uint32_t words_cap;
	struct col_shape_table word_table;
	uint8_t *slabs[COL_SHAPE_SLABS];
	uint32_t slab;                        /* the one in use */
	size_t slab_bytes;                    /* of it */
	uint16_t by_head[COL_SHAPE_HEADS][2]; /* 1 + the templates seen last; 0: none */
	uint16_t by_hint[COL_SHAPE_HINTS];
	struct col_tokens tokens;
	struct col_token_cutter cutter;
};

int col_shape_set_init(struct col_shape_set *s);
void col_shape_set_fini(struct col_shape_set *s);
void col_shape_set_reset(struct col_shape_set *s);

/*
 * The index of the text's template, which has one row more; COL_SHAPE_NONE: not taken. Texts of one
 * hint are likely to have one template.
 */
uint32_t col_shape_set_add(struct col_shape_set *s, struct span text,
	const struct col_token_sources *sources, unsigned hint);

/* The column of values at place `at` of the tuples; out has room for rows_count. */
void col_shape_column(const struct col_shape *shape, unsigned at, uint64_t *out);

/* An e-mail address is one value: where it stands in its row's text. */
static inline uint64_t col_shape_place(uint32_t off, uint32_t len)
{
	return (uint64_t)off << 32 | len;
}

static inline struct span col_shape_placed(struct span text, uint64_t place)
{
	return span_of(text.p + (place >> 32), (uint32_t)place);
}

/* A hash that only this process sees: the order of bytes does not matter. */
static inline uint64_t col_shape_load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static inline uint64_t col_shape_mix(uint64_t h, uint64_t v)
{
	__uint128_t x = (__uint128_t)(h ^ v) * UINT64_C(0x9e3779b97f4a7c15);

	return (uint64_t)x ^ (uint64_t)(x >> 64);
}

static inline uint64_t col_shape_hash(const uint8_t *p, size_t n)
{
	uint64_t h = n * UINT64_C(0xd6e8feb86659fd93) + 1, tail = 0;
	uint32_t low, high;
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		h = col_shape_mix(h, col_shape_load(p + i));
	if (n >= 8 && i < n)
		return col_shape_mix(h, col_shape_load(p + n - 8));
	if (n >= 4 && n < 8) {
		memcpy(&low, p, 4);
		memcpy(&high, p + n - 4, 4);
		return col_shape_mix(h, low | (uint64_t)high << 32);
	}
	for (unsigned shift = 0; i < n; i++, shift += 8)
		tail |= (uint64_t)p[i] << shift;
	return col_shape_mix(h, tail);
}

#endif
