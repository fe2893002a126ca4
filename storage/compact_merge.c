/*
 * A merge: the rows of its inputs in id order go into one new segment of the day, or, where mixed
 * segments are merged, into one for each day that has enough of them and a mixed one for the rest.
 * The new segments are then read back from the disk and must hold exactly the rows that were read
 * from the old ones; only after that does one manifest change put the new in the place of the old.
 */
#include "storage/compact_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/merge_plan.h"
#include "storage/merge_rows.h"
#include "storage/partition.h"
#include "storage/publish.h"
#include "storage/recover.h"
#include "storage/row.h"
#include "storage/seg_reader.h"
#include "storage/snapshot_int.h"

enum {
	/* A day needs so many rows to leave the mixed segments. */
	DAY_ROWS_MIN = LIMIT_BLOCK_ROWS / 4,
	/* Segments written at a time, and the rows they hold in memory. */
	PASS_SEGMENTS_MAX = 16,
	PASS_BYTES_MAX = 16 << 20,
	/* Inputs of one merge. */
	INPUTS_MAX = 512,
	/* The merged one then has fewer than LIMIT_SEGMENT_BLOCKS however its rows fall into blocks. */
	BLOCKS_MAX = LIMIT_SEGMENT_BLOCKS / 3,
	/* Written once and read for long: worth more work than a seal's. */
	COMPRESS_LEVEL = 6,
	GROUP_NOT_NOW = -1,
};

static_assert((int)INPUTS_MAX <= (int)LIMIT_CHANGE_SEGMENTS, "one change drops all inputs");

struct merge {
	struct compact *c;
	bool mixed;
	struct store_snapshot *snap;
	struct manifest_segment *inputs;
	size_t *places; /* of the inputs in the snapshot */
	const struct seg_reader **readers;
	size_t opened_count; /* of readers */
	size_t inputs_count;
	struct partition part; /* mixed only */
	struct publish *publish;
	int groups[LIMIT_SEAL_SEGMENTS];
	struct merge_digest before;
	struct merge_digest after;
	struct buf scratch;
	size_t failed; /* input that cannot be read; SIZE_MAX: none */
};

/* ---- inputs ---- */

static size_t find_place(const struct store_snapshot *snap, uint64_t no)
{
	size_t low = 0, high = snapshot_segment_count(snap);

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (snapshot_segment(snap, mid)->no < no)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < snapshot_segment_count(snap) && snapshot_segment(snap, low)->no == no)
		return low;
	return SIZE_MAX;
}

static void put_last_reader(struct merge *m)
{
	snapshot_segment_put(m->snap, m->places[--m->opened_count]);
}

static int open_inputs(struct merge *m, struct diag *d)
{
	int rc = store_reader_snapshot(m->c->reader, &m->snap, d);

	for (size_t i = 0; i < m->inputs_count && rc == 0; i++) {
		m->places[i] = find_place(m->snap, m->inputs[i].no);
		if (m->places[i] == SIZE_MAX)
			return diag_set(d, ERR_STALE, "manifest", -1, "find a segment to merge");
		rc = snapshot_segment_get(m->snap, m->places[i], &m->readers[i], d);
		if (rc < 0)
			m->failed = i;
		else
			m->opened_count++;
	}
	return rc;
}

/* Leaves out the largest inputs until the others' rows fit into memory side by side. */
static void fit_memory(struct merge *m)
{
	while (m->inputs_count > 1 &&
		merge_rows_peak(m->readers, m->inputs_count) > COMPACT_MEMORY_BYTES) {
		put_last_reader(m);
		m->inputs_count--;
	}
}

/* ---- rows ---- */

typedef int (*row_cb)(struct merge *m, const struct event *ev, struct diag *d);

static int each_row(struct merge *m, row_cb row, struct diag *d)
{
	struct merge_rows *rows = NULL;
	uint64_t blocks = 0;
	struct event ev;
	int rc = merge_rows_open(m->readers, m->inputs_count, &rows, d);

	while (rc == 0) {
		rc = merge_rows_next(rows, &ev, d);
		if (rc < 0)
			m->failed = merge_rows_failed(rows);
		if (rc <= 0)
			break;
		if (merge_rows_blocks(rows) != blocks && compact_stopped(m->c)) {
			rc = diag_set(d, ERR_CANCELED, "", -1, "merge segments");
			break;
		}
		blocks = merge_rows_blocks(rows);
		rc = row(m, &ev, d);
	}
	merge_rows_close(&rows);
	return rc;
}

static int digest_row(
	struct merge *m, const struct event *ev, struct merge_digest *g, struct diag *d)
{
	int rc = merge_rows_digest(g, ev, &m->scratch);

	return rc < 0 ? diag_set(d, rc, "", -1, "digest a row of a merge") : 0;
}

