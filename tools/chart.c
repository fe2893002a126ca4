/*
 * A histogram is a grid of characters. Heights are counted in eighths of a row; a character shows the
 * eighths of the stack that lie in it: one colour as block of its height, two that fill it as ink on
 * paper. Where three would meet, the one with most of them stands for the rest.
 */
#include "tools/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "tools/zonetime.h"

enum {
	EIGHTHS = 8,
	AXIS_COLUMNS = 7, /* of the numbers at the left, with the line */
	BAR_COLUMNS_MAX = 6,
};

static const char *const lying[EIGHTHS + 1] = { "", "\u258f", "\u258e", "\u258d", "\u258c",
	"\u258b", "\u258a", "\u2589", "\u2588" };
static const char *const standing[EIGHTHS + 1] = { " ", "\u2581", "\u2582", "\u2583", "\u2584",
	"\u2585", "\u2586", "\u2587", "\u2588" };

/* value / max of `units`, rounded; at least one if there is anything. */
static unsigned scaled(double value, double max, unsigned units)
{
	double n;

	if (!(value > 0) || !(max > 0))
		return 0;
	n = round(value / max * units);
	return n < 1 ? 1 : n > units ? units : (unsigned)n;
}

void chart_bar(const struct term *t, double value, double max, unsigned columns, struct buf *out)
{
	unsigned n = scaled(value, max, t->utf8 ? columns * EIGHTHS : columns);

	if (!t->utf8) {
		while (n--)
			buf_put_u8(out, '#');
		return;
	}
	for (; n >= EIGHTHS; n -= EIGHTHS)
		buf_put_str(out, lying[EIGHTHS]);
	buf_put_str(out, lying[n]);
}

void chart_short_number(double v, char dst[CHART_LABEL_BYTES])
{
	static const char units[] = " kMGTPE";
	size_t unit = 0;
	double size = fabs(v);

	while (size >= 9999.5 || (unit && size >= 999.5)) {
		if (!units[unit + 1])
			break;
		size /= 1000;
		unit++;
	}
	if (unit == 0 && size == floor(size))
		snprintf(dst, CHART_LABEL_BYTES, "%s%.0f", v < 0 ? "-" : "", size);
	else
		snprintf(dst, CHART_LABEL_BYTES, "%s%.*f%c", v < 0 ? "-" : "", size < 99.95, size,
			units[unit]);
	/* Without a unit there is a blank at the end. */
	dst[strcspn(dst, " ")] = 0;
}

/* ---- the grid ---- */

struct grid {
	const struct term *term;
	const struct chart *chart;
	size_t group;     /* bars of the chart that one of the picture stands for */
	size_t bars;      /* of the picture */
	unsigned columns; /* of one of them */
	double max;
	/* Heights of each bar's layers, in eighths, one on the other: bars * layers. */
	unsigned *tops;
};

size_t chart_bars_max(const struct term *t)
{
	return t->columns > AXIS_COLUMNS + 1 ? t->columns - AXIS_COLUMNS : 1;
}

static double group_value(const struct grid *g, size_t layer, size_t bar)
{
	size_t from = bar * g->group, to = from + g->group;
	double sum = 0;

	for (size_t i = from; i < to && i < g->chart->bars_count; i++)
		sum += g->chart->layers[layer].values[i];
	return sum;
}

static double group_sum(const struct grid *g, size_t bar)
{
	double sum = 0;

	for (size_t l = 0; l < g->chart->layers_count; l++)
		sum += group_value(g, l, bar);
	return sum;
}

static int make_grid(struct grid *g, const struct term *t, const struct chart *c)
{
	size_t room = chart_bars_max(t);

	*g = (struct grid){ .term = t, .chart = c };
	g->group = (c->bars_count + room - 1) / room;
	g->bars = (c->bars_count + g->group - 1) / g->group;
	g->columns = (unsigned)(room / g->bars);
	g->columns = g->columns > BAR_COLUMNS_MAX ? BAR_COLUMNS_MAX : g->columns;
	g->tops = calloc(g->bars * c->layers_count, sizeof *g->tops);
	if (!g->tops)
		return -1;
	for (size_t bar = 0; bar < g->bars; bar++) {
		double sum = group_sum(g, bar);

		g->max = sum > g->max ? sum : g->max;
	}
	for (size_t bar = 0; bar < g->bars; bar++) {
		double sum = 0;

		for (size_t l = 0; l < c->layers_count; l++) {
			sum += group_value(g, l, bar);
			g->tops[bar * c->layers_count + l] =
				scaled(sum, g->max, CHART_ROWS * EIGHTHS);
		}
	}
	return 0;
}

/* Eighths of layer l of this bar that lie in the row which begins at eighth `low`. */
static unsigned part(const struct grid *g, size_t bar, size_t l, unsigned low)
{
	const unsigned *tops = &g->tops[bar * g->chart->layers_count];
	unsigned from = l ? tops[l - 1] : 0, to = tops[l];

	from = from < low ? low : from;
	to = to > low + EIGHTHS ? low + EIGHTHS : to;
	return to > from ? to - from : 0;
}

