/* Goal: the set says of every id whether it is there, and finds every gap; against an array of bools. */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/idset.h"

enum { ALL_BYTES = 64 << 20, IDS = 3 * IDSET_PAGE_IDS + 77 };

static void twice_is_said(void **state)
{
	const uint64_t ids[] = { 1, UINT64_MAX, 0, UINT64_C(7) << 48 };
	struct idset s;

	(void)state;
	idset_init(&s, ALL_BYTES);
	for (size_t i = 0; i < ARRAY_COUNT(ids); i++) {
		assert_false(idset_has(&s, ids[i]));
		assert_int_equal(idset_add(&s, ids[i]), 0);
		assert_int_equal(idset_add(&s, ids[i]), IDSET_TWICE);
		assert_true(idset_has(&s, ids[i]));
	}
	assert_int_equal(s.count, ARRAY_COUNT(ids));
	idset_fini(&s);
}

static void full_pages_cost_nothing(void **state)
{
	struct idset s;

	(void)state;
	idset_init(&s, 2 * IDSET_PAGE_IDS / 8 + 4096);
	for (uint64_t id = 0; id < 40 * (uint64_t)IDSET_PAGE_IDS; id++)
		assert_int_equal(idset_add(&s, id), 0);
	assert_int_equal(idset_add(&s, 77), IDSET_TWICE);
	assert_true(s.bytes <= 4096);
	idset_fini(&s);
}

static void limit_is_kept(void **state)
{
	struct idset s;
	uint64_t id = 0;
	int rc = 0;

	(void)state;
	idset_init(&s, 8 * IDSET_PAGE_IDS / 8 + 4096);
	for (; rc == 0; id += IDSET_PAGE_IDS)
		rc = idset_add(&s, id);
	assert_int_equal(rc, ERR_LIMIT);
	assert_int_equal(s.count, 8);
	assert_int_equal(idset_add(&s, 1), 0);
	assert_true(idset_has(&s, 7 * (uint64_t)IDSET_PAGE_IDS));
	idset_fini(&s);
}

/* The next gap by looking at every id. */
static bool naive_gap(const bool *has, uint64_t from, uint64_t to, uint64_t *first, uint64_t *last)
{
	while (from <= to && has[from])
		from++;
	if (from > to)
		return false;
	*first = from;
	while (from < to && !has[from + 1])
		from++;
	*last = from;
	return true;
}

/* The next run is the next gap of the complement. */
static bool naive_run(const bool *has, uint64_t from, uint64_t to, uint64_t *first, uint64_t *last)
{
	while (from <= to && !has[from])
		from++;
	if (from > to)
		return false;
	*first = from;
	while (from < to && has[from + 1])
		from++;
	*last = from;
	return true;
}

static void gaps_as_the_array_says(void **state)
{
	bool *has = calloc(IDS, 1);
	struct idset s;

	(void)state;
	srand(1);
	idset_init(&s, ALL_BYTES);
	for (int run = 0; run < 300; run++) {
		uint64_t at = (uint64_t)rand() % IDS, n = (uint64_t)rand() % (run % 3 ? 20 : 40000);

		for (uint64_t id = at; id < at + n && id < IDS; id++) {
			assert_int_equal(idset_add(&s, id), has[id] ? IDSET_TWICE : 0);
			has[id] = true;
		}
	}
	for (uint64_t from = 0; from < IDS; from += 1 + (uint64_t)rand() % 200) {
		uint64_t to = from + (uint64_t)rand() % (IDS - from), a = 0, b = 0, c = 0, d = 0;
		bool want = naive_gap(has, from, to, &a, &b);

		assert_int_equal(idset_gap(&s, from, to, &c, &d), want);
		assert_int_equal(a, c);
		assert_int_equal(b, d);
		want = naive_run(has, from, to, &a, &b);
		assert_int_equal(idset_run(&s, from, to, &c, &d), want);
		assert_true(!want || (a == c && b == d));
	}
	idset_fini(&s);
	free(has);
}

static void gap_over_untouched_pages(void **state)
{
	const uint64_t far = UINT64_C(7) << 48;
	uint64_t a, b;
	struct idset s;

	(void)state;
	idset_init(&s, ALL_BYTES);
	assert_true(idset_gap(&s, 5, UINT64_MAX, &a, &b));
	assert_int_equal(b, UINT64_MAX);
	assert_int_equal(idset_add(&s, 5), 0);
	assert_int_equal(idset_add(&s, far), 0);
	assert_true(idset_gap(&s, 5, far, &a, &b));
	assert_int_equal(a, 6);
	assert_int_equal(b, far - 1);
	assert_false(idset_gap(&s, far, far, &a, &b));
	assert_false(idset_gap(&s, 6, 5, &a, &b));
	idset_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twice_is_said),
		cmocka_unit_test(full_pages_cost_nothing),
		cmocka_unit_test(limit_is_kept),
		cmocka_unit_test(gaps_as_the_array_says),
		cmocka_unit_test(gap_over_untouched_pages),
	};

	return cmocka_run_group_tests_name("idset", tests, NULL, NULL);
}
