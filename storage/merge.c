/*
 * The phases in order: the rows are counted (mixed inputs only), written in passes of as many outputs
 * as memory allows, read back and compared by digest, and published. A step goes on to the next block
 * of whatever the phase reads.
 */
#include "storage/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/block.h"
#include "storage/merge_rows.h"
#include "storage/partition.h"
#include "storage/publish.h"
#include "storage/recover.h"
#include "storage/redact.h"
#include "storage/row.h"
#include "storage/seg_reader.h"
#include "storage/snapshot_int.h"

enum {
	/* A day needs so many rows to leave the mixed segments. */
	DAY_ROWS_MIN = 4096,
	/* Segments written at a time, and the rows they hold in memory. */
	PASS_SEGMENTS_MAX = 16,
	PASS_BYTES_MAX = 16 << 20,
	GROUP_NOT_NOW = -1,
};

static_assert((int)MERGE_INPUTS_MAX <= (int)LIMIT_CHANGE_SEGMENTS, "one change drops all inputs");

enum phase { PHASE_COUNT, PHASE_WRITE, PHASE_READ_BACK, PHASE_COMMIT, PHASE_DONE };

struct merge {
	struct merge_conf conf;
	struct store_snapshot *snap;
	struct manifest_segment *inputs;
	size_t *places; /* of the inputs in the snapshot */
	const struct seg_reader **readers;
	size_t opened_count; /* of readers */
	size_t inputs_count;
	enum phase phase;
	struct merge_rows *rows; /* of the phase, or pass, under way; NULL: not begun */
	struct partition part;   /* mixed inputs only */
	struct publish *publish;
	unsigned pass_first; /* groups of the pass under way ... */
	unsigned pass_next;
	unsigned groups_count; /* ... of so many */
	int groups[LIMIT_SEAL_SEGMENTS];
	/* Reading back: block `made_block` of output `made_idx` comes next. */
	size_t made_idx;
	uint32_t made_block;
	struct seg_reader *made_reader;
	struct block *block;
	struct merge_digest before;
	struct merge_digest after;
	uint64_t redacted_count;
	struct buf scratch;
	size_t failed; /* input that cannot be read; SIZE_MAX: none */
};

static bool is_mixed(const struct merge *m)
{
	return m->inputs[0].hour == MANIFEST_HOUR_MIXED;
}

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
	int rc = store_reader_snapshot(m->conf.reader, &m->snap, d);

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

/* Leaves out the last inputs until the others' rows fit into memory side by side. */
static int fit_memory(struct merge *m, struct diag *d)
{
	while (m->inputs_count > 1 &&
		merge_rows_peak(m->readers, m->inputs_count) > m->conf.memory_bytes) {
		put_last_reader(m);
		m->inputs_count--;
	}
	if (m->inputs_count < 2)
		return diag_set(d, ERR_LIMIT, "", -1, "merge segments in so little memory");
	return 0;
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
	const struct publish_place place = {
		.class_name = m->inputs[0].class_name,
		.day = day,
		.hour = hour,
		.gen = next_gen(m),
	};
	unsigned group = 0;
	int rc = publish_begin(m->publish, &place, &group, d);

	m->groups[i] = (int)group;
	return rc;
}

/* The one output of inputs of one day. */
static int begin_day(struct merge *m, struct diag *d)
{
	unsigned hour = m->inputs[0].hour;

	for (size_t i = 1; i < m->inputs_count; i++) {
		if (m->inputs[i].hour != hour)
			hour = MANIFEST_HOUR_DAY;
	}
	m->groups_count = 1;
	m->pass_next = 1;
	return begin_group(m, 0, m->inputs[0].day, hour, d);
}

static int begin_pass(struct merge *m, struct diag *d)
{
	int rc = 0;

	m->pass_next = partition_pass(&m->part, m->pass_first, PASS_SEGMENTS_MAX, PASS_BYTES_MAX);
	for (unsigned i = m->pass_first; i < m->pass_next && rc == 0; i++)
		rc = begin_group(m, i, m->part.groups[i].day, m->part.groups[i].hour, d);
	return rc;
}

/* ---- rows ---- */

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
	rc = partition_count(&m->part, 0, ev->time_ns, row_bound(ev));
	return rc < 0 ? diag_set(d, rc, "", -1, "count the rows of a merge") : 0;
}

static int write_row(struct merge *m, const struct event *ev, struct diag *d)
{
	bool mixed = is_mixed(m);
	int group = m->groups[mixed ? partition_of(&m->part, 0, ev->time_ns) : 0];
	int rc = mixed ? 0 : digest_row(m, ev, &m->before, d);

	if (rc < 0 || group == GROUP_NOT_NOW)
		return rc;
	return publish_append(m->publish, (unsigned)group, ev, d);
}

