#include "tests/support/simfs.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum { NAME_BYTES = 128, FDS = 256, SECTOR = 512 };

/* One write that waits for a sync. */
struct write {
	struct write *next;
	uint64_t off;
	size_t n;
	uint8_t bytes[];
};

struct content {
	uint8_t *p;
	size_t n;
	size_t cap;
};

struct entry {
	char name[NAME_BYTES];
	struct node *node;
};

struct names {
	struct entry *e;
	size_t n;
};

struct node {
	struct node *all_next;
	bool is_dir;
	bool shared; /* mapped for writing */
	bool lost;   /* a sync failed: some of the content will never reach the disk */
	struct content data, disk;
	struct write *writes, **writes_end;
	struct names names, disk_names;
};

/* One change of names that waits: `node` leaves from/from_name (if any) and appears as to/to_name. */
struct change {
	struct change *next;
	struct node *from, *to, *node;
	char from_name[NAME_BYTES];
	char to_name[NAME_BYTES];
};

struct open_file {
	struct node *node;
	bool locked;
};

struct simfs {
	struct vfs vfs;
	pthread_mutex_t lock;
	uint64_t random;
	struct node *all;
	struct node *root;
	struct change *changes, **changes_end;
	struct open_file fds[FDS];
	uint64_t ops;
	uint64_t fail_at;
	enum simfs_failure fail_kind;
	int fail_error;
	uint64_t then_nth;
	enum simfs_failure then_kind;
	int then_error;
	bool fired;
	bool crashed;
	uint64_t capacity;
};

static uint64_t roll(struct simfs *fs, uint64_t below)
{
	fs->random = fs->random * 6364136223846793005u + 1442695040888963407u;
	return (fs->random >> 33) % below;
}

/* ---- contents ---- */

static void content_resize(struct content *c, size_t n)
{
	if (n > c->cap) {
		size_t cap = n > 2 * c->cap ? n : 2 * c->cap;
		uint8_t *p = calloc(1, cap);

		ASSERT(p);
		if (c->n)
			memcpy(p, c->p, c->n);
		free(c->p);
		c->p = p;
		c->cap = cap;
	} else if (n < c->n) {
		memset(c->p + n, 0, c->n - n);
	}
	c->n = n;
}

static void content_put(struct content *c, const void *p, size_t n, uint64_t off)
{
	if (off + n > c->n)
		content_resize(c, (size_t)off + n);
	memcpy(c->p + off, p, n);
}

static void drop_writes(struct node *f)
{
	while (f->writes) {
		struct write *w = f->writes;

		f->writes = w->next;
		free(w);
	}
	f->writes_end = &f->writes;
}

static void apply_writes(struct node *f)
{
	for (struct write *w = f->writes; w; w = w->next)
		content_put(&f->disk, w->bytes, w->n, w->off);
	if (f->disk.n != f->data.n)
		content_resize(&f->disk, f->data.n);
	if (f->shared && f->data.n)
		memcpy(f->disk.p, f->data.p, f->data.n);
	drop_writes(f);
}

static void put_write(struct node *f, const void *p, size_t n, uint64_t off)
{
	struct write *w = malloc(sizeof *w + n);

	ASSERT(w);
	ASSERT(!f->shared || off + n <= f->data.cap);
	w->next = NULL;
	w->off = off;
	w->n = n;
	memcpy(w->bytes, p, n);
	*f->writes_end = w;
	f->writes_end = &w->next;
	content_put(&f->data, p, n, off);
}

/* ---- names ---- */

static struct node *new_node(struct simfs *fs, bool is_dir)
{
	struct node *n = calloc(1, sizeof *n);

	ASSERT(n);
	n->is_dir = is_dir;
	n->writes_end = &n->writes;
	n->all_next = fs->all;
	fs->all = n;
	return n;
}

static struct entry *names_find(const struct names *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++) {
		if (strcmp(l->e[i].name, name) == 0)
			return &l->e[i];
	}
	return NULL;
}

