#include "storage/vfs_file.h"

#include <fcntl.h>

#include "proto/base/err.h"

int vfs_file_write(const struct vfs *v, int dir, const char *name, struct span bytes)
{
	int fd = v->open(v->ctx, dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0640);
	int rc = fd;

	if (fd < 0)
		return rc;
	rc = v->pwrite_all(v->ctx, fd, bytes.p, bytes.n, 0);
	if (rc == 0)
		rc = v->fsync(v->ctx, fd);
	v->close(v->ctx, fd);
	return rc;
}

static int read_all(const struct vfs *v, int fd, struct buf *out)
{
	struct vfs_stat st;
	ssize_t n;
	int rc = v->fstat(v->ctx, fd, &st);

	if (rc < 0)
		return rc;
	if (st.bytes > out->max)
		return ERR_CORRUPT;
	rc = buf_reserve(out, (size_t)st.bytes);
	if (rc < 0 || st.bytes == 0)
		return rc;
	n = v->pread(v->ctx, fd, out->p, (size_t)st.bytes, 0);
	out->len = n > 0 ? (size_t)n : 0;
	return n < 0 ? (int)n : 0;
}

int vfs_file_read(const struct vfs *v, int dir, const char *name, struct buf *out)
{
	int fd = v->open(v->ctx, dir, name, O_RDONLY, 0);
	int rc;

	if (fd < 0)
		return fd;
	rc = read_all(v, fd, out);
	v->close(v->ctx, fd);
	return rc;
}

int vfs_file_sync_dir(const struct vfs *v, int dir, const char *name)
{
	int fd = v->open(v->ctx, dir, name, O_RDONLY | O_DIRECTORY, 0);
	int rc;

	if (fd < 0)
		return fd;
	rc = v->fsync(v->ctx, fd);
	v->close(v->ctx, fd);
	return rc;
}
