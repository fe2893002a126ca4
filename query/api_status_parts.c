#include "query/api_status_parts.h"

#include <inttypes.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/wire/json_out.h"
#include "storage/retain_class.h"

/* ---------------------------------------------------------------- classes */

/* null: without a bound. */
static void put_bound(const char *name, int64_t value, struct buf *out)
{
	buf_printf(out, "\"%s\":", name);
	if (value > 0)
		buf_printf(out, "%" PRId64, value);
	else
		buf_put_str(out, "null");
}

static void put_hold(int64_t until_ns, struct buf *out)
{
	buf_put_str(out, ",\"hold\":");
	if (until_ns == INT64_MIN)
		buf_put_str(out, "null");
	else if (until_ns == INT64_MAX)
		buf_put_str(out, "\"always\"");
	else
		json_out_time(until_ns, out);
}

static void put_matches(const struct conf_class *c, struct buf *out)
{
	buf_put_str(out, ",\"match\":[");
	for (size_t i = 0; i < c->matches_count; i++) {
		if (i)
			buf_put_u8(out, ',');
		json_out_string(span_str(c->matches[i].text), out);
	}
	buf_put_u8(out, ']');
}

/* What its section says; the default class may have none. */
static void put_rule(const char *name, const struct conf *conf, struct buf *out)
{
	static const struct conf_class standard = {
		.keep_ns = -1, .hold_until_ns = INT64_MIN, .priority = CONF_CLASS_PRIORITY
	};
	const struct conf_class *c = conf_class_find(&conf->classes, name);
	int64_t keep_ns;

	if (!c && strcmp(name, RETAIN_CLASS_DEFAULT) == 0)
		c = &standard;
	buf_printf(out, ",\"configured\":%s", c ? "true" : "false");
	if (!c)
		return;
	keep_ns = c->keep_ns >= 0 ? c->keep_ns : conf_num(conf, CONF_RETENTION_KEEP);
	put_matches(c, out);
	buf_put_u8(out, ',');
	put_bound("keep_s", keep_ns / CLOCK_NS_PER_SEC, out);
	buf_put_u8(out, ',');
	put_bound("max_bytes", c->bytes_max, out);
	put_hold(c->hold_until_ns, out);
	buf_printf(out, ",\"priority\":%d", c->priority);
}

static void put_time(bool there, int64_t ns, struct buf *out)
{
	if (there)
		json_out_time(ns, out);
	else
		buf_put_str(out, "null");
}

static void put_class(const struct store_summary_class *c, const struct conf *conf, struct buf *out)
{
	bool there = c->time_min_ns <= c->time_max_ns;

	buf_put_str(out, "{\"name\":");
	json_out_string(span_str(c->name), out);
	buf_printf(out, ",\"segments\":%" PRIu64 ",\"events\":%" PRIu64 ",\"bytes\":%" PRIu64,
		c->segments, c->rows, c->bytes);
	buf_put_str(out, ",\"time_min\":");
	put_time(there, c->time_min_ns, out);
	buf_put_str(out, ",\"time_max\":");
	put_time(there, c->time_max_ns, out);
	put_rule(c->name, conf, out);
	buf_put_u8(out, '}');
}

static bool has_segments(const struct store_summary *s, const char *name)
{
	for (uint32_t i = 0; i < s->classes_count; i++) {
		if (strcmp(s->classes[i].name, name) == 0)
			return true;
	}
	return false;
}

static void put_empty(const char *name, const struct conf *conf, bool *comma, struct buf *out)
{
	struct store_summary_class c = { .time_min_ns = INT64_MAX, .time_max_ns = INT64_MIN };

	memcpy(c.name, name, strnlen(name, sizeof c.name - 1));
	if (*comma)
		buf_put_u8(out, ',');
	put_class(&c, conf, out);
	*comma = true;
}

void api_status_parts_classes(
	const struct store_summary *s, const struct conf *conf, struct buf *out)
{
	bool comma = s->classes_count > 0;

	buf_put_str(out, ",\"retention\":{");
	put_bound("max_bytes", conf_num(conf, CONF_RETENTION_SIZE_MAX), out);
	buf_put_str(out, "},\"classes\":[");
	for (uint32_t i = 0; i < s->classes_count; i++) {
		if (i)
			buf_put_u8(out, ',');
		put_class(&s->classes[i], conf, out);
	}
	for (size_t i = 0; i < conf->classes.count; i++) {
		if (!has_segments(s, conf->classes.list[i].name))
			put_empty(conf->classes.list[i].name, conf, &comma, out);
	}
	if (!has_segments(s, RETAIN_CLASS_DEFAULT) &&
		!conf_class_find(&conf->classes, RETAIN_CLASS_DEFAULT))
		put_empty(RETAIN_CLASS_DEFAULT, conf, &comma, out);
	buf_put_u8(out, ']');
	if (s->classes_more)
		buf_printf(out, ",\"classes_more\":%" PRIu32, s->classes_more);
}

/* ---------------------------------------------------------------- doors */

static void put_rate(double rate, struct buf *out)
{
	if (rate >= 0)
		buf_printf(out, ",\"rate\":%.1f", rate);
	else
		buf_put_str(out, ",\"rate\":null");
}

void api_status_parts_ingest(const struct ingest_figures *f, struct buf *out)
{
	if (!f->at_ns)
		return;
	buf_printf(out, ",\"ingest\":{\"events\":%" PRIu64, f->events);
	put_rate(f->rate, out);
	buf_printf(out, ",\"dropped\":%" PRIu64 "},\"doors\":[", f->dropped);
	for (size_t i = 0; i < f->doors_count; i++) {
		const struct ingest_door *d = &f->doors[i];

		buf_put_str(out, i ? ",{\"name\":" : "{\"name\":");
		json_out_string(span_str(d->name), out);
		buf_printf(out, ",\"events\":%" PRIu64, d->events);
		put_rate(d->rate, out);
		buf_printf(
			out, ",\"refused\":%" PRIu64 ",\"lost\":%" PRIu64 "}", d->refused, d->lost);
	}
	buf_put_u8(out, ']');
}
