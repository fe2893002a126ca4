#include "storage/manifest_record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"

static_assert(
	(int)LIMIT_CLASS_BYTES == (int)LAYOUT_CHANGE_CLASS_BYTES, "a class name fits its place");

enum { ADD_RESERVED_BYTES = 20 };

void manifest_record_put_head(
	const uint8_t *uuid, uint64_t number, uint8_t dst[LAYOUT_MANIFEST_HEAD_BYTES])
{
	struct wcur w = wcur_of(dst, LAYOUT_MANIFEST_HEAD_BYTES);

	memset(dst, 0, LAYOUT_MANIFEST_HEAD_BYTES);
	wcur_bytes(&w, LAYOUT_MANIFEST_MAGIC, LAYOUT_MAGIC_BYTES);
	wcur_le16(&w, LAYOUT_MANIFEST_VERSION);
	wcur_le16(&w, 0);
	wcur_le32(&w, 0);
	wcur_bytes(&w, uuid, LAYOUT_UUID_BYTES);
	wcur_le64(&w, number);
	w = wcur_of(dst + LAYOUT_MANIFEST_SUM, sizeof(uint64_t));
	wcur_le64(&w, XXH3_64bits(dst, LAYOUT_MANIFEST_SUM));
	ASSERT(w.err == 0);
}

int manifest_record_get_head(const uint8_t *p, size_t n, uint8_t *out_uuid, uint64_t *out_number)
{
	struct rcur c = rcur_of(p, n);
	struct span magic = rcur_bytes(&c, LAYOUT_MAGIC_BYTES);
	uint16_t version = rcur_le16(&c);
	uint32_t incompat;
	struct span uuid;
	uint64_t number;

	rcur_le16(&c);
	incompat = rcur_le32(&c);
	uuid = rcur_bytes(&c, LAYOUT_UUID_BYTES);
	number = rcur_le64(&c);
	rcur_bytes(&c, LAYOUT_MANIFEST_SUM - LAYOUT_MANIFEST_NUMBER - sizeof number);
	if (rcur_le64(&c) != XXH3_64bits(p, n < LAYOUT_MANIFEST_SUM ? n : LAYOUT_MANIFEST_SUM) ||
		c.err)
		return c.err ? c.err : ERR_CORRUPT;
	if (!span_eq(magic, SPAN_LIT(LAYOUT_MANIFEST_MAGIC)))
		return ERR_CORRUPT;
	if (version > LAYOUT_MANIFEST_VERSION || incompat != 0)
		return ERR_TOO_NEW;
	memcpy(out_uuid, uuid.p, LAYOUT_UUID_BYTES);
	*out_number = number;
	return 0;
}

static void put_add(struct wcur *w, const struct manifest_segment *s)
{
	static const uint8_t zero[ADD_RESERVED_BYTES];

	wcur_le64(w, s->no);
	wcur_le64(w, s->id_first);
	wcur_le64(w, s->id_last);
	wcur_le64(w, s->rows_count);
	wcur_le64(w, (uint64_t)s->time_min_ns);
	wcur_le64(w, (uint64_t)s->time_max_ns);
	wcur_le64(w, s->file_bytes);
	wcur_le64(w, s->file_sum);
	wcur_le32(w, s->blocks_count);
	wcur_le32(w, (uint32_t)s->day);
	wcur_le16(w, s->gen);
	wcur_u8(w, s->hour);
	wcur_u8(w, 0);
	wcur_bytes(w, s->class_name, LAYOUT_CHANGE_CLASS_BYTES);
	wcur_bytes(w, zero, sizeof zero);
}

static bool class_holds(const char *name)
{
	size_t n = strnlen(name, LIMIT_CLASS_BYTES);

	for (size_t i = 0; i < n; i++) {
		char c = name[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && c != '-')
			return false;
	}
	for (size_t i = n; i < LIMIT_CLASS_BYTES; i++) {
		if (name[i] != 0)
			return false;
	}
	return n > 0 && n < LIMIT_CLASS_BYTES;
}

static int get_add(struct rcur *c, struct manifest_segment *s)
{
	struct span name;

	s->no = rcur_le64(c);
	s->id_first = rcur_le64(c);
	s->id_last = rcur_le64(c);
	s->rows_count = rcur_le64(c);
	s->time_min_ns = (int64_t)rcur_le64(c);
	s->time_max_ns = (int64_t)rcur_le64(c);
	s->file_bytes = rcur_le64(c);
	s->file_sum = rcur_le64(c);
	s->blocks_count = rcur_le32(c);
	s->day = (int32_t)rcur_le32(c);
	s->gen = rcur_le16(c);
	s->hour = rcur_u8(c);
	rcur_u8(c);
	name = rcur_bytes(c, LAYOUT_CHANGE_CLASS_BYTES);
	rcur_bytes(c, ADD_RESERVED_BYTES);
	if (c->err)
		return c->err;
	memcpy(s->class_name, name.p, sizeof s->class_name);
	if (s->hour > MANIFEST_HOUR_MIXED || !class_holds(s->class_name))
		return ERR_CORRUPT;
	if (s->rows_count == 0 || s->id_first > s->id_last || s->time_min_ns > s->time_max_ns)
		return ERR_CORRUPT;
	return 0;
}

static uint64_t record_sum(uint64_t number, uint64_t off, const void *p, size_t n)
{
	return XXH3_64bits_withSeed(p, n, number + off);
}

