#include "storage/compact_redact.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "storage/compact_int.h"
#include "storage/merge_rows.h"
#include "storage/publish.h"
#include "storage/recover.h"
#include "storage/row.h"
#include "storage/seg_decode.h"
#include "storage/seg_reader.h"
#include "storage/snapshot_int.h"

/* ---- ids of segments ---- */

typedef int (*id_cb)(void *arg, uint64_t id);

/* Calls cb for each id of one block. */
static int block_ids(const struct seg_reader *r, uint32_t block, struct buf *page, int64_t *ids,
	id_cb cb, void *arg, struct diag *d)
{
	uint32_t rows = seg_reader_block(r, block)->rows_count;
	int rc = seg_decode_ints(r, block, SEG_COL_ID, NULL, page, ids, d);

	for (uint32_t i = 0; i < rows && rc == 0; i++)
		rc = cb(arg, (uint64_t)ids[i]);
	return rc;
}

/* The ids of the segment's blocks that may hold any of from..to. */
static int segment_ids(const struct compact *c, const struct manifest_segment *seg, uint64_t from,
	uint64_t to, id_cb cb, void *arg, struct diag *d)
{
	char path[MANIFEST_PATH_BYTES];
	struct seg_reader *r = NULL;
	int64_t *ids = malloc(LIMIT_BLOCK_ROWS * sizeof *ids);
	struct buf page;
	int rc = ids ? 0 : diag_set(d, -ENOMEM, "", -1, "look for deleted events");

	seg_decode_buf_init(&page);
	if (rc == 0)
		rc = seg_reader_open(c->vfs, c->dir, manifest_segment_path(seg, path), &r, d);
	for (uint32_t i = 0; rc == 0 && i < seg_reader_info(r)->blocks_count; i++) {
		const struct seg_block *b = seg_reader_block(r, i);

		if (b->id_max >= from && b->id_min <= to)
			rc = block_ids(r, i, &page, ids, cb, arg, d);
	}
	seg_reader_close(&r);
	buf_fini(&page);
	free(ids);
	return rc;
}

/* ---- an order ---- */

struct order {
	struct compact *c;
	const struct idset *wanted;
	const struct retain_class_set *classes;
	struct idset held;
	struct idset ids; /* wanted and not held */
};

static bool class_held(const struct order *o, const char *name)
{
	return retain_class_held(retain_class_rule(o->classes, name), o->c->conf.now_ns);
}

static int hold_id(void *arg, uint64_t id)
{
	struct order *o = arg;
	int rc = idset_has(o->wanted, id) ? idset_add(&o->held, id) : 0;

	return rc < 0 ? rc : 0;
}

static int hold_segments(struct order *o, struct store_snapshot *snap, struct diag *d)
{
	uint64_t first;
	int rc = 0;

	if (!idset_next(o->wanted, 0, &first))
		return 0;
	for (size_t i = 0; i < snapshot_segment_count(snap) && rc == 0; i++) {
		const struct manifest_segment *seg = snapshot_segment(snap, i);
		uint64_t id;

		if (!idset_next(o->wanted, seg->id_first, &id) || id > seg->id_last)
			continue;
		if (class_held(o, seg->class_name))
			rc = segment_ids(o->c, seg, seg->id_first, seg->id_last, hold_id, o, d);
	}
	return rc;
}

/* Unsealed rows have no class yet: they are asked for the one they will get. */
static int hold_batch(
	struct order *o, struct store_snapshot *snap, size_t i, struct buf *scratch, struct diag *d)
{
	const struct snapshot_batch *b = snapshot_batch(snap, i);
	struct span rows;
	struct rcur c;
	uint64_t id;
	int rc;

	if (!idset_next(o->wanted, b->id_min, &id) || id > b->id_max)
		return 0;
	rc = snapshot_batch_rows(snap, i, scratch, &rows, d);
	if (rc < 0)
		return rc;
	c = rcur_of(rows.p, rows.n);
	for (uint32_t row = 0; row < b->rows_count && rc == 0; row++) {
		struct event ev;
		unsigned class;

		rc = row_get(&c, &ev);
		if (rc < 0)
			return diag_set(d, rc, "journal", -1, "row %u of a batch", row);
		class = retain_class_of(o->classes, &ev);
		if (class_held(o, retain_class_name(o->classes, class)))
			rc = hold_id(o, b->id_min + row);
	}
	return rc;
}

static int hold_unsealed(struct order *o, struct store_snapshot *snap, struct diag *d)
{
	struct buf scratch;
	int rc = 0;

	buf_init(&scratch, SNAPSHOT_BATCH_BYTES_MAX);
	for (size_t i = 0; i < snapshot_batch_count(snap) && rc == 0; i++)
		rc = hold_batch(o, snap, i, &scratch, d);
	buf_fini(&scratch);
	return rc;
}

