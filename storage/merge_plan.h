/*
 * merge_plan - which segments are worth merging.
 *
 * Segments of one UTC day that is closed are merged with each other, and so are the mixed ones. Within
 * such a set the smallest come first, and one more joins while it is small (small_bytes) or not much
 * larger than the smaller ones together (ratio): so a large segment is written again only when that
 * much has come to it, and each row is rewritten a few times in its life at most.
 *
 * Thread: none of its own. Memory: an index over the segments. Errors: -ENOMEM.
 */
#ifndef STORAGE_MERGE_PLAN_H
#define STORAGE_MERGE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/manifest.h"

struct merge_plan_conf {
	int64_t now_ns;
	int64_t grace_ns;     /* a day is closed so long after its end */
	uint64_t small_bytes; /* joins whatever the others are */
	uint64_t ratio;       /* else not larger than so many times the smaller ones together */
	uint64_t bytes_max;   /* inputs of one merge ... */
	uint32_t blocks_max;
	size_t segments_max;
};

/* inputs[first] to inputs[first + count - 1], smallest first; count is at least 2. */
struct merge_plan_merge {
	size_t first;
	size_t count;
	bool mixed;
};

struct merge_plan {
	size_t *inputs; /* places in the list of segments */
	struct merge_plan_merge *merges;
	size_t merges_count;
};

/* skip: by place in the list, true for those to leave alone; NULL: none. */
int merge_plan_make(const struct merge_plan_conf *conf, const struct manifest_segment *segs,
	size_t segs_count, const bool *skip, struct merge_plan *out);
void merge_plan_fini(struct merge_plan *p);

#endif
