/*
 * A sidecar that does not hold, any page of it, is made again beside the old one and takes its name
 * under the lock.
 */
#include "storage/compact_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base/err.h"
#include "storage/publish.h"
#include "storage/recover.h"
#include "storage/sidx_common.h"
#include "storage/vfs_file.h"

enum { TMP_BYTES = 64 };

/* The new file takes the place of the old one, unless the segment was dropped meanwhile. */
static int place_sidecar(struct compact *c, const struct manifest_segment *seg, const char *tmp,
	const char *path, struct diag *d)
{
	const struct manifest_segment *live;
	char dir_name[MANIFEST_PATH_BYTES];
	size_t n;
	int rc = manifest_lock(c->manifest, d);

	if (rc < 0)
		return rc;
	rc = ERR_STALE;
	live = manifest_segments(c->manifest, &n);
	for (size_t i = 0; i < n && rc != 0; i++)
		rc = live[i].no == seg->no ? 0 : ERR_STALE;
	if (rc == 0)
		rc = c->vfs->rename(c->vfs->ctx, c->dir, tmp, path);
	manifest_unlock(c->manifest);
	if (rc < 0)
		return diag_set(d, rc, path, -1, "replace a sidecar");
	manifest_segment_dir(seg, dir_name);
	rc = vfs_file_sync_dir(c->vfs, c->dir, dir_name);
	return rc < 0 ? diag_set(d, rc, dir_name, -1, "fsync of a directory") : 0;
}

static int remake_sidecar(struct compact *c, const struct manifest_segment *seg,
	const struct seg_reader *reader, int kind, const struct diag *why, struct diag *d)
{
	char path[MANIFEST_PATH_BYTES], tmp[TMP_BYTES], text[COMPACT_WHY_BYTES];
	int rc = 0;

	publish_path(seg, kind, path);
	snprintf(tmp, sizeof tmp, "tmp/%ssidecar", RECOVER_TMP_COMPACT);
	snprintf(text, sizeof text, "was of no use: %s", err_text(why->code));
	if (!c->conf.dry_run) {
		rc = sidx_common_write(c->vfs, c->dir, tmp, (enum sidx_kind)kind, reader, d);
		if (rc == 0)
			rc = place_sidecar(c, seg, tmp, path, d);
		if (rc < 0)
			c->vfs->unlink(c->vfs->ctx, c->dir, tmp);
	}
	if (rc < 0)
		return rc;
	c->total.sidecars++;
	compact_tell(c, COMPACT_SIDECAR, seg, path, 0, text);
	return 0;
}

static int tend_sidecars(struct compact *c, const struct manifest_segment *seg, struct diag *d)
{
	char path[MANIFEST_PATH_BYTES];
	struct seg_reader *reader = NULL;
	int rc = seg_reader_open(c->vfs, c->dir, manifest_segment_path(seg, path), &reader, d);

	for (int kind = 0; kind < SIDX_COUNT && rc == 0; kind++) {
		struct diag why = { 0 };

		publish_path(seg, kind, path);
		rc = sidx_common_check(
			c->vfs, c->dir, path, (enum sidx_kind)kind, seg_reader_info(reader), &why);
		if (rc == -ENOMEM && d)
			*d = why;
		else if (rc < 0 && rc != -ENOMEM)
			rc = remake_sidecar(c, seg, reader, kind, &why, d);
	}
	seg_reader_close(&reader);
	return rc;
}

int compact_sidecars(struct compact *c, struct diag *d)
{
	struct manifest_segment *segs = NULL;
	size_t n = 0;
	int rc = compact_live(c, &segs, &n, d);

	for (size_t i = 0; i < n && rc == 0 && !compact_over(c); i++) {
		struct diag why = { 0 };

		rc = tend_sidecars(c, &segs[i], &why);
		if (rc < 0 && !compact_fatal(rc)) {
			compact_tell_failure(c, &segs[i], &why);
			rc = 0;
		} else if (rc < 0 && d) {
			*d = why;
		}
	}
	free(segs);
	return rc;
}
