/*
 * expr - which events are meant: the filter language of queries, and of rules on events, as a tree.
 *
 * A tree is made by expr_parse (text of a `q`) or by the builders below, and brought into its normal
 * form by expr_normalise: negations stand at tests alone, and/or are flat, tests of one field are joined
 * where one test can stand for them, what is the same stands once. A normal tree is what stores and
 * programs work with, and what expr_print writes as text that parses to the same tree.
 *
 * Absence. A test of a field that an event does not have does not hold; its negation holds.
 * Numbers. A value written without quotes that reads as a number equals numbers of metadata by value
 *          (12.50 is 12.5) and texts to the byte; an order (<, <=, >, >=) by such a value compares
 *          numbers, and texts that read as numbers, by value, and does not hold for others. In quotes,
 *          or where it is no number, it is compared with texts alone, byte by byte.
 *
 * Life:    init of a builder; trees live, with everything in them, until its fini. Texts are copied.
 * Thread:  a finished tree is read-only: free for all. What matching needs beside it is a scratch, one
 *          for each thread.
 * Memory:  the builder's arena, and compiled regular expressions: bounded by LIMIT_EXPR_*.
 * Errors:  builders return NULL and leave the reason in builder->err (ERR_LIMIT, ERR_SYNTAX, -ENOMEM),
 *          which sticks.
 */
#ifndef PROTO_EXPR_EXPR_H
#define PROTO_EXPR_EXPR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/arena.h"
#include "proto/base/needle.h"
#include "proto/base/span.h"
#include "proto/base/textset.h"
#include "proto/wire/event.h"

/* ---------------------------------------------------------------- fields and values */

enum expr_field_kind {
	EXPR_FIELD_TEXT,
	EXPR_FIELD_SEVERITY,
	EXPR_FIELD_ID,
	EXPR_FIELD_TIME,
	EXPR_FIELD_RECEIVED,
	EXPR_FIELD_META, /* a path into the metadata */
};

struct expr_field {
	enum expr_field_kind kind;
	enum event_text text;    /* of EXPR_FIELD_TEXT */
	const struct span *keys; /* of EXPR_FIELD_META, outermost first */
	uint32_t keys_count;
};

/* A number as it stands in metadata or in a query: exact, whichever of the three it is. */
enum expr_number_kind { EXPR_NUMBER_NONE, EXPR_NUMBER_INT, EXPR_NUMBER_UINT, EXPR_NUMBER_DOUBLE };

struct expr_number {
	enum expr_number_kind kind; /* UINT only above INT64_MAX */
	union {
		int64_t i;
		uint64_t u;
		double f;
	};
};

/* -1, 0, 1 by value; 2: not comparable (NaN). */
int expr_number_cmp(struct expr_number a, struct expr_number b);
/* The whole text is a JSON number (a + sign and leading zeros are not): NONE if it is none. */
struct expr_number expr_number_of(struct span text);

/* What stands at a field in one event. */
enum expr_cell_kind {
	EXPR_CELL_ABSENT,
	EXPR_CELL_NULL,
	EXPR_CELL_BOOL,
	EXPR_CELL_NUMBER,
	EXPR_CELL_TEXT,
	EXPR_CELL_OTHER, /* binary, a list, a map: there, and equal to nothing */
};

struct expr_cell {
	enum expr_cell_kind kind;
	bool truth;                /* BOOL */
	struct expr_number number; /* NUMBER */
	struct span text;          /* TEXT; OTHER: its msgpack */
};

/* A value of a query. */
struct expr_value {
	struct span text; /* never absent */
	bool quoted;      /* compared with texts alone */
	struct expr_number
		number; /* NONE if quoted, or not a number; then true, false, null are words */
};

/* ---------------------------------------------------------------- the tree */

enum expr_kind { EXPR_TRUE, EXPR_FALSE, EXPR_AND, EXPR_OR, EXPR_NOT, EXPR_TEST };

