/*
 * Goal:   numbers are compared by value, exactly, whichever of the three kinds they are.
 * Method: every pair out of the places where rounding would show, and random ones; the judge compares
 *         whole parts as 128-bit integers, and then what a double has behind the point.
 */
#include "tests/support/check_cmocka.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/expr/expr.h"
#include "tests/support/event_gen.h"

static struct expr_number of_int(int64_t i)
{
	return (struct expr_number){ .kind = EXPR_NUMBER_INT, .i = i };
}

static struct expr_number of_uint(uint64_t u)
{
	if (u <= INT64_MAX)
		return of_int((int64_t)u);
	return (struct expr_number){ .kind = EXPR_NUMBER_UINT, .u = u };
}

static struct expr_number of_double(double f)
{
	return (struct expr_number){ .kind = EXPR_NUMBER_DOUBLE, .f = f };
}

static __int128 whole_of(struct expr_number n)
{
	return n.kind == EXPR_NUMBER_INT ? (__int128)n.i : (__int128)n.u;
}

/* Whole parts below 1e20 fit 128 bits; larger doubles are beyond all integers. */
static int judge(struct expr_number a, struct expr_number b)
{
	double f, rest;
	__int128 x, y;

	if (a.kind == EXPR_NUMBER_DOUBLE && b.kind == EXPR_NUMBER_DOUBLE)
		return isnan(a.f) || isnan(b.f) ? 2 : (a.f > b.f) - (a.f < b.f);
	if (a.kind == EXPR_NUMBER_DOUBLE) {
		int c = judge(b, a);

		return c == 2 ? 2 : -c;
	}
	if (b.kind != EXPR_NUMBER_DOUBLE) {
		x = whole_of(a);
		y = whole_of(b);
		return (x > y) - (x < y);
	}
	f = b.f;
	if (isnan(f))
		return 2;
	if (fabs(f) > 1e20)
		return f > 0 ? -1 : 1;
	x = whole_of(a);
	y = (__int128)trunc(f);
	rest = f - trunc(f);
	if (x != y)
		return (x > y) - (x < y);
	return (rest < 0) - (rest > 0);
}

static void pair(struct expr_number a, struct expr_number b)
{
	int c = expr_number_cmp(a, b);

	assert_int_equal(c, judge(a, b));
	assert_int_equal(expr_number_cmp(b, a), c == 2 ? 2 : -c);
}

static size_t edges(struct expr_number *out)
{
	static const double floats[] = { 0.0, -0.0, 0.5, -0.5, 0.1, 9007199254740991.0,
		9007199254740992.0, 9007199254740994.0, 9223372036854774784.0,
		9223372036854775808.0, 9223372036854777856.0, 18446744073709549568.0,
		18446744073709551616.0, 1e19, 1e300, DBL_MIN, DBL_MAX, 5e-324, INFINITY, NAN };
	static const uint64_t bases[] = { 0, UINT64_C(1) << 53, UINT64_C(1) << 63,
		UINT64_MAX - 2047, UINT64_MAX - 2 };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_COUNT(floats); i++) {
		out[n++] = of_double(floats[i]);
		out[n++] = of_double(-floats[i]);
		out[n++] = of_double(nextafter(floats[i], INFINITY));
	}
	for (size_t i = 0; i < ARRAY_COUNT(bases); i++) {
		for (int k = -2; k <= 2; k++) {
			out[n++] = of_uint(bases[i] + (uint64_t)k);
			out[n++] = of_int((int64_t)(0 - bases[i] + (uint64_t)k));
		}
	}
	return n;
}

static void every_pair_of_edges(void **state)
{
	static struct expr_number all[200];
	size_t n = edges(all);

	(void)state;
	ASSERT(n <= ARRAY_COUNT(all));
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++)
			pair(all[i], all[k]);
	}
	assert_int_equal(
		expr_number_cmp((struct expr_number){ .kind = EXPR_NUMBER_NONE }, all[0]), 2);
}

static struct expr_number random_number(struct event_gen *g)
{
	uint64_t bits = event_gen_random(g) >> event_gen_below(g, 64);
	double f;

	switch (event_gen_below(g, 4)) {
	case 0:
		return of_int((int64_t)bits);
	case 1:
		return of_uint(bits);
	case 2:
		return of_double((double)(int64_t)bits + (double)event_gen_below(g, 4) / 4);
	default:
		memcpy(&f, &bits, sizeof f);
		return of_double(f);
	}
}

static void random_pairs(void **state)
{
	struct event_gen g = { .state = 53 };

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct expr_number a = random_number(&g);

		pair(a, random_number(&g));
		/* A near one. */
		if (a.kind == EXPR_NUMBER_INT)
			pair(a, of_double((double)a.i));
		if (a.kind == EXPR_NUMBER_UINT)
			pair(a, of_double((double)a.u));
	}
}

static void texts_that_are_numbers(void **state)
{
	static const char *const none[] = { "", "-", "+1", "01", "1.", ".5", "1e", "0x1", " 1",
		"1 ", "NaN", "Infinity", "1e999", "1_0", "--1", "1\xff" };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(none); i++)
		assert_int_equal(expr_number_of(span_str(none[i])).kind, EXPR_NUMBER_NONE);
	assert_int_equal(expr_number_of(SPAN_NONE).kind, EXPR_NUMBER_NONE);
	assert_int_equal(expr_number_of(SPAN_LIT("9223372036854775807")).i, INT64_MAX);
	assert_int_equal(expr_number_of(SPAN_LIT("9223372036854775808")).kind, EXPR_NUMBER_UINT);
	assert_int_equal(expr_number_of(SPAN_LIT("-9223372036854775808")).i, INT64_MIN);
	assert_int_equal(expr_number_of(SPAN_LIT("-9223372036854775809")).kind, EXPR_NUMBER_DOUBLE);
	assert_int_equal(expr_number_of(SPAN_LIT("18446744073709551616")).kind, EXPR_NUMBER_DOUBLE);
	assert_true(expr_number_of(SPAN_LIT("1.5e3")).f == 1500);
	assert_int_equal(
		expr_number_cmp(expr_number_of(SPAN_LIT("-0")), expr_number_of(SPAN_LIT("0"))), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_pair_of_edges),
		cmocka_unit_test(random_pairs),
		cmocka_unit_test(texts_that_are_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
