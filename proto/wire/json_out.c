/*
 * One loop over the values of a msgpack text, open arrays and maps on an explicit stack. A map used
 * as a key is written as any other value and then, when it is complete, made a string in place.
 */
#include "proto/wire/json_out.h"

#include <stdbool.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/timefmt.h"
#include "proto/base/utf8.h"
#include "proto/wire/json_number.h"
#include "proto/wire/json_scan_int.h"
#include "proto/wire/walk.h"

/* Types of ext that hold a time: of the Forward protocol, and of msgpack itself. */
enum { EXT_EVENT_TIME = 0, EXT_TIMESTAMP = -1 };

/* Ids up to here are exact as doubles, which is what most readers make of a number. */
#define ID_NUMBER_END (UINT64_C(1) << 53)

struct level {
	uint64_t left;   /* values to come; in a map keys and values are counted both */
	size_t text_off; /* where its text begins */
	bool map;
	bool key; /* is itself the key of a map */
	bool any; /* a value was written */
};

struct render {
	struct rcur in;
	struct buf *out;
	unsigned depth;
	unsigned keys; /* open levels that are keys */
	struct level stack[LIMIT_DEPTH];
};

/* buf_reserve without the call, when there is room already. */
static inline bool room(struct buf *out, size_t n)
{
	return __builtin_expect(!out->err && n <= out->cap - out->len, 1) ||
	       buf_reserve(out, n) == 0;
}

static inline void put_byte(struct buf *out, uint8_t c)
{
	if (room(out, 1))
		out->p[out->len++] = c;
}

/* Text of ours, of a length the compiler mostly knows. */
static inline void put(struct buf *out, const char *text, size_t n)
{
	if (room(out, n)) {
		memcpy(out->p + out->len, text, n);
		out->len += n;
	}
}

/* ---- strings ---- */

static void put_escape(struct buf *out, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	/* By code from 8 to 13; 0 where JSON has no short form. */
	static const char short_form[] = { 'b', 't', 'n', 0, 'f', 'r' };
	char text[6] = { '\\', (char)c };
	size_t n = 2;

	if (c >= 8 && c <= 13 && short_form[c - 8]) {
		text[1] = short_form[c - 8];
	} else if (c < 0x20) {
		memcpy(text + 1, "u00", 3);
		text[4] = hex[c >> 4];
		text[5] = hex[c & 15];
		n = 6;
	}
	put(out, text, n);
}

/* A run without anything to escape; what is not UTF-8 in it is replaced. */
static void put_utf8(struct buf *out, struct span run)
{
	while (run.n) {
		size_t good = utf8_valid_prefix(run), bad;

		buf_put(out, run.p, good);
		if (good == run.n)
			return;
		buf_put_str(out, UTF8_REPLACEMENT_BYTES);
		bad = utf8_bad_bytes(run.p + good, run.n - good);
		run = span_of(run.p + good + bad, run.n - good - bad);
	}
}

void json_out_escaped(struct span s, struct buf *out)
{
	const uint8_t *p = s.p, *end = s.n ? s.p + s.n : s.p;

	while (p < end) {
		unsigned high = 0;
		const uint8_t *to = json_scan_run(p, end, &high);

		if (high)
			put_utf8(out, span_of(p, (size_t)(to - p)));
		else
			buf_put(out, p, (size_t)(to - p));
		if (to == end)
			return;
		put_escape(out, *to);
		p = to + 1;
	}
}

void json_out_string(struct span s, struct buf *out)
{
	uint8_t *o;

	/* Nearly every string is plain ASCII: one check of room, one copy that looks at each byte. */
	if (!room(out, s.n + 2))
		return;
	o = out->p + out->len;
	if (json_scan_copy(o + 1, s.p, s.n)) {
		o[0] = '"';
		o[s.n + 1] = '"';
		out->len += s.n + 2;
		return;
	}
	put_byte(out, '"');
	json_out_escaped(s, out);
	put_byte(out, '"');
}

static void put_base64(struct buf *out, struct span s)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t i, left;
	uint8_t *o;

	if (s.n > SIZE_MAX / 2 || !room(out, (s.n + 2) / 3 * 4 + 2)) {
		out->err = out->err ? out->err : ERR_LIMIT;
		return;
	}
	o = out->p + out->len;
	*o++ = '"';
	for (i = 0; i < s.n; i += 3) {
		uint32_t v = (uint32_t)s.p[i] << 16;

		left = s.n - i;
		v |= left > 1 ? (uint32_t)s.p[i + 1] << 8 : 0;
		v |= left > 2 ? s.p[i + 2] : 0;
		*o++ = (uint8_t)digits[v >> 18];
		*o++ = (uint8_t)digits[v >> 12 & 63];
		*o++ = left > 1 ? (uint8_t)digits[v >> 6 & 63] : '=';
		*o++ = left > 2 ? (uint8_t)digits[v & 63] : '=';
	}
	*o++ = '"';
	ASSERT((size_t)(o - out->p) <= out->cap);
	out->len = (size_t)(o - out->p);
}

