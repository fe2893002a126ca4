/* Goal: a dictionary gives each value one code, takes additions back, and respects its limits. */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/col_dict.h"

static struct span number(char *dst, unsigned i)
{
	int n = sprintf(dst, "v%u", i);

	return span_of(dst, (size_t)n);
}

static void codes_are_stable(void **state)
{
	struct col_dict_maker m;
	char text[16];
	uint16_t code;

	(void)state;
	col_dict_maker_init(&m);
	assert_int_equal(col_dict_maker_code(&m, SPAN_LIT(""), &code), 0);
	assert_int_equal(code, 1);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 5000; i++) {
			assert_int_equal(col_dict_maker_code(&m, number(text, i), &code), 0);
			assert_int_equal(code, i + 2);
		}
	}
	assert_int_equal(col_dict_maker_code(&m, SPAN_LIT(""), &code), 0);
	assert_int_equal(code, 1);
	assert_int_equal(m.entries_count, 5001);
	col_dict_maker_fini(&m);
}

static void undo_forgets_the_newest(void **state)
{
	struct col_dict_maker m;
	char text[16];
	uint16_t code;

	(void)state;
	col_dict_maker_init(&m);
	for (unsigned i = 0; i < 3000; i++)
		assert_int_equal(col_dict_maker_code(&m, number(text, i), &code), 0);
	col_dict_maker_undo(&m, 100);
	assert_int_equal(m.entries_count, 100);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(col_dict_maker_code(&m, number(text, i), &code), 0);
		assert_int_equal(code, i + 1);
	}
	assert_int_equal(col_dict_maker_code(&m, number(text, 2999), &code), 0);
	assert_int_equal(code, 101);
	assert_int_equal(col_dict_maker_code(&m, number(text, 100), &code), 0);
	assert_int_equal(code, 102);
	col_dict_maker_undo(&m, 0);
	assert_int_equal(m.bytes.len, 0);
	col_dict_maker_fini(&m);
}

static void limits_are_reached(void **state)
{
	static uint8_t big[LIMIT_DICT_BYTES / 2];
	struct col_dict_maker m;
	char text[16];
	uint16_t code;

	(void)state;
	col_dict_maker_init(&m);
	for (unsigned i = 0; i < LIMIT_DICT_ENTRIES; i++)
		assert_int_equal(col_dict_maker_code(&m, number(text, i), &code), 0);
	assert_int_equal(code, LIMIT_DICT_ENTRIES);
	assert_int_equal(col_dict_maker_code(&m, SPAN_LIT("one more"), &code), 1);
	assert_int_equal(col_dict_maker_code(&m, number(text, 7), &code), 0);
	assert_int_equal(code, 8);
	col_dict_maker_fini(&m);

	assert_int_equal(col_dict_maker_code(&m, span_of(big, sizeof big), &code), 0);
	big[0] = 1;
	assert_int_equal(col_dict_maker_code(&m, span_of(big, sizeof big), &code), 0);
	assert_int_equal(col_dict_maker_code(&m, SPAN_LIT("x"), &code), 1);
	/* Full of bytes, and still fit for what is known. */
	assert_int_equal(col_dict_maker_code(&m, span_of(big, sizeof big), &code), 0);
	assert_int_equal(code, 2);
	col_dict_maker_fini(&m);
}

static void page_round_trip(void **state)
{
	struct col_dict_maker m;
	struct col_dict d;
	struct buf page;
	char text[16];
	uint16_t code;

	(void)state;
	col_dict_maker_init(&m);
	col_dict_init(&d);
	buf_init(&page, 4 << 20);
	for (unsigned i = 0; i < 700; i++)
		assert_int_equal(col_dict_maker_code(&m, number(text, i * i), &code), 0);
	assert_int_equal(col_dict_maker_code(&m, SPAN_LIT(""), &code), 0);
	col_dict_maker_encode(&m, &page);
	assert_int_equal(col_dict_load(&d, buf_span(&page)), 0);
	assert_int_equal(d.count, 701);
	for (unsigned i = 0; i < 700; i++) {
		struct span s = number(text, i * i);

		assert_true(span_eq(col_dict_at(&d, i + 1), s));
		assert_int_equal(col_dict_find(&d, s), i + 1);
	}
	assert_int_equal(col_dict_find(&d, SPAN_LIT("")), 701);
	assert_int_equal(col_dict_find(&d, SPAN_LIT("nobody")), 0);
	for (size_t n = 0; n < page.len; n++)
		assert_int_equal(col_dict_load(&d, span_of(page.p, n)), ERR_CORRUPT);
	col_dict_maker_fini(&m);
	col_dict_fini(&d);
	buf_fini(&page);
}

/* A count that the page cannot hold, lengths below zero or above the limit. */
static void damaged_pages(void **state)
{
	static const char *const pages[] = { "\xff\xff\x03", "\x05\x00\x01", "\x02\x40\x00",
		"\x01\x00\xff\xff\xff\xff\x0f" };
	struct col_dict d;

	(void)state;
	col_dict_init(&d);
	for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
		assert_int_equal(col_dict_load(&d, span_str(pages[i])), ERR_CORRUPT);
	assert_int_equal(col_dict_load(&d, SPAN_LIT("\x00")), 0);
	assert_int_equal(d.count, 0);
	col_dict_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_are_stable),
		cmocka_unit_test(undo_forgets_the_newest),
		cmocka_unit_test(limits_are_reached),
		cmocka_unit_test(page_round_trip),
		cmocka_unit_test(damaged_pages),
	};

	return cmocka_run_group_tests_name("col_dict", tests, NULL, NULL);
}
