#include "tools/reply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/printable.h"
#include "proto/base/timefmt.h"
#include "proto/wire/json_in.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"
#include "tools/doc.h"

void reply_init(struct reply *r)
{
	*r = (struct reply){ .events = NULL };
	buf_init(&r->msgpack, LIMIT_CLIENT_BODY_BYTES);
}

void reply_fini(struct reply *r)
{
	buf_fini(&r->msgpack);
	free(r->events);
	r->events = NULL;
}

/* An id: a number, or its digits as text. */
static bool read_id(const struct walk_value *v, uint64_t *out)
{
	uint64_t id = 0;

	if (v->type == WALK_UINT) {
		*out = v->u;
		return true;
	}
	if (v->type != WALK_STR || v->data.n == 0)
		return false;
	for (size_t i = 0; i < v->data.n; i++) {
		unsigned digit = v->data.p[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(id, UINT64_C(10), &id) ||
			__builtin_add_overflow(id, (uint64_t)digit, &id))
			return false;
	}
	*out = id;
	return true;
}

static bool read_time(const struct walk_value *v, int64_t *out)
{
	struct timefmt t;

	if (v->type != WALK_STR || timefmt_parse(v->data, &t) < 0)
		return false;
	*out = t.ns;
	return true;
}

/* Words nobody here knows are passed over. */
static uint8_t read_flags(struct rcur *c, uint32_t count)
{
	struct walk_value v;
	unsigned flags = 0;

	for (; count && walk_read(c, &v) == 0; count--) {
		for (unsigned bit = EVENT_FLAG_TIME_ODD; bit <= EVENT_FLAG_PARTIAL; bit <<= 1) {
			if ((EVENT_FLAGS_SHOWN & bit) && v.type == WALK_STR &&
				span_eq(v.data, span_str(json_out_flag_name((enum event_flag)bit))))
				flags |= bit;
		}
	}
	return (uint8_t)flags;
}

/* One member of an event; the cursor stands before its value. False: it is not what it must be. */
static bool read_member(struct rcur *c, struct span name, struct event *ev)
{
	int field = event_text_find(name), severity;
	struct walk_value v;

	if (span_eq(name, SPAN_LIT("metadata")))
		return walk_take(c, &ev->metadata) == 0;
	if (field < 0 && !span_eq(name, SPAN_LIT("id")) && !span_eq(name, SPAN_LIT("timestamp")) &&
		!span_eq(name, SPAN_LIT("received")) && !span_eq(name, SPAN_LIT("severity")) &&
		!span_eq(name, SPAN_LIT("flags")))
		return walk_skip(c) == 0;
	if (walk_read(c, &v) < 0)
		return false;
	if (field >= 0) {
		ev->text[field] = v.data;
		return v.type == WALK_STR;
	}
	switch (name.p[0]) {
	case 'i':
		return read_id(&v, &ev->id);
	case 't':
		return read_time(&v, &ev->time_ns);
	case 'r':
		return read_time(&v, &ev->received_ns);
	case 's':
		severity = v.type == WALK_STR ? event_severity_find(v.data) : -1;
		ev->severity = (uint8_t)(severity < 0 ? EVENT_SEVERITY_INFO : severity);
		return severity >= 0;
	default:
		ev->flags = v.type == WALK_ARRAY ? read_flags(c, v.count) : 0;
		return v.type == WALK_ARRAY;
	}
}

static int read_event(struct rcur *c, struct event *ev)
{
	struct walk_value v, name;

	*ev = (struct event){ .severity = EVENT_SEVERITY_INFO };
	if (walk_read(c, &v) < 0 || v.type != WALK_MAP)
		return ERR_SYNTAX;
	for (uint32_t i = 0; i < v.count; i++) {
		if (walk_read(c, &name) < 0 || name.type != WALK_STR ||
			!read_member(c, name.data, ev))
			return ERR_SYNTAX;
	}
	return ev->id ? 0 : ERR_SYNTAX;
}

static int make_room(struct reply *r, size_t count)
{
	struct event *more;

	if (count <= r->events_cap)
		return 0;
	more = reallocarray(r->events, count, sizeof *more);
	if (!more)
		return -ENOMEM;
	r->events = more;
	r->events_cap = count;
	return 0;
}

/* Adds the events of a list to those of the page. */
static int read_events(struct reply *r, struct rcur *c, struct source_page *out)
{
	struct walk_value v;
	int rc;

	if (walk_read(c, &v) < 0 || v.type != WALK_ARRAY)
		return ERR_SYNTAX;
	/* An element is a byte at least: the count is bounded by what came. */
	if (v.count > rcur_left(c))
		return ERR_SYNTAX;
	rc = make_room(r, out->count + v.count);
	for (uint32_t i = 0; i < v.count && rc == 0; i++)
		rc = read_event(c, &r->events[out->count++]);
	out->events = r->events;
	return rc;
}

static void copy_text(const struct walk_value *v, char *dst, size_t cap)
{
	snprintf(dst, cap, "%.*s", v->type == WALK_STR ? (int)v->data.n : 0,
		v->type == WALK_STR ? (const char *)v->data.p : "");
}

/* Why an answer is not whole; "time" and "memory" are none to tell of: its cursor goes on. */
static void read_partial(const struct walk_value *v, struct source_page *out)
{
	char why[64];

	copy_text(v, why, sizeof why);
	out->more = strcmp(why, "time") == 0 || strcmp(why, "memory") == 0;
	if (!*why || *out->lack || out->more)
		return;
	snprintf(out->lack, sizeof out->lack,
		strcmp(why, "damage") == 0
			? "some events could not be read: the store is damaged; see astrodump verify"
			: "the answer is not complete (%s)",
		why);
}

