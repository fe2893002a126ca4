#include "proto/base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

/* Relaxed: a test that turns the clock while threads run wants it to arrive soon, not in order. */
static _Atomic bool fake;
static _Atomic int64_t fake_wall_ns;
static _Atomic int64_t fake_mono_ns;

static int64_t get(_Atomic int64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static bool is_fake(void)
{
	return atomic_load_explicit(&fake, memory_order_relaxed);
}

static int64_t now_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * CLOCK_NS_PER_SEC + t.tv_nsec;
}

int64_t clock_wall_ns(void)
{
	return is_fake() ? get(&fake_wall_ns) : now_ns(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
	return is_fake() ? get(&fake_mono_ns) : now_ns(CLOCK_MONOTONIC);
}

int64_t clock_thread_ns(void)
{
	return now_ns(CLOCK_THREAD_CPUTIME_ID);
}

void clock_fake(int64_t wall_ns, int64_t mono_ns)
{
	atomic_store(&fake_wall_ns, wall_ns);
	atomic_store(&fake_mono_ns, mono_ns);
	atomic_store(&fake, true);
}

void clock_real(void)
{
	atomic_store(&fake, false);
}
