/* Goal: exactly the sequences of Unicode table 3-7 pass, and bad ones are cut as W3C says. */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/utf8.h"

static bool scalar(uint32_t cp)
{
	return cp <= 0x10FFFF && !(cp >= 0xD800 && cp <= 0xDFFF);
}

static void every_code_point_round_trips(void **state)
{
	(void)state;
	for (uint32_t cp = 0; cp <= 0x10FFFF; cp++) {
		uint8_t bytes[UTF8_BYTES_MAX];
		uint32_t got = 0;
		size_t n;

		if (!scalar(cp))
			continue;
		n = utf8_put(bytes, cp);
		assert_int_equal(utf8_valid_prefix(span_of(bytes, n)), n);
		assert_int_equal(utf8_next(bytes, n, &got), n);
		assert_int_equal(got, cp);
	}
}

/* The bit patterns alone, without their ranges: 0 where they do not hold. */
static uint32_t naive(const uint8_t b[4], size_t n)
{
	static const uint8_t heads[5] = { 0, 0x00, 0xC0, 0xE0, 0xF0 };
	static const uint8_t masks[5] = { 0, 0x80, 0xE0, 0xF0, 0xF8 };
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t cp;

	if ((b[0] & masks[n]) != heads[n])
		return UINT32_MAX;
	cp = b[0] & (uint8_t)~masks[n];
	for (size_t i = 1; i < n; i++) {
		if ((b[i] & 0xC0) != 0x80)
			return UINT32_MAX;
		cp = cp << 6 | (b[i] & 0x3F);
	}
	return cp >= least[n] && scalar(cp) ? cp : UINT32_MAX;
}

/* Method: all pairs of first bytes with edge values after them, against the naive definition. */
static void validity_is_the_definition(void **state)
{
	static const uint8_t edges[] = { 0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0,
		0xFF };

	(void)state;
	for (unsigned ab = 0; ab < 65536; ab++)
		for (size_t k = 0; k < 100; k++) {
			uint8_t b[4] = { (uint8_t)(ab >> 8), (uint8_t)ab, edges[k / 10],
				edges[k % 10] };
			size_t want = 0;

			for (size_t n = 1; n <= 4; n++)
				if (naive(b, n) != UINT32_MAX)
					want = n;
			if (want)
				assert_true(utf8_valid_prefix(span_of(b, sizeof b)) >= want);
			else
				assert_int_equal(utf8_valid_prefix(span_of(b, sizeof b)), 0);
		}
}

/* Replaces as a writer of JSON would. */
static size_t repaired(const char *in, size_t n, uint8_t *out)
{
	size_t len = 0;

	for (size_t i = 0; i < n;) {
		uint32_t cp;

		i += utf8_next((const uint8_t *)in + i, n - i, &cp);
		len += utf8_put(out + len, cp);
	}
	return len;
}

#define R UTF8_REPLACEMENT_BYTES

static void bad_bytes_become_one_mark_per_subpart(void **state)
{
	static const struct {
		struct span in, out;
	} cases[] = {
		/* The example of the Unicode standard, table 3-8 and the two after it. */
		{ SPAN_LIT("\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64"),
			SPAN_LIT("a" R R R "b" R "c" R R "d") },
		{ SPAN_LIT("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), SPAN_LIT(R R R R R R R R "A") },
		{ SPAN_LIT("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), SPAN_LIT(R R R R R R R R "A") },
		{ SPAN_LIT("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"),
			SPAN_LIT(R R R R R "A" R R "B") },
		{ SPAN_LIT("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), SPAN_LIT(R R R R "A") },
		{ SPAN_LIT("\xF0\x9F\x98"), SPAN_LIT(R) },
		{ SPAN_LIT("caf\xE9"), SPAN_LIT("caf" R) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		uint8_t out[64];
		size_t n = repaired((const char *)cases[i].in.p, cases[i].in.n, out);
		size_t good = utf8_valid_prefix(cases[i].in);

		assert_int_equal(n, cases[i].out.n);
		assert_memory_equal(out, cases[i].out.p, n);
		assert_true(utf8_valid(span_of(out, n)));
		assert_true(good < cases[i].in.n);
		assert_in_range(utf8_bad_bytes(cases[i].in.p + good, cases[i].in.n - good), 1, 3);
	}
}

static void prefix_ends_at_the_bad_byte_wherever_it_is(void **state)
{
	char text[40];

	(void)state;
	assert_int_equal(utf8_valid_prefix(SPAN_NONE), 0);
	for (size_t bad = 0; bad < sizeof text; bad++) {
		memset(text, 'x', sizeof text);
		text[bad] = (char)0xFF;
		assert_int_equal(utf8_valid_prefix(span_of(text, sizeof text)), bad);
	}
}

/* Byte by byte the answer is that of the whole, and bad bytes are told of at once. */
static void steps_are_the_definition(void **state)
{
	static const uint8_t edges[] = { 0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1,
		0xC2, 0xDF, 0xE0, 0xE1, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF };
	enum { N = ARRAY_COUNT(edges) };

	(void)state;
	for (unsigned i = 0; i < N * N * N * N; i++) {
		const uint8_t b[4] = { edges[i % N], edges[i / N % N], edges[i / N / N % N],
			edges[i / N / N / N] };
		struct utf8_steps s = { 0 }, whole = { 0 };
		bool good = true;
		size_t n = 0;

		while (n < sizeof b && good)
			good = utf8_step(&s, b + n++, 1);
		assert_int_equal(good, utf8_step(&whole, b, sizeof b));
		assert_int_equal(good && s.follow == 0, utf8_valid(span_of(b, sizeof b)));
		if (good)
			assert_int_equal(whole.follow, s.follow);
		else
			assert_true(utf8_valid_prefix(span_of(b, n)) < n);
	}
}

static void cut_keeps_code_points_whole(void **state)
{
	struct span s = SPAN_LIT("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
	struct span bad = SPAN_LIT("\x80\x80\x80\x80\x80\x80");

	(void)state;
	assert_int_equal(utf8_cut(s, 100), s.n);
	assert_int_equal(utf8_cut(s, s.n), s.n);
	for (size_t max = 0; max < s.n; max++) {
		size_t n = utf8_cut(s, max);

		assert_true(n <= max);
		assert_true(max - n < UTF8_BYTES_MAX);
		assert_true(utf8_valid(span_of(s.p, n)));
	}
	assert_int_equal(utf8_cut(bad, 4), 4);
	assert_int_equal(utf8_cut(bad, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point_round_trips),
		cmocka_unit_test(validity_is_the_definition),
		cmocka_unit_test(bad_bytes_become_one_mark_per_subpart),
		cmocka_unit_test(prefix_ends_at_the_bad_byte_wherever_it_is),
		cmocka_unit_test(steps_are_the_definition),
		cmocka_unit_test(cut_keeps_code_points_whole),
	};

	return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
