/*
 * agg_bucket - which bucket of a fixed width a time lies in, and where that begins.
 *
 * Bucket n is [n * width + origin, (n + 1) * width + origin). The origin is 1970-01-01 00:00, for widths of
 * whole weeks Monday 1970-01-05, in the local time that is zone_ns ahead of UTC.
 *
 * Thread: any. Memory: none. Errors: none; a begin or an end before or behind what an int64 holds is cut to it.
 */
#ifndef QUERY_AGG_BUCKET_H
#define QUERY_AGG_BUCKET_H

#include <stdint.h>

#include "proto/base/limits.h"

enum {
	AGG_BUCKET_AUTO_MIN = 4,
	AGG_BUCKET_AUTO_MAX = 10000,
};

/* The widest bucket: 146 years. */
#define AGG_BUCKET_NS_MAX (INT64_C(1) << 62)

struct agg_bucket {
	int64_t width_ns;
	int64_t origin_ns;
};

/* width_ns: 1..AGG_BUCKET_NS_MAX; zone_ns: less than a day either way. */
struct agg_bucket agg_bucket_of(int64_t width_ns, int64_t zone_ns);

int64_t agg_bucket_index(const struct agg_bucket *b, int64_t time_ns);
int64_t agg_bucket_begin(const struct agg_bucket *b, int64_t index);
/* Inclusive. */
int64_t agg_bucket_end(const struct agg_bucket *b, int64_t index);

/* The smallest handy width that has at most `most` (AGG_BUCKET_AUTO_MIN at least) buckets from..to. */
int64_t agg_bucket_auto(int64_t from_ns, int64_t to_ns, uint32_t most, int64_t zone_ns);

#endif
