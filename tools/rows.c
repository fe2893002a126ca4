#include "tools/rows.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/printable.h"
#include "proto/base/timefmt.h"
#include "proto/wire/csv_out.h"
#include "proto/wire/json_out.h"
#include "tools/chart.h"
#include "tools/json_pretty.h"
#include "tools/logfmt.h"
#include "tools/table.h"
#include "tools/zonetime.h"

enum {
	BAR_COLUMNS_MAX = 30,
	BAR_COLUMNS_MIN = 8,
	LINE_BYTES_MAX = 16 << 20,
};

/* ---- reading ---- */

static void find_texts(struct rows *r)
{
	struct span cells[ROWS_COLUMNS_MAX];
	struct doc_list at = doc_list(r->list);
	double n;

	for (size_t i = 0; i < r->columns; i++)
		r->is_text[i] = i < r->keys;
	while (rows_next(r, &at, cells)) {
		for (size_t i = r->keys; i < r->columns; i++)
			r->is_text[i] |= !doc_number(cells[i], &n) && !doc_is_null(cells[i]);
	}
}

static void find_rough(struct rows *r, struct span list)
{
	struct doc_list at = doc_list(list);
	struct span name;

	while (doc_next(&at, &name)) {
		for (size_t i = 0; i < r->columns; i++) {
			if (!span_eq(doc_text(name), r->names[i]))
				continue;
			r->is_rough[i] = true;
			r->rough = true;
		}
	}
}

int rows_open(struct rows *r, struct span document, size_t calls, struct diag *d)
{
	struct span columns = doc_member(document, "columns"), name;
	struct doc_list at = doc_list(columns);
	uint64_t bucket = 0;

	*r = (struct rows){ .list = doc_member(document, "rows") };
	while (doc_next(&at, &name) && r->columns < ROWS_COLUMNS_MAX)
		r->names[r->columns++] = doc_text(name);
	if (r->columns < calls || r->columns == 0 || !r->list.p ||
		!doc_uint(doc_member(document, "total"), &r->total))
		return diag_set(d, ERR_SYNTAX, "", -1,
			"the answer is not that of astroqueryd; is it another program or version?");
	r->count = doc_count(r->list);
	r->keys = r->columns - calls;
	r->groups = r->count;
	doc_uint(doc_member(document, "groups"), &r->groups);
	if (doc_uint(doc_member(document, "bucket_ns"), &bucket) && bucket <= INT64_MAX)
		r->bucket_ns = (int64_t)bucket;
	find_rough(r, doc_member(document, "approximate"));
	find_texts(r);
	return 0;
}

bool rows_next(const struct rows *r, struct doc_list *at, struct span cells[ROWS_COLUMNS_MAX])
{
	struct doc_list row;
	struct span list;

	if (!doc_next(at, &list))
		return false;
	row = doc_list(list);
	for (size_t i = 0; i < r->columns; i++) {
		if (!doc_next(&row, &cells[i]))
			cells[i] = SPAN_NONE;
	}
	return true;
}

/* ---- cells ---- */

void rows_put_count(uint64_t n, struct buf *out)
{
	if (n >= 1000) {
		rows_put_count(n / 1000, out);
		buf_printf(out, ",%03u", (unsigned)(n % 1000));
	} else {
		buf_printf(out, "%u", (unsigned)n);
	}
}

static bool is_time(const struct rows *r, size_t column)
{
	return r->bucket_ns && column == 0 && span_eq(r->names[0], SPAN_LIT("time"));
}

static void put_time(const struct rows *r, struct span text, bool utc, struct buf *out)
{
	struct timefmt t;
	size_t from = out->len, n;

	if (timefmt_parse(text, &t) < 0) {
		buf_put_span(out, text);
		return;
	}
	zonetime_put(t.ns, utc, r->bucket_ns % CLOCK_NS_PER_SEC ? 9 : 0, out);
	/* 2026-11-20 14:00:00: what every bucket has as zeros is left out. */
	n = r->bucket_ns % (24 * 3600 * CLOCK_NS_PER_SEC) == 0 ? 10
	    : r->bucket_ns % (60 * CLOCK_NS_PER_SEC) == 0      ? 16
							       : out->len - from;
	if (!out->err && out->len > from + n)
		out->len = from + n;
}

