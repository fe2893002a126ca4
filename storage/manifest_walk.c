#include "storage/manifest_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "proto/base/err.h"

enum { FILE_BYTES_MAX = 256 << 20 };

/* The whole file; *out_p is the caller's to free, NULL when it is empty. */
static int read_all(const struct vfs *v, int dir, const char *name, uint8_t **out_p, size_t *out_n)
{
	struct vfs_stat stat;
	ssize_t n = 0;
	uint8_t *p = NULL;
	int fd = v->open(v->ctx, dir, name, O_RDONLY, 0);
	int rc = fd;

	if (fd < 0)
		return fd;
	rc = v->fstat(v->ctx, fd, &stat);
	if (rc == 0 && stat.bytes > FILE_BYTES_MAX)
		rc = ERR_LIMIT;
	if (rc == 0 && stat.bytes > 0) {
		p = malloc((size_t)stat.bytes);
		n = p ? v->pread(v->ctx, fd, p, (size_t)stat.bytes, 0) : -ENOMEM;
		if (n < 0)
			rc = (int)n;
	}
	v->close(v->ctx, fd);
	if (rc < 0) {
		free(p);
		return rc;
	}
	*out_p = p;
	*out_n = (size_t)n;
	return 0;
}

static int walk(const char *name, const uint8_t *p, size_t n, uint64_t number, manifest_walk_cb cb,
	void *arg, struct diag *d)
{
	size_t off = LAYOUT_MANIFEST_HEAD_BYTES;
	uint64_t sum = 0;

	while (off < n) {
		struct manifest_rec rec;
		int rc = manifest_record_get(p + off, n - off, number, off, &rec);

		if (rc < 0)
			return diag_set(d, rc, name, (int64_t)off, "read a record of the manifest");
		if (rec.prev_sum != sum)
			rc = diag_set(d, ERR_CORRUPT, name, (int64_t)off,
				"the record does not continue the one before");
		sum = rec.head_sum;
		if (rc == 0 && cb)
			rc = cb(arg, &rec, off);
		off += rec.bytes;
		manifest_record_free(&rec);
		if (rc != 0)
			return rc;
	}
	return 0;
}

int manifest_walk(const struct vfs *vfs, int dir, const char *name,
	struct manifest_walk_head *out_head, manifest_walk_cb cb, void *arg, struct diag *d)
{
	struct manifest_walk_head head;
	uint8_t *p = NULL;
	size_t n = 0;
	int rc = read_all(vfs, dir, name, &p, &n);

	if (rc < 0)
		return diag_set(d, rc, name, -1, "read the manifest");
	rc = n ? manifest_record_get_head(p, n, head.uuid, &head.number) : ERR_TRUNCATED;
	if (rc < 0) {
		diag_set(d, rc, name, 0, "read the header of the manifest");
	} else {
		head.file_bytes = n;
		*out_head = head;
		rc = walk(name, p, n, head.number, cb, arg, d);
	}
	free(p);
	return rc;
}