/* What was read of the inputs so far need not stay mapped. */
static void rest(const struct merge *m)
{
	for (size_t i = 0; i < m->opened_count; i++)
		seg_reader_idle(m->readers[i]);
	if (m->made_reader)
		seg_reader_idle(m->made_reader);
}

/* Rows up to the end of the next input block. 1: there is more; 0: that was the last. */
static int one_block(struct merge *m, struct diag *d)
{
	const struct redact_set *redact = snapshot_redact(m->snap);
	uint64_t blocks = merge_rows_blocks(m->rows) + 1;
	struct event ev;
	int rc = 1;

	while (rc == 1 && merge_rows_blocks(m->rows) <= blocks) {
		rc = merge_rows_next(m->rows, &ev, d);
		if (rc < 0)
			m->failed = merge_rows_failed(m->rows);
		if (rc <= 0)
			break;
		if (redact_set_has(redact, ev.id))
			m->redacted_count += m->phase == PHASE_COUNT || !is_mixed(m);
		else
			rc = m->phase == PHASE_COUNT ? count_row(m, &ev, d) : write_row(m, &ev, d);
		rc = rc < 0 ? rc : 1;
	}
	return rc;
}

/* ---- phases ---- */

static int open_rows(struct merge *m, struct diag *d)
{
	return m->rows ? 0 : merge_rows_open(m->readers, m->inputs_count, &m->rows, d);
}

static int count(struct merge *m, struct diag *d)
{
	int rc = open_rows(m, d);

	if (rc == 0)
		rc = one_block(m, d);
	if (rc != 0)
		return rc;
	merge_rows_close(&m->rows);
	if (partition_plan(&m->part) < 0)
		return diag_set(d, -ENOMEM, "", -1, "plan the segments of a merge");
	m->groups_count = m->part.groups_count;
	m->phase = m->groups_count > 0 ? PHASE_WRITE : PHASE_COMMIT;
	return 0;
}

static int end_pass(struct merge *m, struct diag *d)
{
	int rc = 0;

	merge_rows_close(&m->rows);
	for (unsigned i = m->pass_first; i < m->pass_next && rc == 0; i++) {
		rc = publish_finish(m->publish, (unsigned)m->groups[i], d);
		m->groups[i] = GROUP_NOT_NOW;
	}
	m->pass_first = m->pass_next;
	if (m->pass_first == m->groups_count)
		m->phase = PHASE_READ_BACK;
	return rc;
}

static int write(struct merge *m, struct diag *d)
{
	int rc = 0;

	if (!m->rows)
		rc = is_mixed(m) ? begin_pass(m, d) : begin_day(m, d);
	if (rc == 0)
		rc = open_rows(m, d);
	if (rc == 0)
		rc = one_block(m, d);
	return rc == 0 ? end_pass(m, d) : rc;
}

static int open_made(struct merge *m, struct diag *d)
{
	const char *name = publish_tmp_name(m->publish, m->made_idx);

	if (!m->block)
		m->block = block_new();
	if (!m->block)
		return diag_set(d, -ENOMEM, name, -1, "read back a merged segment");
	m->made_block = 0;
	return seg_reader_open(m->conf.vfs, m->conf.dir, name, &m->made_reader, d);
}

static int digest_made(struct merge *m, struct diag *d)
{
	struct event ev;
	int rc = seg_reader_rows(m->made_reader, m->made_block, m->block, d);

	for (uint32_t row = 0; rc == 0 && row < m->block->rows_count; row++) {
		block_get(m->block, row, &ev);
		rc = digest_row(m, &ev, &m->after, d);
	}
	return rc;
}

static int compare(struct merge *m, struct diag *d)
{
	const char *name = publish_count(m->publish) ? publish_tmp_name(m->publish, 0) : "";

	block_free(&m->block);
	m->phase = PHASE_COMMIT;
	if (merge_rows_same(&m->before, &m->after))
		return 0;
	return diag_set(d, ERR_CORRUPT, name, -1,
		"a merged segment reads back with other rows than went in; "
		"nothing was replaced");
}

static int read_back(struct merge *m, struct diag *d)
{
	int rc = 0;

	if (m->made_idx == publish_count(m->publish))
		return compare(m, d);
	if (!m->made_reader)
		rc = open_made(m, d);
	if (rc == 0)
		rc = digest_made(m, d);
	if (rc < 0)
		return rc;
	if (++m->made_block == seg_reader_info(m->made_reader)->blocks_count) {
		seg_reader_close(&m->made_reader);
		m->made_idx++;
	}
	return 0;
}

