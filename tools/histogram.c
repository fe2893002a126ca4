#include "tools/histogram.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "tools/chart.h"

enum {
	LAYERS_MAX = 6,
	BARS_MAX = 4096,
	NAME_COLUMNS_MAX = 24,
};

struct layer {
	struct span name;
	double sum;
	double *values;
};

struct picture {
	const struct rows *rows;
	struct layer layers[LAYERS_MAX];
	size_t layers_count;
	bool severity;
	int64_t starts[BARS_MAX];
	size_t bars;
};

static const char *const inks[LAYERS_MAX] = { "\x1b[36m", "\x1b[33m", "\x1b[35m", "\x1b[32m",
	"\x1b[34m", "\x1b[37m" };
static const char *const papers[LAYERS_MAX] = { "\x1b[46m", "\x1b[43m", "\x1b[45m", "\x1b[42m",
	"\x1b[44m", "\x1b[47m" };
/* Error and worse, warning, the rest. */
static const char *const severity_inks[] = { "\x1b[31m", "\x1b[33m", "\x1b[32m" };
static const char *const severity_papers[] = { "\x1b[41m", "\x1b[43m", "\x1b[42m" };

size_t histogram_bars_max(const struct term *t)
{
	size_t n = chart_bars_max(t);

	return n > BARS_MAX ? BARS_MAX : n;
}

static bool start_of(struct span cell, int64_t *out)
{
	struct timefmt t;

	if (timefmt_parse(doc_text(cell), &t) < 0)
		return false;
	*out = t.ns;
	return true;
}

/* ---- layers ---- */

static int compare(const void *a, const void *b)
{
	const struct layer *x = a, *y = b;

	return (x->sum < y->sum) - (x->sum > y->sum);
}

/* The sums of all values of the field; NULL: no memory. */
static struct layer *sums(const struct rows *r, size_t *out_count)
{
	struct layer *list = calloc(r->count + 1, sizeof *list);
	struct span cells[ROWS_COLUMNS_MAX];
	struct doc_list at = doc_list(r->list);
	size_t count = 0;

	while (list && rows_next(r, &at, cells)) {
		double n = 0;
		size_t i = 0;

		doc_number(cells[r->keys], &n);
		while (i < count && !span_eq(list[i].name, cells[1]))
			i++;
		if (i == count)
			list[count++].name = cells[1];
		list[i].sum += n;
	}
	*out_count = count;
	return list;
}

static int choose_layers(struct picture *p)
{
	const struct rows *r = p->rows;
	struct layer *list;
	size_t count;

	p->layers_count = 1;
	if (r->keys < 2)
		return 0;
	p->severity = span_eq(r->names[1], SPAN_LIT("severity"));
	if (p->severity) {
		p->layers_count = 3;
		return 0;
	}
	list = sums(r, &count);
	if (!list)
		return -ENOMEM;
	qsort(list, count, sizeof *list, compare);
	p->layers_count = count < LAYERS_MAX ? count : LAYERS_MAX;
	for (size_t i = 0; i < p->layers_count; i++)
		p->layers[i].name =
			i + 1 < LAYERS_MAX || count <= LAYERS_MAX ? list[i].name : SPAN_NONE;
	free(list);
	if (p->layers_count == 0)
		p->layers_count = 1;
	return 0;
}

static size_t layer_of(const struct picture *p, const struct span *cells)
{
	if (p->rows->keys < 2)
		return 0;
	if (p->severity) {
		int severity = event_severity_find(doc_text(cells[1]));

		return severity < 0 || severity > EVENT_SEVERITY_WARNING ? 2
		       : severity == EVENT_SEVERITY_WARNING              ? 1
									 : 0;
	}
	for (size_t i = 0; i < p->layers_count; i++) {
		if (span_eq(p->layers[i].name, cells[1]))
			return i;
	}
	return p->layers_count - 1;
}

/* ---- bars ---- */

