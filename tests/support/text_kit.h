/*
 * text_kit - a column of texts, written as a page and asked everything, beside a naive twin of each
 * question (storage/col_text.h).
 *
 * Life:   set_up, then for each column begin, its values, check; tear_down. There is one, for a column
 *         is too large for a stack.
 * Thread: one.
 */
#ifndef TESTS_SUPPORT_TEXT_KIT_H
#define TESTS_SUPPORT_TEXT_KIT_H

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/span.h"
#include "storage/col_text.h"
#include "storage/col_text_int.h"
#include "tests/support/event_gen.h"

enum { TEXT_KIT_ARENA_BYTES = 256 << 20, TEXT_KIT_PAGE_BYTES = 64 << 20, TEXT_KIT_LEAVES = 3 };

/* A column, the other columns it may refer to, and what they are kept in. */
struct text_kit {
	uint32_t count;
	struct span values[COL_TEXT_ROWS_MAX];
	struct span sources[COL_TEXT_SOURCES][COL_TEXT_ROWS_MAX];
	struct col_text_leaf leaves[TEXT_KIT_LEAVES][COL_TEXT_ROWS_MAX];
	uint32_t keys[COL_TEXT_KEYS][COL_TEXT_ROWS_MAX];
	uint16_t key_columns[COL_TEXT_KEYS][COL_TEXT_ROWS_MAX]; /* the same, once asked for */
	struct arena mem;
	struct event_gen gen;
	struct col_text_maker maker;
	bool has_numbers; /* the page that was checked last */
	bool has_labels;
	bool has_letters; /* the same: it tells them */
	/* Of the question at hand. */
	struct buf bytes;
	uint32_t lengths[COL_TEXT_ROWS_MAX];
	uint8_t match[COL_TEXT_ROWS_MAX], before[COL_TEXT_ROWS_MAX];
};

extern struct text_kit text_kit;
/* The other columns as readers ask them; the same, but values are all it says; or keys as columns, too. */
extern const struct col_text_env text_kit_env, text_kit_plain_env, text_kit_column_env;

int text_kit_set_up(void **state);
int text_kit_tear_down(void **state);

/* Chance, from the seed of begin. */
unsigned text_kit_below(unsigned n);
/* A copy that lives until the next begin. */
struct span text_kit_keep(const void *p, size_t n);
__attribute__((format(printf, 1, 2))) struct span text_kit_text(const char *fmt, ...);
/* Ids of several forms and lengths among others, few different ones or many; some rows have none. */
struct span text_kit_mixed_id(unsigned many);

void text_kit_begin(uint32_t count, uint64_t seed);
struct col_text_in text_kit_input(int level);
/* Writes and asks everything; the bytes of the page, and its kind. */
size_t text_kit_check(int level, unsigned *out_kind);

/* Rows that are still asked about: all, or some. Then a question, and its twin. */
void text_kit_set_before(bool all);
void text_kit_check_contains(struct col_text *t, struct span needle);

#endif
