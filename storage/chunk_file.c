#include "storage/chunk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

#define PREFIX   "chunks-"
#define NEW_NAME "tmp/chunks-new"

enum {
	/* An unreadable place is damage like any other, but only once it has failed so often. */
	READ_TRIES = 3,
	FILE_PAGES = (LIMIT_CHUNK_FILE_IDS + CHUNK_FILE_PAGE_IDS - 1) / CHUNK_FILE_PAGE_IDS,
	FILE_BYTES_MAX = (FILE_PAGES + 1) * LAYOUT_CHUNKS_PAGE_BYTES,
};

/* ---- bytes ---- */

const char *chunk_file_name(uint64_t number, char dst[CHUNK_FILE_NAME_BYTES])
{
	snprintf(dst, CHUNK_FILE_NAME_BYTES, PREFIX "%" PRIu64, number);
	return dst;
}

uint64_t chunk_file_number(const char *name)
{
	const char *p = name + strlen(PREFIX);
	uint64_t n = 0;

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || *p == '0' || strlen(p) > 18)
		return 0;
	for (; *p; p++) {
		if (*p < '0' || *p > '9')
			return 0;
		n = n * 10 + (uint64_t)(*p - '0');
	}
	return n;
}

void chunk_file_put_head(const struct chunk_file_head *h, uint8_t dst[LAYOUT_CHUNKS_HEAD_BYTES])
{
	struct wcur w = wcur_of(dst, LAYOUT_CHUNKS_HEAD_BYTES);

	memset(dst, 0, LAYOUT_CHUNKS_HEAD_BYTES);
	wcur_bytes(&w, LAYOUT_CHUNKS_MAGIC, LAYOUT_MAGIC_BYTES);
	wcur_le16(&w, LAYOUT_CHUNKS_VERSION);
	wcur_le16(&w, 0);
	wcur_le32(&w, 0);
	wcur_bytes(&w, h->uuid, LAYOUT_UUID_BYTES);
	wcur_le64(&w, h->number);
	wcur_le64(&w, h->since);
	wcur_le64(&w, h->through_seq);
	wcur_le64(&w, (uint64_t)h->created_ns);
	wcur_le32(&w, h->ids_count);
	ASSERT(w.err == 0);
	w = wcur_of(dst + LAYOUT_CHUNKS_SUM, sizeof(uint64_t));
	wcur_le64(&w, XXH3_64bits(dst, LAYOUT_CHUNKS_SUM));
}

int chunk_file_get_head(const uint8_t *p, size_t n, struct chunk_file_head *out)
{
	struct rcur c = rcur_of(p, n), sum;
	struct chunk_file_head h;
	struct span magic, uuid;
	uint16_t version;
	uint32_t incompat;

	if (n < LAYOUT_CHUNKS_HEAD_BYTES)
		return ERR_TRUNCATED;
	sum = rcur_of(p + LAYOUT_CHUNKS_SUM, sizeof(uint64_t));
	magic = rcur_bytes(&c, LAYOUT_MAGIC_BYTES);
	version = rcur_le16(&c);
	rcur_le16(&c);
	incompat = rcur_le32(&c);
	uuid = rcur_bytes(&c, LAYOUT_UUID_BYTES);
	h.number = rcur_le64(&c);
	h.since = rcur_le64(&c);
	h.through_seq = rcur_le64(&c);
	h.created_ns = (int64_t)rcur_le64(&c);
	h.ids_count = rcur_le32(&c);
	ASSERT(c.err == 0);
	if (!span_eq(magic, SPAN_LIT(LAYOUT_CHUNKS_MAGIC)) ||
		rcur_le64(&sum) != XXH3_64bits(p, LAYOUT_CHUNKS_SUM))
		return ERR_CORRUPT;
	if (version > LAYOUT_CHUNKS_VERSION || incompat != 0)
		return ERR_TOO_NEW;
	if (h.since > h.number || h.ids_count > LIMIT_CHUNK_FILE_IDS)
		return ERR_CORRUPT;
	memcpy(h.uuid, uuid.p, sizeof h.uuid);
	*out = h;
	return 0;
}

static uint64_t page_sum(const uint8_t *page, uint64_t number, uint64_t off)
{
	return XXH3_64bits_withSeed(page, LAYOUT_CHUNKS_PAGE_SUM, number + off);
}

