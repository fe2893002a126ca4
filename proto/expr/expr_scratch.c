#include "proto/expr/expr_regex_int.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"

enum { JIT_STACK_BYTES_MIN = 32 << 10 };

struct expr_scratch {
	struct expr_scratch_regex regex;
};

struct expr_scratch *expr_scratch_new(void)
{
	struct expr_scratch *s = calloc(1, sizeof *s);

	if (s)
		expr_scratch_reset(s);
	return s;
}

void expr_scratch_free(struct expr_scratch **s)
{
	if (!*s)
		return;
	pcre2_match_data_free((*s)->regex.data);
	pcre2_match_context_free((*s)->regex.context);
	pcre2_jit_stack_free((*s)->regex.stack);
	free(*s);
	*s = NULL;
}

void expr_scratch_reset(struct expr_scratch *s)
{
	s->regex.given_up = 0;
	s->regex.steps = LIMIT_EXPR_REGEX_STEPS;
}

uint64_t expr_scratch_given_up(const struct expr_scratch *s)
{
	return s->regex.given_up;
}

void expr_scratch_give_up(struct expr_scratch *s)
{
	s->regex.given_up++;
	if (s->regex.steps > LIMIT_EXPR_REGEX_STEPS_MIN)
		s->regex.steps /= 2;
	if (s->regex.steps < LIMIT_EXPR_REGEX_STEPS_MIN)
		s->regex.steps = LIMIT_EXPR_REGEX_STEPS_MIN;
}

static bool make(struct expr_scratch_regex *r)
{
	if (!r->data)
		r->data = pcre2_match_data_create(1, NULL);
	if (!r->context)
		r->context = pcre2_match_context_create(NULL);
	if (!r->data || !r->context)
		return false;
	if (r->stack)
		return true;
	pcre2_set_heap_limit(r->context, LIMIT_EXPR_REGEX_HEAP_KIB);
	r->stack = pcre2_jit_stack_create(JIT_STACK_BYTES_MIN, LIMIT_EXPR_REGEX_STACK_BYTES, NULL);
	if (r->stack)
		pcre2_jit_stack_assign(r->context, NULL, r->stack);
	return r->stack != NULL;
}

struct expr_scratch_regex *expr_scratch_regex(struct expr_scratch *s)
{
	struct expr_scratch_regex *r = &s->regex;

	if (!make(r))
		return NULL;
	if (r->steps_set != r->steps) {
		pcre2_set_match_limit(r->context, r->steps);
		pcre2_set_depth_limit(r->context, r->steps);
		r->steps_set = r->steps;
	}
	return r;
}
