/*
 * The pass of merging: plans what is worth merging (storage/merge_plan.h), and does one merge after the
 * other (storage/merge.h) until nothing is left.
 */
#include "storage/compact_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/merge.h"
#include "storage/merge_plan.h"

static void tell_inputs(
	struct compact *c, const struct manifest_segment *inputs, size_t n, const char *why)
{
	for (size_t i = 0; i < n; i++) {
		c->total.merged_segments++;
		c->total.merged_bytes += inputs[i].file_bytes;
		compact_tell(c, COMPACT_MERGED, &inputs[i], NULL, inputs[i].file_bytes, why);
	}
	c->total.merges++;
}

static void tell_merge(struct compact *c, const struct merge *m)
{
	char why[COMPACT_WHY_BYTES], path[MANIFEST_PATH_BYTES];
	const struct manifest_segment *inputs;
	size_t n = merge_inputs(m, &inputs), made = merge_made_count(m);

	if (made == 0)
		snprintf(why, sizeof why, "into nothing: all of its events were deleted");
	else
		manifest_segment_path(merge_made(m, 0), path);
	if (made > 1)
		snprintf(why, sizeof why, "into %s and %zu more", path, made - 1);
	else if (made == 1)
		snprintf(why, sizeof why, "into %s", path);
	tell_inputs(c, inputs, n, why);
	c->total.merged_rows += merge_rows_count(m);
	snprintf(why, sizeof why, "of %zu segments", n);
	for (size_t i = 0; i < made; i++) {
		const struct manifest_segment *s = merge_made(m, i);

		c->total.made_segments++;
		c->total.made_bytes += s->file_bytes;
		compact_tell(c, COMPACT_MADE, s, NULL, s->file_bytes, why);
	}
}

/* Whoever spoiled the merge is left out from now on: one input if it is known, else all of them. */
static int leave_out(struct compact *c, const struct merge *m,
	const struct manifest_segment *inputs, size_t n, const struct diag *why)
{
	size_t failed = merge_failed(m);
	bool known = failed < n;
	size_t first = known ? failed : 0, end = known ? first + 1 : n;
	int rc = 0;

	compact_tell_failure(c, &inputs[first], why);
	for (size_t i = first; i < end && rc == 0; i++)
		rc = compact_skip(c, inputs[i].no);
	return rc;
}

static int step_to_end(struct compact *c, struct merge *m, struct diag *d)
{
	int rc;

	do {
		if (compact_stopped(c))
			return diag_set(d, ERR_CANCELED, "", -1, "merge segments");
		rc = merge_step(m, d);
	} while (rc == MERGE_MORE);
	return rc;
}

/* 0: merged, or left out what cannot be. */
static int do_merge(
	struct compact *c, const struct manifest_segment *inputs, size_t n, struct diag *d)
{
	const struct merge_conf conf = {
		.vfs = c->vfs,
		.dir = c->dir,
		.uuid = c->uuid,
		.manifest = c->manifest,
		.reader = c->reader,
		.inputs = inputs,
		.inputs_count = n,
		.created_ns = c->conf.now_ns,
		.compress_level = COMPACT_COMPRESS_LEVEL,
		.block_rows = COMPACT_BLOCK_ROWS,
		.memory_bytes = COMPACT_MEMORY_BYTES,
	};
	struct diag why = { 0 };
	struct merge *m = NULL;
	int rc = merge_open(&conf, &m, &why);

	if (rc == 0)
		rc = step_to_end(c, m, &why);
	if (rc == 0)
		tell_merge(c, m);
	else if (!compact_fatal(rc) || rc == ERR_RANGE)
		rc = leave_out(c, m, inputs, n, &why);
	merge_close(&m);
	if (rc < 0 && d)
		*d = why;
	return rc;
}

/* 1: merged, or left out what cannot be: the plan is old now. 0: dry run. */
static int run_merge(struct compact *c, const struct manifest_segment *segs,
	const struct merge_plan *plan, const struct merge_plan_merge *of, struct diag *d)
{
	struct manifest_segment *inputs = calloc(of->count, sizeof *inputs);
	int rc = 0;

	if (!inputs)
		return diag_set(d, -ENOMEM, "", -1, "merge segments");
	for (size_t i = 0; i < of->count; i++)
		inputs[i] = segs[plan->inputs[of->first + i]];
	if (c->conf.dry_run)
		tell_inputs(c, inputs, of->count, "small enough beside each other");
	else
		rc = do_merge(c, inputs, of->count, d);
	free(inputs);
	return rc < 0 ? rc : !c->conf.dry_run;
}

/* ---- the pass ---- */

/* All merges that the present state suggests. 1: something changed, look again; 0: nothing is left. */
static int run_round(struct compact *c, const struct merge_plan_conf *conf,
	const struct manifest_segment *segs, size_t n, struct diag *d)
{
	struct merge_plan plan = { 0 };
	bool changed = false, *skip = calloc(n + 1, sizeof *skip);
	int rc = skip ? 0 : -ENOMEM;

	for (size_t i = 0; i < n && rc == 0; i++)
		skip[i] = compact_skipped(c, segs[i].no);
	if (rc == 0)
		rc = merge_plan_make(conf, segs, n, skip, &plan);
	if (rc < 0)
		diag_set(d, rc, "", -1, "plan merges");
	for (size_t i = 0; i < plan.merges_count && rc >= 0 && !compact_over(c); i++) {
		rc = run_merge(c, segs, &plan, &plan.merges[i], d);
		changed |= rc == 1;
	}
	merge_plan_fini(&plan);
	free(skip);
	return rc < 0 ? rc : changed;
}

int compact_merge(struct compact *c, struct diag *d)
{
	const struct merge_plan_conf conf = {
		.now_ns = c->conf.now_ns,
		.grace_ns = COMPACT_GRACE_S * CLOCK_NS_PER_SEC,
		.small_bytes = COMPACT_SMALL_BYTES,
		.ratio = COMPACT_RATIO,
		.bytes_max = c->conf.merge_bytes ? c->conf.merge_bytes : COMPACT_MERGE_BYTES,
		.blocks_max = MERGE_BLOCKS_MAX,
		.segments_max = MERGE_INPUTS_MAX,
	};
	int rc = 1;

	while (rc == 1 && !c->total.out_of_time) {
		struct manifest_segment *segs = NULL;
		size_t n = 0;

		rc = compact_live(c, &segs, &n, d);
		if (rc == 0)
			rc = run_round(c, &conf, segs, n, d);
		free(segs);
	}
	/* To be stopped is no failure: the merge under way was dropped, the rest is for the next run. */
	if (rc == ERR_CANCELED)
		c->total.out_of_time = true;
	return rc < 0 && rc != ERR_CANCELED ? rc : 0;
}
