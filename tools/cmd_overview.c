/*
 * Each part is a question of its own about groups, asked of either source in the same words. For
 * programs the counts are rows of one answer: what is counted, of which value, how many.
 */
#include "tools/cmd_overview.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/timefmt.h"
#include "proto/wire/pack.h"
#include "tools/ask.h"
#include "tools/chart.h"
#include "tools/histogram.h"
#include "tools/rows.h"
#include "tools/table.h"
#include "tools/zonetime.h"

enum {
	VALUES_SHOWN = 8, /* of each field */
	VALUES_PROGRAMS = 1000,
	BAR_COLUMNS_MAX = 24,
};

#define RECENT_NS (24 * 3600 * CLOCK_NS_PER_SEC)

static const char *const fields[] = { "event_type", "severity", "entity_type", "service" };

struct overview {
	struct cmd_run *run;
	struct buf text;
	uint64_t total;
};

static int question(
	struct overview *o, struct ask *q, size_t calls, struct rows *rows, struct diag *d)
{
	struct span document;
	int rc = ask_run(q, o->run->source, &document, d);

	if (rc == 0)
		rc = rows_open(rows, document, calls, d);
	if (rc == 0)
		cmd_run_note_answer(o->run, document);
	return rc;
}

/* ---- the whole ---- */

static bool time_of(struct span cell, int64_t *out)
{
	struct timefmt t;

	if (timefmt_parse(doc_text(cell), &t) < 0)
		return false;
	*out = t.ns;
	return true;
}

struct whole {
	uint64_t total;
	int64_t first, last;
	bool has_times;
	uint64_t recent;
	bool has_recent;
};

static int ask_whole(struct overview *o, struct whole *w, struct diag *d)
{
	struct span cells[ROWS_COLUMNS_MAX];
	struct doc_list at;
	struct rows rows;
	struct ask q;
	int rc;

	*w = (struct whole){ .total = 0 };
	ask_init(&q, o->run->args);
	ask_add(&q, "agg", "count,min(timestamp),max(timestamp)");
	rc = question(o, &q, 3, &rows, d);
	if (rc < 0)
		return rc;
	w->total = rows.total;
	at = doc_list(rows.list);
	if (rows_next(&rows, &at, cells))
		w->has_times = time_of(cells[1], &w->first) && time_of(cells[2], &w->last);
	return 0;
}

/* Of the last day; where a range was asked for, that says enough. */
static int ask_recent(struct overview *o, struct whole *w, struct diag *d)
{
	const struct cmd_args *a = o->run->args;
	char text[TIMEFMT_BYTES_MAX + 1];
	struct rows rows;
	struct ask q;
	int rc;

	if (a->given.since || a->given.until)
		return 0;
	text[timefmt_put(text, clock_wall_ns() - RECENT_NS)] = 0;
	ask_init(&q, a);
	ask_add(&q, "start_date", text);
	rc = question(o, &q, 1, &rows, d);
	if (rc < 0)
		return rc;
	w->recent = rows.total;
	w->has_recent = true;
	return 0;
}

static void put_whole(struct overview *o, const struct whole *w)
{
	const struct term *t = &o->run->term;
	bool utc = o->run->args->utc;

	term_put_style(t, TERM_BOLD, &o->text);
	rows_put_count(w->total, &o->text);
	buf_put_str(&o->text, w->total == 1 ? " event" : " events");
	term_put_style(t, TERM_OFF, &o->text);
	if (w->has_times) {
		buf_put_str(&o->text, w->total == 1 ? " of " : " from ");
		zonetime_put(w->first, utc, 0, &o->text);
	}
	if (w->has_times && w->total > 1) {
		buf_put_str(&o->text, " to ");
		zonetime_put(w->last, utc, 0, &o->text);
	}
	if (w->has_recent) {
		buf_put_str(&o->text, ", ");
		rows_put_count(w->recent, &o->text);
		buf_put_str(&o->text, " in the last 24 hours");
	}
	buf_put_str(&o->text, "\n\n");
}