static void put_block(const struct grid *g, unsigned eighths, struct buf *out)
{
	for (unsigned i = 0; i < g->columns; i++) {
		/* A gap between bars that are wide enough for one. */
		if (i > 0 && i + 1 == g->columns && g->columns > 2)
			buf_put_u8(out, ' ');
		else if (g->term->utf8)
			buf_put_str(out, standing[eighths]);
		else
			buf_put_u8(out, eighths == 0 ? ' ' : eighths < 5 ? '.' : '#');
	}
}

static void put_bar_row(const struct grid *g, size_t bar, unsigned low, struct buf *out)
{
	const struct chart *c = g->chart;
	size_t most = 0, first = c->layers_count, layers = 0;
	unsigned filled = 0, parts[CHART_LAYERS_MAX];

	for (size_t l = 0; l < c->layers_count; l++) {
		parts[l] = part(g, bar, l, low);
		filled += parts[l];
		layers += parts[l] > 0;
		if (parts[l] && first == c->layers_count)
			first = l;
		if (parts[l] > parts[most])
			most = l;
	}
	if (filled == 0 || !g->term->colour) {
		put_block(g, filled, out);
		return;
	}
	if (layers == 2 && filled == EIGHTHS && g->term->utf8 && g->columns <= 2) {
		size_t second = first + 1;

		while (parts[second] == 0)
			second++;
		buf_put_str(out, c->layers[first].ink);
		buf_put_str(out, c->layers[second].paper);
		filled = parts[first];
	} else {
		buf_put_str(out, c->layers[most].ink);
	}
	put_block(g, filled, out);
	buf_put_str(out, TERM_OFF);
}

static void put_row(const struct grid *g, unsigned row, struct buf *out)
{
	char label[CHART_LABEL_BYTES] = "";
	bool tick = row == CHART_ROWS - 1 || row == CHART_ROWS / 2 - 1;

	/* The top of the row is what its number says. */
	if (tick && (row == CHART_ROWS - 1 || g->max >= 2))
		chart_short_number(g->max * (row + 1) / CHART_ROWS, label);
	buf_printf(out, "%5s ", label);
	buf_put_str(out, !g->term->utf8 ? "|" : tick ? "\u2524" : "\u2502");
	for (size_t bar = 0; bar < g->bars; bar++)
		put_bar_row(g, bar, row * EIGHTHS, out);
	while (out->len && out->p[out->len - 1] == ' ')
		out->len--;
	buf_put_u8(out, '\n');
}

/* ---- the time axis ---- */

/* Of a bar's start: as much as tells it from its neighbours; of the first one its date too. */
static size_t time_label(const struct grid *g, size_t bar, char dst[CHART_LABEL_BYTES])
{
	const int64_t minute = 60 * CLOCK_NS_PER_SEC, day = 24 * 60 * minute;
	const struct chart *c = g->chart;
	int64_t step = c->bucket_ns * (int64_t)g->group;
	int64_t range = c->starts_ns[c->bars_count - 1] - c->starts_ns[0];
	size_t from, to; /* of 2026-11-20 14:00:05 */
	struct buf text;

	buf_init(&text, CHART_LABEL_BYTES);
	zonetime_put(c->starts_ns[bar * g->group], c->utc, 0, &text);
	from = bar == 0 ? 0 : step >= day || range >= day ? 5 : 11;
	to = step >= day ? 10 : step >= minute ? 16 : 19;
	snprintf(dst, CHART_LABEL_BYTES, "%.*s", (int)(to - from), (const char *)text.p + from);
	buf_fini(&text);
	return to - from;
}

static void put_axis(const struct grid *g, struct buf *out)
{
	size_t width = g->bars * g->columns;

	buf_put_str(out, g->term->utf8 ? "    0 \u253c" : "    0 +");
	for (size_t i = 0; i < width; i++)
		buf_put_str(out, g->term->utf8 ? "\u2500" : "-");
	buf_put_u8(out, '\n');
}

static void put_times(const struct grid *g, struct buf *out)
{
	size_t at = 0, width = g->bars * g->columns;
	char label[CHART_LABEL_BYTES];

	buf_printf(out, "%*s", AXIS_COLUMNS, "");
	for (size_t bar = 0; bar < g->bars; bar++) {
		size_t x = bar * g->columns, n;

		if (bar && x < at + 2)
			continue;
		n = time_label(g, bar, label);
		if (bar && x + n > width)
			break;
		buf_printf(out, "%*s%s", (int)(x - at), "", label);
		at = x + n;
	}
	buf_put_u8(out, '\n');
}

void chart_histogram(const struct term *t, const struct chart *c, struct buf *out)
{
	struct grid g;

	ASSERT(c->layers_count > 0 && c->layers_count <= CHART_LAYERS_MAX);
	if (c->bars_count == 0)
		return;
	if (make_grid(&g, t, c) < 0) {
		out->err = out->err ? out->err : -1;
		return;
	}
	for (unsigned row = CHART_ROWS; row > 0; row--)
		put_row(&g, row - 1, out);
	put_axis(&g, out);
	put_times(&g, out);
	free(g.tops);
}
