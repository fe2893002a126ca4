#include "query/agg_bucket.h"

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"

#define SECOND CLOCK_NS_PER_SEC
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define WEEK   (7 * DAY)

/* Behind the last one: it, doubled as often as need be. */
static const int64_t handy[] = {
	1000,
	10 * 1000,
	100 * 1000,
	CLOCK_NS_PER_MS,
	2 * CLOCK_NS_PER_MS,
	5 * CLOCK_NS_PER_MS,
	10 * CLOCK_NS_PER_MS,
	20 * CLOCK_NS_PER_MS,
	50 * CLOCK_NS_PER_MS,
	100 * CLOCK_NS_PER_MS,
	200 * CLOCK_NS_PER_MS,
	500 * CLOCK_NS_PER_MS,
	SECOND,
	2 * SECOND,
	5 * SECOND,
	10 * SECOND,
	15 * SECOND,
	30 * SECOND,
	MINUTE,
	2 * MINUTE,
	5 * MINUTE,
	10 * MINUTE,
	15 * MINUTE,
	30 * MINUTE,
	HOUR,
	2 * HOUR,
	3 * HOUR,
	6 * HOUR,
	12 * HOUR,
	DAY,
	2 * DAY,
	WEEK,
	2 * WEEK,
	4 * WEEK,
	13 * WEEK,
	26 * WEEK,
	52 * WEEK,
};

struct agg_bucket agg_bucket_of(int64_t width_ns, int64_t zone_ns)
{
	ASSERT(width_ns > 0);
	ASSERT(width_ns <= AGG_BUCKET_NS_MAX);
	ASSERT(zone_ns > -DAY && zone_ns < DAY);
	return (struct agg_bucket){ width_ns, (width_ns % WEEK == 0 ? 4 * DAY : 0) - zone_ns };
}

static int64_t cut(__int128 v)
{
	if (v < INT64_MIN)
		return INT64_MIN;
	return v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

int64_t agg_bucket_index(const struct agg_bucket *b, int64_t time_ns)
{
	__int128 since = (__int128)time_ns - b->origin_ns;
	__int128 index = since / b->width_ns;

	return cut(index - (since % b->width_ns < 0));
}

int64_t agg_bucket_begin(const struct agg_bucket *b, int64_t index)
{
	return cut((__int128)index * b->width_ns + b->origin_ns);
}

int64_t agg_bucket_end(const struct agg_bucket *b, int64_t index)
{
	return cut(((__int128)index + 1) * b->width_ns + b->origin_ns - 1);
}

static bool fits(int64_t width_ns, int64_t from_ns, int64_t to_ns, uint32_t most, int64_t zone_ns)
{
	struct agg_bucket b = agg_bucket_of(width_ns, zone_ns);
	__int128 count = (__int128)agg_bucket_index(&b, to_ns) - agg_bucket_index(&b, from_ns) + 1;

	return count <= most;
}

int64_t agg_bucket_auto(int64_t from_ns, int64_t to_ns, uint32_t most, int64_t zone_ns)
{
	int64_t width = handy[ARRAY_COUNT(handy) - 1];

	ASSERT(from_ns <= to_ns);
	ASSERT(most >= AGG_BUCKET_AUTO_MIN);
	for (size_t i = 0; i < ARRAY_COUNT(handy); i++) {
		if (fits(handy[i], from_ns, to_ns, most, zone_ns))
			return handy[i];
	}
	while (!fits(width, from_ns, to_ns, most, zone_ns) && width <= AGG_BUCKET_NS_MAX / 2)
		width *= 2;
	return width;
}
