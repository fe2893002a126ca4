/*
 * col_text - one column of texts of one block, in the encoding that a sample says is the smallest.
 *
 *   BYTES    the values one after another in compressed chunks (col_bytes.h)
 *   CONST    one value for all rows
 *   DICT     distinct values and a code per row; the values are a page of text in their turn
 *   SHAPED   templates: what recurs from row to row is written once, what varies goes to typed
 *            lists: words, integers, decimals, addresses, hex digits; a part that equals another
 *            column's value of the same row, or a leaf of its metadata, is not written at all.
 *            Rows of no recurring template stand in a residue of BYTES.
 *
 * Any bytes come back as they were, absent and empty apart. FORMAT.md has the bytes of a page.
 *
 * Other columns: a page may refer to those that col_text_in named when it was made. To read it, env
 * has to give the same values for the same rows; col_text_uses says which ones it refers to.
 *
 * Life:    maker: init, put..., fini. A page: open, then get, all, equal, contains in any order, for
 *          as long as its bytes and the arena live; there is no close.
 * Thread:  one at a time, reading too: an open page remembers what it decoded.
 * Memory:  maker: keeps what the largest block needed. Reading: tables from the arena as they are
 *          needed; a page gives at most the raw bytes it declares, COL_TEXT_RAW_MAX at most.
 * Errors:  put: what out or the maker ran into. Reading takes bytes nobody vouches for: ERR_CORRUPT;
 *          -ENOMEM when the arena is full; what a callback of env returned.
 */
#ifndef STORAGE_COL_TEXT_H
#define STORAGE_COL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/span.h"
#include "storage/col_bytes.h"
#include "storage/col_letters.h"
#include "proto/base/needle.h"
#include "proto/base/textset.h"

enum {
	COL_TEXT_ROWS_MAX = 65536,
	/* Raw bytes of all values of one page. */
	COL_TEXT_RAW_MAX = COL_BYTES_RAW_MAX,
	/* Rows that are asked for at once of a key's column. */
	COL_TEXT_KEY_ROWS = 4096,
};

/* On disk: columns whose value of the same row a text may contain. */
enum col_text_source {
	COL_TEXT_ENTITY_ID,
	COL_TEXT_ENTITY_TYPE,
	COL_TEXT_USER_ID,
	COL_TEXT_IP_ADDRESS,
	COL_TEXT_SERVICE,
	COL_TEXT_HOST,
	COL_TEXT_SOURCES,
};

/* On disk: columns of few values, as codes, on which a text may depend. */
enum col_text_key {
	COL_TEXT_KEY_EVENT_TYPE,
	COL_TEXT_KEY_ENTITY_TYPE,
	COL_TEXT_KEY_USER_ID,
	COL_TEXT_KEYS,
};

enum col_text_leaf_kind {
	COL_TEXT_LEAF_NONE,    /* the row has none, or one that no text is compared with */
	COL_TEXT_LEAF_INT,     /* a number without sign */
	COL_TEXT_LEAF_DECIMAL, /* number / 10^scale, scale as small as can be: 12.50 is 125, 1 */
	COL_TEXT_LEAF_WORD,    /* a string */
};

/* A value of metadata as a text may show it. */
struct col_text_leaf {
	uint8_t kind;
	uint8_t scale;    /* of a DECIMAL */
	int64_t number;   /* of both kinds of numbers */
	struct span word; /* of a WORD */
};

/*
 * The other columns of the block, asked for rows in rising order; rows NULL: rows 0 .. count - 1.
 * Spans must stay valid until the col_text function that asked returns. 0 or negative. A callback
 * may be NULL where nothing of the kind is there.
 */
