/*
 * The segments are taken from the highest generation down, and the ids of those that count are kept
 * in one set. One whose ids are all in the set, or deleted, is merged away. One of whose ids only some
 * are shows that those which hold them are of an unfinished merge (the inputs of a finished one go
 * only when all its outputs are there): these are struck off, and all begins anew without them.
 */
#include "storage/manifest_rebuild.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/block_reader.h"
#include "storage/journal_dir.h"
#include "storage/manifest_rebuild_int.h"
#include "storage/recover.h"
#include "storage/redact.h"
#include "storage/seg_reader.h"

/* ---- ids ---- */

/* Non-zero of `id` ends the walk and is passed up. */
static int each_id(struct rebuild *r, const struct manifest_segment *s,
	int (*id)(void *arg, uint64_t id), void *arg, struct diag *d)
{
	struct seg_reader *reader = NULL;
	char path[MANIFEST_PATH_BYTES];
	const int64_t *ids;
	int rc = seg_reader_open(r->vfs, r->dir, manifest_segment_path(s, path), &reader, d);

	for (uint32_t i = 0; rc == 0 && i < seg_reader_info(reader)->blocks_count; i++) {
		uint32_t rows = seg_reader_block(reader, i)->rows_count;

		block_reader_enter(r->block, reader, i);
		rc = block_reader_ints(r->block, SEG_COL_ID, &ids, d);
		for (uint32_t row = 0; row < rows && rc == 0; row++)
			rc = id(arg, (uint64_t)ids[row]);
	}
	block_reader_leave(r->block);
	seg_reader_close(&reader);
	return rc;
}

struct tally {
	const struct rebuild *r;
	uint64_t covered;
	uint64_t redacted; /* and not covered */
};

static int count_id(void *arg, uint64_t id)
{
	struct tally *t = arg;

	if (idset_has(&t->r->covered, id))
		t->covered++;
	else if (idset_has(&t->r->redacted, id))
		t->redacted++;
	return 0;
}

static int cover_id(void *arg, uint64_t id)
{
	int rc = idset_add(arg, id);

	return rc < 0 ? rc : 0;
}

static int has_id(void *arg, uint64_t id)
{
	return idset_has(arg, id);
}

/* Strikes off the listed ones of higher generations that hold ids of `s`. 0: there are none. */
static int strike(struct rebuild *r, const struct manifest_segment *s, struct diag *d)
{
	struct idset ids;
	int rc, struck = 0;

	idset_init(&ids, MANIFEST_REBUILD_IDS_BYTES);
	rc = each_id(r, s, cover_id, &ids, d);
	for (size_t i = 0; rc == 0 && i < r->found_count; i++) {
		struct found *o = &r->found[i];

		if (o->fate != FATE_LISTED || o->seg.gen <= s->gen ||
			o->seg.id_last < s->id_first || o->seg.id_first > s->id_last)
			continue;
		rc = each_id(r, &o->seg, has_id, &ids, d);
		if (rc > 0) {
			o->fate = FATE_UNFINISHED;
			struck = 1;
			rc = 0;
		}
	}
	idset_fini(&ids);
	return rc < 0 ? rc : struck;
}

/* 1: others were struck off for it, begin anew. */
static int judge(struct rebuild *r, struct found *f, struct diag *d)
{
	struct tally t = { .r = r };
	char path[MANIFEST_PATH_BYTES];
	int rc = each_id(r, &f->seg, count_id, &t, d);

	if (rc < 0)
		return rc;
	if (t.covered + t.redacted == f->seg.rows_count) {
		f->fate = FATE_MERGED;
		return 0;
	}
	if (t.covered > 0) {
		rc = strike(r, &f->seg, d);
		return rc != 0 ? rc
			       : diag_set(d, ERR_CORRUPT, manifest_segment_path(&f->seg, path), -1,
					 "rows of it are in another segment that does not replace "
					 "it; move one of them away");
	}
	f->fate = FATE_LISTED;
	return each_id(r, &f->seg, cover_id, &r->covered, d);
}

