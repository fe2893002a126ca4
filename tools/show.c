#include "tools/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/base/printable.h"
#include "proto/base/timefmt.h"
#include "proto/wire/csv_out.h"
#include "proto/wire/json_out.h"
#include "proto/wire/walk.h"

static const char *const format_names[] = { "short", "json", "csv", "verbose", "cat", "id" };

#define COLOUR_RED    "\x1b[1;31m"
#define COLOUR_YELLOW "\x1b[1;33m"
#define COLOUR_BOLD   "\x1b[1m"
#define COLOUR_DIM    "\x1b[2m"
#define COLOUR_OFF    "\x1b[0m"

int show_format_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(format_names); i++) {
		if (strcmp(format_names[i], name) == 0)
			return (int)i;
	}
	return -1;
}

const char *show_format_names(void)
{
	return "short, json, csv, verbose, cat, id";
}

void show_init(struct show *s, enum show_format format, bool utc, bool colour, bool terminal)
{
	*s = (struct show){
		.format = format,
		.utc = utc,
		.colour = colour,
		.terminal = terminal,
	};
	/* Every byte of an event may become an escape of six, in a CSV cell with doubled quotes. */
	buf_init(&s->raw, (size_t)LIMIT_EVENT_BYTES * 16);
}

void show_fini(struct show *s)
{
	buf_fini(&s->raw);
}

/* ---- pieces ---- */

/* Seconds east of UTC at that moment, here. */
static int64_t zone_offset(int64_t ns)
{
	time_t seconds = (time_t)(ns / CLOCK_NS_PER_SEC) - (ns % CLOCK_NS_PER_SEC < 0);
	struct tm tm;

	return localtime_r(&seconds, &tm) ? tm.tm_gmtoff : 0;
}

/*
 * "2026-11-20 19:42:44.123": a time that can be typed after --since. With --utc it ends in Z, so
 * that it means the same everywhere; digits < 0 means as many as there are.
 */
static void put_time(const struct show *s, int64_t ns, int digits, struct buf *out)
{
	int64_t local = ns, offset = s->utc ? 0 : zone_offset(ns);
	char text[TIMEFMT_BYTES_MAX];
	size_t n;

	if (__builtin_add_overflow(ns, offset * CLOCK_NS_PER_SEC, &local))
		local = ns;
	n = digits < 0 ? timefmt_put(text, local)
		       : timefmt_put_digits(text, local, (unsigned)digits);
	ASSERT(n > 11);
	text[10] = ' ';
	if (!s->utc)
		n--;
	buf_put(out, text, n);
}

static void put_zone(const struct show *s, int64_t ns, struct buf *out)
{
	int64_t minutes = s->utc ? 0 : zone_offset(ns) / 60;

	if (s->utc)
		return;
	buf_printf(out, " %c%02d:%02d", minutes < 0 ? '-' : '+',
		(int)((minutes < 0 ? -minutes : minutes) / 60),
		(int)((minutes < 0 ? -minutes : minutes) % 60));
}

static void put_safe(struct span text, struct buf *out)
{
	printable_put(text, PRINTABLE_LINE, out);
}

static const char *severity_colour(unsigned severity)
{
	if (severity <= EVENT_SEVERITY_ERROR)
		return COLOUR_RED;
	if (severity == EVENT_SEVERITY_WARNING)
		return COLOUR_YELLOW;
	if (severity == EVENT_SEVERITY_NOTICE)
		return COLOUR_BOLD;
	return severity == EVENT_SEVERITY_DEBUG ? COLOUR_DIM : "";
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

/* TIME SEVERITY SERVICE TYPE ENTITY (USER): DESCRIPTION, without what is absent. */
static void put_short(const struct show *s, const struct event *ev, struct buf *out)
{
	const char *colour = s->colour ? severity_colour(ev->severity) : "";
	struct span entity_type = ev->text[EVENT_TEXT_ENTITY_TYPE];
	struct span entity_id = ev->text[EVENT_TEXT_ENTITY_ID];

	put_time(s, ev->time_ns, 3, out);
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
	buf_put_str(out, *colour ? COLOUR_OFF "\n" : "\n");
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
	for (unsigned bit = EVENT_FLAG_TIME_ODD; bit <= EVENT_FLAG_CUT; bit <<= 1) {
		if (flags & bit)
			buf_printf(out, "    flag=%s\n", json_out_flag_name((enum event_flag)bit));
	}
}

static void put_verbose(struct show *s, const struct event *ev, struct buf *out)
{
	if (s->colour)
		buf_put_str(out, COLOUR_BOLD);
	put_time(s, ev->time_ns, -1, out);
	put_zone(s, ev->time_ns, out);
	buf_printf(out, " [id=%" PRIu64 "]%s\n", ev->id, s->colour ? COLOUR_OFF : "");
	put_field("event_type", ev->text[EVENT_TEXT_EVENT_TYPE], out);
	put_field(
		"severity", span_str(event_severity_name((enum event_severity)ev->severity)), out);
	for (int i = EVENT_TEXT_EVENT_TYPE + 1; i < EVENT_TEXT_COUNT; i++)
		put_field(event_text_name((enum event_text)i), ev->text[i], out);
	buf_put_str(out, "    received=");
	put_time(s, ev->received_ns, -1, out);
	put_zone(s, ev->received_ns, out);
	buf_put_u8(out, '\n');
	if (ev->metadata.p)
		put_metadata(s, ev->metadata, out);
	put_flags(ev->flags, out);
}

/* ---- exact formats ---- */

static void put_exact(const struct show *s, const struct event *ev, struct buf *out)
{
	int rc;

	switch (s->format) {
	case SHOW_JSON:
		/* Damaged metadata (JSON_OUT_DAMAGED) is null there. */
		rc = json_out_event(ev, out);
		if (rc < 0)
			out->err = rc;
		buf_put_u8(out, '\n');
		break;
	case SHOW_CSV:
		csv_out_event(ev, out);
		break;
	case SHOW_CAT:
		if (ev->text[EVENT_TEXT_DESCRIPTION].p) {
			buf_put_span(out, ev->text[EVENT_TEXT_DESCRIPTION]);
			buf_put_u8(out, '\n');
		}
		break;
	default:
		buf_printf(out, "%" PRIu64 "\n", ev->id);
		break;
	}
}

void show_header(struct show *s, struct buf *out)
{
	if (s->format == SHOW_CSV)
		csv_out_header(out);
}

/* CSV ends its lines in CRLF, which a terminal may have. */
static void put_exact_safely(struct show *s, const struct event *ev, struct buf *out)
{
	struct span text;

	buf_reset(&s->raw);
	put_exact(s, ev, &s->raw);
	text = buf_span(&s->raw);
	if (s->format == SHOW_CSV && text.n >= 2)
		text.n -= 2;
	printable_put(text, s->format == SHOW_JSON ? PRINTABLE_JSON : PRINTABLE_TEXT, out);
	if (s->format == SHOW_CSV)
		buf_put_str(out, "\r\n");
}

void show_event(struct show *s, const struct event *ev, struct buf *out)
{
	if (s->format == SHOW_SHORT)
		put_short(s, ev, out);
	else if (s->format == SHOW_VERBOSE)
		put_verbose(s, ev, out);
	else if (s->terminal)
		put_exact_safely(s, ev, out);
	else
		put_exact(s, ev, out);
}
