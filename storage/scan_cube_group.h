/*
 * scan_cube_group - the lines of one table of a cube, put together by what is asked: for scan_cube.
 *
 * Life:    init, once for each segment run, fini.
 * Thread:  one at a time.
 * Memory:  SCAN_CUBE_BYTES at most, kept between runs.
 * Errors:  -ENOMEM; what the callback returned.
 */
#ifndef STORAGE_SCAN_CUBE_GROUP_H
#define STORAGE_SCAN_CUBE_GROUP_H

#include "storage/scan_cube.h"

struct scan_cube_group {
	const struct scan_cube_ask *ask;
	unsigned where_dims; /* that ask->where tests */
	struct expr_scratch *scratch;
	uint64_t *counts; /* by group and slot of time */
	size_t counts_cap;
	uint8_t *verdicts; /* of ask->where, by the codes it tests */
	size_t verdicts_cap;
	uint64_t rows; /* in all cells so far */
	/* Of the table at hand: for each bucket the slot of time it falls into; where these begin. */
	uint16_t slots[LIMIT_CUBE_BUCKETS];
	int64_t slot_times[LIMIT_CUBE_BUCKETS];
	uint32_t slots_count;
	uint16_t line_buckets[LIMIT_CUBE_BUCKETS];
	uint32_t line_rows[LIMIT_CUBE_BUCKETS];
};

/* Its buckets first .. next - 1, of which the earliest row is not before lo_ns. */
struct scan_cube_run {
	const struct sidx_cube *cube;
	const struct sidx_cube_table *table;
	uint32_t first;
	uint32_t next;
	int64_t lo_ns;
};

int scan_cube_group_init(
	struct scan_cube_group *g, const struct scan_cube_ask *ask, unsigned where_dims);
void scan_cube_group_fini(struct scan_cube_group *g);

int scan_cube_group_run(
	struct scan_cube_group *g, const struct scan_cube_run *r, scan_cube_cb cb, void *arg);

/* A test of the event time that is one range: the ask's own times stand for it (scan_cube.c). */
bool scan_cube_group_is_time(const struct expr *test);
/* Which bucket of the ask a time falls into, counted from bucket_from_ns. bucket_ns > 0. */
int64_t scan_cube_group_number(const struct scan_cube_ask *ask, int64_t time_ns);

#endif