int chunk_file_page(const uint8_t page[LAYOUT_CHUNKS_PAGE_BYTES], uint64_t number, uint64_t off)
{
	struct rcur c = rcur_of(page + LAYOUT_CHUNKS_PAGE_COUNT, 16);
	uint32_t count = rcur_le32(&c);

	rcur_le32(&c);
	if (rcur_le64(&c) != page_sum(page, number, off))
		return ERR_CORRUPT;
	if (count == 0 || count > CHUNK_FILE_PAGE_IDS)
		return ERR_CORRUPT;
	return (int)count;
}

struct store_chunk chunk_file_id(const uint8_t page[LAYOUT_CHUNKS_PAGE_BYTES], uint32_t i)
{
	struct rcur c = rcur_of(page + (size_t)i * LAYOUT_CHUNK_BYTES, LAYOUT_CHUNK_BYTES);
	struct store_chunk id;

	ASSERT(i < CHUNK_FILE_PAGE_IDS);
	id.lo = rcur_le64(&c);
	id.hi = rcur_le64(&c);
	return id;
}

/* ---- reading ---- */

static ssize_t read_at(const struct vfs *v, int fd, void *p, size_t n, uint64_t off)
{
	ssize_t got = -EIO;

	for (int i = 0; i < READ_TRIES && got == -EIO; i++)
		got = v->pread(v->ctx, fd, p, n, off);
	return got;
}

int chunk_file_read_head(const struct vfs *vfs, int dir, const uint8_t *uuid, uint64_t number,
	struct chunk_file_head *out, struct diag *d)
{
	uint8_t bytes[LAYOUT_CHUNKS_HEAD_BYTES];
	char name[CHUNK_FILE_NAME_BYTES];
	struct chunk_file_head h;
	ssize_t n;
	int rc, fd = vfs->open(vfs->ctx, dir, chunk_file_name(number, name), O_RDONLY, 0);

	if (fd < 0)
		return diag_set(d, fd, name, -1, "open a file of chunk ids");
	n = read_at(vfs, fd, bytes, sizeof bytes, 0);
	vfs->close(vfs->ctx, fd);
	if (n == -EIO)
		n = ERR_CORRUPT;
	rc = n < 0 ? (int)n : chunk_file_get_head(bytes, (size_t)n, &h);
	if (rc == 0 && (h.number != number || memcmp(h.uuid, uuid, sizeof h.uuid) != 0))
		rc = ERR_CORRUPT;
	if (rc < 0)
		return diag_set(d, rc, name, 0, "read the header of a file of chunk ids");
	*out = h;
	return 0;
}

int chunk_file_read(const struct vfs *vfs, int dir, uint64_t number,
	int (*cb)(void *arg, struct store_chunk c), void *arg, uint64_t *out_ids,
	uint64_t *out_lost, struct diag *bad, struct diag *d)
{
	uint8_t page[LAYOUT_CHUNKS_PAGE_BYTES];
	char name[CHUNK_FILE_NAME_BYTES];
	uint64_t ids = 0, lost = 0;
	int rc = 0, fd = vfs->open(vfs->ctx, dir, chunk_file_name(number, name), O_RDONLY, 0);

	if (fd < 0)
		return diag_set(d, fd, name, -1, "open a file of chunk ids");
	for (uint64_t off = sizeof page; off < FILE_BYTES_MAX && rc == 0; off += sizeof page) {
		ssize_t n = read_at(vfs, fd, page, sizeof page, off);
		int count = n == (ssize_t)sizeof page ? chunk_file_page(page, number, off)
						      : ERR_CORRUPT;

		if (n == 0)
			break;
		if (n < 0 && n != -EIO) {
			rc = diag_set(d, (int)n, name, (int64_t)off, "read chunk ids");
			break;
		}
		if (count < 0 && lost++ == 0)
			diag_set(bad, ERR_CORRUPT, name, (int64_t)off, "read a page of chunk ids");
		for (int i = 0; i < count && rc == 0; i++)
			rc = cb(arg, chunk_file_id(page, (uint32_t)i));
		ids += count > 0 ? (uint64_t)count : 0;
	}
	vfs->close(vfs->ctx, fd);
	*out_ids = ids;
	*out_lost = lost * CHUNK_FILE_PAGE_IDS;
	return rc;
}

