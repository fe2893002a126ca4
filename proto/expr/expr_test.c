#include "proto/expr/expr.h"

#include "proto/base/check.h"
#include "proto/expr/expr_regex_int.h"

/* ---------------------------------------------------------------- texts */

static bool order_holds(enum expr_order order, int c)
{
	switch (order) {
	case EXPR_LT:
		return c == -1;
	case EXPR_LE:
		return c == -1 || c == 0;
	case EXPR_GT:
		return c == 1;
	case EXPR_GE:
		return c == 1 || c == 0;
	}
	UNREACHABLE();
}

static int sign(int c)
{
	return (c > 0) - (c < 0);
}

static bool order_text(const struct expr *t, struct span text)
{
	const struct expr_value *v = t->values;

	if (v->number.kind != EXPR_NUMBER_NONE)
		return order_holds(t->order, expr_number_cmp(expr_number_of(text), v->number));
	return order_holds(t->order, sign(span_cmp(text, v->text)));
}

bool expr_test_text(const struct expr *test, struct span value, struct expr_scratch *s)
{
	ASSERT(test->kind == EXPR_TEST);
	if (!value.p)
		return false;
	switch (test->test) {
	case EXPR_TEST_EXISTS:
		return true;
	case EXPR_TEST_IN:
		return textset_has(&test->texts, value);
	case EXPR_TEST_ORDER:
		return order_text(test, value);
	case EXPR_TEST_CONTAINS:
		return needle_find(&test->needle, value, 0) != SIZE_MAX;
	case EXPR_TEST_REGEX:
		return expr_regex_find(test->regex, value, s);
	case EXPR_TEST_SEVERITY:
	case EXPR_TEST_RANGES:
		break;
	}
	return false;
}

/* ---------------------------------------------------------------- cells */

static bool in_words(const struct expr *t, struct span word)
{
	for (uint32_t i = 0; i < t->values_count; i++) {
		if (!t->values[i].quoted && span_eq(t->values[i].text, word))
			return true;
	}
	return false;
}

static bool in_numbers(const struct expr *t, struct expr_number n)
{
	for (uint32_t i = 0; i < t->values_count; i++) {
		if (expr_number_cmp(t->values[i].number, n) == 0)
			return true;
	}
	return false;
}

static bool in_ranges(const struct expr *t, uint64_t key)
{
	for (uint32_t i = 0; i < t->ranges_count && t->ranges[i].lo <= key; i++) {
		if (key <= t->ranges[i].hi)
			return true;
	}
	return false;
}

static bool test_number(const struct expr *t, struct expr_number n)
{
	switch (t->test) {
	case EXPR_TEST_EXISTS:
		return true;
	case EXPR_TEST_IN:
		return in_numbers(t, n);
	case EXPR_TEST_ORDER:
		return order_holds(t->order, expr_number_cmp(n, t->values->number));
	case EXPR_TEST_SEVERITY:
		return n.kind == EXPR_NUMBER_INT && (uint64_t)n.i < EVENT_SEVERITY_COUNT &&
		       (t->severity_mask >> n.i & 1);
	case EXPR_TEST_RANGES:
		if (n.kind == EXPR_NUMBER_DOUBLE)
			return false;
		return in_ranges(t, t->field.kind == EXPR_FIELD_ID ? n.u : expr_time_key(n.i));
	case EXPR_TEST_CONTAINS:
	case EXPR_TEST_REGEX:
		break;
	}
	return false;
}

bool expr_test_cell(const struct expr *test, const struct expr_cell *cell, struct expr_scratch *s)
{
	ASSERT(test->kind == EXPR_TEST);
	switch (cell->kind) {
	case EXPR_CELL_ABSENT:
		return false;
	case EXPR_CELL_TEXT:
		return expr_test_text(test, cell->text, s);
	case EXPR_CELL_NUMBER:
		return test_number(test, cell->number);
	case EXPR_CELL_NULL:
		return test->test == EXPR_TEST_EXISTS ||
		       (test->test == EXPR_TEST_IN && in_words(test, SPAN_LIT("null")));
	case EXPR_CELL_BOOL:
		return test->test == EXPR_TEST_EXISTS ||
		       (test->test == EXPR_TEST_IN &&
			       in_words(test, cell->truth ? SPAN_LIT("true") : SPAN_LIT("false")));
	case EXPR_CELL_OTHER:
		return test->test == EXPR_TEST_EXISTS;
	}
	UNREACHABLE();
}
