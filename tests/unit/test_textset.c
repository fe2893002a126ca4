/*
 * Goal:   a set has the values it was given, and no others; it knows absent from empty.
 * Method: sets of several values, of absence alone, of the empty text alone.
 */
#include "tests/support/check_cmocka.h"

#include "proto/base/textset.h"

static void sets(void **state)
{
	const struct span values[] = { SPAN_LIT("b"), SPAN_LIT(""), SPAN_LIT("abc"),
		SPAN_LIT("b") };
	const struct span none[] = { SPAN_NONE };
	const struct span empty[] = { SPAN_LIT("") };
	struct textset s;

	(void)state;
	assert_int_equal(textset_init(&s, values, 4), 0);
	assert_true(textset_has(&s, SPAN_LIT("b")));
	assert_true(textset_has(&s, SPAN_LIT("")));
	assert_true(textset_has(&s, SPAN_LIT("abc")));
	assert_false(textset_has(&s, SPAN_LIT("ab")));
	assert_false(textset_has(&s, SPAN_NONE));
	textset_fini(&s);
	assert_int_equal(textset_init(&s, none, 1), 0);
	assert_true(textset_has(&s, SPAN_NONE));
	assert_false(textset_has(&s, SPAN_LIT("")));
	textset_fini(&s);
	assert_int_equal(textset_init(&s, empty, 1), 0);
	assert_false(textset_has(&s, SPAN_NONE));
	assert_true(textset_has(&s, SPAN_LIT("")));
	textset_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets),
	};

	return cmocka_run_group_tests_name("textset", tests, NULL, NULL);
}
