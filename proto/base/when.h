/*
 * when - the time words people type, as in journalctl.
 *
 *	now  today  yesterday  tomorrow  today 14:00  yesterday 14:00:30.5  14:00
 *	-1h  +5m  -1h30min  1h ago  1h 30min ago  2 days ago  10 min left
 *	@1700000000  @1700000000.25
 *	2026-11-20  2026-11-20 14:00  2026-11-20T14:00:00.5+01:00  2026-11-20 14:00 UTC
 *
 * Units: ns, us, ms, s, m or min, h, d, w, M or month (30.44 days), y (365.25 days), and their
 * usual longer names. A number may have a fraction: 1.5h.
 *
 * Thread: any; WHEN_LOCAL asks libc for the zone (TZ). Memory: none.
 * Errors: ERR_SYNTAX and ERR_RANGE with a diag whose text quotes the input and says what is taken.
 */
#ifndef PROTO_BASE_WHEN_H
#define PROTO_BASE_WHEN_H

#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/base/span.h"

enum when_zone {
	WHEN_UTC,
	WHEN_LOCAL,
};

struct when {
	int64_t ns;
	/*
	 * What the text names, for a caller whose range end covers it: a day for a date, a minute for
	 * 14:00, a second, a fraction. 1 for words and relative times, which name an instant: `today`
	 * is its first one, as in journalctl.
	 */
	int64_t unit_ns;
};

/* now_ns: what `now` is, wall clock. A zone in the text beats `zone`. */
int when_parse(
	struct span text, enum when_zone zone, int64_t now_ns, struct when *out, struct diag *d);

/*
 * A duration alone: `90s`, `1h 30min`, `7d`; a number without a unit is refused unless it is 0.
 * Not negative.
 */
int when_duration(struct span text, int64_t *out_ns, struct diag *d);

#endif
