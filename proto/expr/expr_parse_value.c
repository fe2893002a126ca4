#include "proto/expr/expr_parse_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/expr/expr_int.h"
#include "proto/expr/expr_quote_int.h"

static const char severities[] =
	"emergency, alert, critical, error, warning, notice, info or debug";

/* A value as it was read. */
struct value {
	const uint8_t *at;
	struct span text;
	bool quoted;
};

/* ---------------------------------------------------------------- reading values */

static bool fail(struct expr_parse_reader *r, int code, const uint8_t *at, const char *hint,
	const char *error)
{
	expr_parse_fail(r, code, at, hint, "%s", error);
	return false;
}

static bool read_quoted(struct expr_parse_reader *r, bool regex, struct value *out)
{
	const uint8_t *p = r->p;
	uint8_t *dst = expr_alloc(r->b, (size_t)(r->end - p), 1);
	size_t n = 0;
	int rc;

	if (!dst)
		return expr_parse_made(r, p, NULL) != NULL;
	rc = expr_quote_read(&p, r->end, regex, dst, &n);
	if (rc == ERR_SYNTAX)
		return fail(r, rc, p, "of these there are \\\" \\\\ \\n \\t \\xHH \\u{H...}",
			"no such sign after a backslash");
	if (rc < 0)
		return fail(r, ERR_SYNTAX, r->p, "close it with \"", "the quotes do not end");
	*out = (struct value){ r->p, span_of(dst, n), true };
	expr_parse_skip(r, (size_t)(p - r->p));
	return true;
}

/* A bare or a quoted one; what = "a value" and so on. */
static bool read_value(struct expr_parse_reader *r, bool regex, const char *what, struct value *out)
{
	struct span word = expr_parse_word(r);
	const char *hint = "";

	if (r->p < r->end && *r->p == '"')
		return read_quoted(r, regex, out);
	if (expr_parse_is_keyword(word))
		hint = "and, or, not and in want quotes where they are text";
	else if (r->p < r->end && *r->p == '*')
		hint = "a * stands for itself in quotes; for patterns there is =~";
	else if (r->p < r->end && word.n == 0 && *r->p != '(' && *r->p != ')')
		hint = "what is no plain word wants quotes";
	if (word.n == 0 || *hint) {
		expr_parse_expected(r, what, hint);
		return false;
	}
	*out = (struct value){ r->p, word, false };
	expr_parse_skip(r, word.n);
	if (r->p < r->end && *r->p == '*' && r->p == span_end(word)) {
		expr_parse_expected(
			r, "the end of the word", "for patterns there is =~, for parts of texts :");
		return false;
	}
	return true;
}

static struct expr_value as_value(const struct value *v)
{
	return v->quoted ? expr_value_quoted(v->text) : expr_value_bare(v->text);
}

static const struct expr *cannot(
	struct expr_parse_reader *r, const uint8_t *at, const struct expr_field *f, const char *ops)
{
	return expr_parse_fail(r, ERR_SYNTAX, at, "", "%s takes %s alone", expr_field_name(f), ops);
}

/* ---------------------------------------------------------------- severities */

static bool severity_of(struct expr_parse_reader *r, const struct value *v, int *out)
{
	int severity = event_severity_find(v->text);
	char hint[160];

	if (severity >= 0) {
		*out = severity;
		return true;
	}
	snprintf(hint, sizeof hint, "write %s", severities);
	return fail(r, ERR_UNKNOWN, v->at, hint, "this is no severity");
}

/* Of severities the worse is the greater, and has the smaller number. */
static uint8_t severities_beyond(enum expr_parse_op op, int severity)
{
	uint8_t mask = 0;

	for (int i = 0; i < EVENT_SEVERITY_COUNT; i++) {
		bool in = op == EXPR_PARSE_GT   ? i < severity
			  : op == EXPR_PARSE_GE ? i <= severity
			  : op == EXPR_PARSE_LT ? i > severity
			  : op == EXPR_PARSE_LE ? i >= severity
						: i == severity;

		mask |= (uint8_t)(in << i);
	}
	return mask;
}

static const struct expr *severity_test(
	struct expr_parse_reader *r, const uint8_t *at, enum expr_parse_op op)
{
	struct value v;
	int severity = 0;

	if (!read_value(r, false, "a severity", &v) || !severity_of(r, &v, &severity))
		return NULL;
	if (op != EXPR_PARSE_EQ && op != EXPR_PARSE_NE && (unsigned)(v.text.p[0] - '0') < 10)
		return expr_parse_fail(r, ERR_SYNTAX, v.at,
			"the worse is the greater: severity >= error",
			"an order of severities wants a word, as numbers run the other way");
	return expr_parse_made(r, at, expr_severity(r->b, severities_beyond(op, severity)));
}

