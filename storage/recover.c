#include "storage/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/chunk_file.h"
#include "storage/leftover.h"
#include "storage/manifest.h"
#include "storage/recover_int.h"

enum {
	NAME_BYTES = 160,
	/* Names removed or tried at a time; what is left goes with the next round or start. */
	ROUND = 64,
};

void recover_note(struct recover *r, const struct diag *why)
{
	if (r->report.damage.code == 0)
		r->report.damage = *why;
}

/* ---- tmp and bad ---- */

struct sweep {
	const char *prefix;
	char names[ROUND][NAME_BYTES];
	size_t count;
};

static int see_leftover(void *arg, const char *name)
{
	struct sweep *s = arg;
	const char *prefix = s->prefix ? s->prefix : RECOVER_TMP_COMPACT;
	bool begins = strncmp(name, prefix, strlen(prefix)) == 0;

	if (begins != (s->prefix != NULL) || strlen(name) + sizeof "tmp/" > NAME_BYTES)
		return 0;
	/* The list of a change is the business of whoever holds the manifest's lock. */
	if (strncmp(name, &LEFTOVER_NAME[4], sizeof LEFTOVER_NAME - 5) == 0)
		return 0;
	if (s->count == ROUND)
		return 1;
	snprintf(s->names[s->count++], NAME_BYTES, "tmp/%s", name);
	return 0;
}

int recover_sweep(
	const struct vfs *vfs, int dir, const char *prefix, uint64_t *out_count, struct diag *d)
{
	uint64_t total = 0;
	int rc;

	do {
		struct sweep s = { .prefix = prefix };

		rc = vfs->list(vfs->ctx, dir, "tmp", see_leftover, &s);
		if (rc < 0 && rc != -ENOENT)
			return diag_set(d, rc, "tmp", -1, "list what an earlier run left");
		for (size_t i = 0; i < s.count; i++) {
			int failed = vfs->unlink(vfs->ctx, dir, s.names[i]);

			if (failed < 0 && failed != -ENOENT)
				return diag_set(d, failed, s.names[i], -1,
					"remove what an earlier run left");
			total++;
		}
	} while (rc == 1);
	*out_count = total;
	return 0;
}

/* "bad/" and the path with its slashes as underscores, and a number from the second on. */
static void bad_name(const char *path, unsigned number, char dst[NAME_BYTES])
{
	size_t n;

	if (number == 0)
		snprintf(dst, NAME_BYTES, "bad/%s", path);
	else
		snprintf(dst, NAME_BYTES, "bad/%s.%u", path, number);
	n = strlen(dst);
	for (size_t i = sizeof "bad/" - 1; i < n; i++) {
		if (dst[i] == '/')
			dst[i] = '_';
	}
}

int recover_quarantine(const struct vfs *vfs, int dir, const char *path, bool keep, struct diag *d)
{
	char name[NAME_BYTES];
	int rc = -EEXIST;

	for (unsigned i = 0; i < ROUND && rc == -EEXIST; i++) {
		bad_name(path, i, name);
		rc = vfs->link(vfs->ctx, dir, path, dir, name);
		/* Linked before by a run that was killed, or damage seen again: once is enough. */
		if (rc == -EEXIST && keep)
			return 1;
	}
	/* No more free names: the oldest of them gives way. */
	if (rc == -EEXIST)
		rc = vfs->rename(vfs->ctx, dir, path, name);
	else if (rc == 0 && !keep)
		rc = vfs->unlink(vfs->ctx, dir, path);
	return rc < 0 ? diag_set(d, rc, path, -1, "move a damaged file to bad/") : rc;
}

struct bad {
	const struct vfs *vfs;
	int dir;
	uint64_t files;
	uint64_t bytes;
	int64_t oldest_ns;
	char oldest[NAME_BYTES];
};

