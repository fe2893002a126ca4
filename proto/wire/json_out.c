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
#include "proto/wire/json_put_int.h"
#include "proto/wire/json_scan_int.h"
#include "proto/wire/walk.h"

/* Types of ext that hold a time: of the Forward protocol, and of msgpack itself. */
enum { EXT_EVENT_TIME = 0, EXT_TIMESTAMP = -1 };

#define METADATA_LABEL ",\"metadata\":"
/* Ids up to here are exact as doubles, which is what most readers make of a number. */
#define ID_NUMBER_END (UINT64_C(1) << 53)

enum {
	METADATA_BYTES = sizeof METADATA_LABEL - 1,
	/* A pair beside its strings: quotes, colon, comma, a number. */
	PAIR_BYTES = JSON_NUMBER_BYTES_MAX + 8,
	/* An event beside its texts: braces, names, id, two times, severity, and slack. */
	EVENT_BYTES = 512,
};

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

void json_out_time(int64_t ns, struct buf *out)
{
	struct timefmt_memo memo = { .text = "" };

	if (room(out, TIMEFMT_BYTES_MAX + 2))
		out->len = (size_t)(json_put_time(out->p + out->len, ns, &memo) - out->p);
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
		json_out_time(ns, out);
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

/* A value that is neither binary nor holds others. NULL: a string that is not plain ASCII. */
static uint8_t *put_plain_value(uint8_t *o, const struct walk_value *v)
{
	switch (v->type) {
	case WALK_STR:
		*o = '"';
		o = json_put_plain(o + 1, v->data);
		if (o)
			*o++ = '"';
		return o;
	case WALK_UINT:
		return o + json_number_put_uint((char *)o, v->u);
	case WALK_INT:
		return o + json_number_put_int((char *)o, v->i);
	case WALK_FLOAT:
		return o + json_number_put_float((char *)o, v->f);
	case WALK_BOOL:
		memcpy(o, v->b ? "true" : "false", 5);
		return o + 5 - v->b;
	default:
		memcpy(o, "null", 4);
		return o + 4;
	}
}

static bool is_plain(const struct walk_value *v)
{
	return v->type <= WALK_STR;
}

/*
 * Pairs of a map as they nearly always are, a string and a string or a number, with one check of room
 * for each. Ends before the first that is something else, or damaged: the caller's loop takes it.
 */
static void put_pairs(struct render *r, struct level *top)
{
	struct buf *out = r->out;
	struct walk_value key, v;

	while (top->left >= 2) {
		struct rcur c = r->in;
		uint8_t *o;
		size_t n;

		if (walk_next(&c, &key) < 0 || key.type != WALK_STR || walk_next(&c, &v) < 0 ||
			!is_plain(&v))
			return;
		n = v.type == WALK_STR ? v.data.n : 0;
		if (!room(out, key.data.n + n + PAIR_BYTES))
			return;
		o = out->p + out->len;
		*o = ',';
		o += top->any;
		*o++ = '"';
		o = json_put_plain(o, key.data);
		if (!o)
			return;
		*o++ = '"';
		*o++ = ':';
		o = put_plain_value(o, &v);
		if (!o)
			return;
		out->len = (size_t)(o - out->p);
		r->in = c;
		top->any = true;
		top->left -= 2;
	}
}

static int put_next(struct render *r)
{
	bool key = r->depth && separate(r->out, &r->stack[r->depth - 1]);
	size_t text_off = r->out->len;
	struct walk_value v;
	int rc = walk_read(&r->in, &v);

	if (rc < 0)
		return rc;
	if (v.type == WALK_ARRAY || v.type == WALK_MAP)
		return open_level(r, &v, key);
	if (!put_scalar(r->out, &v) && key)
		quote_in_place(r->out, text_off);
	return 0;
}

static int run(struct render *r)
{
	do {
		struct level *top = r->depth ? &r->stack[r->depth - 1] : NULL;
		int rc = 0;

		if (top && top->map && top->left % 2 == 0)
			put_pairs(r, top);
		if (!top || top->left)
			rc = put_next(r);
		if (rc < 0)
			return rc;
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
	case EVENT_FLAG_CLASS:
		break; /* not shown: its key in the metadata is */
	case EVENT_FLAG_PARTIAL:
		return "partial";
	}
	UNREACHABLE();
}

static const struct json_put_label text_labels[EVENT_TEXT_COUNT] = {
	[EVENT_TEXT_EVENT_TYPE] = JSON_PUT_LABEL(",\"event_type\":\""),
	[EVENT_TEXT_ENTITY_TYPE] = JSON_PUT_LABEL(",\"entity_type\":\""),
	[EVENT_TEXT_ENTITY_ID] = JSON_PUT_LABEL(",\"entity_id\":\""),
	[EVENT_TEXT_USER_ID] = JSON_PUT_LABEL(",\"user_id\":\""),
	[EVENT_TEXT_DESCRIPTION] = JSON_PUT_LABEL(",\"description\":\""),
	[EVENT_TEXT_IP_ADDRESS] = JSON_PUT_LABEL(",\"ip_address\":\""),
	[EVENT_TEXT_USER_AGENT] = JSON_PUT_LABEL(",\"user_agent\":\""),
	[EVENT_TEXT_SERVICE] = JSON_PUT_LABEL(",\"service\":\""),
	[EVENT_TEXT_HOST] = JSON_PUT_LABEL(",\"host\":\""),
};
static const struct json_put_label severity_labels[EVENT_SEVERITY_COUNT] = {
	[EVENT_SEVERITY_EMERGENCY] = JSON_PUT_LABEL(",\"severity\":\"emergency\""),
	[EVENT_SEVERITY_ALERT] = JSON_PUT_LABEL(",\"severity\":\"alert\""),
	[EVENT_SEVERITY_CRITICAL] = JSON_PUT_LABEL(",\"severity\":\"critical\""),
	[EVENT_SEVERITY_ERROR] = JSON_PUT_LABEL(",\"severity\":\"error\""),
	[EVENT_SEVERITY_WARNING] = JSON_PUT_LABEL(",\"severity\":\"warning\""),
	[EVENT_SEVERITY_NOTICE] = JSON_PUT_LABEL(",\"severity\":\"notice\""),
	[EVENT_SEVERITY_INFO] = JSON_PUT_LABEL(",\"severity\":\"info\""),
	[EVENT_SEVERITY_DEBUG] = JSON_PUT_LABEL(",\"severity\":\"debug\""),
};
static const struct json_put_label id_label = JSON_PUT_LABEL("{\"id\":");
static const struct json_put_label time_label = JSON_PUT_LABEL(",\"timestamp\":");
static const struct json_put_label received_label = JSON_PUT_LABEL(",\"received\":");

/* Room for what stands before the metadata, from text field `from` on, if all of it is plain. */
static bool event_room(const struct event *ev, int from, struct buf *out)
{
	size_t n = EVENT_BYTES;

	for (int i = from; i < EVENT_TEXT_COUNT; i++)
		n += ev->text[i].n;
	return room(out, n);
}

/* NULL: no room. */
static uint8_t *put_text_escaped(const struct event *ev, int i, uint8_t *o, struct buf *out)
{
	out->len = (size_t)(o - out->p);
	json_out_escaped(ev->text[i], out);
	put_byte(out, '"');
	return event_room(ev, i + 1, out) ? out->p + out->len : NULL;
}

static uint8_t *put_text(const struct event *ev, int i, uint8_t *o, struct buf *out)
{
	uint8_t *end;

	if (!ev->text[i].p)
		return o;
	o = json_put_label(o, &text_labels[i]);
	end = json_put_plain(o, ev->text[i]);
	if (!end)
		return put_text_escaped(ev, i, o, out);
	*end = '"';
	return end + 1;
}

static uint8_t *put_id(uint8_t *o, uint64_t id)
{
	if (id < ID_NUMBER_END)
		return o + json_number_put_uint((char *)o, id);
	*o++ = '"';
	o += json_number_put_uint((char *)o, id);
	*o++ = '"';
	return o;
}

void json_out_id(uint64_t id, struct buf *out)
{
	if (room(out, JSON_NUMBER_BYTES_MAX))
		out->len = (size_t)(put_id(out->p + out->len, id) - out->p);
}

/* Everything before the metadata, without the checks that event_room has made. False: no room. */
static bool put_fields(const struct event *ev, struct json_out_memo *memo, struct buf *out)
{
	uint8_t *o = out->p + out->len;

	o = put_id(json_put_label(o, &id_label), ev->id);
	o = json_put_time(json_put_label(o, &time_label), ev->time_ns, &memo->time);
	o = json_put_time(json_put_label(o, &received_label), ev->received_ns, &memo->received);
	o = put_text(ev, EVENT_TEXT_EVENT_TYPE, o, out);
	if (!o)
		return false;
	o = json_put_label(o, &severity_labels[ev->severity]);
	for (int i = EVENT_TEXT_EVENT_TYPE + 1; i < EVENT_TEXT_COUNT && o; i++)
		o = put_text(ev, i, o, out);
	if (!o)
		return false;
	out->len = (size_t)(o - out->p);
	ASSERT(out->len <= out->cap);
	return true;
}

void json_out_flags(unsigned flags, struct buf *out)
{
	const char *comma = "";

	put_byte(out, '[');
	for (unsigned bit = EVENT_FLAG_TIME_ODD; bit <= EVENT_FLAG_PARTIAL; bit <<= 1) {
		if (!(flags & EVENT_FLAGS_SHOWN & bit))
			continue;
		buf_put_str(out, comma);
		json_out_string(span_str(json_out_flag_name((enum event_flag)bit)), out);
		comma = ",";
	}
	put_byte(out, ']');
}

bool json_out_is_damage(int rc)
{
	return rc == ERR_CORRUPT || rc == ERR_SYNTAX || rc == ERR_TRUNCATED || rc == ERR_DEPTH;
}

/* JSON_OUT_DAMAGED: what stands there is null. */
static int put_metadata(struct span metadata, struct buf *out)
{
	int rc;

	put(out, METADATA_LABEL, METADATA_BYTES);
	rc = out->err ? out->err : json_out_value(metadata, out);
	if (!json_out_is_damage(rc))
		return rc;
	buf_put_str(out, "null");
	return JSON_OUT_DAMAGED;
}

static int put_ready(struct span metadata, struct buf *out)
{
	put(out, METADATA_LABEL, METADATA_BYTES);
	put(out, (const char *)metadata.p, metadata.n);
	return out->err;
}

static int put_event(const struct event *ev, struct json_out_memo *memo,
	int (*put_map)(struct span, struct buf *), struct buf *out)
{
	size_t len = out->len;
	int rc = 0;

	if (out->err)
		return out->err;
	ASSERT(ev->severity < EVENT_SEVERITY_COUNT);
	if (event_room(ev, 0, out) && put_fields(ev, memo, out) && ev->metadata.p)
		rc = put_map(ev->metadata, out);
	if (ev->flags & EVENT_FLAGS_SHOWN) {
		put(out, ",\"flags\":", 9);
		json_out_flags(ev->flags, out);
	}
	put_byte(out, '}');
	rc = rc < 0 ? rc : out->err ? out->err : rc;
	if (rc < 0) {
		out->len = len;
		out->err = 0;
	}
	return rc;
}

int json_out_event(const struct event *ev, struct buf *out)
{
	struct json_out_memo memo = { .time = { .text = "" } };

	return put_event(ev, &memo, put_metadata, out);
}

int json_out_event_ready(const struct event *ev, struct json_out_memo *memo, struct buf *out)
{
	return put_event(ev, memo, put_ready, out);
}
