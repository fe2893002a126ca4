/*
 * One loop over two questions: what value stands here (value), and what follows a value (follow)?
 * Open containers are on an explicit stack of LIMIT_DEPTH frames. A container is opened with a
 * header of one byte, which is widened in place when the 16th and the 65536th element end; most
 * never are, and the header always has the smallest width.
 *
 * Strings without escape and in ASCII, nearly all of them, are found by one scan and copied once.
 * The others are decoded behind a header of full width and moved down to the one they need.
 */
#include "proto/wire/json_in.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/utf8.h"
#include "proto/wire/json_number.h"
#include "proto/wire/json_scan_int.h"
#include "proto/wire/pack.h"

enum { DONE = 0, MORE = 1 };

struct frame {
	size_t head_off; /* of the container's header in the output */
	uint32_t count;  /* elements or members that have ended */
	bool map;
};

struct parse {
	const uint8_t *p;
	const uint8_t *start;
	const uint8_t *end;
	struct buf *out;
	const char *expected; /* set with the failure; p is then the place */
	unsigned flags;
	unsigned depth;
	struct frame stack[LIMIT_DEPTH];
};

static int fail(struct parse *j, int code, const uint8_t *at, const char *expected)
{
	j->p = at;
	j->expected = expected;
	return code;
}

/* The byte at `at` does not fit, or there is none. */
static int misfit(struct parse *j, const uint8_t *at, const char *expected)
{
	return fail(j, at == j->end ? ERR_TRUNCATED : ERR_SYNTAX, at, expected);
}

static inline int room(struct parse *j, size_t n)
{
	if (__builtin_expect(n <= j->out->cap - j->out->len, 1))
		return 0;
	if (buf_reserve(j->out, n) < 0)
		return fail(j, j->out->err, j->p, "less text (the buffer is full)");
	return 0;
}

static inline void skip_space(struct parse *j)
{
	while (j->p < j->end && *j->p <= ' ') {
		if (*j->p != ' ' && *j->p != '\n' && *j->p != '\r' && *j->p != '\t')
			return;
		j->p++;
	}
}

/* ---- strings ---- */

static int hex4(struct parse *j, const uint8_t *at, unsigned *out_unit)
{
	unsigned unit = 0;

	for (int i = 0; i < 4; i++, at++) {
		unsigned c = at < j->end ? *at : 0, low = c | 0x20;

		if (c >= '0' && c <= '9')
			unit = unit << 4 | (c - '0');
		else if (low >= 'a' && low <= 'f')
			unit = unit << 4 | (low - 'a' + 10);
		else
			return misfit(j, at, "four hexadecimal digits after \\u");
	}
	*out_unit = unit;
	return 0;
}

static void put_codepoint(struct parse *j, uint32_t cp)
{
	ASSERT(j->out->cap - j->out->len >= UTF8_BYTES_MAX);
	j->out->len += utf8_put(j->out->p + j->out->len, cp);
}

/*
 * At the 'u' of an escape. A high surrogate takes the low one that follows; half a pair fails or
 * becomes U+FFFD, and what follows it is read on its own.
 */
static int unicode_escape(struct parse *j)
{
	const uint8_t *at = j->p - 1;
	unsigned unit, low = 0;
	int rc = hex4(j, j->p + 1, &unit);

	if (rc < 0)
		return rc;
	j->p += 5;
	if (unit < 0xd800 || unit > 0xdfff) {
		put_codepoint(j, unit);
		return 0;
	}
	if (unit < 0xdc00 && j->end - j->p >= 2 && j->p[0] == '\\' && j->p[1] == 'u') {
		rc = hex4(j, j->p + 2, &low);
		if (rc < 0)
			return rc;
	}
	if (low >= 0xdc00 && low <= 0xdfff) {
		j->p += 6;
		put_codepoint(j, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
		return 0;
	}
	if (!(j->flags & JSON_IN_REPAIR)) {
		if (unit < 0xdc00 && (j->p == j->end || (*j->p == '\\' && j->p + 1 == j->end)))
			at = j->end;
		return misfit(j, at, "both halves of a surrogate pair");
	}
	put_codepoint(j, UTF8_REPLACEMENT);
	return 0;
}

/* At a backslash. */
static int escape(struct parse *j)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *which;
	int rc = room(j, UTF8_BYTES_MAX);

	if (rc < 0)
		return rc;
	if (++j->p == j->end)
		return fail(j, ERR_TRUNCATED, j->p, "the rest of an escape");
	if (*j->p == 'u')
		return unicode_escape(j);
	which = memchr(from, *j->p, sizeof from - 1);
	if (!which)
		return fail(j, ERR_SYNTAX, j->p, "one of \"\\/bfnrtu after a backslash");
	j->out->p[j->out->len++] = (uint8_t)to[which - from];
	j->p++;
	return 0;
}

