#include "tests/support/mem_vfs.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"

static int mem_open(void *ctx, int dir, const char *name, int flags, mode_t mode)
{
	(void)ctx;
	(void)dir;
	(void)name;
	(void)flags;
	(void)mode;
	return 3;
}

static int mem_close(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
	return 0;
}

static ssize_t mem_pread(void *ctx, int fd, void *p, size_t n, uint64_t off)
{
	const struct mem_vfs *m = ctx;
	size_t left = off < m->file.n ? m->file.n - off : 0;

	(void)fd;
	n = n < left ? n : left;
	if (n > 0)
		memcpy(p, m->file.p + off, n);
	return (ssize_t)n;
}

static int mem_fstat(void *ctx, int fd, struct vfs_stat *out)
{
	const struct mem_vfs *m = ctx;

	(void)fd;
	*out = (struct vfs_stat){ .bytes = m->file.n, .allocated_bytes = m->file.n };
	return 0;
}

static int mem_map(void *ctx, int fd, uint64_t bytes, const uint8_t **out_p)
{
	const struct mem_vfs *m = ctx;
	uint8_t *p = malloc(m->file.n ? m->file.n : 1);

	(void)fd;
	ASSERT(p);
	ASSERT(bytes == m->file.n);
	if (m->file.n)
		memcpy(p, m->file.p, m->file.n);
	*out_p = p;
	return 0;
}

static void mem_unmap(void *ctx, const uint8_t *p, uint64_t bytes)
{
	(void)ctx;
	(void)bytes;
	free((void *)(uintptr_t)p);
}

void mem_vfs_init(struct mem_vfs *m, struct span file)
{
	*m = (struct mem_vfs){ .file = file };
	m->table.ctx = m;
	m->table.open = mem_open;
	m->table.close = mem_close;
	m->table.pread = mem_pread;
	m->table.fstat = mem_fstat;
	m->table.map = mem_map;
	m->table.unmap = mem_unmap;
}