static int take_the_rest(struct order *o)
{
	uint64_t from = 0, id;

	while (idset_next(o->wanted, from, &id)) {
		int rc = idset_has(&o->held, id) ? 0 : idset_add(&o->ids, id);

		if (rc < 0)
			return rc;
		if (id == UINT64_MAX)
			break;
		from = id + 1;
	}
	ASSERT(o->ids.count + o->held.count == o->wanted->count);
	return 0;
}

/* A change of nothing: readers look again when the manifest's version has risen. */
static int announce(struct compact *c, struct diag *d)
{
	const struct manifest_change nothing = { 0 };
	int rc = manifest_lock(c->manifest, d);

	if (rc < 0)
		return rc;
	rc = manifest_append(c->manifest, &nothing, d);
	manifest_unlock(c->manifest);
	return rc;
}

static int find_held(struct order *o, struct diag *d)
{
	struct store_snapshot *snap = NULL;
	int rc = store_reader_snapshot(o->c->reader, &snap, d);

	if (rc < 0)
		return rc;
	rc = hold_segments(o, snap, d);
	if (rc == 0)
		rc = hold_unsealed(o, snap, d);
	store_snapshot_free(&snap);
	return rc;
}

int compact_redact_order(struct compact *c, const struct idset *ids,
	const struct retain_class_set *classes, struct span reason, struct redact_info *out,
	uint64_t *out_held, struct diag *d)
{
	struct order o = { .c = c, .wanted = ids, .classes = classes };
	int rc;

	ASSERT(!c->conf.past_redact);
	idset_init(&o.held, LIMIT_REDACT_BYTES);
	idset_init(&o.ids, LIMIT_REDACT_BYTES);
	rc = find_held(&o, d);
	if (rc == 0) {
		rc = take_the_rest(&o);
		if (rc < 0)
			diag_set(d, rc, REDACT_DIR, -1, "collect the events to delete");
	}
	if (rc == 0) {
		*out_held = o.held.count;
		if (o.ids.count == 0)
			rc = COMPACT_REDACT_NOTHING;
		else if (c->conf.dry_run)
			*out = (struct redact_info){ .ids_count = o.ids.count };
		else
			rc = redact_write(
				c->vfs, c->dir, c->uuid, &o.ids, reason, c->conf.now_ns, out, d);
	}
	if (rc == 0 && !c->conf.dry_run)
		rc = announce(c, d);
	idset_fini(&o.held);
	idset_fini(&o.ids);
	return rc;
}

/* ---- the purge ---- */

struct purge {
	struct compact *c;
	const struct redact_set *redact;
	uint64_t sealed;
	struct manifest_segment *failed; /* their orders stay open */
	size_t failed_count;
	uint64_t rows_found; /* deleted ones, of the segment at hand */
	struct diag *d;
};

static int count_deleted(void *arg, uint64_t id)
{
	struct purge *p = arg;

	p->rows_found += redact_set_has(p->redact, id);
	return 0;
}

/* One segment's rows without the deleted ones: into the publish, or with NULL only their digest. */
static int copy_rows(struct purge *p, const char *name, struct publish *to, unsigned group,
	struct merge_digest *digest, struct diag *d)
{
	struct seg_reader *r = NULL;
	const struct seg_reader *readers[1];
	struct merge_rows *m = NULL;
	struct buf scratch;
	struct event ev;
	int rc = seg_reader_open(p->c->vfs, p->c->dir, name, &r, d);

	buf_init(&scratch, LIMIT_EVENT_BYTES);
	readers[0] = r;
	if (rc == 0)
		rc = merge_rows_open(readers, 1, &m, d);
	while (rc == 0 && (rc = merge_rows_next(m, &ev, d)) == 1) {
		rc = 0;
		if (to && redact_set_has(p->redact, ev.id))
			continue;
		if (to)
			rc = publish_append(to, group, &ev, d);
		if (rc == 0 && merge_rows_digest(digest, &ev, &scratch) < 0)
			rc = diag_set(d, -ENOMEM, name, -1, "compare rows");
		if (rc == 0 && compact_stopped(p->c))
			rc = diag_set(d, ERR_CANCELED, name, -1, "purge deleted events");
	}
	merge_rows_close(&m);
	seg_reader_close(&r);
	buf_fini(&scratch);
	return rc;
}

static int read_back(
	struct purge *p, struct publish *made, const struct merge_digest *want, struct diag *d)
{
	struct merge_digest got = { 0 };
	int rc = 0;

	for (size_t i = 0; i < publish_count(made) && rc == 0; i++)
		rc = copy_rows(p, publish_tmp_name(made, i), NULL, 0, &got, d);
	if (rc == 0 && !merge_rows_same(&got, want))
		rc = diag_set(d, ERR_CORRUPT, publish_tmp_name(made, 0), -1,
			"a segment without its deleted rows reads back otherwise; nothing was "
			"replaced");
	return rc;
}

