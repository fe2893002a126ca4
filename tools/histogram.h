/*
 * histogram - an answer grouped by time, and perhaps by one field more, as a picture.
 *
 * Severities are stacked in three colours, errors below; of another field the largest groups are, each
 * in its colour, and the rest as one.
 *
 * Thread: one. Memory: a number for each bar and colour. Errors: with a diag.
 */
#ifndef TOOLS_HISTOGRAM_H
#define TOOLS_HISTOGRAM_H

#include "tools/rows.h"

/* Buckets to ask for. */
size_t histogram_bars_max(const struct term *t);
int histogram_put(
	const struct rows *r, bool utc, const struct term *t, struct buf *out, struct diag *d);

#endif
