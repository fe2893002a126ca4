#include "proto/wire/csv_out.h"

#include <stdbool.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/timefmt.h"
#include "proto/base/utf8.h"
#include "proto/wire/json_number.h"
#include "proto/wire/json_out.h"

static bool is_formula(struct span s)
{
	return s.n && (s.p[0] == '=' || s.p[0] == '+' || s.p[0] == '-' || s.p[0] == '@' ||
			      s.p[0] == '\t' || s.p[0] == '\r');
}

/* The high bit of a byte is set where x has c, and perhaps in bytes above such a one. */
static inline uint64_t equal(uint64_t x, uint8_t c)
{
	uint64_t y = x ^ (UINT64_C(0x0101010101010101) * c);

	return (y - UINT64_C(0x0101010101010101)) & ~y;
}

/* True: none of the eight bytes is beyond ASCII, a comma, a quote or an end of line. */
static inline bool plain_word(uint64_t x)
{
	return ((x | equal(x, ',') | equal(x, '"') | equal(x, '\n') | equal(x, '\r')) &
		       UINT64_C(0x8080808080808080)) == 0;
}

static inline bool special(uint8_t c)
{
	return c == '"' || c == ',' || c == '\n' || c == '\r';
}

static bool needs_quotes(struct span s)
{
	if (s.n == 0 || s.p[0] == ' ' || s.p[s.n - 1] == ' ')
		return true;
	for (size_t i = 0; i < s.n; i++) {
		if (special(s.p[i]))
			return true;
	}
	return false;
}

/* Copies a cell that stands for itself; false, with dst in any state, if it does not. */
static bool copy_plain(uint8_t *dst, struct span s)
{
	size_t i = 0;
	uint64_t x;

	if (s.n == 0 || s.p[0] == ' ' || s.p[s.n - 1] == ' ' || is_formula(s))
		return false;
	for (; s.n - i >= sizeof x; i += sizeof x) {
		memcpy(&x, s.p + i, sizeof x);
		if (!plain_word(x))
			return false;
		memcpy(dst + i, &x, sizeof x);
	}
	for (; i < s.n; i++) {
		if (special(s.p[i]) || s.p[i] >= 0x80)
			return false;
		dst[i] = s.p[i];
	}
	return true;
}

/* Text without quotes in it. */
static void put_utf8(struct span s, struct buf *out)
{
	while (s.n) {
		size_t good = utf8_valid_prefix(s), bad;

		buf_put(out, s.p, good);
		if (good == s.n)
			return;
		buf_put_str(out, UTF8_REPLACEMENT_BYTES);
		bad = utf8_bad_bytes(s.p + good, s.n - good);
		s = span_of(s.p + good + bad, s.n - good - bad);
	}
}

void csv_out_cell(struct span s, struct buf *out)
{
	bool quotes;

	if (!s.p || buf_reserve(out, s.n) < 0)
		return;
	if (copy_plain(out->p + out->len, s)) {
		out->len += s.n;
		return;
	}
	quotes = needs_quotes(s);
	if (quotes)
		buf_put_u8(out, '"');
	if (is_formula(s))
		buf_put_u8(out, '\'');
	while (s.n) {
		const uint8_t *quote = memchr(s.p, '"', s.n);
		size_t n = quote ? (size_t)(quote - s.p) : s.n;

		put_utf8(span_of(s.p, n), out);
		if (!quote)
			break;
		buf_put_str(out, "\"\"");
		s = span_of(quote + 1, s.n - n - 1);
	}
	if (quotes)
		buf_put_u8(out, '"');
}

/* A map as JSON has quotes inside, or is {}: quoted in place. */
void csv_out_value(struct span value, struct buf *out)
{
	size_t from = out->len, more = 2, to;

	if (json_out_value(value, out) < 0)
		return;
	for (size_t i = from; i < out->len; i++)
		more += out->p[i] == '"';
	if (buf_reserve(out, more) < 0)
		return;
	to = out->len + more;
	out->p[--to] = '"';
	for (size_t i = out->len; i-- > from;) {
		out->p[--to] = out->p[i];
		if (out->p[i] == '"')
			out->p[--to] = '"';
	}
	out->p[--to] = '"';
	ASSERT(to == from);
	out->len += more;
}

void csv_out_flags(unsigned flags, struct buf *out)
{
	const char *space = "";

	for (unsigned bit = EVENT_FLAG_TIME_ODD; bit <= EVENT_FLAG_PARTIAL; bit <<= 1) {
		if (flags & EVENT_FLAGS_SHOWN & bit) {
			buf_put_str(out, space);
			buf_put_str(out, json_out_flag_name((enum event_flag)bit));
			space = " ";
		}
	}
}

void csv_out_time(int64_t ns, struct buf *out)
{
	if (buf_reserve(out, TIMEFMT_BYTES_MAX) == 0)
		out->len += timefmt_put((char *)out->p + out->len, ns);
}

void csv_out_header(struct buf *out)
{
	buf_put_str(out, "id,timestamp,received,event_type,severity");
	for (int i = EVENT_TEXT_EVENT_TYPE + 1; i < EVENT_TEXT_COUNT; i++) {
		buf_put_u8(out, ',');
		buf_put_str(out, event_text_name((enum event_text)i));
	}
	buf_put_str(out, ",metadata,flags\r\n");
}

/* Id and times, a comma behind each. */
static void put_numbers(const struct event *ev, struct buf *out)
{
	char *o;

	if (buf_reserve(out, JSON_NUMBER_BYTES_MAX + 2 * TIMEFMT_BYTES_MAX + 3) < 0)
		return;
	o = (char *)out->p + out->len;
	o += json_number_put_uint(o, ev->id);
	*o++ = ',';
	o += timefmt_put(o, ev->time_ns);
	*o++ = ',';
	o += timefmt_put(o, ev->received_ns);
	*o++ = ',';
	out->len = (size_t)((uint8_t *)o - out->p);
}

void csv_out_event(const struct event *ev, struct buf *out)
{
	put_numbers(ev, out);
	csv_out_cell(ev->text[EVENT_TEXT_EVENT_TYPE], out);
	buf_put_u8(out, ',');
	buf_put_str(out, event_severity_name((enum event_severity)ev->severity));
	for (int i = EVENT_TEXT_EVENT_TYPE + 1; i < EVENT_TEXT_COUNT; i++) {
		buf_put_u8(out, ',');
		csv_out_cell(ev->text[i], out);
	}
	buf_put_u8(out, ',');
	if (ev->metadata.p)
		csv_out_value(ev->metadata, out);
	buf_put_u8(out, ',');
	csv_out_flags(ev->flags, out);
	buf_put_str(out, "\r\n");
}
