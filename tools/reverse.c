#include "tools/reverse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum { BLOCKS_BYTES_MAX = 1 << 20 };

void reverse_init(struct reverse *r, size_t bytes_max)
{
	*r = (struct reverse){ .fd = -1, .bytes_max = bytes_max ? bytes_max : REVERSE_BYTES };
	buf_init(&r->mem, SIZE_MAX);
	buf_init(&r->blocks, BLOCKS_BYTES_MAX);
}

void reverse_fini(struct reverse *r)
{
	buf_fini(&r->mem);
	buf_fini(&r->blocks);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static int open_file(void)
{
	const char *dir = getenv("TMPDIR");
	char path[4096];
	int fd;

	dir = dir && *dir ? dir : "/tmp";
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* A file system without O_TMPFILE. */
	if ((size_t)snprintf(path, sizeof path, "%s/astroquery-XXXXXX", dir) >= sizeof path)
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

static int write_all(int fd, const uint8_t *p, size_t n, uint64_t off)
{
	while (n) {
		ssize_t done = pwrite(fd, p, n, (off_t)off);

		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
			off += (uint64_t)done;
		}
	}
	return 0;
}

static int read_all(int fd, uint8_t *p, size_t n, uint64_t off)
{
	while (n) {
		ssize_t done = pread(fd, p, n, (off_t)off);

		if (done == 0)
			return ERR_TRUNCATED;
		if (done < 0 && errno != EINTR)
			return -errno;
		if (done > 0) {
			p += done;
			n -= (size_t)done;
			off += (uint64_t)done;
		}
	}
	return 0;
}

/* What is in memory becomes the next block of the file. */
static int spill(struct reverse *r)
{
	uint64_t bytes = r->mem.len;
	int rc;

	if (r->fd < 0) {
		r->fd = open_file();
		if (r->fd < 0)
			return r->fd;
	}
	rc = write_all(r->fd, r->mem.p, r->mem.len, r->file_bytes);
	if (rc < 0)
		return rc;
	buf_put(&r->blocks, &bytes, sizeof bytes);
	r->file_bytes += bytes;
	buf_reset(&r->mem);
	return r->blocks.err;
}

/* The last block of the file comes back into memory. */
static int load(struct reverse *r)
{
	uint64_t bytes;
	int rc;

	ASSERT(r->mem.len == 0);
	r->blocks.len -= sizeof bytes;
	memcpy(&bytes, r->blocks.p + r->blocks.len, sizeof bytes);
	ASSERT(bytes <= r->file_bytes);
	rc = buf_reserve(&r->mem, (size_t)bytes);
	if (rc == 0)
		rc = read_all(r->fd, r->mem.p, (size_t)bytes, r->file_bytes - bytes);
	if (rc < 0)
		return rc;
	r->mem.len = (size_t)bytes;
	r->file_bytes -= bytes;
	return 0;
}

int reverse_push(struct reverse *r, struct span record)
{
	uint64_t n = record.n;

	if (r->mem.len > r->bytes_max) {
		int rc = spill(r);

		if (rc < 0)
			return rc;
	}
	buf_put_span(&r->mem, record);
	buf_put(&r->mem, &n, sizeof n);
	return r->mem.err;
}

int reverse_pop(struct reverse *r, struct span *out)
{
	uint64_t n;

	if (r->mem.len == 0) {
		int rc;

		if (r->blocks.len == 0)
			return REVERSE_EMPTY;
		rc = load(r);
		if (rc < 0)
			return rc;
	}
	ASSERT(r->mem.len >= sizeof n);
	r->mem.len -= sizeof n;
	memcpy(&n, r->mem.p + r->mem.len, sizeof n);
	ASSERT(n <= r->mem.len);
	r->mem.len -= (size_t)n;
	*out = span_of(r->mem.p + r->mem.len, (size_t)n);
	return 0;
}