static void names_set(struct names *l, const char *name, struct node *node)
{
	struct entry *e = names_find(l, name);

	if (!e) {
		l->e = realloc(l->e, (l->n + 1) * sizeof *l->e);
		ASSERT(l->e);
		e = &l->e[l->n++];
		snprintf(e->name, sizeof e->name, "%s", name);
	}
	e->node = node;
}

static void names_unset(struct names *l, const char *name)
{
	struct entry *e = names_find(l, name);

	if (e)
		*e = l->e[--l->n];
}

static void change_disk(const struct change *c)
{
	if (c->from)
		names_unset(&c->from->disk_names, c->from_name);
	if (c->to)
		names_set(&c->to->disk_names, c->to_name, c->node);
}

static void put_change(struct simfs *fs, struct node *from, const char *from_name, struct node *to,
	const char *to_name, struct node *node)
{
	struct change *c = calloc(1, sizeof *c);

	ASSERT(c);
	c->from = from;
	c->to = to;
	c->node = node;
	if (from) {
		snprintf(c->from_name, sizeof c->from_name, "%s", from_name);
		names_unset(&from->names, from_name);
	}
	if (to) {
		snprintf(c->to_name, sizeof c->to_name, "%s", to_name);
		names_set(&to->names, to_name, node);
	}
	*fs->changes_end = c;
	fs->changes_end = &c->next;
}

/* Takes c out of the list at *at. */
static void drop_change(struct simfs *fs, struct change **at)
{
	struct change *c = *at;

	*at = c->next;
	if (fs->changes_end == &c->next)
		fs->changes_end = at;
	free(c);
}

static void sync_names(struct simfs *fs, const struct node *dir)
{
	for (struct change **at = &fs->changes; *at;) {
		if ((*at)->from != dir && (*at)->to != dir) {
			at = &(*at)->next;
			continue;
		}
		change_disk(*at);
		drop_change(fs, at);
	}
}

/* The directory of the path's last part, which goes to *out_name; NULL: no such directory. */
static struct node *walk(struct node *at, const char *path, char out_name[NAME_BYTES])
{
	for (;;) {
		const char *slash = strchr(path, '/');
		size_t n = slash ? (size_t)(slash - path) : strlen(path);
		struct entry *e;

		ASSERT(n < NAME_BYTES);
		memcpy(out_name, path, n);
		out_name[n] = 0;
		if (!slash)
			return at;
		e = names_find(&at->names, out_name);
		if (!e || !e->node->is_dir)
			return NULL;
		at = e->node;
		path = slash + 1;
	}
}

static struct node *dir_of(struct simfs *fs, int dir)
{
	if (dir == AT_FDCWD)
		return fs->root;
	ASSERT(dir >= 0);
	ASSERT(dir < FDS);
	ASSERT(fs->fds[dir].node);
	return fs->fds[dir].node;
}

static struct node *lookup(struct simfs *fs, int dir, const char *path)
{
	char name[NAME_BYTES];
	struct node *d = walk(dir_of(fs, dir), path, name);
	struct entry *e;

	if (!d)
		return NULL;
	if (strcmp(name, ".") == 0)
		return d;
	e = names_find(&d->names, name);
	return e ? e->node : NULL;
}

/* ---- failures ---- */

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

static uint64_t used(const struct simfs *fs)
{
	uint64_t n = 0;

	for (const struct node *f = fs->all; f; f = f->all_next)
		n += f->data.n;
	return n;
}

/* Files that no name, descriptor or waiting change refers to give their room back. */
static void collect(struct simfs *fs)
{
	for (struct node *f = fs->all; f; f = f->all_next) {
		bool live = f->is_dir;

		for (int i = 0; i < FDS && !live; i++)
			live = fs->fds[i].node == f;
		for (const struct node *d = fs->all; d && !live; d = d->all_next) {
			for (size_t i = 0; i < d->names.n && !live; i++)
				live = d->names.e[i].node == f;
		}
		if (!live && f->data.n > 0) {
			drop_writes(f);
			content_resize(&f->data, 0);
		}
	}
}

/* ---- the table ---- */