/* ---- over time ---- */

static int put_histogram(struct overview *o, struct diag *d)
{
	struct rows rows;
	struct ask q;
	int rc;

	ask_init(&q, o->run->args);
	ask_add_buckets(&q, "auto", histogram_bars_max(&o->run->term));
	if (o->run->term.colour)
		ask_add(&q, "by", "severity");
	rc = question(o, &q, 1, &rows, d);
	if (rc == 0)
		rc = histogram_put(&rows, o->run->args->utc, &o->run->term, &o->text, d);
	return rc;
}

/* ---- values ---- */

static unsigned name_width(const struct rows *rows, bool utc)
{
	struct span cells[ROWS_COLUMNS_MAX];
	struct doc_list at = doc_list(rows->list);
	unsigned width = 0;
	struct buf text;

	buf_init(&text, 1 << 16);
	while (rows_next(rows, &at, cells)) {
		unsigned n;

		buf_reset(&text);
		rows_put_safe(rows, 0, cells[0], utc, &text);
		n = term_width(buf_span(&text));
		width = n > width ? n : width;
	}
	buf_fini(&text);
	return width;
}

static void put_value(struct overview *o, const struct rows *rows, const struct span *cells,
	unsigned width, double max)
{
	const struct term *t = &o->run->term;
	const char *style = rows_tint(rows, 0, cells[0]);
	double n = 0;
	struct buf text;

	doc_number(cells[1], &n);
	buf_init(&text, 1 << 16);
	rows_put_safe(rows, 0, cells[0], true, &text);
	buf_put_str(&o->text, "  ");
	term_put_style(t, style ? style : "", &o->text);
	term_put_cell(t, buf_span(&text), width, false, &o->text);
	if (style)
		term_put_style(t, TERM_OFF, &o->text);
	buf_reset(&text);
	rows_put_count((uint64_t)n, &text);
	buf_put_str(&o->text, "  ");
	term_put_cell(t, buf_span(&text), 11, true, &o->text);
	buf_printf(&o->text, "  %5.1f %%  ", o->total ? n * 100 / (double)o->total : 0);
	term_put_style(t, TERM_CYAN, &o->text);
	chart_bar(t, n, max, BAR_COLUMNS_MAX, &o->text);
	term_put_style(t, TERM_OFF, &o->text);
	buf_put_u8(&o->text, '\n');
	buf_fini(&text);
}

static void put_rest(struct overview *o, const struct rows *rows)
{
	if (rows->groups > rows->count)
		buf_printf(&o->text, "  and %" PRIu64 " more\n", rows->groups - rows->count);
}

static int put_field(struct overview *o, const char *field, struct diag *d)
{
	enum { WIDTH_MAX = 28, WIDTH_MIN = 14 };
	struct span cells[ROWS_COLUMNS_MAX];
	struct doc_list at;
	struct rows rows;
	struct ask q;
	double max = 0, n;
	unsigned width;
	int rc;

	ask_init(&q, o->run->args);
	ask_add(&q, "by", field);
	ask_add_top(&q, VALUES_SHOWN);
	rc = question(o, &q, 1, &rows, d);
	if (rc < 0 || rows.count == 0)
		return rc;
	width = name_width(&rows, true);
	width = width > WIDTH_MAX ? WIDTH_MAX : width < WIDTH_MIN ? WIDTH_MIN : width;
	buf_put_u8(&o->text, '\n');
	term_put_style(&o->run->term, TERM_BOLD, &o->text);
	buf_put_str(&o->text, field);
	term_put_style(&o->run->term, TERM_OFF, &o->text);
	buf_put_u8(&o->text, '\n');
	at = doc_list(rows.list);
	while (rows_next(&rows, &at, cells)) {
		if (doc_number(cells[1], &n) && n > max)
			max = n;
		put_value(o, &rows, cells, width, max);
	}
	put_rest(o, &rows);
	return 0;
}

