/*
 * A seal of one day, the usual case, reads its rows once. Others read them once to count what falls
 * into which group, then once for each pass. A pass writes as many segments at a time as memory and
 * descriptors allow. All segments of all passes become visible by one change at the end.
 */
#include "storage/sealer_seal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "storage/recover.h"
#include "storage/row.h"
#include "storage/snapshot_int.h"

enum {
	/* Segments written at a time: each holds a descriptor. */
	PASS_SEGMENTS_MAX = 16,
	GROUP_NOT_NOW = -1,
	NODE_SHIFT = 48,
};

/* One seal: the first batches_count batches of a snapshot. */
struct seal {
	struct sealer *s;
	struct store_snapshot *snap;
	struct publish *publish;
	size_t batches_count;
	bool *unreadable; /* batches that are stepped over */
	bool single;      /* rows are counted while they are written */
	uint64_t end_id;
	uint64_t rows_written;
	int groups[LIMIT_SEAL_SEGMENTS]; /* of publish, by group of the partition */
	struct sealer_report report;
};

/* The oldest batches, up to the size of one seal; at least one if there is any. */
static void choose_range(struct seal *seal)
{
	const struct sealer *s = seal->s;
	size_t n = snapshot_batch_count(seal->snap), i = 0;
	uint64_t rows = 0, bytes = 0;

	for (; i < n && rows < s->seal_rows && bytes < s->seal_bytes; i++) {
		rows += snapshot_batch(seal->snap, i)->rows_count;
		bytes += snapshot_batch(seal->snap, i)->rows_bytes;
	}
	seal->batches_count = i;
	seal->end_id =
		i < n ? snapshot_batch(seal->snap, i - 1)->id_max : snapshot_committed(seal->snap);
}

/* Keeps the damaged journal file for a person to look at. A name outside journal/ is none of ours. */
static void quarantine(const struct sealer *s, const char *file)
{
	if (strncmp(file, "journal/", 8) == 0)
		recover_quarantine(s->vfs, s->dir, file, true, NULL);
	recover_trim_bad(s->vfs, s->dir);
}

static void note_lost(struct seal *seal, uint64_t count, const struct diag *why)
{
	seal->report.lost_ids += count;
	quarantine(seal->s, why->file);
	if (seal->report.damage.code == 0)
		seal->report.damage = *why;
}

/* Ids that no batch has, in damaged records. A step to another node's ids is no gap. */
static void note_gaps(struct seal *seal)
{
	const struct snapshot_damage *damage = snapshot_damage(seal->snap);
	uint64_t next = snapshot_sealed(seal->snap) + 1;

	if (damage->lost_ids == 0)
		return;
	for (size_t i = 0; i <= seal->batches_count; i++) {
		bool end = i == seal->batches_count;
		uint64_t id = end ? seal->end_id + 1 : snapshot_batch(seal->snap, i)->id_min;

		if (id > next && id >> NODE_SHIFT == next >> NODE_SHIFT)
			note_lost(seal, id - next, &damage->first);
		if (!end)
			next = snapshot_batch(seal->snap, i)->id_max + 1;
	}
}

/* Calls row for each event of a batch, in order of their ids. */
static int each_row(struct seal *seal, size_t batch,
	int (*row)(struct seal *, struct event *, size_t bytes, struct diag *), struct diag *d)
{
	const struct snapshot_batch *b = snapshot_batch(seal->snap, batch);
	struct span rows;
	struct rcur c;
	int rc = snapshot_batch_rows(seal->snap, batch, &seal->s->scratch, &rows, d);

	if (rc < 0)
		return rc;
	c = rcur_of(rows.p, rows.n);
	for (uint32_t i = 0; i < b->rows_count && rc == 0; i++) {
		size_t left = rcur_left(&c);
		struct event ev;

		rc = row_get(&c, &ev);
		if (rc < 0)
			return diag_set(d, ERR_CORRUPT, "journal", -1, "row of an unsealed batch");
		ev.id = b->id_min + i;
		rc = row(seal, &ev, left - rcur_left(&c), d);
	}
	return rc;
}

