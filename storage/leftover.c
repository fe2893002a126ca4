#include "storage/leftover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/sidx_common.h"
#include "storage/vfs_file.h"

enum {
	SUM_DIGITS = 16,
	HEAD_BYTES = SUM_DIGITS + 1,
	PATHS_BYTES_MAX = 2 * LIMIT_CHANGE_SEGMENTS * MANIFEST_PATH_BYTES,
};

#define NEW_NAME LEFTOVER_NAME ".new"

static_assert(LIMIT_CHANGE_SEGMENTS <= 65536, "the list of one change fits into memory");

static void put_paths(struct buf *b, const struct manifest_segment *segs, size_t n)
{
	char path[MANIFEST_PATH_BYTES];

	for (size_t i = 0; i < n; i++) {
		buf_put_str(b, manifest_segment_path(&segs[i], path));
		buf_put_u8(b, '\n');
	}
}

int leftover_write(const struct vfs *v, int dir, const struct manifest_segment *adds,
	size_t adds_count, const struct manifest_segment *drops, size_t drops_count, struct diag *d)
{
	char head[HEAD_BYTES + 1];
	struct buf b;
	int rc;

	buf_init(&b, HEAD_BYTES + PATHS_BYTES_MAX);
	buf_put(&b, "0000000000000000\n", HEAD_BYTES);
	put_paths(&b, adds, adds_count);
	put_paths(&b, drops, drops_count);
	rc = b.err;
	if (rc == 0) {
		snprintf(head, sizeof head, "%016" PRIx64 "\n",
			(uint64_t)XXH3_64bits(b.p + HEAD_BYTES, b.len - HEAD_BYTES));
		memcpy(b.p, head, HEAD_BYTES);
		rc = vfs_file_write(v, dir, NEW_NAME, buf_span(&b));
	}
	if (rc == 0)
		rc = v->rename(v->ctx, dir, NEW_NAME, LEFTOVER_NAME);
	if (rc == 0)
		rc = vfs_file_sync_dir(v, dir, "tmp");
	buf_fini(&b);
	return rc < 0 ? diag_set(d, rc, LEFTOVER_NAME, -1, "write the list of a change") : 0;
}

void leftover_forget(const struct vfs *v, int dir)
{
	v->unlink(v->ctx, dir, LEFTOVER_NAME);
}

/* The list of paths into b. -ENOENT: none. ERR_CORRUPT: it does not hold. */
static int read_list(const struct vfs *v, int dir, struct buf *b, struct span *out_paths)
{
	char head[HEAD_BYTES + 1];
	int rc = vfs_file_read(v, dir, LEFTOVER_NAME, b);

	if (rc < 0)
		return rc;
	if (b->len < HEAD_BYTES)
		return ERR_CORRUPT;
	snprintf(head, sizeof head, "%016" PRIx64 "\n",
		(uint64_t)XXH3_64bits(b->p + HEAD_BYTES, b->len - HEAD_BYTES));
	if (memcmp(head, b->p, HEAD_BYTES) != 0)
		return ERR_CORRUPT;
	*out_paths = span_of(b->p + HEAD_BYTES, b->len - HEAD_BYTES);
	return 0;
}