struct col_text_env {
	void *ctx;
	int (*source)(void *ctx, enum col_text_source source, const uint32_t *rows, size_t count,
		struct span *out);
	int (*key)(void *ctx, enum col_text_key key, const uint32_t *rows, size_t count,
		uint32_t *out);
	int (*leaf)(void *ctx, uint32_t leaf, const uint32_t *rows, size_t count,
		struct col_text_leaf *out);
	/*
	 * Searches, better answered where dictionaries are; NULL: values are asked for instead. Of all
	 * rows of the block as col_text_contains; of leaves 0 .. count - 1: a byte each, 1 stays if
	 * some word of the leaf contains the needle.
	 */
	int (*source_contains)(
		void *ctx, enum col_text_source source, const struct needle *x, uint8_t *match);
	int (*leaves_contain)(void *ctx, const struct needle *x, uint8_t *leaves, uint32_t count);
	/*
	 * What may be found of the source, and of the leaves whose byte is set, is added. As
	 * col_text_letters; NULL: it cannot be told.
	 */
	int (*source_letters)(void *ctx, enum col_text_source source, struct col_letters *out);
	int (*leaves_letters)(
		void *ctx, const uint8_t *leaves, uint32_t count, struct col_letters *out);
	/*
	 * A key's column from row `first` to the next multiple of COL_TEXT_KEY_ROWS, where it stands as
	 * codes until another block is entered; NULL, or 1: not.
	 */
	int (*key_column)(void *ctx, enum col_text_key key, uint32_t first, const uint16_t **out);
	/* What a question takes for itself, to be reset between two; NULL: from the page's own. */
	struct arena *work;
	/* What a page of maps takes to read rows, until col_map_let_go; NULL: from the page's own. */
	struct arena *hand;
};

struct col_text_in {
	uint32_t rows_count;       /* 1 .. COL_TEXT_ROWS_MAX */
	const struct span *values; /* p NULL: absent. Together at most COL_TEXT_RAW_MAX bytes */
	/* Columns that may be referred to: rows_count values each, or NULL. */
	const struct span *sources[COL_TEXT_SOURCES];
	const uint32_t *keys[COL_TEXT_KEYS];
	uint32_t keys_count[COL_TEXT_KEYS]; /* keys are below it; at most COL_TEXT_ROWS_MAX + 1 */
	/* Leaves 0 .. leaves_count - 1 through leaf(leaf_ctx ...), which is as in col_text_env. */
	uint32_t leaves_count;
	void *leaf_ctx;
	int (*leaf)(void *ctx, uint32_t leaf, const uint32_t *rows, size_t count,
		struct col_text_leaf *out);
	int level;       /* 0: as fast as the collector seals; above: whatever is smallest */
	bool want_codes; /* the column is a key: a DICT is preferred where it costs little more */
};

struct col_text_work;

/* Working memory, kept between calls. A zeroed one is initialised. */
struct col_text_maker {
	struct col_text_work *work;
};

void col_text_maker_init(struct col_text_maker *m);
void col_text_maker_fini(struct col_text_maker *m);

/* Appends the page. 0; -ENOMEM, or out's sticky error. */
int col_text_put(struct col_text_maker *m, const struct col_text_in *in, struct buf *out);
/*
 * The codes of the page put last if they were wanted and it is a DICT or CONST: 0 absent, else 1 +
 * place in the dictionary; for use as a key of other columns. NULL: it has none. Valid until the
 * next put.
 */
const uint32_t *col_text_maker_codes(const struct col_text_maker *m, uint32_t *out_count);

/* Where in the caller's buffer a value stands. */
struct col_text_value {
	uint32_t off;
	uint32_t length; /* 0 absent, else bytes + 1 */
};

/*
 * A text that ends in a number, as ids do, or has one: front, the number in just so many digits, back.
 * The digits are the last ones of the text and all that stand there: front does not end with one, back
 * has none. So a text has one form at most.
 */
struct col_text_form {
	struct span front;
	struct span back;
	uint32_t digits;
};

enum {
	/* Texts with a form have at most so many digits, and so many bytes altogether. */
	COL_TEXT_FORM_DIGITS_MAX = 9,
	COL_TEXT_FORM_BYTES_MAX = 64,
	COL_TEXT_FORMS_MAX = 64,
	/* Instead of a form: the text has none, or is absent. */
	COL_TEXT_FORM_NONE = 254,
	COL_TEXT_FORM_ABSENT = 255,
};

