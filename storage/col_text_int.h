/*
 * col_text_int - what the files of col_text share: kinds of pages and what each of them can do.
 *
 * PAGE OF TEXT: u8 kind, then the kind's own bytes. Pages stand inside pages (entries of a
 * dictionary, residue, parts that recur in many templates), COL_TEXT_DEPTH deep at most.
 */
#ifndef STORAGE_COL_TEXT_INT_H
#define STORAGE_COL_TEXT_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/arena.h"
#include "proto/base/cursor.h"
#include "storage/col_stream.h"
#include "storage/col_text.h"

enum { COL_TEXT_DEPTH = 4 };

/* On disk. */
enum col_text_kind {
	COL_TEXT_BYTES = 1,
	COL_TEXT_CONST = 2,
	COL_TEXT_DICT = 3,
	COL_TEXT_SHAPED = 4,
	COL_TEXT_KIND_COUNT,
};

/* On disk: where the values of a template's slot are. */
enum col_text_method {
	COL_TEXT_WORD = 1, /* one word: the next of the pool */
	COL_TEXT_WORDS =
		2, /* varint count of words, the next of the pool; stream of their numbers */
	COL_TEXT_LEAF = 3,    /* varint leaf of metadata */
	COL_TEXT_INT = 4,     /* stream of numbers without leading zeroes */
	COL_TEXT_PADDED = 5,  /* u8 digits; stream of numbers */
	COL_TEXT_ZEROES = 6,  /* streams: leading zeroes, numbers */
	COL_TEXT_NUMBERS = 7, /* as many streams as the class has numbers */
	COL_TEXT_GROUPS = 8,  /* eight streams: groups of an IPv6 address */
	COL_TEXT_KEYED =
		9, /* u8 key, varint keys are below; varint bytes, numbers as col_depend.h */
	COL_TEXT_METHOD_COUNT,
};

/* On disk: the code of a row of a SHAPED page. */
enum {
	COL_TEXT_ABSENT = 0,
	COL_TEXT_RESIDUE = 1,
	COL_TEXT_TEMPLATE = 2, /* and up */
};

struct col_text_page;

/* rows are checked by the caller; the buffer's sticky error is returned. */
struct col_text_ops {
	int (*get)(struct col_text_page *p, const uint32_t *rows, size_t count, struct buf *bytes,
		struct col_text_value *out);
	int (*all)(struct col_text_page *p, uint32_t *lengths, struct buf *bytes);
	int (*equal)(struct col_text_page *p, const struct textset *set, uint8_t *match);
	int (*contains)(struct col_text_page *p, const struct needle *x, uint8_t *match);
	int (*letters)(struct col_text_page *p, struct col_letters *out);
	/* NULL: the kind has no codes. */
	int (*codes)(struct col_text_page *p, const uint32_t *rows, size_t count, uint32_t *out);
	int (*entry)(struct col_text_page *p, uint32_t code, struct buf *bytes, struct span *out);
	int (*entries)(struct col_text_page *p, struct span *out);
	/* NULL: never. */
	int (*numbers)(struct col_text_page *p, struct col_text_numbers *out);
	int (*labels)(struct col_text_page *p, const uint16_t *rows, size_t count, uint32_t *out,
		const struct col_text_labels **labels);
};

/* First member of every kind's page. */
struct col_text_page {
	const struct col_text_ops *ops;
	const struct col_text_env *env; /* never NULL */
	struct arena *mem;
	struct arena *work; /* of one question */
	uint32_t rows_count;
	uint32_t raw_bytes;
	uint8_t kind;
	uint8_t depth;
	bool uses_leaves;
	unsigned uses_sources;
	unsigned uses_keys;
	uint32_t entries_count;
};

/* Opens a page of any kind, of rows_count rows, at least one. */
int col_text_page_open(struct span page, uint32_t rows_count, const struct col_text_page *parent,
	struct col_text_page **out);

/* The kinds: c stands behind the kind byte and ends with the page. base is filled but for ops. */
int col_text_bytes_open(
	struct rcur *c, const struct col_text_page *base, struct col_text_page **out);
int col_text_const_open(
	struct rcur *c, const struct col_text_page *base, struct col_text_page **out);
int col_text_dict_open(
	struct rcur *c, const struct col_text_page *base, struct col_text_page **out);
int col_text_shape_open(
	struct rcur *c, const struct col_text_page *base, struct col_text_page **out);

/* The number that a token of class INT or DEC has if it shows the leaf; false: it cannot. */
bool col_text_leaf_number(
	const struct col_text_leaf *leaf, unsigned class, unsigned decimals, uint64_t *out);

/*
 * Labels of count texts, which the numbers tell; memory of the ranges: mem. COL_TEXT_LABELS_NOT: they would be
 * too many.
 */
int col_text_label_texts(const struct col_text_numbers *n, uint32_t count, struct arena *mem,
	struct col_text_labels *out, uint32_t *label_of);
/* The same with all that it points to but the texts of forms, in mem. NULL: no memory. */
struct col_text_labels *col_text_label_keep(const struct col_text_labels *l, struct arena *mem);

/* ---- encoding ---- */

/* Appends a page of BYTES; scratch is reset. */
void col_text_bytes_put(const struct span *values, uint32_t count, int level, struct buf scratch[3],
	struct buf *out);

static inline uint32_t col_text_length(struct span s)
{
	return s.p ? (uint32_t)s.n + 1 : 0;
}

#endif
