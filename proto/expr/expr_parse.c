#include "proto/expr/expr_parse.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/expr/expr_int.h"
#include "proto/expr/expr_parse_int.h"
#include "proto/expr/expr_quote_int.h"

enum { FOUND_BYTES = 40 };

static const char keyword_hint[] = "and, or, not and in want quotes where they are text";

/* ---------------------------------------------------------------- errors */

const struct expr *expr_parse_fail(struct expr_parse_reader *r, int code, const uint8_t *at,
	const char *hint, const char *fmt, ...)
{
	va_list ap;

	ASSERT(at >= r->text);
	ASSERT(at <= r->end);
	if (r->err->code)
		return NULL;
	r->err->code = code;
	r->err->at = (size_t)(at - r->text);
	va_start(ap, fmt);
	vsnprintf(r->err->error, sizeof r->err->error, fmt, ap);
	va_end(ap);
	snprintf(r->err->hint, sizeof r->err->hint, "%s", hint);
	return NULL;
}

/* What stands at the reader's place, for people: a word, a quoted text, a sign. */
static struct span found(const struct expr_parse_reader *r)
{
	struct span word = expr_parse_word(r);
	size_t n = word.n;

	if (n == 0 && *r->p == '"') {
		for (n = 1; r->p + n < r->end && r->p[n] != '"'; n++)
			n += r->p[n] == '\\' && r->p + n + 1 < r->end;
		n += r->p + n < r->end;
	}
	return span_of(r->p, n ? n : 1);
}

const struct expr *expr_parse_expected(
	struct expr_parse_reader *r, const char *what, const char *hint)
{
	struct span is;

	if (r->p == r->end)
		return expr_parse_fail(
			r, ERR_SYNTAX, r->p, hint, "expected %s, found the end", what);
	is = found(r);
	if (is.n == 1 && (*is.p < 0x20 || *is.p >= 0x7f))
		return expr_parse_fail(
			r, ERR_SYNTAX, r->p, hint, "expected %s, found the byte %02x", what, *is.p);
	return expr_parse_fail(r, ERR_SYNTAX, r->p, hint, "expected %s, found %.*s%s", what,
		is.n < FOUND_BYTES ? (int)is.n : FOUND_BYTES, (const char *)is.p,
		is.n < FOUND_BYTES ? "" : "...");
}

const struct expr *expr_parse_made(
	struct expr_parse_reader *r, const uint8_t *at, const struct expr *x)
{
	switch (r->b->err) {
	case 0:
		return x;
	case ERR_DEPTH:
		return expr_parse_fail(r, ERR_DEPTH, at, "ask in several steps",
			"and, or and parentheses stand within each other more than %d times",
			LIMIT_EXPR_DEPTH);
	case -ENOMEM:
		return expr_parse_fail(r, -ENOMEM, at, "", "out of memory");
	default:
		return expr_parse_fail(r, ERR_LIMIT, at, "ask for less at once",
			"the expression is too large from here on");
	}
}

/* ---------------------------------------------------------------- signs and words */

void expr_parse_skip(struct expr_parse_reader *r, size_t n)
{
	ASSERT(n <= (size_t)(r->end - r->p));
	r->p += n;
	while (r->p < r->end && (*r->p == ' ' || (*r->p >= '\t' && *r->p <= '\r')))
		r->p++;
}

struct span expr_parse_word(const struct expr_parse_reader *r)
{
	size_t n = 0;

	while (r->p + n < r->end && expr_quote_is_word(r->p[n]))
		n++;
	return span_of(r->p, n);
}

static bool is(struct span word, const char *keyword)
{
	return word.n == strlen(keyword) && strncasecmp((const char *)word.p, keyword, word.n) == 0;
}

bool expr_parse_is_keyword(struct span word)
{
	return is(word, "and") || is(word, "or") || is(word, "not") || is(word, "in");
}

static bool take_keyword(struct expr_parse_reader *r, const char *keyword)
{
	struct span word = expr_parse_word(r);

	if (!is(word, keyword))
		return false;
	expr_parse_skip(r, word.n);
	return true;
}

static bool at_sign(const struct expr_parse_reader *r, const char *sign)
{
	size_t n = strlen(sign);

	return (size_t)(r->end - r->p) >= n && memcmp(r->p, sign, n) == 0;
}

static bool take_sign(struct expr_parse_reader *r, const char *sign)
{
	if (!at_sign(r, sign))
		return false;
	expr_parse_skip(r, strlen(sign));
	return true;
}