static int copy(struct parse *j, const uint8_t *p, size_t n)
{
	int rc = room(j, n);

	if (rc < 0)
		return rc;
	ASSERT(n <= j->out->cap - j->out->len);
	memcpy(j->out->p + j->out->len, p, n);
	j->out->len += n;
	return 0;
}

/* The bytes from p to `to`, some of them beyond ASCII. */
static int copy_utf8(struct parse *j, const uint8_t *to)
{
	while (j->p < to) {
		struct span left = span_of(j->p, (size_t)(to - j->p));
		size_t good = utf8_valid_prefix(left), bad;
		int rc = copy(j, j->p, good);

		if (rc < 0)
			return rc;
		j->p += good;
		if (good == left.n)
			break;
		bad = utf8_bad_bytes(j->p, left.n - good);
		if (!(j->flags & JSON_IN_REPAIR))
			return misfit(j, j->p + bad == j->end ? j->end : j->p, "UTF-8");
		rc = copy(j, (const uint8_t *)UTF8_REPLACEMENT_BYTES, 3);
		if (rc < 0)
			return rc;
		j->p += bad;
	}
	return 0;
}

/* The header of a string was given full width at head_off; gives back what it does not need. */
static void settle_head(struct buf *out, size_t head_off)
{
	uint8_t *body = out->p + head_off + PACK_HEAD_BYTES_MAX;
	size_t n = out->len - head_off - PACK_HEAD_BYTES_MAX;
	unsigned head = pack_at_str(out->p + head_off, (uint32_t)n);

	ASSERT(out->len >= head_off + PACK_HEAD_BYTES_MAX);
	ASSERT(head <= PACK_HEAD_BYTES_MAX);
	memmove(out->p + head_off + head, body, n);
	out->len = head_off + head + n;
}

/* A string whose first run (from p to `to`) is not all of it, or not ASCII. */
static int string_rest(struct parse *j, const uint8_t *to, unsigned high)
{
	size_t head_off = j->out->len;
	int rc = room(j, PACK_HEAD_BYTES_MAX);

	if (rc < 0)
		return rc;
	j->out->len += PACK_HEAD_BYTES_MAX;
	for (;;) {
		rc = high ? copy_utf8(j, to) : copy(j, j->p, (size_t)(to - j->p));
		if (rc < 0)
			return rc;
		j->p = to;
		if (to == j->end)
			return fail(j, ERR_TRUNCATED, to, "a closing quote");
		if (*to == '"')
			break;
		if (*to != '\\')
			return fail(j, ERR_SYNTAX, to, "an escape for a control character");
		rc = escape(j);
		if (rc < 0)
			return rc;
		high = 0;
		to = json_scan_run(j->p, j->end, &high);
	}
	j->p++;
	settle_head(j->out, head_off);
	return 0;
}

/* At the opening quote. */
static int string(struct parse *j)
{
	unsigned high = 0;
	const uint8_t *s = ++j->p, *to = json_scan_run(s, j->end, &high);
	size_t n = (size_t)(to - s);
	uint8_t *o;
	int rc;

	if (to == j->end || *to != '"' || high)
		return string_rest(j, to, high);
	rc = room(j, PACK_HEAD_BYTES_MAX + n);
	if (rc < 0)
		return rc;
	o = j->out->p + j->out->len;
	o += pack_at_str(o, (uint32_t)n);
	memcpy(o, s, n);
	j->out->len = (size_t)(o + n - j->out->p);
	j->p = to + 1;
	return 0;
}

