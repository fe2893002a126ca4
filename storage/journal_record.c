#include "storage/journal_record.h"

#include <string.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/limits.h"

static_assert(sizeof(struct store_chunk) == LAYOUT_CHUNK_BYTES, "a chunk id is two words");

void journal_record_put_head(const struct journal_head *h, uint8_t dst[LAYOUT_JOURNAL_HEAD_BYTES])
{
	struct wcur w = wcur_of(dst, LAYOUT_JOURNAL_HEAD_BYTES);

	memset(dst, 0, LAYOUT_JOURNAL_HEAD_BYTES);
	wcur_bytes(&w, LAYOUT_JOURNAL_MAGIC, LAYOUT_MAGIC_BYTES);
	wcur_le16(&w, LAYOUT_JOURNAL_VERSION);
	wcur_le16(&w, 0);
	wcur_le32(&w, 0);
	wcur_bytes(&w, h->uuid, LAYOUT_UUID_BYTES);
	wcur_le64(&w, h->seq);
	wcur_le64(&w, h->salt);
	wcur_le64(&w, h->first_id);
	wcur_le64(&w, h->prev_seq);
	wcur_le64(&w, h->prev_off);
	wcur_le64(&w, h->prev_sum);
	wcur_le64(&w, h->file_bytes);
	wcur_le64(&w, (uint64_t)h->created_ns);
	w = wcur_of(dst + LAYOUT_JOURNAL_SUM, sizeof(uint64_t));
	wcur_le64(&w, XXH3_64bits(dst, LAYOUT_JOURNAL_SUM));
	ASSERT(w.err == 0);
}

static int get_copy(const uint8_t *p, struct journal_head *out)
{
	struct rcur c = rcur_of(p, LAYOUT_JOURNAL_HEAD_BYTES);
	struct span magic = rcur_bytes(&c, LAYOUT_MAGIC_BYTES);
	uint16_t version = rcur_le16(&c);
	uint32_t incompat;
	uint64_t sum;

	rcur_le16(&c);
	incompat = rcur_le32(&c);
	memcpy(out->uuid, rcur_bytes(&c, LAYOUT_UUID_BYTES).p, LAYOUT_UUID_BYTES);
	out->seq = rcur_le64(&c);
	out->salt = rcur_le64(&c);
	out->first_id = rcur_le64(&c);
	out->prev_seq = rcur_le64(&c);
	out->prev_off = rcur_le64(&c);
	out->prev_sum = rcur_le64(&c);
	out->file_bytes = rcur_le64(&c);
	out->created_ns = (int64_t)rcur_le64(&c);
	c = rcur_of(p + LAYOUT_JOURNAL_SUM, sizeof sum);
	sum = rcur_le64(&c);
	if (!span_eq(magic, SPAN_LIT(LAYOUT_JOURNAL_MAGIC)))
		return ERR_CORRUPT;
	if (sum != XXH3_64bits(p, LAYOUT_JOURNAL_SUM))
		return ERR_CORRUPT;
	if (version > LAYOUT_JOURNAL_VERSION || incompat != 0)
		return ERR_TOO_NEW;
	if (out->file_bytes < LAYOUT_JOURNAL_RECORDS || out->prev_seq >= out->seq)
		return ERR_CORRUPT;
	return 0;
}

int journal_record_get_head(const uint8_t *p, size_t n, struct journal_head *out)
{
	struct journal_head h;
	int rc;

	if (n < LAYOUT_JOURNAL_COPY + LAYOUT_JOURNAL_HEAD_BYTES)
		return ERR_TRUNCATED;
	rc = get_copy(p, &h);
	if (rc == ERR_CORRUPT)
		rc = get_copy(p + LAYOUT_JOURNAL_COPY, &h);
	if (rc == 0)
		*out = h;
	return rc;
}

bool journal_record_head_damaged(const uint8_t *p)
{
	struct journal_head h;

	return get_copy(p, &h) == ERR_CORRUPT;
}

uint64_t journal_record_payload_sum(uint64_t salt, uint64_t off, const void *p, size_t n)
{
	return XXH3_64bits_withSeed(p, n, salt + off);
}