static int see_bad(void *arg, const char *name)
{
	struct bad *b = arg;
	char path[NAME_BYTES];
	struct vfs_stat st;
	bool older;

	if (snprintf(path, sizeof path, "bad/%s", name) >= NAME_BYTES ||
		b->vfs->stat(b->vfs->ctx, b->dir, path, &st) < 0 || st.is_dir)
		return 0;
	older = b->files == 0 || st.mtime_ns < b->oldest_ns ||
		(st.mtime_ns == b->oldest_ns && strcmp(path, b->oldest) < 0);
	if (older) {
		b->oldest_ns = st.mtime_ns;
		memcpy(b->oldest, path, sizeof path);
	}
	b->files++;
	b->bytes += st.bytes;
	return 0;
}

uint64_t recover_trim_bad(const struct vfs *vfs, int dir)
{
	uint64_t removed = 0;

	for (;;) {
		struct bad b = { .vfs = vfs, .dir = dir };

		if (vfs->list(vfs->ctx, dir, "bad", see_bad, &b) < 0 || b.files <= 1 ||
			(b.files <= LIMIT_BAD_FILES && b.bytes <= LIMIT_BAD_BYTES) ||
			vfs->unlink(vfs->ctx, dir, b.oldest) < 0)
			return removed;
		removed++;
	}
}

/* ---- the directory ---- */

/*
 * So that DATA itself is there after a power cut. Where its parent may not be read, its entry is the
 * business of whoever made it.
 */
static int sync_parent(const struct vfs *v, const char *path, struct diag *d)
{
	char parent[DIAG_FILE_BYTES];
	size_t n = strlen(path);
	int fd, rc;

	while (n > 0 && path[n - 1] == '/')
		n--;
	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n >= sizeof parent)
		return diag_set(d, -ENAMETOOLONG, path, -1, "open the data directory");
	snprintf(parent, sizeof parent, "%.*s", n ? (int)n : 1, n ? path : ".");
	fd = v->open_dir(v->ctx, parent);
	if (fd == -EACCES)
		return 0;
	rc = fd < 0 ? fd : v->fsync(v->ctx, fd);
	if (fd >= 0)
		v->close(v->ctx, fd);
	return rc < 0 ? diag_set(d, rc, parent, -1, "sync the folder of the data directory") : 0;
}

/* Opens DATA; as long as there is no store in it, makes sure that DATA itself stays. */
static int open_data(struct recover *r, const char *path, struct diag *d)
{
	const struct vfs *v = r->vfs;
	struct vfs_stat st;
	int rc = v->open_dir(v->ctx, path);

	if (rc == -ENOENT) {
		rc = v->mkdir(v->ctx, AT_FDCWD, path, 0750);
		if (rc < 0)
			return diag_set(d, rc, path, -1, "make the data directory");
		rc = v->open_dir(v->ctx, path);
	}
	if (rc < 0)
		return diag_set(d, rc, path, -1, "open the data directory");
	r->dir = rc;
	rc = v->stat(v->ctx, r->dir, "format", &st);
	if (rc == -ENOENT)
		return sync_parent(v, path, d);
	return rc < 0 ? diag_set(d, rc, "format", -1, "look for the store") : 0;
}

/* ---- manifest and segments ---- */

static int see_any(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 1;
}

/* A store without a manifest is one whose making was interrupted, or one that lost it. */
static int first_manifest(struct recover *r, struct manifest **out, struct diag *d)
{
	struct journal_dir files = { 0 };
	bool used;
	int rc = r->vfs->list(r->vfs->ctx, r->dir, "seg", see_any, NULL);

	if (rc < 0)
		return diag_set(d, rc, "seg", -1, "list the segments");
	used = rc > 0;
	rc = journal_dir_load(r->vfs, r->dir, r->format.uuid, &files, NULL, d);
	if (rc < 0)
		return rc;
	used |= files.files_count > 0;
	journal_dir_free(&files);
	if (used)
		return diag_set(d, ERR_CORRUPT, "manifest", -1,
			"open the store: there are events but no manifest; restore one from a copy");
	return manifest_create(r->vfs, r->dir, r->format.uuid, r->ctl, out, d);
}