/* ---- the other values ---- */

static int number(struct parse *j)
{
	struct json_number num;
	int rc = room(j, PACK_SCALAR_BYTES_MAX);

	if (rc < 0)
		return rc;
	rc = json_number_get(&j->p, j->end, &num, &j->expected);
	if (rc < 0)
		return rc;
	if (num.kind == JSON_NUMBER_UINT)
		pack_uint(j->out, num.u);
	else if (num.kind == JSON_NUMBER_INT)
		pack_int(j->out, num.i);
	else
		pack_double(j->out, num.f);
	return 0;
}

static int literal(struct parse *j, struct span word, uint8_t code, const char *expected)
{
	int rc = room(j, 1);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < word.n; i++, j->p++) {
		if (j->p == j->end || *j->p != word.p[i])
			return misfit(j, j->p, expected);
	}
	j->out->p[j->out->len++] = code;
	return 0;
}

/* A member's name and its colon; MORE, as its value has to follow. */
static int name(struct parse *j)
{
	int rc;

	skip_space(j);
	if (j->p == j->end || *j->p != '"')
		return misfit(j, j->p, "a name in quotes");
	rc = string(j);
	if (rc < 0)
		return rc;
	skip_space(j);
	if (j->p == j->end || *j->p != ':')
		return misfit(j, j->p, "':'");
	j->p++;
	return MORE;
}

static unsigned head_bytes(uint32_t count)
{
	return count <= 15 ? 1 : count <= 0xffff ? 3 : 5;
}

/* The element that makes the header too narrow is complete: two bytes more. */
static int widen(struct parse *j, struct frame *f)
{
	unsigned old = head_bytes(f->count - 1);
	uint8_t *body;
	int rc = room(j, 2);

	if (rc < 0)
		return rc;
	ASSERT(f->head_off + old <= j->out->len);
	body = j->out->p + f->head_off + old;
	memmove(body + 2, body, j->out->len - f->head_off - old);
	j->out->len += 2;
	return 0;
}

/* The innermost container ends. */
static void close_container(struct parse *j)
{
	struct frame *f = &j->stack[--j->depth];
	uint8_t *head = j->out->p + f->head_off;
	unsigned bytes = f->map ? pack_at_map(head, f->count) : pack_at_array(head, f->count);

	ASSERT(bytes == head_bytes(f->count));
	ASSERT(f->head_off + bytes <= j->out->len);
	j->p++;
}

/* At '[' or '{'. DONE when it is empty, else MORE: a value comes next. */
static int open_container(struct parse *j)
{
	bool map = *j->p == '{';
	int rc = room(j, 1);

	if (rc < 0)
		return rc;
	if (j->depth == LIMIT_DEPTH)
		return fail(j, ERR_DEPTH, j->p, "fewer levels of nesting");
	j->stack[j->depth++] = (struct frame){ .head_off = j->out->len, .map = map };
	j->out->p[j->out->len++] = 0;
	j->p++;
	skip_space(j);
	if (j->p < j->end && *j->p == (map ? '}' : ']')) {
		close_container(j);
		return DONE;
	}
	if (!map)
		return MORE;
	if (j->p < j->end && *j->p != '"')
		return fail(j, ERR_SYNTAX, j->p, "a name in quotes or '}'");
	return name(j);
}

/* DONE: a value has ended. MORE: one has to begin. */
static int value(struct parse *j)
{
	skip_space(j);
	if (j->p == j->end)
		return fail(j, ERR_TRUNCATED, j->p, "a value");
	switch (*j->p) {
	case '"':
		return string(j);
	case '{':
	case '[':
		return open_container(j);
	case '-':
	case '0' ... '9':
		return number(j);
	case 't':
		return literal(j, SPAN_LIT("true"), 0xc3, "true");
	case 'f':
		return literal(j, SPAN_LIT("false"), 0xc2, "false");
	case 'n':
		return literal(j, SPAN_LIT("null"), 0xc0, "null");
	case 0xef:
		return fail(j, ERR_SYNTAX, j->p, "a value (a byte order mark is none)");
	default:
		return fail(j, ERR_SYNTAX, j->p, "a value");
	}
}

