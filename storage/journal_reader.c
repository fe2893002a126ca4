#include "storage/journal_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/limits.h"

enum {
	/* An unreadable place is damage like any other, but only once it has failed so often. */
	READ_TRIES = 3,
	WINDOW_BYTES = 256 << 10,
	SKIP_BYTES = 4096, /* looked at as one while they are zeroes */
};

struct journal_reader {
	const struct vfs *vfs;
	int fd;
	uint64_t bytes;
	struct journal_head head;
	bool head_damaged;
	struct buf payload;
	uint8_t *window; /* for find and rest; taken when first needed */
	char name[JOURNAL_READER_NAME_BYTES];
};

const char *journal_reader_name(uint64_t seq, char dst[JOURNAL_READER_NAME_BYTES])
{
	snprintf(dst, JOURNAL_READER_NAME_BYTES, "journal/%016" PRIx64 ".aj", seq);
	return dst;
}

static int fail_read(const struct journal_reader *r, ssize_t rc, uint64_t off, struct diag *d)
{
	return diag_set(d, (int)rc, r->name, (int64_t)off, "read the journal");
}

static ssize_t read_at(const struct journal_reader *r, void *p, size_t n, uint64_t off)
{
	ssize_t got = -EIO;

	for (int i = 0; i < READ_TRIES && got == -EIO; i++)
		got = r->vfs->pread(r->vfs->ctx, r->fd, p, n, off);
	return got;
}

/* The first page cannot be read at once: perhaps the sectors of the second header can. */
static ssize_t read_copy_alone(const struct journal_reader *r, uint8_t page[LAYOUT_JOURNAL_RECORDS])
{
	memset(page, 0, LAYOUT_JOURNAL_RECORDS);
	return read_at(r, page + LAYOUT_JOURNAL_COPY, LAYOUT_JOURNAL_HEAD_BYTES,
		       LAYOUT_JOURNAL_COPY) < 0
		       ? -EIO
		       : LAYOUT_JOURNAL_RECORDS;
}

static int read_head(struct journal_reader *r, uint64_t seq, const uint8_t *uuid, struct diag *d)
{
	uint8_t page[LAYOUT_JOURNAL_RECORDS];
	struct vfs_stat st;
	ssize_t n;
	int rc;

	rc = r->vfs->fstat(r->vfs->ctx, r->fd, &st);
	if (rc < 0)
		return diag_set(d, rc, r->name, -1, "read the length of the journal");
	r->bytes = st.bytes;
	n = read_at(r, page, sizeof page, 0);
	if (n == -EIO)
		n = read_copy_alone(r, page);
	if (n < 0)
		return fail_read(r, n == -EIO ? ERR_CORRUPT : n, 0, d);
	rc = journal_record_get_head(page, (size_t)n, &r->head);
	if (rc < 0)
		return diag_set(d, rc, r->name, 0, "read the header of the journal file");
	r->head_damaged = journal_record_head_damaged(page);
	if (r->head.seq != seq)
		return diag_set(d, ERR_CORRUPT, r->name, LAYOUT_JOURNAL_SEQ,
			"the file says it is number %" PRIx64, r->head.seq);
	if (uuid && memcmp(uuid, r->head.uuid, LAYOUT_UUID_BYTES) != 0)
		return diag_set(d, ERR_CORRUPT, r->name, LAYOUT_JOURNAL_UUID,
			"the file belongs to another store");
	return 0;
}

int journal_reader_open(const struct vfs *vfs, int dir, uint64_t seq, const uint8_t *uuid,
	struct journal_reader **out, struct diag *d)
{
	struct journal_reader *r = calloc(1, sizeof *r);
	int rc;

	if (!r)
		return diag_set(d, -ENOMEM, "journal", -1, "open a journal file");
	r->vfs = vfs;
	buf_init(&r->payload, JOURNAL_READER_PAYLOAD_BYTES);
	journal_reader_name(seq, r->name);
	r->fd = vfs->open(vfs->ctx, dir, r->name, O_RDONLY, 0);
	if (r->fd < 0)
		rc = diag_set(d, r->fd, r->name, -1, "open the journal file");
	else
		rc = read_head(r, seq, uuid, d);
	if (rc < 0)
		journal_reader_close(&r);
	else
		*out = r;
	return rc;
}

void journal_reader_close(struct journal_reader **rp)
{
	struct journal_reader *r = *rp;

	if (!r)
		return;
	if (r->fd >= 0)
		r->vfs->close(r->vfs->ctx, r->fd);
	buf_fini(&r->payload);
	free(r->window);
	free(r);
	*rp = NULL;
}

const struct journal_head *journal_reader_head(const struct journal_reader *r)
{
	return &r->head;
}

bool journal_reader_head_damaged(const struct journal_reader *r)
{
	return r->head_damaged;
}

uint64_t journal_reader_bytes(const struct journal_reader *r)
{
	return r->bytes;
}

