/*
 * Goal: numbers keep their exact value in both directions, and text that JSON does not allow is
 *       refused where it goes wrong.
 * Method: the edges of every range, ties of rounding, and seeded random numbers against strtod.
 */
#include "tests/support/check_cmocka.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/json_number.h"

static uint64_t seed = 1;

static uint64_t rnd(void)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* The whole text must be one number; it lies at the end of an allocation of its size. */
static struct json_number get(const char *text)
{
	size_t n = strlen(text);
	uint8_t *copy = malloc(n);
	const uint8_t *p = copy;
	const char *expected;
	struct json_number num;

	assert_non_null(copy);
	memcpy(copy, text, n);
	assert_int_equal(json_number_get(&p, copy + n, &num, &expected), 0);
	assert_ptr_equal(p, copy + n);
	free(copy);
	return num;
}

static void assert_float(const char *text, double want)
{
	struct json_number num = get(text);

	assert_int_equal(num.kind, JSON_NUMBER_FLOAT);
	if (memcmp(&num.f, &want, sizeof want) != 0)
		fail_msg("%s: got %.17g, want %.17g", text, num.f, want);
}

static void integers_are_exact_to_the_last_of_64_bits(void **state)
{
	static const struct {
		const char *text;
		enum json_number_kind kind;
		uint64_t bits;
	} cases[] = {
		{ "0", JSON_NUMBER_UINT, 0 },
		{ "7", JSON_NUMBER_UINT, 7 },
		{ "9007199254740993", JSON_NUMBER_UINT, UINT64_C(9007199254740993) },
		{ "1234567890123456789", JSON_NUMBER_UINT, UINT64_C(1234567890123456789) },
		{ "9223372036854775808", JSON_NUMBER_UINT, UINT64_C(1) << 63 },
		{ "10000000000000000000", JSON_NUMBER_UINT, UINT64_C(10000000000000000000) },
		{ "18446744073709551615", JSON_NUMBER_UINT, UINT64_MAX },
		{ "-1", JSON_NUMBER_INT, UINT64_MAX },
		{ "-9223372036854775808", JSON_NUMBER_INT, UINT64_C(1) << 63 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct json_number num = get(cases[i].text);

		assert_int_equal(num.kind, cases[i].kind);
		assert_true(num.u == cases[i].bits);
	}
}

static void what_64_bits_do_not_hold_becomes_a_float(void **state)
{
	(void)state;
	assert_float("-0", -0.0);
	assert_float("18446744073709551616", 18446744073709551616.0);
	assert_float("-9223372036854775809", -9223372036854775808.0);
	assert_float("100000000000000000000", 1e20);
	assert_float("-123123123123123123123123123123", -123123123123123123123123123123.0);
}

static void fractions_round_correctly(void **state)
{
	static const char *const texts[] = { "0.0", "-0.0", "0e999", "0.1", "1.5", "-2.25", "1E3",
		"1e+3", "1e-3", "3.141592653589793", "1e22", "1e23", "123456789012345678e-17",
		"8.5e-320", "4.9e-324", "2.4e-324", "1e-400", "1e-99999999999", "0.000001e6",
		"2.2250738585072011e-308", "1.7976931348623157e308", "1.7976931348623158e308",
		"9007199254740993.0", "9007199254740992.9999999999999999999999",
		"179769313486231580793728971405301e276", "0.00000000000000000000000000000000001" };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
		assert_float(texts[i], strtod(texts[i], NULL));
}

/* 2^53 + 1 is a tie; one digit a thousand places behind breaks it. */
static void ties_are_broken_by_any_later_digit(void **state)
{
	char text[1200];

	(void)state;
	assert_float("9007199254740993.0", 9007199254740992.0);
	memset(text, '0', sizeof text);
	memcpy(text, "9007199254740993.", 17);
	text[1100] = 0;
	assert_float(text, 9007199254740992.0);
	text[1099] = '1';
	assert_float(text, 9007199254740994.0);
	memset(text + 17, '9', 1100 - 17);
	assert_float(text, 9007199254740994.0);
	text[15] = '2';
	assert_float(text, 9007199254740992.0);
}

/* The middle between two doubles, and the integers beside it, as far as 64 bits tell them apart. */
static void middles_and_their_neighbours_round_as_strtod_rounds(void **state)
{
	(void)state;
	for (int i = 0; i < 50000; i++) {
		unsigned shift = 1 + (unsigned)(rnd() % 10);
		uint64_t middle = ((rnd() >> 11 | UINT64_C(1) << 52) * 2 + 1) << (shift - 1);
		char text[64];

		for (int beside = -1; beside <= 1; beside++) {
			for (int exp = 0; exp <= 3; exp++) {
				snprintf(text, sizeof text, "%" PRIu64 "e%d",
					middle + (uint64_t)beside, exp);
				assert_float(text, strtod(text, NULL));
				snprintf(text, sizeof text, "%" PRIu64 "e-%d",
					middle + (uint64_t)beside, (int)(rnd() % 30));
				assert_float(text, strtod(text, NULL));
			}
		}
	}
}

static void malformed_numbers_are_refused_at_the_byte(void **state)
{
	static const struct {
		const char *text;
		int code;
		size_t off;
		const char *expected;
	} cases[] = {
		{ "-", ERR_TRUNCATED, 1, "a digit" },
		{ "-x", ERR_SYNTAX, 1, "a digit" },
		{ "01", ERR_SYNTAX, 1, "no digit after a leading zero" },
		{ "-00", ERR_SYNTAX, 2, "no digit after a leading zero" },
		{ "1.", ERR_TRUNCATED, 2, "a digit" },
		{ "1.e5", ERR_SYNTAX, 2, "a digit" },
		{ "1e", ERR_TRUNCATED, 2, "a digit" },
		{ "1e+", ERR_TRUNCATED, 3, "a digit" },
		{ "1E-x", ERR_SYNTAX, 3, "a digit" },
		{ "1e400", ERR_RANGE, 0, "a number that a double can hold" },
		{ "-1e99999999999999999999", ERR_RANGE, 0, "a number that a double can hold" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		const uint8_t *start = (const uint8_t *)cases[i].text, *p = start;
		const char *expected;
		struct json_number num;

		assert_int_equal(
			json_number_get(&p, start + strlen(cases[i].text), &num, &expected),
			cases[i].code);
		assert_int_equal(p - start, cases[i].off);
		assert_string_equal(expected, cases[i].expected);
	}
}

/* A number ends where it cannot go on; what follows is the caller's. */
static void a_number_ends_where_it_ends(void **state)
{
	static const char *const texts[] = { "12,", "12]", "1.5}", "2e5 ", "0x10", "1.5.2",
		"1e5e5" };
	static const size_t lengths[] = { 2, 2, 3, 3, 1, 3, 3 };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
		const uint8_t *start = (const uint8_t *)texts[i], *p = start;
		const char *expected;
		struct json_number num;

		assert_int_equal(json_number_get(&p, start + strlen(texts[i]), &num, &expected), 0);
		assert_int_equal(p - start, lengths[i]);
	}
}

static void random_texts_agree_with_strtod(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		char text[64];
		unsigned digits = 1 + (unsigned)(rnd() % 20);
		int exp = (int)(rnd() % 60) - 30;

		if (rnd() % 8 == 0)
			exp *= 11;
		snprintf(text, sizeof text, "%.*ge%d", (int)digits, (double)(rnd() >> (rnd() % 64)),
			exp);
		/* %g may have written an exponent of its own. */
		if (strchr(text, 'e') != strrchr(text, 'e') || isinf(strtod(text, NULL)))
			continue;
		assert_float(text, strtod(text, NULL));
	}
}

