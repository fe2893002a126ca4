/*
 * Goal: a text is cut into the tokens that are meant, and pattern and tokens give it back to the
 *       byte, whatever it is.
 * Method: texts with the patterns they should have, spelled by letters; random texts of pieces that
 *         are nearly tokens; both ways to find letters and digits compared; what is printed, beside the
 *         printf of the library.
 */
#include "tests/support/check_cmocka.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_token.h"
#include "tests/support/event_gen.h"

static struct col_tokens tokens;
static struct col_token_cutter cutter;

static int cut(struct span text, const struct col_token_sources *sources)
{
	if (col_token_begin(&cutter, text, sources, true, &tokens) != 0)
		return 1;
	return col_token_cut(&cutter);
}

/* The text again, from the pattern and what the tokens say of themselves. */
static size_t print(struct span text, const struct col_token_sources *sources, uint8_t *dst)
{
	const uint64_t *numbers = tokens.numbers;
	size_t n = 0, at = 0;
	uint32_t token = 0;

	while (at < tokens.pattern_len) {
		unsigned class = tokens.pattern[at++], param = 0;
		const struct col_token *t;

		if (class < COL_TOKEN_WORD) {
			dst[n++] = (uint8_t) class;
			continue;
		}
		if (col_token_has_param(class))
			param = tokens.pattern[at++];
		t = &tokens.t[token++];
		assert_int_equal(t->class, class);
		assert_int_equal(t->param, param);
		assert_int_equal(col_token_numbers(class, param), t->numbers_count);
		if (t->numbers_count > 0) {
			n += col_token_print(class, param, numbers, dst + n);
			numbers += t->numbers_count;
		} else if (class == COL_TOKEN_COPY) {
			memcpy(dst + n, sources->values[param].p, sources->values[param].n);
			n += sources->values[param].n;
		} else {
			memcpy(dst + n, text.p + t->off, t->len);
			n += t->len;
		}
	}
	assert_int_equal(token, tokens.count);
	return n;
}

static void comes_back(struct span text, const struct col_token_sources *sources)
{
	static uint8_t got[2 * LIMIT_TEXT_SHAPED_BYTES];

	assert_int_equal(print(text, sources, got), text.n);
	assert_memory_equal(got, text.p ? text.p : got, text.n);
}

/* Class bytes as letters: Word, Int, Hex, X (0x..), Dec, 4, 6, Uuid, Email, Copy. */
static const char *pattern(void)
{
	static char out[2 * COL_TOKEN_PATTERN_MAX];
	static const char letters[] = "WIHXD46UEC";
	size_t n = 0;

	for (uint32_t i = 0; i < tokens.pattern_len; i++) {
		unsigned c = tokens.pattern[i];

		if (c < COL_TOKEN_WORD) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = letters[c - COL_TOKEN_WORD];
		i += col_token_has_param(c);
	}
	out[n] = 0;
	return out;
}

static void patterns(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "User a.b42@gmail.com signed in via totp in 12 ms", "W E W W W W W I W" },
		{ "ord-1003404", "W-I" },
		{ "007 0 00 10", "I I I I" },
		{ "0000000000000000000000 1", "W I" },
		{ "123456789012345678 1234567890123456789", "I W" },
		{ "12.50 0.5 1.2.3 01.5", "D D I.I.I I.I" },
		{ "12.5, 7.", "D, I." },
		{ "10.0.0.1 256.1.1.1 1.2.3.4.5 01.2.3.4", "4 I.I.I.I I.4 I.I.I.I" },
		{ "from 1.2.3.4:80", "W 4:I" },
		{ "2001:db8::1 fe80::1%eth0 12:30:59", "6 6%WI I:I:I" },
		{ "2001:DB8::1", "I:WI::I" },
		{ "2001:db8:0:0:1:0:0:1", "I:WI:I:I:I:I:I:I" },
		{ "2001:db8::1:0:0:1", "6" },
		{ "0x3e7 0x03 0x0 0xZ 0X1f", "0xX W W IW W" },
		{ "deadbeef 3fa91c07 3FA91C07 3fA91c07 12ab", "W H H W IW" },
		{ "123e4567-e89b-12d3-a456-426614174000", "U" },
		{ "123e4567-e89b-12d3-a456-42661417400", "H-W-W-WI-I" },
		{ "web2print v2 5ms E1001 a_b\xc3\xa4", "W WI IW WI W" },
		{ "@ a@ @b a@b. <x@y.z>, p@q@r", "@ W@ @W E. <E>, E@W" },
		{ "50% (a), b: [c]", "I% (W), W: [W]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct span text = span_str(cases[i][0]);

		assert_int_equal(cut(text, NULL), 0);
		assert_string_equal(pattern(), cases[i][1]);
		comes_back(text, NULL);
	}
}