static int commit(struct merge *m, struct diag *d)
{
	m->phase = PHASE_DONE;
	return publish_commit(m->publish, m->inputs, m->inputs_count, 0, d);
}

int merge_step(struct merge *m, struct diag *d)
{
	int rc = 0;

	switch (m->phase) {
	case PHASE_COUNT:
		rc = count(m, d);
		break;
	case PHASE_WRITE:
		rc = write(m, d);
		break;
	case PHASE_READ_BACK:
		rc = read_back(m, d);
		break;
	case PHASE_COMMIT:
		rc = commit(m, d);
		break;
	case PHASE_DONE:
		break;
	}
	rest(m);
	if (rc < 0)
		return rc;
	return m->phase == PHASE_DONE ? MERGE_DONE : MERGE_MORE;
}

/* ---- life ---- */

static int begin(struct merge *m, struct diag *d)
{
	const struct publish_conf publish = {
		.vfs = m->conf.vfs,
		.dir = m->conf.dir,
		.uuid = m->conf.uuid,
		.manifest = m->conf.manifest,
		.prefix = RECOVER_TMP_COMPACT,
		.created_ns = m->conf.created_ns,
		.compress_level = m->conf.compress_level,
		.pool = m->conf.pool,
		.block_rows = m->conf.block_rows,
	};
	const struct partition_conf days = {
		.day_rows_min = DAY_ROWS_MIN,
		.block_rows = m->conf.block_rows,
	};
	int rc = open_inputs(m, d);

	if (rc == 0)
		rc = fit_memory(m, d);
	if (rc < 0)
		return rc;
	m->phase = is_mixed(m) ? PHASE_COUNT : PHASE_WRITE;
	if (is_mixed(m) && partition_init(&m->part, &days) < 0)
		return diag_set(d, -ENOMEM, "", -1, "merge mixed segments");
	return publish_open(&publish, &m->publish, d);
}

int merge_open(const struct merge_conf *conf, struct merge **out, struct diag *d)
{
	struct merge *m = calloc(1, sizeof *m);
	size_t n = conf->inputs_count;
	int rc = -ENOMEM;

	ASSERT(n >= 1);
	ASSERT(n <= MERGE_INPUTS_MAX);
	*out = m;
	if (!m)
		return diag_set(d, rc, "", -1, "merge segments");
	m->conf = *conf;
	m->conf.inputs = NULL; /* not ours */
	m->failed = SIZE_MAX;
	m->inputs_count = n;
	buf_init(&m->scratch, LIMIT_EVENT_BYTES);
	for (unsigned i = 0; i < LIMIT_SEAL_SEGMENTS; i++)
		m->groups[i] = GROUP_NOT_NOW;
	m->inputs = calloc(n, sizeof *m->inputs);
	m->places = calloc(n, sizeof *m->places);
	m->readers = calloc(n, sizeof *m->readers);
	if (!m->inputs || !m->places || !m->readers)
		return diag_set(d, rc, "", -1, "merge segments");
	memcpy(m->inputs, conf->inputs, n * sizeof *m->inputs);
	return begin(m, d);
}

void merge_close(struct merge **at)
{
	struct merge *m = *at;

	if (!m)
		return;
	publish_close(&m->publish);
	merge_rows_close(&m->rows);
	seg_reader_close(&m->made_reader);
	block_free(&m->block);
	while (m->opened_count > 0)
		put_last_reader(m);
	store_snapshot_free(&m->snap);
	if (m->part.slots)
		partition_fini(&m->part);
	buf_fini(&m->scratch);
	free(m->inputs);
	free(m->places);
	free(m->readers);
	free(m);
	*at = NULL;
}

/* ---- what became of it ---- */

size_t merge_inputs(const struct merge *m, const struct manifest_segment **out)
{
	*out = m ? m->inputs : NULL;
	return m && m->inputs ? m->inputs_count : 0;
}

size_t merge_failed(const struct merge *m)
{
	return m ? m->failed : SIZE_MAX;
}

size_t merge_made_count(const struct merge *m)
{
	return publish_count(m->publish);
}

const struct manifest_segment *merge_made(const struct merge *m, size_t i)
{
	return publish_segment(m->publish, i);
}

uint64_t merge_rows_count(const struct merge *m)
{
	return m->before.rows_count;
}

uint64_t merge_redacted_count(const struct merge *m)
{
	return m->redacted_count;
}
