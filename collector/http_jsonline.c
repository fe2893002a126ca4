#include "collector/http_jsonline.h"

#include <stdlib.h>
#include <string.h>

#include "collector/http_logs.h"
#include "collector/http_record.h"
#include "proto/base/arena.h"
#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/timefmt.h"
#include "proto/http/http_url.h"
#include "proto/wire/forward_time.h"
#include "proto/wire/pack.h"

enum { TEXTS_BYTES = 2 * LIMIT_HTTP_HEAD_BYTES };

enum list { MSG, TIME, STREAM, IGNORE, EXTRA, LISTS };

static const struct {
	const char *param, *header;
} list_names[LISTS] = {
	[MSG] = { "_msg_field", "VL-Msg-Field" },
	[TIME] = { "_time_field", "VL-Time-Field" },
	[STREAM] = { "_stream_fields", "VL-Stream-Fields" },
	[IGNORE] = { "ignore_fields", "VL-Ignore-Fields" },
	[EXTRA] = { "extra_fields", "VL-Extra-Fields" },
};

/* What stands for a missing service or host, if it is one of the fields that name the stream. */
static const char *const services[] = { "service", "service_name", "app", "application", "job",
	"container_name", "unit" };
static const char *const hosts[] = { "host", "hostname", "instance", "node" };

struct names {
	struct span at[LIMIT_JSONLINE_NAMES];
	size_t count;
};

struct jsonline {
	struct json_stream stream;
	struct arena texts;
	struct names lists[LISTS];
	struct buf record; /* as it becomes an event */
	uint32_t pairs;    /* in it */
	struct http_record rec;
};

/* ---------------------------------------------------------------- parameters */

static int add_names(struct http_intake_request *r, enum list which, struct span text)
{
	struct jsonline *j = http_intake_state(r);
	struct names *names = &j->lists[which];

	names->count = 0;
	while (text.n > 0) {
		const uint8_t *comma = memchr(text.p, ',', text.n);
		size_t n = comma ? (size_t)(comma - text.p) : text.n;

		if (n > 0 && names->count == LIMIT_JSONLINE_NAMES)
			return http_intake_refuse_field(r, list_names[which].param,
				"more names than are taken", "give 32 at most");
		if (n > 0)
			names->at[names->count++] = span_of(text.p, n);
		n += comma != NULL;
		text = span_of(text.p + n, text.n - n);
	}
	return 0;
}

static int read_headers(struct http_intake_request *r)
{
	struct jsonline *j = http_intake_state(r);
	int rc = 0;

	for (int i = 0; rc == 0 && i < LISTS; i++) {
		struct span text = http_parse_field(http_intake_request(r), list_names[i].header);

		if (text.n > 0)
			rc = add_names(r, (enum list)i, text);
	}
	if (j->lists[MSG].count == 0)
		rc = rc < 0 ? rc : add_names(r, MSG, SPAN_LIT("_msg"));
	if (j->lists[TIME].count == 0)
		rc = rc < 0 ? rc : add_names(r, TIME, SPAN_LIT("_time"));
	return rc;
}

/* What it does not know it passes over, as the original does. */
static int read_param(struct http_intake_request *r, struct span name, struct span value)
{
	if (span_eq(name, SPAN_LIT("debug")) && span_eq(value, SPAN_LIT("1")))
		return http_intake_refuse_field(r, "debug", "a trial run is not offered here",
			"leave it out: what is bad is told, what is good is stored");
	for (int i = 0; i < LISTS; i++) {
		if (span_eq(name, span_str(list_names[i].param)))
			return add_names(r, (enum list)i, value);
	}
	return 0;
}

static int begin(struct http_intake_request *r)
{
	struct jsonline *j = http_intake_state(r);
	struct span rest = http_intake_request(r)->query, name, value;
	int rc;

	json_stream_init(&j->stream, JSON_STREAM_LINES);
	arena_init(&j->texts, TEXTS_BYTES);
	buf_init(&j->record, 2 * LIMIT_ENTRY_BYTES);
	rc = read_headers(r);
	while (rc == 0) {
		rc = http_url_param(&rest, &j->texts, &name, &value);
		if (rc == HTTP_URL_END)
			return 0;
		if (rc < 0)
			return http_intake_refuse(
				r, 400, "the parameters cannot be read", "encode them as %XX");
		rc = read_param(r, name, value);
	}
	return rc;
}

/* ---------------------------------------------------------------- a record */

static void put_pair(struct jsonline *j, struct span key, struct span value)
{
	pack_str(&j->record, key);
	buf_put_span(&j->record, value);
	j->pairs++;
}

static bool has(const struct names *names, struct span name)
{
	for (size_t i = 0; i < names->count; i++) {
		if (span_eq(names->at[i], name))
			return true;
	}
	return false;
}

/* Digits alone: a time that a client wrote as a text. */
static bool read_digits(struct span text, struct walk_value *out)
{
	uint64_t n = 0;

	if (text.n == 0 || text.n > 19)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		n = n * 10 + (text.p[i] - '0');
	}
	*out = (struct walk_value){ .type = WALK_UINT, .u = n };
	return true;
}

static bool read_time(struct span value, int64_t *out_ns)
{
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value v;
	struct timefmt t;

	if (!value.p || walk_read(&c, &v) < 0)
		return false;
	if (walk_is_text(&v) && !read_digits(v.data, &v)) {
		if (timefmt_parse(v.data, &t) < 0)
			return false;
		*out_ns = t.ns;
		return true;
	}
	return forward_time(&v, out_ns) == 0;
}