/* A segment whose ids cannot be read is of no use to a reader either. */
static bool give_up(struct rebuild *r, struct found *f, int rc, const struct diag *why)
{
	char path[MANIFEST_PATH_BYTES];

	if (rc != ERR_CORRUPT || strcmp(why->file, manifest_segment_path(&f->seg, path)) != 0 ||
		why->off < 0)
		return false;
	manifest_rebuild_tell(r, path, MANIFEST_REBUILD_UNREADABLE, why);
	memmove(f, f + 1, (size_t)(r->found + r->found_count - (f + 1)) * sizeof *f);
	r->found_count--;
	return true;
}

static int judge_all(struct rebuild *r, struct diag *d)
{
	size_t i = 0;

	while (i < r->found_count) {
		struct diag why = { 0 };
		int rc = r->found[i].fate == FATE_UNFINISHED ? 0 : judge(r, &r->found[i], &why);

		if (rc < 0 && !give_up(r, &r->found[i], rc, &why)) {
			if (d)
				*d = why;
			return rc;
		}
		i++;
		if (rc == 0)
			continue;
		for (size_t k = 0; k < r->found_count; k++) {
			if (r->found[k].fate != FATE_UNFINISHED)
				r->found[k].fate = FATE_OPEN;
		}
		idset_fini(&r->covered);
		idset_init(&r->covered, MANIFEST_REBUILD_IDS_BYTES);
		i = 0;
	}
	return 0;
}

/* ---- how far it is sealed ---- */

/* The first id that the journal still holds; UINT64_MAX: there is no journal. */
static int journal_first(struct rebuild *r, uint64_t *out, struct diag *d)
{
	struct journal_dir files = { 0 };
	int rc = journal_dir_load(r->vfs, r->dir, r->format.uuid, &files, NULL, d);
	size_t i;

	*out = UINT64_MAX;
	if (rc < 0)
		return rc;
	i = journal_dir_next(&files, SIZE_MAX);
	if (i != SIZE_MAX)
		*out = files.files[i].head.first_id;
	journal_dir_free(&files);
	return 0;
}

/* The least id >= `at` on whose both sides no listed segment has rows. */
static uint64_t next_cut(const struct rebuild *r, uint64_t at)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (size_t i = 0; i < r->found_count; i++) {
			const struct manifest_segment *s = &r->found[i].seg;

			if (r->found[i].fate != FATE_LISTED || s->id_first > at || s->id_last <= at)
				continue;
			at = s->id_last;
			moved = true;
		}
	}
	return at;
}

/* Every id of the range is listed, or was deleted by order. */
static bool is_complete(const struct rebuild *r, uint64_t from, uint64_t to)
{
	uint64_t a, b, c, e;

	while (from <= to && idset_gap(&r->covered, from, to, &a, &b)) {
		if (idset_gap(&r->redacted, a, b, &c, &e))
			return false;
		from = b + 1;
	}
	return true;
}

static uint64_t last_id(const struct rebuild *r)
{
	uint64_t last = 0;

	for (size_t i = 0; i < r->found_count; i++) {
		if (r->found[i].fate == FATE_LISTED && r->found[i].seg.id_last > last)
			last = r->found[i].seg.id_last;
	}
	return last;
}

/*
 * What is known to be sealed whether or not segments still hold it: they may have been dropped, or their
 * last rows deleted, while the journal goes on to hold the same rows.
 */
static uint64_t known_sealed(const struct rebuild *r)
{
	struct ctl_manifest was;

	/* Never ahead of the truth. */
	if (ctl_manifest(r->ctl, &was) == 0 && was.sealed_id > r->purged)
		return was.sealed_id;
	return r->purged;
}

/*
 * At least what stands before the journal, and what is known; then as far as segments go without a gap.
 * What lies beyond is in the journal.
 */
