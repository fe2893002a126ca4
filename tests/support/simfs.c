/*
 * The owner's side of the simulated disk: its life, the failures to come, power, and changes behind
 * everybody's back.
 */
#include "tests/support/simfs.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "tests/support/simfs_int.h"

struct simfs *simfs_new(uint64_t seed)
{
	struct simfs *fs = calloc(1, sizeof *fs);

	ASSERT(fs);
	/* Thousands of short lives of large files: their memory is not given back in between. */
	mallopt(M_MMAP_THRESHOLD, 64 << 20);
	mallopt(M_TRIM_THRESHOLD, 512 << 20);
	fs->vfs = simfs_calls;
	fs->vfs.ctx = fs;
	pthread_mutex_init(&fs->lock, NULL);
	fs->random = seed * 2 + 1;
	fs->changes_end = &fs->changes;
	fs->root = simfs_node_new(fs, true);
	return fs;
}

void simfs_free(struct simfs **fsp)
{
	struct simfs *fs = *fsp;

	if (!fs)
		return;
	simfs_disk_free(fs);
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

	for (int i = 0; i < SIMFS_FDS; i++)
		n += fs->fds[i].node != NULL;
	return n;
}

void simfs_reboot(struct simfs *fs, enum simfs_policy policy)
{
	ASSERT(simfs_fds(fs) == 0);
	fs->crashed = false;
	fs->fail_at = 0;
	fs->then_nth = 0;
	fs->fired = false;
	if (policy != SIMFS_KILLED)
		simfs_disk_lose(fs, policy);
}

/* ---- behind everybody's back ---- */

static struct simfs_node *at_path(struct simfs *fs, const char *path)
{
	char full[SIMFS_NAME_BYTES * 2];

	snprintf(full, sizeof full, SIMFS_DIR "/%s", path);
	return simfs_lookup(fs, AT_FDCWD, full);
}

int64_t simfs_bytes(struct simfs *fs, const char *path)
{
	const struct simfs_node *f = at_path(fs, path);

	return f ? (int64_t)f->data.n : -ENOENT;
}

int simfs_flip(struct simfs *fs, const char *path, uint64_t off, uint8_t mask)
{
	struct simfs_node *f = at_path(fs, path);

	if (!f || off >= f->data.n)
		return -ENOENT;
	f->data.p[off] ^= mask;
	if (off < f->disk.n)
		f->disk.p[off] ^= mask;
	return 0;
}

int simfs_read(struct simfs *fs, const char *path, uint64_t off, void *p, size_t n)
{
	const struct simfs_node *f = at_path(fs, path);

	if (!f || off + n > f->data.n)
		return -ENOENT;
	memcpy(p, f->data.p + off, n);
	return 0;
}

int simfs_truncate(struct simfs *fs, const char *path, uint64_t bytes)
{
	struct simfs_node *f = at_path(fs, path);

	if (!f || bytes > f->data.n)
		return -ENOENT;
	simfs_drop_writes(f);
	simfs_content_resize(&f->data, (size_t)bytes);
	simfs_content_resize(&f->disk, (size_t)bytes);
	return 0;
}
