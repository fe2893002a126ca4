#include "storage/sealer_merge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/merge.h"
#include "storage/merge_plan.h"
#include "storage/recover.h"

enum {
	/* Plans are made when the manifest has changed, and so often at least: days become quiet. */
	LOOK_S = 60,
	/* After astrocompact was found at work, or a merge failed. */
	PAUSE_S = 10,
	/* Tidying a day: what is smaller joins whatever the others are; see merge_plan.h. */
	TIDY_RATIO = 4,
};

#define LOCK_NAME "compact.lock"

struct sealer_merge {
	struct sealer_merge_conf conf;
	struct merge *merge; /* NULL: none under way */
	int lock_fd;         /* -1: not held */
	int64_t took_ns;
	uint64_t planned_changes; /* of the manifest, when nothing was found to do */
	int64_t next_look_ns;
	int64_t paused_until_ns;
	/* Segments up to quiet_no were there SEALER_MERGE_QUIET_S ago, up to mark_no at mark_ns. */
	uint64_t quiet_no;
	uint64_t mark_no;
	int64_t mark_ns;
	/* Segments of failed merges. */
	uint64_t *skip;
	size_t skip_count;
};

int sealer_merge_open(
	const struct sealer_merge_conf *conf, struct sealer_merge **out, struct diag *d)
{
	struct sealer_merge *m = calloc(1, sizeof *m);

	if (!m)
		return diag_set(d, -ENOMEM, "", -1, "start the sealer");
	m->conf = *conf;
	m->lock_fd = -1;
	m->planned_changes = UINT64_MAX;
	m->mark_ns = clock_mono_ns();
	*out = m;
	return 0;
}

static void unlock(struct sealer_merge *m)
{
	if (m->lock_fd >= 0)
		m->conf.vfs->close(m->conf.vfs->ctx, m->lock_fd);
	m->lock_fd = -1;
}

void sealer_merge_close(struct sealer_merge **at)
{
	struct sealer_merge *m = *at;

	if (!m)
		return;
	merge_close(&m->merge);
	unlock(m);
	free(m->skip);
	free(m);
	*at = NULL;
}

/* What a killed one left in tmp/ goes when the lock is held first. */
static int lock(struct sealer_merge *m, struct diag *d)
{
	const struct vfs *v = m->conf.vfs;
	uint64_t swept;
	int rc;

	m->lock_fd = v->open(v->ctx, m->conf.dir, LOCK_NAME, O_RDWR | O_CREAT, 0640);
	if (m->lock_fd < 0)
		return diag_set(d, m->lock_fd, LOCK_NAME, -1, "open the lock of merging");
	rc = v->lock(v->ctx, m->lock_fd, true, false);
	if (rc == 0)
		rc = recover_sweep(v, m->conf.dir, RECOVER_TMP_COMPACT, &swept, d);
	else if (rc != ERR_LOCKED)
		diag_set(d, rc, LOCK_NAME, -1, "lock the store for merging");
	if (rc < 0)
		unlock(m);
	return rc;
}

static void pause_for(struct sealer_merge *m, int64_t seconds)
{
	m->paused_until_ns = clock_mono_ns() + seconds * CLOCK_NS_PER_SEC;
}

/* ---- plan ---- */

static void note_age(struct sealer_merge *m, const struct manifest_segment *segs, size_t n)
{
	int64_t now = clock_mono_ns();

	if (now - m->mark_ns < SEALER_MERGE_QUIET_S * CLOCK_NS_PER_SEC)
		return;
	m->quiet_no = m->mark_no;
	m->mark_no = n > 0 ? segs[n - 1].no : 0;
	m->mark_ns = now;
}

static bool is_skipped(const struct sealer_merge *m, uint64_t no)
{
	for (size_t i = 0; i < m->skip_count; i++) {
		if (m->skip[i] == no)
			return true;
	}
	return false;
}

static int make_plan(const struct sealer_merge *m, const struct manifest_segment *segs, size_t n,
	struct merge_plan *out)
{
	const struct merge_plan_tiers conf = {
		.small_bytes = SEALER_MERGE_SMALL_BYTES,
		.fanout = SEALER_MERGE_FANOUT,
		.bytes_max = SEALER_MERGE_BYTES,
		.blocks_max = MERGE_BLOCKS_MAX,
		.quiet_no = m->quiet_no,
		.tidy = {
			.now_ns = clock_wall_ns(),
			.grace_ns = SEALER_MERGE_GRACE_S * CLOCK_NS_PER_SEC,
			.small_bytes = SEALER_MERGE_SMALL_BYTES,
			.ratio = TIDY_RATIO,
			.bytes_max = SEALER_MERGE_TIDY_BYTES,
			.blocks_max = MERGE_BLOCKS_MAX,
			.segments_max = MERGE_INPUTS_MAX,
		},
	};
	bool *skip = calloc(n + 1, sizeof *skip);
	int rc = -ENOMEM;

	if (skip) {
		for (size_t i = 0; i < n; i++)
			skip[i] = is_skipped(m, segs[i].no);
		rc = merge_plan_tier(&conf, segs, n, skip, out);
	}
	free(skip);
	return rc;
}

/* The segments that a plan's merge is about, copied, smallest or oldest first. */
static struct manifest_segment *copy_inputs(
	const struct manifest_segment *segs, const struct merge_plan *plan)
{
	const struct merge_plan_merge *of = &plan->merges[0];
	struct manifest_segment *inputs = calloc(of->count, sizeof *inputs);

	for (size_t i = 0; inputs && i < of->count; i++)
		inputs[i] = segs[plan->inputs[of->first + i]];
	return inputs;
}

