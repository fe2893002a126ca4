#include "proto/wire/forward_int.h"

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/wire/forward_time.h"

/* Seconds that mark a group of Fluent Bit's: -1 begins it, -2 ends it. */
enum {
	GROUP_BEGIN_SEC = -1,
	GROUP_END_SEC = -2,
	EXT_EVENT_TIME = 0,
};

bool forward_int_is_array(uint8_t first)
{
	return (first >= 0x90 && first <= 0x9f) || first == 0xdc || first == 0xdd;
}

bool forward_int_is_text(uint8_t first)
{
	return (first >= 0xa0 && first <= 0xbf) || (first >= 0xd9 && first <= 0xdb) ||
	       (first >= 0xc4 && first <= 0xc6);
}

bool forward_int_is_time(uint8_t first)
{
	return first < 0x80 || first >= 0xe0 || first == 0xc0 || (first >= 0xc7 && first <= 0xd8);
}

unsigned forward_int_head_bytes(uint8_t first)
{
	switch (first) {
	case 0xc4:
	case 0xd9:
		return 2;
	case 0xc5:
	case 0xda:
	case 0xdc:
		return 3;
	case 0xc6:
	case 0xdb:
	case 0xdd:
		return 5;
	default:
		return 1;
	}
}

bool forward_int_may_be_zipped(uint8_t first)
{
	return first == 0x1f || first == 0x28;
}

enum forward_drop forward_int_inflate_drop(enum inflate_fault why)
{
	switch (why) {
	case INFLATE_FAULT_WINDOW:
		return FORWARD_DROP_WINDOW;
	case INFLATE_FAULT_RATIO:
	case INFLATE_FAULT_SIZE:
		return FORWARD_DROP_BOMB;
	default:
		return FORWARD_DROP_CORRUPT;
	}
}

struct span forward_int_text(struct span value)
{
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value v;

	walk_read(&c, &v);
	ASSERT(walk_is_text(&v));
	return v.data;
}

bool forward_int_empty_map(struct span value)
{
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value v;

	return walk_read(&c, &v) < 0 || v.type != WALK_MAP || v.count == 0;
}

int forward_int_record(struct span value)
{
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value v;

	if (walk_read(&c, &v) < 0)
		return FORWARD_DROP_RECORD;
	if (v.type == WALK_NIL)
		return FORWARD_DROP_NIL;
	return v.type == WALK_MAP ? FORWARD_INT_ENTRY : FORWARD_DROP_RECORD;
}

/* ---- entries ---- */

/* Next value of an entry: its head in *v, all of it in *whole. */
static int next_value(struct rcur *c, struct walk_value *v, struct span *whole)
{
	struct rcur head = *c;
	int rc = walk_read(&head, v);

	return rc < 0 ? rc : walk_take(c, whole);
}

/* GROUP_BEGIN_SEC, GROUP_END_SEC, or 0. A plain number marks a group only in Fluent Bit's form. */
static int group_mark(const struct walk_value *time, bool fluent_bit)
{
	struct rcur c;
	int32_t sec;

	if (time->type == WALK_EXT && time->ext == EXT_EVENT_TIME && time->data.n == 8) {
		c = rcur_of(time->data.p, time->data.n);
		sec = (int32_t)rcur_be32(&c);
	} else if (time->type == WALK_INT && fluent_bit && time->i >= GROUP_END_SEC) {
		sec = (int32_t)time->i;
	} else {
		return 0;
	}
	return sec == GROUP_BEGIN_SEC || sec == GROUP_END_SEC ? sec : 0;
}

/* [time, metadata, ...]: the first element of an entry in Fluent Bit's form. */
static void read_pair(struct span whole, struct walk_value *time, struct span *metadata)
{
	struct rcur c = rcur_of(whole.p, whole.n);
	struct walk_value v;
	struct span s;

	*time = (struct walk_value){ .type = WALK_NIL };
	if (walk_read(&c, &v) < 0 || v.count == 0 || next_value(&c, time, &s) < 0 || v.count == 1)
		return;
	if (walk_take(&c, &s) == 0 && !forward_int_empty_map(s))
		*metadata = s;
}

/* The form that nearly every client sends: [EventTime, map], in eleven bytes and the record. */
static bool plain_entry(struct span value, struct forward_entry *entry)
{
	struct rcur c = rcur_of(value.p, value.n);
	uint32_t head = rcur_be32(&c), sec, nsec;
	uint8_t first;

	if (head >> 8 != 0x92d700)
		return false;
	c.p--;
	sec = rcur_be32(&c);
	nsec = rcur_be32(&c);
	entry->record = span_of(c.p, rcur_left(&c));
	first = rcur_u8(&c);
	if (c.err || sec == 0 || sec >= (uint32_t)GROUP_END_SEC || nsec >= CLOCK_NS_PER_SEC)
		return false;
	if ((first & 0xf0) != 0x80 && first != 0xde && first != 0xdf)
		return false;
	entry->time_ns = (int64_t)sec * CLOCK_NS_PER_SEC + nsec;
	entry->has_time = true;
	return true;
}

