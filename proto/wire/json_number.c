/*
 * Text to double: digits below 2^53 and powers of ten up to 10^22 are exact as doubles, so that one
 * multiplication or division rounds once, and correctly (Clinger). Where long double has 64 bits,
 * it does the same for any 64 bits of digits and powers up to 10^27: its result, correctly rounded
 * to 64 bits, rounds to a double as the exact value does, unless it is just the middle between two.
 * The rest goes through strtod, as digits and exponent without a point, so that no locale has a say.
 *
 * Double to text: most numbers in logs have few decimals. If v * 10^k rounds to an integer m below
 * 10^15 and m / 10^k is v again, then "m with k decimals" reads back as v, and with at most 15
 * digits no shorter text does for the smallest such k. The rest tries 15, 16 and 17 digits.
 */
#include "proto/wire/json_number.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	EXACT_TENS = 22,
	/* 5^27 is the last one below 2^64. */
	EXTENDED_TENS = 27,
	/* Digits that any 64-bit integer has room for. */
	DIGITS_TAKEN_MAX = 19,
	/* A double and the middle between two have at most 767 digits; later ones only break a tie. */
	DIGITS_DECIDING = 768,
};

static const double tens[EXACT_TENS + 1] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
	1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

static const uint64_t int_tens[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000,
	1000000000 };
/* Decimals of up to 15 digits. */
#define DECIMAL_LIMIT 1000000000000000

#if LDBL_MANT_DIG == 64
static const long double extended_tens[EXTENDED_TENS + 1] = { 1e0L, 1e1L, 1e2L, 1e3L, 1e4L, 1e5L,
	1e6L, 1e7L, 1e8L, 1e9L, 1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L,
	1e19L, 1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L };
#endif

/* What one scan learns: the value is digits * 10^exp10, exactly if left is 0. */
struct scan {
	const uint8_t *p;
	const uint8_t *end;
	uint64_t digits;
	unsigned taken; /* significant digits in `digits` */
	unsigned left;  /* digits after those */
	int64_t exp10;
	bool negative;
	bool integer;
};

static inline bool is_digit(const struct scan *s)
{
	return s->p < s->end && (unsigned)(*s->p - '0') < 10;
}

/* `scale` is what each digit adds to the exponent: 0 before the point, -1 after it. */
static void take_digits(struct scan *s, int scale)
{
	for (; is_digit(s); s->p++) {
		if (s->taken < DIGITS_TAKEN_MAX) {
			s->digits = s->digits * 10 + (uint64_t)(*s->p - '0');
			s->taken += s->digits != 0;
			s->exp10 += scale;
		} else {
			s->left++;
			s->exp10 += scale + 1;
		}
	}
}

/* The scan stands where the grammar wants a digit. */
static const char *want_digit(const struct scan *s)
{
	return is_digit(s) ? NULL : "a digit";
}

static const char *take_exponent(struct scan *s)
{
	int64_t exp = 0;
	bool negative = false;
	const char *wanted;

	if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
		negative = *s->p++ == '-';
	wanted = want_digit(s);
	for (; is_digit(s); s->p++) {
		if (exp < INT32_MAX)
			exp = exp * 10 + (*s->p - '0');
	}
	s->exp10 += negative ? -exp : exp;
	return wanted;
}

/* Moves to the number's end; NULL, or what was expected at s->p. */
static const char *scan_number(struct scan *s)
{
	const char *wanted;

	s->negative = *s->p == '-';
	s->p += s->negative;
	s->integer = true;
	wanted = want_digit(s);
	if (wanted)
		return wanted;
	if (*s->p == '0') {
		s->p++;
		if (is_digit(s))
			return "no digit after a leading zero";
	}
	take_digits(s, 0);
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		s->integer = false;
		wanted = want_digit(s);
		if (wanted)
			return wanted;
		take_digits(s, -1);
	}
	if (s->p < s->end && (*s->p | 0x20) == 'e') {
		s->p++;
		s->integer = false;
		return take_exponent(s);
	}
	return NULL;
}

/* `from` is where the number began. Never more digits than decide the rounding. */
static double convert_slowly(const struct scan *s, const uint8_t *from)
{
	char text[DIGITS_DECIDING + 32], *end;
	size_t n = 0;
	bool more = false;

	for (; from < s->p && (*from | 0x20) != 'e'; from++) {
		if (*from == '-' || *from == '.' || (n == 0 && *from == '0'))
			continue;
		if (n < DIGITS_DECIDING)
			text[n++] = (char)*from;
		else
			more = more || *from != '0';
	}
	ASSERT(n >= s->taken);
	snprintf(text + n, sizeof text - n, "%se%" PRId64, more ? "1" : "",
		s->exp10 + s->taken - (int64_t)n - more);
	return strtod(text, &end);
}

/* False: nothing is known. No digits are left, and the exponent is within EXTENDED_TENS. */
static bool convert_extended(const struct scan *s, double *out)
{
#if LDBL_MANT_DIG == 64
	enum { DROPPED_BITS = 64 - DBL_MANT_DIG };
	long double v = (long double)s->digits;
	uint64_t bits;

	v = s->exp10 < 0 ? v / extended_tens[-s->exp10] : v * extended_tens[s->exp10];
	memcpy(&bits, &v, sizeof bits);
	ASSERT(bits >> 63);
	*out = (double)v;
	return (bits & ((UINT64_C(1) << DROPPED_BITS) - 1)) != UINT64_C(1) << (DROPPED_BITS - 1);
#else
	(void)s;
	(void)out;
	return false;
#endif
}