/* One member of the answer, the list of events aside. */
static int read_top(struct rcur *c, struct span name, struct source_page *out)
{
	struct walk_value v;
	struct rcur at = *c;

	if (walk_skip(c) < 0)
		return ERR_SYNTAX;
	if (walk_read(&at, &v) < 0)
		return ERR_SYNTAX;
	if (span_eq(name, SPAN_LIT("total")) && v.type == WALK_UINT) {
		out->total = v.u;
		out->total_known = true;
	} else if (span_eq(name, SPAN_LIT("next"))) {
		copy_text(&v, out->next, sizeof out->next);
	} else if (span_eq(name, SPAN_LIT("covered")) && !read_id(&v, &out->covered)) {
		return ERR_SYNTAX;
	} else if (span_eq(name, SPAN_LIT("partial"))) {
		read_partial(&v, out);
	} else if (span_eq(name, SPAN_LIT("damage")) && v.type == WALK_ARRAY && v.count) {
		snprintf(out->lack, sizeof out->lack,
			"some events could not be read, the store is damaged: see astrodump verify");
	}
	return 0;
}

static int read_answer(struct reply *r, struct source_page *out)
{
	struct rcur c = rcur_of(r->msgpack.p, r->msgpack.len);
	struct walk_value v, name;
	bool listed = false, covered = false;
	int rc;

	if (walk_read(&c, &v) < 0 || v.type != WALK_MAP)
		return ERR_SYNTAX;
	for (uint32_t i = 0; i < v.count; i++) {
		if (walk_read(&c, &name) < 0 || name.type != WALK_STR)
			return ERR_SYNTAX;
		if (span_eq(name.data, SPAN_LIT("logs")) || span_eq(name.data, SPAN_LIT("data"))) {
			rc = read_events(r, &c, out);
			listed = true;
		} else {
			rc = read_top(&c, name.data, out);
			covered = covered || span_eq(name.data, SPAN_LIT("covered"));
		}
		if (rc < 0)
			return rc;
	}
	return listed && covered ? 0 : ERR_SYNTAX;
}

static int to_msgpack(struct reply *r, struct span json, struct diag *d)
{
	struct json_in_error e;
	char why[128];
	int rc;

	buf_reset(&r->msgpack);
	rc = json_in_text(json, JSON_IN_REPAIR, &r->msgpack, &e);
	if (rc < 0)
		return diag_set(d, rc, "", -1, "the answer is not that of astroqueryd: %s",
			json_in_explain(&e, why, sizeof why));
	return 0;
}

static int is_odd(int rc, struct diag *d)
{
	return diag_set(d, rc, "", -1,
		"the answer is not that of astroqueryd; is it another program or version?");
}

int reply_read(struct reply *r, struct span json, struct source_page *out, struct diag *d)
{
	int rc = to_msgpack(r, json, d);

	*out = (struct source_page){ .count = 0 };
	if (rc < 0)
		return rc;
	rc = read_answer(r, out);
	return rc < 0 ? is_odd(rc, d) : 0;
}

static int add_member(struct reply *r, const char *name, bool list, struct source_page *out)
{
	struct span value = doc_member(buf_span(&r->msgpack), name);
	struct rcur c = rcur_of(value.p, value.n);
	int rc;

	if (!value.p)
		return ERR_SYNTAX;
	if (list)
		return read_events(r, &c, out);
	rc = make_room(r, out->count + 1);
	if (rc == 0)
		rc = read_event(&c, &r->events[out->count++]);
	return rc;
}

int reply_read_context(struct reply *r, struct span json, struct source_page *out, struct diag *d)
{
	int rc = to_msgpack(r, json, d);
	struct walk_value v;
	struct span partial;
	struct rcur c;

	*out = (struct source_page){ .count = 0 };
	if (rc < 0)
		return rc;
	rc = add_member(r, "before", true, out);
	if (rc == 0)
		rc = add_member(r, "log", false, out);
	if (rc == 0)
		rc = add_member(r, "after", true, out);
	if (rc < 0)
		return is_odd(rc, d);
	out->events = r->events;
	partial = doc_member(buf_span(&r->msgpack), "partial");
	c = rcur_of(partial.p, partial.n);
	if (partial.p && walk_read(&c, &v) == 0)
		read_partial(&v, out);
	return 0;
}

int reply_read_document(struct reply *r, struct span json, struct span *out, struct diag *d)
{
	int rc = to_msgpack(r, json, d);

	if (rc == 0)
		*out = buf_span(&r->msgpack);
	return rc;
}

void reply_error(struct reply *r, struct span json, int status, char *dst, size_t cap)
{
	struct span error = SPAN_NONE, hint = SPAN_NONE;
	struct buf text;

	buf_reset(&r->msgpack);
	if (json_in_text(json, JSON_IN_REPAIR, &r->msgpack, NULL) == 0) {
		error = doc_text(doc_member(buf_span(&r->msgpack), "error"));
		hint = doc_text(doc_member(buf_span(&r->msgpack), "hint"));
	}
	buf_init(&text, 4096);
	if (error.n)
		printable_put(error, PRINTABLE_LINE, &text);
	else
		buf_printf(&text, "the server answered with status %d", status);
	if (hint.n) {
		buf_put_str(&text, " (");
		printable_put(hint, PRINTABLE_LINE, &text);
		buf_put_str(&text, ")");
	}
	snprintf(dst, cap, "%.*s", (int)text.len, (const char *)text.p);
	buf_fini(&text);
}
