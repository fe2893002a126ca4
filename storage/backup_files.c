/* Files that never change once they have their name: linked, or copied where that is asked for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/backup_int.h"
#include "storage/chunk_file.h"
#include "storage/publish.h"
#include "storage/redact.h"
#include "storage/sidx_common.h"
#include "storage/snapshot_int.h"
#include "storage/vfs_file.h"

enum { FOLDER_MODE = 0750, FILE_MODE = 0640, END_OF_FILE = -1, LIST_TRIES = 8 };

#define DONE ".done"

int backup_files_sync(struct backup *b, const char *name, struct diag *d)
{
	int rc = vfs_file_sync_dir(b->vfs, b->to, name);

	return rc < 0 ? diag_set(d, rc, name, -1, "sync a folder of the copy") : 0;
}

static int make_folder(struct backup *b, const char *name, struct diag *d)
{
	int rc = b->vfs->mkdir(b->vfs->ctx, b->to, name, FOLDER_MODE);

	return rc < 0 && rc != -EEXIST ? diag_set(d, rc, name, -1, "make a folder of the copy") : 0;
}

/* ---- one file ---- */

static int copy_bytes(struct backup *b, int in, int out, uint64_t end)
{
	const struct vfs *v = b->vfs;
	uint64_t off = 0;

	while (off < end) {
		size_t n = end - off < BACKUP_COPY_BYTES ? (size_t)(end - off) : BACKUP_COPY_BYTES;
		ssize_t got = v->pread(v->ctx, in, b->bytes, n, off);
		int rc;

		if (got < 0)
			return (int)got;
		if (got == 0)
			return end == UINT64_MAX ? 0 : ERR_TRUNCATED;
		rc = v->pwrite_all(v->ctx, out, b->bytes, (size_t)got, off);
		if (rc < 0)
			return rc;
		off += (uint64_t)got;
	}
	return 0;
}

/* -ENOENT without a diag: the file is not there. `end` UINT64_MAX: the whole. */
static int copy_file(
	struct backup *b, const char *name, const char *to, uint64_t end, struct diag *d)
{
	const struct vfs *v = b->vfs;
	int in = v->open(v->ctx, b->from, name, O_RDONLY, 0), out = -1, rc = in;

	if (in == -ENOENT)
		return in;
	if (in >= 0) {
		out = v->open(v->ctx, b->to, to, O_WRONLY | O_CREAT | O_TRUNC, FILE_MODE);
		rc = out;
	}
	if (rc >= 0)
		rc = copy_bytes(b, in, out, end);
	if (rc == 0)
		rc = v->fsync(v->ctx, out);
	if (out >= 0)
		v->close(v->ctx, out);
	if (in >= 0)
		v->close(v->ctx, in);
	return rc < 0 ? diag_set(d, rc, name, -1, "copy a file") : 0;
}

int backup_files_copy(struct backup *b, const char *name, uint64_t end, struct diag *d)
{
	int rc = copy_file(b, name, name, end, d);

	return rc == -ENOENT ? diag_set(d, ERR_STALE, name, -1, "copy a file") : rc;
}

static int link_again(struct backup *b, const char *name, const char *to)
{
	int rc = b->vfs->unlink(b->vfs->ctx, b->to, to);

	return rc < 0 ? rc : b->vfs->link(b->vfs->ctx, b->from, name, b->to, to);
}

/* -ENOENT without a diag: the file is not there. */
static int bring(struct backup *b, const char *name, const char *to, struct diag *d)
{
	const struct vfs *v = b->vfs;
	struct vfs_stat st;
	int rc;

	if (b->conf->copy) {
		rc = copy_file(b, name, to, UINT64_MAX, d);
	} else {
		rc = v->link(v->ctx, b->from, name, b->to, to);
		/* From an earlier view: names are used again for other content in rare cases. */
		if (rc == -EEXIST)
			rc = link_again(b, name, to);
		if (rc == -EXDEV)
			return diag_set(d, rc, b->conf->to, -1,
				"link %s: links cannot cross file systems; choose a directory on "
				"that of the store, or ask for a copy (--copy)",
				name);
		if (rc < 0 && rc != -ENOENT)
			return diag_set(d, rc, name, -1, "link a file into %s", b->conf->to);
	}
	if (rc < 0)
		return rc;
	b->report.linked_files++;
	if (v->stat(v->ctx, b->to, to, &st) == 0)
		b->report.linked_bytes += st.bytes;
	return 0;
}

/* ---- segments ---- */

static bool stopped(const struct backup *b)
{
	return b->conf->stop && *b->conf->stop;
}

/*
 * Sidecars may be missing, and are built again. They come before the segment, for that goes first when
 * it is retired: where it is still there afterwards, no sidecar was missing for that reason.
 */
static int bring_segment(struct backup *b, const struct manifest_segment *s, struct diag *d)
{
	char path[MANIFEST_PATH_BYTES];
	int rc = make_folder(b, manifest_segment_dir(s, path), d);

	for (int kind = 0; kind < SIDX_COUNT && rc == 0; kind++) {
		publish_path(s, kind, path);
		rc = bring(b, path, path, d);
		if (rc == -ENOENT)
			rc = 0;
	}
	if (rc < 0)
		return rc;
	manifest_segment_path(s, path);
	return bring(b, path, path, d);
}

