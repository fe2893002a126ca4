/*
 * Goal: different values are counted exactly while they are few, and within the stated error from then on;
 * a join counts the union, whichever way it is made; memory is accounted to the byte.
 * Method: hashes of a seeded generator, known sets.
 */
#include "tests/support/check_cmocka.h"

#include <math.h>
#include <stdlib.h>

#include "query/hll.h"

enum { EXACT_MAX = 1000 };

static uint64_t seed = 20261130;

/* SplitMix64: all its values are different. */
static uint64_t next(void)
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void few_are_exact(void **state)
{
	struct hll h = { .count = 0 };
	size_t held = 0;

	(void)state;
	assert_int_equal(hll_count(&h), 0);
	for (uint64_t i = 1; i <= EXACT_MAX; i++) {
		uint64_t hash = i == 7 ? 0 : next();

		assert_int_equal(hll_add(&h, hash, EXACT_MAX, &held), 0);
		assert_int_equal(hll_add(&h, hash, EXACT_MAX, &held), 0);
		assert_int_equal(hll_count(&h), i);
		assert_true(hll_is_exact(&h));
		assert_true(i == 1 ? held == 0 : held <= 24 * i + 32 + HLL_HEAP_BYTES);
	}
	hll_add(&h, next(), EXACT_MAX, &held);
	assert_false(hll_is_exact(&h));
	assert_int_equal(held, HLL_BYTES + HLL_HEAP_BYTES);
	hll_fini(&h, &held);
	assert_int_equal(held, 0);
	assert_int_equal(hll_count(&h), 0);
}

/* Its standard error is 0.81 %: four times as much happens once in 16000. */
static void many_are_close(void **state)
{
	static const uint64_t sizes[] = { 1001, 5000, 20000, 100000, 1000000 };

	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct hll h = { .count = 0 };
		size_t held = 0;
		double error;

		for (uint64_t n = 0; n < sizes[i]; n++)
			hll_add(&h, next(), EXACT_MAX, &held);
		error = fabs((double)hll_count(&h) - (double)sizes[i]) / (double)sizes[i];
		print_message(
			"# %llu: off by %.2f %%\n", (unsigned long long)sizes[i], error * 100);
		assert_true(error < 0.0325);
		hll_fini(&h, &held);
		assert_int_equal(held, 0);
	}
}

static void fill(struct hll *h, uint64_t from, uint64_t count, size_t *held)
{
	seed = from * UINT64_C(0x9e3779b97f4a7c15);
	for (uint64_t i = 0; i < count; i++)
		hll_add(h, next(), EXACT_MAX, held);
}

/* Sets of every size class, overlapping: joined as a, b and as b, a, and filled as one. */
static void a_join_is_a_union(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 600, 1000, 1001, 30000 };
	size_t held = 0;

	(void)state;
	for (size_t i = 0; i < 36; i++) {
		uint64_t n = sizes[i / 6], m = sizes[i % 6], end = n / 2 + m > n ? n / 2 + m : n;
		struct hll a = { .count = 0 }, b = a, ab = a, ba = a, one = a;

		fill(&a, 0, n, &held);
		fill(&b, n / 2, m, &held);
		if (m == 0)
			end = n;
		fill(&one, 0, end, &held);
		assert_int_equal(hll_join(&ab, &a, EXACT_MAX, &held), 0);
		assert_int_equal(hll_join(&ab, &b, EXACT_MAX, &held), 0);
		assert_int_equal(hll_join(&ba, &b, EXACT_MAX, &held), 0);
		assert_int_equal(hll_join(&ba, &a, EXACT_MAX, &held), 0);
		assert_int_equal(hll_count(&ab), hll_count(&one));
		assert_int_equal(hll_count(&ba), hll_count(&one));
		assert_int_equal(hll_is_exact(&ab), end <= EXACT_MAX);
		hll_fini(&a, &held);
		hll_fini(&b, &held);
		hll_fini(&ab, &held);
		hll_fini(&ba, &held);
		hll_fini(&one, &held);
	}
	assert_int_equal(held, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(few_are_exact),
		cmocka_unit_test(many_are_close),
		cmocka_unit_test(a_join_is_a_union),
	};

	return cmocka_run_group_tests_name("hll", tests, NULL, NULL);
}