/* ---------------------------------------------------------------- ids and times */

static bool read_id(struct expr_parse_reader *r, const struct value *v, struct expr_range *out)
{
	uint64_t id = 0;

	for (size_t i = 0; i < v->text.n; i++) {
		unsigned digit = (unsigned)(v->text.p[i] - '0');

		if (digit > 9)
			return fail(
				r, ERR_SYNTAX, v->at, "ids are numbers: id=1234", "this is no id");
		if (__builtin_mul_overflow(id, 10, &id) || __builtin_add_overflow(id, digit, &id))
			return fail(r, ERR_RANGE, v->at, "the largest is 18446744073709551615",
				"no id is so large");
	}
	if (v->text.n == 0)
		return fail(r, ERR_SYNTAX, v->at, "ids are numbers: id=1234", "this is no id");
	*out = (struct expr_range){ id, id };
	return true;
}

/* All of the unit that the text names. */
static bool read_time(struct expr_parse_reader *r, const struct value *v, struct expr_range *out)
{
	struct when when;
	struct diag d;
	int64_t last;
	int rc = when_parse(v->text, r->conf->zone, r->conf->now_ns, &when, &d);

	if (rc < 0)
		return fail(r, rc, v->at,
			"write 2026-11-20, \"2026-11-20 14:30\", 2026-11-20T14:30:00.5Z, -1h, today or "
			"@SECONDS",
			rc == ERR_RANGE ? "there is no such time" : "this is no time");
	ASSERT(when.unit_ns > 0);
	if (__builtin_add_overflow(when.ns, when.unit_ns - 1, &last))
		last = INT64_MAX;
	*out = (struct expr_range){ expr_time_key(when.ns), expr_time_key(last) };
	return true;
}

static bool read_range(struct expr_parse_reader *r, const struct expr_field *f,
	const struct value *v, struct expr_range *out)
{
	return f->kind == EXPR_FIELD_ID ? read_id(r, v, out) : read_time(r, v, out);
}

static const struct expr *range_test(struct expr_parse_reader *r, const uint8_t *at,
	const struct expr_field *f, enum expr_parse_op op)
{
	struct expr_range x;
	struct value v;
	bool none = false;

	if (!read_value(r, false, f->kind == EXPR_FIELD_ID ? "an id" : "a time", &v) ||
		!read_range(r, f, &v, &x))
		return NULL;
	if (op == EXPR_PARSE_LT) {
		none = x.lo == 0;
		x = (struct expr_range){ 0, x.lo - 1 };
	} else if (op == EXPR_PARSE_LE) {
		x.lo = 0;
	} else if (op == EXPR_PARSE_GT) {
		none = x.hi == UINT64_MAX;
		x = (struct expr_range){ x.hi + 1, UINT64_MAX };
	} else if (op == EXPR_PARSE_GE) {
		x.hi = UINT64_MAX;
	}
	return expr_parse_made(r, at, expr_ranges(r->b, f, &x, none ? 0 : 1));
}

/* ---------------------------------------------------------------- texts and metadata */

/* Where byte `off` of the pattern stands in the text, in which each quote has a backslash. */
static const uint8_t *place_in_pattern(
	const struct expr_parse_reader *r, const struct value *v, size_t off)
{
	const uint8_t *p = v->at + v->quoted;

	if (off > v->text.n)
		off = v->text.n;
	if (!v->quoted)
		return p + off;
	for (size_t i = 0; i < off; i++) {
		if (*p == '\\' && p[1] == '"')
			p++;
		p++;
	}
	ASSERT(p < r->end);
	return p;
}

static const struct expr *regex_test(
	struct expr_parse_reader *r, const uint8_t *at, const struct expr_field *f, bool no)
{
	const struct expr *x;
	char text[120];
	size_t off = 0;
	struct value v;

	if (!read_value(r, true, "a regular expression", &v))
		return NULL;
	if (r->b->regexes_count == LIMIT_EXPR_REGEXES)
		return expr_parse_fail(r, ERR_LIMIT, v.at, "join some of them by |",
			"more than %d regular expressions", LIMIT_EXPR_REGEXES);
	if (v.text.n > LIMIT_EXPR_REGEX_BYTES)
		return expr_parse_fail(r, ERR_LIMIT, v.at, "",
			"the regular expression is longer than %d bytes", LIMIT_EXPR_REGEX_BYTES);
	x = expr_matches(r->b, f, v.text, &off, text, sizeof text);
	if (!x && text[0])
		return expr_parse_fail(r, r->b->err, place_in_pattern(r, &v, off),
			"the syntax is that of Perl (PCRE2)", "in the regular expression: %s",
			text);
	return expr_parse_made(r, at, x && no ? expr_not(r->b, x) : x);
}