/* The name of a field: a word up to a colon, in which parts behind a dot may be quoted. */
static struct span name_at(const struct expr_parse_reader *r)
{
	const uint8_t *p = r->p;

	while (p < r->end) {
		if (*p != ':' && expr_quote_is_word(*p)) {
			p++;
			continue;
		}
		if (*p != '"' || p == r->p || p[-1] != '.')
			break;
		for (p++; p < r->end && *p != '"'; p++)
			p += *p == '\\' && p + 1 < r->end;
		p += p < r->end;
	}
	return span_of(r->p, (size_t)(p - r->p));
}

static enum expr_parse_op take_op(struct expr_parse_reader *r)
{
	static const struct {
		const char *sign;
		enum expr_parse_op op;
	} ops[] = {
		{ "=~", EXPR_PARSE_MATCHES },
		{ "!~", EXPR_PARSE_MATCHES_NOT },
		{ "!=", EXPR_PARSE_NE },
		{ "<=", EXPR_PARSE_LE },
		{ ">=", EXPR_PARSE_GE },
		{ "=", EXPR_PARSE_EQ },
		{ "<", EXPR_PARSE_LT },
		{ ">", EXPR_PARSE_GT },
		{ ":", EXPR_PARSE_CONTAINS },
	};

	for (size_t i = 0; i < ARRAY_COUNT(ops); i++) {
		if (take_sign(r, ops[i].sign))
			return ops[i].op;
	}
	return EXPR_PARSE_NONE;
}

/* ---------------------------------------------------------------- tests */

static const struct expr *no_field(struct expr_parse_reader *r, const uint8_t *at, struct span name)
{
	const char *near = expr_field_closest(name);
	char hint[160];
	int n = name.n < FOUND_BYTES ? (int)name.n : FOUND_BYTES;

	if (near)
		snprintf(hint, sizeof hint, "did you mean %s?", near);
	else if (span_eq(name, SPAN_LIT("metadata")))
		snprintf(hint, sizeof hint, "name what is in it: metadata.NAME");
	else
		snprintf(hint, sizeof hint,
			"what is in the metadata is metadata.%.*s; text to look for wants quotes",
			n, (const char *)name.p);
	return expr_parse_fail(
		r, ERR_UNKNOWN, at, hint, "there is no field %.*s", n, (const char *)name.p);
}

static const struct expr *bad_path(struct expr_parse_reader *r, const uint8_t *at, int rc)
{
	if (rc == ERR_SYNTAX)
		return expr_parse_fail(r, rc, at,
			"write metadata.a.b, and in quotes what is no plain word: metadata.\"a b\".c",
			"this is no path into the metadata");
	if (rc == ERR_LIMIT && r->b->err == 0)
		return expr_parse_fail(
			r, rc, at, "", "a path has more than %d parts", LIMIT_EXPR_KEYS);
	return expr_parse_made(r, at, NULL);
}

static const struct expr *field_test(struct expr_parse_reader *r, const uint8_t *at,
	struct span name, enum expr_parse_op op, bool no)
{
	struct expr_field f;
	const struct expr *x;
	int rc;

	if (span_eq(name, SPAN_LIT("entity"))) {
		x = expr_parse_value_entity(r, op);
	} else {
		rc = expr_field_find(r->b, name, &f);
		if (rc == ERR_UNKNOWN)
			return no_field(r, at, name);
		if (rc < 0)
			return bad_path(r, at, rc);
		x = op == EXPR_PARSE_NONE ? expr_parse_value_list(r, &f)
					  : expr_parse_value_test(r, &f, op);
	}
	return x && no ? expr_parse_made(r, at, expr_not(r->b, x)) : x;
}

/* Behind a name: "in", or "not in"; *out_no: the second. */
static bool take_in(struct expr_parse_reader *r, bool *out_no)
{
	const uint8_t *back = r->p;

	*out_no = take_keyword(r, "not");
	if (take_keyword(r, "in"))
		return true;
	r->p = back;
	return false;
}

static const struct expr *test(struct expr_parse_reader *r)
{
	const uint8_t *at = r->p;
	struct span name = name_at(r);
	enum expr_parse_op op;
	bool no = false;

	if (r->p < r->end && *r->p == '"')
		return expr_parse_value_alone(r);
	if (name.n == 0)
		return expr_parse_expected(r, "a test, a word, not or (", "");
	if (expr_parse_is_keyword(name))
		return expr_parse_expected(r, "a test, a word, not or (", keyword_hint);
	expr_parse_skip(r, name.n);
	op = take_op(r);
	if (op != EXPR_PARSE_NONE || take_in(r, &no))
		return field_test(r, at, name, op, no);
	r->p = at;
	return expr_parse_value_alone(r);
}