/* "seg/YYYY-MM-DD/name.seg" of letters, digits, dots and dashes only: never outside seg/. */
static bool path_ok(const char *path)
{
	size_t n = strlen(path);
	unsigned slashes = 0;

	if (strncmp(path, "seg/", 4) != 0 || n < 8 || strcmp(path + n - 4, ".seg") != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = path[i];
		bool word =
			(c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';

		slashes += c == '/';
		if (!word && c != '/' && c != '.')
			return false;
		if (c == '.' && (path[i + 1] == '.' || path[i + 1] == '/' || path[i - 1] == '/'))
			return false;
	}
	return slashes == 2;
}

static bool is_live(const struct manifest *m, const char *path)
{
	size_t n;
	const struct manifest_segment *segs = manifest_segments(m, &n);
	char live[MANIFEST_PATH_BYTES];

	for (size_t i = 0; i < n; i++) {
		if (strcmp(manifest_segment_path(&segs[i], live), path) == 0)
			return true;
	}
	return false;
}

struct clearing {
	const struct vfs *vfs;
	int dir;
	struct manifest *m;
	void (*gone)(void *arg, const char *path, uint64_t bytes);
	void *arg;
	bool settled;
};

/*
 * A record whose write failed may stand behind the end of the manifest. One more change makes it
 * void, so that no file is removed that a restart would find listed.
 */
static int settle(struct clearing *c, struct diag *d)
{
	const struct manifest_change nothing = { 0 };
	int rc = c->settled ? 0 : manifest_append(c->m, &nothing, d);

	c->settled = rc == 0;
	return rc;
}

/* The directory of a file that was removed, or seg/ where it is gone itself. */
static int sync_dir_of(const struct clearing *c, const char *dir)
{
	int rc = vfs_file_sync_dir(c->vfs, c->dir, dir);

	return rc == -ENOENT ? vfs_file_sync_dir(c->vfs, c->dir, "seg") : rc;
}

static int remove_one(struct clearing *c, const char *path, struct diag *d)
{
	char side[MANIFEST_PATH_BYTES];
	int stem = (int)strlen(path) - 4;
	struct vfs_stat st;
	int rc;

	if (c->vfs->stat(c->vfs->ctx, c->dir, path, &st) < 0)
		st.bytes = 0;
	else if ((rc = settle(c, d)) < 0)
		return rc;
	rc = c->vfs->unlink(c->vfs->ctx, c->dir, path);
	if (rc == 0 && c->gone)
		c->gone(c->arg, path, st.bytes);
	for (int kind = 0; kind < SIDX_COUNT; kind++) {
		snprintf(side, sizeof side, "%.*s%s", stem, path,
			sidx_common_suffix((enum sidx_kind)kind));
		c->vfs->unlink(c->vfs->ctx, c->dir, side);
	}
	snprintf(side, sizeof side, "%.*s", (int)(strrchr(path, '/') - path), path);
	c->vfs->rmdir(c->vfs->ctx, c->dir, side); /* fails while it is in use */
	/* What is gone already may have been removed without a sync by who left the list. */
	if (rc == 0 || rc == -ENOENT)
		rc = sync_dir_of(c, side);
	if (rc == 0)
		return 0;
	return diag_set(d, rc, path, -1, "remove what a killed run left");
}

static int clear_paths(struct clearing *c, struct span paths, struct diag *d)
{
	const char *p = (const char *)paths.p, *end = p + paths.n;
	int rc = 0;

	while (rc == 0 && p < end) {
		const char *nl = memchr(p, '\n', (size_t)(end - p));
		char path[MANIFEST_PATH_BYTES];

		if (!nl || (size_t)(nl - p) >= sizeof path)
			return ERR_CORRUPT;
		memcpy(path, p, (size_t)(nl - p));
		path[nl - p] = 0;
		p = nl + 1;
		if (!path_ok(path))
			return ERR_CORRUPT;
		if (!is_live(c->m, path))
			rc = remove_one(c, path, d);
	}
	return rc;
}

int leftover_clear(const struct vfs *vfs, int dir, struct manifest *m,
	void (*gone)(void *arg, const char *path, uint64_t bytes), void *arg, struct diag *d)
{
	struct clearing c = { .vfs = vfs, .dir = dir, .m = m, .gone = gone, .arg = arg };
	struct span paths = SPAN_NONE;
	struct buf b;
	int rc;

	buf_init(&b, HEAD_BYTES + PATHS_BYTES_MAX);
	rc = read_list(vfs, dir, &b, &paths);
	if (rc == 0)
		rc = clear_paths(&c, paths, d);
	buf_fini(&b);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0 || rc == ERR_CORRUPT) {
		leftover_forget(vfs, dir);
		return 0;
	}
	return rc;
}