static int for_people(struct overview *o, const struct whole *w, struct diag *d)
{
	int rc = 0;

	put_whole(o, w);
	if (w->total)
		rc = put_histogram(o, d);
	for (size_t i = 0; i < ARRAY_COUNT(fields) && rc == 0 && w->total; i++)
		rc = put_field(o, fields[i], d);
	return rc;
}

/* ---- for programs ---- */

static void put_row(
	struct buf *list, uint32_t *count, const char *field, struct span value, uint64_t n)
{
	pack_array_head(list, 3);
	pack_str(list, span_str(field));
	if (value.p)
		buf_put_span(list, value);
	else
		pack_nil(list);
	pack_uint(list, n);
	++*count;
}

static int put_values(
	struct overview *o, const char *field, struct buf *list, uint32_t *count, struct diag *d)
{
	struct span cells[ROWS_COLUMNS_MAX];
	struct doc_list at;
	struct rows rows;
	struct ask q;
	int rc;

	ask_init(&q, o->run->args);
	ask_add(&q, "by", field);
	ask_add_top(&q, VALUES_PROGRAMS);
	rc = question(o, &q, 1, &rows, d);
	if (rc < 0)
		return rc;
	at = doc_list(rows.list);
	while (rows_next(&rows, &at, cells)) {
		uint64_t n = 0;

		doc_uint(cells[1], &n);
		put_row(list, count, field, cells[0], n);
	}
	return 0;
}

static void put_document(struct buf *out, struct span list, uint32_t count, uint64_t total)
{
	pack_map_head(out, 3);
	pack_str(out, SPAN_LIT("columns"));
	pack_array_head(out, 3);
	pack_str(out, SPAN_LIT("field"));
	pack_str(out, SPAN_LIT("value"));
	pack_str(out, SPAN_LIT("count"));
	pack_str(out, SPAN_LIT("rows"));
	pack_array_head(out, count);
	buf_put_span(out, list);
	pack_str(out, SPAN_LIT("total"));
	pack_uint(out, total);
}

static int for_programs(struct overview *o, const struct whole *w, struct diag *d)
{
	struct buf list, document;
	uint32_t count = 0;
	struct rows rows;
	int rc = 0;

	buf_init(&list, SIZE_MAX);
	buf_init(&document, SIZE_MAX);
	put_row(&list, &count, "total", SPAN_NONE, w->total);
	if (w->has_recent)
		put_row(&list, &count, "recent_24h", SPAN_NONE, w->recent);
	for (size_t i = 0; i < ARRAY_COUNT(fields) && rc == 0; i++)
		rc = put_values(o, fields[i], &list, &count, d);
	put_document(&document, buf_span(&list), count, w->total);
	if (rc == 0)
		rc = rows_open(&rows, buf_span(&document), 1, d);
	if (rc == 0)
		rows_put(&rows, o->run->args->format, true, &o->run->term, &o->text);
	buf_fini(&list);
	buf_fini(&document);
	return rc;
}

int cmd_overview_run(struct cmd_run *r, struct diag *d)
{
	struct overview o = { .run = r };
	struct whole w;
	int rc = ask_whole(&o, &w, d);

	if (rc == 0)
		rc = ask_recent(&o, &w, d);
	if (rc < 0)
		return rc;
	o.total = w.total;
	r->shown = w.total;
	buf_init(&o.text, SIZE_MAX);
	rc = r->args->format_given ? for_programs(&o, &w, d) : for_people(&o, &w, d);
	if (rc == 0 && o.text.err)
		rc = diag_set(d, o.text.err, "", -1, "no memory for the overview");
	if (rc == 0)
		cmd_run_text(r, buf_span(&o.text));
	buf_fini(&o.text);
	return rc;
}
