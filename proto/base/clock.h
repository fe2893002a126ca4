/*
 * clock - wall and monotonic time in nanoseconds, replaceable in tests.
 *
 * Thread:  any; clock_fake and clock_real are for tests.
 * Errors:  none; the kernel's clocks do not fail.
 */
#ifndef PROTO_BASE_CLOCK_H
#define PROTO_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_SEC INT64_C(1000000000)
#define CLOCK_NS_PER_MS  INT64_C(1000000)
#define CLOCK_NS_PER_US  INT64_C(1000)

/* Nanoseconds since 1970-01-01 UTC, by the system's wall clock. */
int64_t clock_wall_ns(void);
/* Nanoseconds since an unknown start; never goes back. */
int64_t clock_mono_ns(void);
/* Processor time of this thread so far; never faked. */
int64_t clock_thread_ns(void);

/* Both clocks stand still at the given values until set again; clock_real undoes it. */
void clock_fake(int64_t wall_ns, int64_t mono_ns);
void clock_real(void);

#endif