static const struct expr *order_test(struct expr_parse_reader *r, const uint8_t *at,
	const struct expr_field *f, enum expr_parse_op op)
{
	static const enum expr_order orders[] = {
		[EXPR_PARSE_LT] = EXPR_LT,
		[EXPR_PARSE_LE] = EXPR_LE,
		[EXPR_PARSE_GT] = EXPR_GT,
		[EXPR_PARSE_GE] = EXPR_GE,
	};
	struct expr_value value;
	struct value v;

	if (!read_value(r, false, "a value", &v))
		return NULL;
	value = as_value(&v);
	return expr_parse_made(r, at, expr_order(r->b, f, orders[op], &value));
}

static const struct expr *text_test(struct expr_parse_reader *r, const uint8_t *at,
	const struct expr_field *f, enum expr_parse_op op)
{
	struct expr_value value;
	struct value v;

	if (op == EXPR_PARSE_MATCHES || op == EXPR_PARSE_MATCHES_NOT)
		return regex_test(r, at, f, op == EXPR_PARSE_MATCHES_NOT);
	if (op >= EXPR_PARSE_LT && op <= EXPR_PARSE_GE)
		return order_test(r, at, f, op);
	if (!read_value(r, false, "a value", &v))
		return NULL;
	if (op == EXPR_PARSE_CONTAINS)
		return expr_parse_made(r, at, expr_contains(r->b, f, v.text));
	value = as_value(&v);
	return expr_parse_made(r, at, expr_in(r->b, f, &value, 1));
}

static bool is_text(const struct expr_field *f)
{
	return f->kind == EXPR_FIELD_TEXT || f->kind == EXPR_FIELD_META;
}

/* "=*", and "!=*"; a word that only begins so is left to read_value to refuse. */
static bool take_star(struct expr_parse_reader *r, enum expr_parse_op op)
{
	if ((op != EXPR_PARSE_EQ && op != EXPR_PARSE_NE) || r->p == r->end || *r->p != '*')
		return false;
	if (r->p + 1 < r->end && (expr_quote_is_word(r->p[1]) || strchr("*\"", r->p[1])))
		return false;
	expr_parse_skip(r, 1);
	return true;
}

const struct expr *expr_parse_value_test(
	struct expr_parse_reader *r, const struct expr_field *f, enum expr_parse_op op)
{
	const uint8_t *at = r->p;
	const struct expr *x;

	ASSERT(op != EXPR_PARSE_NONE);
	if (take_star(r, op))
		x = expr_parse_made(r, at, expr_exists(r->b, f));
	else if (is_text(f))
		x = text_test(r, at, f, op);
	else if (op >= EXPR_PARSE_CONTAINS)
		return cannot(r, at, f, "=, !=, <, <=, >, >= and in");
	else if (f->kind == EXPR_FIELD_SEVERITY)
		x = severity_test(r, at, op);
	else
		x = range_test(r, at, f, op);
	return x && op == EXPR_PARSE_NE ? expr_parse_made(r, at, expr_not(r->b, x)) : x;
}

const struct expr *expr_parse_value_alone(struct expr_parse_reader *r)
{
	const struct expr_field f = expr_field_text(EVENT_TEXT_DESCRIPTION);

	return text_test(r, r->p, &f, EXPR_PARSE_CONTAINS);
}

/* ---------------------------------------------------------------- lists */

struct list {
	struct value *values;
	uint32_t count;
	uint32_t cap;
};

static bool grow(struct expr_parse_reader *r, struct list *l)
{
	uint32_t cap = l->cap ? l->cap * 2 : 8;
	struct value *more = l->values;

	if (l->count < l->cap)
		return true;
	if (l->count >= LIMIT_EXPR_VALUES) {
		expr_parse_fail(r, ERR_LIMIT, r->p, "ask for fewer at once", "more than %d values",
			LIMIT_EXPR_VALUES);
		return false;
	}
	more = realloc(l->values, cap * sizeof *more);
	if (!more)
		return fail(r, -ENOMEM, r->p, "", "out of memory");
	l->values = more;
	l->cap = cap;
	return true;
}

/* "(" value { "," value } ")" */
static bool read_list(struct expr_parse_reader *r, struct list *l)
{
	if (r->p == r->end || *r->p != '(') {
		expr_parse_expected(r, "( and the values", "write field in (a, b)");
		return false;
	}
	do {
		expr_parse_skip(r, 1);
		if (!grow(r, l) || !read_value(r, false, "a value", &l->values[l->count]))
			return false;
		l->count++;
	} while (r->p < r->end && *r->p == ',');
	if (r->p == r->end || *r->p != ')') {
		expr_parse_expected(r, ", or )", "");
		return false;
	}
	expr_parse_skip(r, 1);
	return true;
}

