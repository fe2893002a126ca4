#include "proto/base/clock.h"

#include <stdbool.h>
#include <time.h>

static bool fake;
static int64_t fake_wall_ns;
static int64_t fake_mono_ns;

static int64_t now_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * CLOCK_NS_PER_SEC + t.tv_nsec;
}

int64_t clock_wall_ns(void)
{
	return fake ? fake_wall_ns : now_ns(CLOCK_REALTIME);
}

int64_t clock_mono_ns(void)
{
	return fake ? fake_mono_ns : now_ns(CLOCK_MONOTONIC);
}

void clock_fake(int64_t wall_ns, int64_t mono_ns)
{
	fake = true;
	fake_wall_ns = wall_ns;
	fake_mono_ns = mono_ns;
}

void clock_real(void)
{
	fake = false;
}
