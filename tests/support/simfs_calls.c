/*
 * The vfs operations on the simulated disk, each of which may be the one that fails.
 */
#include "tests/support/simfs_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

/* Every operation begins here, with the lock taken. 0, or the error to return at once. */
static int enter(struct simfs *fs)
{
	int error;

	pthread_mutex_lock(&fs->lock);
	if (fs->crashed)
		return -EIO;
	fs->ops++;
	if (fs->fail_at == 0 || fs->ops != fs->fail_at)
		return 0;
	fs->fired = true;
	fs->crashed = fs->fail_kind == SIMFS_CRASH;
	error = fs->fail_error;
	if (fs->then_nth) {
		fs->fail_at += fs->then_nth;
		fs->fail_kind = fs->then_kind;
		fs->fail_error = fs->then_error;
		fs->then_nth = 0;
	}
	return error;
}

static int leave(struct simfs *fs, int rc)
{
	pthread_mutex_unlock(&fs->lock);
	return rc;
}

static int open_node(struct simfs *fs, struct simfs_node *node)
{
	for (int i = 0; i < SIMFS_FDS; i++) {
		if (!fs->fds[i].node) {
			fs->fds[i] = (struct simfs_open_file){ .node = node };
			return i;
		}
	}
	return -EMFILE;
}

static int sim_open_dir(void *ctx, const char *path)
{
	struct simfs *fs = ctx;
	struct simfs_node *n;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	if (strcmp(path, ".") == 0)
		n = fs->root;
	else
		n = simfs_lookup(fs, AT_FDCWD, path);
	if (!n)
		return leave(fs, -ENOENT);
	return leave(fs, n->is_dir ? open_node(fs, n) : -ENOTDIR);
}

static int sim_open(void *ctx, int dir, const char *name, int flags, mode_t mode)
{
	struct simfs *fs = ctx;
	char last[SIMFS_NAME_BYTES];
	struct simfs_node *d, *n;
	int rc = enter(fs);

	(void)mode;
	if (rc < 0)
		return leave(fs, rc);
	n = simfs_lookup(fs, dir, name);
	if (n && (flags & O_CREAT) && (flags & O_EXCL))
		return leave(fs, -EEXIST);
	if (n && n->is_dir && (flags & O_ACCMODE) != O_RDONLY)
		return leave(fs, -EISDIR);
	if (n && (flags & O_TRUNC)) {
		simfs_drop_writes(n);
		simfs_content_resize(&n->data, 0);
	}
	if (!n && (flags & O_CREAT)) {
		d = simfs_walk(simfs_dir_of(fs, dir), name, last);
		if (!d)
			return leave(fs, -ENOENT);
		n = simfs_node_new(fs, false);
		simfs_put_change(fs, NULL, NULL, d, last, n);
	}
	return leave(fs, n ? open_node(fs, n) : -ENOENT);
}

static int sim_close(void *ctx, int fd)
{
	struct simfs *fs = ctx;

	/* A close always gives the descriptor back, power or not. */
	pthread_mutex_lock(&fs->lock);
	ASSERT(fd >= 0);
	ASSERT(fd < SIMFS_FDS);
	ASSERT(fs->fds[fd].node);
	fs->fds[fd] = (struct simfs_open_file){ 0 };
	return leave(fs, 0);
}

static ssize_t sim_pread(void *ctx, int fd, void *p, size_t n, uint64_t off)
{
	struct simfs *fs = ctx;
	const struct simfs_content *c;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	c = &simfs_dir_of(fs, fd)->data;
	if (off >= c->n)
		return leave(fs, 0);
	if (n > c->n - off)
		n = c->n - (size_t)off;
	if (n > 0)
		memcpy(p, c->p + off, n);
	leave(fs, 0);
	return (ssize_t)n;
}

static int write_some(struct simfs *fs, struct simfs_node *f, const void *p, size_t n, uint64_t off)
{
	uint64_t more = off + n > f->data.n ? off + n - f->data.n : 0;

	if (more && fs->capacity) {
		simfs_collect(fs);
		if (simfs_used(fs) + more > fs->capacity)
			return -ENOSPC;
	}
	simfs_put_write(f, p, n, off);
	return 0;
}

static int sim_pwrite_all(void *ctx, int fd, const void *p, size_t n, uint64_t off)
{
	struct simfs *fs = ctx;
	enum simfs_failure kind = fs->fail_kind;
	bool was_up = !fs->crashed;
	int rc = enter(fs);

	if (rc < 0) {
		/* Part of a write may be in the cache, and so on the disk, whatever it returned. */
		if (kind != SIMFS_ERROR && was_up && n / 2 > 0)
			write_some(fs, simfs_dir_of(fs, fd), p, n / 2, off);
		return leave(fs, rc);
	}
	return leave(fs, write_some(fs, simfs_dir_of(fs, fd), p, n, off));
}