static int by_start(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Every start once, in order, and those between that no row has. */
static int find_bars(struct picture *p, struct diag *d)
{
	const struct rows *r = p->rows;
	struct span cells[ROWS_COLUMNS_MAX];
	struct doc_list at = doc_list(r->list);
	int64_t first = INT64_MAX, last = INT64_MIN, start;

	while (rows_next(r, &at, cells)) {
		if (!start_of(cells[0], &start))
			continue;
		first = start < first ? start : first;
		last = start > last ? start : last;
	}
	if (first > last || r->bucket_ns <= 0)
		return 0;
	if ((last - first) / r->bucket_ns >= BARS_MAX)
		return diag_set(d, ERR_LIMIT, "", -1,
			"more than %d bars: choose a wider --bucket, or leave it to --bucket auto",
			BARS_MAX);
	for (start = first; start <= last; start += r->bucket_ns)
		p->starts[p->bars++] = start;
	return 0;
}

static void fill(struct picture *p)
{
	const struct rows *r = p->rows;
	struct span cells[ROWS_COLUMNS_MAX];
	struct doc_list at = doc_list(r->list);

	while (rows_next(r, &at, cells)) {
		struct layer *l = &p->layers[layer_of(p, cells)];
		const int64_t *bar;
		int64_t start;
		double n = 0;

		if (!start_of(cells[0], &start) || !doc_number(cells[r->keys], &n))
			continue;
		bar = bsearch(&start, p->starts, p->bars, sizeof start, by_start);
		if (bar)
			l->values[bar - p->starts] += n;
	}
}

/* ---- text ---- */

static void put_width(int64_t ns, struct buf *out)
{
	static const struct {
		int64_t ns;
		const char *name;
	} units[] = { { 7 * 86400 * CLOCK_NS_PER_SEC, "week" }, { 86400 * CLOCK_NS_PER_SEC, "day" },
		{ 3600 * CLOCK_NS_PER_SEC, "hour" }, { 60 * CLOCK_NS_PER_SEC, "minute" },
		{ CLOCK_NS_PER_SEC, "second" }, { CLOCK_NS_PER_MS, "ms" }, { 1, "ns" } };

	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		int64_t n = ns / units[i].ns;

		if (ns % units[i].ns)
			continue;
		buf_printf(
			out, "%lld %s%s", (long long)n, units[i].name, n > 1 && i < 5 ? "s" : "");
		return;
	}
}

enum { INDENT = 7 };

/* On a line of its own where this one is full; *column is where it ends. */
static void put_sample(
	const struct term *t, const char *ink, struct span name, unsigned *column, struct buf *out)
{
	size_t n = term_fit(name, NAME_COLUMNS_MAX);
	unsigned width = 2 + term_width(span_of(name.p, n));

	if (*column + 2 + width > t->columns && *column > INDENT) {
		buf_printf(out, "\n%*s", INDENT, "");
		*column = INDENT;
	} else {
		buf_put_str(out, "  ");
		*column += 2;
	}
	term_put_style(t, ink, out);
	buf_put_str(out, t->utf8 ? "\u2588" : "#");
	term_put_style(t, TERM_OFF, out);
	buf_put_u8(out, ' ');
	buf_put(out, name.p, n);
	*column += width;
}

static void put_legend(
	const struct picture *p, const struct term *t, unsigned column, struct buf *out)
{
	static const char *const words[] = { "error and worse", "warning", "other" };
	struct buf name;

	if (!t->colour || p->rows->keys < 2)
		return;
	buf_init(&name, 1 << 16);
	for (size_t i = 0; i < p->layers_count; i++) {
		buf_reset(&name);
		if (p->severity || !p->layers[i].name.p)
			buf_put_str(&name, words[p->severity ? i : 2]);
		else
			rows_put_safe(p->rows, 1, p->layers[i].name, true, &name);
		put_sample(
			t, p->severity ? severity_inks[i] : inks[i], buf_span(&name), &column, out);
	}
	buf_fini(&name);
}

static void put_caption(const struct picture *p, const struct term *t, struct buf *out)
{
	size_t began = out->len;

	buf_printf(out, "%*s", INDENT, "");
	rows_put_count(p->rows->total, out);
	buf_put_str(out, p->rows->total == 1 ? " event, " : " events, ");
	put_width(p->rows->bucket_ns, out);
	buf_put_str(out, " a bar");
	if (out->err)
		return;
	put_legend(p, t, (unsigned)(out->len - began), out);
	buf_put_u8(out, '\n');
}

static int draw(struct picture *p, bool utc, const struct term *t, struct buf *out, struct diag *d)
{
	struct chart_layer layers[LAYERS_MAX];
	struct chart chart = {
		.layers = layers,
		.layers_count = p->layers_count,
		.bars_count = p->bars,
		.starts_ns = p->starts,
		.bucket_ns = p->rows->bucket_ns,
		.utc = utc,
	};
	double *values = calloc(p->layers_count * p->bars, sizeof *values);

	if (!values)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the histogram");
	for (size_t i = 0; i < p->layers_count; i++) {
		p->layers[i].values = values + i * p->bars;
		layers[i] = (struct chart_layer){
			.ink = p->severity ? severity_inks[i] : inks[i],
			.paper = p->severity ? severity_papers[i] : papers[i],
			.values = p->layers[i].values,
		};
	}
	fill(p);
	chart_histogram(t, &chart, out);
	put_caption(p, t, out);
	free(values);
	return 0;
}

int histogram_put(
	const struct rows *r, bool utc, const struct term *t, struct buf *out, struct diag *d)
{
	static struct picture p;
	int rc;

	p = (struct picture){ .rows = r };
	if (r->keys == 0 || r->keys >= r->columns || !span_eq(r->names[0], SPAN_LIT("time")))
		return diag_set(d, ERR_SYNTAX, "", -1, "the answer has no times to draw");
	rc = find_bars(&p, d);
	if (rc < 0 || p.bars == 0)
		return rc;
	if (choose_layers(&p) < 0)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the histogram");
	return draw(&p, utc, t, out, d);
}