static void put_record_head(
	const struct manifest_rec *rec, uint64_t payload_sum, uint8_t dst[LAYOUT_CHANGE_HEAD_BYTES])
{
	struct wcur w = wcur_of(dst, LAYOUT_CHANGE_HEAD_SUM);

	wcur_le32(&w, LAYOUT_CHANGE_MAGIC);
	wcur_le32(&w, (uint32_t)rec->bytes);
	wcur_le64(&w, rec->base ? LAYOUT_CHANGE_KIND_BASE : LAYOUT_CHANGE_KIND_CHANGE);
	wcur_le64(&w, rec->changes);
	wcur_le64(&w, rec->sealed_id);
	wcur_le64(&w, rec->next_no);
	wcur_le32(&w, (uint32_t)rec->adds_count);
	wcur_le32(&w, (uint32_t)rec->drops_count);
	wcur_le64(&w, rec->prev_sum);
	wcur_le64(&w, payload_sum);
	ASSERT(w.err == 0);
	ASSERT(w.p == w.end);
}

int manifest_record_put(struct buf *b, struct manifest_rec *rec, uint64_t number, uint64_t off)
{
	uint8_t head[LAYOUT_CHANGE_HEAD_BYTES];
	size_t payload = rec->adds_count * LAYOUT_CHANGE_ADD_BYTES +
			 rec->drops_count * LAYOUT_CHANGE_DROP_BYTES;
	struct wcur w;

	rec->bytes = LAYOUT_CHANGE_HEAD_BYTES + payload;
	ASSERT(rec->bytes <= MANIFEST_RECORD_BYTES_MAX);
	if (buf_reserve(b, rec->bytes) < 0)
		return b->err;
	w = wcur_of(b->p + b->len + sizeof head, payload);
	for (size_t i = 0; i < rec->adds_count; i++)
		put_add(&w, &rec->adds[i]);
	for (size_t i = 0; i < rec->drops_count; i++)
		wcur_le64(&w, rec->drops[i]);
	ASSERT(w.err == 0);
	ASSERT(w.p == w.end);
	put_record_head(rec, record_sum(number, off, w.p - payload, payload), head);
	rec->head_sum = record_sum(number, off, head, LAYOUT_CHANGE_HEAD_SUM);
	w = wcur_of(head + LAYOUT_CHANGE_HEAD_SUM, sizeof rec->head_sum);
	wcur_le64(&w, rec->head_sum);
	memcpy(b->p + b->len, head, sizeof head);
	b->len += rec->bytes;
	return 0;
}

static int get_payload(struct rcur *c, struct manifest_rec *rec)
{
	uint64_t last = 0;

	rec->adds = calloc(rec->adds_count + 1, sizeof *rec->adds);
	rec->drops = calloc(rec->drops_count + 1, sizeof *rec->drops);
	if (!rec->adds || !rec->drops)
		return -ENOMEM;
	for (size_t i = 0; i < rec->adds_count; i++) {
		int rc = get_add(c, &rec->adds[i]);

		if (rc < 0)
			return rc;
		if (rec->adds[i].no <= last || rec->adds[i].no >= rec->next_no)
			return ERR_CORRUPT;
		last = rec->adds[i].no;
	}
	for (size_t i = 0; i < rec->drops_count; i++)
		rec->drops[i] = rcur_le64(c);
	return c->err;
}

int manifest_record_get(
	const uint8_t *p, size_t n, uint64_t number, uint64_t off, struct manifest_rec *out)
{
	struct rcur c = rcur_of(p, n);
	struct manifest_rec rec = { 0 };
	uint32_t magic = rcur_le32(&c);
	uint8_t kind;
	uint64_t sum, payload;
	int rc;

	rec.bytes = rcur_le32(&c);
	kind = rcur_u8(&c);
	rcur_bytes(&c, 7);
	rec.changes = rcur_le64(&c);
	rec.sealed_id = rcur_le64(&c);
	rec.next_no = rcur_le64(&c);
	rec.adds_count = rcur_le32(&c);
	rec.drops_count = rcur_le32(&c);
	rec.prev_sum = rcur_le64(&c);
	sum = rcur_le64(&c);
	rec.head_sum = rcur_le64(&c);
	if (c.err)
		return c.err;
	if (magic != LAYOUT_CHANGE_MAGIC ||
		rec.head_sum != record_sum(number, off, p, LAYOUT_CHANGE_HEAD_SUM))
		return ERR_CORRUPT;
	if (rec.adds_count > LIMIT_SEGMENTS + LIMIT_CHANGE_SEGMENTS ||
		rec.drops_count > LIMIT_CHANGE_SEGMENTS)
		return ERR_CORRUPT;
	payload = rec.adds_count * LAYOUT_CHANGE_ADD_BYTES +
		  rec.drops_count * LAYOUT_CHANGE_DROP_BYTES;
	if (rec.bytes != LAYOUT_CHANGE_HEAD_BYTES + payload)
		return ERR_CORRUPT;
	if (rec.bytes > n)
		return ERR_TRUNCATED;
	if (sum != record_sum(number, off, p + LAYOUT_CHANGE_HEAD_BYTES, (size_t)payload))
		return ERR_CORRUPT;
	if (kind != LAYOUT_CHANGE_KIND_BASE && kind != LAYOUT_CHANGE_KIND_CHANGE)
		return ERR_TOO_NEW;
	rec.base = kind == LAYOUT_CHANGE_KIND_BASE;
	rc = get_payload(&c, &rec);
	if (rc < 0)
		manifest_record_free(&rec);
	else
		*out = rec;
	return rc;
}

void manifest_record_free(struct manifest_rec *rec)
{
	free(rec->adds);
	free(rec->drops);
	rec->adds = NULL;
	rec->drops = NULL;
}
