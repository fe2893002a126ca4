/*
 * A batch in the file is a head of 48 bytes in host order (nobody else ever reads it) and its rows.
 * The head's sum covers both: a disk that gives back other bytes is noticed before they are stored.
 */
#include "storage/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/recover.h"

enum { NAME_BYTES = 64 };

struct head {
	uint64_t rows_bytes;
	uint64_t rows_count;
	int64_t time_min_ns;
	int64_t time_max_ns;
	uint64_t number;
	uint64_t sum; /* of rows, seeded with all the others */
};

struct spill {
	struct spill_pool *pool;
	const struct vfs *vfs;
	int fd;
	uint64_t bytes;
	uint64_t batches_count;
	uint64_t read_off;
	uint64_t read_count;
};

int spill_open(struct spill_pool *pool, struct spill **out, struct diag *d)
{
	const struct vfs *v = pool->vfs ? pool->vfs : vfs_real();
	struct spill *s = calloc(1, sizeof *s);
	char name[NAME_BYTES];
	int rc;

	if (!s)
		return diag_set(d, -ENOMEM, "tmp", -1, "spill a frame");
	s->pool = pool;
	s->vfs = v;
	snprintf(name, sizeof name, "tmp/" RECOVER_TMP_SPILL "%" PRIu64,
		atomic_fetch_add_explicit(&pool->next_name, 1, memory_order_relaxed));
	s->fd = v->open(v->ctx, pool->dir, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	rc = s->fd < 0 ? s->fd : v->unlink(v->ctx, pool->dir, name);
	if (rc < 0) {
		diag_set(d, rc, name, -1, "make a file for a large frame");
		spill_close(&s);
		return rc;
	}
	*out = s;
	return 0;
}

void spill_close(struct spill **sp)
{
	struct spill *s = *sp;

	if (!s)
		return;
	atomic_fetch_sub_explicit(&s->pool->all_bytes, s->bytes, memory_order_relaxed);
	if (s->fd >= 0)
		s->vfs->close(s->vfs->ctx, s->fd);
	free(s);
	*sp = NULL;
}

static uint64_t sum_of(const struct head *h, const uint8_t *rows)
{
	uint64_t seed = XXH3_64bits(h, offsetof(struct head, sum));

	return XXH3_64bits_withSeed(rows, (size_t)h->rows_bytes, seed);
}

/* Takes n bytes from the limits of file and pool; whatever happens, close gives them back. */
static bool charge(struct spill *s, uint64_t n)
{
	uint64_t all;

	if (s->bytes + n > s->pool->file_bytes_max)
		return false;
	all = atomic_fetch_add_explicit(&s->pool->all_bytes, n, memory_order_relaxed) + n;
	if (all > s->pool->all_bytes_max) {
		atomic_fetch_sub_explicit(&s->pool->all_bytes, n, memory_order_relaxed);
		return false;
	}
	s->bytes += n;
	return true;
}

int spill_put(struct spill *s, const struct store_batch *b, struct diag *d)
{
	struct head h = { .rows_bytes = b->rows_bytes,
		.rows_count = b->rows_count,
		.time_min_ns = b->time_min_ns,
		.time_max_ns = b->time_max_ns,
		.number = s->batches_count };
	const struct vfs *v = s->vfs;
	uint64_t off = s->bytes;
	int rc;

	ASSERT(b->rows_bytes > 0);
	ASSERT(b->rows_bytes <= LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES);
	if (!charge(s, sizeof h + b->rows_bytes))
		return diag_set(d, ERR_LIMIT, "tmp", (int64_t)off,
			"keep the rows of a large frame (limit %" PRIu64
			" bytes, all together %" PRIu64 ")",
			s->pool->file_bytes_max, s->pool->all_bytes_max);
	h.sum = sum_of(&h, b->rows);
	rc = v->pwrite_all(v->ctx, s->fd, &h, sizeof h, off);
	if (rc == 0)
		rc = v->pwrite_all(v->ctx, s->fd, b->rows, b->rows_bytes, off + sizeof h);
	if (rc < 0)
		return diag_set(d, rc, "tmp", (int64_t)off, "write the rows of a large frame");
	s->batches_count++;
	return 0;
}

uint64_t spill_bytes(const struct spill *s)
{
	return s->bytes;
}

uint64_t spill_batches(const struct spill *s)
{
	return s->batches_count;
}

void spill_rewind(struct spill *s)
{
	s->read_off = 0;
	s->read_count = 0;
}

static int read_at(struct spill *s, void *p, size_t n, uint64_t off, struct diag *d)
{
	ssize_t got = s->vfs->pread(s->vfs->ctx, s->fd, p, n, off);

	if (got < 0)
		return diag_set(d, (int)got, "tmp", (int64_t)off, "read a large frame back");
	if ((size_t)got < n)
		return diag_set(d, ERR_CORRUPT, "tmp", (int64_t)off, "a large frame was cut short");
	return 0;
}

int spill_get(struct spill *s, uint8_t *dst, size_t cap, struct store_batch *out, struct diag *d)
{
	struct head h;
	int rc;

	if (s->read_count == s->batches_count)
		return 0;
	rc = read_at(s, &h, sizeof h, s->read_off, d);
	if (rc < 0)
		return rc;
	if (h.number != s->read_count || h.rows_bytes > cap || h.rows_bytes == 0)
		return diag_set(d, ERR_CORRUPT, "tmp", (int64_t)s->read_off,
			"the head of a batch of a large frame is damaged");
	rc = read_at(s, dst, (size_t)h.rows_bytes, s->read_off + sizeof h, d);
	if (rc < 0)
		return rc;
	if (sum_of(&h, dst) != h.sum)
		return diag_set(d, ERR_CORRUPT, "tmp", (int64_t)s->read_off,
			"a batch of a large frame is damaged");
	s->read_off += sizeof h + h.rows_bytes;
	s->read_count++;
	*out = (struct store_batch){ .rows = dst,
		.rows_bytes = (size_t)h.rows_bytes,
		.rows_count = (uint32_t)h.rows_count,
		.time_min_ns = h.time_min_ns,
		.time_max_ns = h.time_max_ns,
		.more = s->read_count < s->batches_count };
	return 1;
}