static int open_node(struct simfs *fs, struct node *node)
{
	for (int i = 0; i < FDS; i++) {
		if (!fs->fds[i].node) {
			fs->fds[i] = (struct open_file){ .node = node };
			return i;
		}
	}
	return -EMFILE;
}

static int sim_open_dir(void *ctx, const char *path)
{
	struct simfs *fs = ctx;
	struct node *n;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	if (strcmp(path, ".") == 0)
		n = fs->root;
	else
		n = lookup(fs, AT_FDCWD, path);
	if (!n)
		return leave(fs, -ENOENT);
	return leave(fs, n->is_dir ? open_node(fs, n) : -ENOTDIR);
}

static int sim_open(void *ctx, int dir, const char *name, int flags, mode_t mode)
{
	struct simfs *fs = ctx;
	char last[NAME_BYTES];
	struct node *d, *n;
	int rc = enter(fs);

	(void)mode;
	if (rc < 0)
		return leave(fs, rc);
	n = lookup(fs, dir, name);
	if (n && (flags & O_CREAT) && (flags & O_EXCL))
		return leave(fs, -EEXIST);
	if (n && n->is_dir && (flags & O_ACCMODE) != O_RDONLY)
		return leave(fs, -EISDIR);
	if (n && (flags & O_TRUNC)) {
		drop_writes(n);
		content_resize(&n->data, 0);
	}
	if (!n && (flags & O_CREAT)) {
		d = walk(dir_of(fs, dir), name, last);
		if (!d)
			return leave(fs, -ENOENT);
		n = new_node(fs, false);
		put_change(fs, NULL, NULL, d, last, n);
	}
	return leave(fs, n ? open_node(fs, n) : -ENOENT);
}

static int sim_close(void *ctx, int fd)
{
	struct simfs *fs = ctx;

	/* A close always gives the descriptor back, power or not. */
	pthread_mutex_lock(&fs->lock);
	ASSERT(fd >= 0);
	ASSERT(fd < FDS);
	ASSERT(fs->fds[fd].node);
	fs->fds[fd] = (struct open_file){ 0 };
	return leave(fs, 0);
}

static ssize_t sim_pread(void *ctx, int fd, void *p, size_t n, uint64_t off)
{
	struct simfs *fs = ctx;
	const struct content *c;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	c = &dir_of(fs, fd)->data;
	if (off >= c->n)
		return leave(fs, 0);
	if (n > c->n - off)
		n = c->n - (size_t)off;
	if (n > 0)
		memcpy(p, c->p + off, n);
	leave(fs, 0);
	return (ssize_t)n;
}

static int write_some(struct simfs *fs, struct node *f, const void *p, size_t n, uint64_t off)
{
	uint64_t more = off + n > f->data.n ? off + n - f->data.n : 0;

	if (more && fs->capacity) {
		collect(fs);
		if (used(fs) + more > fs->capacity)
			return -ENOSPC;
	}
	put_write(f, p, n, off);
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
			write_some(fs, dir_of(fs, fd), p, n / 2, off);
		return leave(fs, rc);
	}
	return leave(fs, write_some(fs, dir_of(fs, fd), p, n, off));
}

static int sim_fdatasync(void *ctx, int fd)
{
	struct simfs *fs = ctx;
	bool was_up = !fs->crashed;
	int rc = enter(fs);
	struct node *f = dir_of(fs, fd);

	if (rc < 0) {
		/* The pages are clean from now on, and their content is nowhere. */
		if (was_up && !fs->crashed) {
			drop_writes(f);
			f->lost = true;
		}
		return leave(fs, rc);
	}
	if (f->is_dir)
		sync_names(fs, f);
	else
		apply_writes(f);
	return leave(fs, 0);
}

static int sim_allocate(void *ctx, int fd, uint64_t bytes)
{
	struct simfs *fs = ctx;
	int rc = enter(fs);
	struct node *f;

	if (rc < 0)
		return leave(fs, rc);
	f = dir_of(fs, fd);
	ASSERT(f->data.n == 0);
	collect(fs);
	if (fs->capacity && used(fs) + bytes > fs->capacity)
		return leave(fs, -ENOSPC);
	content_resize(&f->data, (size_t)bytes);
	content_resize(&f->disk, (size_t)bytes);
	return leave(fs, 0);
}

