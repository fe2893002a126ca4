#include "tools/doctor.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/printable.h"
#include "proto/wire/pack.h"
#include "tools/doc.h"
#include "tools/rows.h"

enum {
	TEXT_BYTES = 400,
	CHECK_COLUMNS = 13,
	ROWS_BYTES_MAX = 1 << 20,
};

static const char *const levels[DOCTOR_LEVELS] = { "ok", "warn", "fail" };
static const char *const styles[DOCTOR_LEVELS] = { TERM_GREEN, TERM_YELLOW, TERM_RED };

void doctor_init(struct doctor *d)
{
	*d = (struct doctor){ .counts = { 0 } };
	buf_init(&d->rows, ROWS_BYTES_MAX);
}

void doctor_fini(struct doctor *d)
{
	buf_fini(&d->rows);
}

void doctor_say(struct doctor *d, enum doctor_level level, const char *check, const char *advice,
	const char *fmt, ...)
{
	char text[TEXT_BYTES];
	va_list ap;

	ASSERT(level < DOCTOR_LEVELS);
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	d->counts[level]++;
	pack_array_head(&d->rows, 4);
	pack_str(&d->rows, span_str(levels[level]));
	pack_str(&d->rows, span_str(check));
	pack_str(&d->rows, span_str(text));
	pack_str(&d->rows, span_str(advice));
}

uint32_t doctor_count(const struct doctor *d)
{
	return d->counts[DOCTOR_OK] + d->counts[DOCTOR_WARN] + d->counts[DOCTOR_FAIL];
}

/* As an answer of /api/query: the formats for programs are those of all rows. */
static void put_document(const struct doctor *d, struct buf *out)
{
	static const char *const columns[] = { "level", "check", "text", "advice" };

	pack_map_head(out, 3);
	pack_str(out, SPAN_LIT("columns"));
	pack_array_head(out, ARRAY_COUNT(columns));
	for (size_t i = 0; i < ARRAY_COUNT(columns); i++)
		pack_str(out, span_str(columns[i]));
	pack_str(out, SPAN_LIT("rows"));
	pack_array_head(out, doctor_count(d));
	buf_put_span(out, buf_span(&d->rows));
	pack_str(out, SPAN_LIT("total"));
	pack_uint(out, doctor_count(d));
}

static size_t level_of(struct span word)
{
	size_t i = 0;

	while (i + 1 < DOCTOR_LEVELS && !span_eq(word, span_str(levels[i])))
		i++;
	return i;
}

/* Text at a hanging indent, broken between words where a terminal is narrow. */
static void put_wrapped(struct span text, unsigned indent, const struct term *term, struct buf *out)
{
	unsigned room =
		term->tty && term->columns > indent + 20 ? term->columns - indent : UINT32_MAX;

	while (text.n) {
		size_t n = term_fit(text, room), rest;

		if (n < text.n) {
			while (n && text.p[n] != ' ')
				n--;
			n = n ? n : term_fit(text, room);
		}
		buf_put(out, text.p, n);
		buf_put_u8(out, '\n');
		rest = n;
		while (rest < text.n && text.p[rest] == ' ')
			rest++;
		text = span_of(text.p + rest, text.n - rest);
		if (text.n)
			buf_printf(out, "%*s", (int)indent, "");
	}
}

static void put_finding(const struct span *cells, const struct term *term, struct buf *out)
{
	size_t level = level_of(doc_text(cells[0]));
	unsigned indent = 4 + 2 + CHECK_COLUMNS + 2;
	struct buf text;

	buf_init(&text, 1 << 16);
	term_put_style(term, styles[level], out);
	buf_printf(out, "%-4s", levels[level]);
	term_put_style(term, TERM_OFF, out);
	buf_put_str(out, "  ");
	term_put_cell(term, doc_text(cells[1]), CHECK_COLUMNS, false, out);
	buf_put_str(out, "  ");
	printable_put(doc_text(cells[2]), PRINTABLE_LINE, &text);
	put_wrapped(buf_span(&text), indent, term, out);
	if (doc_text(cells[3]).n) {
		buf_reset(&text);
		buf_put_str(&text, "-> ");
		printable_put(doc_text(cells[3]), PRINTABLE_LINE, &text);
		buf_printf(out, "%*s", (int)indent, "");
		put_wrapped(buf_span(&text), indent, term, out);
	}
	buf_fini(&text);
}

static void put_people(
	const struct doctor *d, const struct rows *r, const struct term *term, struct buf *out)
{
	struct doc_list at = doc_list(r->list);
	struct span cells[ROWS_COLUMNS_MAX];

	while (rows_next(r, &at, cells))
		put_finding(cells, term, out);
	if (d->counts[DOCTOR_WARN] + d->counts[DOCTOR_FAIL] == 0)
		buf_printf(out, "All %u checks are well.\n", doctor_count(d));
	else
		buf_printf(out, "%u well, %u to look at, %u failed.\n", d->counts[DOCTOR_OK],
			d->counts[DOCTOR_WARN], d->counts[DOCTOR_FAIL]);
}

void doctor_put(
	const struct doctor *d, enum show_format format, const struct term *term, struct buf *out)
{
	struct buf document;
	struct rows rows;
	int rc;

	buf_init(&document, ROWS_BYTES_MAX * 2);
	put_document(d, &document);
	rc = rows_open(&rows, buf_span(&document), 0, NULL);
	ASSERT(rc == 0);
	if (format == SHOW_SHORT)
		put_people(d, &rows, term, out);
	else
		rows_put(&rows, format, true, term, out);
	buf_fini(&document);
}

const char *doctor_bytes(uint64_t n, char dst[32])
{
	static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB" };
	double v = (double)n;
	size_t unit = 0;

	while (v >= 1000 && unit + 1 < ARRAY_COUNT(units)) {
		v /= 1000;
		unit++;
	}
	snprintf(dst, 32, unit && v < 100 ? "%.1f %s" : "%.0f %s", v, units[unit]);
	return dst;
}

const char *doctor_age(int64_t ns, char dst[32])
{
	int64_t s = ns / CLOCK_NS_PER_SEC;

	if (s < 120)
		snprintf(dst, 32, "%lld s", (long long)s);
	else if (s < 7200)
		snprintf(dst, 32, "%lld min", (long long)(s / 60));
	else if (s < 48 * 3600)
		snprintf(dst, 32, "%lld h", (long long)(s / 3600));
	else
		snprintf(dst, 32, "%lld days", (long long)(s / 86400));
	return dst;
}
