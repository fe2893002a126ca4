#include "storage/store_format.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/cursor.h"

void store_format_put(const struct store_format *f, uint8_t dst[LAYOUT_FORMAT_BYTES])
{
	struct wcur w = wcur_of(dst, LAYOUT_FORMAT_BYTES);

	memset(dst, 0, LAYOUT_FORMAT_BYTES);
	wcur_bytes(&w, LAYOUT_FORMAT_MAGIC, LAYOUT_MAGIC_BYTES);
	wcur_le16(&w, LAYOUT_FORMAT_VERSION);
	w = wcur_of(dst + LAYOUT_FORMAT_UUID, LAYOUT_FORMAT_BYTES - LAYOUT_FORMAT_UUID);
	wcur_bytes(&w, f->uuid, sizeof f->uuid);
	wcur_le16(&w, f->node);
	w = wcur_of(dst + LAYOUT_FORMAT_CREATED, sizeof(uint64_t));
	wcur_le64(&w, (uint64_t)f->created_ns);
	w = wcur_of(dst + LAYOUT_FORMAT_SUM, sizeof(uint64_t));
	wcur_le64(&w, XXH3_64bits(dst, LAYOUT_FORMAT_SUM));
	ASSERT(w.err == 0);
}

int store_format_get(const uint8_t *p, size_t n, struct store_format *out)
{
	struct rcur c = rcur_of(p, n);
	struct span magic = rcur_bytes(&c, LAYOUT_MAGIC_BYTES);
	struct store_format f;
	struct span uuid;
	uint16_t version;
	uint32_t incompat;

	if (c.err || !span_eq(magic, SPAN_LIT(LAYOUT_FORMAT_MAGIC)))
		return ERR_NOT_A_STORE;
	version = rcur_le16(&c);
	rcur_le16(&c);
	incompat = rcur_le32(&c);
	uuid = rcur_bytes(&c, LAYOUT_UUID_BYTES);
	f.node = rcur_le16(&c);
	rcur_bytes(&c, LAYOUT_FORMAT_CREATED - LAYOUT_FORMAT_NODE - 2);
	f.created_ns = (int64_t)rcur_le64(&c);
	rcur_bytes(&c, LAYOUT_FORMAT_SUM - LAYOUT_FORMAT_CREATED - 8);
	if (rcur_le64(&c) != XXH3_64bits(p, n < LAYOUT_FORMAT_SUM ? n : LAYOUT_FORMAT_SUM))
		return c.err ? c.err : ERR_CORRUPT;
	if (version > LAYOUT_FORMAT_VERSION || incompat != 0)
		return ERR_TOO_NEW;
	memcpy(f.uuid, uuid.p, sizeof f.uuid);
	*out = f;
	return 0;
}

/* 0, or that this is a copy which was never finished. */
static int refuse_partial(const struct vfs *v, int dir, struct diag *d)
{
	struct vfs_stat st;

	if (v->stat(v->ctx, dir, STORE_FORMAT_PARTIAL, &st) < 0)
		return 0;
	return diag_set(d, ERR_NOT_A_STORE, STORE_FORMAT_PARTIAL, -1,
		"open the store: this is a snapshot that was not finished; remove it");
}

static int read_file(const struct vfs *v, int fd, struct store_format *out, struct diag *d)
{
	uint8_t bytes[LAYOUT_FORMAT_BYTES];
	ssize_t n = v->pread(v->ctx, fd, bytes, sizeof bytes, 0);
	int rc = n < 0 ? (int)n : store_format_get(bytes, (size_t)n, out);

	if (rc == ERR_TOO_NEW)
		return diag_set(d, rc, "format", LAYOUT_HEAD_VERSION, "open the store");
	return rc < 0 ? diag_set(d, rc, "format", 0, "read what store this is") : 0;
}

int store_format_read(
	const struct vfs *vfs, int dir, struct store_format *out, int *out_fd, struct diag *d)
{
	int fd = vfs->open(vfs->ctx, dir, "format", O_RDONLY, 0);
	int rc;

	if (fd == -ENOENT && refuse_partial(vfs, dir, d) < 0)
		return ERR_NOT_A_STORE;
	if (fd == -ENOENT)
		return diag_set(d, ERR_NOT_A_STORE, "format", -1,
			"open the store (astrocollectd makes one where it is pointed at)");
	if (fd < 0)
		return diag_set(d, fd, "format", -1, "open the store");
	rc = read_file(vfs, fd, out, d);
	if (rc == 0 && out_fd)
		*out_fd = fd;
	else
		vfs->close(vfs->ctx, fd);
	return rc;
}

/* ---- making one ---- */

static const char *const folders[] = { "journal", "seg", "tmp", "bad" };

static int see_entry(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return 1;
}

struct entries {
	const struct vfs *vfs;
	int dir;
	char foreign[DIAG_FILE_BYTES];
};

/* Anything but what an interrupted making can have left. */
static int see_foreign(void *arg, const char *name)
{
	struct entries *e = arg;

	if (strcmp(name, "format.new") == 0 || strcmp(name, "lost+found") == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_COUNT(folders); i++) {
		if (strcmp(name, folders[i]) == 0 &&
			e->vfs->list(e->vfs->ctx, e->dir, name, see_entry, NULL) == 0)
			return 0;
	}
	snprintf(e->foreign, sizeof e->foreign, "%s", name);
	return 1;
}

