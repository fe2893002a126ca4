#include "collector/http_alerts.h"

#include <string.h>

#include "collector/http_logs.h"
#include "collector/http_record.h"
#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/wire/event.h"
#include "proto/wire/pack.h"
#include "proto/wire/walk.h"

struct alerts {
	struct json_stream stream;
	struct buf record;
	uint32_t pairs;
	struct http_record rec; /* of one alert */
};

/* Names in the order in which they are tried. */
struct choice {
	const char *names[4];
};

static struct span choose(struct span map, const struct choice *from)
{
	struct span value = SPAN_NONE;

	for (size_t i = 0; i < ARRAY_COUNT(from->names) && from->names[i]; i++) {
		value = http_record_in(map, span_str(from->names[i]));
		if (http_record_text(value).p)
			return value;
	}
	return SPAN_NONE;
}

/* ---------------------------------------------------------------- the record made of it */

static void put_value(struct alerts *a, const char *key, struct span value)
{
	if (!value.p)
		return;
	pack_str(&a->record, span_str(key));
	buf_put_span(&a->record, value);
	a->pairs++;
}

static void put_text(struct alerts *a, const char *key, struct span text)
{
	if (!text.p)
		return;
	pack_str(&a->record, span_str(key));
	pack_str(&a->record, text);
	a->pairs++;
}

static void begin_record(struct alerts *a)
{
	uint8_t room[PACK_HEAD_BYTES_MAX] = { 0 };

	buf_reset(&a->record);
	buf_put(&a->record, room, sizeof room);
	a->pairs = 0;
	put_text(a, "event_type", SPAN_LIT("ALERT"));
}

static int end_record(struct http_intake_request *r, struct http_intake_place at)
{
	struct alerts *a = http_intake_state(r);
	struct normalise_input raw = { .has_time = false };
	uint8_t head[PACK_HEAD_BYTES_MAX];
	unsigned n = pack_at_map(head, a->pairs), skip = PACK_HEAD_BYTES_MAX - n;

	if (a->record.err) {
		http_intake_bad(r, at, "the alert is too large");
		return 0;
	}
	memcpy(a->record.p + skip, head, n);
	raw.record = span_of(a->record.p + skip, a->record.len - skip);
	return http_intake_event(r, &raw, at);
}

/* ---------------------------------------------------------------- plain alerts */

static bool is_named(struct span key, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (span_eq(key, span_str(names[i])))
			return true;
	}
	return false;
}

static int take_plain(struct http_intake_request *r, struct span map, struct http_intake_place at)
{
	static const char *const texts[] = { "description", "message", "msg", "log" };
	static const struct choice titles = { { "title", "summary", "name" } };
	static const char *const services[] = { "service" };
	struct alerts *a = http_intake_state(r);
	bool has_text = false, has_service = false;

	begin_record(a);
	for (uint32_t i = 0; i < a->rec.count; i++) {
		const struct http_record_pair *p = &a->rec.pairs[i];

		has_text = has_text || is_named(p->key, texts, ARRAY_COUNT(texts));
		has_service = has_service || is_named(p->key, services, ARRAY_COUNT(services));
		if (!span_eq(p->key, SPAN_LIT("event_type"))) {
			pack_str(&a->record, p->key);
			buf_put_span(&a->record, p->value);
			a->pairs++;
		} else if (!span_eq(http_record_text(p->value), SPAN_LIT("ALERT"))) {
			put_value(a, "alert_type", p->value);
		}
	}
	if (!has_text)
		put_value(a, "description", choose(map, &titles));
	if (!has_service)
		put_text(a, "service", http_record_text(http_record_in(map, SPAN_LIT("source"))));
	return end_record(r, at);
}

/* ---------------------------------------------------------------- Alertmanager's */

/* Of an alert that is over: that is news, and no alarm. */
static struct span severity_of(struct span labels, bool resolved)
{
	struct span word = http_record_text(http_record_in(labels, SPAN_LIT("severity")));

	if (resolved)
		return SPAN_LIT("notice");
	if (word.p && event_severity_find(word) >= 0)
		return word;
	return span_eq(word, SPAN_LIT("page")) ? SPAN_LIT("critical") : SPAN_NONE;
}

static void put_time(struct alerts *a, struct span alert, bool resolved)
{
	static const struct choice begun = { { "startsAt" } }, over = { { "endsAt", "startsAt" } };

	put_value(a, "timestamp", choose(alert, resolved ? &over : &begun));
}