static void note_row(struct seal *seal, size_t bytes)
{
	seal->report.rows_count++;
	seal->report.raw_bytes += bytes;
}

static int count_row(struct seal *seal, struct event *ev, size_t bytes, struct diag *d)
{
	unsigned class_idx = retain_class_of(seal->s->classes, ev);
	int rc = partition_count(&seal->s->part, class_idx, ev->time_ns, bytes);

	if (rc < 0)
		return diag_set(d, rc, "", -1, "count the rows of a seal");
	note_row(seal, bytes);
	return 0;
}

/*
 * All rows of the seal. The first reading finds out which batches cannot be read and steps over them;
 * later ones must be able to read all the others.
 */
static int all_rows(struct seal *seal,
	int (*row)(struct seal *, struct event *, size_t bytes, struct diag *), bool first,
	struct diag *d)
{
	for (size_t i = 0; i < seal->batches_count; i++) {
		uint64_t before = seal->report.rows_count;
		struct diag why = { 0 };
		int rc = seal->unreadable[i] ? 0 : each_row(seal, i, row, &why);

		if (rc == ERR_CORRUPT && first && seal->report.rows_count == before) {
			seal->unreadable[i] = true;
			note_lost(seal, snapshot_batch(seal->snap, i)->rows_count, &why);
		} else if (rc < 0) {
			if (d)
				*d = why;
			return rc;
		}
	}
	return 0;
}

/* By the bounds of their batches all rows are of one day. */
static bool is_one_day(const struct seal *seal, int32_t *out_day)
{
	for (size_t i = 0; i < seal->batches_count; i++) {
		const struct snapshot_batch *b = snapshot_batch(seal->snap, i);
		int32_t day = partition_day(b->time_min_ns);

		if (day != partition_day(b->time_max_ns) || (i > 0 && day != *out_day))
			return false;
		*out_day = day;
	}
	return seal->batches_count > 0;
}

/* The usual seal goes into one segment as a whole: then its rows are read but once. */
static bool plan_single(struct seal *seal)
{
	uint64_t rows = 0, bytes = 0;
	int32_t day = 0;

	for (size_t i = 0; i < seal->batches_count; i++) {
		rows += snapshot_batch(seal->snap, i)->rows_count;
		bytes += snapshot_batch(seal->snap, i)->rows_bytes;
	}
	if (retain_class_count(seal->s->classes) > 1 || rows >= SEALER_SEAL_HOUR_ROWS ||
		!is_one_day(seal, &day))
		return false;
	partition_single(&seal->s->part, 0, day, rows, bytes);
	return true;
}

static int plan(struct seal *seal, struct diag *d)
{
	int rc;

	partition_reset(&seal->s->part);
	seal->single = plan_single(seal);
	if (seal->single)
		return 0;
	rc = all_rows(seal, count_row, true, d);
	if (rc < 0)
		return rc;
	rc = partition_plan(&seal->s->part);
	return rc < 0 ? diag_set(d, rc, "", -1, "plan the segments of a seal") : 0;
}

static const char *class_name(const struct sealer *s, unsigned class_idx)
{
	return retain_class_name(s->classes, class_idx);
}

/* Begins the segments of a pass, groups first..next-1. */
static int begin_pass(struct seal *seal, unsigned first, unsigned next, struct diag *d)
{
	for (unsigned i = first; i < next; i++) {
		const struct partition_group *g = &seal->s->part.groups[i];
		const struct publish_place place = {
			.class_name = class_name(seal->s, g->class_idx),
			.day = g->day,
			.hour = g->hour,
		};
		unsigned group;
		int rc = publish_begin(seal->publish, &place, &group, d);

		if (rc < 0)
			return rc;
		seal->groups[i] = (int)group;
	}
	return 0;
}