/*
 * Texts as numbers. form_of and numbers are the caller's, of which the page may make its own. Behind the
 * texts of forms 16 bytes more may be read.
 */
struct col_text_numbers {
	struct col_text_form forms[COL_TEXT_FORMS_MAX];
	uint32_t forms_count;
	uint8_t *form_of;         /* of each text */
	uint32_t *numbers;        /* the same: its number; with _FORM_NONE its place among texts */
	const struct span *texts; /* those of no form */
};

/* Numbers of one form, between the least and the greatest of them: label `first` is `least`. */
struct col_text_range {
	struct col_text_form form;
	uint32_t least;
	uint32_t first;
	uint32_t end; /* behind the last label */
};

/*
 * Labels stand for texts: in each range a label and its number are a distance apart. Behind all ranges are
 * texts of no form, and last the label of an absent one. Not every label need occur.
 */
struct col_text_labels {
	const struct col_text_range *ranges;
	const struct span *texts;
	uint32_t ranges_count;
	uint32_t texts_first;
	uint32_t absent;
};

struct col_text_page;

struct col_text {
	uint32_t rows_count;
	uint32_t raw_bytes; /* of all values */
	struct col_text_page *page;
};

/* env and arena must live as long as t; env NULL: no other columns. */
int col_text_open(struct col_text *t, struct span page, uint32_t rows_count,
	const struct col_text_env *env, struct arena *mem);
/* Bit 1 << s: the page refers to source s; *out_keys the same for keys. */
unsigned col_text_uses(const struct col_text *t, unsigned *out_keys, bool *out_leaves);

/* Appends the values of count rows, rising, to bytes; their places go to out. */
int col_text_get(struct col_text *t, const uint32_t *rows, size_t count, struct buf *bytes,
	struct col_text_value *out);
/* The whole column: lengths (0 absent, else bytes + 1) and, appended, the bytes one after another. */
int col_text_all(struct col_text *t, uint32_t *lengths, struct buf *bytes);

/*
 * match has a byte for each row, 0 or 1: 0 is not looked at and stays, 1 stays if it is true that
 * equal: the value is in the set; contains: it contains the needle, which is not empty.
 */
int col_text_equal(struct col_text *t, const struct textset *set, uint8_t *match);
int col_text_contains(struct col_text *t, const struct needle *x, uint8_t *match);
/*
 * Adds the letters of all texts that a search looks at, so that col_letters_may_have is false of no needle
 * that a row contains. COL_TEXT_LETTERS_NOT (1): searches of this page are not told by letters.
 */
enum { COL_TEXT_LETTERS_NOT = 1 };
int col_text_letters(struct col_text *t, struct col_letters *out);

/*
 * Pages with codes, DICT and CONST: 0 absent, else 1 + place among the entries, which are distinct
 * and sorted unless the page depends on a key. ERR_UNKNOWN: the page has none.
 */
uint32_t col_text_entries(const struct col_text *t);
int col_text_codes(struct col_text *t, const uint32_t *rows, size_t count, uint32_t *out);
/* All entries, which live as long as the page. */
int col_text_entries_all(struct col_text *t, struct span *out);
int col_text_entry(struct col_text *t, uint32_t code, struct buf *bytes, struct span *out);

/*
 * The entries of a page with codes, or all rows of another one, as numbers, if the page keeps most of
 * them so. form_of and numbers of `out` have room for as many; what it says lives until the next
 * question. COL_TEXT_NUMBERS_NOT (1): it does not.
 */
enum { COL_TEXT_NUMBERS_NOT = 1 };
int col_text_numbers(struct col_text *t, struct col_text_numbers *out);

/*
 * The labels of count rows, rising, of a page that has numbers (col_text_numbers); what they say lives as long
 * as the page. rows NULL: rows 0 .. count - 1. COL_TEXT_LABELS_NOT (1): it has none, those of all forms are
 * too far apart, or too many rows are told as texts.
 */
enum { COL_TEXT_LABELS_NOT = 1 };
int col_text_labels(struct col_text *t, const uint16_t *rows, size_t count, uint32_t *out,
	const struct col_text_labels **labels);

#endif
