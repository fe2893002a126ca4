/*
 * retention - which segments are to be dropped: first all whose newest event is older than the age
 * to keep, then the oldest of the rest until the store is not larger than it may be.
 *
 * A segment goes whole or not at all, so that retention never rewrites. Its age is that of its
 * newest event. Where the sender's clock was out of all reason (EVENT_FLAG_TIME_ODD) the caller
 * gives the time of arrival instead: an event dated 1970 is not dropped on the day it came, and one
 * dated 2106 does not stay for ever.
 *
 * Thread: none of its own. Memory: an index over the items while choosing. Errors: -ENOMEM.
 */
#ifndef STORAGE_RETENTION_H
#define STORAGE_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"

enum retention_verdict {
	RETENTION_KEEP,
	RETENTION_AGE,  /* its newest event is older than keep_ns */
	RETENTION_SIZE, /* it is among the oldest of a store that is too large */
};

struct retention_rules {
	int64_t now_ns;     /* wall clock */
	int64_t keep_ns;    /* 0: for ever */
	uint64_t bytes_max; /* of all items together; 0: no bound */
};

struct retention_item {
	uint64_t no;       /* of the segment; among equally old ones the smaller goes first */
	int64_t newest_ns; /* time of its newest event */
	uint64_t bytes;    /* of its files */

	enum retention_verdict verdict; /* out */
	uint64_t over_bytes; /* out, RETENTION_SIZE: how far the store was above bytes_max */
};

struct retention_total {
	size_t kept_count;
	uint64_t kept_bytes;
	size_t age_count;
	uint64_t age_bytes;
	size_t size_count;
	uint64_t size_bytes;
};

/* Sets verdict and over_bytes of each item. The same items and rules give the same answer. */
int retention_choose(const struct retention_rules *rules, struct retention_item *items,
	size_t items_count, struct retention_total *out_total);

/* "newest event 2026-08-01T10:59:59Z is 111 d old, keep is 90 d": why the item got its verdict. */
void retention_explain(
	const struct retention_rules *rules, const struct retention_item *item, struct buf *out);

/* True for an event time that no sane clock shows: before 1990 or more than a year after now. */
static inline bool retention_time_odd(int64_t time_ns, int64_t now_ns)
{
	const int64_t y1990 = INT64_C(631152000) * 1000000000;
	const int64_t year = INT64_C(366) * 86400 * 1000000000;

	return time_ns < y1990 || time_ns > (now_ns < INT64_MAX - year ? now_ns + year : INT64_MAX);
}

#endif
