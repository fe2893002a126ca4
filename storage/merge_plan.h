/*
 * merge_plan - which segments are worth merging.
 *
 * By cron: segments of one UTC day that is closed are merged with each other, and so are the mixed
 * ones; always those of one class. Within such a set the smallest come first, and one more joins
 * while it is small (small_bytes) or not much larger than the smaller ones together (ratio): so a
 * large segment is written again only when that much has come to it, and each row is rewritten a few
 * times in its life at most.
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

/*
 * For merging while events come in: within a set (closed or not) segments are of one tier when their
 * sizes are alike, that is, between small_bytes * fanout^k and fanout times as much; all below
 * small_bytes are of the lowest. fanout of a tier, the oldest first, become one of a higher: so each
 * row is rewritten once for each tier, and a set never has fanout segments of a tier.
 */
struct merge_plan_tiers {
	uint64_t small_bytes;
	unsigned fanout;
	uint64_t bytes_max; /* inputs of one merge */
	uint32_t blocks_max;
	/* A closed day without segments later than quiet_no is tidied up (merge_plan_make). */
	uint64_t quiet_no;
	struct merge_plan_conf tidy;
};

/* At most one merge, the cheapest: of the lowest tier that is full; else of a closed, quiet day. */
int merge_plan_tier(const struct merge_plan_tiers *conf, const struct manifest_segment *segs,
	size_t segs_count, const bool *skip, struct merge_plan *out);
void merge_plan_fini(struct merge_plan *p);

#endif