static int write_row(struct seal *seal, struct event *ev, size_t bytes, struct diag *d)
{
	unsigned class_idx = retain_class_of(seal->s->classes, ev);
	int group = seal->groups[partition_of(&seal->s->part, class_idx, ev->time_ns)];

	if (seal->single)
		note_row(seal, bytes);
	if (group == GROUP_NOT_NOW)
		return 0;
	seal->rows_written++;
	return publish_append(seal->publish, (unsigned)group, ev, d);
}

static int write_pass(struct seal *seal, unsigned first, unsigned next, struct diag *d)
{
	int rc = all_rows(seal, write_row, seal->single, d);

	for (unsigned i = first; i < next && rc == 0; i++) {
		rc = publish_finish(seal->publish, (unsigned)seal->groups[i], d);
		seal->groups[i] = GROUP_NOT_NOW;
	}
	return rc;
}

/* The least a failed write to a full LIMIT_SEGMENTS costs is all the work: look before. */
static int check_room(const struct sealer *s, struct diag *d)
{
	size_t live;
	int rc = manifest_refresh(s->manifest, d);

	if (rc < 0)
		return rc;
	manifest_segments(s->manifest, &live);
	if (live + s->part.groups_count <= LIMIT_SEGMENTS)
		return 0;
	return diag_set(d, ERR_LIMIT, "manifest", -1,
		"seal beside %zu live segments: run astrocompact --merge", live);
}

static int write_segments(struct seal *seal, struct diag *d)
{
	const struct sealer *s = seal->s;
	const struct publish_conf conf = {
		.vfs = s->vfs,
		.dir = s->dir,
		.uuid = s->uuid,
		.manifest = s->manifest,
		.prefix = RECOVER_TMP_SEAL,
		.pool = s->pool,
		.block_rows = SEALER_SEAL_BLOCK_ROWS,
		.created_ns = clock_wall_ns(),
	};
	unsigned first = 0;
	int rc = check_room(s, d);

	if (rc == 0)
		rc = publish_open(&conf, &seal->publish, d);
	for (unsigned i = 0; i < LIMIT_SEAL_SEGMENTS; i++)
		seal->groups[i] = GROUP_NOT_NOW;
	while (rc == 0 && first < s->part.groups_count) {
		unsigned next =
			partition_pass(&s->part, first, PASS_SEGMENTS_MAX, SEALER_PASS_BYTES);

		rc = begin_pass(seal, first, next, d);
		if (rc == 0)
			rc = write_pass(seal, first, next, d);
		first = next;
	}
	if (rc < 0)
		return rc;
	if (seal->rows_written != seal->report.rows_count)
		return diag_set(d, ERR_CORRUPT, "journal", -1,
			"the journal gave other rows when it was read again");
	return publish_commit(seal->publish, NULL, 0, seal->end_id, d);
}

static void fill_report(struct seal *seal, int64_t started_ns)
{
	struct sealer_report *r = &seal->report;

	r->segments_count = (uint32_t)publish_count(seal->publish);
	for (size_t i = 0; i < publish_count(seal->publish); i++)
		r->file_bytes += publish_segment(seal->publish, i)->file_bytes;
	r->sealed_id = seal->end_id;
	r->took_ns = clock_mono_ns() - started_ns;
}

int sealer_seal_once(
	struct sealer *s, struct store_snapshot *snap, struct sealer_report *out, struct diag *d)
{
	struct seal seal = { .s = s, .snap = snap };
	int64_t started_ns = clock_mono_ns();
	int rc;

	choose_range(&seal);
	seal.unreadable = calloc(seal.batches_count + 1, sizeof *seal.unreadable);
	if (!seal.unreadable)
		return diag_set(d, -ENOMEM, "", -1, "begin a seal");
	note_gaps(&seal);
	rc = plan(&seal, d);
	if (rc == 0)
		rc = write_segments(&seal, d);
	if (rc == 0) {
		fill_report(&seal, started_ns);
		ASSERT(seal.report.sealed_id >= snapshot_sealed(snap));
		if (out)
			*out = seal.report;
	}
	publish_close(&seal.publish);
	free(seal.unreadable);
	return rc;
}