static int sim_rename(void *ctx, int dir, const char *from, const char *to)
{
	struct simfs *fs = ctx;
	char a[NAME_BYTES], b[NAME_BYTES];
	struct node *from_dir, *to_dir;
	struct entry *e;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	from_dir = walk(dir_of(fs, dir), from, a);
	to_dir = walk(dir_of(fs, dir), to, b);
	e = from_dir ? names_find(&from_dir->names, a) : NULL;
	if (!e || !to_dir)
		return leave(fs, -ENOENT);
	put_change(fs, from_dir, a, to_dir, b, e->node);
	return leave(fs, 0);
}

static int sim_link(void *ctx, int dir, const char *from, int to_dir, const char *to)
{
	struct simfs *fs = ctx;
	char b[NAME_BYTES];
	struct node *n, *d;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	n = lookup(fs, dir, from);
	d = walk(dir_of(fs, to_dir), to, b);
	if (!n || !d)
		return leave(fs, -ENOENT);
	if (names_find(&d->names, b))
		return leave(fs, -EEXIST);
	put_change(fs, NULL, NULL, d, b, n);
	return leave(fs, 0);
}

static int sim_unlink(void *ctx, int dir, const char *name)
{
	struct simfs *fs = ctx;
	char a[NAME_BYTES];
	struct node *d;
	struct entry *e;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	d = walk(dir_of(fs, dir), name, a);
	e = d ? names_find(&d->names, a) : NULL;
	if (!e)
		return leave(fs, -ENOENT);
	if (e->node->is_dir)
		return leave(fs, -EISDIR);
	put_change(fs, d, a, NULL, NULL, NULL);
	return leave(fs, 0);
}

static int sim_mkdir(void *ctx, int dir, const char *name, mode_t mode)
{
	struct simfs *fs = ctx;
	char a[NAME_BYTES];
	struct node *d;
	int rc = enter(fs);

	(void)mode;
	if (rc < 0)
		return leave(fs, rc);
	d = walk(dir_of(fs, dir), name, a);
	if (!d)
		return leave(fs, -ENOENT);
	if (names_find(&d->names, a))
		return leave(fs, -EEXIST);
	put_change(fs, NULL, NULL, d, a, new_node(fs, true));
	return leave(fs, 0);
}

static int sim_rmdir(void *ctx, int dir, const char *name)
{
	struct simfs *fs = ctx;
	char a[NAME_BYTES];
	struct node *d;
	struct entry *e;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	d = walk(dir_of(fs, dir), name, a);
	e = d ? names_find(&d->names, a) : NULL;
	if (!e)
		return leave(fs, -ENOENT);
	if (e->node->names.n > 0)
		return leave(fs, -ENOTEMPTY);
	put_change(fs, d, a, NULL, NULL, NULL);
	return leave(fs, 0);
}

static void put_stat(const struct node *n, struct vfs_stat *out)
{
	*out = (struct vfs_stat){
		.bytes = n->data.n, .allocated_bytes = n->data.n, .is_dir = n->is_dir
	};
}

static int sim_stat(void *ctx, int dir, const char *name, struct vfs_stat *out)
{
	struct simfs *fs = ctx;
	struct node *n;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	n = lookup(fs, dir, name);
	if (n)
		put_stat(n, out);
	return leave(fs, n ? 0 : -ENOENT);
}

static int sim_fstat(void *ctx, int fd, struct vfs_stat *out)
{
	struct simfs *fs = ctx;
	int rc = enter(fs);

	if (rc == 0)
		put_stat(dir_of(fs, fd), out);
	return leave(fs, rc);
}

static int sim_list(void *ctx, int dir, const char *name, vfs_list_cb cb, void *arg)
{
	struct simfs *fs = ctx;
	struct names copy = { 0 };
	struct node *n;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	n = lookup(fs, dir, name);
	if (!n || !n->is_dir)
		return leave(fs, n ? -ENOTDIR : -ENOENT);
	for (size_t i = 0; i < n->names.n; i++)
		names_set(&copy, n->names.e[i].name, NULL);
	leave(fs, 0);
	for (size_t i = 0; i < copy.n && rc == 0; i++)
		rc = cb(arg, copy.e[i].name);
	free(copy.e);
	return rc;
}

