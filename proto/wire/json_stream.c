/*
 * Two machines behind one face. `values` keeps a window of bytes not yet read - the piece itself, or the
 * carry when a value began in an earlier piece - and takes value after value from its front; a value that
 * the window cuts waits for more. `lines` cuts the piece at its line feeds first, so that a bad line ends
 * where its line does; only a line that two pieces share is copied.
 *
 * Until it is known which of them reads, the body's beginning stands in `head`.
 */
#include "proto/wire/json_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

enum {
	/* Without a line feed for so long it may be values with nothing between them. */
	LINE_LONG_BYTES = 64 << 10,
	CARRY_BYTES = LIMIT_JSON_STREAM_BYTES + LIMIT_READ_BYTES,
};

void json_stream_init(struct json_stream *s, unsigned flags)
{
	*s = (struct json_stream){ .flags = flags, .next_line = 1 };
	buf_init(&s->carry, CARRY_BYTES);
	buf_init(&s->head, CARRY_BYTES);
}

void json_stream_fini(struct json_stream *s)
{
	buf_fini(&s->carry);
	buf_fini(&s->head);
}

size_t json_stream_bytes(const struct json_stream *s)
{
	return s->carry.cap + s->head.cap;
}

void json_stream_feed(struct json_stream *s, struct span piece, bool last)
{
	ASSERT(s->rest.n == 0);
	ASSERT(!s->last);
	if (s->known)
		buf_fini(&s->head);
	s->rest = piece;
	s->last = last;
}

static int fail(struct json_stream *s, int rc, const char *reason)
{
	s->reason = reason;
	s->failed = rc;
	return rc;
}

static bool is_space(uint8_t b)
{
	return b == ' ' || b == '\n' || b == '\r' || b == '\t';
}

static void advance(struct span *s, size_t n)
{
	ASSERT(n <= s->n);
	s->p += n;
	s->n -= n;
}

static uint64_t count_lines(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n, *at;
	uint64_t lines = 0;

	while (p < end && (at = memchr(p, '\n', (size_t)(end - p)))) {
		lines++;
		p = at + 1;
	}
	return lines;
}

/* ---------------------------------------------------------------- what is it? */

