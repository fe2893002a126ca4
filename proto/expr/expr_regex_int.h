/*
 * expr_regex_int - regular expressions (PCRE2) that end.
 *
 * Texts are searched as UTF-8 that may be broken (PCRE2_MATCH_INVALID_UTF): `.` and classes take whole
 * characters, as people mean them, and bytes that are no UTF-8 match nothing instead of being undefined,
 * as they would be under PCRE2_NO_UTF_CHECK. Compiled by JIT the check costs no pass of its own.
 *
 * Life:    new, find..., free.
 * Thread:  nothing changes after new; what a search needs is in the scratch, one a thread.
 * Memory:  LIMIT_EXPR_REGEX_CODE_BYTES and the machine code made of it; of a search, what the scratch
 *          has.
 * Errors:  new: ERR_SYNTAX, ERR_LIMIT, -ENOMEM.
 */
#ifndef PROTO_EXPR_EXPR_REGEX_INT_H
#define PROTO_EXPR_EXPR_REGEX_INT_H

#include "proto/expr/expr.h"

/* out_at and out_text (cap bytes) are set on ERR_SYNTAX and ERR_LIMIT. */
int expr_regex_new(
	struct span pattern, struct expr_regex **out, size_t *out_at, char *out_text, size_t cap);
void expr_regex_free(struct expr_regex **x);

/* Whether the text holds a match; given up is no match, counted in the scratch. */
bool expr_regex_find(const struct expr_regex *x, struct span text, struct expr_scratch *s);
/* n == 0: none. */
const struct needle *expr_regex_literal(const struct expr_regex *x);

/* ---- expr_literal ---- */

/*
 * The longest run of plain characters that stands in every match, ASCII case ignored; absent: none is
 * sure. Points into dst, which has as many bytes as the pattern. The pattern is one that compiles.
 */
struct span expr_literal_of(struct span pattern, uint8_t *dst);

/* ---- expr_scratch ---- */

/* PCRE2's own, made when first needed; NULL: out of memory. */
struct expr_scratch_regex {
	struct pcre2_real_match_data_8 *data;
	struct pcre2_real_match_context_8 *context;
	struct pcre2_real_jit_stack_8 *stack;
	uint64_t given_up;
	uint32_t steps;     /* that the next text may take */
	uint32_t steps_set; /* in the context */
};

struct expr_scratch_regex *expr_scratch_regex(struct expr_scratch *s);
void expr_scratch_give_up(struct expr_scratch *s);

#endif
