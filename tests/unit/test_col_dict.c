/* Goal: a dictionary gives each value one code, takes additions back, and respects its limits. */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/col.h"
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
	/* Enough for several chunks. */
	for (unsigned i = 0; i < 40000; i++)
		assert_int_equal(col_dict_maker_code(&m, number(text, i), &code), 0);
	assert_int_equal(col_dict_maker_code(&m, SPAN_LIT(""), &code), 0);
	col_dict_maker_encode(&m, 0, &page);
	assert_int_equal(col_dict_load(&d, buf_span(&page), 40001), 0);
	assert_true(d.chunks.chunks_count > 2);
	/* One value: one chunk. */
	assert_int_equal(col_dict_need(&d, 30000), 0);
	assert_true(span_eq(col_dict_at(&d, 30000), number(text, 29999)));
	assert_false(d.ready[0]);
	assert_int_equal(col_dict_need_all(&d), 0);
	for (unsigned i = 0; i < 40000; i++)
		assert_true(span_eq(col_dict_at(&d, i + 1), number(text, i)));
	assert_non_null(col_dict_at(&d, 40001).p);
	assert_int_equal(col_dict_at(&d, 40001).n, 0);
	for (size_t n = 0; n < page.len; n += 1 + n / 50)
		assert_int_equal(col_dict_load(&d, span_of(page.p, n), 40001), ERR_CORRUPT);
	assert_int_equal(col_dict_load(&d, buf_span(&page), 40000), ERR_CORRUPT);
	col_dict_maker_fini(&m);
	col_dict_fini(&d);
	buf_fini(&page);
}

/* An absent entry, more bytes than a dictionary may have, a chunk that is no LZ4 block. */
static void damaged_pages(void **state)
{
	static uint8_t big[LIMIT_DICT_BYTES + 2];
	uint32_t lengths[] = { LIMIT_DICT_BYTES + 1, 0 };
	struct col_input in = { .rows_count = 2, .lengths = lengths, .bytes = big };
	struct col_dict d;
	struct buf page;

	(void)state;
	col_dict_init(&d);
	buf_init(&page, 8 << 20);
	col_bytes_encode(&in, &page);
	assert_int_equal(col_dict_load(&d, buf_span(&page), 2), ERR_CORRUPT);
	buf_reset(&page);
	lengths[1] = 2;
	col_bytes_encode(&in, &page);
	assert_int_equal(col_dict_load(&d, buf_span(&page), 2), ERR_CORRUPT);
	buf_reset(&page);
	lengths[0] = LIMIT_DICT_BYTES / 2;
	col_bytes_encode(&in, &page);
	assert_int_equal(col_dict_load(&d, buf_span(&page), 2), 0);
	memset(page.p + page.len - 40, 0xee, 40);
	assert_int_equal(col_dict_need_all(&d), ERR_CORRUPT);
	col_dict_fini(&d);
	buf_fini(&page);
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
