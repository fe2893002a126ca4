#include "proto/expr/expr_regex_int.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

enum {
	/* Parentheses within each other, and of what a look behind may look at. */
	PARENS_MAX = 100,
	/* \C would tear characters apart. What a pattern may say at its start only lowers limits. */
	OPTIONS = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
};

struct expr_regex {
	pcre2_code *code;
	struct needle literal;
};

static pcre2_code *compile(struct span pattern, int *out_code, size_t *out_at)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	pcre2_code *code;

	if (!context) {
		*out_code = PCRE2_ERROR_NOMEMORY;
		return NULL;
	}
	pcre2_set_parens_nest_limit(context, PARENS_MAX);
	pcre2_set_max_pattern_length(context, LIMIT_EXPR_REGEX_BYTES);
	code = pcre2_compile(pattern.p, pattern.n, OPTIONS, out_code, out_at, context);
	pcre2_compile_context_free(context);
	return code;
}

static bool too_large(const pcre2_code *code)
{
	size_t bytes = 0;

	return pcre2_pattern_info(code, PCRE2_INFO_SIZE, &bytes) < 0 ||
	       bytes > LIMIT_EXPR_REGEX_CODE_BYTES;
}

static int refuse(int code, char *out_text, size_t cap)
{
	if (code == PCRE2_ERROR_NOMEMORY)
		return -ENOMEM;
	/* A text that is cut is terminated all the same. */
	if (cap)
		pcre2_get_error_message(code, (PCRE2_UCHAR *)out_text, cap);
	return code == PCRE2_ERROR_PATTERN_TOO_LARGE ? ERR_LIMIT : ERR_SYNTAX;
}

static int find_literal(struct expr_regex *x, struct span pattern)
{
	uint8_t *dst = malloc(pattern.n + 1);
	int rc;

	if (!dst)
		return -ENOMEM;
	rc = needle_init(&x->literal, expr_literal_of(pattern, dst));
	free(dst);
	return rc;
}

int expr_regex_new(
	struct span pattern, struct expr_regex **out, size_t *out_at, char *out_text, size_t cap)
{
	struct expr_regex *x = calloc(1, sizeof *x);
	int code = 0, rc;

	if (!x)
		return -ENOMEM;
	x->code = compile(pattern, &code, out_at);
	if (!x->code) {
		free(x);
		return refuse(code, out_text, cap);
	}
	if (too_large(x->code)) {
		if (cap)
			snprintf(out_text, cap,
				"it is too large once its repetitions are written out");
		expr_regex_free(&x);
		return ERR_LIMIT;
	}
	/* Where there is no JIT, it is interpreted. */
	(void)pcre2_jit_compile(x->code, PCRE2_JIT_COMPLETE);
	rc = find_literal(x, pattern);
	if (rc < 0)
		expr_regex_free(&x);
	else
		*out = x;
	return rc;
}

void expr_regex_free(struct expr_regex **x)
{
	if (!*x)
		return;
	pcre2_code_free((*x)->code);
	needle_fini(&(*x)->literal);
	free(*x);
	*x = NULL;
}

const struct needle *expr_regex_literal(const struct expr_regex *x)
{
	return &x->literal;
}

/* A count of PCRE2, or its negative code. */
static int match(const struct expr_regex *x, struct span text, size_t from, uint32_t options,
	struct expr_scratch_regex *r)
{
	if (!r)
		return PCRE2_ERROR_NOMEMORY;
	return pcre2_match(x->code, text.n ? text.p : (PCRE2_SPTR) "", text.n, from, options,
		r->data, r->context);
}

bool expr_regex_find(const struct expr_regex *x, struct span text, struct expr_scratch *s)
{
	int rc;

	if (x->literal.n > 0 && needle_find(&x->literal, text, 0) == SIZE_MAX)
		return false;
	rc = match(x, text, 0, 0, expr_scratch_regex(s));
	if (rc >= 0)
		return true;
	if (rc != PCRE2_ERROR_NOMATCH)
		expr_scratch_give_up(s);
	return false;
}

enum expr_regex_outcome expr_regex_next(const struct expr_regex *x, struct span text, size_t from,
	size_t *out_from, size_t *out_to, struct expr_scratch *s)
{
	struct expr_scratch_regex *r;
	const size_t *at;
	int rc;

	ASSERT(from <= text.n);
	/* What a match begins with may stand before `from` (a look behind), so from the start. */
	if (from == 0 && x->literal.n > 0 && needle_find(&x->literal, text, 0) == SIZE_MAX)
		return EXPR_REGEX_NONE;
	r = expr_scratch_regex(s);
	rc = match(x, text, from, PCRE2_NOTEMPTY, r);
	if (rc == PCRE2_ERROR_NOMATCH)
		return EXPR_REGEX_NONE;
	if (rc < 0) {
		expr_scratch_give_up(s);
		return EXPR_REGEX_GIVEN_UP;
	}
	at = pcre2_get_ovector_pointer(r->data);
	ASSERT(at[0] >= from);
	ASSERT(at[0] < at[1]);
	*out_from = at[0];
	*out_to = at[1];
	return EXPR_REGEX_FOUND;
}
