/*
 * Goal: a quantile is the number at its place while few are kept, and within 1/256 of it from then on,
 * whatever the numbers are and in whichever order they were joined; memory is accounted to the byte.
 * Method: seeded numbers of several shapes, against their sorted array.
 */
#include "tests/support/check_cmocka.h"

#include <math.h>
#include <stdlib.h>

#include "query/quantile.h"

enum { EXACT_MAX = 500, MANY = 20000 };

static uint64_t seed = 20261130;

static double rnd(void)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (double)(seed >> 11) / 0x1p53;
}

static double steps(void)
{
	return floor(rnd() * 40) - 10;
}

static double wide(void)
{
	return pow(10, rnd() * 500 - 250) * (rnd() < 0.3 ? -1 : 1);
}

static double usual(void)
{
	return floor(exp(rnd() * 12));
}

static double mostly_zero(void)
{
	return rnd() < 0.7 ? 0 : rnd();
}

static double (*const shapes[])(void) = { steps, wide, usual, mostly_zero, rnd };

enum { SHAPES = sizeof shapes / sizeof shapes[0] };

static int compare(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static double naive(const double *sorted, size_t n, double q)
{
	size_t place = (size_t)ceil(q * (double)n);

	return sorted[place ? place - 1 : 0];
}

static void check(struct quantile *x, double *v, size_t n)
{
	static const double qs[] = { 0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1 };

	qsort(v, n, sizeof v[0], compare);
	for (size_t i = 0; i < sizeof qs / sizeof qs[0]; i++) {
		double want = naive(v, n, qs[i]), got = quantile_at(x, qs[i]);

		if (quantile_is_exact(x))
			assert_true(got == want);
		else if (!(fabs(got - want) <= fabs(want) / 256))
			fail_msg("q %g of %zu: %.17g, not %.17g", qs[i], n, got, want);
	}
}

static void each_shape(void **state)
{
	static double v[MANY];
	static const size_t sizes[] = { 1, 2, 3, 100, EXACT_MAX, EXACT_MAX + 1, MANY };

	(void)state;
	for (size_t i = 0; i < SHAPES * 7; i++) {
		size_t n = sizes[i % 7], held = 0;
		struct quantile x = { .count = 0 };

		for (size_t k = 0; k < n; k++) {
			v[k] = shapes[i / 7]();
			assert_int_equal(quantile_add(&x, v[k], EXACT_MAX, &held), 0);
		}
		assert_int_equal(x.count, n);
		assert_int_equal(quantile_is_exact(&x), n <= EXACT_MAX);
		check(&x, v, n);
		quantile_fini(&x, &held);
		assert_int_equal(held, 0);
	}
}

static void joined(void **state)
{
	static double v[4000];
	static const size_t sizes[] = { 0, 1, 400, 501, 2000 };
	size_t held = 0;

	(void)state;
	for (size_t i = 0; i < 25 * SHAPES; i++) {
		size_t n = sizes[i % 5], m = sizes[i / 5 % 5];
		struct quantile a = { .count = 0 }, b = a, ab = a, ba = a;

		for (size_t k = 0; k < n + m; k++) {
			v[k] = shapes[i / 25]();
			quantile_add(k < n ? &a : &b, v[k], EXACT_MAX, &held);
		}
		quantile_join(&ab, &a, EXACT_MAX, &held);
		quantile_join(&ab, &b, EXACT_MAX, &held);
		quantile_join(&ba, &b, EXACT_MAX, &held);
		quantile_join(&ba, &a, EXACT_MAX, &held);
		assert_int_equal(ab.count, n + m);
		for (double q = 0; n + m > 0 && q <= 1; q += 0.25)
			assert_true(quantile_at(&ab, q) == quantile_at(&ba, q));
		if (n + m > 0)
			check(&ab, v, n + m);
		quantile_fini(&a, &held);
		quantile_fini(&b, &held);
		quantile_fini(&ab, &held);
		quantile_fini(&ba, &held);
	}
	assert_int_equal(held, 0);
}

static void odd_numbers(void **state)
{
	struct quantile x = { .count = 0 };
	size_t held = 0;

	(void)state;
	assert_int_equal(quantile_add(&x, NAN, 0, &held), 0);
	assert_int_equal(x.count, 0);
	for (int i = 0; i < 3; i++) {
		quantile_add(&x, -INFINITY, 0, &held);
		quantile_add(&x, -0.0, 0, &held);
		quantile_add(&x, INFINITY, 0, &held);
	}
	assert_false(quantile_is_exact(&x));
	assert_true(quantile_at(&x, 0) == -INFINITY);
	assert_true(quantile_at(&x, 0.5) == 0);
	assert_true(quantile_at(&x, 1) == INFINITY);
	quantile_fini(&x, &held);
	assert_int_equal(held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_shape),
		cmocka_unit_test(joined),
		cmocka_unit_test(odd_numbers),
	};

	return cmocka_run_group_tests_name("quantile", tests, NULL, NULL);
}