static int find_sealed(struct rebuild *r, struct diag *d)
{
	uint64_t sealed, last = last_id(r), known = known_sealed(r);
	int rc = journal_first(r, &sealed, d);

	if (rc < 0)
		return rc;
	sealed -= sealed > 0;
	sealed = sealed < last ? sealed : last;
	sealed = next_cut(r, sealed > known ? sealed : known);
	while (sealed < last) {
		uint64_t cut = next_cut(r, sealed + 1);

		if (!is_complete(r, sealed + 1, cut))
			break;
		sealed = cut;
	}
	for (size_t i = 0; i < r->found_count; i++) {
		if (r->found[i].fate == FATE_LISTED && r->found[i].seg.id_first > sealed)
			r->found[i].fate = FATE_UNFINISHED;
	}
	r->report.sealed_id = sealed;
	return 0;
}

/* ---- the manifest ---- */

static int by_id(const void *a, const void *b)
{
	const struct manifest_segment *x = a, *y = b;

	if (x->id_first != y->id_first)
		return x->id_first < y->id_first ? -1 : 1;
	return (x->id_last > y->id_last) - (x->id_last < y->id_last);
}

/* The segments that count, numbered anew in the order of their ids. */
static struct manifest_segment *list(struct rebuild *r, size_t *out_count)
{
	struct manifest_segment *segs = calloc(r->found_count + 1, sizeof *segs);
	char path[MANIFEST_PATH_BYTES];
	size_t n = 0;

	for (size_t i = 0; segs && i < r->found_count; i++) {
		const struct manifest_segment *s = &r->found[i].seg;

		if (r->found[i].fate != FATE_LISTED) {
			manifest_rebuild_tell(r, manifest_segment_path(s, path),
				r->found[i].fate == FATE_MERGED ? MANIFEST_REBUILD_MERGED
								: MANIFEST_REBUILD_UNFINISHED,
				NULL);
			continue;
		}
		segs[n++] = *s;
		r->report.rows_count += s->rows_count;
	}
	if (n > 0)
		qsort(segs, n, sizeof *segs, by_id);
	for (size_t i = 0; i < n; i++)
		segs[i].no = i + 1;
	*out_count = n;
	r->report.segments_count = n;
	return segs;
}

static int keep_old(void *arg, const char *name)
{
	struct rebuild *r = arg;
	int rc = 0;

	if (strncmp(name, "manifest-", 9) == 0)
		rc = recover_quarantine(r->vfs, r->dir, name, true, NULL);
	return rc < 0 ? rc : 0;
}

static int write_manifest(struct rebuild *r, struct diag *d)
{
	/* More changes than there can have been, so that a reader that lives notices. */
	uint64_t changes = (uint64_t)(r->conf->now_ns / CLOCK_NS_PER_SEC);
	struct manifest_segment *segs;
	struct ctl_manifest was;
	size_t n;
	int rc = r->vfs->list(r->vfs->ctx, r->dir, ".", keep_old, r);

	if (rc < 0)
		return diag_set(d, rc, "manifest", -1, "keep the old manifests in bad/");
	if (ctl_manifest(r->ctl, &was) == 0 && was.changes >= changes)
		changes = was.changes + 1;
	segs = list(r, &n);
	if (!segs)
		return diag_set(d, -ENOMEM, "manifest", -1, "build a manifest");
	rc = manifest_write(
		r->vfs, r->dir, r->format.uuid, r->ctl, segs, n, r->report.sealed_id, changes, d);
	free(segs);
	return rc;
}

/* ---- all of it ---- */

static int take_locks(struct rebuild *r, struct diag *d)
{
	const struct vfs *v = r->vfs;
	int rc;

	r->format_fd = v->open(v->ctx, r->dir, "format", O_RDWR, 0);
	if (r->format_fd < 0)
		return diag_set(d, r->format_fd, "format", -1, "open the store");
	rc = v->lock(v->ctx, r->format_fd, true, false);
	if (rc < 0)
		return diag_set(d, rc, "format", -1, "lock the store: stop the collector first");
	r->compact_fd = v->open(v->ctx, r->dir, "compact.lock", O_RDWR | O_CREAT, 0640);
	if (r->compact_fd < 0)
		return diag_set(d, r->compact_fd, "compact.lock", -1, "lock the store");
	rc = v->lock(v->ctx, r->compact_fd, true, false);
	return rc < 0 ? diag_set(d, rc, "compact.lock", -1, "lock the store") : 0;
}