static int count_row(struct merge *m, const struct event *ev, struct diag *d)
{
	int rc = digest_row(m, ev, &m->before, d);

	if (rc < 0)
		return rc;
	rc = partition_count(&m->part, ev->time_ns, row_bound(ev));
	return rc < 0 ? diag_set(d, rc, "", -1, "count the rows of a merge") : 0;
}

static int write_mixed_row(struct merge *m, const struct event *ev, struct diag *d)
{
	int group = m->groups[partition_of(&m->part, ev->time_ns)];

	return group == GROUP_NOT_NOW ? 0 : publish_append(m->publish, (unsigned)group, ev, d);
}

static int write_row(struct merge *m, const struct event *ev, struct diag *d)
{
	int rc = digest_row(m, ev, &m->before, d);

	return rc < 0 ? rc : publish_append(m->publish, (unsigned)m->groups[0], ev, d);
}

/* ---- outputs ---- */

static unsigned next_gen(const struct merge *m)
{
	unsigned gen = 0;

	for (size_t i = 0; i < m->inputs_count; i++)
		gen = m->inputs[i].gen > gen ? m->inputs[i].gen : gen;
	return gen + 1;
}

static int begin_group(struct merge *m, unsigned i, int32_t day, unsigned hour, struct diag *d)
{
	unsigned group = 0;
	int rc = publish_begin(m->publish, day, hour, next_gen(m), &group, d);

	m->groups[i] = (int)group;
	return rc;
}

static int write_day(struct merge *m, struct diag *d)
{
	unsigned hour = m->inputs[0].hour;
	int rc;

	for (size_t i = 1; i < m->inputs_count; i++) {
		if (m->inputs[i].hour != hour)
			hour = MANIFEST_HOUR_DAY;
	}
	rc = begin_group(m, 0, m->inputs[0].day, hour, d);
	if (rc == 0)
		rc = each_row(m, write_row, d);
	return rc == 0 ? publish_finish(m->publish, (unsigned)m->groups[0], d) : rc;
}

static int write_pass(struct merge *m, unsigned first, unsigned next, struct diag *d)
{
	int rc = 0;

	for (unsigned i = first; i < next && rc == 0; i++)
		rc = begin_group(m, i, m->part.groups[i].day, m->part.groups[i].hour, d);
	if (rc == 0)
		rc = each_row(m, write_mixed_row, d);
	for (unsigned i = first; i < next && rc == 0; i++) {
		rc = publish_finish(m->publish, (unsigned)m->groups[i], d);
		m->groups[i] = GROUP_NOT_NOW;
	}
	return rc;
}

static int write_mixed(struct merge *m, struct diag *d)
{
	int rc = partition_init(&m->part, true, DAY_ROWS_MIN);

	if (rc < 0)
		return diag_set(d, rc, "", -1, "merge mixed segments");
	rc = each_row(m, count_row, d);
	if (rc == 0 && partition_plan(&m->part) < 0)
		rc = diag_set(d, -ENOMEM, "", -1, "plan the segments of a merge");
	for (unsigned first = 0, next; rc == 0 && first < m->part.groups_count; first = next) {
		next = partition_pass(&m->part, first, PASS_SEGMENTS_MAX, PASS_BYTES_MAX);
		rc = write_pass(m, first, next, d);
	}
	return rc;
}

static int read_back_one(struct merge *m, const char *name, struct diag *d)
{
	struct seg_reader *reader = NULL;
	struct block *b = block_new();
	struct event ev;
	int rc = b ? 0 : diag_set(d, -ENOMEM, name, -1, "read back a merged segment");

	if (rc == 0)
		rc = seg_reader_open(m->c->vfs, m->c->dir, name, &reader, d);
	for (uint32_t i = 0; rc == 0 && i < seg_reader_info(reader)->blocks_count; i++) {
		rc = seg_reader_rows(reader, i, b, d);
		for (uint32_t row = 0; rc == 0 && row < b->rows_count; row++) {
			block_get(b, row, &ev);
			rc = digest_row(m, &ev, &m->after, d);
		}
	}
	seg_reader_close(&reader);
	block_free(&b);
	return rc;
}

static int read_back(struct merge *m, struct diag *d)
{
	int rc = 0;

	for (size_t i = 0; i < publish_count(m->publish) && rc == 0; i++)
		rc = read_back_one(m, publish_tmp_name(m->publish, i), d);
	if (rc == 0 && !merge_rows_same(&m->before, &m->after))
		rc = diag_set(d, ERR_CORRUPT, publish_tmp_name(m->publish, 0), -1,
			"a merged segment reads back with other rows than went in; "
			"nothing was replaced");
	return rc;
}

/* ---- one merge ---- */