/* group: what is said of all alerts of a message; or absent. */
static void put_metadata(struct alerts *a, struct span alert, struct span group)
{
	static const char *const of_alert[] = { "status", "labels", "annotations", "startsAt",
		"endsAt", "generatorURL", "fingerprint" };
	static const char *const of_group[] = { "receiver", "groupKey", "externalURL" };
	size_t i;

	for (i = 0; i < ARRAY_COUNT(of_alert); i++)
		put_value(a, of_alert[i], http_record_in(alert, span_str(of_alert[i])));
	for (i = 0; group.p && i < ARRAY_COUNT(of_group); i++)
		put_value(a, of_group[i], http_record_in(group, span_str(of_group[i])));
}

static int take_labelled(struct http_intake_request *r, struct span alert, struct span group,
	struct http_intake_place at)
{
	static const struct choice texts = { { "description", "summary", "message" } },
				   services = { { "service", "job", "app" } },
				   hosts = { { "host", "instance", "node" } },
				   names = { { "alertname" } }, ids = { { "fingerprint" } };
	struct alerts *a = http_intake_state(r);
	struct span labels = http_record_in(alert, SPAN_LIT("labels"));
	struct span notes = http_record_in(alert, SPAN_LIT("annotations"));
	struct span name = choose(labels, &names), text = choose(notes, &texts);
	struct span id = choose(alert, &ids);
	bool resolved = span_eq(
		http_record_text(http_record_in(alert, SPAN_LIT("status"))), SPAN_LIT("resolved"));

	begin_record(a);
	put_text(a, "severity", severity_of(labels, resolved));
	put_value(a, "description", text.p ? text : name);
	put_text(a, "entity_type", SPAN_LIT("alert"));
	put_value(a, "entity_id", id.p ? id : name);
	put_value(a, "service", choose(labels, &services));
	put_value(a, "host", choose(labels, &hosts));
	put_time(a, alert, resolved);
	put_metadata(a, alert, group);
	return end_record(r, at);
}

/* A whole message of Alertmanager's. */
static int take_group(struct http_intake_request *r, struct span group, struct span list,
	struct http_intake_place at)
{
	struct rcur c = rcur_of(list.p, list.n);
	struct walk_value head;
	struct span alert;
	int rc = 0;

	if (walk_read(&c, &head) < 0 || head.type != WALK_ARRAY) {
		http_intake_bad(r, at, "\"alerts\" is no array");
		return 0;
	}
	for (uint32_t i = 0; rc == 0 && i < head.count; i++) {
		if (walk_take(&c, &alert) < 0)
			break;
		if (http_record_is_map(alert))
			rc = take_labelled(r, alert, group, at);
		else
			http_intake_bad(r, at, "an alert is an object");
	}
	return rc;
}

static int take_alert(struct http_intake_request *r, struct span map, struct http_intake_place at)
{
	struct alerts *a = http_intake_state(r);
	const struct http_record_pair *list, *labels;

	if (http_record_read(&a->rec, map) < 0) {
		http_intake_bad(r, at, "the alert is beyond a limit of size or of fields");
		return 0;
	}
	list = http_record_find(&a->rec, SPAN_LIT("alerts"));
	if (list)
		return take_group(r, map, list->value, at);
	labels = http_record_find(&a->rec, SPAN_LIT("labels"));
	if (labels && http_record_is_map(labels->value))
		return take_labelled(r, map, SPAN_NONE, at);
	return take_plain(r, map, at);
}

/* ---------------------------------------------------------------- shape */

static int begin(struct http_intake_request *r)
{
	struct alerts *a = http_intake_state(r);

	json_stream_init(&a->stream, 0);
	buf_init(&a->record, 2 * LIMIT_ENTRY_BYTES);
	return 0;
}

static int take(struct http_intake_request *r, struct span bytes, bool last)
{
	struct alerts *a = http_intake_state(r);
	struct http_intake_place at;
	struct span map;
	int rc;

	json_stream_feed(&a->stream, bytes, last);
	while ((rc = http_logs_next(r, &a->stream, &map, &at)) == 0) {
		rc = take_alert(r, map, at);
		if (rc < 0)
			break;
	}
	return rc < 0 ? rc : 0;
}

static size_t held(struct http_intake_request *r)
{
	struct alerts *a = http_intake_state(r);

	return json_stream_bytes(&a->stream) + a->record.cap;
}

static void fini(struct http_intake_request *r)
{
	struct alerts *a = http_intake_state(r);

	json_stream_fini(&a->stream);
	buf_fini(&a->record);
}

const struct http_intake_shape http_alerts_shape = { .name = "/api/alerts",
	.state_bytes = sizeof(struct alerts),
	.begin = begin,
	.take = take,
	.held = held,
	.fini = fini };
