/*
 * expr_regex_int - what regular expressions need of each other inside proto/expr.
 */
#ifndef PROTO_EXPR_EXPR_REGEX_INT_H
#define PROTO_EXPR_EXPR_REGEX_INT_H

#include "proto/expr/expr_regex.h"

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
