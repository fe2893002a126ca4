/*
 * col_map_make - the columns of a page of maps while it is written: the leaves of all rows by path,
 * as symbols where values recur, each in the context that makes it cheapest.
 *
 * Life:    zeroed; fill, then choose, then put for each path in rising order; fini. Results until the
 *          next fill, as long as the maps live.
 * Memory:  28 bytes a leaf and some tables; kept.
 */
#ifndef STORAGE_COL_MAP_MAKE_H
#define STORAGE_COL_MAP_MAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "storage/col_map_int.h"
#include "storage/col_map_parse.h"
#include "storage/col_stream.h"
#include "storage/col_sym.h"
#include "storage/col_text.h"

/* The leaves first .. first + count - 1 of the sorted ones. */
struct col_map_make_path {
	uint32_t first;
	uint32_t count;
	uint16_t types;      /* bit 1 << enum col_map_type */
	uint8_t type;        /* if there is one type alone */
	uint8_t scale;       /* of decimals */
	uint8_t chain;       /* contexts that its own has */
	bool mixed;          /* several types */
	uint32_t syms_count; /* 0: values do not recur; mixed: the types are the symbols */
	uint32_t entries;    /* place of its distinct values in entries */
	uint32_t context;    /* as on disk */
};

struct col_map_make {
	int level;
	const struct col_map_parse *parse;
	const struct span *const *sources; /* COL_TEXT_SOURCES columns, each may be NULL */
	struct col_map_leaf *leaves;       /* by path, then row */
	uint32_t *rows;                    /* of each */
	uint32_t *syms;                    /* of each, if its path has symbols */
	uint32_t leaves_cap;
	struct col_map_make_path paths[LIMIT_MAP_PATHS];
	uint32_t *entries; /* leaves that are the first of their value */
	uint32_t entries_count;
	uint32_t *slots;
	/* As many as a page has rows: */
	uint32_t *contexts;
	uint32_t *trial;
	int64_t *ints;
	struct span *spans;
	uint16_t *order; /* of paths */
	struct span *loose;
	uint32_t loose_count;
	uint32_t loose_cap;
	struct col_stream_maker streams;
	struct col_sym_maker sym;
	struct col_text_maker text;
};

void col_map_make_fini(struct col_map_make *m);
/* Sorts the leaves and finds out what recurs. 0 or -ENOMEM. */
int col_map_make_fill(struct col_map_make *m, const struct col_map_parse *p,
	const struct span *const *sources, int level);
/* Chooses each path's context. */
void col_map_make_choose(struct col_map_make *m);
/* The path's symbols in the context chosen, groups left out; valid until the next call. */
struct col_sym_in col_map_make_symbols(struct col_map_make *m, const struct col_map_make_path *x);
/* Appends the path's column to out, its descriptor to desc. */
int col_map_make_put(struct col_map_make *m, uint32_t path, struct buf *desc, struct buf *out);
/*
 * Makes texts that are equal to a source's copies of it, if that costs less than `cost` for their
 * symbols and what their texts do.
 */
bool col_map_make_copy(struct col_map_make *m, struct col_map_make_path *x, size_t cost);
/* After types have changed: the symbols are those of the types, if there are several. */
void col_map_make_retype(struct col_map_make *m, struct col_map_make_path *x);

static inline struct span col_map_make_text(const struct col_map_leaf *l)
{
	return span_of((const void *)(uintptr_t)l->bits, l->bytes);
}

/* The leaf of the path in the row, looked for from *at on, which is moved; NULL: the row has none. */
const struct col_map_leaf *col_map_make_find(
	const struct col_map_make *m, uint32_t path, uint32_t row, uint32_t *at);

#endif