static int open_store(struct rebuild *r, struct diag *d)
{
	int rc;

	r->dir = r->vfs->open_dir(r->vfs->ctx, r->conf->dir);
	if (r->dir < 0)
		return diag_set(d, r->dir, r->conf->dir, -1, "open the data directory");
	rc = store_format_read(r->vfs, r->dir, &r->format, NULL, d);
	if (rc == 0)
		rc = take_locks(r, d);
	if (rc == 0)
		rc = ctl_open(r->vfs, r->dir, r->format.uuid, CTL_CREATE, &r->ctl, d);
	r->block = block_reader_new();
	if (rc == 0 && !r->block)
		rc = diag_set(d, -ENOMEM, "", -1, "rebuild a manifest");
	return rc;
}

static bool is_sound(const struct rebuild *r)
{
	struct manifest *m = NULL;
	int rc = manifest_open(r->vfs, r->dir, r->format.uuid, NULL, &m, NULL);

	manifest_close(&m);
	return rc == 0;
}

static int add_redacted(void *arg, const struct redact_info *info, const struct idset *ids)
{
	struct rebuild *r = arg;
	uint64_t id = 0;

	/* An order is done when all of its rows were sealed. */
	if (info->done && info->id_max > r->purged)
		r->purged = info->id_max;
	while (idset_next(ids, id, &id)) {
		int rc = idset_add(&r->redacted, id);

		if (rc < 0)
			return rc;
		if (id++ == UINT64_MAX)
			break;
	}
	return 0;
}

static void pass_over(void *arg, const struct diag *why)
{
	(void)arg;
	(void)why;
}

static int work(struct rebuild *r, struct diag *d)
{
	int rc = redact_each(r->vfs, r->dir, r->format.uuid, add_redacted, pass_over, r, d);

	if (rc == 0)
		rc = manifest_rebuild_find(r, d);
	if (rc == 0)
		rc = judge_all(r, d);
	if (rc == 0)
		rc = find_sealed(r, d);
	if (rc == 0 && r->report.left_out[MANIFEST_REBUILD_UNREADABLE] > 0 && !r->conf->lossy)
		rc = diag_set(d, ERR_CORRUPT, "seg", -1,
			"%" PRIu64 " segments cannot be read; nothing was done",
			r->report.left_out[MANIFEST_REBUILD_UNREADABLE]);
	return rc == 0 ? write_manifest(r, d) : rc;
}

int manifest_rebuild(const struct manifest_rebuild_conf *conf, struct manifest_rebuild_report *out,
	struct diag *d)
{
	struct rebuild r = { .conf = conf, .dir = -1, .format_fd = -1, .compact_fd = -1 };
	int rc;

	r.vfs = conf->vfs ? conf->vfs : vfs_real();
	idset_init(&r.redacted, MANIFEST_REBUILD_IDS_BYTES);
	idset_init(&r.covered, MANIFEST_REBUILD_IDS_BYTES);
	rc = open_store(&r, d);
	if (rc == 0)
		rc = is_sound(&r) ? MANIFEST_REBUILD_SOUND : work(&r, d);
	*out = r.report;
	block_reader_free(&r.block);
	ctl_close(&r.ctl);
	idset_fini(&r.redacted);
	idset_fini(&r.covered);
	free(r.found);
	if (r.compact_fd >= 0)
		r.vfs->close(r.vfs->ctx, r.compact_fd);
	if (r.format_fd >= 0)
		r.vfs->close(r.vfs->ctx, r.format_fd);
	if (r.dir >= 0)
		r.vfs->close(r.vfs->ctx, r.dir);
	return rc;
}