static void copies(void **state)
{
	struct col_token_sources s = { .values = { SPAN_LIT("ord-1"), SPAN_LIT("order"),
					       SPAN_LIT("x"), SPAN_LIT("ord"), SPAN_LIT("/a b") } };

	(void)state;
	assert_int_equal(cut(SPAN_LIT("Paid order ord-1 by ord."), &s), 0);
	assert_string_equal(pattern(), "W C C W C.");
	assert_int_equal(tokens.t[1].param, 1);
	assert_int_equal(tokens.t[2].param, 0);
	assert_int_equal(tokens.t[4].param, 3);
	comes_back(SPAN_LIT("Paid order ord-1 by ord."), &s);
	/* Not inside a word, and not where a longer one stands. */
	assert_int_equal(cut(SPAN_LIT("orders ord-12 GET /a b?x=1 ord@x.y"), &s), 0);
	assert_string_equal(pattern(), "W C-I W C?W=I E");
	comes_back(SPAN_LIT("orders ord-12 GET /a b?x=1 ord@x.y"), &s);
}

static void limits(void **state)
{
	static uint8_t big[LIMIT_TEXT_SHAPED_BYTES + 1];
	struct span text = span_of(big, 0);

	(void)state;
	memset(big, 'a', sizeof big);
	assert_int_equal(cut(span_of(big, sizeof big - 1), NULL), 0);
	comes_back(span_of(big, sizeof big - 1), NULL);
	assert_int_equal(cut(span_of(big, sizeof big), NULL), 1);
	for (size_t i = 0; i < sizeof big; i += 2)
		big[i] = ' ';
	text.n = 2 * LIMIT_TEXT_TOKENS;
	assert_int_equal(cut(text, NULL), 0);
	assert_int_equal(tokens.count, LIMIT_TEXT_TOKENS);
	comes_back(text, NULL);
	text.n += 2;
	assert_int_equal(cut(text, NULL), 1);
	memset(big, ' ', sizeof big);
	assert_int_equal(cut(span_of(big, LIMIT_TEXT_PATTERN_BYTES), NULL), 0);
	assert_int_equal(cut(span_of(big, LIMIT_TEXT_PATTERN_BYTES + 1), NULL), 1);
}

/* Pieces of tokens and random bytes, in memory of exactly their size. */
static void anything_comes_back(void **state)
{
	static const char *const pieces[] = { "0", "00", "12", "0.5", ".", "..", "1.2.3.4", "255",
		"::", ":", "2001:db8", "fe80::1", "ab", "deadbeef01", "DEADBEEF01", "0x", "0x1f",
		"@", "a@b", "-", "_", "e", "\xc3\xa4", "123e4567-e89b-12d3-a456-426614174000", " ",
		",", "7f", "1234567890", "000000000000000000001", "ord-1", "+", "" };
	struct event_gen g = { .state = 77 };
	struct col_token_sources s = { .values = { SPAN_LIT("ord-1"), SPAN_LIT("1.2.3.4"),
					       SPAN_LIT("ab") } };

	(void)state;
	for (int round = 0; round < 60000; round++) {
		char text[1024];
		size_t n = 0;
		uint8_t *copy;

		for (unsigned k = event_gen_below(&g, 9); k > 0; k--) {
			const char *piece = pieces[event_gen_below(&g, 32)];

			if (event_gen_below(&g, 8) == 0)
				text[n++] = (char)event_gen_random(&g);
			n += (size_t)sprintf(text + n, "%s", piece);
		}
		copy = malloc(n + (n == 0));
		assert_non_null(copy);
		memcpy(copy, text, n);
		assert_int_equal(cut(span_of(copy, n), round % 2 ? &s : NULL), 0);
		comes_back(span_of(copy, n), &s);
		free(copy);
	}
}

static void masks_agree(void **state)
{
	static struct col_token_masks wide, plain;
	struct event_gen g = { .state = 5 };

	(void)state;
	for (size_t n = 0; n <= LIMIT_TEXT_SHAPED_BYTES; n += n < 200 ? 1 : 61) {
		uint8_t *p = malloc(n + (n == 0));

		assert_non_null(p);
		for (size_t i = 0; i < n; i++)
			p[i] = (uint8_t)event_gen_random(&g);
		col_token_masks_wide(span_of(p, n), &wide);
		col_token_masks_plain(span_of(p, n), &plain);
		for (size_t w = 0; w < n / 64 + 2; w++) {
			assert_int_equal(wide.letters[w], plain.letters[w]);
			assert_int_equal(wide.digits[w], plain.digits[w]);
			assert_int_equal(wide.alnum[w], plain.alnum[w]);
		}
		assert_int_equal(wide.at, plain.at);
		free(p);
	}
}