static int sim_fdatasync(void *ctx, int fd)
{
	struct simfs *fs = ctx;
	bool was_up = !fs->crashed;
	int rc = enter(fs);
	struct simfs_node *f = simfs_dir_of(fs, fd);

	if (rc < 0) {
		/* The pages are clean from now on, and their content is nowhere. */
		if (was_up && !fs->crashed) {
			simfs_drop_writes(f);
			f->lost = true;
		}
		return leave(fs, rc);
	}
	if (f->is_dir)
		simfs_sync_names(fs, f);
	else
		simfs_apply_writes(f);
	return leave(fs, 0);
}

static int sim_allocate(void *ctx, int fd, uint64_t bytes)
{
	struct simfs *fs = ctx;
	int rc = enter(fs);
	struct simfs_node *f;

	if (rc < 0)
		return leave(fs, rc);
	f = simfs_dir_of(fs, fd);
	ASSERT(f->data.n == 0);
	simfs_collect(fs);
	if (fs->capacity && simfs_used(fs) + bytes > fs->capacity)
		return leave(fs, -ENOSPC);
	simfs_content_resize(&f->data, (size_t)bytes);
	simfs_content_resize(&f->disk, (size_t)bytes);
	return leave(fs, 0);
}

static int sim_rename(void *ctx, int dir, const char *from, const char *to)
{
	struct simfs *fs = ctx;
	char a[SIMFS_NAME_BYTES], b[SIMFS_NAME_BYTES];
	struct simfs_node *from_dir, *to_dir;
	struct simfs_entry *e;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	from_dir = simfs_walk(simfs_dir_of(fs, dir), from, a);
	to_dir = simfs_walk(simfs_dir_of(fs, dir), to, b);
	e = from_dir ? simfs_names_find(&from_dir->names, a) : NULL;
	if (!e || !to_dir)
		return leave(fs, -ENOENT);
	simfs_put_change(fs, from_dir, a, to_dir, b, e->node);
	return leave(fs, 0);
}

static int sim_link(void *ctx, int dir, const char *from, int to_dir, const char *to)
{
	struct simfs *fs = ctx;
	char b[SIMFS_NAME_BYTES];
	struct simfs_node *n, *d;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	n = simfs_lookup(fs, dir, from);
	d = simfs_walk(simfs_dir_of(fs, to_dir), to, b);
	if (!n || !d)
		return leave(fs, -ENOENT);
	if (simfs_names_find(&d->names, b))
		return leave(fs, -EEXIST);
	simfs_put_change(fs, NULL, NULL, d, b, n);
	return leave(fs, 0);
}

static int sim_unlink(void *ctx, int dir, const char *name)
{
	struct simfs *fs = ctx;
	char a[SIMFS_NAME_BYTES];
	struct simfs_node *d;
	struct simfs_entry *e;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	d = simfs_walk(simfs_dir_of(fs, dir), name, a);
	e = d ? simfs_names_find(&d->names, a) : NULL;
	if (!e)
		return leave(fs, -ENOENT);
	if (e->node->is_dir)
		return leave(fs, -EISDIR);
	simfs_put_change(fs, d, a, NULL, NULL, NULL);
	return leave(fs, 0);
}

static int sim_mkdir(void *ctx, int dir, const char *name, mode_t mode)
{
	struct simfs *fs = ctx;
	char a[SIMFS_NAME_BYTES];
	struct simfs_node *d;
	int rc = enter(fs);

	(void)mode;
	if (rc < 0)
		return leave(fs, rc);
	d = simfs_walk(simfs_dir_of(fs, dir), name, a);
	if (!d)
		return leave(fs, -ENOENT);
	if (simfs_names_find(&d->names, a))
		return leave(fs, -EEXIST);
	simfs_put_change(fs, NULL, NULL, d, a, simfs_node_new(fs, true));
	return leave(fs, 0);
}

static int sim_rmdir(void *ctx, int dir, const char *name)
{
	struct simfs *fs = ctx;
	char a[SIMFS_NAME_BYTES];
	struct simfs_node *d;
	struct simfs_entry *e;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	d = simfs_walk(simfs_dir_of(fs, dir), name, a);
	e = d ? simfs_names_find(&d->names, a) : NULL;
	if (!e)
		return leave(fs, -ENOENT);
	if (e->node->names.n > 0)
		return leave(fs, -ENOTEMPTY);
	simfs_put_change(fs, d, a, NULL, NULL, NULL);
	return leave(fs, 0);
}

static void put_stat(const struct simfs_node *n, struct vfs_stat *out)
{
	*out = (struct vfs_stat){
		.bytes = n->data.n, .allocated_bytes = n->data.n, .is_dir = n->is_dir
	};
}

static int sim_stat(void *ctx, int dir, const char *name, struct vfs_stat *out)
{
	struct simfs *fs = ctx;
	struct simfs_node *n;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	n = simfs_lookup(fs, dir, name);
	if (n)
		put_stat(n, out);
	return leave(fs, n ? 0 : -ENOENT);
}