/* ---------------------------------------------------------------- what joins tests */

/* Arguments as they are read; the tree has its own copy. */
struct terms {
	const struct expr **items;
	uint32_t count;
	uint32_t cap;
};

static bool add(struct expr_parse_reader *r, struct terms *t, const struct expr *x)
{
	uint32_t cap = t->cap ? t->cap * 2 : 8;
	const struct expr **more = t->items;

	if (!x)
		return false;
	if (t->count == t->cap) {
		more = realloc(t->items, cap * sizeof(struct expr *));
		if (!more) {
			expr_parse_fail(r, -ENOMEM, r->p, "", "out of memory");
			return false;
		}
		t->items = more;
		t->cap = cap;
	}
	t->items[t->count++] = x;
	return true;
}

static const struct expr *finish(
	struct expr_parse_reader *r, struct terms *t, enum expr_kind kind, bool good)
{
	const struct expr *x = NULL;

	if (good)
		x = expr_parse_made(r, r->p, expr_list(r->b, kind, t->items, t->count));
	free(t->items);
	return x;
}

static const struct expr *any(struct expr_parse_reader *r);

/* "(" [ or ] ")" */
static const struct expr *group(struct expr_parse_reader *r)
{
	const struct expr *x;

	if (r->depth == LIMIT_EXPR_DEPTH)
		return expr_parse_fail(r, ERR_DEPTH, r->p, "leave out what is not needed",
			"more than %d parentheses within each other", LIMIT_EXPR_DEPTH);
	r->depth++;
	expr_parse_skip(r, 1);
	x = at_sign(r, ")") ? expr_parse_made(r, r->p, expr_true(r->b)) : any(r);
	r->depth--;
	if (x && !take_sign(r, ")"))
		return expr_parse_expected(r, "and, or or )", "");
	return x;
}

static const struct expr *negation(struct expr_parse_reader *r)
{
	const uint8_t *at = r->p;
	const struct expr *x;
	bool no = false;

	while (take_keyword(r, "not") || take_sign(r, "!"))
		no = !no;
	x = at_sign(r, "(") ? group(r) : test(r);
	return x && no ? expr_parse_made(r, at, expr_not(r->b, x)) : x;
}

static bool ends_and(const struct expr_parse_reader *r)
{
	return r->p == r->end || *r->p == ')' || is(expr_parse_word(r), "or");
}

static const struct expr *all(struct expr_parse_reader *r)
{
	struct terms t = { 0 };
	bool good = add(r, &t, negation(r));

	while (good && !ends_and(r)) {
		take_keyword(r, "and");
		good = add(r, &t, negation(r));
	}
	return finish(r, &t, EXPR_AND, good);
}

static const struct expr *any(struct expr_parse_reader *r)
{
	struct terms t = { 0 };
	bool good = add(r, &t, all(r));

	while (good && take_keyword(r, "or"))
		good = add(r, &t, all(r));
	return finish(r, &t, EXPR_OR, good);
}

int expr_parse(struct expr_builder *b, struct span text, const struct expr_parse_conf *conf,
	const struct expr **out, struct expr_err *err)
{
	struct expr_parse_reader r = {
		.b = b, .conf = conf, .err = err, .text = text.n ? text.p : (const uint8_t *)""
	};
	const struct expr *x;

	ASSERT(b->err == 0);
	*err = (struct expr_err){ .code = 0 };
	r.p = r.text;
	r.end = r.text + text.n;
	if (text.n > LIMIT_EXPR_TEXT_BYTES) {
		expr_parse_fail(&r, ERR_LIMIT, r.text + LIMIT_EXPR_TEXT_BYTES, "",
			"the expression is longer than %d bytes", LIMIT_EXPR_TEXT_BYTES);
		return err->code;
	}
	expr_parse_skip(&r, 0);
	x = r.p == r.end ? expr_parse_made(&r, r.p, expr_true(b)) : any(&r);
	if (x && r.p < r.end)
		x = expr_parse_expected(&r, "and, or or the end", "");
	if (!x) {
		ASSERT(err->code < 0);
		return err->code;
	}
	*out = x;
	return 0;
}