void journal_record_put(
	struct journal_record *r, uint64_t salt, uint8_t dst[LAYOUT_RECORD_HEAD_BYTES])
{
	struct wcur w = wcur_of(dst, LAYOUT_RECORD_HEAD_BYTES);

	ASSERT(r->off % LAYOUT_RECORD_ALIGN == 0);
	wcur_le32(&w, LAYOUT_RECORD_MAGIC);
	wcur_u8(&w, r->kind);
	wcur_u8(&w, r->codec);
	wcur_u8(&w, r->more ? LAYOUT_RECORD_FLAG_MORE : 0);
	wcur_u8(&w, 0);
	wcur_le32(&w, r->stored_bytes);
	wcur_le32(&w, r->raw_bytes);
	wcur_le32(&w, r->rows_count);
	wcur_le32(&w, r->chunks_count);
	wcur_le64(&w, r->first_id);
	wcur_le64(&w, (uint64_t)r->time_min_ns);
	wcur_le64(&w, (uint64_t)r->time_max_ns);
	wcur_le64(&w, r->synced_off);
	wcur_le64(&w, r->prev_sum);
	wcur_le64(&w, r->payload_sum);
	ASSERT(w.p == dst + LAYOUT_RECORD_HEAD_SUM);
	r->head_sum = XXH3_64bits_withSeed(dst, LAYOUT_RECORD_HEAD_SUM, salt + r->off);
	wcur_le64(&w, r->head_sum);
	ASSERT(w.err == 0);
}

static bool limits_hold(const struct journal_record *r)
{
	if (r->kind == LAYOUT_RECORD_KIND_CARRY)
		return r->rows_count == 0 && r->raw_bytes == 0 && r->stored_bytes == 0 &&
		       r->chunks_count <= LIMIT_CARRY_CHUNKS;
	if (r->kind != LAYOUT_RECORD_KIND_ROWS || r->chunks_count > LIMIT_BATCH_CHUNKS)
		return false;
	if (r->rows_count == 0 || r->rows_count > LIMIT_BATCH_ROWS)
		return false;
	if (r->raw_bytes == 0 || r->raw_bytes > LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES)
		return false;
	if (r->codec == LAYOUT_RECORD_CODEC_RAW)
		return r->stored_bytes == r->raw_bytes;
	if (r->codec != LAYOUT_RECORD_CODEC_LZ4 || r->stored_bytes == 0)
		return false;
	return r->stored_bytes < r->raw_bytes;
}

int journal_record_get(const uint8_t src[LAYOUT_RECORD_HEAD_BYTES], uint64_t salt, uint64_t off,
	struct journal_record *out)
{
	struct rcur c = rcur_of(src, LAYOUT_RECORD_HEAD_BYTES);
	struct journal_record r = { .off = off };
	uint32_t magic = rcur_le32(&c);
	uint8_t flags;

	if (magic != LAYOUT_RECORD_MAGIC)
		return ERR_CORRUPT;
	r.kind = rcur_u8(&c);
	r.codec = rcur_u8(&c);
	flags = rcur_u8(&c);
	rcur_u8(&c);
	r.stored_bytes = rcur_le32(&c);
	r.raw_bytes = rcur_le32(&c);
	r.rows_count = rcur_le32(&c);
	r.chunks_count = rcur_le32(&c);
	r.first_id = rcur_le64(&c);
	r.time_min_ns = (int64_t)rcur_le64(&c);
	r.time_max_ns = (int64_t)rcur_le64(&c);
	r.synced_off = rcur_le64(&c);
	r.prev_sum = rcur_le64(&c);
	r.payload_sum = rcur_le64(&c);
	r.head_sum = rcur_le64(&c);
	ASSERT(c.err == 0);
	if (r.head_sum != XXH3_64bits_withSeed(src, LAYOUT_RECORD_HEAD_SUM, salt + off))
		return ERR_CORRUPT;
	if (!limits_hold(&r) || r.first_id > UINT64_MAX - LIMIT_BATCH_ROWS)
		return ERR_CORRUPT;
	r.more = flags & LAYOUT_RECORD_FLAG_MORE;
	*out = r;
	return 0;
}