static void put_number(const struct walk_value *v, struct buf *out)
{
	if (v->type == WALK_UINT) {
		rows_put_count(v->u, out);
	} else if (v->type == WALK_INT) {
		buf_put_u8(out, '-');
		rows_put_count(-(uint64_t)v->i, out);
	} else if (fabs(v->f) >= 1000 && fabs(v->f) < 1e15) {
		uint64_t cents = (uint64_t)llround(fabs(v->f) * 100);

		if (v->f < 0)
			buf_put_u8(out, '-');
		rows_put_count(cents / 100, out);
		if (cents % 100)
			buf_printf(out, ".%02u", (unsigned)(cents % 100));
	} else {
		buf_printf(out, "%.6g", v->f);
	}
}

void rows_put_cell(const struct rows *r, size_t column, struct span cell, bool utc, struct buf *out)
{
	struct rcur c = rcur_of(cell.p, cell.n);
	struct walk_value v;

	if (!cell.p || walk_read(&c, &v) < 0 || v.type == WALK_NIL) {
		buf_put_u8(out, '-');
	} else if (v.type == WALK_STR && is_time(r, column)) {
		put_time(r, v.data, utc, out);
	} else if (v.type == WALK_STR) {
		buf_put_span(out, v.data);
	} else if (column >= r->keys &&
		   (v.type == WALK_UINT || v.type == WALK_INT || v.type == WALK_FLOAT)) {
		put_number(&v, out);
	} else {
		json_out_value(cell, out);
	}
}

void rows_put_safe(const struct rows *r, size_t column, struct span cell, bool utc, struct buf *out)
{
	struct buf exact;

	buf_init(&exact, LINE_BYTES_MAX);
	rows_put_cell(r, column, cell, utc, &exact);
	printable_put(buf_span(&exact), PRINTABLE_LINE, out);
	if (exact.err)
		out->err = exact.err;
	buf_fini(&exact);
}

/* ---- tables ---- */

static double largest(const struct rows *r)
{
	struct doc_list at = doc_list(r->list);
	struct span cells[ROWS_COLUMNS_MAX];
	double max = 0, n;

	while (rows_next(r, &at, cells)) {
		if (doc_number(cells[r->keys], &n) && n > max)
			max = n;
	}
	return max;
}

static void put_columns(const struct rows *r, struct table *t)
{
	for (size_t i = 0; i < r->columns; i++) {
		char title[64];

		snprintf(title, sizeof title, "%s%.*s", r->is_rough[i] ? "~" : "",
			(int)(r->names[i].n < 60 ? r->names[i].n : 60),
			(const char *)r->names[i].p);
		table_column(t, title, r->is_text[i] ? TABLE_LEFT : TABLE_RIGHT,
			!r->is_text[i] || is_time(r, i));
	}
}

const char *rows_tint(const struct rows *r, size_t column, struct span cell)
{
	int severity = -1;

	if (column < r->keys && span_eq(r->names[column], SPAN_LIT("severity")))
		severity = event_severity_find(doc_text(cell));
	return severity < 0 ? NULL : term_severity_style((unsigned)severity);
}

static void put_table(const struct rows *r, bool utc, const struct term *term, struct buf *out)
{
	struct doc_list at = doc_list(r->list);
	struct span cells[ROWS_COLUMNS_MAX];
	bool bars = term->tty && r->keys < r->columns && !r->is_text[r->keys] && r->keys > 0;
	double max = bars ? largest(r) : 0, n;
	unsigned width = term->columns / 3;
	struct table t;
	struct buf text;

	width = width > BAR_COLUMNS_MAX ? BAR_COLUMNS_MAX : width;
	table_init(&t, term);
	put_columns(r, &t);
	if (bars && width >= BAR_COLUMNS_MIN)
		table_column(&t, "", TABLE_LEFT, true);
	buf_init(&text, LINE_BYTES_MAX);
	while (rows_next(r, &at, cells)) {
		for (size_t i = 0; i < r->columns; i++) {
			buf_reset(&text);
			rows_put_cell(r, i, cells[i], utc, &text);
			table_cell(&t, buf_span(&text), rows_tint(r, i, cells[i]));
		}
		if (t.columns_count == r->columns)
			continue;
		buf_reset(&text);
		if (doc_number(cells[r->keys], &n))
			chart_bar(term, n, max, width, &text);
		table_cell(&t, buf_span(&text), TERM_CYAN);
	}
	table_put(&t, out);
	buf_fini(&text);
	table_fini(&t);
}

