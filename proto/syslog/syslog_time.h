/*
 * syslog_time - the stamps of syslog messages: what they say, and what they leave out.
 *
 * Taken:   Mmm dd hh:mm:ss           RFC 3164; the month in any case, the day as `1`, ` 1` or `01`
 *          Mmm dd yyyy hh:mm:ss      a year before or after the time, a fraction, and a zone behind it:
 *          Mmm dd hh:mm:ss.f yyyy    one of the words below before a space or colon, +hh:mm, or any
 *          Mmm dd hh:mm:ss ZONE      word before a colon
 *          yyyy Mmm dd hh:mm:ss
 *          yyyy-mm-ddThh:mm:ss[.f][Z|+hh:mm|-hh:mm|+hhmm|-hhmm], T in any case or one space
 * A point or comma begins a fraction of 1 to 9 digits. Second 60 is the last microsecond of 59.
 *
 * Without a year it is the latest one that puts the stamp no more than a day after its arrival: the
 * last second of December read in January, and the first of January from a clock that is fast. The
 * 29th of February goes back to a year that has one. Without a zone the stamp is of the zone given.
 *
 * Thread:  one at a time for each syslog_zone; `local` asks libc for the zone (TZ).
 * Memory:  none.
 * Errors:  none; what is no stamp is no stamp.
 */
#ifndef PROTO_SYSLOG_SYSLOG_TIME_H
#define PROTO_SYSLOG_SYSLOG_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/span.h"

/* Where stamps without a zone are from. */
struct syslog_zone {
	bool local;
	int32_t offset_s; /* east of UTC, unless local */
	int64_t hour; /* the last one that libc was asked for, since 1970 by the clock on the wall */
	int64_t near; /* ... and the hour of arrival */
	int32_t hour_offset_s;
	bool asked;
};

enum syslog_stamp_form {
	SYSLOG_STAMP_BSD,   /* begins with a month, or a year and a month */
	SYSLOG_STAMP_ISO,   /* RFC 3339 */
	SYSLOG_STAMP_SPACE, /* the same with a space for the T */
};

struct syslog_stamp {
	int64_t ns;
	enum syslog_stamp_form form;
};

/* "local", "UTC", "+02:00", "-0330". False: none of them. */
bool syslog_time_zone(struct span text, struct syslog_zone *out);

/* Bytes of the stamp that the text begins with; 0: it begins with none. */
size_t syslog_time_stamp(
	struct syslog_zone *zone, int64_t received_ns, struct span text, struct syslog_stamp *out);

#endif
