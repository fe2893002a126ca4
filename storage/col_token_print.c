/* The numbers of a token from its text, and the text from the numbers. */
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_token.h"
#include "storage/col_token_int.h"

enum { HEX_NUMBER = 16, IP6_GROUPS = 8, IP6_TEXT_MAX = 39, UUID_LEN = 36 };

static const uint64_t pow10_of[20] = { 1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u,
	100000000u, 1000000000u, 10000000000u, 100000000000u, 1000000000000u, 10000000000000u,
	100000000000000u, 1000000000000000u, 10000000000000000u, 100000000000000000u,
	1000000000000000000u, 10000000000000000000u };

static inline uint64_t load(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return le64toh(v);
}

/* Eight digits, the first in the lowest byte: neighbours are joined three times. */
static inline uint64_t eight_digits(uint64_t v)
{
	v -= UINT64_C(0x3030303030303030);
	v = (v * 10 + (v >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
	v = (v * 100 + (v >> 16)) & UINT64_C(0x0000ffff0000ffff);
	return (v * 10000 + (v >> 32)) & UINT64_C(0xffffffff);
}

uint64_t col_token_decimal(const uint8_t *p, uint32_t n)
{
	uint64_t v = 0;

	for (; n >= 8; n -= 8, p += 8)
		v = v * 100000000 + eight_digits(load(p));
	for (; n > 0; n--, p++)
		v = v * 10 + (uint64_t)(*p - '0');
	return v;
}

bool col_token_int(const uint8_t *p, uint32_t n, uint64_t *out)
{
	uint32_t zeroes = 0;

	if (n > COL_TOKEN_DIGITS_MAX)
		return false;
	if (p[0] == '0') {
		while (zeroes + 1 < n && p[zeroes] == '0')
			zeroes++;
		if (zeroes > COL_TOKEN_ZEROES_MAX)
			return false;
	}
	*out = col_token_decimal(p, n) | (uint64_t)zeroes << COL_TOKEN_ZEROES_SHIFT;
	return true;
}

static int digit_of(uint8_t c, unsigned *letters)
{
	if ((uint8_t)(c - '0') < 10)
		return c - '0';
	if ((uint8_t)(c - 'a') < 6) {
		*letters |= 1;
		return c - 'a' + 10;
	}
	if ((uint8_t)(c - 'A') < 6) {
		*letters |= 2;
		return c - 'A' + 10;
	}
	return -1;
}

bool col_token_hex(const uint8_t *p, uint32_t n, uint64_t *out, unsigned *out_upper)
{
	unsigned letters = 0;

	ASSERT(n <= COL_TOKEN_HEX_MAX);
	for (uint32_t i = 0; i < n; i++) {
		int d = digit_of(p[i], &letters);

		if (d < 0 || letters == 3)
			return false;
		if (i % HEX_NUMBER == 0)
			out[i / HEX_NUMBER] = 0;
		out[i / HEX_NUMBER] = out[i / HEX_NUMBER] << 4 | (unsigned)d;
	}
	*out_upper = letters == 2 ? COL_TOKEN_UPPER : 0;
	return true;
}

bool col_token_uuid(const uint8_t *p, uint64_t *out, unsigned *out_upper)
{
	uint8_t digits[32];
	unsigned n = 0;

	for (unsigned i = 0; i < UUID_LEN; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (p[i] != '-')
				return false;
			continue;
		}
		digits[n++] = p[i];
	}
	return col_token_hex(digits, n, out, out_upper);
}

/* ---- printing ---- */

/* 1233 / 4096 is a little more than the logarithm of 2. */
static inline size_t digits_of(uint64_t v)
{
	size_t bits = 64 - (size_t)__builtin_clzll(v | 1), n = bits * 1233 >> 12;

	return n + ((v | 1) >= pow10_of[n]);
}

static const char pairs[200] = "00010203040506070809101112131415161718192021222324"
			       "25262728293031323334353637383940414243444546474849"
			       "50515253545556575859606162636465666768697071727374"
			       "75767778798081828384858687888990919293949596979899";

/* The last n digits, from the end on, two at a time. */
static inline size_t print_digits(uint64_t v, size_t n, uint8_t *dst)
{
	uint8_t *at = dst + n;

	for (; at - dst >= 2; v /= 100) {
		at -= 2;
		memcpy(at, pairs + v % 100 * 2, 2);
	}
	if (at > dst)
		*dst = (uint8_t)('0' + v % 10);
	return n;
}

size_t col_token_print_decimal(uint64_t v, unsigned digits, uint8_t *dst)
{
	size_t n = digits_of(v);

	return print_digits(v, n < digits ? digits : n, dst);
}

static size_t print_int(uint64_t v, uint8_t *dst)
{
	size_t zeroes = v >> COL_TOKEN_ZEROES_SHIFT;

	v &= (UINT64_C(1) << COL_TOKEN_ZEROES_SHIFT) - 1;
	memset(dst, '0', zeroes);
	return zeroes + print_digits(v, digits_of(v), dst + zeroes);
}

static size_t print_dec(uint64_t v, unsigned decimals, uint8_t *dst)
{
	uint64_t unit = pow10_of[decimals];
	size_t n = print_digits(v / unit, digits_of(v / unit), dst);

	dst[n] = '.';
	return n + 1 + print_digits(v % unit, decimals, dst + n + 1);
}

/* Eight digits, the first in the lowest byte: each half, quarter, eighth goes to its place. */
static inline uint64_t eight_hex(uint32_t v, unsigned upper)
{
	uint64_t x = v, letters;

	x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
	x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	x = __builtin_bswap64(x);
	letters = (x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101);
	return x + UINT64_C(0x3030303030303030) + letters * (upper ? 'A' - '9' - 1 : 'a' - '9' - 1);
}

/* The last n digits of a number, 1 to 16. Up to sixteen bytes are written all the same. */
static inline void print_hex(uint64_t v, size_t n, unsigned upper, uint8_t *dst)
{
	uint64_t text;

	v <<= 64 - 4 * n;
	text = htole64(eight_hex((uint32_t)(v >> 32), upper));
	memcpy(dst, &text, sizeof text);
	if (n <= sizeof text)
		return;
	text = htole64(eight_hex((uint32_t)v, upper));
	memcpy(dst + sizeof text, &text, sizeof text);
}

static size_t print_hexes(const uint64_t *v, unsigned param, uint8_t *dst)
{
	size_t n = param & ~(unsigned)COL_TOKEN_UPPER;

	for (size_t i = 0; i < n; i += HEX_NUMBER) {
		size_t left = n - i;

		print_hex(v[i / HEX_NUMBER], left < HEX_NUMBER ? left : HEX_NUMBER,
			param & COL_TOKEN_UPPER, dst + i);
	}
	return n;
}

static size_t hex_width(uint64_t v)
{
	return v ? (67u - (size_t)__builtin_clzll(v)) / 4 : 1;
}

/* Each octet and the point behind it; three bytes of digits at most. */
#define TEN(t) t "0.", t "1.", t "2.", t "3.", t "4.", t "5.", t "6.", t "7.", t "8.", t "9."
static const char octets[256][4] = { TEN(""), TEN("1"), TEN("2"), TEN("3"), TEN("4"), TEN("5"),
	TEN("6"), TEN("7"), TEN("8"), TEN("9"), TEN("10"), TEN("11"), TEN("12"), TEN("13"),
	TEN("14"), TEN("15"), TEN("16"), TEN("17"), TEN("18"), TEN("19"), TEN("20"), TEN("21"),
	TEN("22"), TEN("23"), TEN("24"), "250.", "251.", "252.", "253.", "254.", "255." };
#undef TEN

static size_t print_ip4(uint64_t v, uint8_t *dst)
{
	size_t n = 0;

	for (unsigned shift = 32; shift > 0; shift -= 8) {
		unsigned octet = v >> (shift - 8) & 255;

		memcpy(dst + n, octets[octet], sizeof octets[octet]);
		n += 2u + (octet >= 10) + (octet >= 100);
	}
	return n - 1;
}

static unsigned group_of(const uint64_t *v, unsigned i)
{
	return v[i / 4] >> (48 - 16 * (i % 4)) & 0xffff;
}

/* The longest run of two or more zero groups, the first of equals; its length. */
static unsigned longest_zeroes(const uint64_t *v, unsigned *out_start)
{
	unsigned best = 1;

	for (unsigned i = 0; i < IP6_GROUPS;) {
		unsigned n = 0;

		while (i + n < IP6_GROUPS && group_of(v, i + n) == 0)
			n++;
		if (n > best) {
			best = n;
			*out_start = i;
		}
		i += n ? n : 1;
	}
	return best > 1 ? best : 0;
}

static size_t print_ip6(const uint64_t *v, uint8_t *dst)
{
	unsigned start = IP6_GROUPS, run = longest_zeroes(v, &start);
	size_t n = 0;

	for (unsigned i = 0; i < IP6_GROUPS; i++) {
		size_t width;

		if (i == start) {
			dst[n++] = ':';
			dst[n++] = ':';
			i += run - 1;
			continue;
		}
		if (i > 0 && dst[n - 1] != ':')
			dst[n++] = ':';
		width = hex_width(group_of(v, i));
		print_hex(group_of(v, i), width, 0, dst + n);
		n += width;
	}
	return n;
}

static size_t print_uuid(const uint64_t *v, unsigned param, uint8_t *dst)
{
	static const uint8_t widths[] = { 8, 4, 4, 4, 12 };
	uint8_t digits[32];
	size_t from = 0, n = 0;

	print_hexes(v, 32 | (param & COL_TOKEN_UPPER), digits);
	for (unsigned i = 0; i < sizeof widths; i++) {
		if (i > 0)
			dst[n++] = '-';
		memcpy(dst + n, digits + from, widths[i]);
		from += widths[i];
		n += widths[i];
	}
	return n;
}

/* Groups of up to four lower-case digits, one "::" at most; then the same bytes must come back. */
uint32_t col_token_ip6(const uint8_t *p, uint32_t n, uint32_t s, uint64_t *out)
{
	unsigned groups[IP6_GROUPS] = { 0 }, count = 0, gap = IP6_GROUPS + 1, letters = 0;
	uint8_t again[COL_TOKEN_PRINT_MAX];
	uint32_t i = s;

	while (i < n && i - s < IP6_TEXT_MAX && count < IP6_GROUPS) {
		unsigned v = 0, width = 0;
		int d;

		while (i < n && width < 4 && (d = digit_of(p[i], &letters)) >= 0) {
			v = v << 4 | (unsigned)d;
			width++;
			i++;
		}
		if (width == 0)
			break;
		groups[count++] = v;
		if (i + 1 < n && p[i] == ':' && p[i + 1] == ':' && gap > IP6_GROUPS) {
			gap = count;
			i += 2;
		} else if (i + 1 < n && p[i] == ':' && count < IP6_GROUPS &&
			   digit_of(p[i + 1], &letters) >= 0) {
			i++;
		} else {
			break;
		}
	}
	if (count < IP6_GROUPS && gap > IP6_GROUPS)
		return 0;
	out[0] = out[1] = 0;
	for (unsigned g = 0; g < count; g++) {
		unsigned to = g < gap ? g : IP6_GROUPS - count + g;

		out[to / 4] |= (uint64_t)groups[g] << (48 - 16 * (to % 4));
	}
	if (print_ip6(out, again) != i - s || memcmp(again, p + s, i - s) != 0)
		return 0;
	return i;
}

/* ---- what each class has ---- */

bool col_token_has_param(unsigned class)
{
	return class == COL_TOKEN_HEX || class == COL_TOKEN_HEXV || class == COL_TOKEN_DEC ||
	       class == COL_TOKEN_UUID || class == COL_TOKEN_COPY;
}

int col_token_numbers(unsigned class, unsigned param)
{
	unsigned digits = param & ~(unsigned)COL_TOKEN_UPPER;

	switch (class) {
	case COL_TOKEN_WORD:
	case COL_TOKEN_EMAIL:
		return 0;
	case COL_TOKEN_COPY:
		return param < 8 ? 0 : -1;
	case COL_TOKEN_INT:
	case COL_TOKEN_IP4:
		return 1;
	case COL_TOKEN_HEXV:
		return digits == 0 ? 1 : -1;
	case COL_TOKEN_DEC:
		return param >= 1 && param < COL_TOKEN_DIGITS_MAX ? 1 : -1;
	case COL_TOKEN_IP6:
		return 2;
	case COL_TOKEN_UUID:
		return digits == 0 ? 2 : -1;
	case COL_TOKEN_HEX:
		return digits >= 8 && digits <= COL_TOKEN_HEX_MAX ? (int)((digits + 15) / 16) : -1;
	default:
		return -1;
	}
}

size_t col_token_print(unsigned class, unsigned param, const uint64_t *numbers, uint8_t *dst)
{
	uint64_t v = numbers[0];
	size_t n;

	switch (class) {
	case COL_TOKEN_INT:
		return print_int(v, dst);
	case COL_TOKEN_DEC:
		return print_dec(v, param, dst);
	case COL_TOKEN_HEX:
		return print_hexes(numbers, param, dst);
	case COL_TOKEN_HEXV:
		n = hex_width(v);
		print_hex(v, n, param & COL_TOKEN_UPPER, dst);
		return n;
	case COL_TOKEN_IP4:
		return print_ip4(v, dst);
	case COL_TOKEN_IP6:
		return print_ip6(numbers, dst);
	case COL_TOKEN_UUID:
		return print_uuid(numbers, param, dst);
	default:
		return 0;
	}
}