/* Numbers from disk may be any: they print within the room, and never fail. */
static void any_numbers_print(void **state)
{
	struct event_gen g = { .state = 6 };

	(void)state;
	for (unsigned class = 0; class < 256; class ++) {
		for (unsigned param = 0; param < 256; param++) {
			uint8_t dst[COL_TOKEN_PRINT_MAX];
			uint64_t numbers[COL_TOKEN_NUMBERS];

			for (int i = 0; i < COL_TOKEN_NUMBERS; i++)
				numbers[i] = param % 3 ? event_gen_random(&g) : UINT64_MAX;
			if (col_token_numbers(class, param) > 0)
				assert_true(
					col_token_print(class, param, numbers, dst) <= sizeof dst);
		}
	}
}

static size_t hex_naive(char *dst, size_t room, unsigned param, unsigned digits, uint64_t v)
{
	if (param & COL_TOKEN_UPPER)
		return (size_t)snprintf(dst, room, "%0*" PRIX64, (int)digits, v);
	return (size_t)snprintf(dst, room, "%0*" PRIx64, (int)digits, v);
}

/* What the class prints, by the printf of the library. */
static size_t print_naive(unsigned class, unsigned param, const uint64_t *v, char *dst, size_t room)
{
	unsigned digits = param & ~(unsigned)COL_TOKEN_UPPER;
	uint64_t unit = 1, low = v[0] & ((UINT64_C(1) << COL_TOKEN_ZEROES_SHIFT) - 1);
	char hex[COL_TOKEN_HEX_MAX + 1];
	size_t n = 0;

	for (unsigned i = 0; i < param && class == COL_TOKEN_DEC; i++)
		unit *= 10;
	switch (class) {
	case COL_TOKEN_INT:
		return (size_t)snprintf(dst, room, "%.*s%" PRIu64,
			(int)(v[0] >> COL_TOKEN_ZEROES_SHIFT), "000000000000000", low);
	case COL_TOKEN_DEC:
		return (size_t)snprintf(
			dst, room, "%" PRIu64 ".%0*" PRIu64, v[0] / unit, (int)param, v[0] % unit);
	case COL_TOKEN_IP4:
		return (size_t)snprintf(dst, room, "%u.%u.%u.%u", (unsigned)(v[0] >> 24 & 255),
			(unsigned)(v[0] >> 16 & 255), (unsigned)(v[0] >> 8 & 255),
			(unsigned)(v[0] & 255));
	case COL_TOKEN_HEXV:
		return hex_naive(dst, room, param, 1, v[0]);
	case COL_TOKEN_UUID:
		hex_naive(hex, sizeof hex, param, 16, v[0]);
		hex_naive(hex + 16, sizeof hex - 16, param, 16, v[1]);
		return (size_t)snprintf(dst, room, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
			hex + 12, hex + 16, hex + 20);
	default:
		for (; digits > 16; digits -= 16)
			n += hex_naive(dst + n, room - n, param, 16, *v++);
		return n + hex_naive(dst + n, room - n, param, digits, *v);
	}
}

/* Numbers of every length, in every class but the addresses of IPv6. */
static void numbers_print_as_they_should(void **state)
{
	static const uint8_t classes[] = { COL_TOKEN_INT, COL_TOKEN_HEX, COL_TOKEN_HEXV,
		COL_TOKEN_DEC, COL_TOKEN_IP4, COL_TOKEN_UUID };
	struct event_gen g = { .state = 7 };

	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		unsigned class = classes[i % ARRAY_COUNT(classes)], param = i / 7 % 256;
		uint8_t dst[COL_TOKEN_PRINT_MAX];
		char naive[COL_TOKEN_PRINT_MAX + 40];
		uint64_t v[COL_TOKEN_NUMBERS];
		size_t n;

		if (!col_token_has_param(class))
			param = 0;
		if (col_token_numbers(class, param) < 0)
			continue;
		for (unsigned k = 0; k < COL_TOKEN_NUMBERS; k++) {
			v[k] = event_gen_random(&g) >> event_gen_random(&g) % 64;
			if (k == i % 64)
				v[k] = k % 2 ? UINT64_MAX : 0;
		}
		/* As many digits as are told. */
		n = (param & ~(unsigned)COL_TOKEN_UPPER) % 16;
		if (class == COL_TOKEN_HEX && n > 0)
			v[col_token_numbers(class, param) - 1] &= (UINT64_C(1) << 4 * n) - 1;
		n = col_token_print(class, param, v, dst);
		assert_int_equal(n, print_naive(class, param, v, naive, sizeof naive));
		assert_memory_equal(dst, naive, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
		cmocka_unit_test(copies),
		cmocka_unit_test(limits),
		cmocka_unit_test(anything_comes_back),
		cmocka_unit_test(masks_agree),
		cmocka_unit_test(any_numbers_print),
		cmocka_unit_test(numbers_print_as_they_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