/* ---- lines for programs ---- */

static void put_object(const struct rows *r, const struct span *cells, struct buf *out)
{
	for (size_t i = 0; i < r->columns; i++) {
		buf_put_u8(out, i ? ',' : '{');
		json_out_string(r->names[i], out);
		buf_put_u8(out, ':');
		if (!cells[i].p || json_out_value(cells[i], out) < 0)
			buf_put_str(out, "null");
	}
	buf_put_u8(out, '}');
}

static void put_csv(
	const struct rows *r, const struct span *cells, struct buf *raw, struct buf *out)
{
	for (size_t i = 0; i < r->columns; i++) {
		double n;

		if (i)
			buf_put_u8(out, ',');
		if (!cells[i].p || doc_is_null(cells[i]))
			continue;
		if (doc_text(cells[i]).p) {
			csv_out_cell(doc_text(cells[i]), out);
		} else if (doc_number(cells[i], &n)) {
			json_out_value(cells[i], out);
		} else {
			buf_reset(raw);
			json_out_value(cells[i], raw);
			csv_out_cell(buf_span(raw), out);
		}
	}
	buf_put_str(out, "\r\n");
}

static void put_csv_header(const struct rows *r, struct buf *out)
{
	for (size_t i = 0; i < r->columns; i++) {
		if (i)
			buf_put_u8(out, ',');
		csv_out_cell(r->names[i], out);
	}
	buf_put_str(out, "\r\n");
}

static void put_line(const struct rows *r, enum show_format format, const struct span *cells,
	struct buf *raw, struct buf *out)
{
	switch (format) {
	case SHOW_CSV:
		put_csv(r, cells, raw, out);
		break;
	case SHOW_LOGFMT:
		for (size_t i = 0; i < r->columns; i++)
			if (cells[i].p && !doc_is_null(cells[i]))
				logfmt_put_data(r->names[i], cells[i], raw, out);
		buf_put_u8(out, '\n');
		break;
	case SHOW_JSON_PRETTY:
		buf_reset(raw);
		put_object(r, cells, raw);
		json_pretty_put(buf_span(raw), out);
		buf_put_u8(out, '\n');
		break;
	default:
		put_object(r, cells, out);
		buf_put_u8(out, '\n');
		break;
	}
}

/* A line of ours ends in LF, or CRLF, which a terminal may have; all before it is made safe there. */
static void emit(
	struct span line, enum show_format format, const struct term *term, struct buf *out)
{
	size_t end = format == SHOW_CSV ? 2 : 1;

	if (!term->tty) {
		buf_put_span(out, line);
		return;
	}
	ASSERT(line.n >= end);
	printable_put(span_of(line.p, line.n - end),
		format == SHOW_CSV      ? PRINTABLE_TEXT
		: format == SHOW_LOGFMT ? PRINTABLE_LINE
					: PRINTABLE_JSON,
		out);
	buf_put(out, line.p + line.n - end, end);
}

static void put_lines(
	const struct rows *r, enum show_format format, const struct term *term, struct buf *out)
{
	struct doc_list at = doc_list(r->list);
	struct span cells[ROWS_COLUMNS_MAX];
	struct buf raw, line;

	buf_init(&raw, LINE_BYTES_MAX);
	buf_init(&line, LINE_BYTES_MAX);
	if (format == SHOW_CSV)
		put_csv_header(r, &line);
	if (line.len)
		emit(buf_span(&line), format, term, out);
	while (rows_next(r, &at, cells)) {
		buf_reset(&line);
		put_line(r, format, cells, &raw, &line);
		if (line.err)
			out->err = line.err;
		else
			emit(buf_span(&line), format, term, out);
	}
	buf_fini(&raw);
	buf_fini(&line);
}

void rows_put(const struct rows *r, enum show_format format, bool utc, const struct term *term,
	struct buf *out)
{
	if (format == SHOW_JSON || format == SHOW_JSON_PRETTY || format == SHOW_CSV ||
		format == SHOW_LOGFMT)
		put_lines(r, format, term, out);
	else
		put_table(r, utc, term, out);
}