static void assert_put(double v, const char *want)
{
	char text[JSON_NUMBER_BYTES_MAX + 1];
	size_t n = json_number_put_float(text, v);

	assert_true(n < sizeof text);
	text[n] = 0;
	assert_string_equal(text, want);
}

static void floats_are_written_short_and_stay_floats(void **state)
{
	(void)state;
	assert_put(0.0, "0.0");
	assert_put(-0.0, "-0.0");
	assert_put(1.0, "1.0");
	assert_put(-17.5, "-17.5");
	assert_put(0.1, "0.1");
	assert_put(0.1 + 0.2, "0.30000000000000004");
	assert_put(12.345, "12.345");
	assert_put(99.99, "99.99");
	assert_put(0.000000001, "0.000000001");
	assert_put(123456789.25, "123456789.25");
	assert_put(999999999999999.0, "999999999999999.0");
	assert_put(1e15, "1e+15");
	assert_put(1e22, "1e+22");
	assert_put(5e-324, "4.94065645841247e-324");
	assert_put(1.7976931348623157e308, "1.7976931348623157e+308");
	assert_put(-2.2250738585072014e-308, "-2.2250738585072014e-308");
	assert_put(NAN, "null");
	assert_put(INFINITY, "null");
	assert_put(-INFINITY, "null");
}