/* 1: a record's header holds at `off` and the record fits the file, 0: not. */
static int header_at(
	const struct journal_reader *r, uint64_t off, struct journal_record *out, struct diag *d)
{
	uint8_t head[LAYOUT_RECORD_HEAD_BYTES];
	ssize_t n;

	if (off < LAYOUT_JOURNAL_RECORDS || off > r->bytes ||
		r->bytes - off < LAYOUT_RECORD_HEAD_BYTES)
		return 0;
	n = read_at(r, head, sizeof head, off);
	if (n == -EIO)
		return 0;
	if (n < 0)
		return fail_read(r, n, off, d);
	if (n < (ssize_t)sizeof head || journal_record_get(head, r->head.salt, off, out) < 0)
		return 0;
	return journal_record_end(out) <= r->bytes;
}

int journal_reader_at(
	const struct journal_reader *r, uint64_t off, struct journal_record *out, struct diag *d)
{
	uint64_t near = journal_record_align(off, LAYOUT_RECORD_ALIGN);
	uint64_t page = journal_record_align(off, LAYOUT_PAGE_BYTES);
	int rc = header_at(r, near, out, d);

	if (rc == 0 && page != near)
		rc = header_at(r, page, out, d);
	return rc;
}

/* The first n bytes of the payload, as they are. */
static int read_bytes(const struct journal_reader *r, const struct journal_record *rec, size_t n,
	struct buf *payload, struct diag *d)
{
	uint64_t at = rec->off + LAYOUT_RECORD_HEAD_BYTES;
	ssize_t got;
	int rc;

	buf_reset(payload);
	rc = buf_reserve(payload, n);
	if (rc < 0)
		return diag_set(d, rc, r->name, (int64_t)at, "hold %zu bytes of a record", n);
	got = read_at(r, payload->p, n, at);
	if (got == -EIO)
		return diag_set(d, ERR_CORRUPT, r->name, (int64_t)at,
			"the disk cannot read the rows of the record with ids from %" PRIu64,
			rec->first_id);
	if (got < 0)
		return fail_read(r, got, at, d);
	if ((size_t)got < n)
		return diag_set(d, ERR_TRUNCATED, r->name, (int64_t)at, "read a record's rows");
	payload->len = n;
	return 0;
}

static int read_payload(const struct journal_reader *r, const struct journal_record *rec,
	struct buf *payload, struct diag *d)
{
	size_t n = journal_record_payload_bytes(rec);
	int rc = read_bytes(r, rec, n, payload, d);

	if (rc < 0)
		return rc;
	if (journal_record_payload_sum(r->head.salt, rec->off, payload->p, n) != rec->payload_sum)
		return diag_set(d, ERR_CORRUPT, r->name, (int64_t)rec->off,
			"check the rows of the record with ids from %" PRIu64, rec->first_id);
	return 0;
}

int journal_reader_check(struct journal_reader *r, const struct journal_record *rec, struct diag *d)
{
	return read_payload(r, rec, &r->payload, d);
}

/* True when the bytes are exactly rows_count rows by their length words. */
static bool rows_add_up(const uint8_t *p, size_t n, uint32_t rows_count)
{
	struct rcur c = rcur_of(p, n);

	for (uint32_t i = 0; i < rows_count; i++)
		rcur_bytes(&c, rcur_le32(&c));
	return c.err == 0 && rcur_left(&c) == 0;
}

static int decode(const struct journal_record *rec, const uint8_t *src, uint8_t *dst)
{
	int n;

	if (rec->codec == LAYOUT_RECORD_CODEC_RAW) {
		memcpy(dst, src, rec->raw_bytes);
		return 0;
	}
	n = LZ4_decompress_safe(
		(const char *)src, (char *)dst, (int)rec->stored_bytes, (int)rec->raw_bytes);
	return n >= 0 && (uint32_t)n == rec->raw_bytes ? 0 : ERR_CORRUPT;
}

int journal_reader_rows(const struct journal_reader *r, const struct journal_record *rec,
	struct buf *payload, struct buf *dst, struct diag *d)
{
	const uint8_t *src;
	int rc;

	ASSERT(rec->kind == LAYOUT_RECORD_KIND_ROWS);
	rc = read_payload(r, rec, payload, d);
	if (rc < 0)
		return rc;
	if (buf_reserve(dst, rec->raw_bytes) < 0) {
		rc = dst->err;
		dst->err = 0;
		return diag_set(
			d, rc, r->name, (int64_t)rec->off, "hold %u bytes of rows", rec->raw_bytes);
	}
	src = payload->p + (size_t)rec->chunks_count * LAYOUT_CHUNK_BYTES;
	rc = decode(rec, src, dst->p + dst->len);
	if (rc == 0 && !rows_add_up(dst->p + dst->len, rec->raw_bytes, rec->rows_count))
		rc = ERR_CORRUPT;
	if (rc < 0)
		return diag_set(d, rc, r->name, (int64_t)rec->off,
			"decode the rows with ids from %" PRIu64, rec->first_id);
	dst->len += rec->raw_bytes;
	return 0;
}

int journal_reader_chunks(struct journal_reader *r, const struct journal_record *rec,
	struct span *out, struct diag *d)
{
	int rc = read_payload(r, rec, &r->payload, d);

