/*
 * retention - which segments are to be dropped: in each class first all whose newest event is older
 * than the age to keep, then the oldest until the class is not larger than it may be; then of all
 * classes, those of the lowest priority first and in it the oldest, until the store is not.
 *
 * A segment goes whole or not at all, so that retention never rewrites. Its age is that of its
 * newest event. Where the sender's clock was out of all reason (EVENT_FLAG_TIME_ODD) the caller
 * gives the time of arrival instead: an event dated 1970 is not dropped on the day it came, and one
 * dated 2106 does not stay for ever.
 *
 * Never dropped: what a legal hold is on, and what is of a class that is not configured. Somebody who
 * loses a section of the configuration must not lose the events, too.
 *
 * Thread: none of its own. Memory: an index over the items while choosing. Errors: -ENOMEM.
 */
#ifndef STORAGE_RETENTION_H
#define STORAGE_RETENTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "storage/retain_class.h"

enum retention_verdict {
	RETENTION_KEEP,
	RETENTION_HELD,       /* kept, whatever its age and size: its class is on hold */
	RETENTION_UNKNOWN,    /* kept: nobody says for how long */
	RETENTION_AGE,        /* its newest event is older than its class is kept */
	RETENTION_CLASS_SIZE, /* it is among the oldest of a class that is too large */
	RETENTION_SIZE,       /* the store is too large, and it goes next by priority and age */
	RETENTION_VERDICTS,
};

struct retention_rules {
	int64_t now_ns;     /* wall clock */
	uint64_t bytes_max; /* of all items together; 0: no bound */
	uint64_t need;      /* at least so many bytes have to go; 0: none */
};

struct retention_item {
	uint64_t no;       /* of the segment; among equally old ones the smaller goes first */
	int64_t newest_ns; /* time of its newest event */
	uint64_t bytes;    /* of its files */
	const struct retain_class_rule *rule; /* of its class; NULL: it is not configured */

	enum retention_verdict verdict; /* out */
	uint64_t over_bytes; /* out, of both sizes: how far class or store was above the bound */
};

struct retention_total {
	size_t count[RETENTION_VERDICTS];
	uint64_t bytes[RETENTION_VERDICTS];
	uint64_t over_bytes; /* what is above bytes_max, or short of `need`, because it is kept */
};

static inline bool retention_is_kept(enum retention_verdict v)
{
	return v < RETENTION_AGE;
}

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
