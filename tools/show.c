#include "tools/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "proto/base/printable.h"
#include "proto/wire/csv_out.h"
#include "proto/wire/json_out.h"
#include "tools/json_pretty.h"
#include "tools/logfmt.h"
#include "tools/show_pick.h"
#include "tools/show_text.h"

enum { TABLE_COLUMNS_WIDE = 140 };

static const char *const format_names[] = { "short", "short-iso", "verbose", "cat", "json",
	"json-pretty", "csv", "logfmt", "table", "id" };

#define TABLE_FIELDS \
	"timestamp,severity,service,event_type,entity_type,entity_id,user_id,description"
/* Where all of them would leave no room for what happened. */
#define TABLE_FIELDS_NARROW "timestamp,severity,event_type,entity_id,user_id,description"

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
	return "short, short-iso, verbose, cat, json, json-pretty, csv, logfmt, table, id";
}

bool show_format_picks(enum show_format format)
{
	return format != SHOW_SHORT && format != SHOW_SHORT_ISO && format != SHOW_CAT &&
	       format != SHOW_ID;
}

void show_init(struct show *s, enum show_format format, bool utc, const struct term *term,
	const struct picks *picks)
{
	*s = (struct show){
		.format = format,
		.utc = utc,
		.term = term,
		.picks = picks && picks->count ? picks : NULL,
	};
	/* Every byte of an event may become an escape of six, in a CSV cell with doubled quotes. */
	buf_init(&s->raw, (size_t)LIMIT_EVENT_BYTES * 16);
	pick_init(&s->columns);
	table_init(&s->table, term);
	if (format != SHOW_TABLE)
		return;
	if (!s->picks) {
		bool narrow = term->tty && term->columns < TABLE_COLUMNS_WIDE;
		int rc = pick_read(&s->columns, narrow ? TABLE_FIELDS_NARROW : TABLE_FIELDS, NULL);

		ASSERT(rc == 0);
		s->picks = &s->columns;
	}
	show_pick_columns(s->picks, &s->table);
}

void show_fini(struct show *s)
{
	buf_fini(&s->raw);
	table_fini(&s->table);
	pick_fini(&s->columns);
}

/* ---- exact formats ---- */

static void put_json(struct show *s, const struct event *ev, struct buf *out)
{
	int rc = 0;

	if (s->picks)
		show_pick_json(s->picks, ev, out);
	else
		/* Damaged metadata (JSON_OUT_DAMAGED) is null there. */
		rc = json_out_event(ev, out);
	if (rc < 0)
		out->err = rc;
}

static void put_pretty(struct show *s, const struct event *ev, struct buf *out)
{
	struct buf json;

	buf_init(&json, (size_t)LIMIT_EVENT_BYTES * 16);
	put_json(s, ev, &json);
	if (json.err)
		out->err = json.err;
	json_pretty_put(buf_span(&json), out);
	buf_fini(&json);
}

static void put_exact(struct show *s, const struct event *ev, struct buf *out)
{
	switch (s->format) {
	case SHOW_JSON:
		put_json(s, ev, out);
		buf_put_u8(out, '\n');
		break;
	case SHOW_JSON_PRETTY:
		put_pretty(s, ev, out);
		buf_put_u8(out, '\n');
		break;
	case SHOW_CSV:
		if (s->picks)
			show_pick_csv(s->picks, ev, out);
		else
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

static bool is_json(enum show_format format)
{
	return format == SHOW_JSON || format == SHOW_JSON_PRETTY;
}

/* CSV ends its lines in CRLF, which a terminal may have. */
static void put_exact_safely(struct show *s, const struct event *ev, struct buf *out)
{
	struct buf exact;
	struct span text;

	buf_init(&exact, (size_t)LIMIT_EVENT_BYTES * 16);
	put_exact(s, ev, &exact);
	if (exact.err)
		out->err = exact.err;
	text = buf_span(&exact);
	if (s->format == SHOW_CSV && text.n >= 2)
		text.n -= 2;
	printable_put(text, is_json(s->format) ? PRINTABLE_JSON : PRINTABLE_TEXT, out);
	if (s->format == SHOW_CSV)
		buf_put_str(out, "\r\n");
	buf_fini(&exact);
}

static void put_logfmt(struct show *s, const struct event *ev, struct buf *out)
{
	if (s->picks)
		show_pick_logfmt(s->picks, ev, &s->raw, out);
	else
		logfmt_put_event(ev, &s->raw, out);
	buf_put_u8(out, '\n');
}

/* ---- all ---- */

void show_event(struct show *s, const struct event *ev, struct buf *record)
{
	switch (s->format) {
	case SHOW_SHORT:
	case SHOW_SHORT_ISO:
		show_text_short(s, ev, record);
		break;
	case SHOW_VERBOSE:
		show_text_verbose(s, ev, record);
		break;
	case SHOW_LOGFMT:
		put_logfmt(s, ev, record);
		break;
	case SHOW_TABLE:
		show_pick_cells(s, ev, record);
		break;
	default:
		if (s->term->tty)
			put_exact_safely(s, ev, record);
		else
			put_exact(s, ev, record);
		break;
	}
}

void show_header(struct show *s, struct buf *out)
{
	if (s->format == SHOW_CSV && s->picks)
		show_pick_csv_header(s->picks, out);
	else if (s->format == SHOW_CSV)
		csv_out_header(out);
}

void show_lay(struct show *s, struct span record, struct buf *out)
{
	if (s->format != SHOW_TABLE) {
		buf_put_span(out, record);
		return;
	}
	show_pick_lay(record, &s->table);
	if (table_rows(&s->table) >= TABLE_ROWS_MAX)
		table_put(&s->table, out);
}

void show_end(struct show *s, struct buf *out)
{
	if (s->format == SHOW_TABLE && table_rows(&s->table))
		table_put(&s->table, out);
}