int forward_int_entry(struct span value, struct forward_entry *entry)
{
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value v, time;
	struct span whole;
	bool fluent_bit;
	int mark, what;

	*entry = (struct forward_entry){ .metadata = SPAN_NONE };
	if (plain_entry(value, entry))
		return FORWARD_INT_ENTRY;
	*entry = (struct forward_entry){ .metadata = SPAN_NONE };
	if (walk_read(&c, &v) < 0 || v.type != WALK_ARRAY || v.count < 2)
		return FORWARD_DROP_SHAPE;
	if (next_value(&c, &time, &whole) < 0)
		return FORWARD_DROP_SHAPE;
	fluent_bit = time.type == WALK_ARRAY;
	if (fluent_bit)
		read_pair(whole, &time, &entry->metadata);
	/* What is left is the record, and elements that nobody asked for. */
	entry->record = span_of(c.p, rcur_left(&c));
	if (v.count > 2 && walk_take(&c, &entry->record) < 0)
		return FORWARD_DROP_SHAPE;
	what = forward_int_record(entry->record);
	mark = group_mark(&time, fluent_bit);
	if (mark == GROUP_END_SEC)
		return FORWARD_INT_GROUP_END;
	if (what != FORWARD_INT_ENTRY)
		return what;
	if (mark == GROUP_BEGIN_SEC)
		return FORWARD_INT_GROUP_BEGIN;
	entry->has_time = forward_time(&time, &entry->time_ns) == 0;
	return FORWARD_INT_ENTRY;
}

/* ---- options ---- */

static int give_up(struct forward *f, enum forward_fault why, int err)
{
	f->fault = why;
	return err;
}

static int option_chunk(struct forward *f, const struct walk_value *v)
{
	if (!walk_is_text(v)) {
		f->frame.odd_option |= v->type != WALK_NIL;
		return 0;
	}
	if (v->data.n > LIMIT_CHUNK_BYTES)
		return give_up(f, FORWARD_FAULT_CHUNK, ERR_LIMIT);
	memcpy(f->chunk, v->data.p, v->data.n);
	f->frame.chunk = span_of(f->chunk, v->data.n);
	return 0;
}

/* Compression itself was seen, or not, in the payload's first bytes: those are believed. */
static int option_compressed(struct forward *f, const struct walk_value *v)
{
	static const char *const known[] = { "", "text", "gzip", "zstd" };

	if (!walk_is_text(v)) {
		f->frame.odd_option |= v->type != WALK_NIL;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
		if (span_eq(v->data, span_str(known[i])))
			return 0;
	}
	return give_up(f, FORWARD_FAULT_COMPRESSION, ERR_UNKNOWN);
}

static void option_number(struct forward *f, const struct walk_value *v, uint64_t *out)
{
	if (v->type == WALK_UINT)
		*out = v->u;
	else
		f->frame.odd_option |= v->type != WALK_NIL;
}

static void option_metadata(struct forward *f, const struct walk_value *v, struct span whole)
{
	if (v->type == WALK_MAP)
		f->message.metadata = v->count > 0 ? whole : SPAN_NONE;
	else
		f->frame.odd_option |= v->type != WALK_NIL;
}

static int option_pair(
	struct forward *f, struct span key, const struct walk_value *v, struct span whole)
{
	if (span_eq(key, SPAN_LIT("chunk")))
		return option_chunk(f, v);
	if (span_eq(key, SPAN_LIT("compressed")))
		return option_compressed(f, v);
	if (span_eq(key, SPAN_LIT("size"))) {
		option_number(f, v, &f->frame.size_hint);
		f->frame.has_size = v->type == WALK_UINT;
	} else if (span_eq(key, SPAN_LIT("fluent_signal"))) {
		option_number(f, v, &f->frame.signal);
	} else if (span_eq(key, SPAN_LIT("metadata")) && f->frame.mode == FORWARD_MODE_MESSAGE) {
		option_metadata(f, v, whole);
	}
	return 0;
}

int forward_int_options(struct forward *f, struct span value)
{
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value head, key, v;
	struct span whole, key_whole;

	if (walk_read(&c, &head) < 0 || head.type != WALK_MAP) {
		f->frame.odd_option |= head.type != WALK_NIL;
		return 0;
	}
	for (uint32_t i = 0; i < head.count; i++) {
		int rc;

		if (next_value(&c, &key, &key_whole) < 0 || next_value(&c, &v, &whole) < 0)
			break;
		rc = walk_is_text(&key) ? option_pair(f, key.data, &v, whole) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- what is no Forward ---- */

static bool begins(struct span s, const char *word)
{
	size_t n = strlen(word);

	n = n < s.n ? n : s.n;
	return n > 0 && memcmp(s.p, word, n) == 0;
}

static bool is_http(struct span s)
{
	static const char *const methods[] = {
		"GET ",
		"POST ",
		"PUT ",
		"HEAD ",
		"DELETE ",
		"OPTIONS ",
		"PATCH ",
		"CONNECT ",
		"PRI * ",
	};

	for (size_t i = 0; i < ARRAY_COUNT(methods); i++) {
		if (begins(s, methods[i]))
			return true;
	}
	return false;
}

/* "<34>..." or, counted in octets, "123 <34>...". */
static bool is_syslog(struct span s)
{
	size_t digits = 0;

	if (s.p[0] == '<')
		return true;
	while (digits < s.n && digits < 10 && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	return digits > 0 && digits + 1 < s.n && s.p[digits] == ' ' && s.p[digits + 1] == '<';
}

enum forward_fault forward_int_diagnose(struct span first)
{
	ASSERT(first.n > 0);
	switch (first.p[0]) {
	case 0x16:
		return FORWARD_FAULT_TLS;
	case '[':
	case '{':
		return FORWARD_FAULT_JSON;
	case 0xc1:
		return FORWARD_FAULT_SYNTAX;
	default:
		break;
	}
	if (is_http(first))
		return FORWARD_FAULT_HTTP;
	return is_syslog(first) ? FORWARD_FAULT_SYSLOG : FORWARD_FAULT_FRAME;
}
