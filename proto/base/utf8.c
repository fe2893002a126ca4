#include "proto/base/utf8.h"

#include <string.h>

#include "proto/base/check.h"

/* What a lead byte promises: how many bytes follow, and the range of the first of them. */
struct lead {
	uint8_t follow; /* 0: no sequence begins with this byte */
	uint8_t lo;
	uint8_t hi;
};

static struct lead lead_of(uint8_t b)
{
	if (b >= 0xC2 && b <= 0xDF)
		return (struct lead){ 1, 0x80, 0xBF };
	if (b == 0xE0)
		return (struct lead){ 2, 0xA0, 0xBF };
	if (b == 0xED)
		return (struct lead){ 2, 0x80, 0x9F };
	if (b >= 0xE1 && b <= 0xEF)
		return (struct lead){ 2, 0x80, 0xBF };
	if (b == 0xF0)
		return (struct lead){ 3, 0x90, 0xBF };
	if (b >= 0xF1 && b <= 0xF3)
		return (struct lead){ 3, 0x80, 0xBF };
	if (b == 0xF4)
		return (struct lead){ 3, 0x80, 0x8F };
	return (struct lead){ 0, 0, 0 };
}

/*
 * Walks one sequence at p, which is not ASCII. Returns the bytes that belong together: the whole
 * sequence with *out_ok true, or the maximal subpart of a bad one.
 */
static size_t walk(const uint8_t *p, size_t n, bool *out_ok)
{
	struct lead l = lead_of(p[0]);
	size_t i = 1;

	*out_ok = false;
	if (l.follow == 0)
		return 1;
	while (i <= l.follow && i < n && p[i] >= l.lo && p[i] <= l.hi) {
		l.lo = 0x80;
		l.hi = 0xBF;
		i++;
	}
	*out_ok = i > l.follow;
	return i;
}

/* Bytes of ASCII at the start, eight at a time. */
static size_t ascii_prefix(const uint8_t *p, size_t n)
{
	size_t i = 0;
	uint64_t w;

	while (n - i >= sizeof w) {
		memcpy(&w, p + i, sizeof w);
		if (w & UINT64_C(0x8080808080808080))
			break;
		i += sizeof w;
	}
	while (i < n && p[i] < 0x80)
		i++;
	return i;
}

size_t utf8_valid_prefix(struct span s)
{
	size_t i = 0;
	bool ok;

	while (i < s.n) {
		size_t n;

		i += ascii_prefix(s.p + i, s.n - i);
		if (i == s.n)
			break;
		n = walk(s.p + i, s.n - i, &ok);
		if (!ok)
			return i;
		i += n;
	}
	return s.n;
}

size_t utf8_next(const uint8_t *p, size_t n, uint32_t *out_cp)
{
	uint32_t cp;
	size_t len;
	bool ok;

	ASSERT(n > 0);
	if (p[0] < 0x80) {
		*out_cp = p[0];
		return 1;
	}
	len = walk(p, n, &ok);
	if (!ok) {
		*out_cp = UTF8_REPLACEMENT;
		return len;
	}
	cp = p[0] & (0x7Fu >> len);
	for (size_t i = 1; i < len; i++)
		cp = cp << 6 | (p[i] & 0x3Fu);
	*out_cp = cp;
	return len;
}

size_t utf8_bad_bytes(const uint8_t *p, size_t n)
{
	bool ok;
	size_t len;

	ASSERT(n > 0);
	len = walk(p, n, &ok);
	ASSERT(!ok);
	return len;
}

size_t utf8_put(uint8_t dst[UTF8_BYTES_MAX], uint32_t cp)
{
	ASSERT(cp <= 0x10FFFF);
	ASSERT(cp < 0xD800 || cp > 0xDFFF);
	if (cp < 0x80) {
		dst[0] = (uint8_t)cp;
		return 1;
	}
	if (cp < 0x800) {
		dst[0] = (uint8_t)(0xC0 | cp >> 6);
		dst[1] = (uint8_t)(0x80 | (cp & 0x3F));
		return 2;
	}
	if (cp < 0x10000) {
		dst[0] = (uint8_t)(0xE0 | cp >> 12);
		dst[1] = (uint8_t)(0x80 | (cp >> 6 & 0x3F));
		dst[2] = (uint8_t)(0x80 | (cp & 0x3F));
		return 3;
	}
	dst[0] = (uint8_t)(0xF0 | cp >> 18);
	dst[1] = (uint8_t)(0x80 | (cp >> 12 & 0x3F));
	dst[2] = (uint8_t)(0x80 | (cp >> 6 & 0x3F));
	dst[3] = (uint8_t)(0x80 | (cp & 0x3F));
	return 4;
}

size_t utf8_cut(struct span s, size_t max)
{
	size_t n = max;

	if (s.n <= max)
		return s.n;
	/* Back over at most three bytes that continue a code point; bad bytes are cut anywhere. */
	while (n > 0 && max - n < UTF8_BYTES_MAX - 1 && (s.p[n] & 0xC0) == 0x80)
		n--;
	return (s.p[n] & 0xC0) == 0x80 ? max : n;
}

bool utf8_step(struct utf8_steps *s, const uint8_t *p, size_t n)
{
	size_t i = s->follow ? 0 : ascii_prefix(p, n);

	for (; i < n; i++) {
		if (s->follow == 0 && p[i] < 0x80)
			continue;
		if (s->follow == 0) {
			struct lead l = lead_of(p[i]);

			if (l.follow == 0)
				return false;
			*s = (struct utf8_steps){ l.follow, l.lo, l.hi };
			continue;
		}
		if (p[i] < s->lo || p[i] > s->hi)
			return false;
		*s = (struct utf8_steps){ (uint8_t)(s->follow - 1), 0x80, 0xBF };
	}
	return true;
}
