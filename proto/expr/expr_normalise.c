/*
 * Negations are carried down to the tests on the way in. On the way out each and/or takes in the
 * arguments of those of its own kind, sorts, and joins neighbours: tests of one field by set arithmetic
 * where the result is one test again. All of it is done for `and`; an `or` of tests is the negated
 * `and` of the negated tests.
 *
 * Sorting puts tests first, the cheap before the dear, so that equal questions become equal trees and
 * evaluation in order is not a bad one.
 */
#include "proto/expr/expr_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"

/* ---------------------------------------------------------------- order of trees */

static unsigned test_rank(enum expr_test_kind test)
{
	static const uint8_t ranks[] = {
		[EXPR_TEST_RANGES] = 0,
		[EXPR_TEST_SEVERITY] = 1,
		[EXPR_TEST_IN] = 2,
		[EXPR_TEST_EXISTS] = 3,
		[EXPR_TEST_ORDER] = 4,
		[EXPR_TEST_CONTAINS] = 5,
		[EXPR_TEST_REGEX] = 6,
	};

	return ranks[test];
}

static int cmp_u64(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int cmp_values(const struct expr *a, const struct expr *b)
{
	int c = cmp_u64(a->values_count, b->values_count);

	for (uint32_t i = 0; c == 0 && i < a->values_count; i++)
		c = expr_value_cmp(&a->values[i], &b->values[i]);
	return c;
}

static int cmp_ranges(const struct expr *a, const struct expr *b)
{
	int c = cmp_u64(a->ranges_count, b->ranges_count);

	for (uint32_t i = 0; c == 0 && i < a->ranges_count; i++) {
		c = cmp_u64(a->ranges[i].lo, b->ranges[i].lo);
		if (c == 0)
			c = cmp_u64(a->ranges[i].hi, b->ranges[i].hi);
	}
	return c;
}

/* What a test asks, apart from its negation. */
static int cmp_content(const struct expr *a, const struct expr *b)
{
	int c = cmp_u64(a->severity_mask, b->severity_mask);

	if (c == 0)
		c = cmp_u64(a->order, b->order);
	if (c == 0)
		c = cmp_values(a, b);
	return c ? c : cmp_ranges(a, b);
}

/* Of one kind and field. */
static int cmp_subject(const struct expr *a, const struct expr *b)
{
	int c = cmp_u64(test_rank(a->test), test_rank(b->test));

	return c ? c : expr_field_cmp(&a->field, &b->field);
}

static int cmp_tests(const struct expr *a, const struct expr *b)
{
	int c = cmp_subject(a, b);

	/* Those to be joined stand together by their sign. */
	if (c == 0 && a->test == EXPR_TEST_IN)
		c = cmp_u64(a->negate, b->negate);
	if (c == 0)
		c = cmp_content(a, b);
	return c ? c : (int)a->negate - (int)b->negate;
}

static int cmp_trees(const struct expr *a, const struct expr *b)
{
	int c;

	if (a->kind != b->kind)
		return cmp_u64(b->kind, a->kind); /* a test has the greatest */
	if (a->kind == EXPR_TEST)
		return cmp_tests(a, b);
	c = cmp_u64(a->args_count, b->args_count);
	for (uint32_t i = 0; c == 0 && i < a->args_count; i++)
		c = cmp_trees(a->args[i], b->args[i]);
	return c;
}

static int compare(const void *a, const void *b)
{
	return cmp_trees(*(const struct expr *const *)a, *(const struct expr *const *)b);
}

/* ---------------------------------------------------------------- tests */

static struct expr *copy(struct expr_builder *b, const struct expr *x)
{
	struct expr *y = expr_node_normal(b, x->kind);

	if (y)
		*y = *x;
	return y;
}

static const struct expr *constant(struct expr_builder *b, bool truth)
{
	return expr_node_normal(b, truth ? EXPR_TRUE : EXPR_FALSE);
}

static bool always_there(const struct expr_field *f)
{
	return f->kind != EXPR_FIELD_TEXT && f->kind != EXPR_FIELD_META;
}

static const struct expr *normal_severity(struct expr_builder *b, struct expr *y)
{
	if (y->negate)
		y->severity_mask = (uint8_t)~y->severity_mask;
	y->negate = false;
	if (y->severity_mask == 0 || y->severity_mask == 255)
		return constant(b, y->severity_mask != 0);
	return y;
}

static const struct expr *normal_ranges(struct expr_builder *b, struct expr *y)
{
	struct expr_range *inverse;

	if (y->negate) {
		inverse = expr_alloc(b, y->ranges_count + 1, sizeof *inverse);
		if (!inverse)
			return NULL;
		y->ranges_count = expr_range_invert(y->ranges, y->ranges_count, inverse);
		y->ranges = inverse;
	}
	y->negate = false;
	if (y->ranges_count == 0)
		return constant(b, false);
	if (y->ranges[0].lo == 0 && y->ranges[0].hi == UINT64_MAX)
		return constant(b, true);
	return y;
}

static const struct expr *normal_test(struct expr_builder *b, const struct expr *x, bool negate)
{
	struct expr *y = copy(b, x);

	if (!y)
		return NULL;
	y->negate = x->negate != negate;
	if (y->test == EXPR_TEST_SEVERITY)
		return normal_severity(b, y);
	if (y->test == EXPR_TEST_RANGES)
		return normal_ranges(b, y);
	if (y->test == EXPR_TEST_EXISTS && always_there(&y->field))
		return constant(b, !y->negate);
	return y;
}

/* ---------------------------------------------------------------- two tests that become one */

static bool in_values(const struct expr *t, const struct expr_value *v)
{
	return textset_has(&t->texts, v->text);
}

/* The values of a that are (want) or are not values of b. */
static struct expr_value *filter(struct expr_builder *b, const struct expr *x, const struct expr *y,
	bool want, uint32_t *out_count)
{
	struct expr_value *values = expr_alloc(b, x->values_count, sizeof *values);
	uint32_t n = 0;

	for (uint32_t i = 0; values && i < x->values_count; i++) {
		if (in_values(y, &x->values[i]) == want)
			values[n++] = x->values[i];
	}
	*out_count = n;
	return values;
}

static struct expr_value *unite(
	struct expr_builder *b, const struct expr *x, const struct expr *y, uint32_t *out_count)
{
	uint32_t n = x->values_count + y->values_count;
	struct expr_value *values = expr_alloc(b, n, sizeof *values);

	if (!values)
		return NULL;
	memcpy(values, x->values, x->values_count * sizeof *values);
	memcpy(values + x->values_count, y->values, y->values_count * sizeof *values);
	*out_count = expr_value_tidy(values, n);
	return values;
}

/* x and y, of which x is not negated unless both are. */
static const struct expr *both_in(
	struct expr_builder *b, const struct expr *x, const struct expr *y)
{
	struct expr *z = copy(b, x);
	struct expr_value *values;
	uint32_t n = 0;

	if (!z)
		return NULL;
	if (x->negate)
		values = unite(b, x, y, &n);
	else
		values = filter(b, x, y, !y->negate, &n);
	if (!values)
		return NULL;
	if (n == 0)
		return constant(b, false);
	return expr_value_set(b, z, values, n) ? z : NULL;
}

static const struct expr *both_ranges(
	struct expr_builder *b, const struct expr *x, const struct expr *y)
{
	uint32_t room = x->ranges_count + y->ranges_count;
	struct expr_range *ranges = expr_alloc(b, room, sizeof *ranges);
	struct expr *z = copy(b, x);

	if (!z || !ranges)
		return NULL;
	z->ranges = ranges;
	z->ranges_count = expr_range_intersect(
		x->ranges, x->ranges_count, y->ranges, y->ranges_count, ranges);
	return normal_ranges(b, z);
}

static const struct expr *both_severities(
	struct expr_builder *b, const struct expr *x, const struct expr *y)
{
	struct expr *z = copy(b, x);

	if (!z)
		return NULL;
	z->severity_mask &= y->severity_mask;
	return normal_severity(b, z);
}

/* Texts are one value each; a number in metadata may equal several that are written differently. */
static bool joins(const struct expr *x, const struct expr *y)
{
	if (x->kind != EXPR_TEST || y->kind != EXPR_TEST || cmp_subject(x, y) != 0)
		return false;
	if (x->test == EXPR_TEST_SEVERITY || x->test == EXPR_TEST_RANGES)
		return true;
	return x->test == EXPR_TEST_IN &&
	       (x->field.kind == EXPR_FIELD_TEXT || (x->negate && y->negate));
}

static const struct expr *both(struct expr_builder *b, const struct expr *x, const struct expr *y)
{
	if (x->test == EXPR_TEST_SEVERITY)
		return both_severities(b, x, y);
	if (x->test == EXPR_TEST_RANGES)
		return both_ranges(b, x, y);
	return x->negate && !y->negate ? both_in(b, y, x) : both_in(b, x, y);
}

static const struct expr *inverse(struct expr_builder *b, const struct expr *x)
{
	if (!x)
		return NULL;
	if (x->kind == EXPR_TEST)
		return normal_test(b, x, true);
	return constant(b, x->kind == EXPR_FALSE);
}

/* x or y. */
static const struct expr *either(struct expr_builder *b, const struct expr *x, const struct expr *y)
{
	const struct expr *no_x = inverse(b, x), *no_y = inverse(b, y);

	return no_x && no_y ? inverse(b, both(b, no_x, no_y)) : NULL;
}

/* Of tests of an `or` the negations are joined. */
static bool joins_in(enum expr_kind kind, const struct expr *x, const struct expr *y)
{
	if (kind == EXPR_AND || x->test != EXPR_TEST_IN || x->field.kind == EXPR_FIELD_TEXT)
		return joins(x, y);
	return x->kind == EXPR_TEST && y->kind == EXPR_TEST && cmp_subject(x, y) == 0 &&
	       !x->negate && !y->negate;
}

static bool contradict(const struct expr *x, const struct expr *y)
{
	return x->kind == EXPR_TEST && y->kind == EXPR_TEST && x->negate != y->negate &&
	       cmp_subject(x, y) == 0 && cmp_content(x, y) == 0;
}

/* ---------------------------------------------------------------- and, or */

/* What stands for neighbours x and y of sorted arguments; NULL: nothing does, unless b->err. */
static const struct expr *combine(
	struct expr_builder *b, enum expr_kind kind, const struct expr *x, const struct expr *y)
{
	if (joins_in(kind, x, y))
		return kind == EXPR_AND ? both(b, x, y) : either(b, x, y);
	if (cmp_trees(x, y) == 0)
		return x;
	return contradict(x, y) ? constant(b, kind == EXPR_OR) : NULL;
}

/* Combines sorted arguments in place, until no two neighbours can be; 0, or b->err. */
static int join_sorted(
	struct expr_builder *b, enum expr_kind kind, const struct expr **args, uint32_t *count)
{
	const enum expr_kind decides = kind == EXPR_AND ? EXPR_FALSE : EXPR_TRUE;
	const enum expr_kind nothing = kind == EXPR_AND ? EXPR_TRUE : EXPR_FALSE;
	uint32_t n = 0;

	for (uint32_t i = 0; i < *count; i++) {
		const struct expr *x = args[i], *one;

		while (n > 0 && (one = combine(b, kind, args[n - 1], x)) != NULL) {
			x = one;
			n--;
		}
		if (b->err)
			return b->err;
		if (x->kind == decides) {
			args[0] = x;
			*count = 1;
			return 0;
		}
		if (x->kind != nothing)
			args[n++] = x;
	}
	if (n == 0)
		args[n++] = constant(b, kind == EXPR_AND);
	*count = n;
	return b->err;
}

static const struct expr *normal(struct expr_builder *b, const struct expr *x, bool negate);

/* The normal forms of the arguments, those of `kind` taken apart. */
static const struct expr **collect(struct expr_builder *b, const struct expr *x, bool negate,
	enum expr_kind kind, uint32_t *out_count)
{
	const struct expr **part = expr_alloc(b, x->args_count, sizeof *part), **all;
	size_t total = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; part && i < x->args_count; i++) {
		part[i] = normal(b, x->args[i], negate);
		if (!part[i])
			return NULL;
		total += part[i]->kind == kind ? part[i]->args_count : 1;
	}
	all = expr_alloc(b, total, sizeof *all);
	if (!all)
		return NULL;
	for (uint32_t i = 0; i < x->args_count; i++) {
		bool same = part[i]->kind == kind;

		for (uint32_t k = 0; k < (same ? part[i]->args_count : 1); k++)
			all[n++] = same ? part[i]->args[k] : part[i];
	}
	ASSERT(n == total);
	*out_count = n;
	return all;
}