static void random_floats_read_back_equal(void **state)
{
	(void)state;
	for (int i = 0; i < 200000; i++) {
		char text[JSON_NUMBER_BYTES_MAX + 1];
		uint64_t bits = rnd();
		double v;

		memcpy(&v, &bits, sizeof v);
		if (i % 2)
			v = (double)(int64_t)(rnd() >> (rnd() % 64)) / 1000;
		if (!isfinite(v))
			continue;
		text[json_number_put_float(text, v)] = 0;
		assert_float(text, v);
	}
}

static void decimals_are_written_as_their_doubles(void **state)
{
	static const double tens[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9 };

	(void)state;
	for (int i = 0; i < 200000; i++) {
		char text[JSON_NUMBER_BYTES_MAX], want[JSON_NUMBER_BYTES_MAX];
		unsigned scale = (unsigned)(rnd() % ARRAY_COUNT(tens));
		int64_t v = (int64_t)(rnd() >> (11 + rnd() % 53));
		size_t n;

		/* Some with zeroes at their end. */
		if (i % 3 == 0)
			v = v / 1000 * 1000;
		v = i % 2 ? -v : v;
		n = json_number_put_float(want, (double)v / tens[scale]);
		assert_int_equal(json_number_put_decimal(text, v, scale), n);
		assert_memory_equal(text, want, n);
	}
}

static void integers_are_written_exactly(void **state)
{
	char text[JSON_NUMBER_BYTES_MAX], want[32];

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint64_t v = rnd() >> (rnd() % 64);
		size_t n = json_number_put_uint(text, v);

		assert_int_equal(n, snprintf(want, sizeof want, "%" PRIu64, v));
		assert_memory_equal(text, want, n);
		n = json_number_put_int(text, -(int64_t)(v >> 1));
		assert_int_equal(n, snprintf(want, sizeof want, "%" PRId64, -(int64_t)(v >> 1)));
		assert_memory_equal(text, want, n);
	}
	assert_int_equal(json_number_put_int(text, INT64_MIN), 20);
	assert_memory_equal(text, "-9223372036854775808", 20);
	assert_int_equal(json_number_put_uint(text, UINT64_MAX), 20);
	assert_memory_equal(text, "18446744073709551615", 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_exact_to_the_last_of_64_bits),
		cmocka_unit_test(what_64_bits_do_not_hold_becomes_a_float),
		cmocka_unit_test(fractions_round_correctly),
		cmocka_unit_test(ties_are_broken_by_any_later_digit),
		cmocka_unit_test(middles_and_their_neighbours_round_as_strtod_rounds),
		cmocka_unit_test(malformed_numbers_are_refused_at_the_byte),
		cmocka_unit_test(a_number_ends_where_it_ends),
		cmocka_unit_test(random_texts_agree_with_strtod),
		cmocka_unit_test(floats_are_written_short_and_stay_floats),
		cmocka_unit_test(random_floats_read_back_equal),
		cmocka_unit_test(decimals_are_written_as_their_doubles),
		cmocka_unit_test(integers_are_written_exactly),
	};

	return cmocka_run_group_tests_name("json_number", tests, NULL, NULL);
}