/* What was written from text_off on becomes a string: JSON has no control characters of its own. */
static void quote_in_place(struct buf *out, size_t text_off)
{
	size_t more = 2, to;

	for (size_t i = text_off; i < out->len; i++)
		more += out->p[i] == '"' || out->p[i] == '\\';
	if (buf_reserve(out, more) < 0)
		return;
	to = out->len + more;
	out->p[--to] = '"';
	for (size_t i = out->len; i-- > text_off;) {
		out->p[--to] = out->p[i];
		if (out->p[i] == '"' || out->p[i] == '\\')
			out->p[--to] = '\\';
	}
	out->p[--to] = '"';
	ASSERT(to == text_off);
	out->len += more;
}

/* ---- scalars ---- */

static void put_time(struct buf *out, int64_t ns)
{
	uint8_t *o;
	size_t n;

	if (!room(out, TIMEFMT_BYTES_MAX + 2))
		return;
	o = out->p + out->len;
	*o = '"';
	n = timefmt_put((char *)o + 1, ns);
	o[n + 1] = '"';
	ASSERT(n <= TIMEFMT_BYTES_MAX);
	out->len += n + 2;
}

/* The time in an ext, if it is one and 64 bits of nanoseconds hold it. */
static bool ext_time(const struct walk_value *v, int64_t *out_ns)
{
	struct rcur c = rcur_of(v->data.p, v->data.n);
	int64_t sec;
	uint64_t ns = 0;

	if (v->ext == EXT_EVENT_TIME && v->data.n == 8) {
		sec = rcur_be32(&c);
		ns = rcur_be32(&c);
	} else if (v->ext == EXT_TIMESTAMP && v->data.n == 4) {
		sec = rcur_be32(&c);
	} else if (v->ext == EXT_TIMESTAMP && v->data.n == 8) {
		ns = rcur_be64(&c);
		sec = (int64_t)(ns & ((UINT64_C(1) << 34) - 1));
		ns >>= 34;
	} else if (v->ext == EXT_TIMESTAMP && v->data.n == 12) {
		ns = rcur_be32(&c);
		sec = (int64_t)rcur_be64(&c);
	} else {
		return false;
	}
	return ns < (uint64_t)CLOCK_NS_PER_SEC &&
	       !__builtin_mul_overflow(sec, CLOCK_NS_PER_SEC, out_ns) &&
	       !__builtin_add_overflow(*out_ns, (int64_t)ns, out_ns);
}

/* True when the text is an object, not a string. */
static bool put_ext(struct buf *out, const struct walk_value *v)
{
	char number[JSON_NUMBER_BYTES_MAX];
	int64_t ns;

	if (ext_time(v, &ns)) {
		put_time(out, ns);
		return false;
	}
	buf_put_str(out, "{\"ext\":");
	buf_put(out, number, json_number_put_int(number, v->ext));
	buf_put_str(out, ",\"data\":");
	put_base64(out, v->data);
	put_byte(out, '}');
	return true;
}

static void put_number(struct buf *out, const struct walk_value *v)
{
	char *o;

	if (!room(out, JSON_NUMBER_BYTES_MAX))
		return;
	o = (char *)out->p + out->len;
	if (v->type == WALK_UINT)
		out->len += json_number_put_uint(o, v->u);
	else if (v->type == WALK_INT)
		out->len += json_number_put_int(o, v->i);
	else
		out->len += json_number_put_float(o, v->f);
}

/* Everything but arrays and maps. True when the text written is a string. */
static bool put_scalar(struct buf *out, const struct walk_value *v)
{
	switch (v->type) {
	case WALK_STR:
		json_out_string(v->data, out);
		return true;
	case WALK_BIN:
		put_base64(out, v->data);
		return true;
	case WALK_EXT:
		return !put_ext(out, v);
	case WALK_NIL:
		put(out, "null", 4);
		return false;
	case WALK_BOOL:
		buf_put_str(out, v->b ? "true" : "false");
		return false;
	default:
		put_number(out, v);
		return false;
	}
}

/* ---- values ---- */

static int open_level(struct render *r, const struct walk_value *v, bool key)
{
	if (r->depth == LIMIT_DEPTH || (key && r->keys == JSON_OUT_KEY_NEST_MAX))
		return ERR_DEPTH;
	r->keys += key;
	r->stack[r->depth++] = (struct level){
		.left = v->type == WALK_MAP ? (uint64_t)v->count * 2 : v->count,
		.text_off = r->out->len,
		.map = v->type == WALK_MAP,
		.key = key,
	};
	put_byte(r->out, v->type == WALK_MAP ? '{' : '[');
	return 0;
}

static void close_level(struct render *r)
{
	const struct level *top = &r->stack[--r->depth];

	ASSERT(top->left == 0);
	ASSERT(top->text_off < r->out->len || r->out->err);
	put_byte(r->out, top->map ? '}' : ']');
	if (top->key) {
		ASSERT(r->keys > 0);
		r->keys--;
		quote_in_place(r->out, top->text_off);
	}
}

