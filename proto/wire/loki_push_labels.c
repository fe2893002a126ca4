/*
 * Labels are written as Go writes strings: in quotes with escapes, or raw between backticks. Names are
 * taken as they come, up to the equals sign.
 */
#include "proto/wire/loki_push.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/utf8.h"

struct reader {
	const uint8_t *p;
	const uint8_t *end;
	struct buf *text;
};

static void skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n'))
		r->p++;
}

static bool take(struct reader *r, uint8_t c)
{
	skip_space(r);
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* n digits in base 8 or 16. */
static int number(struct reader *r, unsigned n, int base, uint32_t *out)
{
	uint32_t v = 0;

	for (; n > 0; n--, r->p++) {
		int d = r->p < r->end ? digit(*r->p) : -1;

		if (d < 0 || d >= base)
			return ERR_SYNTAX;
		v = v * (uint32_t)base + (uint32_t)d;
	}
	*out = v;
	return 0;
}

/* Behind the backslash and its letter c. The text has room: no escape is shorter than what it means. */
static int escape(struct reader *r, uint8_t c)
{
	static const char from[] = "abfnrtv\\'\"", to[] = "\a\b\f\n\r\t\v\\'\"";
	const char *which = memchr(from, c, sizeof from - 1);
	uint32_t v = 0;
	int rc;

	if (which) {
		buf_put_u8(r->text, (uint8_t)to[which - from]);
		return 0;
	}
	if (c == 'x' || (c >= '0' && c <= '7')) {
		r->p -= c != 'x';
		rc = c == 'x' ? number(r, 2, 16, &v) : number(r, 3, 8, &v);
		buf_put_u8(r->text, (uint8_t)v);
		return rc == 0 && v > 0xff ? ERR_SYNTAX : rc;
	}
	if (c != 'u' && c != 'U')
		return ERR_SYNTAX;
	rc = number(r, c == 'u' ? 4 : 8, 16, &v);
	if (rc < 0 || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return ERR_SYNTAX;
	ASSERT(r->text->cap - r->text->len >= UTF8_BYTES_MAX);
	r->text->len += utf8_put(r->text->p + r->text->len, v);
	return 0;
}

/* A string, its quote not yet taken. */
static int string(struct reader *r, struct span *out)
{
	size_t from = r->text->len;
	bool raw = take(r, '`');
	int rc;

	if (!raw && !take(r, '"'))
		return ERR_SYNTAX;
	for (;;) {
		uint8_t c;

		if (r->p == r->end)
			return ERR_SYNTAX;
		c = *r->p++;
		if (c == (raw ? '`' : '"'))
			break;
		if (raw || c != '\\') {
			buf_put_u8(r->text, c);
			continue;
		}
		if (r->p == r->end)
			return ERR_SYNTAX;
		c = *r->p++;
		rc = escape(r, c);
		if (rc < 0)
			return rc;
	}
	*out = span_of(r->text->p + from, r->text->len - from);
	return 0;
}

static int pair(struct reader *r, struct loki_push_pair *out)
{
	const uint8_t *equals;

	skip_space(r);
	equals = memchr(r->p, '=', (size_t)(r->end - r->p));
	if (!equals)
		return ERR_SYNTAX;
	out->name = span_of(r->p, (size_t)(equals - r->p));
	while (out->name.n > 0 && out->name.p[out->name.n - 1] == ' ')
		out->name.n--;
	/* A quote before the sign: an earlier string was not closed where it seemed. */
	if (out->name.n == 0 || memchr(out->name.p, '"', out->name.n))
		return ERR_SYNTAX;
	r->p = equals + 1;
	return string(r, &out->value);
}

int loki_push_labels(struct span s, struct buf *text, struct loki_push_pair *pairs, uint32_t max,
	uint32_t *out_count)
{
	struct reader r = { .p = s.p, .end = span_end(s), .text = text };
	uint32_t count = 0;
	int rc;

	buf_reset(text);
	/* Once for all, for the values point into it. */
	rc = buf_reserve(text, s.n + UTF8_BYTES_MAX);
	if (rc < 0)
		return rc;
	if (!take(&r, '{'))
		return ERR_SYNTAX;
	while (!take(&r, '}')) {
		if (count > 0 && !take(&r, ','))
			return ERR_SYNTAX;
		/* A comma may end the list. */
		if (count > 0 && take(&r, '}'))
			break;
		if (count == max)
			return ERR_LIMIT;
		rc = pair(&r, &pairs[count++]);
		if (rc < 0)
			return rc;
	}
	skip_space(&r);
	if (r.p < r.end)
		return ERR_SYNTAX;
	*out_count = count;
	return 0;
}