static double convert(const struct scan *s, const uint8_t *from)
{
	double v = (double)s->digits;

	if (s->digits == 0)
		return 0;
	if (s->left || s->exp10 < -EXTENDED_TENS || s->exp10 > EXTENDED_TENS)
		return convert_slowly(s, from);
	if (s->digits <= UINT64_C(1) << 53 && s->exp10 >= -EXACT_TENS && s->exp10 <= EXACT_TENS)
		return s->exp10 < 0 ? v / tens[-s->exp10] : v * tens[s->exp10];
	return convert_extended(s, &v) ? v : convert_slowly(s, from);
}

/* The magnitude, if the number is an integer that 64 bits hold; -0 is none. */
static bool exact_integer(const struct scan *s, uint64_t *out)
{
	uint64_t v = s->digits;

	if (!s->integer || s->left > 1)
		return false;
	if (s->left == 1 && (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
				    __builtin_add_overflow(v, (uint64_t)(s->p[-1] - '0'), &v)))
		return false;
	if (s->negative && (v == 0 || v > UINT64_C(1) << 63))
		return false;
	*out = v;
	return true;
}

int json_number_get(
	const uint8_t **p, const uint8_t *end, struct json_number *out, const char **out_expected)
{
	struct scan s = { .p = *p, .end = end };
	const uint8_t *from = *p;
	uint64_t v;
	double f;

	ASSERT(from < end);
	*out_expected = scan_number(&s);
	*p = s.p;
	if (*out_expected)
		return s.p == end ? ERR_TRUNCATED : ERR_SYNTAX;
	if (exact_integer(&s, &v)) {
		out->kind = s.negative ? JSON_NUMBER_INT : JSON_NUMBER_UINT;
		out->u = s.negative ? 0 - v : v;
		return 0;
	}
	f = convert(&s, from);
	if (isinf(f)) {
		*p = from;
		*out_expected = "a number that a double can hold";
		return ERR_RANGE;
	}
	out->kind = JSON_NUMBER_FLOAT;
	out->f = s.negative ? -f : f;
	return 0;
}

size_t json_number_put_uint(char *dst, uint64_t v)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	char text[20], *at = text + sizeof text;

	for (; v >= 100; v /= 100)
		memcpy(at -= 2, pairs + v % 100 * 2, 2);
	if (v >= 10)
		memcpy(at -= 2, pairs + v * 2, 2);
	else
		*--at = (char)('0' + v);
	memcpy(dst, at, (size_t)(text + sizeof text - at));
	return (size_t)(text + sizeof text - at);
}

size_t json_number_put_int(char *dst, int64_t v)
{
	if (v >= 0)
		return json_number_put_uint(dst, (uint64_t)v);
	*dst = '-';
	return 1 + json_number_put_uint(dst + 1, 0 - (uint64_t)v);
}

/*
 * The integer next to v, halves to even, for v from 0 below 2^51: where the last bit of the sum is 1,
 * the addition rounds, and the subtraction is exact.
 */
static inline double round_even(double v)
{
	volatile double sum = v + 0x1p52;

	return sum - 0x1p52;
}

/* The point and k digits, of no digits one 0; their number. */
static size_t put_fraction(char *dst, uint64_t part, unsigned k)
{
	dst[0] = '.';
	dst[1] = '0';
	for (unsigned i = k; i > 0; i--, part /= 10)
		dst[i] = (char)('0' + part % 10);
	return k > 0 ? k + 1 : 2;
}

/* `magnitude` as decimal text with k decimals, if that is exact; 0 if not. */
static size_t put_decimal(char *dst, double magnitude)
{
	static const double limit = DECIMAL_LIMIT;
	size_t n;

	for (unsigned k = 0; k <= 9; k++) {
		double scaled = magnitude * tens[k];
		uint64_t whole, part;

		if (!(scaled < limit))
			return 0;
		scaled = round_even(scaled);
		if (scaled == limit)
			return 0;
		if (scaled / tens[k] != magnitude)
			continue;
		/* With k > 0 it is no integer, so that both have the same whole part. */
		whole = (uint64_t)magnitude;
		part = (uint64_t)scaled - whole * int_tens[k];
		n = json_number_put_uint(dst, whole);
		return n + put_fraction(dst + n, part, k);
	}
	return 0;
}

size_t json_number_put_float(char *dst, double v)
{
	char text[JSON_NUMBER_BYTES_MAX];
	size_t n;

	if (!isfinite(v)) {
		memcpy(dst, "null", 4);
		return 4;
	}
	*dst = '-';
	n = put_decimal(dst + (signbit(v) != 0), fabs(v));
	if (n)
		return n + (signbit(v) != 0);
	for (int digits = 15; digits <= 17; digits++) {
		n = (size_t)snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	ASSERT(n < sizeof text - 2);
	memcpy(dst, text, n);
	if (!strpbrk(text, ".e")) {
		memcpy(dst + n, ".0", 2);
		n += 2;
	}
	return n;
}

/*
 * Below 10^15 the text is at hand, for it is what put_decimal looks for: two decimals of up to 15 digits
 * are never the same double, so the one without zeroes at its end is the shortest.
 */
size_t json_number_put_decimal(char *dst, int64_t v, unsigned scale)
{
	uint64_t magnitude = v < 0 ? 0 - (uint64_t)v : (uint64_t)v, whole;
	size_t n = v < 0;

	ASSERT(scale < ARRAY_COUNT(int_tens));
	if (magnitude >= DECIMAL_LIMIT)
		return json_number_put_float(dst, (double)v / tens[scale]);
	while (scale > 0 && magnitude % 10 == 0) {
		magnitude /= 10;
		scale--;
	}
	*dst = '-';
	whole = magnitude / int_tens[scale];
	n += json_number_put_uint(dst + n, whole);
	return n + put_fraction(dst + n, magnitude - whole * int_tens[scale], scale);
}