/* Writes what stands between values; true when the next one is a key. */
static bool separate(struct buf *out, struct level *top)
{
	bool key = top->map && top->left % 2 == 0;

	if (top->map && !key)
		put_byte(out, ':');
	else if (top->any)
		put_byte(out, ',');
	ASSERT(top->left > 0);
	top->any = true;
	top->left--;
	return key;
}

static int run(struct render *r)
{
	do {
		bool key = r->depth && separate(r->out, &r->stack[r->depth - 1]);
		size_t text_off = r->out->len;
		struct walk_value v;
		int rc = walk_read(&r->in, &v);

		if (rc < 0)
			return rc;
		if (v.type == WALK_ARRAY || v.type == WALK_MAP) {
			rc = open_level(r, &v, key);
			if (rc < 0)
				return rc;
		} else if (!put_scalar(r->out, &v) && key) {
			quote_in_place(r->out, text_off);
		}
		/* A claimed count is only worth what the buffer takes: stop when it is full. */
		if (r->out->err)
			return r->out->err;
		while (r->depth && r->stack[r->depth - 1].left == 0)
			close_level(r);
	} while (r->depth);
	return r->out->err;
}

int json_out_value(struct span value, struct buf *out)
{
	struct render r;
	size_t len = out->len;
	int rc;

	if (out->err)
		return out->err;
	r.in = rcur_of(value.p, value.n);
	r.out = out;
	r.depth = 0;
	r.keys = 0;
	rc = run(&r);
	ASSERT(rc <= 0);
	ASSERT(rc < 0 || r.depth == 0);
	ASSERT(rc < 0 || r.keys == 0);
	if (rc == 0 && rcur_left(&r.in))
		rc = ERR_CORRUPT;
	if (rc < 0) {
		out->len = len;
		out->err = 0;
	}
	return rc;
}

/* ---- events ---- */

const char *json_out_flag_name(enum event_flag flag)
{
	switch (flag) {
	case EVENT_FLAG_TIME_ODD:
		return "time_odd";
	case EVENT_FLAG_TIME_ARRIVAL:
		return "time_arrival";
	case EVENT_FLAG_CUT:
		return "cut";
	}
	UNREACHABLE();
}

static void put_name(struct buf *out, const char *name)
{
	put(out, ",\"", 2);
	put(out, name, strlen(name));
	put(out, "\":", 2);
}

void json_out_id(uint64_t id, struct buf *out)
{
	char text[JSON_NUMBER_BYTES_MAX];
	size_t n = json_number_put_uint(text, id);

	if (id < ID_NUMBER_END)
		put(out, text, n);
	else
		json_out_string(span_of(text, n), out);
}

static void put_text(const struct event *ev, enum event_text field, struct buf *out)
{
	if (!ev->text[field].p)
		return;
	put_name(out, event_text_name(field));
	json_out_string(ev->text[field], out);
}

static void put_flags(unsigned flags, struct buf *out)
{
	const char *comma = "";

	put_name(out, "flags");
	put_byte(out, '[');
	for (unsigned bit = EVENT_FLAG_TIME_ODD; bit <= EVENT_FLAG_CUT; bit <<= 1) {
		if (!(flags & bit))
			continue;
		buf_put_str(out, comma);
		json_out_string(span_str(json_out_flag_name((enum event_flag)bit)), out);
		comma = ",";
	}
	put_byte(out, ']');
}

/* JSON_OUT_DAMAGED: what stands there is null. */
static int put_metadata(struct span metadata, struct buf *out)
{
	int rc;

	put_name(out, "metadata");
	rc = out->err ? out->err : json_out_value(metadata, out);
	if (rc != ERR_CORRUPT && rc != ERR_SYNTAX && rc != ERR_TRUNCATED && rc != ERR_DEPTH)
		return rc;
	buf_put_str(out, "null");
	return JSON_OUT_DAMAGED;
}

int json_out_event(const struct event *ev, struct buf *out)
{
	size_t len = out->len;
	int rc = 0;

	if (out->err)
		return out->err;
	ASSERT(ev->severity < EVENT_SEVERITY_COUNT);
	buf_put_str(out, "{\"id\":");
	json_out_id(ev->id, out);
	put_name(out, "timestamp");
	put_time(out, ev->time_ns);
	put_name(out, "received");
	put_time(out, ev->received_ns);
	put_text(ev, EVENT_TEXT_EVENT_TYPE, out);
	put_name(out, "severity");
	json_out_string(span_str(event_severity_name((enum event_severity)ev->severity)), out);
	for (int i = EVENT_TEXT_EVENT_TYPE + 1; i < EVENT_TEXT_COUNT; i++)
		put_text(ev, (enum event_text)i, out);
	if (ev->metadata.p)
		rc = put_metadata(ev->metadata, out);
	if (ev->flags & (EVENT_FLAG_TIME_ODD | EVENT_FLAG_TIME_ARRIVAL | EVENT_FLAG_CUT))
		put_flags(ev->flags, out);
	put_byte(out, '}');
	rc = rc < 0 ? rc : out->err ? out->err : rc;
	if (rc < 0) {
		out->len = len;
		out->err = 0;
	}
	return rc;
}
