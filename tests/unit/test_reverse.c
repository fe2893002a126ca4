/*
 * Goal: records come back in the opposite order, whatever their sizes, from memory and from the file.
 * Method: random records with limits so small that most go through the file; a directory that takes
 *         no file.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/reverse.h"

/* Record i has a length and bytes that follow from i. */
static size_t record(unsigned i, uint8_t *dst)
{
	size_t n = i * 2654435761u % 300;

	memset(dst, (int)(i % 251), n);
	return n;
}

static void assert_round_trip(size_t bytes_max, unsigned count, bool in_file)
{
	uint8_t want[300];
	struct reverse r;
	struct span got;

	reverse_init(&r, bytes_max);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(reverse_push(&r, span_of(want, record(i, want))), 0);
	assert_int_equal(r.fd >= 0, in_file);
	for (unsigned i = count; i-- > 0;) {
		size_t n = record(i, want);

		assert_int_equal(reverse_pop(&r, &got), 0);
		assert_int_equal(got.n, n);
		assert_memory_equal(got.p, want, n);
	}
	assert_int_equal(reverse_pop(&r, &got), REVERSE_EMPTY);
	assert_int_equal(reverse_pop(&r, &got), REVERSE_EMPTY);
	reverse_fini(&r);
}

static void the_last_comes_first(void **state)
{
	(void)state;
	assert_round_trip(0, 0, false);
	assert_round_trip(0, 5000, false);
	assert_round_trip(1, 500, true);
	assert_round_trip(1000, 5000, true);
	assert_round_trip(100000, 5000, true);
}

static void no_room_for_the_file_is_told(void **state)
{
	struct reverse r;
	char *before = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;

	(void)state;
	setenv("TMPDIR", "/nowhere/at/all", 1);
	reverse_init(&r, 1);
	assert_int_equal(reverse_push(&r, SPAN_LIT("first")), 0);
	assert_int_equal(reverse_push(&r, SPAN_LIT("second")), -ENOENT);
	reverse_fini(&r);
	if (before)
		setenv("TMPDIR", before, 1);
	else
		unsetenv("TMPDIR");
	free(before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_comes_first),
		cmocka_unit_test(no_room_for_the_file_is_told),
	};

	return cmocka_run_group_tests_name("reverse", tests, NULL, NULL);
}