/* A segment that the snapshot lists has no file: retired meanwhile, or lost long ago. */
static int judge_missing(struct backup *b, const struct manifest_segment *s, struct diag *d)
{
	char path[MANIFEST_PATH_BYTES];
	int rc = manifest_refresh(b->manifest, d);

	if (rc < 0)
		return rc;
	if (manifest_changes(b->manifest) != snapshot_changes(b->snap))
		return diag_set(d, ERR_STALE, manifest_segment_path(s, path), -1, "link a segment");
	b->report.missing++;
	return 0;
}

static int sync_day(void *arg, const char *name)
{
	struct backup *b = arg;
	char path[BACKUP_NAME_BYTES];

	if ((size_t)snprintf(path, sizeof path, "seg/%s", name) >= sizeof path)
		return 0;
	return backup_files_sync(b, path, NULL);
}

int backup_files_segments(struct backup *b, struct diag *d)
{
	size_t n = snapshot_segment_count(b->snap);
	int rc = 0;

	b->report.linked_files = b->report.linked_bytes = 0;
	b->report.missing = b->report.rows = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		const struct manifest_segment *s = snapshot_segment(b->snap, i);

		if (stopped(b))
			return diag_set(d, ERR_CANCELED, b->conf->to, -1, "copy the store");
		rc = bring_segment(b, s, d);
		if (rc == -ENOENT)
			rc = judge_missing(b, s, d);
		b->report.rows += s->rows_count;
	}
	if (rc < 0)
		return rc;
	b->report.segments = n;
	rc = b->vfs->list(b->vfs->ctx, b->to, "seg", sync_day, b);
	return rc < 0 ? diag_set(d, rc, "seg", -1, "sync the folders of the copy")
		      : backup_files_sync(b, "seg", d);
}

/* ---- chunk ids ---- */

struct chunks {
	struct backup *b;
	struct diag *d;
	int rc; /* -ENOENT: the log has changed since it was listed */
};

static int bring_chunks(void *arg, const char *name)
{
	struct chunks *c = arg;

	if (chunk_file_number(name) == 0)
		return 0;
	c->rc = bring(c->b, name, name, c->d);
	return c->rc;
}

int backup_files_chunks(struct backup *b, struct diag *d)
{
	struct chunks c = { .b = b, .d = d, .rc = -ENOENT };
	int rc = 0;

	for (int i = 0; i < LIST_TRIES && c.rc == -ENOENT; i++) {
		c.rc = 0;
		rc = b->vfs->list(b->vfs->ctx, b->from, ".", bring_chunks, &c);
	}
	if (c.rc == -ENOENT)
		return diag_set(d, ERR_STALE, "chunks", -1, "copy the chunk ids");
	if (c.rc < 0)
		return c.rc;
	return rc < 0 ? diag_set(d, rc, ".", -1, "list the chunk ids") : 0;
}

/* ---- records of deleted events ---- */

struct orders {
	struct backup *b;
	struct diag *d;
	int rc; /* of a copy that failed; the diag is set */
};

/*
 * An order may be done, and its rows gone from the store, between our view of the segments and now; in
 * the copy it is in force then. One that was done before our view is done in the copy as well.
 */
static int bring_order(void *arg, const char *name)
{
	struct orders *o = arg;
	struct backup *b = o->b;
	char from[BACKUP_NAME_BYTES], to[BACKUP_NAME_BYTES], open[BACKUP_NAME_BYTES];
	size_t n = strlen(name);
	struct vfs_stat st;
	int rc;

	if (n <= strlen(DONE) || n + sizeof REDACT_DIR >= BACKUP_NAME_BYTES - 8)
		return 0;
	snprintf(from, sizeof from, REDACT_DIR "/%s", name);
	snprintf(to, sizeof to, "%s", from);
	if (strcmp(name + n - strlen(DONE), DONE) == 0) {
		/* Here already, done or in force: as it was when the view was taken. */
		if (b->vfs->stat(b->vfs->ctx, b->to, to, &st) == 0)
			return 0;
		snprintf(open, sizeof open, REDACT_DIR "/%.*s.ids", (int)(n - strlen(DONE)), name);
		if (b->vfs->stat(b->vfs->ctx, b->to, open, &st) == 0)
			return 0;
		if (b->snap)
			snprintf(to, sizeof to, "%s", open);
	}
	rc = bring(b, from, to, o->d);
	/* Done since it was listed; under its new name it may not be listed any more. */
	if (rc == -ENOENT) {
		snprintf(from, sizeof from, REDACT_DIR "/%.*s" DONE, (int)strcspn(name, "."), name);
		rc = bring(b, from, to, o->d);
	}
	o->rc = rc == -ENOENT ? 0 : rc;
	return o->rc;
}

int backup_files_redact(struct backup *b, struct diag *d)
{
	struct orders o = { .b = b, .d = d };
	struct vfs_stat st;
	int rc = b->vfs->stat(b->vfs->ctx, b->from, REDACT_DIR, &st);

	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = make_folder(b, REDACT_DIR, d);
	if (rc == 0)
		rc = b->vfs->list(b->vfs->ctx, b->from, REDACT_DIR, bring_order, &o);
	if (o.rc < 0)
		return o.rc;
	if (rc < 0)
		return diag_set(d, rc, REDACT_DIR, -1, "copy the records of deleted events");
	return backup_files_sync(b, REDACT_DIR, d);
}