/* The name of the first of these fields that holds a time. */
static struct span find_time(struct jsonline *j, struct normalise_input *raw)
{
	const struct names *names = &j->lists[TIME];

	raw->has_time = false;
	for (size_t i = 0; i < names->count; i++) {
		if (read_time(http_record_value(&j->rec, names->at[i]), &raw->time_ns)) {
			raw->has_time = true;
			return names->at[i];
		}
	}
	return SPAN_NONE;
}

static struct span find_msg(struct jsonline *j, struct span *out_value)
{
	const struct names *names = &j->lists[MSG];

	for (size_t i = 0; i < names->count; i++) {
		*out_value = http_record_value(&j->rec, names->at[i]);
		if (http_record_text(*out_value).p)
			return names->at[i];
	}
	return SPAN_NONE;
}

/* A service or a host that the record lacks, from what names its stream. */
static void put_default(
	struct jsonline *j, struct span field, const char *const *names, size_t count)
{
	if (http_record_find(&j->rec, field))
		return;
	for (size_t i = 0; i < count; i++) {
		struct span name = span_str(names[i]), value;

		value = http_record_value(&j->rec, name);
		if (has(&j->lists[STREAM], name) && http_record_text(value).p) {
			put_pair(j, field, value);
			return;
		}
	}
}

/* Fields that a chosen one takes the place of. */
static void put_displaced(struct jsonline *j, const struct span *fields, size_t count)
{
	if (count == 0)
		return;
	pack_str(&j->record, SPAN_LIT("_displaced"));
	pack_map_head(&j->record, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		pack_str(&j->record, fields[i]);
		buf_put_span(&j->record, http_record_find(&j->rec, fields[i])->value);
	}
	j->pairs++;
}

static void put_extra(struct jsonline *j)
{
	for (size_t i = 0; i < j->lists[EXTRA].count; i++) {
		struct span pair = j->lists[EXTRA].at[i];
		const uint8_t *eq = memchr(pair.p, '=', pair.n);
		size_t n = eq ? (size_t)(eq - pair.p) : 0;

		if (n == 0)
			continue;
		pack_str(&j->record, span_of(pair.p, n));
		pack_str(&j->record, span_of(eq + 1, pair.n - n - 1));
		j->pairs++;
	}
}

/* j->rec as a record that the normaliser knows, into j->record behind room for its head. */
static void put_record(struct jsonline *j, struct normalise_input *raw)
{
	const struct span description = SPAN_LIT("description"), timestamp = SPAN_LIT("timestamp");
	struct span lost[2], text;
	struct span time = find_time(j, raw), msg = find_msg(j, &text);
	size_t lost_count = 0;

	for (uint32_t i = 0; i < j->rec.count; i++) {
		const struct http_record_pair *p = &j->rec.pairs[i];

		if (has(&j->lists[IGNORE], p->key) || (msg.p && span_eq(p->key, msg)) ||
			(time.p && span_eq(p->key, time)))
			continue;
		if ((msg.p && span_eq(p->key, description)) ||
			(time.p && span_eq(p->key, timestamp))) {
			if (lost_count < ARRAY_COUNT(lost))
				lost[lost_count++] = p->key;
			continue;
		}
		put_pair(j, p->key, p->value);
	}
	if (msg.p)
		put_pair(j, description, text);
	put_default(j, SPAN_LIT("service"), services, ARRAY_COUNT(services));
	put_default(j, SPAN_LIT("host"), hosts, ARRAY_COUNT(hosts));
	put_displaced(j, lost, lost_count);
	put_extra(j);
}

static int take_record(struct http_intake_request *r, struct span map, struct http_intake_place at)
{
	struct jsonline *j = http_intake_state(r);
	struct normalise_input raw = { .has_time = false };
	uint8_t head[PACK_HEAD_BYTES_MAX];
	unsigned n;

	if (http_record_read(&j->rec, map) < 0) {
		http_intake_bad(r, at, "the event is beyond a limit of size or of fields");
		return 0;
	}
	buf_reset(&j->record);
	buf_put(&j->record, head, sizeof head);
	j->pairs = 0;
	put_record(j, &raw);
	if (j->record.err) {
		http_intake_bad(r, at, "the event is beyond a limit of size or of fields");
		return 0;
	}
	n = pack_at_map(head, j->pairs);
	memcpy(j->record.p + sizeof head - n, head, n);
	raw.record = span_of(j->record.p + sizeof head - n, j->record.len - sizeof head + n);
	return http_intake_event(r, &raw, at);
}

static int take(struct http_intake_request *r, struct span bytes, bool last)
{
	struct jsonline *j = http_intake_state(r);
	struct http_intake_place at;
	struct span map;
	int rc;

	json_stream_feed(&j->stream, bytes, last);
	while ((rc = http_logs_next(r, &j->stream, &map, &at)) == 0) {
		rc = take_record(r, map, at);
		if (rc < 0)
			break;
	}
	return rc < 0 ? rc : 0;
}

static size_t held(struct http_intake_request *r)
{
	struct jsonline *j = http_intake_state(r);

	return json_stream_bytes(&j->stream) + arena_held(&j->texts) + j->record.cap;
}

static void fini(struct http_intake_request *r)
{
	struct jsonline *j = http_intake_state(r);

	json_stream_fini(&j->stream);
	arena_fini(&j->texts);
	buf_fini(&j->record);
}

const struct http_intake_shape http_jsonline_shape = { .name = "/insert/jsonline",
	.state_bytes = sizeof(struct jsonline),
	.begin = begin,
	.take = take,
	.held = held,
	.fini = fini };
