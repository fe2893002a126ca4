/*
 * Order: format.partial, so that whatever is there is known for what it is; links and copies of one
 * view of the store, from the newest view that holds until all is done; the manifest; a check of it
 * all; and the rename of format.partial to format as the one step that makes it a store.
 */
#include "storage/backup_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/snapshot_int.h"
#include "storage/store_format.h"

enum {
	/* Views that are begun with; sealing and merging change one now and then, not all the time. */
	TRIES_MAX = 64,
};

static const char *const folders[] = { "journal", "seg", "tmp", "bad" };

/* ---- the directory ---- */

static int see_entry(void *arg, const char *name)
{
	(void)arg;
	return strcmp(name, "lost+found") == 0 ? 0 : -EEXIST;
}

static int open_to(struct backup *b, struct diag *d)
{
	const struct vfs *v = b->vfs;
	const char *to = b->conf->to;
	struct vfs_stat st;
	int rc = v->mkdir(v->ctx, AT_FDCWD, to, 0750);

	if (rc < 0 && rc != -EEXIST)
		return diag_set(d, rc, to, -1, "make the directory of the copy");
	rc = v->open_dir(v->ctx, to);
	if (rc < 0)
		return diag_set(d, rc, to, -1, "open the directory of the copy");
	b->to = rc;
	rc = v->list(v->ctx, b->to, ".", see_entry, NULL);
	if (rc == -EEXIST)
		return diag_set(d, rc, to, -1,
			v->stat(v->ctx, b->to, STORE_FORMAT_PARTIAL, &st) == 0
				? "an unfinished copy is there: remove it first"
				: "the directory of the copy must be empty");
	return rc < 0 ? diag_set(d, rc, to, -1, "list the directory of the copy") : 0;
}

/* format of the store as format.partial, and the folders. */
static int begin(struct backup *b, const struct store_format *format, struct diag *d)
{
	const struct vfs *v = b->vfs;
	uint8_t bytes[LAYOUT_FORMAT_BYTES];
	int fd = v->open(v->ctx, b->to, STORE_FORMAT_PARTIAL, O_WRONLY | O_CREAT | O_EXCL, 0640);
	int rc = fd;

	store_format_put(format, bytes);
	if (fd >= 0) {
		rc = v->pwrite_all(v->ctx, fd, bytes, sizeof bytes, 0);
		if (rc == 0)
			rc = v->fsync(v->ctx, fd);
		v->close(v->ctx, fd);
	}
	if (rc == 0)
		rc = v->fsync(v->ctx, b->to);
	for (size_t i = 0; i < ARRAY_COUNT(folders) && rc == 0; i++)
		rc = v->mkdir(v->ctx, b->to, folders[i], 0750);
	return rc < 0 ? diag_set(d, rc, b->conf->to, -1, "begin the copy") : 0;
}

static int finish(struct backup *b, struct diag *d)
{
	const struct vfs *v = b->vfs;
	int rc;

	ctl_sync(b->ctl);
	rc = backup_files_sync(b, ".", d);
	if (rc < 0)
		return rc;
	rc = v->rename(v->ctx, b->to, STORE_FORMAT_PARTIAL, "format");
	if (rc == 0)
		rc = v->fsync(v->ctx, b->to);
	return rc < 0 ? diag_set(d, rc, b->conf->to, -1, "finish the copy") : 0;
}

/* So that the directory itself stays after a power cut; where its parent may not be opened, it is
 * the business of whoever made it. */
static int sync_parent(struct backup *b, struct diag *d)
{
	const char *to = b->conf->to;
	char parent[DIAG_FILE_BYTES];
	size_t n = strlen(to);
	int fd, rc;

	while (n > 0 && to[n - 1] == '/')
		n--;
	while (n > 0 && to[n - 1] != '/')
		n--;
	if (n >= sizeof parent)
		return diag_set(d, -ENAMETOOLONG, to, -1, "sync the folder of the copy");
	snprintf(parent, sizeof parent, "%.*s", n ? (int)n : 1, n ? to : ".");
	fd = b->vfs->open_dir(b->vfs->ctx, parent);
	if (fd == -EACCES)
		return 0;
	rc = fd < 0 ? fd : b->vfs->fsync(b->vfs->ctx, fd);
	if (fd >= 0)
		b->vfs->close(b->vfs->ctx, fd);
	return rc < 0 ? diag_set(d, rc, parent, -1, "sync the folder of the copy") : 0;
}

/* ---- one view ---- */

/* A snapshot and the manifest of the same version. ERR_STALE: it changed in between. */
static int take_view(struct backup *b, struct diag *d)
{
	int rc;

	store_snapshot_free(&b->snap);
	rc = store_reader_snapshot(b->reader, &b->snap, d);
	if (rc == 0)
		rc = manifest_refresh(b->manifest, d);
	if (rc < 0)
		return rc;
	if (manifest_changes(b->manifest) != snapshot_changes(b->snap))
		return diag_set(d, ERR_STALE, "manifest", -1, "take a view of the store");
	b->report.sealed = snapshot_sealed(b->snap);
	b->report.committed = snapshot_committed(b->snap);
	return 0;
}