/* After an element: the header may have become too narrow, then come a comma or the end. */
static int after_element(struct parse *j, struct frame *f)
{
	f->count++;
	if (f->count == 16 || f->count == 0x10000) {
		int rc = widen(j, f);

		if (rc < 0)
			return rc;
	}
	skip_space(j);
	if (j->p < j->end && *j->p == (f->map ? '}' : ']')) {
		close_container(j);
		return DONE;
	}
	if (j->p == j->end || *j->p != ',')
		return misfit(j, j->p, f->map ? "',' or '}'" : "',' or ']'");
	if (f->map && f->count == LIMIT_MAP_PAIRS)
		return fail(j, ERR_LIMIT, j->p, "fewer members in one object");
	j->p++;
	return MORE;
}

static int run(struct parse *j)
{
	for (;;) {
		int rc = value(j);

		while (rc == DONE && j->depth) {
			struct frame *f = &j->stack[j->depth - 1];

			rc = after_element(j, f);
			if (rc == MORE && f->map)
				rc = name(j);
		}
		if (rc <= 0)
			return rc;
	}
}

/* Where j stands, in terms of people; only ever computed for a failure. */
static void locate(const struct parse *j, struct json_in_error *e)
{
	const uint8_t *line = j->start;

	*e = (struct json_in_error){
		.off = (size_t)(j->p - j->start),
		.line = 1,
		.found = j->p < j->end ? *j->p : -1,
		.expected = j->expected,
	};
	for (const uint8_t *p = j->start; p < j->p; p++) {
		if (*p == '\n') {
			e->line++;
			line = p + 1;
		}
	}
	e->column = (size_t)(j->p - line) + 1;
}

/* The common part: `whole` wants nothing but white space after the value. */
static int parse(struct span text, unsigned flags, bool whole, struct buf *out, size_t *out_used,
	struct json_in_error *e)
{
	struct parse j;
	size_t len = out->len;
	int rc;

	if (out->err)
		return out->err;
	j.p = j.start = text.p;
	j.end = text.p + text.n;
	j.out = out;
	j.expected = NULL;
	j.flags = flags;
	j.depth = 0;
	/* Lengths of msgpack have 32 bits; checked once here instead of at each string. */
	rc = text.n <= UINT32_MAX ? run(&j)
				  : fail(&j, ERR_LIMIT, text.p, "less than 4 GiB of text");
	ASSERT(j.p >= j.start);
	ASSERT(j.p <= j.end);
	if (rc == 0 && whole) {
		skip_space(&j);
		if (j.p < j.end)
			rc = fail(&j, ERR_SYNTAX, j.p, "nothing after the value");
	}
	ASSERT(rc < 0 || j.depth == 0);
	if (rc == 0) {
		*out_used = (size_t)(j.p - j.start);
		return 0;
	}
	out->len = len;
	out->err = 0;
	if (e)
		locate(&j, e);
	return rc;
}

int json_in_value(struct span text, unsigned flags, struct buf *out, size_t *out_used,
	struct json_in_error *e)
{
	return parse(text, flags, false, out, out_used, e);
}

int json_in_text(struct span text, unsigned flags, struct buf *out, struct json_in_error *e)
{
	size_t used;

	return parse(text, flags, true, out, &used, e);
}

const char *json_in_explain(const struct json_in_error *e, char *dst, size_t cap)
{
	char found[24];

	if (e->found < 0)
		snprintf(found, sizeof found, "the end");
	else if (e->found > ' ' && e->found < 0x7f)
		snprintf(found, sizeof found, "'%c'", e->found);
	else
		snprintf(found, sizeof found, "byte 0x%02x", (unsigned)e->found);
	snprintf(dst, cap, "line %zu, column %zu: expected %s, found %s", e->line, e->column,
		e->expected, found);
	return dst;
}
