#include "proto/expr/expr_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/expr/expr_regex_int.h"

/* ---------------------------------------------------------------- memory */

void expr_builder_init(struct expr_builder *b)
{
	*b = (struct expr_builder){ .err = 0 };
	arena_init(&b->arena, LIMIT_EXPR_BYTES);
}

void expr_builder_fini(struct expr_builder *b)
{
	for (struct expr_owned *o = b->owned; o; o = o->next) {
		needle_fini(&o->needle);
		expr_regex_free(&o->regex);
	}
	arena_fini(&b->arena);
	*b = (struct expr_builder){ .err = 0 };
}

void *expr_fail(struct expr_builder *b, int code)
{
	ASSERT(code < 0);
	if (b->err == 0)
		b->err = code;
	return NULL;
}

void *expr_alloc(struct expr_builder *b, size_t count, size_t size)
{
	size_t n;
	void *p;

	if (b->err)
		return NULL;
	p = arena_calloc(&b->arena, count, size);
	if (p)
		return p;
	if (__builtin_mul_overflow(count, size, &n) || n > LIMIT_EXPR_BYTES - b->arena.used)
		return expr_fail(b, ERR_LIMIT);
	return expr_fail(b, -ENOMEM);
}

/* A text that is there stays there, also when it is empty. */
int expr_copy_text(struct expr_builder *b, struct span text, struct span *out)
{
	uint8_t *p = expr_alloc(b, text.n ? text.n : 1, 1);

	if (!p)
		return b->err;
	if (text.n)
		memcpy(p, text.p, text.n);
	*out = span_of(p, text.n);
	return 0;
}

static struct expr_owned *own(struct expr_builder *b)
{
	struct expr_owned *o = expr_alloc(b, 1, sizeof *o);

	if (!o)
		return NULL;
	o->next = b->owned;
	return b->owned = o;
}

struct expr *expr_node_normal(struct expr_builder *b, enum expr_kind kind)
{
	struct expr *x = expr_alloc(b, 1, sizeof *x);

	if (x) {
		x->kind = kind;
		x->depth = 1;
	}
	return x;
}

struct expr *expr_node(struct expr_builder *b, enum expr_kind kind)
{
	if (b->nodes_count == LIMIT_EXPR_NODES)
		return expr_fail(b, ERR_LIMIT);
	b->nodes_count++;
	return expr_node_normal(b, kind);
}

/* ---------------------------------------------------------------- what joins tests */

const struct expr *expr_true(struct expr_builder *b)
{
	return expr_node(b, EXPR_TRUE);
}

const struct expr *expr_false(struct expr_builder *b)
{
	return expr_node(b, EXPR_FALSE);
}

const struct expr *expr_join(
	struct expr_builder *b, struct expr *node, const struct expr *const *args, uint32_t count)
{
	ASSERT(count > 0);
	node->args = args;
	node->args_count = count;
	for (uint32_t i = 0; i < count; i++) {
		if (args[i]->depth + 1 > node->depth)
			node->depth = args[i]->depth + 1;
	}
	return node->depth > LIMIT_EXPR_DEPTH ? expr_fail(b, ERR_DEPTH) : node;
}

/* Of those of the same kind, their arguments: a long chain is one level. */
const struct expr *expr_list(
	struct expr_builder *b, enum expr_kind kind, const struct expr *const *args, uint32_t count)
{
	struct expr *node;
	const struct expr **flat;
	size_t total = 0;
	uint32_t n = 0;

	ASSERT(kind == EXPR_AND || kind == EXPR_OR);
	for (uint32_t i = 0; i < count; i++) {
		if (!args[i])
			return NULL;
		total += args[i]->kind == kind ? args[i]->args_count : 1;
	}
	if (count == 1)
		return args[0];
	if (count == 0)
		return kind == EXPR_AND ? expr_true(b) : expr_false(b);
	node = expr_node(b, kind);
	flat = node ? expr_alloc(b, total, sizeof *flat) : NULL;
	if (!flat)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		if (args[i]->kind != kind) {
			flat[n++] = args[i];
			continue;
		}
		for (uint32_t k = 0; k < args[i]->args_count; k++)
			flat[n++] = args[i]->args[k];
	}
	ASSERT(n == total);
	return expr_join(b, node, flat, n);
}

const struct expr *expr_and(struct expr_builder *b, const struct expr *x, const struct expr *y)
{
	const struct expr *const args[] = { x, y };

	return expr_list(b, EXPR_AND, args, 2);
}

const struct expr *expr_or(struct expr_builder *b, const struct expr *x, const struct expr *y)
{
	const struct expr *const args[] = { x, y };

	return expr_list(b, EXPR_OR, args, 2);
}

const struct expr *expr_not(struct expr_builder *b, const struct expr *x)
{
	struct expr *node;
	const struct expr **args;

	if (!x)
		return NULL;
	if (x->kind == EXPR_NOT)
		return x->args[0];
	node = expr_node(b, EXPR_NOT);
	args = node ? expr_alloc(b, 1, sizeof *args) : NULL;
	if (!args)
		return NULL;
	args[0] = x;
	return expr_join(b, node, args, 1);
}

/* ---------------------------------------------------------------- tests */

static struct expr *test_of(
	struct expr_builder *b, enum expr_test_kind test, const struct expr_field *f)
{
	struct expr *x = expr_node(b, EXPR_TEST);

	if (x) {
		x->test = test;
		x->field = *f;
	}
	return x;
}

static bool is_texts(const struct expr_field *f)
{
	return f->kind == EXPR_FIELD_TEXT || f->kind == EXPR_FIELD_META;
}

