/*
 * The copy, read by its own files alone before it gets its name: the manifest says what ours says, each
 * segment is the one listed, and the journal ends with the last committed row. Pages are not read:
 * a link is the file itself. That is for astrodump verify.
 */
#include <errno.h>
#include <inttypes.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/backup_int.h"
#include "storage/journal_walk.h"
#include "storage/seg_reader.h"
#include "storage/snapshot_int.h"

static int wrong(struct diag *d, const char *file, const char *what)
{
	return diag_set(d, ERR_CORRUPT, file, -1, "check the copy: %s", what);
}

static int check_segment(struct backup *b, const struct manifest_segment *s, struct diag *d)
{
	char path[MANIFEST_PATH_BYTES];
	struct seg_reader *r = NULL;
	struct vfs_stat st;
	int rc;

	manifest_segment_path(s, path);
	rc = b->vfs->stat(b->vfs->ctx, b->to, path, &st);
	/* Counted in `missing` when it was to be linked. */
	if (rc == -ENOENT && b->report.missing > 0)
		return 0;
	if (rc < 0)
		return diag_set(d, rc, path, -1, "check the copy");
	rc = seg_reader_open(b->vfs, b->to, path, &r, d);
	/* Damaged in the store, and no worse here. */
	if (rc == ERR_CORRUPT && !b->conf->copy)
		return 0;
	if (rc < 0)
		return rc;
	if (seg_reader_info(r)->sum != s->file_sum)
		rc = wrong(d, path, "another segment stands in the place of the listed one");
	seg_reader_close(&r);
	return rc;
}

static int check_segments(struct backup *b, struct diag *d)
{
	const struct manifest_segment *segs;
	struct manifest *m = NULL;
	size_t n;
	/* Without ctl: the files. */
	int rc = manifest_open(b->vfs, b->to, b->uuid, NULL, &m, d);

	if (rc < 0)
		return rc;
	segs = manifest_segments(m, &n);
	if (n != b->report.segments || manifest_changes(m) != snapshot_changes(b->snap) ||
		manifest_damage(m)->code != 0)
		rc = wrong(d, "manifest", "it says other things than that of the store");
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = check_segment(b, &segs[i], d);
	manifest_close(&m);
	return rc;
}

/* Gaps are those of the store. */
static int check_journal(struct backup *b, struct diag *d)
{
	uint64_t from = snapshot_sealed(b->snap) + 1;
	struct journal_record rec;
	struct journal_gap gap;
	struct journal_walk w;
	int rc = journal_walk_init(&w, b->vfs, b->to, b->uuid, from, NULL, d);

	if (rc < 0)
		return rc;
	w.check = true;
	w.known_id = b->report.committed;
	while ((rc = journal_walk_next(&w, NULL, &rec, &gap, d)) > 0)
		continue;
	if (rc == 0 && w.pos.next_id != b->report.committed + 1 &&
		snapshot_damage(b->snap)->lost_ids == 0 && snapshot_batch_count(b->snap) > 0)
		rc = diag_set(d, ERR_CORRUPT, "journal", -1,
			"check the copy: it ends with event %" PRIu64 " and not %" PRIu64,
			w.pos.next_id - 1, b->report.committed);
	journal_walk_fini(&w);
	return rc;
}

int backup_check_all(struct backup *b, struct diag *d)
{
	int rc = check_segments(b, d);

	return rc < 0 ? rc : check_journal(b, d);
}