enum expr_test_kind {
	EXPR_TEST_EXISTS,   /* the field is there: `field=*` */
	EXPR_TEST_IN,       /* texts and metadata: equals one of the values */
	EXPR_TEST_ORDER,    /* texts and metadata: < <= > >= values[0] */
	EXPR_TEST_CONTAINS, /* texts and metadata's texts: ASCII case ignored */
	EXPR_TEST_REGEX,    /* the same: matches somewhere */
	EXPR_TEST_SEVERITY, /* is in severity_mask */
	EXPR_TEST_RANGES,   /* id, timestamp, received: lies in one of the ranges */
};

enum expr_order { EXPR_LT, EXPR_LE, EXPR_GT, EXPR_GE };

/* Inclusive. Ids as they are; times by expr_time_key, which keeps their order. */
struct expr_range {
	uint64_t lo;
	uint64_t hi;
};

static inline uint64_t expr_time_key(int64_t ns)
{
	return (uint64_t)ns ^ (UINT64_C(1) << 63);
}

/* Back again. */
static inline int64_t expr_key_time(uint64_t key)
{
	return (int64_t)(key ^ (UINT64_C(1) << 63));
}

struct expr_regex;

struct expr {
	enum expr_kind kind;
	/* AND, OR: at least two in a normal tree. NOT: one; a normal tree has none. */
	const struct expr *const *args;
	uint32_t args_count;
	/* TEST */
	bool negate; /* holds where the test does not */
	enum expr_test_kind test;
	enum expr_order order;
	struct expr_field field;
	const struct expr_value *values; /* IN: sorted by text, each once */
	uint32_t values_count;
	struct textset texts;           /* IN: of the values' texts, for whole columns of text */
	struct needle needle;           /* CONTAINS: never empty; as text in values[0] */
	const struct expr_regex *regex; /* REGEX; its text is values[0] */
	uint8_t severity_mask;
	const struct expr_range *ranges; /* sorted, apart from each other */
	uint32_t ranges_count;
	/* Normal trees: tests are numbered 0 .. expr_tests_count() - 1, in order. */
	uint32_t index;
	uint32_t depth; /* of the tree from here on; a test: 1 */
};

/* ---------------------------------------------------------------- making trees */

struct expr_builder {
	struct arena arena;
	int err;                  /* of what failed first; 0 */
	struct expr_owned *owned; /* what the arena cannot free */
	uint32_t nodes_count;
	uint32_t values_count;
	uint32_t regexes_count;
};

void expr_builder_init(struct expr_builder *b);
void expr_builder_fini(struct expr_builder *b);

/* "event_type" ...; "severity", "id", "timestamp", "received". */
struct expr_field expr_field_text(enum event_text text);
struct expr_field expr_field_of(enum expr_field_kind kind);
/*
 * A field by its name or alias, or metadata.a.b with parts in quotes where they are no plain words.
 * ERR_UNKNOWN, ERR_SYNTAX (of a path), ERR_LIMIT, -ENOMEM.
 */
int expr_field_find(struct expr_builder *b, struct span name, struct expr_field *out);
/* Of a field that is no path into the metadata: its name, not its aliases. Static text. */
const char *expr_field_name(const struct expr_field *f);
/* All names and aliases, n from 0; NULL behind the last. Static text. */
const char *expr_field_name_nth(size_t n);
/* The name that a misspelt one is closest to, or NULL. Static text. */
const char *expr_field_closest(struct span name);
bool expr_field_same(const struct expr_field *a, const struct expr_field *b);

/* A value as it is written: bare, or in quotes. Its text is not copied. */
struct expr_value expr_value_bare(struct span text);
struct expr_value expr_value_quoted(struct span text);