static int do_merge(struct merge *m, struct diag *d)
{
	struct compact *c = m->c;
	const struct publish_conf conf = {
		.vfs = c->vfs,
		.dir = c->dir,
		.uuid = c->uuid,
		.manifest = c->manifest,
		.prefix = RECOVER_TMP_COMPACT,
		.class_name = m->inputs[0].class_name,
		.created_ns = c->conf.now_ns,
		.compress_level = COMPRESS_LEVEL,
		.leftovers = true,
	};
	int rc = open_inputs(m, d);

	if (rc < 0)
		return rc;
	fit_memory(m);
	if (m->inputs_count < 2)
		return diag_set(d, ERR_LIMIT, "", -1, "merge segments in so little memory");
	for (unsigned i = 0; i < LIMIT_SEAL_SEGMENTS; i++)
		m->groups[i] = GROUP_NOT_NOW;
	rc = publish_open(&conf, &m->publish, d);
	if (rc == 0)
		rc = m->mixed ? write_mixed(m, d) : write_day(m, d);
	if (rc == 0)
		rc = read_back(m, d);
	if (rc == 0)
		rc = publish_commit(m->publish, m->inputs, m->inputs_count, 0, d);
	return rc;
}

static void tell_inputs(struct merge *m, const char *why)
{
	for (size_t i = 0; i < m->inputs_count; i++) {
		m->c->total.merged_segments++;
		m->c->total.merged_bytes += m->inputs[i].file_bytes;
		compact_tell(
			m->c, COMPACT_MERGED, &m->inputs[i], NULL, m->inputs[i].file_bytes, why);
	}
	m->c->total.merges++;
}

static void tell_merge(struct merge *m)
{
	char why[COMPACT_WHY_BYTES], path[MANIFEST_PATH_BYTES];
	size_t made = publish_count(m->publish);

	manifest_segment_path(publish_segment(m->publish, 0), path);
	if (made > 1)
		snprintf(why, sizeof why, "into %s and %zu more", path, made - 1);
	else
		snprintf(why, sizeof why, "into %s", path);
	tell_inputs(m, why);
	m->c->total.merged_rows += m->before.rows_count;
	snprintf(why, sizeof why, "of %zu segments", m->inputs_count);
	for (size_t i = 0; i < made; i++) {
		const struct manifest_segment *s = publish_segment(m->publish, i);

		m->c->total.made_segments++;
		m->c->total.made_bytes += s->file_bytes;
		compact_tell(m->c, COMPACT_MADE, s, NULL, s->file_bytes, why);
	}
}

/* Whoever spoiled the merge is left out from now on: one input if it is known, else all of them. */
static int leave_out(struct merge *m, const struct diag *why)
{
	bool known = m->failed != SIZE_MAX;
	size_t first = known ? m->failed : 0, end = known ? first + 1 : m->inputs_count;
	int rc = 0;

	compact_tell_failure(m->c, &m->inputs[first], why);
	for (size_t i = first; i < end && rc == 0; i++)
		rc = compact_skip(m->c, m->inputs[i].no);
	return rc;
}

static int new_merge(struct merge *m, struct compact *c, const struct manifest_segment *segs,
	const struct merge_plan *plan, const struct merge_plan_merge *of)
{
	*m = (struct merge){
		.c = c,
		.mixed = of->mixed,
		.inputs_count = of->count,
		.failed = SIZE_MAX,
	};
	buf_init(&m->scratch, LIMIT_EVENT_BYTES);
	m->inputs = calloc(of->count, sizeof *m->inputs);
	m->places = calloc(of->count, sizeof *m->places);
	m->readers = calloc(of->count, sizeof *m->readers);
	if (!m->inputs || !m->places || !m->readers)
		return -ENOMEM;
	for (size_t i = 0; i < of->count; i++)
		m->inputs[i] = segs[plan->inputs[of->first + i]];
	return 0;
}

static void end_merge(struct merge *m)
{
	publish_close(&m->publish);
	while (m->opened_count > 0)
		put_last_reader(m);
	store_snapshot_free(&m->snap);
	if (m->part.slots)
		partition_fini(&m->part);
	buf_fini(&m->scratch);
	free(m->inputs);
	free(m->places);
	free(m->readers);
}

/* 1: merged, or left out what cannot be: the plan is old now. 0: dry run. */
static int run_merge(struct compact *c, const struct manifest_segment *segs,
	const struct merge_plan *plan, const struct merge_plan_merge *of, struct diag *d)
{
	struct diag why = { 0 };
	struct merge m;
	int rc = new_merge(&m, c, segs, plan, of);

	if (rc < 0) {
		diag_set(&why, rc, "", -1, "merge segments");
	} else if (c->conf.dry_run) {
		tell_inputs(&m, "small enough beside each other");
	} else {
		rc = do_merge(&m, &why);
		if (rc == 0)
			tell_merge(&m);
		else if (!compact_fatal(rc) || rc == ERR_RANGE)
			rc = leave_out(&m, &why);
		rc = rc < 0 ? rc : 1;
	}
	end_merge(&m);
	if (rc < 0 && d)
		*d = why;
	return rc;
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
		.blocks_max = BLOCKS_MAX,
		.segments_max = INPUTS_MAX,
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