/* *out is NULL where nothing is worth it. */
static int choose(
	struct sealer_merge *m, struct manifest_segment **out, size_t *out_count, struct diag *d)
{
	const struct manifest_segment *segs;
	struct merge_plan plan = { 0 };
	size_t n;
	int rc = manifest_refresh(m->conf.manifest, d);

	*out = NULL;
	if (rc < 0)
		return rc;
	segs = manifest_segments(m->conf.manifest, &n);
	note_age(m, segs, n);
	rc = make_plan(m, segs, n, &plan);
	if (rc == 0 && plan.merges_count > 0) {
		*out_count = plan.merges[0].count;
		*out = copy_inputs(segs, &plan);
		rc = *out ? 0 : -ENOMEM;
	}
	merge_plan_fini(&plan);
	return rc < 0 ? diag_set(d, rc, "", -1, "plan a merge") : 0;
}

/* ---- steps ---- */

static int leave_out(struct sealer_merge *m, const struct manifest_segment *inputs, size_t n)
{
	uint64_t *skip = realloc(m->skip, (m->skip_count + n) * sizeof *skip);

	if (!skip)
		return -ENOMEM;
	m->skip = skip;
	for (size_t i = 0; i < n; i++)
		skip[m->skip_count++] = inputs[i].no;
	return 0;
}

/*
 * A segment that cannot be read, or that somebody else replaced, would fail again at once; a full
 * disk will not last.
 */
static void give_up(struct sealer_merge *m, int rc)
{
	const struct manifest_segment *inputs;
	size_t n = merge_inputs(m->merge, &inputs), failed = merge_failed(m->merge);

	if (rc == ERR_CORRUPT || rc == ERR_TRUNCATED || rc == ERR_LIMIT || rc == ERR_TOO_NEW ||
		rc == ERR_RANGE || rc == -ENOENT) {
		if (failed < n)
			leave_out(m, &inputs[failed], 1);
		else
			leave_out(m, inputs, n);
	}
	merge_close(&m->merge);
	unlock(m);
	pause_for(m, PAUSE_S);
}

static int begin(
	struct sealer_merge *m, const struct manifest_segment *inputs, size_t n, struct diag *d)
{
	const struct merge_conf conf = {
		.vfs = m->conf.vfs,
		.dir = m->conf.dir,
		.uuid = m->conf.uuid,
		.manifest = m->conf.manifest,
		.reader = m->conf.reader,
		.inputs = inputs,
		.inputs_count = n,
		.created_ns = clock_wall_ns(),
		.pool = m->conf.pool,
		.block_rows = m->conf.block_rows,
		.memory_bytes = SEALER_MERGE_MEMORY,
	};
	int rc = lock(m, d);

	if (rc == ERR_LOCKED) {
		pause_for(m, PAUSE_S);
		return SEALER_MERGE_IDLE;
	}
	if (rc == 0)
		rc = merge_open(&conf, &m->merge, d);
	if (rc < 0)
		give_up(m, rc);
	m->took_ns = 0;
	return rc < 0 ? rc : SEALER_MERGE_MORE;
}

static int look(struct sealer_merge *m, struct diag *d)
{
	int64_t now = clock_mono_ns();
	struct manifest_segment *inputs;
	size_t n = 0;
	int rc;

	if (now < m->paused_until_ns ||
		(manifest_changes(m->conf.manifest) == m->planned_changes && now < m->next_look_ns))
		return SEALER_MERGE_IDLE;
	rc = choose(m, &inputs, &n, d);
	if (rc == 0 && inputs) {
		rc = begin(m, inputs, n, d);
	} else if (rc == 0) {
		m->planned_changes = manifest_changes(m->conf.manifest);
		m->next_look_ns = now + LOOK_S * CLOCK_NS_PER_SEC;
	} else {
		pause_for(m, PAUSE_S);
	}
	free(inputs);
	return rc;
}

static void finish(struct sealer_merge *m, struct sealer_merge_report *out)
{
	const struct manifest_segment *inputs;
	size_t n = merge_inputs(m->merge, &inputs);

	*out = (struct sealer_merge_report){
		.segments_before = n,
		.segments_after = merge_made_count(m->merge),
		.rows_count = merge_rows_count(m->merge),
		.took_ns = m->took_ns,
	};
	for (size_t i = 0; i < n; i++)
		out->bytes_before += inputs[i].file_bytes;
	for (size_t i = 0; i < out->segments_after; i++)
		out->bytes_after += merge_made(m->merge, i)->file_bytes;
	merge_close(&m->merge);
	unlock(m);
}

int sealer_merge_step(struct sealer_merge *m, struct sealer_merge_report *out, struct diag *d)
{
	int64_t started_ns = clock_mono_ns();
	int rc;

	if (!m->merge)
		return look(m, d);
	rc = merge_step(m->merge, d);
	m->took_ns += clock_mono_ns() - started_ns;
	if (rc == MERGE_MORE)
		return SEALER_MERGE_MORE;
	if (rc < 0) {
		give_up(m, rc);
		return rc == ERR_STALE ? SEALER_MERGE_IDLE : rc;
	}
	finish(m, out);
	return SEALER_MERGE_DONE;
}
