/*
 * partition - splits the rows of one seal, or of one merge of pooled segments, into segments by their
 * retention class and the UTC day of their event time.
 *
 * Rows are counted first, then planned, then each row is asked for its group. A day of a class is a
 * group; an hour is one only where it alone has hour_rows_min rows. Days beyond the fullest days_free
 * with fewer than day_rows_min rows, and those that LIMIT_SEAL_SEGMENTS groups have no room for, are
 * pooled in the mixed group of their class. Hours seen after PARTITION_KEYS_MAX others are not
 * counted one by one: their rows go to the mixed group of their class.
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

struct partition_conf {
	uint64_t hour_rows_min; /* 0: no group is smaller than a day */
	uint64_t day_rows_min;
	unsigned days_free;
	uint32_t block_rows; /* of the writers; 0: LIMIT_BLOCK_ROWS */
};

struct partition_group {
	unsigned class_idx;
	int32_t day;  /* days since 1970-01-01 UTC; 0 when mixed */
	uint8_t hour; /* 0..23, MANIFEST_HOUR_DAY, MANIFEST_HOUR_MIXED */
	uint64_t rows_count;
	uint64_t bytes;
};

struct partition_key;

struct partition {
	struct partition_conf conf;
	uint64_t seed;
	struct partition_key *slots; /* open addressing */
	uint32_t slots_mask;
	uint32_t keys_count;
	struct partition_key *last; /* rows of one hour come together */
	/* By class: of hours that were not counted. */
	uint64_t other_rows[LIMIT_CLASSES];
	uint64_t other_bytes[LIMIT_CLASSES];
	bool single; /* all rows are in one group */
	bool planned;
	unsigned groups_count;
	struct partition_group groups[LIMIT_SEAL_SEGMENTS];
};

int partition_init(struct partition *p, const struct partition_conf *conf);
void partition_fini(struct partition *p);
void partition_reset(struct partition *p);

/* One row of that class, event time and size. Not after plan. */
int partition_count(struct partition *p, unsigned class_idx, int64_t time_ns, uint64_t bytes);
int partition_plan(struct partition *p);
/* Instead of count and plan, where all rows are known to be of one class and day. */
void partition_single(
	struct partition *p, unsigned class_idx, int32_t day, uint64_t rows, uint64_t bytes);
/* The group of a row that was counted. */
unsigned partition_of(struct partition *p, unsigned class_idx, int64_t time_ns);

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