static const struct expr *normal(struct expr_builder *b, const struct expr *x, bool negate)
{
	const struct expr **args;
	struct expr *node;
	enum expr_kind kind;
	uint32_t n = 0;

	switch (x->kind) {
	case EXPR_TRUE:
	case EXPR_FALSE:
		return constant(b, (x->kind == EXPR_TRUE) != negate);
	case EXPR_TEST:
		return normal_test(b, x, negate);
	case EXPR_NOT:
		return normal(b, x->args[0], !negate);
	case EXPR_AND:
	case EXPR_OR:
		break;
	}
	kind = (x->kind == EXPR_AND) != negate ? EXPR_AND : EXPR_OR;
	args = collect(b, x, negate, kind, &n);
	if (!args)
		return NULL;
	qsort(args, n, sizeof *args, compare);
	if (join_sorted(b, kind, args, &n) < 0)
		return NULL;
	if (n == 1)
		return args[0];
	node = expr_node_normal(b, kind);
	return node ? expr_join(b, node, args, n) : NULL;
}

/* Every node of the normal form was made for it, and stands in it once. */
static void number(const struct expr *x, uint32_t *next)
{
	if (x->kind == EXPR_TEST)
		((struct expr *)(uintptr_t)x)->index = (*next)++;
	for (uint32_t i = 0; i < x->args_count; i++)
		number(x->args[i], next);
}

const struct expr *expr_normalise(struct expr_builder *b, const struct expr *x)
{
	const struct expr *y;
	uint32_t next = 0;

	if (b->err || !x)
		return NULL;
	y = normal(b, x, false);
	if (y)
		number(y, &next);
	return y;
}
