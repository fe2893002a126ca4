/* expr_parse_int - what reading tests and reading values share. */
#ifndef PROTO_EXPR_EXPR_PARSE_INT_H
#define PROTO_EXPR_EXPR_PARSE_INT_H

#include "proto/expr/expr_parse.h"

enum expr_parse_op {
	EXPR_PARSE_NONE,
	EXPR_PARSE_EQ,
	EXPR_PARSE_NE,
	EXPR_PARSE_LT,
	EXPR_PARSE_LE,
	EXPR_PARSE_GT,
	EXPR_PARSE_GE,
	EXPR_PARSE_CONTAINS,
	EXPR_PARSE_MATCHES,
	EXPR_PARSE_MATCHES_NOT,
};

struct expr_parse_reader {
	struct expr_builder *b;
	const struct expr_parse_conf *conf;
	struct expr_err *err;
	const uint8_t *text;
	const uint8_t *p; /* the next byte; blanks are behind it */
	const uint8_t *end;
	unsigned depth;
};

/* ---- expr_parse ---- */

/* Sets the error unless one is set; NULL. `at` is a place in the text. */
const struct expr *expr_parse_fail(struct expr_parse_reader *r, int code, const uint8_t *at,
	const char *hint, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* "expected WHAT, found ..." at the reader's place. */
const struct expr *expr_parse_expected(
	struct expr_parse_reader *r, const char *what, const char *hint);
/* A failure of the builder, if there was one, as an error at `at`; else x. */
const struct expr *expr_parse_made(
	struct expr_parse_reader *r, const uint8_t *at, const struct expr *x);
/* Moves over n bytes and the blanks behind them. */
void expr_parse_skip(struct expr_parse_reader *r, size_t n);
/* The word at the reader's place, as a value may have it; n == 0: none. */
struct span expr_parse_word(const struct expr_parse_reader *r);
/* and, or, not, in, in any case. */
bool expr_parse_is_keyword(struct span word);

/* ---- expr_parse_value ---- */

/* Behind "field op": the rest of the test. */
const struct expr *expr_parse_value_test(
	struct expr_parse_reader *r, const struct expr_field *f, enum expr_parse_op op);
/* Behind "field in". */
const struct expr *expr_parse_value_list(struct expr_parse_reader *r, const struct expr_field *f);
/* Behind "entity op" or "entity in" (EXPR_PARSE_NONE). */
const struct expr *expr_parse_value_entity(struct expr_parse_reader *r, enum expr_parse_op op);
/* A bare or quoted text that stands alone. */
const struct expr *expr_parse_value_alone(struct expr_parse_reader *r);

#endif