/* Copies of the values, counted. */
static struct expr_value *copy_values(struct expr_builder *b, const struct expr_field *f,
	const struct expr_value *values, uint32_t count)
{
	struct expr_value *to;

	if (count > LIMIT_EXPR_VALUES - b->values_count)
		return expr_fail(b, ERR_LIMIT);
	b->values_count += count;
	to = expr_alloc(b, count, sizeof *to);
	for (uint32_t i = 0; to && i < count; i++) {
		to[i] = expr_value_plain(values[i], f->kind);
		if (expr_copy_text(b, values[i].text, &to[i].text) < 0)
			return NULL;
	}
	return to;
}

const struct expr *expr_exists(struct expr_builder *b, const struct expr_field *f)
{
	return test_of(b, EXPR_TEST_EXISTS, f);
}

const struct expr *expr_in(struct expr_builder *b, const struct expr_field *f,
	const struct expr_value *values, uint32_t count)
{
	struct expr *x;
	struct expr_value *own_values;

	ASSERT(is_texts(f));
	if (count == 0)
		return expr_false(b);
	x = test_of(b, EXPR_TEST_IN, f);
	own_values = x ? copy_values(b, f, values, count) : NULL;
	if (!own_values)
		return NULL;
	return expr_value_set(b, x, own_values, expr_value_tidy(own_values, count)) ? x : NULL;
}

const struct expr *expr_text_in(
	struct expr_builder *b, enum event_text text, const struct span *values, uint32_t count)
{
	struct expr_field f = expr_field_text(text);
	struct expr_value *quoted = expr_alloc(b, count, sizeof *quoted);

	if (!quoted)
		return NULL;
	for (uint32_t i = 0; i < count; i++)
		quoted[i] = expr_value_quoted(values[i]);
	return expr_in(b, &f, quoted, count);
}

const struct expr *expr_order(struct expr_builder *b, const struct expr_field *f,
	enum expr_order order, const struct expr_value *value)
{
	struct expr *x = test_of(b, EXPR_TEST_ORDER, f);
	struct expr_value *values;

	ASSERT(is_texts(f));
	/* On text fields too a bare number is one. */
	values = x ? copy_values(b, &(struct expr_field){ .kind = EXPR_FIELD_META }, value, 1)
		   : NULL;
	if (!values)
		return NULL;
	/* No order has a place for words. */
	if (values->number.kind == EXPR_NUMBER_NONE)
		values->quoted = true;
	x->order = order;
	x->values = values;
	x->values_count = 1;
	return x;
}

const struct expr *expr_contains(
	struct expr_builder *b, const struct expr_field *f, struct span needle)
{
	struct expr_value *value;
	struct expr_owned *o;
	struct expr *x;

	ASSERT(is_texts(f));
	if (needle.n == 0)
		return expr_exists(b, f);
	x = test_of(b, EXPR_TEST_CONTAINS, f);
	o = x ? own(b) : NULL;
	value = o ? expr_alloc(b, 1, sizeof *value) : NULL;
	if (!value)
		return NULL;
	if (needle_init(&o->needle, needle) < 0)
		return expr_fail(b, -ENOMEM);
	x->needle = o->needle;
	value->text = span_of(o->needle.lower, o->needle.n);
	value->quoted = true;
	x->values = value;
	x->values_count = 1;
	return x;
}

const struct expr *expr_matches(struct expr_builder *b, const struct expr_field *f,
	struct span pattern, size_t *out_at, char *out_text, size_t cap)
{
	struct expr_value *values;
	struct expr_owned *o;
	struct expr *x;
	size_t at = 0;
	int rc;

	ASSERT(is_texts(f));
	if (out_at)
		*out_at = 0;
	if (cap)
		*out_text = 0;
	if (b->regexes_count == LIMIT_EXPR_REGEXES || pattern.n > LIMIT_EXPR_REGEX_BYTES)
		return expr_fail(b, ERR_LIMIT);
	b->regexes_count++;
	x = test_of(b, EXPR_TEST_REGEX, f);
	o = x ? own(b) : NULL;
	values = o ? copy_values(b, f, &(struct expr_value){ .text = pattern, .quoted = true }, 1)
		   : NULL;
	if (!values)
		return NULL;
	rc = expr_regex_new(values->text, &o->regex, &at, out_text, cap);
	if (rc < 0) {
		if (out_at)
			*out_at = at;
		return expr_fail(b, rc);
	}
	x->regex = o->regex;
	x->values = values;
	x->values_count = 1;
	return x;
}

const struct expr *expr_severity(struct expr_builder *b, uint8_t mask)
{
	struct expr *x =
		test_of(b, EXPR_TEST_SEVERITY, &(struct expr_field){ .kind = EXPR_FIELD_SEVERITY });

	if (x)
		x->severity_mask = mask;
	return x;
}

const struct expr *expr_ranges(struct expr_builder *b, const struct expr_field *f,
	const struct expr_range *ranges, uint32_t count)
{
	struct expr_range *copy;
	struct expr *x;

	ASSERT(f->kind == EXPR_FIELD_ID || f->kind == EXPR_FIELD_TIME ||
		f->kind == EXPR_FIELD_RECEIVED);
	if (count > LIMIT_EXPR_VALUES - b->values_count)
		return expr_fail(b, ERR_LIMIT);
	b->values_count += count;
	x = test_of(b, EXPR_TEST_RANGES, f);
	copy = x ? expr_alloc(b, count, sizeof *copy) : NULL;
	if (!copy)
		return NULL;
	for (uint32_t i = 0; i < count; i++)
		copy[i] = ranges[i];
	x->ranges = copy;
	x->ranges_count = expr_range_tidy(copy, count);
	return x;
}

uint32_t expr_tests_count(const struct expr *x)
{
	uint32_t n = x->kind == EXPR_TEST;

	for (uint32_t i = 0; i < x->args_count; i++)
		n += expr_tests_count(x->args[i]);
	return n;
}