	if (rc == 0)
		*out = span_of(r->payload.p, (size_t)rec->chunks_count * LAYOUT_CHUNK_BYTES);
	return rc;
}

int journal_reader_chunks_fast(struct journal_reader *r, const struct journal_record *rec,
	struct span *out, struct diag *d)
{
	size_t n = (size_t)rec->chunks_count * LAYOUT_CHUNK_BYTES;
	int rc = read_bytes(r, rec, n, &r->payload, d);

	if (rc == 0)
		*out = span_of(r->payload.p, n);
	return rc;
}

struct store_chunk journal_reader_chunk(struct span chunks, size_t i)
{
	struct rcur c = rcur_of(chunks.p, chunks.n);
	struct store_chunk chunk;

	rcur_bytes(&c, i * LAYOUT_CHUNK_BYTES);
	chunk.lo = rcur_le64(&c);
	chunk.hi = rcur_le64(&c);
	ASSERT(c.err == 0);
	return chunk;
}

/* Page by page; what cannot be read is as good as zero. */
static ssize_t patch_window(struct journal_reader *r, uint64_t off)
{
	size_t n = r->bytes - off < WINDOW_BYTES ? (size_t)(r->bytes - off) : WINDOW_BYTES;

	for (size_t at = 0; at < n; at += LAYOUT_PAGE_BYTES) {
		size_t want = n - at < LAYOUT_PAGE_BYTES ? n - at : LAYOUT_PAGE_BYTES;

		if (read_at(r, r->window + at, want, off + at) < 0)
			memset(r->window + at, 0, want);
	}
	return (ssize_t)n;
}

/* Fills the window from `off`; returns the bytes there, 0 at the end of the file. */
static ssize_t fill_window(struct journal_reader *r, uint64_t off, struct diag *d)
{
	ssize_t n;

	if (!r->window)
		r->window = malloc(WINDOW_BYTES);
	if (!r->window)
		return diag_set(d, -ENOMEM, r->name, (int64_t)off, "search the journal");
	n = off < r->bytes ? read_at(r, r->window, WINDOW_BYTES, off) : 0;
	if (n == -EIO)
		n = patch_window(r, off);
	return n < 0 ? fail_read(r, n, off, d) : n;
}

static bool has_magic(const uint8_t *p)
{
	struct rcur c = rcur_of(p, sizeof(uint32_t));

	return rcur_le32(&c) == LAYOUT_RECORD_MAGIC;
}

/* 1: a whole valid record stands at `off`. */
static int whole_at(
	struct journal_reader *r, uint64_t off, struct journal_record *out, struct diag *d)
{
	int rc = header_at(r, off, out, d);

	if (rc <= 0)
		return rc;
	rc = read_payload(r, out, &r->payload, NULL);
	if (rc == ERR_CORRUPT || rc == ERR_TRUNCATED)
		return 0;
	return rc < 0 ? fail_read(r, rc, off, d) : 1;
}

/* Behind the last record nearly all is zeroes, up to the end of the file. */
static bool is_zero(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

int journal_reader_find(struct journal_reader *r, uint64_t off, uint64_t limit,
	struct journal_record *out, struct diag *d)
{
	uint64_t at = journal_record_align(off, LAYOUT_RECORD_ALIGN);

	ASSERT(WINDOW_BYTES % LAYOUT_RECORD_ALIGN == 0);
	while (at < limit) {
		ssize_t n = fill_window(r, at, d);

		if (n < 0)
			return (int)n;
		if (n < LAYOUT_RECORD_HEAD_BYTES)
			return 0;
		for (ssize_t i = 0; i + LAYOUT_RECORD_ALIGN <= n; i += LAYOUT_RECORD_ALIGN) {
			int rc;

			if (i % SKIP_BYTES == 0 && n - i >= SKIP_BYTES &&
				is_zero(r->window + i, SKIP_BYTES)) {
				i += SKIP_BYTES - LAYOUT_RECORD_ALIGN;
				continue;
			}
			if (!has_magic(r->window + i))
				continue;
			if (at + (uint64_t)i >= limit)
				return 0;
			rc = whole_at(r, at + (uint64_t)i, out, d);
			if (rc != 0)
				return rc;
		}
		at += (uint64_t)n / LAYOUT_RECORD_ALIGN * LAYOUT_RECORD_ALIGN;
	}
	return 0;
}

/* The end of the last byte that is not zero; 0 when there is none. */
static size_t last_set(const uint8_t *p, size_t n)
{
	while (n >= sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, p + n - sizeof word, sizeof word);
		if (word)
			break;
		n -= sizeof word;
	}
	while (n > 0 && p[n - 1] == 0)
		n--;
	return n;
}

int journal_reader_rest(struct journal_reader *r, uint64_t off, uint64_t *out_last, struct diag *d)
{
	uint64_t last = off;

	for (uint64_t at = off;;) {
		ssize_t n = fill_window(r, at, d);
		size_t set;

		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		set = last_set(r->window, (size_t)n);
		if (set > 0)
			last = at + set;
		at += (uint64_t)n;
	}
	*out_last = last;
	return 0;
}