static const struct expr *severity_list(struct expr_parse_reader *r, const struct list *l)
{
	uint8_t mask = 0;
	int severity = 0;

	for (uint32_t i = 0; i < l->count; i++) {
		if (!severity_of(r, &l->values[i], &severity))
			return NULL;
		mask |= (uint8_t)(1u << severity);
	}
	return expr_severity(r->b, mask);
}

static const struct expr *range_list(
	struct expr_parse_reader *r, const struct expr_field *f, const struct list *l)
{
	struct expr_range *ranges = expr_alloc(r->b, l->count, sizeof *ranges);

	for (uint32_t i = 0; ranges && i < l->count; i++) {
		if (!read_range(r, f, &l->values[i], &ranges[i]))
			return NULL;
	}
	return ranges ? expr_ranges(r->b, f, ranges, l->count) : NULL;
}

static const struct expr *text_list(
	struct expr_parse_reader *r, const struct expr_field *f, const struct list *l)
{
	struct expr_value *values = expr_alloc(r->b, l->count, sizeof *values);

	for (uint32_t i = 0; values && i < l->count; i++)
		values[i] = as_value(&l->values[i]);
	return values ? expr_in(r->b, f, values, l->count) : NULL;
}

const struct expr *expr_parse_value_list(struct expr_parse_reader *r, const struct expr_field *f)
{
	const uint8_t *at = r->p;
	const struct expr *x = NULL;
	struct list l = { 0 };

	if (read_list(r, &l)) {
		if (is_text(f))
			x = text_list(r, f, &l);
		else if (f->kind == EXPR_FIELD_SEVERITY)
			x = severity_list(r, &l);
		else
			x = range_list(r, f, &l);
	}
	free(l.values);
	return r->err->code ? NULL : expr_parse_made(r, at, x);
}

/* ---------------------------------------------------------------- entities */

static const struct expr *text_is(struct expr_parse_reader *r, enum event_text text, struct span s)
{
	return s.n ? expr_text_in(r->b, text, &s, 1) : expr_true(r->b);
}

/* TYPE/ID, TYPE/ or ID. */
static const struct expr *entity_is(struct expr_parse_reader *r, const struct value *v)
{
	const uint8_t *slash = v->text.n ? memchr(v->text.p, '/', v->text.n) : NULL;
	struct span type, id;

	if (!slash)
		return expr_text_in(r->b, EVENT_TEXT_ENTITY_ID, &v->text, 1);
	type = span_of(v->text.p, (size_t)(slash - v->text.p));
	id = span_of(slash + 1, v->text.n - type.n - 1);
	return expr_and(r->b, text_is(r, EVENT_TEXT_ENTITY_TYPE, type),
		text_is(r, EVENT_TEXT_ENTITY_ID, id));
}

static const struct expr *entity_exists(struct expr_parse_reader *r)
{
	const struct expr_field type = expr_field_text(EVENT_TEXT_ENTITY_TYPE),
				id = expr_field_text(EVENT_TEXT_ENTITY_ID);

	return expr_or(r->b, expr_exists(r->b, &type), expr_exists(r->b, &id));
}

static const struct expr *entity_list(struct expr_parse_reader *r)
{
	const struct expr *x = expr_false(r->b);
	struct list l = { 0 };

	if (read_list(r, &l)) {
		for (uint32_t i = 0; i < l.count; i++)
			x = expr_or(r->b, x, entity_is(r, &l.values[i]));
	}
	free(l.values);
	return r->err->code ? NULL : x;
}

const struct expr *expr_parse_value_entity(struct expr_parse_reader *r, enum expr_parse_op op)
{
	const uint8_t *at = r->p;
	const struct expr *x = NULL;
	struct value v;

	if (op == EXPR_PARSE_NONE)
		x = entity_list(r);
	else if (op != EXPR_PARSE_EQ && op != EXPR_PARSE_NE)
		return expr_parse_fail(r, ERR_SYNTAX, at,
			"entity_type and entity_id take all signs",
			"entity takes =, != and in alone");
	else if (take_star(r, op))
		x = entity_exists(r);
	else if (read_value(r, false, "TYPE/ID", &v))
		x = entity_is(r, &v);
	if (x && op == EXPR_PARSE_NE)
		x = expr_not(r->b, x);
	return r->err->code ? NULL : expr_parse_made(r, at, x);
}
