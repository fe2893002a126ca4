/*
 * col_text_put_int - the working memory of col_text's encoders, and how they call one another.
 */
#ifndef STORAGE_COL_TEXT_PUT_INT_H
#define STORAGE_COL_TEXT_PUT_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "storage/col_depend.h"
#include "storage/col_shape.h"
#include "storage/col_stream.h"
#include "storage/col_text_int.h"

enum {
	/* Rows that are looked at to choose an encoding, in runs of neighbours. */
	COL_TEXT_SAMPLE_ROWS = 512,
	COL_TEXT_SAMPLE_RUNS = 8,
	/* A template of fewer rows is not worth its bytes: they go to the residue. */
	COL_TEXT_TEMPLATE_ROWS_MIN = 6,
	/* Rows on which a leaf is compared with a slot before all are. */
	COL_TEXT_LEAF_PROBES = 8,
	COL_TEXT_LEAVES_MAX = 256,
};

struct col_text_work {
	struct col_text_work *inner; /* of the pages inside this one */
	unsigned depth;
	struct buf scratch[3];  /* of BYTES */
	struct buf head, body;  /* of a SHAPED page */
	struct buf pool;        /* spans */
	struct buf spans;       /* spans of a page inside */
	struct buf rows;        /* uint32_t: row numbers, template by template */
	struct buf codes;       /* uint32_t, one for each row */
	struct buf column;      /* uint64_t */
	struct buf ints;        /* int64_t */
	struct buf locals;      /* uint64_t, one for each word */
	struct buf table;       /* pages that are tried or measured */
	struct buf inside;      /* a page inside this one */
	struct buf leaves;      /* struct col_text_leaf */
	uint64_t serial;        /* in locals */
	bool has_codes;         /* codes are those of the page put last */
	uint32_t codes_entries; /* of it */
	struct col_shape_set shapes;
	bool shapes_ready;
	struct col_stream_maker streams;
	struct col_depend_maker depends;
	struct buf keys; /* uint32_t: of the rows of a page or template inside */
};

/* The same memory one level deeper; NULL: out of it. */
struct col_text_work *col_text_work_inner(struct col_text_work *w);
/* Room for count elements of size in b, which is emptied. NULL: out of memory. */
void *col_text_work_array(struct buf *b, size_t count, size_t size);

/* Appends a page of the encoding that seems best. out->err. */
void col_text_put_page(struct col_text_work *w, const struct col_text_in *in, struct buf *out);
/* Each appends its page and returns 0; 1: does not suit, nothing was appended. */
int col_text_shape_put(struct col_text_work *w, const struct col_text_in *in, struct buf *out);
/* Whether half of the sampled rows show another column's value: no dictionary can be as small. */
bool col_text_shape_copies(struct col_text_work *w, const struct col_text_in *in);
int col_text_dict_put(struct col_text_work *w, const struct col_text_in *in, struct buf *out);
int col_text_const_put(const struct col_text_in *in, struct buf *out);

/* The codes of a SHAPED page, from w->codes, to head and body; all are below codes_count. */
void col_text_codes_put(
	struct col_text_work *w, const struct col_text_in *in, uint32_t codes_count);

/*
 * Values that depend on a key, after which the key has to be asked when they are read: the key by
 * which they cost least, COL_TEXT_KEYS if none is worth it. Only above level 0: it takes its time.
 */
unsigned col_text_depend_key(struct col_text_work *w, const struct col_text_in *in,
	const int64_t *values, uint32_t count, const uint32_t *const keys[COL_TEXT_KEYS]);
/* Appends them. */
void col_text_depend_put(struct col_text_work *w, const int64_t *values, uint32_t count,
	const uint32_t *keys, uint32_t keys_count, struct buf *out);

/* What a template's slots are written from. */
struct col_text_slots {
	struct col_text_work *w;
	const struct col_text_in *in;
	const struct col_shape *shape;
	const uint32_t *rows; /* of the template */
};

/* Descriptors of the template's slots to head, their streams to body, words to pool. */
void col_text_slots_put(struct col_text_slots *s);
/* A stream at the end of body, its bytes as a varint at the end of head. */
void col_text_stream_put(struct col_text_work *w, const int64_t *v, uint32_t count);

#endif