static int sim_fstat(void *ctx, int fd, struct vfs_stat *out)
{
	struct simfs *fs = ctx;
	int rc = enter(fs);

	if (rc == 0)
		put_stat(simfs_dir_of(fs, fd), out);
	return leave(fs, rc);
}

static int sim_list(void *ctx, int dir, const char *name, vfs_list_cb cb, void *arg)
{
	struct simfs *fs = ctx;
	struct simfs_names copy = { 0 };
	struct simfs_node *n;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	n = simfs_lookup(fs, dir, name);
	if (!n || !n->is_dir)
		return leave(fs, n ? -ENOTDIR : -ENOENT);
	for (size_t i = 0; i < n->names.n; i++)
		simfs_names_set(&copy, n->names.e[i].name, NULL);
	leave(fs, 0);
	for (size_t i = 0; i < copy.n && rc == 0; i++)
		rc = cb(arg, copy.e[i].name);
	free(copy.e);
	return rc;
}

static int sim_map(void *ctx, int fd, uint64_t bytes, const uint8_t **out_p)
{
	struct simfs *fs = ctx;
	const struct simfs_content *c;
	uint8_t *p = NULL;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	c = &simfs_dir_of(fs, fd)->data;
	if (bytes > 0) {
		p = calloc(1, (size_t)bytes);
		ASSERT(p);
		memcpy(p, c->p, bytes < c->n ? (size_t)bytes : c->n);
	}
	*out_p = p;
	return leave(fs, 0);
}

static int sim_map_shared(void *ctx, int fd, uint64_t bytes, bool writable, uint8_t **out_p)
{
	struct simfs *fs = ctx;
	struct simfs_node *f;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	f = simfs_dir_of(fs, fd);
	if (bytes > f->data.n)
		return leave(fs, -EINVAL);
	f->shared |= writable;
	*out_p = f->data.p;
	return leave(fs, 0);
}

static void sim_unmap(void *ctx, const uint8_t *p, uint64_t bytes)
{
	struct simfs *fs = ctx;

	(void)bytes;
	pthread_mutex_lock(&fs->lock);
	for (const struct simfs_node *f = fs->all; f; f = f->all_next) {
		if (f->data.p == p)
			p = NULL;
	}
	leave(fs, 0);
	free((void *)(uintptr_t)p);
}

static int sim_lock(void *ctx, int fd, bool exclusive, bool wait)
{
	struct simfs *fs = ctx;
	int rc = enter(fs);

	ASSERT(exclusive);
	if (rc < 0)
		return leave(fs, rc);
	for (int i = 0; i < SIMFS_FDS; i++) {
		if (i != fd && fs->fds[i].node == fs->fds[fd].node && fs->fds[i].locked) {
			ASSERT(!wait);
			return leave(fs, ERR_LOCKED);
		}
	}
	fs->fds[fd].locked = true;
	return leave(fs, 0);
}

static int sim_unlock(void *ctx, int fd)
{
	struct simfs *fs = ctx;

	pthread_mutex_lock(&fs->lock);
	fs->fds[fd].locked = false;
	return leave(fs, 0);
}

static int sim_locked(void *ctx, int fd)
{
	struct simfs *fs = ctx;
	int rc = enter(fs);

	for (int i = 0; rc == 0 && i < SIMFS_FDS; i++)
		rc = i != fd && fs->fds[i].node == fs->fds[fd].node && fs->fds[i].locked;
	return leave(fs, rc);
}

static int sim_space(void *ctx, int dir, uint64_t *out_free, uint64_t *out_total)
{
	struct simfs *fs = ctx;
	int rc = enter(fs);

	(void)dir;
	if (rc < 0)
		return leave(fs, rc);
	*out_total = fs->capacity ? fs->capacity : UINT64_C(1) << 40;
	simfs_collect(fs);
	*out_free = *out_total > simfs_used(fs) ? *out_total - simfs_used(fs) : 0;
	return leave(fs, 0);
}

const struct vfs simfs_calls = {
	.open_dir = sim_open_dir,
	.open = sim_open,
	.close = sim_close,
	.pread = sim_pread,
	.pwrite_all = sim_pwrite_all,
	.fdatasync = sim_fdatasync,
	.fsync = sim_fdatasync,
	.allocate = sim_allocate,
	.rename = sim_rename,
	.link = sim_link,
	.unlink = sim_unlink,
	.mkdir = sim_mkdir,
	.rmdir = sim_rmdir,
	.stat = sim_stat,
	.fstat = sim_fstat,
	.list = sim_list,
	.map = sim_map,
	.map_shared = sim_map_shared,
	.unmap = sim_unmap,
	.lock = sim_lock,
	.unlock = sim_unlock,
	.locked = sim_locked,
	.space = sim_space,
};