const struct expr *expr_true(struct expr_builder *b);
const struct expr *expr_false(struct expr_builder *b);
/* An argument that is NULL, because making it failed, gives NULL: errors need one check at the end. */
const struct expr *expr_and(struct expr_builder *b, const struct expr *x, const struct expr *y);
const struct expr *expr_or(struct expr_builder *b, const struct expr *x, const struct expr *y);
/* EXPR_AND or EXPR_OR of any number: of none, true or false. */
const struct expr *expr_list(struct expr_builder *b, enum expr_kind kind,
	const struct expr *const *args, uint32_t count);
const struct expr *expr_not(struct expr_builder *b, const struct expr *x);
const struct expr *expr_exists(struct expr_builder *b, const struct expr_field *f);
/* Of a text field or a path: equals one of the values. Of none: false. */
const struct expr *expr_in(struct expr_builder *b, const struct expr_field *f,
	const struct expr_value *values, uint32_t count);
/* The same for a text field, its values as in quotes. */
const struct expr *expr_text_in(
	struct expr_builder *b, enum event_text text, const struct span *values, uint32_t count);
/* Of a text field or a path. */
const struct expr *expr_order(struct expr_builder *b, const struct expr_field *f,
	enum expr_order order, const struct expr_value *value);
/* Of a text field or a path; an empty needle: the field is there. */
const struct expr *expr_contains(
	struct expr_builder *b, const struct expr_field *f, struct span needle);
/*
 * Of a text field or a path: a regular expression matches somewhere (syntax of PCRE2, texts as UTF-8).
 * ERR_SYNTAX: *out_at, unless NULL, is the offset in the pattern, out_text (cap bytes) says what is
 * wrong there.
 */
const struct expr *expr_matches(struct expr_builder *b, const struct expr_field *f,
	struct span pattern, size_t *out_at, char *out_text, size_t cap);
const struct expr *expr_severity(struct expr_builder *b, uint8_t mask);
/* Of id, timestamp or received: in one of the ranges, which may be in any order and overlap. */
const struct expr *expr_ranges(struct expr_builder *b, const struct expr_field *f,
	const struct expr_range *ranges, uint32_t count);

/* NULL: builder->err. The same tree may be normalised again: it is its own normal form. */
const struct expr *expr_normalise(struct expr_builder *b, const struct expr *x);
/* Tests of a normal tree. */
uint32_t expr_tests_count(const struct expr *x);

/* ---------------------------------------------------------------- asking trees */

/* What matching needs beside the tree: one a thread. */
struct expr_scratch;
/* NULL: out of memory. */
struct expr_scratch *expr_scratch_new(void);
void expr_scratch_free(struct expr_scratch **s);
/* Before a new query: forgets what was given up. */
void expr_scratch_reset(struct expr_scratch *s);
/*
 * Subjects on which a regular expression was given up, because it took too many steps: they count as
 * not matching. Each one halves the steps that the next may take, down to LIMIT_EXPR_REGEX_STEPS_MIN,
 * so that a hostile expression costs little however many subjects there are.
 */
uint64_t expr_scratch_given_up(const struct expr_scratch *s);

/* Whether the event is meant: any tree, normal or not. */
bool expr_match(const struct expr *x, const struct event *ev, struct expr_scratch *s);
/*
 * One test alone, on a value of its field; `negate` is not heeded: that is the caller's. Of a text
 * field's value (absent: SPAN_NONE), or of any value as a cell.
 */
bool expr_test_text(const struct expr *test, struct span value, struct expr_scratch *s);
bool expr_test_cell(const struct expr *test, const struct expr_cell *cell, struct expr_scratch *s);
/* What the event has at the field; texts point into the event. */
void expr_cell_of(const struct expr_field *f, const struct event *ev, struct expr_cell *out);
/* Of one msgpack value, which texts point into; of none, or a broken one: absent. */
void expr_cell_of_msgpack(struct span value, struct expr_cell *out);

/*
 * Bytes that every text the test holds for contains, case ignored, for indexes and for a search before
 * the regular expression runs: the needle itself, or the longest literal of a regex. False: none.
 */
bool expr_literal(const struct expr *test, struct needle *out);

#endif
