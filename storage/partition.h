/*
 * partition - splits the rows of one seal, or of one merge of pooled segments, into segments by the
 * UTC hour of their event time.
 *
 * Rows are counted first, then planned, then each row is asked for its group. With at most
 * LIMIT_SEAL_SEGMENTS hours each hour is a group. With more, the fullest half of the groups stay
 * hours, the rows of other hours are pooled by day, and what is left over when the days are too many
 * as well goes into one mixed group. Hours seen after PARTITION_KEYS_MAX others are not counted one by
 * one: their rows go to the mixed group.
 *
 * Life:    init, count..., plan, of...; reset and again; fini.
 * Thread:  one at a time.
 * Memory:  about 100 bytes for each hour seen, at most PARTITION_KEYS_MAX of them; fini gives it back.
 * Errors:  -ENOMEM.
 */
#ifndef STORAGE_PARTITION_H
#define STORAGE_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/limits.h"

enum { PARTITION_KEYS_MAX = 65536 };

struct partition_group {
	int32_t day;  /* days since 1970-01-01 UTC; 0 when mixed */
	uint8_t hour; /* 0..23, MANIFEST_HOUR_DAY, MANIFEST_HOUR_MIXED */
	uint64_t rows_count;
	uint64_t bytes;
};

struct partition_key;

struct partition {
	bool by_day;       /* no group is smaller than a day */
	uint64_t rows_min; /* an hour or day with fewer rows has no group of its own */
	uint64_t seed;
	struct partition_key *slots; /* open addressing */
	uint32_t slots_mask;
	uint32_t keys_count;
	struct partition_key *last; /* rows of one hour come together */
	uint64_t other_rows;        /* of hours that were not counted */
	uint64_t other_bytes;
	bool planned;
	unsigned groups_count;
	struct partition_group groups[LIMIT_SEAL_SEGMENTS];
};

int partition_init(struct partition *p, bool by_day, uint64_t rows_min);
void partition_fini(struct partition *p);
void partition_reset(struct partition *p);

/* One row of that event time and size. Not after plan. */
int partition_count(struct partition *p, int64_t time_ns, uint64_t bytes);
int partition_plan(struct partition *p);
/* The group of a row that was counted. */
unsigned partition_of(struct partition *p, int64_t time_ns);

/*
 * The groups to be written at the same time from group `first` on: at most segments_max of them, whose
 * writers hold at most bytes_max of rows together; at least one. Returns the first that is left.
 */
unsigned partition_pass(
	const struct partition *p, unsigned first, unsigned segments_max, uint64_t bytes_max);

/* Whole hours and days since 1970, rounded down. */
int32_t partition_hour(int64_t time_ns);
int32_t partition_day(int64_t time_ns);

#endif