/* Synced in any case: an earlier process may have died between making and syncing. */
static int make_folders(const struct vfs *v, int dir, struct diag *d)
{
	int rc;

	for (size_t i = 0; i < ARRAY_COUNT(folders); i++) {
		rc = v->mkdir(v->ctx, dir, folders[i], 0750);
		if (rc < 0 && rc != -EEXIST)
			return diag_set(d, rc, folders[i], -1, "make a folder of the store");
	}
	rc = v->fsync(v->ctx, dir);
	return rc < 0 ? diag_set(d, rc, ".", -1, "make the folders of the store") : 0;
}

static int write_format(
	const struct vfs *v, int dir, int fd, const struct store_format *f, struct diag *d)
{
	uint8_t bytes[LAYOUT_FORMAT_BYTES];
	int rc;

	store_format_put(f, bytes);
	rc = v->pwrite_all(v->ctx, fd, bytes, sizeof bytes, 0);
	if (rc == 0)
		rc = v->fsync(v->ctx, fd);
	if (rc == 0)
		rc = v->rename(v->ctx, dir, "format.new", "format");
	if (rc == 0)
		rc = v->fsync(v->ctx, dir);
	return rc < 0 ? diag_set(d, rc, "format", -1, "make a new store") : 0;
}

static int random_bytes(void *p, size_t n)
{
	ssize_t got;

	do
		got = getrandom(p, n, 0);
	while (got < 0 && errno == EINTR);
	return got == (ssize_t)n ? 0 : -EIO;
}

/* With format.new locked: whoever else is making this store has finished or has not begun. */
static int fill_store(const struct vfs *v, int dir, int fd, uint16_t node, struct store_format *out,
	struct diag *d)
{
	struct entries e = { .vfs = v, .dir = dir };
	struct store_format f = { .node = node, .created_ns = clock_wall_ns() };
	struct vfs_stat st;
	int rc = v->stat(v->ctx, dir, "format", &st);

	if (rc != -ENOENT)
		return rc < 0 ? diag_set(d, rc, "format", -1, "make a new store")
			      : diag_set(d, ERR_LOCKED, "format", -1,
					"make a new store (another process just did)");
	rc = v->list(v->ctx, dir, ".", see_foreign, &e);
	if (rc > 0)
		return diag_set(d, ERR_NOT_A_STORE, e.foreign, -1,
			"make a new store: the directory is not empty");
	if (rc < 0)
		return diag_set(d, rc, ".", -1, "list the directory");
	if (random_bytes(f.uuid, sizeof f.uuid) < 0)
		return diag_set(d, -EIO, "format", -1, "get random bytes");
	rc = make_folders(v, dir, d);
	if (rc == 0)
		rc = write_format(v, dir, fd, &f, d);
	if (rc == 0)
		*out = f;
	return rc;
}

static int create(const struct vfs *v, int dir, uint16_t node, struct store_format *out,
	int *out_fd, struct diag *d)
{
	struct entries e = { .vfs = v, .dir = dir };
	int fd, rc;

	if (refuse_partial(v, dir, d) < 0)
		return ERR_NOT_A_STORE;
	/* Looked at before anything is made, so that a foreign directory stays as it is. */
	rc = v->list(v->ctx, dir, ".", see_foreign, &e);
	if (rc > 0)
		return diag_set(d, ERR_NOT_A_STORE, e.foreign, -1,
			"make a new store: the directory is not empty");
	if (rc < 0)
		return diag_set(d, rc, ".", -1, "list the directory");
	fd = v->open(v->ctx, dir, "format.new", O_RDWR | O_CREAT, 0640);
	if (fd < 0)
		return diag_set(d, fd, "format.new", -1, "make a new store");
	rc = v->lock(v->ctx, fd, true, false);
	if (rc < 0)
		diag_set(d, rc, "format.new", -1, "make a new store");
	else
		rc = fill_store(v, dir, fd, node, out, d);
	if (rc < 0)
		v->close(v->ctx, fd);
	else
		*out_fd = fd;
	return rc;
}

static int open_old(const struct vfs *v, int dir, int fd, uint16_t node, struct store_format *out,
	struct diag *d)
{
	int rc = read_file(v, fd, out, d);

	if (rc < 0)
		return rc;
	if (node != 0 && node != out->node)
		return diag_set(d, ERR_RANGE, "format", LAYOUT_FORMAT_NODE,
			"use node %u: the store was made with node %u", node, out->node);
	rc = v->lock(v->ctx, fd, true, false);
	if (rc < 0)
		return diag_set(d, rc, "format", -1,
			"open the store for writing (is another astrocollectd running?)");
	return make_folders(v, dir, d);
}

int store_format_open(const struct vfs *vfs, int dir, uint16_t node, struct store_format *out,
	int *out_fd, bool *out_created, struct diag *d)
{
	int fd = vfs->open(vfs->ctx, dir, "format", O_RDWR, 0);
	int rc;

	*out_created = fd == -ENOENT;
	if (fd == -ENOENT)
		return create(vfs, dir, node, out, out_fd, d);
	if (fd < 0)
		return diag_set(d, fd, "format", -1, "open the store");
	rc = open_old(vfs, dir, fd, node, out, d);
	if (rc < 0)
		vfs->close(vfs->ctx, fd);
	else
		*out_fd = fd;
	return rc;
}
