/*
 * Codes and the dictionary they lead to (col_dict.h).
 *
 * CODE_SAME  varint code of all rows
 * CODES      u8 width (1..16), then the packed codes of all rows
 */
#include "storage/col_dict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "storage/col.h"
#include "storage/col_pack.h"

static_assert(LIMIT_DICT_ENTRIES <= UINT16_MAX, "a code has 16 bits, 0 is absent");

enum { SLOTS_MIN = 64 };

void col_dict_maker_init(struct col_dict_maker *m)
{
	*m = (struct col_dict_maker){ 0 };
	buf_init(&m->bytes, LIMIT_DICT_BYTES);
}

void col_dict_maker_fini(struct col_dict_maker *m)
{
	buf_fini(&m->bytes);
	free(m->offs);
	free(m->slots);
	col_dict_maker_init(m);
}

static uint32_t hash_of(struct span s)
{
	return (uint32_t)XXH3_64bits(s.p, s.n);
}

/* The slot of the value, or the free one where it would go. */
static struct col_dict_slot *seek(const struct col_dict_maker *m, struct span s, uint32_t hash)
{
	uint32_t mask = m->slots_count - 1;

	ASSERT(m->entries_count < m->slots_count);
	for (uint32_t i = hash & mask;; i = (i + 1) & mask) {
		struct col_dict_slot *slot = &m->slots[i];
		uint32_t off, n;

		if (slot->code == 0)
			return slot;
		if (slot->hash != hash)
			continue;
		off = m->offs[slot->code - 1];
		n = m->offs[slot->code] - off;
		if (n == s.n && memcmp(m->bytes.p + off, s.p, n) == 0)
			return slot;
	}
}

/* Twice the slots; entries go in again in their order, so that undo finds chains as it expects. */
static int grow_slots(struct col_dict_maker *m)
{
	uint32_t n = m->slots_count ? m->slots_count * 2 : SLOTS_MIN;
	struct col_dict_slot *slots = calloc(n, sizeof *slots), *old = m->slots;
	uint32_t *hashes;

	hashes = malloc(((size_t)m->entries_count + 1) * sizeof *hashes);
	if (!slots || !hashes) {
		free(slots);
		free(hashes);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < m->slots_count; i++) {
		if (old[i].code)
			hashes[old[i].code] = old[i].hash;
	}
	for (uint32_t code = 1; code <= m->entries_count; code++) {
		uint32_t at = hashes[code] & (n - 1);

		while (slots[at].code)
			at = (at + 1) & (n - 1);
		slots[at] = (struct col_dict_slot){ hashes[code], code };
	}
	free(hashes);
	free(old);
	m->slots = slots;
	m->slots_count = n;
	return 0;
}

static int grow_offs(struct col_dict_maker *m)
{
	uint32_t cap = m->entries_cap ? m->entries_cap * 2 : SLOTS_MIN;
	uint32_t *offs = realloc(m->offs, ((size_t)cap + 1) * sizeof *offs);

	if (!offs)
		return -ENOMEM;
	offs[0] = 0;
	m->offs = offs;
	m->entries_cap = cap;
	return 0;
}

int col_dict_maker_code(struct col_dict_maker *m, struct span value, uint16_t *out_code)
{
	uint32_t hash = hash_of(value);
	struct col_dict_slot *slot;

	if (m->entries_count * 2 >= m->slots_count && grow_slots(m) < 0)
		return -ENOMEM;
	/* Memory before the first entry, so that an empty one has an address. */
	if (!m->bytes.p && buf_reserve(&m->bytes, 1) < 0)
		return m->bytes.err;
	slot = seek(m, value, hash);
	if (slot->code) {
		*out_code = (uint16_t)slot->code;
		return 0;
	}
	if (m->entries_count == LIMIT_DICT_ENTRIES || value.n > LIMIT_DICT_BYTES - m->bytes.len)
		return 1;
	if (m->entries_count == m->entries_cap && grow_offs(m) < 0)
		return -ENOMEM;
	buf_put_span(&m->bytes, value);
	if (m->bytes.err)
		return m->bytes.err;
	m->offs[++m->entries_count] = (uint32_t)m->bytes.len;
	*slot = (struct col_dict_slot){ hash, m->entries_count };
	*out_code = (uint16_t)m->entries_count;
	return 0;
}

/* With linear probing, emptying the slot of the entry added last restores the table before it. */
void col_dict_maker_undo(struct col_dict_maker *m, uint32_t entries_count)
{
	ASSERT(entries_count <= m->entries_count);
	while (m->entries_count > entries_count) {
		uint32_t code = m->entries_count, off = m->offs[code - 1];
		struct span s = span_of(m->bytes.p + off, m->offs[code] - off);
		struct col_dict_slot *slot = seek(m, s, hash_of(s));

		ASSERT(slot->code == code);
		slot->code = 0;
		m->bytes.len = off;
		m->entries_count--;
	}
}

