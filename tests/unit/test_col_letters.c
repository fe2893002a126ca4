/*
 * Goal:   letters never say that a text is not there when it is; they do say it of words that are not.
 * Method: seeded random texts, and parts of them in any case.
 */
#include "tests/support/check_cmocka.h"

#include <ctype.h>

#include "storage/col_letters.h"
#include "tests/support/event_gen.h"

enum { TEXTS = 50, TEXT_BYTES = 60 };

static bool may_have(const struct col_letters *l, struct span needle)
{
	struct needle x;
	bool may;

	assert_int_equal(needle_init(&x, needle), 0);
	may = col_letters_may_have(l, &x);
	needle_fini(&x);
	return may;
}

static void parts_of_texts(void **state)
{
	static const char alphabet[] = "abcdefXYZ_qrst.@ 09-\xc3\xa4";
	uint8_t texts[TEXTS][TEXT_BYTES], part[TEXT_BYTES];
	struct event_gen g = { .state = 5 };
	struct col_letters l = { 0 };

	(void)state;
	for (int t = 0; t < TEXTS; t++) {
		for (int i = 0; i < TEXT_BYTES; i++)
			texts[t][i] = (uint8_t)alphabet[event_gen_below(&g, sizeof alphabet - 1)];
		col_letters_add(&l, span_of(texts[t], TEXT_BYTES));
	}
	for (int round = 0; round < 5000; round++) {
		unsigned off = event_gen_below(&g, TEXT_BYTES);
		unsigned n = 1 + event_gen_below(&g, TEXT_BYTES - off);
		bool upper = event_gen_below(&g, 2);

		for (unsigned i = 0; i < n; i++) {
			uint8_t c = texts[round % TEXTS][off + i];

			part[i] = upper && c < 0x80 ? (uint8_t)toupper(c) : c;
		}
		assert_true(may_have(&l, span_of(part, n)));
	}
}

static void what_is_not_there(void **state)
{
	struct col_letters l = { 0 };

	(void)state;
	col_letters_add(&l, SPAN_LIT("Payment 77 of EUR 12.50 accepted by a_nobody"));
	assert_true(may_have(&l, SPAN_LIT("PAYMENT")));
	assert_true(may_have(&l, SPAN_LIT("t 77 of eur")));
	assert_false(may_have(&l, SPAN_LIT("refund")));
	assert_false(may_have(&l, SPAN_LIT("payment refused")));
	assert_false(may_have(&l, SPAN_LIT("12 xyz 50")));
	/* Two letters say nothing, nor do digits, nor what a hex number may have. */
	assert_true(may_have(&l, SPAN_LIT("xy 99")));
	assert_true(may_have(&l, SPAN_LIT("deadbeef")));
	assert_false(may_have(&l, SPAN_LIT("deadbeeg")));
}

static void nothing(void **state)
{
	struct col_letters l = { 0 };

	(void)state;
	col_letters_add(&l, SPAN_NONE);
	col_letters_add(&l, SPAN_LIT("ab"));
	assert_false(may_have(&l, SPAN_LIT("xyz")));
	assert_true(may_have(&l, SPAN_LIT("xy")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_texts),
		cmocka_unit_test(what_is_not_there),
		cmocka_unit_test(nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
