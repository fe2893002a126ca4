/*
 * col_letters - which letters follow one another in some texts: three side by side, as bits of a hash.
 * Of a set of texts it tells that none of them has a needle; it never tells that one has.
 *
 * Letters are those that no page of text ever cuts apart (col_text_search.c): ASCII letters, '_' and bytes
 * from 0x80 on. Runs of fewer than three leave no trace. ASCII case is ignored.
 *
 * Life:    a zeroed one is empty; add texts, ask.
 * Thread:  free for all who ask.
 * Memory:  itself.
 */
#ifndef STORAGE_COL_LETTERS_H
#define STORAGE_COL_LETTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/needle.h"
#include "proto/base/span.h"

enum {
	COL_LETTERS_BITS = 8192,
	COL_LETTERS_WORDS = COL_LETTERS_BITS / 64,
	COL_LETTERS_RUN = 3,
};

struct col_letters {
	uint64_t bits[COL_LETTERS_WORDS];
};

void col_letters_add(struct col_letters *l, struct span text);
/* False: no text has it. Runs of nothing but a to f tell nothing: they may stand in hex numbers. */
bool col_letters_may_have(const struct col_letters *l, const struct needle *x);

static inline bool col_letters_is_letter(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 26 || c == '_' || c >= 0x80;
}

#endif