/* ---- writing ---- */

int chunk_file_begin(struct chunk_file_writer *w, const struct vfs *vfs, int dir, uint64_t number,
	struct diag *d)
{
	ASSERT(number > 0);
	w->vfs = vfs;
	w->dir = dir;
	w->number = number;
	w->off = LAYOUT_CHUNKS_PAGE_BYTES;
	w->ids_count = 0;
	w->page_count = 0;
	memset(w->page, 0, sizeof w->page);
	w->fd = vfs->open(vfs->ctx, dir, NEW_NAME, O_RDWR | O_CREAT | O_TRUNC, 0640);
	return w->fd < 0 ? diag_set(d, w->fd, NEW_NAME, -1, "make a file of chunk ids") : 0;
}

static int write_page(struct chunk_file_writer *w, struct diag *d)
{
	struct wcur c = wcur_of(w->page + LAYOUT_CHUNKS_PAGE_COUNT, 16);
	int rc;

	wcur_le32(&c, w->page_count);
	wcur_le32(&c, 0);
	wcur_le64(&c, page_sum(w->page, w->number, w->off));
	ASSERT(c.err == 0);
	rc = w->vfs->pwrite_all(w->vfs->ctx, w->fd, w->page, sizeof w->page, w->off);
	if (rc < 0)
		return diag_set(d, rc, NEW_NAME, (int64_t)w->off, "write chunk ids");
	w->off += sizeof w->page;
	w->page_count = 0;
	memset(w->page, 0, sizeof w->page);
	return 0;
}

int chunk_file_put(struct chunk_file_writer *w, struct store_chunk id, struct diag *d)
{
	struct wcur c =
		wcur_of(w->page + (size_t)w->page_count * LAYOUT_CHUNK_BYTES, LAYOUT_CHUNK_BYTES);

	ASSERT(w->ids_count < LIMIT_CHUNK_FILE_IDS);
	wcur_le64(&c, id.lo);
	wcur_le64(&c, id.hi);
	w->ids_count++;
	w->page_count++;
	return w->page_count == CHUNK_FILE_PAGE_IDS ? write_page(w, d) : 0;
}

/* The whole file, synced and closed. */
static int write_rest(
	struct chunk_file_writer *w, const uint8_t head[LAYOUT_CHUNKS_HEAD_BYTES], struct diag *d)
{
	const struct vfs *v = w->vfs;
	int rc = w->page_count ? write_page(w, d) : 0;

	if (rc < 0)
		return rc;
	rc = v->pwrite_all(v->ctx, w->fd, head, LAYOUT_CHUNKS_HEAD_BYTES, 0);
	if (rc == 0)
		rc = v->fsync(v->ctx, w->fd);
	v->close(v->ctx, w->fd);
	w->fd = -1;
	if (rc == 0)
		return 0;
	v->unlink(v->ctx, w->dir, NEW_NAME);
	return diag_set(d, rc, NEW_NAME, 0, "finish a file of chunk ids");
}

int chunk_file_commit(struct chunk_file_writer *w, struct chunk_file_head *h, struct diag *d)
{
	const struct vfs *v = w->vfs;
	uint8_t head[LAYOUT_CHUNKS_HEAD_BYTES];
	char name[CHUNK_FILE_NAME_BYTES];
	int rc;

	ASSERT(w->fd >= 0);
	h->number = w->number;
	h->ids_count = w->ids_count;
	chunk_file_put_head(h, head);
	rc = write_rest(w, head, d);
	if (rc < 0)
		return rc;
	rc = v->rename(v->ctx, w->dir, NEW_NAME, chunk_file_name(w->number, name));
	if (rc < 0)
		v->unlink(v->ctx, w->dir, NEW_NAME);
	else
		rc = v->fsync(v->ctx, w->dir);
	return rc < 0 ? diag_set(d, rc, name, -1, "give a file of chunk ids its name") : 0;
}

void chunk_file_abort(struct chunk_file_writer *w)
{
	if (w->fd < 0)
		return;
	w->vfs->close(w->vfs->ctx, w->fd);
	w->fd = -1;
	w->vfs->unlink(w->vfs->ctx, w->dir, NEW_NAME);
}