struct extra {
	struct backup *b;
	const char *folder;
	int depth;
	struct names {
		char (*paths)[BACKUP_NAME_BYTES];
		size_t count;
	} * out;
};

/* Journal files and segments of an earlier view that this one does not have. */
static int see_old(void *arg, const char *name)
{
	struct extra *e = arg;
	char path[BACKUP_NAME_BYTES];
	void *more;

	if ((size_t)snprintf(path, sizeof path, "%s/%s", e->folder, name) >= sizeof path)
		return 0;
	if (e->depth > 0) {
		struct extra below = { e->b, path, e->depth - 1, e->out };

		return e->b->vfs->list(e->b->vfs->ctx, e->b->to, path, see_old, &below);
	}
	more = realloc(e->out->paths, (e->out->count + 1) * sizeof *e->out->paths);
	if (!more)
		return -ENOMEM;
	e->out->paths = more;
	memcpy(e->out->paths[e->out->count++], path, sizeof path);
	return 0;
}

/* Empties seg/ and journal/ of the copy: links are made anew in no time. */
static int clear(struct backup *b, struct diag *d)
{
	struct names names = { 0 };
	struct extra journal = { b, "journal", 0, &names }, seg = { b, "seg", 1, &names };
	const struct vfs *v = b->vfs;
	int rc = v->list(v->ctx, b->to, "journal", see_old, &journal);

	if (rc == 0)
		rc = v->list(v->ctx, b->to, "seg", see_old, &seg);
	for (size_t i = 0; i < names.count && rc == 0; i++)
		rc = v->unlink(v->ctx, b->to, names.paths[i]);
	free(names.paths);
	return rc < 0 ? diag_set(d, rc, b->conf->to, -1, "begin the copy anew") : 0;
}

static int copy_view(struct backup *b, struct diag *d)
{
	int rc = take_view(b, d);

	if (rc == 0)
		rc = backup_files_segments(b, d);
	if (rc == 0)
		rc = backup_journal_copy(b, d);
	return rc == 0 ? backup_files_chunks(b, d) : rc;
}

static int copy_all(struct backup *b, struct diag *d)
{
	int rc = backup_files_redact(b, d);

	for (int try = 0; try < TRIES_MAX && rc == 0; try++) {
		rc = try > 0 ? clear(b, d) : 0;
		b->report.tries++;
		if (rc == 0)
			rc = copy_view(b, d);
		if (rc != ERR_STALE)
			break;
		rc = try + 1 < TRIES_MAX ? 0 : rc;
	}
	if (rc == 0)
		rc = backup_files_redact(b, d);
	if (rc == 0)
		rc = ctl_open(b->vfs, b->to, b->uuid, CTL_CREATE, &b->ctl, d);
	if (rc == 0)
		rc = manifest_copy(b->manifest, b->to, b->ctl, d);
	if (rc < 0)
		return rc;
	ctl_publish_commit(b->ctl, &b->journal_end);
	return backup_check_all(b, d);
}

/* ---- all ---- */

static int open_from(struct backup *b, struct store_format *out, struct diag *d)
{
	const struct store_conf conf = {
		.vfs = b->vfs, .dir = b->conf->dir, .tail_cache_bytes = 1
	};
	int rc = store_reader_open(&conf, &b->reader, d);

	if (rc < 0)
		return rc;
	b->from = b->vfs->open_dir(b->vfs->ctx, b->conf->dir);
	if (b->from < 0)
		return diag_set(d, b->from, b->conf->dir, -1, "open the data directory");
	rc = store_format_read(b->vfs, b->from, out, NULL, d);
	if (rc < 0)
		return rc;
	memcpy(b->uuid, out->uuid, sizeof b->uuid);
	/* The files alone: it is asked a few times only, and needs no ctl. */
	return manifest_open(b->vfs, b->from, b->uuid, NULL, &b->manifest, d);
}

static void close_all(struct backup *b)
{
	store_snapshot_free(&b->snap);
	ctl_close(&b->ctl);
	manifest_close(&b->manifest);
	store_reader_close(&b->reader);
	if (b->from >= 0)
		b->vfs->close(b->vfs->ctx, b->from);
	if (b->to >= 0)
		b->vfs->close(b->vfs->ctx, b->to);
	free(b->bytes);
}

int backup_run(const struct backup_conf *conf, struct backup_report *out, struct diag *d)
{
	struct backup b = { .conf = conf, .vfs = conf->vfs, .from = -1, .to = -1 };
	struct store_format format;
	int rc;

	if (!b.vfs)
		b.vfs = vfs_real();
	b.bytes = malloc(BACKUP_COPY_BYTES);
	rc = b.bytes ? open_from(&b, &format, d) : diag_set(d, -ENOMEM, "", -1, "copy the store");
	if (rc == 0)
		rc = open_to(&b, d);
	if (rc == 0)
		rc = begin(&b, &format, d);
	if (rc == 0)
		rc = copy_all(&b, d);
	if (rc == 0)
		rc = finish(&b, d);
	if (rc == 0)
		rc = sync_parent(&b, d);
	*out = b.report;
	close_all(&b);
	return rc;
}
