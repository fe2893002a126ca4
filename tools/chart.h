/*
 * chart - numbers as bars for a terminal: one lying bar, or a histogram of standing ones.
 *
 * Bars are made of eighths of a character where the terminal takes UTF-8, and of # elsewhere. A number
 * above zero is never drawn as nothing.
 *
 * Thread: any. Memory: the caller's buffer. Errors: stick in the buffer.
 */
#ifndef TOOLS_CHART_H
#define TOOLS_CHART_H

#include <stdint.h>

#include "proto/base/buf.h"
#include "tools/term.h"

enum {
	CHART_LAYERS_MAX = 8,
	CHART_ROWS = 8, /* height of a histogram */
	CHART_LABEL_BYTES = 32,
};

/* One colour of the stack: a number for each bar. */
struct chart_layer {
	const char *ink;   /* escape sequences, static text */
	const char *paper; /* the same colour as background */
	const double *values;
};

struct chart {
	const struct chart_layer *layers; /* from below */
	size_t layers_count;
	size_t bars_count;
	const int64_t *starts_ns; /* of each bar's time */
	int64_t bucket_ns;
	bool utc;
};

/* A bar of value / max of so many columns, without blanks after it. */
void chart_bar(const struct term *t, double value, double max, unsigned columns, struct buf *out);

/* Bars that a histogram has room for at this width. */
size_t chart_bars_max(const struct term *t);
/* The whole picture, each line ended. More bars than there is room for are added up in groups. */
void chart_histogram(const struct term *t, const struct chart *c, struct buf *out);

/* "950", "12.3k", "4.0M": at most five characters. */
void chart_short_number(double v, char dst[CHART_LABEL_BYTES]);

#endif