static int sim_map(void *ctx, int fd, uint64_t bytes, const uint8_t **out_p)
{
	struct simfs *fs = ctx;
	const struct content *c;
	uint8_t *p = NULL;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	c = &dir_of(fs, fd)->data;
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
	struct node *f;
	int rc = enter(fs);

	if (rc < 0)
		return leave(fs, rc);
	f = dir_of(fs, fd);
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
	for (const struct node *f = fs->all; f; f = f->all_next) {
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
	for (int i = 0; i < FDS; i++) {
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

	for (int i = 0; rc == 0 && i < FDS; i++)
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
	collect(fs);
	*out_free = *out_total > used(fs) ? *out_total - used(fs) : 0;
	return leave(fs, 0);
}

static const struct vfs table = {
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

/* ---- life ---- */

struct simfs *simfs_new(uint64_t seed)
{
	struct simfs *fs = calloc(1, sizeof *fs);

	ASSERT(fs);
	/* Thousands of short lives of large files: their memory is not given back in between. */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 512 << 20);
	fs->vfs = table;
	fs->vfs.ctx = fs;
	pthread_mutex_init(&fs->lock, NULL);
	fs->random = seed * 2 + 1;
	fs->changes_end = &fs->changes;
	fs->root = new_node(fs, true);
	return fs;
}

static void free_node(struct node *n)
{
	drop_writes(n);
	free(n->data.p);
	free(n->disk.p);
	free(n->names.e);
	free(n->disk_names.e);
	free(n);
}

void simfs_free(struct simfs **fsp)
{
	struct simfs *fs = *fsp;

	if (!fs)
		return;
	while (fs->changes)
		drop_change(fs, &fs->changes);
	while (fs->all) {
		struct node *n = fs->all;

		fs->all = n->all_next;
		free_node(n);
	}
	pthread_mutex_destroy(&fs->lock);
	free(fs);
	*fsp = NULL;
}

const struct vfs *simfs_vfs(struct simfs *fs)
{
	return &fs->vfs;
}

void simfs_fail(struct simfs *fs, uint64_t nth, enum simfs_failure kind, int error)
{
	ASSERT(error < 0 || nth == 0);
	fs->fail_at = nth ? fs->ops + nth : 0;
	fs->fail_kind = kind;
	fs->fail_error = error;
	fs->then_nth = 0;
	fs->fired = false;
}

void simfs_then(struct simfs *fs, uint64_t nth, enum simfs_failure kind, int error)
{
	fs->then_nth = nth;
	fs->then_kind = kind;
	fs->then_error = error;
}

bool simfs_fired(const struct simfs *fs)
{
	return fs->fired;
}

uint64_t simfs_ops(const struct simfs *fs)
{
	return fs->ops;
}

void simfs_capacity(struct simfs *fs, uint64_t bytes)
{
	fs->capacity = bytes;
}

unsigned simfs_fds(const struct simfs *fs)
{
	unsigned n = 0;

	for (int i = 0; i < FDS; i++)
		n += fs->fds[i].node != NULL;
	return n;
}

/* ---- the power goes ---- */

static void keep_sectors(struct simfs *fs, struct content *disk, const struct write *w)
{
	for (size_t at = 0; at < w->n;) {
		size_t n = SECTOR - (size_t)((w->off + at) % SECTOR);

		if (n > w->n - at)
			n = w->n - at;
		if (roll(fs, 2))
			content_put(disk, w->bytes + at, n, w->off + at);
		at += n;
	}
}

static void lose_writes(struct simfs *fs, struct node *f, enum simfs_policy policy)
{
	bool stopped = false;

	if (!f->writes && !f->shared && !f->lost && f->data.n == f->disk.n)
		return;
	for (struct write *w = f->writes; w; w = w->next) {
		switch (policy) {
		case SIMFS_KEEP_PREFIX:
			stopped |= roll(fs, 3) == 0;
			break;
		case SIMFS_KEEP_SUBSET:
			stopped = roll(fs, 2);
			break;
		case SIMFS_KEEP_TORN:
			keep_sectors(fs, &f->disk, w);
			stopped = true;
			break;
		default:
			stopped = policy == SIMFS_KEEP_NONE;
			break;
		}
		if (!stopped)
			content_put(&f->disk, w->bytes, w->n, w->off);
	}
	for (size_t at = 0; f->shared && at + SECTOR <= f->disk.n; at += SECTOR) {
		if (policy == SIMFS_KEEP_ALL || (policy != SIMFS_KEEP_NONE && roll(fs, 2)))
			memcpy(f->disk.p + at, f->data.p + at, SECTOR);
	}
	drop_writes(f);
	content_resize(&f->data, f->disk.n);
	if (f->disk.n)
		memcpy(f->data.p, f->disk.p, f->disk.n);
	f->shared = false;
	f->lost = false;
}

/* A directory whose change is lost loses the later ones too. */
static void lose_changes(struct simfs *fs, enum simfs_policy policy)
{
	struct node *stopped[64];
	size_t n = 0;

	while (fs->changes) {
		struct change *c = fs->changes;
		bool lost =
			policy == SIMFS_KEEP_NONE || (policy != SIMFS_KEEP_ALL && roll(fs, 3) == 0);

		for (size_t i = 0; i < n; i++)
			lost |= stopped[i] == c->from || stopped[i] == c->to;
		if (lost && n + 2 <= ARRAY_COUNT(stopped)) {
			if (c->from)
				stopped[n++] = c->from;
			if (c->to)
				stopped[n++] = c->to;
		}
		if (!lost)
			change_disk(c);
		drop_change(fs, &fs->changes);
	}
}

void simfs_reboot(struct simfs *fs, enum simfs_policy policy)
{
	ASSERT(simfs_fds(fs) == 0);
	fs->crashed = false;
	fs->fail_at = 0;
	fs->then_nth = 0;
	fs->fired = false;
	if (policy == SIMFS_KILLED)
		return;
	lose_changes(fs, policy);
	for (struct node *f = fs->all; f; f = f->all_next) {
		if (!f->is_dir) {
			lose_writes(fs, f, policy);
			continue;
		}
		free(f->names.e);
		f->names = (struct names){ 0 };
		for (size_t i = 0; i < f->disk_names.n; i++)
			names_set(&f->names, f->disk_names.e[i].name, f->disk_names.e[i].node);
	}
}

/* ---- behind everybody's back ---- */

static struct node *at_path(struct simfs *fs, const char *path)
{
	char full[NAME_BYTES * 2];

	snprintf(full, sizeof full, SIMFS_DIR "/%s", path);
	return lookup(fs, AT_FDCWD, full);
}

int64_t simfs_bytes(struct simfs *fs, const char *path)
{
	const struct node *f = at_path(fs, path);

	return f ? (int64_t)f->data.n : -ENOENT;
}

int simfs_flip(struct simfs *fs, const char *path, uint64_t off, uint8_t mask)
{
	struct node *f = at_path(fs, path);

	if (!f || off >= f->data.n)
		return -ENOENT;
	f->data.p[off] ^= mask;
	if (off < f->disk.n)
		f->disk.p[off] ^= mask;
	return 0;
}

int simfs_read(struct simfs *fs, const char *path, uint64_t off, void *p, size_t n)
{
	const struct node *f = at_path(fs, path);

	if (!f || off + n > f->data.n)
		return -ENOENT;
	memcpy(p, f->data.p + off, n);
	return 0;
}

int simfs_truncate(struct simfs *fs, const char *path, uint64_t bytes)
{
	struct node *f = at_path(fs, path);

	if (!f || bytes > f->data.n)
		return -ENOENT;
	drop_writes(f);
	content_resize(&f->data, (size_t)bytes);
	content_resize(&f->disk, (size_t)bytes);
	return 0;
}
