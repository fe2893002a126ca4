#include "tools/logfmt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/printable.h"
#include "proto/base/timefmt.h"
#include "proto/base/utf8.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"

enum { KEY_BYTES_MAX = 512 };

static bool is_bare(uint32_t cp)
{
	return cp > ' ' && cp != '"' && cp != '=' && cp != '\\' && cp != UTF8_REPLACEMENT &&
	       !printable_hidden(cp);
}

static bool is_bare_word(struct span s)
{
	for (size_t i = 0; i < s.n;) {
		uint32_t cp;

		i += utf8_next(s.p + i, s.n - i, &cp);
		if (!is_bare(cp))
			return false;
	}
	return s.n > 0;
}

void logfmt_put_key(struct span key, struct buf *out)
{
	if (key.n == 0)
		buf_put_u8(out, '_');
	for (size_t i = 0; i < key.n;) {
		uint32_t cp;
		size_t n = utf8_next(key.p + i, key.n - i, &cp);

		if (is_bare(cp))
			buf_put(out, key.p + i, n);
		else
			buf_put_u8(out, '_');
		i += n;
	}
}

static void put_escape(uint32_t cp, struct buf *out)
{
	switch (cp) {
	case '"':
	case '\\':
		buf_put_u8(out, '\\');
		buf_put_u8(out, (uint8_t)cp);
		break;
	case '\n':
		buf_put_str(out, "\\n");
		break;
	case '\r':
		buf_put_str(out, "\\r");
		break;
	case '\t':
		buf_put_str(out, "\\t");
		break;
	case UTF8_REPLACEMENT:
		buf_put_str(out, UTF8_REPLACEMENT_BYTES);
		break;
	default:
		if (cp >= 0x10000)
			buf_printf(
				out, "\\u%04x\\u%04x", 0xd7c0 + (cp >> 10), 0xdc00 + (cp & 0x3ff));
		else
			buf_printf(out, "\\u%04x", cp);
		break;
	}
}

void logfmt_put_value(struct span value, struct buf *out)
{
	if (is_bare_word(value)) {
		buf_put_span(out, value);
		return;
	}
	buf_put_u8(out, '"');
	for (size_t i = 0; i < value.n;) {
		uint32_t cp;
		size_t n = utf8_next(value.p + i, value.n - i, &cp);

		if (cp == ' ' || cp == '=' || is_bare(cp))
			buf_put(out, value.p + i, n);
		else
			put_escape(cp, out);
		i += n;
	}
	buf_put_u8(out, '"');
}

void logfmt_put_pair(struct span key, struct span value, struct buf *out)
{
	if (!value.p)
		return;
	if (out->len && out->p[out->len - 1] != '\n')
		buf_put_u8(out, ' ');
	logfmt_put_key(key, out);
	buf_put_u8(out, '=');
	logfmt_put_value(value, out);
}

/* Text as it is, all else as JSON; what cannot be read as null. */
static void put_leaf(struct span key, struct span msgpack, struct buf *raw, struct buf *out)
{
	struct rcur c = rcur_of(msgpack.p, msgpack.n);
	struct walk_value v;
	int rc;

	if (walk_read(&c, &v) == 0 && v.type == WALK_STR) {
		logfmt_put_pair(key, v.data, out);
		return;
	}
	buf_reset(raw);
	rc = json_out_value(msgpack, raw);
	if (rc == ERR_LIMIT || rc == -ENOMEM)
		out->err = rc;
	logfmt_put_pair(key, rc < 0 ? SPAN_LIT("null") : buf_span(raw), out);
}

/* The path of a map's member; a key that is no text, or too long, has no name of its own. */
static struct span put_path(struct span path, struct span name, char dst[KEY_BYTES_MAX])
{
	int n = snprintf(dst, KEY_BYTES_MAX, "%.*s.%.*s", (int)path.n, (const char *)path.p,
		(int)(name.n < KEY_BYTES_MAX ? name.n : KEY_BYTES_MAX), (const char *)name.p);

	return n < KEY_BYTES_MAX ? span_of(dst, (size_t)n) : SPAN_NONE;
}

static struct span key_name(struct span msgpack)
{
	struct rcur c = rcur_of(msgpack.p, msgpack.n);
	struct walk_value v;

	return walk_read(&c, &v) == 0 && v.type == WALK_STR ? v.data : SPAN_LIT("?");
}

static void put_data(
	struct span key, struct span msgpack, struct buf *raw, struct buf *out, unsigned depth)
{
	struct rcur c = rcur_of(msgpack.p, msgpack.n);
	struct walk_value head;
	char path[KEY_BYTES_MAX];

	if (depth > LIMIT_DEPTH || walk_read(&c, &head) < 0 || head.type != WALK_MAP ||
		head.count == 0) {
		put_leaf(key, msgpack, raw, out);
		return;
	}
	for (uint32_t i = 0; i < head.count; i++) {
		struct span name, value, full;

		if (walk_take(&c, &name) < 0 || walk_take(&c, &value) < 0)
			return;
		full = put_path(key, key_name(name), path);
		if (full.p)
			put_data(full, value, raw, out, depth + 1);
		else
			put_leaf(key, value, raw, out);
	}
}

void logfmt_put_data(struct span key, struct span msgpack, struct buf *raw, struct buf *out)
{
	put_data(key, msgpack, raw, out, 0);
}

static void put_time(const char *key, int64_t ns, struct buf *out)
{
	char text[TIMEFMT_BYTES_MAX];

	logfmt_put_pair(span_str(key), span_of(text, timefmt_put(text, ns)), out);
}

void logfmt_put_event(const struct event *ev, struct buf *raw, struct buf *out)
{
	char id[24];
	int n = snprintf(id, sizeof id, "%" PRIu64, ev->id);

	put_time("timestamp", ev->time_ns, out);
	logfmt_put_pair(SPAN_LIT("severity"),
		span_str(event_severity_name((enum event_severity)ev->severity)), out);
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		logfmt_put_pair(span_str(event_text_name((enum event_text)i)), ev->text[i], out);
	if (ev->metadata.p)
		logfmt_put_data(SPAN_LIT("metadata"), ev->metadata, raw, out);
	logfmt_put_pair(SPAN_LIT("id"), span_of(id, (size_t)n), out);
	put_time("received", ev->received_ns, out);
	for (unsigned bit = EVENT_FLAG_TIME_ODD; bit <= EVENT_FLAG_PARTIAL; bit <<= 1) {
		if (ev->flags & EVENT_FLAGS_SHOWN & bit)
			logfmt_put_pair(SPAN_LIT("flag"),
				span_str(json_out_flag_name((enum event_flag)bit)), out);
	}
}
