/*
 * col_shape_int - gathering, shared by the files of col_shape.
 */
#ifndef STORAGE_COL_SHAPE_INT_H
#define STORAGE_COL_SHAPE_INT_H

#include <string.h>

#include "storage/col_shape.h"

/* For two that are likely equal and short. */
static inline bool col_shape_same(const uint8_t *a, const uint8_t *b, size_t n)
{
	if (n >= 8) {
		size_t i = 0;

		for (; i + 8 <= n; i += 8) {
			if (col_shape_load(a + i) != col_shape_load(b + i))
				return false;
		}
		return col_shape_load(a + n - 8) == col_shape_load(b + n - 8);
	}
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i])
			return false;
	}
	return true;
}

/* Memory until the next reset; NULL: the limit is reached, or there is none. */
void *col_shape_take(struct col_shape_set *s, size_t n);
/* The word's number; UINT32_MAX: no room. */
uint32_t col_shape_word_number(struct col_shape_set *s, const uint8_t *p, size_t n);
/* Room for a row's tuple, which counts once rows_count does; NULL: none. */
uint64_t *col_shape_tuple(struct col_shape_set *s, struct col_shape *h);

/* A text whose template is guessed: by the light way, or with the set's cutter begun on it. */
struct col_shape_guess {
	struct span text;
	const struct col_token_sources *sources;
	unsigned hint;
	bool closer;
};

/* The template, with one row more; COL_SHAPE_NONE: none of those that were guessed. */
uint32_t col_shape_match(struct col_shape_set *s, const struct col_shape_guess *g);
/* Remembers the template of a text that was cut; h has just got the row. */
void col_shape_learn(struct col_shape_set *s, struct span text, unsigned hint, uint32_t idx,
	const uint64_t *tuple);

#endif
