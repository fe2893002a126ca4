/*
 * The common tokens found by a look at their bytes alone, for texts whose template is known: without
 * the masks that cutting a whole text begins with. What is found is what cutting would find; where
 * that takes more than a look, nothing is found.
 */
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_token.h"
#include "storage/col_token_int.h"

enum { LETTER = 1, DIGIT = 2, JOINT = 4, ALNUM = LETTER | DIGIT, EMAIL = ALNUM | JOINT };

static const uint8_t kinds[256] = {
	['0' ... '9'] = DIGIT,
	['A' ... 'Z'] = LETTER,
	['a' ... 'z'] = LETTER,
	['_'] = LETTER,
	[0x80 ... 0xff] = LETTER,
	['+'] = JOINT,
	['-'] = JOINT,
	['.'] = JOINT,
};

struct text {
	const uint8_t *p;
	uint32_t n;
};

static inline uint32_t skip(struct text t, uint32_t s, unsigned kind)
{
	while (s < t.n && kinds[t.p[s]] & kind)
		s++;
	return s;
}

static inline bool is(struct text t, uint32_t s, unsigned kind)
{
	return s < t.n && kinds[t.p[s]] & kind;
}

/* Whether the chunk s .. end may be the beginning of an address or a UUID. */
static inline bool may_go_on(struct text t, uint32_t s, uint32_t end)
{
	if (end >= t.n)
		return false;
	return (t.p[end] == ':' && end - s <= 4) || (t.p[end] == '-' && end - s == 8);
}

static inline bool hex_letter(uint8_t c)
{
	return (uint8_t)((c | 0x20) - 'a') < 6;
}

/* Letters, and digits behind them if the two together are no hex number. */
static uint32_t word_at(struct text t, uint32_t s)
{
	uint32_t end = skip(t, s, LETTER), chunk = end;

	if (end == s || (s > 0 && is(t, s - 1, ALNUM)))
		return 0;
	if (is(t, end, DIGIT)) {
		chunk = skip(t, end, DIGIT);
		/* One letter that no hex number has is enough, and mostly the first or last is one. */
		if (is(t, chunk, LETTER) || (hex_letter(t.p[s]) && hex_letter(t.p[end - 1])))
			return 0;
	}
	return may_go_on(t, s, chunk) ? 0 : end;
}

/* Digits that are no part of a decimal number, an address or a word. */
static uint32_t int_at(struct text t, uint32_t s, uint64_t *out)
{
	uint32_t end = skip(t, s, DIGIT);

	if (end == s || is(t, end, LETTER) || may_go_on(t, s, end))
		return 0;
	if (end + 1 < t.n && t.p[end] == '.' && is(t, end + 1, DIGIT))
		return 0;
	/* Behind letters: those of hex numbers, and anything else than letters, need a closer look. */
	if (s > 0 && is(t, s - 1, ALNUM) &&
		(kinds[t.p[s - 1]] == DIGIT || hex_letter(t.p[s - 1]) || end - s > 8))
		return 0;
	return col_token_int(t.p + s, end - s, out) ? end : 0;
}

static uint32_t dec_at(struct text t, uint32_t s, unsigned decimals, uint64_t *out)
{
	uint32_t point = skip(t, s, DIGIT), end;

	if (point == s || point + 1 >= t.n || t.p[point] != '.')
		return 0;
	end = skip(t, point + 1, DIGIT);
	if (end - point - 1 != decimals || end - s > COL_TOKEN_DIGITS_MAX + 1)
		return 0;
	if (is(t, end, LETTER) || (end + 1 < t.n && t.p[end] == '.' && is(t, end + 1, DIGIT)))
		return 0;
	if ((point - s > 1 && t.p[s] == '0') || (s > 0 && is(t, s - 1, ALNUM | JOINT)))
		return 0;
	*out = col_token_decimal(t.p + s, point - s);
	for (uint32_t i = point + 1; i < end; i++)
		*out = *out * 10 + (t.p[i] - '0');
	return end;
}

static uint32_t ip4_at(struct text t, uint32_t s, uint64_t *out)
{
	uint64_t v = 0;

	if (s > 0 && is(t, s - 1, ALNUM))
		return 0;
	for (unsigned i = 0; i < 4; i++) {
		unsigned octet = 0;
		uint32_t from;

		if (i > 0 && (s >= t.n || t.p[s++] != '.'))
			return 0;
		for (from = s; s < t.n && s - from < 3 && kinds[t.p[s]] == DIGIT; s++)
			octet = octet * 10 + (t.p[s] - '0');
		if (s == from || octet > 255 || (s - from > 1 && t.p[from] == '0'))
			return 0;
		v = v << 8 | octet;
	}
	if (is(t, s, ALNUM) || (s + 1 < t.n && t.p[s] == '.' && is(t, s + 1, DIGIT)))
		return 0;
	*out = v;
	return s;
}

static uint32_t hex_at(struct text t, uint32_t s, unsigned param, uint64_t *out)
{
	uint32_t n = param & ~(unsigned)COL_TOKEN_UPPER, end = s + n;
	unsigned upper, seen = 0;

	if (t.n - s < n || is(t, end, ALNUM) || may_go_on(t, s, end) ||
		(s > 0 && is(t, s - 1, ALNUM)))
		return 0;
	for (uint32_t i = s; i < end; i++)
		seen |= kinds[t.p[i]];
	/* Digits alone are a number, letters alone a word. */
	if (seen != ALNUM || !col_token_hex(t.p + s, n, out, &upper))
		return 0;
	return upper == (param & COL_TOKEN_UPPER) ? end : 0;
}

static uint32_t email_at(struct text t, uint32_t s)
{
	uint32_t at, end;

	if (!is(t, s, ALNUM) || (s > 0 && (is(t, s - 1, EMAIL) || t.p[s - 1] == '@')))
		return 0;
	at = skip(t, s, EMAIL);
	if (at >= t.n || t.p[at] != '@')
		return 0;
	end = skip(t, at + 1, EMAIL);
	/* Another one behind it shares bytes with this one. */
	if (end < t.n && t.p[end] == '@')
		return 0;
	while (end > at + 1 && !(kinds[t.p[end - 1]] & ALNUM))
		end--;
	return end > at + 1 ? end : 0;
}

static uint32_t copy_at(struct text t, uint32_t s, struct span v)
{
	uint32_t end = s + (uint32_t)v.n;

	if (v.n < COL_TOKEN_SOURCE_BYTES_MIN || v.n > t.n - s || memcmp(t.p + s, v.p, v.n) != 0)
		return 0;
	return is(t, end, ALNUM) && is(t, end - 1, ALNUM) ? 0 : end;
}

uint32_t col_token_light(struct span text, const struct col_token_sources *sources, uint32_t s,
	unsigned class, unsigned param, uint64_t *numbers)
{
	struct text t = { text.p, (uint32_t)text.n };

	ASSERT(s <= t.n);
	switch (class) {
	case COL_TOKEN_WORD:
		return word_at(t, s);
	case COL_TOKEN_INT:
		return int_at(t, s, numbers);
	case COL_TOKEN_EMAIL:
		return email_at(t, s);
	case COL_TOKEN_COPY:
		return sources ? copy_at(t, s, sources->values[param]) : 0;
	case COL_TOKEN_DEC:
		return dec_at(t, s, param, numbers);
	case COL_TOKEN_IP4:
		return ip4_at(t, s, numbers);
	case COL_TOKEN_HEX:
		return hex_at(t, s, param, numbers);
	default:
		return 0;
	}
}
