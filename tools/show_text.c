#include "tools/show_text.h"

#include <inttypes.h>

#include "proto/base/check.h"
#include "proto/base/printable.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"
#include "tools/zonetime.h"

static void put_safe(struct span text, struct buf *out)
{
	printable_put(text, PRINTABLE_LINE, out);
}

/* ---- short ---- */

/* The names that stand in a column of six, as log readers know them. */
static const char *severity_short(unsigned severity)
{
	static const char *const words[EVENT_SEVERITY_COUNT] = { "emerg", "alert", "crit", "error",
		"warn", "notice", "info", "debug" };

	ASSERT(severity < EVENT_SEVERITY_COUNT);
	return words[severity];
}

static void put_word(struct span text, const char *before, struct buf *out)
{
	if (!text.n)
		return;
	buf_put_str(out, before);
	put_safe(text, out);
}

void show_text_short(const struct show *s, const struct event *ev, struct buf *out)
{
	const char *colour = s->term->colour ? term_severity_style(ev->severity) : "";
	struct span entity_type = ev->text[EVENT_TEXT_ENTITY_TYPE];
	struct span entity_id = ev->text[EVENT_TEXT_ENTITY_ID];

	if (s->format == SHOW_SHORT_ISO)
		zonetime_put_iso(ev->time_ns, s->utc, 3, out);
	else
		zonetime_put(ev->time_ns, s->utc, 3, out);
	buf_put_u8(out, ' ');
	buf_put_str(out, colour);
	buf_printf(out, "%-6s", severity_short(ev->severity));
	put_word(ev->text[EVENT_TEXT_SERVICE], " ", out);
	put_word(ev->text[EVENT_TEXT_EVENT_TYPE], " ", out);
	put_word(entity_type, " ", out);
	put_word(entity_id, entity_type.n ? "/" : " ", out);
	if (ev->text[EVENT_TEXT_USER_ID].n) {
		put_word(ev->text[EVENT_TEXT_USER_ID], " (", out);
		buf_put_u8(out, ')');
	}
	put_word(ev->text[EVENT_TEXT_DESCRIPTION], ": ", out);
	buf_put_str(out, *colour ? TERM_OFF "\n" : "\n");
}

/* ---- verbose ---- */

static void put_field(const char *name, struct span value, struct buf *out)
{
	if (!value.p)
		return;
	buf_printf(out, "    %s=", name);
	put_safe(value, out);
	buf_put_u8(out, '\n');
}

/* A value of the metadata: text as it is, all else as JSON. */
static void put_value(struct show *s, struct span value, struct buf *out)
{
	struct rcur c = rcur_of(value.p, value.n);
	struct walk_value v;

	buf_reset(&s->raw);
	if (walk_read(&c, &v) == 0 && v.type == WALK_STR)
		put_safe(v.data, out);
	else if (json_out_value(value, &s->raw) == 0)
		put_safe(buf_span(&s->raw), out);
	else
		buf_put_str(out, "(damaged)");
	buf_put_u8(out, '\n');
}

/* One line for each key at the top of the metadata. */
static void put_metadata(struct show *s, struct span metadata, struct buf *out)
{
	struct rcur c = rcur_of(metadata.p, metadata.n);
	struct walk_value map;
	struct span key, value;

	if (walk_read(&c, &map) < 0 || map.type != WALK_MAP) {
		buf_put_str(out, "    metadata=(damaged)\n");
		return;
	}
	for (uint32_t i = 0; i < map.count; i++) {
		struct rcur at;
		struct walk_value name;

		if (walk_take(&c, &key) < 0 || walk_take(&c, &value) < 0) {
			buf_put_str(out, "    metadata=(damaged)\n");
			return;
		}
		at = rcur_of(key.p, key.n);
		buf_put_str(out, "    metadata.");
		if (walk_read(&at, &name) == 0 && name.type == WALK_STR)
			put_safe(name.data, out);
		else
			buf_put_str(out, "?");
		buf_put_u8(out, '=');
		put_value(s, value, out);
	}
}

static void put_flags(unsigned flags, struct buf *out)
{
	for (unsigned bit = EVENT_FLAG_TIME_ODD; bit <= EVENT_FLAG_PARTIAL; bit <<= 1) {
		if (flags & EVENT_FLAGS_SHOWN & bit)
			buf_printf(out, "    flag=%s\n", json_out_flag_name((enum event_flag)bit));
	}
}

static void put_times_zone(const char *before, const struct show *s, int64_t ns, struct buf *out)
{
	buf_put_str(out, before);
	zonetime_put(ns, s->utc, -1, out);
	zonetime_put_zone(ns, s->utc, out);
}

static void put_all(struct show *s, const struct event *ev, struct buf *out)
{
	put_field("event_type", ev->text[EVENT_TEXT_EVENT_TYPE], out);
	term_put_style(s->term, term_severity_style(ev->severity), out);
	put_field(
		"severity", span_str(event_severity_name((enum event_severity)ev->severity)), out);
	if (*term_severity_style(ev->severity))
		term_put_style(s->term, TERM_OFF, out);
	for (int i = EVENT_TEXT_EVENT_TYPE + 1; i < EVENT_TEXT_COUNT; i++)
		put_field(event_text_name((enum event_text)i), ev->text[i], out);
	put_times_zone("    received=", s, ev->received_ns, out);
	buf_put_u8(out, '\n');
	if (ev->metadata.p)
		put_metadata(s, ev->metadata, out);
	put_flags(ev->flags, out);
}

static void put_picked(struct show *s, const struct event *ev, struct buf *out)
{
	for (size_t i = 0; i < s->picks->count; i++) {
		struct pick_value v = pick_get(&s->picks->list[i], ev);

		if (v.kind == PICK_VALUE_ABSENT)
			continue;
		buf_reset(&s->raw);
		if (v.kind == PICK_VALUE_TIME)
			put_times_zone("", s, v.ns, &s->raw);
		else
			pick_put_text(&v, &s->raw);
		put_field(s->picks->list[i].name, buf_span(&s->raw), out);
	}
}

void show_text_verbose(struct show *s, const struct event *ev, struct buf *out)
{
	term_put_style(s->term, TERM_BOLD, out);
	put_times_zone("", s, ev->time_ns, out);
	buf_printf(out, " [id=%" PRIu64 "]", ev->id);
	term_put_style(s->term, TERM_OFF, out);
	buf_put_u8(out, '\n');
	if (s->picks)
		put_picked(s, ev, out);
	else
		put_all(s, ev, out);
}
