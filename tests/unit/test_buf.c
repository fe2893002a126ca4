/* Goal: a buffer never grows past its maximum, and its first error sticks until reset. */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"

static void grows_to_its_maximum(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	for (int i = 0; i < 1000; i++)
		buf_put_u8(&b, (uint8_t)i);
	assert_int_equal(b.err, 0);
	assert_int_equal(b.len, 1000);
	assert_true(b.cap <= 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(b.p[i], (uint8_t)i);
	buf_put_u8(&b, 1);
	assert_int_equal(b.err, ERR_LIMIT);
	assert_int_equal(b.len, 1000);
	buf_fini(&b);
}

static void the_first_error_sticks(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 8);
	buf_put(&b, "123456789", 9);
	assert_int_equal(b.err, ERR_LIMIT);
	buf_put_str(&b, "x");
	buf_printf(&b, "%d", 1);
	buf_put_span(&b, SPAN_LIT("y"));
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_reserve(&b, 1), ERR_LIMIT);
	buf_reset(&b);
	buf_put_str(&b, "12345678");
	assert_int_equal(b.err, 0);
	assert_true(span_eq(buf_span(&b), SPAN_LIT("12345678")));
	assert_int_equal(buf_reserve(&b, SIZE_MAX), ERR_LIMIT);
	buf_fini(&b);
}

static void nothing_is_nothing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_put(&b, NULL, 0);
	buf_put_span(&b, SPAN_NONE);
	assert_int_equal(b.err, 0);
	assert_int_equal(b.len, 0);
	buf_put_u8(&b, 0);
	assert_int_equal(b.err, ERR_LIMIT);
	buf_fini(&b);
	buf_fini(&b);
}

static void printf_appends_without_its_nul(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	for (int i = 0; i < 500; i++)
		buf_printf(&b, "%d,", i % 10);
	assert_int_equal(b.err, 0);
	assert_int_equal(b.len, 1000);
	assert_memory_equal(b.p + 990, "5,6,7,8,9,", 10);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_to_its_maximum),
		cmocka_unit_test(the_first_error_sticks),
		cmocka_unit_test(nothing_is_nothing),
		cmocka_unit_test(printf_appends_without_its_nul),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
