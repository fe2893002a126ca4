#include "proto/expr/expr_quote_int.h"

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/utf8.h"

static int hex(uint8_t c)
{
	if ((unsigned)(c - '0') < 10)
		return c - '0';
	c |= 0x20;
	return (unsigned)(c - 'a') < 6 ? c - 'a' + 10 : -1;
}

bool expr_quote_is_key(uint8_t c)
{
	return (unsigned)(c - '0') < 10 || (unsigned)((c | 0x20) - 'a') < 26 || c >= 0x80 ||
	       (c && strchr("_-/@+%#", c));
}

bool expr_quote_is_word(uint8_t c)
{
	return expr_quote_is_key(c) || c == '.' || c == ':';
}

/* ---------------------------------------------------------------- reading */

/* Behind "\x": two digits. */
static int read_byte(const uint8_t *p, const uint8_t *end, uint8_t *dst)
{
	if (end - p < 4 || hex(p[2]) < 0 || hex(p[3]) < 0)
		return 0;
	*dst = (uint8_t)(hex(p[2]) << 4 | hex(p[3]));
	return 4;
}

/* "\u{H...}": a scalar value; its bytes in UTF-8 are fewer than those that name it. */
static int read_scalar(const uint8_t *p, const uint8_t *end, uint8_t *dst, size_t *out_n)
{
	uint32_t cp = 0;
	int n = 3;

	if (end - p < 5 || p[2] != '{' || hex(p[3]) < 0)
		return 0;
	for (; p + n < end && hex(p[n]) >= 0 && n < 9; n++)
		cp = cp << 4 | (uint32_t)hex(p[n]);
	if (p + n == end || p[n] != '}' || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	*out_n = utf8_put(dst, cp);
	return n + 1;
}

/* The escape at p: bytes it takes, 0: it is none; what it stands for into dst. */
static int read_escape(const uint8_t *p, const uint8_t *end, uint8_t *dst, size_t *out_n)
{
	static const char names[] = "\"\\nt", bytes[] = "\"\\\n\t";
	const char *at = end - p >= 2 && p[1] ? strchr(names, p[1]) : NULL;

	*out_n = 1;
	if (at) {
		*dst = (uint8_t)bytes[at - names];
		return 2;
	}
	if (end - p >= 2 && p[1] == 'x')
		return read_byte(p, end, dst);
	if (end - p >= 2 && p[1] == 'u')
		return read_scalar(p, end, dst, out_n);
	return 0;
}

static int read_regex_escape(const uint8_t *p, const uint8_t *end, uint8_t *dst, size_t *out_n)
{
	if (end - p < 2)
		return 0;
	if (p[1] == '"') {
		*dst = '"';
		*out_n = 1;
	} else {
		memcpy(dst, p, 2);
		*out_n = 2;
	}
	return 2;
}

int expr_quote_read(const uint8_t **p, const uint8_t *end, bool regex, uint8_t *dst, size_t *out_n)
{
	uint8_t *to = dst;
	const uint8_t *at = *p + 1;

	ASSERT(*p < end);
	ASSERT(**p == '"');
	while (at < end && *at != '"') {
		size_t n = 1;
		int took = 1;

		if (*at == '\\')
			took = regex ? read_regex_escape(at, end, to, &n)
				     : read_escape(at, end, to, &n);
		else
			*to = *at;
		if (took == 0) {
			*p = at;
			return end - at < 2 ? ERR_TRUNCATED : ERR_SYNTAX;
		}
		at += took;
		to += n;
	}
	if (at == end)
		return ERR_TRUNCATED;
	*p = at + 1;
	*out_n = (size_t)(to - dst);
	return 0;
}

/* ---------------------------------------------------------------- writing */

static void put_byte(uint8_t c, struct buf *out)
{
	switch (c) {
	case '"':
	case '\\':
		buf_printf(out, "\\%c", c);
		break;
	case '\n':
		buf_put_str(out, "\\n");
		break;
	case '\t':
		buf_put_str(out, "\\t");
		break;
	default:
		if (c < 0x20 || c >= 0x7f)
			buf_printf(out, "\\x%02x", c);
		else
			buf_put_u8(out, c);
		break;
	}
}

static void put_text(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.n;) {
		size_t good = utf8_valid_prefix(span_of(text.p + i, text.n - i));

		for (; good > 0; good--, i++) {
			if (text.p[i] >= 0x80)
				buf_put_u8(out, text.p[i]);
			else
				put_byte(text.p[i], out);
		}
		if (i < text.n)
			put_byte(text.p[i++], out);
	}
}

/* A quote that a pattern escapes already is the same sign by its number. */
static void put_regex(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++) {
		bool pair = text.p[i] == '\\' && i + 1 < text.n;

		if (pair && text.p[i + 1] == '"')
			buf_put_str(out, "\\x22");
		else if (pair)
			buf_put(out, text.p + i, 2);
		else if (text.p[i] == '"')
			buf_put_str(out, "\\\"");
		else
			buf_put_u8(out, text.p[i]);
		i += pair;
	}
}

void expr_quote_put(struct span text, bool regex, struct buf *out)
{
	buf_put_u8(out, '"');
	if (regex)
		put_regex(text, out);
	else
		put_text(text, out);
	buf_put_u8(out, '"');
}