static size_t mark_bytes(struct span text)
{
	return text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

enum guess { GUESS_UNKNOWN, GUESS_LINES, GUESS_VALUES };

/* A first line that is whole, or all there is. */
static enum guess guess_line(struct span line, struct span behind, bool last, struct buf *out)
{
	size_t used;
	int rc = json_in_value(line, JSON_IN_REPAIR, out, &used, NULL);

	buf_reset(out);
	if (rc != ERR_TRUNCATED)
		return GUESS_LINES;
	if (behind.n == 0 && !last)
		return GUESS_UNKNOWN;
	/* Where a value goes on, its next line does not begin with another object. */
	return behind.n > 0 && behind.p[0] == '{' ? GUESS_LINES : GUESS_VALUES;
}

/* A line that has not ended yet, however long it is. */
static enum guess guess_long(struct json_stream *s, struct span text, struct buf *out)
{
	size_t used;
	int rc;

	if (text.n < LINE_LONG_BYTES || text.n < s->try_at)
		return GUESS_UNKNOWN;
	rc = json_in_value(text, JSON_IN_REPAIR, out, &used, NULL);
	buf_reset(out);
	s->try_at = 2 * text.n;
	if (rc == 0 && used < text.n)
		return GUESS_VALUES;
	if (rc == 0 || rc == ERR_TRUNCATED)
		return text.n > LIMIT_JSON_STREAM_BYTES ? GUESS_LINES : GUESS_UNKNOWN;
	return GUESS_LINES;
}

static enum guess guess(struct json_stream *s, struct span text, struct buf *out)
{
	const uint8_t *feed;

	if (s->flags & JSON_STREAM_LINES) /* of which a byte order mark may be the first three */
		return text.n >= 3 || s->last ? GUESS_LINES : GUESS_UNKNOWN;
	advance(&text, mark_bytes(text));
	while (text.n > 0 && is_space(text.p[0]))
		advance(&text, 1);
	if (text.n == 0)
		return s->last ? GUESS_LINES : GUESS_UNKNOWN;
	if (text.p[0] == '[')
		return GUESS_VALUES;
	feed = memchr(text.p, '\n', text.n);
	if (feed) {
		size_t n = (size_t)(feed - text.p);

		return guess_line(
			span_of(text.p, n), span_of(feed + 1, text.n - n - 1), s->last, out);
	}
	return s->last ? guess_line(text, SPAN_NONE, true, out) : guess_long(s, text, out);
}

/* 0: it is known, and stands in rest; JSON_STREAM_MORE. */
static int find_out(struct json_stream *s, struct buf *out)
{
	enum guess what;

	if (s->head.len > 0) {
		buf_put_span(&s->head, s->rest);
		s->rest = buf_span(&s->head);
	}
	if (s->head.err)
		return fail(s, s->head.err, "a shorter value");
	what = guess(s, s->rest, out);
	if (what == GUESS_UNKNOWN && !s->last) {
		if (s->head.len == 0)
			buf_put_span(&s->head, s->rest);
		s->rest = SPAN_NONE;
		return s->head.err ? fail(s, s->head.err, "less memory") : JSON_STREAM_MORE;
	}
	s->known = true;
	s->lines = what != GUESS_VALUES;
	s->try_at = 0;
	advance(&s->rest, mark_bytes(s->rest));
	return 0;
}

/* ---------------------------------------------------------------- lines */

/* The line that begins at rest, whole, into window. */
static int take_line(struct json_stream *s)
{
	const uint8_t *feed = s->rest.n ? memchr(s->rest.p, '\n', s->rest.n) : NULL;
	size_t n = feed ? (size_t)(feed - s->rest.p) : s->rest.n;
	struct span part = span_of(s->rest.p, n);
	bool whole = feed || s->last;

	advance(&s->rest, n + (feed != NULL));
	if (s->skipping || (n == 0 && !feed && s->carry.len == 0)) {
		s->skipping = s->skipping && !feed;
		s->next_line += feed != NULL;
		return feed ? 0 : JSON_STREAM_MORE;
	}
	if (whole && s->carry.len == 0) {
		s->window = part;
	} else {
		buf_put_span(&s->carry, part);
		s->window = buf_span(&s->carry);
	}
	if (s->carry.err == -ENOMEM)
		return fail(s, -ENOMEM, "less memory");
	if (s->carry.err || n > LIMIT_JSON_STREAM_BYTES || s->carry.len > LIMIT_JSON_STREAM_BYTES) {
		buf_reset(&s->carry);
		s->skipping = !whole;
		s->line = s->next_line;
		s->next_line += feed != NULL;
		s->reason = "the line is too long";
		return JSON_STREAM_BAD;
	}
	if (!whole)
		return JSON_STREAM_MORE;
	s->begun = true;
	s->begin = s->window.p;
	s->line = s->next_line++;
	return 0;
}

static void end_line(struct json_stream *s)
{
	s->begun = false;
	s->window = SPAN_NONE;
	buf_reset(&s->carry);
}

static int next_of_lines(struct json_stream *s, struct buf *out)
{
	size_t used;
	int rc;

	for (;;) {
		if (!s->begun) {
			rc = take_line(s);
			if (rc != 0)
				return rc;
		}
		while (s->window.n > 0 && is_space(s->window.p[0]))
			advance(&s->window, 1);
		if (s->window.n > 0)
			break;
		end_line(s);
	}
	rc = json_in_value(s->window, JSON_IN_REPAIR, out, &used, &s->error);
	if (rc == 0) {
		s->index = s->next_index++;
		advance(&s->window, used);
		return 0;
	}
	if (rc == -ENOMEM)
		return fail(s, rc, "less memory");
	s->reason = NULL;
	s->error.column += (size_t)(s->window.p - s->begin);
	end_line(s);
	return JSON_STREAM_BAD;
}

/* ---------------------------------------------------------------- values */

/* More bytes into the window: 0, or JSON_STREAM_MORE when there are none, the rest of it put by. */
static int refill(struct json_stream *s)
{
	struct span left = s->window;
	bool carried = s->carry.len > 0;

	if (left.n == 0 && s->rest.n > 0) {
		buf_reset(&s->carry);
		s->window = s->rest;
		s->rest = SPAN_NONE;
		return 0;
	}
	if (carried && left.n > 0)
		memmove(s->carry.p, left.p, left.n);
	s->carry.len = carried ? left.n : 0;
	if (!carried)
		buf_put_span(&s->carry, left);
	if (s->rest.n > 0)
		buf_put_span(&s->carry, s->rest);
	if (s->carry.err)
		return fail(s, s->carry.err, "a shorter value");
	s->window = buf_span(&s->carry);
	if (s->rest.n == 0)
		return JSON_STREAM_MORE;
	s->rest = SPAN_NONE;
	return 0;
}

static void pass(struct json_stream *s, size_t n)
{
	s->next_line += count_lines(s->window.p, n);
	s->passed += n;
	advance(&s->window, n);
}

/* A number may go on where the window ends. */
static bool may_go_on(const struct json_stream *s, size_t used)
{
	uint8_t b = s->window.p[0];

	return used == s->window.n && (b == '-' || (b >= '0' && b <= '9'));
}

/* 0: it is out; JSON_STREAM_MORE: the window ends inside it. */
static int take_value(struct json_stream *s, struct buf *out)
{
	bool open = s->rest.n > 0 || !s->last;
	size_t used;
	int rc;

	if (open && s->window.n < s->try_at)
		return JSON_STREAM_MORE;
	rc = json_in_value(s->window, JSON_IN_REPAIR, out, &used, &s->error);
	if (open && (rc == ERR_TRUNCATED || (rc == 0 && may_go_on(s, used)))) {
		buf_reset(out);
		s->try_at = 2 * s->window.n;
		if (s->window.n > LIMIT_JSON_STREAM_BYTES)
			return fail(s, ERR_LIMIT, "the value is too long");
		return JSON_STREAM_MORE;
	}
	s->line = s->next_line;
	if (rc < 0) {
		s->line += s->error.line - 1;
		return fail(s, rc, NULL);
	}
	s->index = s->next_index++;
	s->try_at = 0;
	s->after_value = true;
	pass(s, used);
	return 0;
}

static int misfit(struct json_stream *s, int found, const char *expected)
{
	s->line = s->next_line;
	s->error = (struct json_in_error){ .found = found, .expected = expected };
	return fail(s, found < 0 ? ERR_TRUNCATED : ERR_SYNTAX, NULL);
}

/* What stands between values; true: it was passed over. */
static bool take_mark(struct json_stream *s, uint8_t b)
{
	if (!s->in_array) {
		if (b != '[')
			return false;
		s->in_array = s->array_new = true;
	} else if (b == ']' && (s->after_value || s->array_new)) {
		s->in_array = false;
	} else if (b != ',' || !s->after_value) {
		return false;
	} else {
		s->array_new = false;
	}
	s->after_value = false;
	pass(s, 1);
	return true;
}

static int next_of_values(struct json_stream *s, struct buf *out)
{
	int rc;

	for (;;) {
		size_t n = 0;

		while (n < s->window.n && is_space(s->window.p[n]))
			n++;
		if (n > 0)
			pass(s, n);
		if (s->window.n > 0) {
			uint8_t b = s->window.p[0];

			if (take_mark(s, b))
				continue;
			if (s->in_array && s->after_value)
				return misfit(s, b, "',' or ']'");
			rc = take_value(s, out);
			if (rc <= 0)
				return rc;
		}
		rc = refill(s);
		if (rc == JSON_STREAM_MORE && s->last && s->in_array)
			return misfit(s, -1, s->after_value ? "',' or ']'" : "a value");
		if (rc != 0)
			return rc;
	}
}

/* ---------------------------------------------------------------- face */

int json_stream_next(struct json_stream *s, struct buf *out)
{
	int rc = 0;

	if (s->failed)
		return s->failed;
	buf_reset(out);
	if (!s->known)
		rc = find_out(s, out);
	if (rc != 0)
		return rc;
	return s->lines ? next_of_lines(s, out) : next_of_values(s, out);
}

const char *json_stream_explain(const struct json_stream *s, char dst[JSON_STREAM_TEXT_BYTES])
{
	const struct json_in_error *e = &s->error;
	char where[48], text[JSON_STREAM_TEXT_BYTES];
	const char *what;

	if (s->reason) {
		snprintf(dst, JSON_STREAM_TEXT_BYTES, "%s", s->reason);
		return dst;
	}
	/* "line 1, column 7: expected ...": the place is told here. */
	what = strstr(json_in_explain(e, text, sizeof text), "expected");
	if (s->lines)
		snprintf(where, sizeof where, "column %zu", e->column);
	else
		snprintf(where, sizeof where, "byte %llu",
			(unsigned long long)(s->passed + e->off + 1));
	snprintf(dst, JSON_STREAM_TEXT_BYTES, "%s: %.100s", where, what ? what : text);
	return dst;
}
