/*
 * timefmt - nanoseconds since 1970 UTC as text, and back: RFC 3339 and its near relatives.
 *
 * Taken:   YYYY-MM-DD [T, t or one space] HH:MM[:SS[.F{1,9}]] [Z, z, +HH:MM, -HH:MM, +HHMM, -HHMM]
 *          and a bare date. A comma may stand for the point. Ranges are strict (no 30 February, no
 *          24:00). Second 60 is taken where a leap second can be: at 23:59:60 UTC on the last day
 *          of a month; it is the instant that follows, as in POSIX time.
 * Given:   YYYY-MM-DDTHH:MM:SS[.F]Z with as many digits of F as are not zero.
 * Range:   what an int64_t of nanoseconds holds: 1677-09-21 to 2262-04-11.
 *
 * Thread: none of its own. Memory: none; no locale, no environment, no libc time functions.
 * Errors: ERR_SYNTAX, not of this form; ERR_RANGE, no such date or time, or outside the range.
 */
#ifndef PROTO_BASE_TIMEFMT_H
#define PROTO_BASE_TIMEFMT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/span.h"

enum {
	/* "1677-09-21T00:12:43.145224192Z" */
	TIMEFMT_BYTES_MAX = 30,
	/* "1677-09-21T00:12:" */
	TIMEFMT_MINUTE_BYTES = 17,
};

struct timefmt {
	int64_t ns;      /* the instant; without a zone in the text, taken as UTC */
	int64_t unit_ns; /* what the text names: a day, a minute, a second, or 10^-n of a second */
	bool zoned;      /* the text names its offset from UTC */
};

/* The whole text, nothing before or after it. */
int timefmt_parse(struct span text, struct timefmt *out);

/* Writes at most TIMEFMT_BYTES_MAX bytes, without a NUL, and returns their number. Any value. */
size_t timefmt_put(char *dst, int64_t ns);
/* The minute written last: times of a list mostly have it in common. Zeroed: none. */
struct timefmt_memo {
	int64_t minute;
	char text[TIMEFMT_MINUTE_BYTES];
};
/* As timefmt_put, and cheaper for a time of the memo's minute. */
size_t timefmt_put_memo(char *dst, int64_t ns, struct timefmt_memo *memo);
/*
 * The same with a fixed number of digits, 0..9, cut and not rounded; no point when 0. Needs the same
 * room, although it returns less.
 */
size_t timefmt_put_digits(char *dst, int64_t ns, unsigned digits);

/* Days from 1970-01-01 to a date of the Gregorian calendar; month 1..12, day from 1, not checked. */
int64_t timefmt_days(int64_t year, unsigned month, unsigned day);
/* The date of that day. */
void timefmt_date(int64_t days, int64_t *out_year, unsigned *out_month, unsigned *out_day);

#endif