static int open_manifest(struct recover *r, struct manifest **out, struct diag *d)
{
	int rc = manifest_open(r->vfs, r->dir, r->format.uuid, r->ctl, out, d);

	return rc == -ENOENT ? first_manifest(r, out, d) : rc;
}

static int settle_segments(struct recover *r, struct diag *d)
{
	struct manifest *m = NULL;
	int rc = open_manifest(r, &m, d);

	if (rc < 0)
		return rc;
	rc = manifest_lock(m, d);
	if (rc == 0 && manifest_damage(m)->code != 0)
		recover_note(r, manifest_damage(m));
	if (rc == 0)
		rc = manifest_repair(m, d);
	if (rc == 0)
		rc = recover_sweep(r->vfs, r->dir, NULL, &r->report.swept_files, d);
	/* What a killed change left goes by its own list; without one, to bad/. */
	if (rc == 0)
		leftover_clear(r->vfs, r->dir, m, NULL, NULL, NULL);
	if (rc == 0)
		rc = recover_segments(r, m, d);
	r->sealed_id = manifest_sealed(m);
	r->report.sealed = r->sealed_id;
	manifest_close(&m);
	return rc;
}

/* ---- chunk ids ---- */

int recover_add_chunk(void *arg, struct store_chunk c)
{
	struct recover *r = arg;

	chunkset_add(&r->chunks, c, 0);
	return 0;
}

static int load_chunks(struct recover *r, struct diag *d)
{
	struct chunk_log_found found;
	char name[CHUNK_FILE_NAME_BYTES];
	int rc = chunkset_init(&r->chunks, LIMIT_CHUNKS_REMEMBERED, LIMIT_CHUNKS_IN_FLIGHT);

	if (rc < 0)
		return diag_set(d, rc, "", -1, "remember the chunk ids");
	rc = chunk_log_load(
		&r->chunk_log, r->vfs, r->dir, r->format.uuid, recover_add_chunk, r, &found, d);
	if (rc < 0)
		return rc;
	r->report.lost_chunks = found.lost;
	if (found.damage.code)
		recover_note(r, &found.damage);
	for (size_t i = 0; i < r->chunk_log.files_count; i++) {
		const struct chunk_log_file *f = &r->chunk_log.files[i];

		if (f->damaged && recover_quarantine(r->vfs, r->dir,
					  chunk_file_name(f->number, name), true, NULL) == 0)
			r->report.quarantined_files++;
	}
	return 0;
}

/* ---- all ---- */

int recover_open(const struct store_conf *conf, struct recover *out, struct diag *d)
{
	struct recover r = { .vfs = conf->vfs ? conf->vfs : vfs_real(), .dir = -1, .lock_fd = -1 };
	int rc = open_data(&r, conf->dir, d);

	if (rc == 0)
		rc = store_format_open(
			r.vfs, r.dir, conf->node, &r.format, &r.lock_fd, &r.report.created, d);
	if (rc == 0)
		rc = ctl_open(r.vfs, r.dir, r.format.uuid, CTL_CREATE, &r.ctl, d);
	if (rc == 0)
		ctl_starting(r.ctl);
	if (rc == 0)
		rc = settle_segments(&r, d);
	if (rc == 0)
		rc = load_chunks(&r, d);
	if (rc == 0)
		rc = recover_journal(&r, d);
	if (rc == 0)
		r.report.bad_removed = recover_trim_bad(r.vfs, r.dir);
	if (rc < 0)
		recover_close(&r);
	else
		*out = r;
	return rc;
}

void recover_close(struct recover *r)
{
	chunkset_fini(&r->chunks);
	ctl_close(&r->ctl);
	if (r->lock_fd >= 0)
		r->vfs->close(r->vfs->ctx, r->lock_fd);
	if (r->dir >= 0)
		r->vfs->close(r->vfs->ctx, r->dir);
	r->lock_fd = -1;
	r->dir = -1;
}