static int rewrite(struct purge *p, const struct manifest_segment *seg, struct diag *d)
{
	const struct publish_conf conf = {
		.vfs = p->c->vfs,
		.dir = p->c->dir,
		.uuid = p->c->uuid,
		.manifest = p->c->manifest,
		.prefix = RECOVER_TMP_COMPACT,
		.created_ns = p->c->conf.now_ns,
		.compress_level = COMPACT_COMPRESS_LEVEL,
		.block_rows = COMPACT_BLOCK_ROWS,
	};
	const struct publish_place place = {
		.class_name = seg->class_name,
		.day = seg->day,
		.hour = seg->hour,
		.gen = (unsigned)seg->gen + 1,
	};
	struct merge_digest kept = { 0 };
	struct publish *publish = NULL;
	char path[MANIFEST_PATH_BYTES];
	unsigned group = 0;
	int rc = publish_open(&conf, &publish, d);

	if (rc == 0)
		rc = publish_begin(publish, &place, &group, d);
	if (rc == 0)
		rc = copy_rows(p, manifest_segment_path(seg, path), publish, group, &kept, d);
	if (rc == 0)
		rc = publish_finish(publish, group, d);
	if (rc == 0 && kept.rows_count + p->rows_found != seg->rows_count)
		rc = diag_set(d, ERR_CORRUPT, path, -1, "rows are missing; nothing was replaced");
	if (rc == 0)
		rc = read_back(p, publish, &kept, d);
	if (rc == 0)
		rc = publish_commit(publish, seg, 1, 0, d);
	publish_close(&publish);
	return rc;
}

static int leave(struct purge *p, const struct manifest_segment *seg, const struct diag *why)
{
	struct manifest_segment *failed =
		realloc(p->failed, (p->failed_count + 1) * sizeof *failed);

	if (!failed)
		return -ENOMEM;
	p->failed = failed;
	failed[p->failed_count++] = *seg;
	if (why)
		compact_tell_failure(p->c, seg, why);
	return 0;
}

static void tell(struct purge *p, const struct manifest_segment *seg)
{
	char why[COMPACT_WHY_BYTES];

	snprintf(why, sizeof why, "%" PRIu64 " deleted event%s", p->rows_found,
		p->rows_found == 1 ? "" : "s");
	compact_tell(p->c, COMPACT_PURGED, seg, NULL, seg->file_bytes, why);
	p->c->total.purged_rows += p->rows_found;
	p->c->total.purged_segments++;
}

/* Failures of the disk end the pass; one segment's are told and leave its orders open. */
static int purge_segment(struct purge *p, const struct manifest_segment *seg, struct diag *d)
{
	struct diag why = { 0 };
	int rc;

	if (!redact_set_any(p->redact, seg->id_first, seg->id_last))
		return 0;
	if (compact_over(p->c))
		return leave(p, seg, NULL);
	p->rows_found = 0;
	rc = segment_ids(p->c, seg, seg->id_first, seg->id_last, count_deleted, p, &why);
	if (rc == 0 && p->rows_found > 0 && !p->c->conf.dry_run)
		rc = rewrite(p, seg, &why);
	if (rc == ERR_CANCELED) {
		p->c->total.out_of_time = true;
		return leave(p, seg, NULL);
	}
	if (rc < 0 && compact_fatal(rc)) {
		if (d)
			*d = why;
		return rc;
	}
	if (rc < 0)
		return leave(p, seg, &why);
	if (p->rows_found > 0)
		tell(p, seg);
	return 0;
}

/* Of an order that no segment and no unsealed row can hold any more. */
static int finish_order(void *arg, const struct redact_info *info, const struct idset *ids)
{
	struct purge *p = arg;
	struct redact_info done = *info;

	(void)ids;
	if (info->done || info->id_max > p->sealed)
		return 0;
	for (size_t i = 0; i < p->failed_count; i++) {
		if (p->failed[i].id_first <= info->id_max && p->failed[i].id_last >= info->id_min)
			return 0;
	}
	return redact_finish(p->c->vfs, p->c->dir, &done, p->d);
}

static int purge_all(struct purge *p, const struct store_snapshot *snap, struct diag *d)
{
	int rc = 0;

	for (size_t i = 0; i < snapshot_segment_count(snap) && rc == 0; i++)
		rc = purge_segment(p, snapshot_segment(snap, i), d);
	if (rc == 0 && !p->c->conf.dry_run)
		rc = redact_each(p->c->vfs, p->c->dir, p->c->uuid, finish_order, NULL, p, d);
	return rc;
}

int compact_redact_purge(struct compact *c, struct diag *d)
{
	struct store_snapshot *snap = NULL;
	struct purge p = { .c = c, .d = d };
	int rc = store_reader_snapshot(c->reader, &snap, d);

	ASSERT(!c->conf.past_redact);
	if (rc < 0)
		return rc;
	p.redact = snapshot_redact(snap);
	p.sealed = snapshot_sealed(snap);
	if (p.redact)
		rc = purge_all(&p, snap, d);
	store_snapshot_free(&snap);
	free(p.failed);
	return rc;
}