void col_dict_maker_encode(const struct col_dict_maker *m, int compress_level, struct buf *out)
{
	struct col_input in = { .rows_count = m->entries_count,
		.bytes = m->bytes.p,
		.compress_level = compress_level };
	uint32_t *lengths = malloc(((size_t)m->entries_count + 1) * sizeof *lengths);

	ASSERT(m->entries_count > 0);
	if (!lengths) {
		out->err = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < m->entries_count; i++)
		lengths[i] = m->offs[i + 1] - m->offs[i] + 1;
	in.lengths = lengths;
	col_bytes_encode(&in, out);
	free(lengths);
}

void col_dict_init(struct col_dict *d)
{
	*d = (struct col_dict){ 0 };
}

void col_dict_fini(struct col_dict *d)
{
	free(d->bytes);
	free(d->offs);
	free(d->room);
	col_dict_init(d);
}

static int reserve_offs(struct col_dict *d, uint32_t count)
{
	uint32_t *offs;

	if (d->offs && count <= d->offs_cap)
		return 0;
	offs = realloc(d->offs, ((size_t)count + 1) * sizeof *offs);
	if (!offs)
		return -ENOMEM;
	d->offs = offs;
	d->offs_cap = count;
	return 0;
}

static int reserve_bytes(struct col_dict *d, size_t n)
{
	uint8_t *p;

	if (d->bytes && n <= d->bytes_cap)
		return 0;
	/* Nothing of the old bytes is kept. A byte more: an empty value has an address too. */
	p = malloc(n + 1);
	if (!p)
		return -ENOMEM;
	free(d->bytes);
	d->bytes = p;
	d->bytes_cap = n;
	return 0;
}

/* Chunks get room of their own, as many as there are. */
static int keep_chunks(struct col_dict *d)
{
	uint32_t count = d->chunks.chunks_count;
	struct col_bytes_chunk *room = d->room;

	if (count > d->room_cap)
		room = realloc(d->room, count * sizeof *room);
	if (!room)
		return -ENOMEM;
	d->room_cap = count > d->room_cap ? count : d->room_cap;
	d->room = room;
	memcpy(room, d->chunks.chunks, count * sizeof *room);
	d->chunks.chunks = room;
	return 0;
}

int col_dict_load(struct col_dict *d, struct span page, uint32_t count)
{
	struct col_bytes_chunk room[COL_BYTES_CHUNKS_MAX];
	uint32_t sum = 0;
	int rc;

	ASSERT(count > 0);
	ASSERT(count <= LIMIT_DICT_ENTRIES);
	d->count = 0;
	if (reserve_offs(d, count) < 0)
		return -ENOMEM;
	/* The lengths stand one place to the right of the offsets they add up to. */
	rc = col_bytes_open(page, count, d->offs + 1, room, &d->chunks);
	if (rc == 0)
		rc = keep_chunks(d);
	if (rc < 0)
		return rc;
	if (d->chunks.raw_bytes > LIMIT_DICT_BYTES)
		return ERR_CORRUPT;
	d->offs[0] = 0;
	for (uint32_t i = 1; i <= count; i++) {
		if (d->offs[i] == 0)
			return ERR_CORRUPT;
		sum += d->offs[i] - 1;
		d->offs[i] = sum;
	}
	ASSERT(sum == d->chunks.raw_bytes);
	memset(d->ready, 0, sizeof d->ready);
	d->count = count;
	return reserve_bytes(d, sum);
}

size_t col_dict_held(const struct col_dict *d)
{
	return d->offs_cap * sizeof *d->offs + d->bytes_cap + d->room_cap * sizeof *d->room;
}

static int need_chunk(struct col_dict *d, uint32_t chunk)
{
	const struct col_bytes_chunk *k = &d->chunks.chunks[chunk];
	uint8_t *to = d->bytes + d->offs[k->row];

	if (d->ready[chunk])
		return 0;
	if (col_bytes_chunk_to(k, to) < 0)
		return ERR_CORRUPT;
	d->ready[chunk] = true;
	return 0;
}

int col_dict_need(struct col_dict *d, unsigned code)
{
	ASSERT(code > 0);
	ASSERT(code <= d->count);
	return need_chunk(d, col_bytes_find(&d->chunks, code - 1));
}

int col_dict_need_all(struct col_dict *d)
{
	int rc = 0;

	for (uint32_t i = 0; d->count > 0 && i < d->chunks.chunks_count && rc == 0; i++)
		rc = need_chunk(d, i);
	return rc;
}

int col_dict_same_decode(struct span page, struct col_output *out)
{
	struct rcur c = rcur_of(page.p, page.n);
	uint64_t code = rcur_varint(&c);

	if (c.err || rcur_left(&c) != 0 || code > LIMIT_DICT_ENTRIES)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < out->rows_count; i++)
		out->codes[i] = (uint16_t)code;
	return 0;
}

int col_dict_codes_decode(struct span page, struct col_output *out)
{
	struct rcur c = rcur_of(page.p, page.n);
	unsigned width = rcur_u8(&c);
	struct span packed;

	if (width < 1 || width > 16)
		return ERR_CORRUPT;
	packed = rcur_bytes(&c, col_pack_bytes(out->rows_count, width));
	if (c.err || rcur_left(&c) != 0)
		return ERR_CORRUPT;
	col_pack_get16(packed.p, out->rows_count, width, out->codes);
	return 0;
}
