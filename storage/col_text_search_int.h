/*
 * col_text_search_int - a search in a SHAPED page: what is said of templates before any row is read,
 * then of the rows of those templates that this leaves open.
 */
#ifndef STORAGE_COL_TEXT_SEARCH_INT_H
#define STORAGE_COL_TEXT_SEARCH_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/col_text_match_int.h"

/* Of a template, beside the verdicts on rows: it depends on what its slots show. */
enum { COL_TEXT_SOME = 3 };

/* The letters that are looked up, and whether they are all there is. */
struct col_text_letters {
	struct needle needle; /* n 0: there are none, which says nothing of any row */
	bool hex;             /* hex digits may have them */
	bool whole;
};

struct col_text_search {
	struct col_text_shaped *p;
	struct col_text_letters letters;
	const uint8_t *match; /* rows that are looked at */
	uint8_t *verdicts;    /* of each template */
	bool in_words;        /* words of the pool have the letters */
	/* Of what stands elsewhere: whether it is shown at all, and what of it has the letters. */
	unsigned shows_sources;
	uint8_t *sources[COL_TEXT_SOURCES]; /* a byte a row; NULL: in no row */
	bool shows_emails;
	uint8_t *emails;       /* a byte an address; NULL: none */
	uint32_t leaves_count; /* above all leaves that are shown as words; 0: none is */
	uint8_t *leaves;       /* a byte a leaf: some of its words may */
};

static inline bool col_text_search_has(const struct col_text_letters *l, struct span s)
{
	return s.p && needle_find(&l->needle, s, 0) != SIZE_MAX;
}

/* The slot shows a word of the row's metadata. */
static inline bool col_text_search_is_leaf(const struct col_text_slot *slot)
{
	return slot->method == COL_TEXT_LEAF && slot->class == COL_TOKEN_WORD;
}

/* Rows of templates of COL_TEXT_SOME: cells of the board that are NO become YES where letters are. */
int col_text_search_rows(struct col_text_search *s, struct col_text_board *b);

#endif
