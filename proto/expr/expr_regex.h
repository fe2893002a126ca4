/*
 * expr_regex - regular expressions (PCRE2) that end.
 *
 * Texts are searched as UTF-8 that may be broken (PCRE2_MATCH_INVALID_UTF): `.` and classes take whole
 * characters, as people mean them, and bytes that are no UTF-8 match nothing instead of being undefined,
 * as they would be under PCRE2_NO_UTF_CHECK. Compiled by JIT the check costs no pass of its own.
 *
 * Life:    new, find or next..., free.
 * Thread:  nothing changes after new; what a search needs is in the scratch, one a thread.
 * Memory:  LIMIT_EXPR_REGEX_CODE_BYTES and the machine code made of it; of a search, what the scratch
 *          has.
 * Errors:  new: ERR_SYNTAX, ERR_LIMIT, -ENOMEM.
 */
#ifndef PROTO_EXPR_EXPR_REGEX_H
#define PROTO_EXPR_EXPR_REGEX_H

#include "proto/expr/expr.h"

/* out_at and out_text (cap bytes) are set on ERR_SYNTAX and ERR_LIMIT. */
int expr_regex_new(
	struct span pattern, struct expr_regex **out, size_t *out_at, char *out_text, size_t cap);
void expr_regex_free(struct expr_regex **x);

/* Whether the text holds a match; given up is no match, counted in the scratch. */
bool expr_regex_find(const struct expr_regex *x, struct span text, struct expr_scratch *s);

enum expr_regex_outcome {
	EXPR_REGEX_NONE,
	EXPR_REGEX_FOUND,
	EXPR_REGEX_GIVEN_UP, /* it took too many steps: counted in the scratch */
};

/*
 * Where the first match at or after `from` lies that is not empty: *out_from .. *out_to. `from` is 0 or
 * where a match ended.
 */
enum expr_regex_outcome expr_regex_next(const struct expr_regex *x, struct span text, size_t from,
	size_t *out_from, size_t *out_to, struct expr_scratch *s);

/* Bytes that stand in every match, ASCII case ignored; n == 0: none are sure. */
const struct needle *expr_regex_literal(const struct expr_regex *x);

#endif
