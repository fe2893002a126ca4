/*
 * zonetime - instants as people read them: in the local zone (TZ) or in UTC.
 *
 * Thread: one; libc is asked for the zone. Memory: the caller's buffer. Errors: stick in the buffer.
 */
#ifndef TOOLS_ZONETIME_H
#define TOOLS_ZONETIME_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"

/*
 * "2026-11-20 19:42:44.123": a time that can be typed after --since. In UTC it ends in Z, so that it
 * means the same everywhere; digits < 0 means as many as there are.
 */
void zonetime_put(int64_t ns, bool utc, int digits, struct buf *out);
/* " +01:00"; nothing in UTC, where the time says it itself. */
void zonetime_put_zone(int64_t ns, bool utc, struct buf *out);
/* "2026-11-20T19:42:44.123+01:00". */
void zonetime_put_iso(int64_t ns, bool utc, int digits, struct buf *out);
/* Nanoseconds east of UTC at that moment. */
int64_t zonetime_offset(int64_t ns, bool utc);

/* The local zone from here on. ERR_UNKNOWN: the system has no zone of that name. */
int zonetime_set(const char *zone, struct diag *d);

#endif
