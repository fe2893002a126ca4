/*
 * Texts one after another in chunks that are compressed each for itself. What is asked of a few rows
 * decompresses their chunks only, and remembers the last one and the place in it.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col.h"
#include "storage/col_text_int.h"

struct bytes_page {
	struct col_text_page base;
	struct span body;
	uint32_t *lengths;    /* NULL: not read so far */
	struct col_bytes raw; /* of body, once there are lengths */
	uint8_t *chunk_bytes; /* room for the largest chunk; NULL: none was needed */
	uint32_t chunk;       /* the one in it; UINT32_MAX: none */
	struct span chunk_raw;
	uint32_t row; /* a row of that chunk, and where its bytes begin */
	uint32_t row_off;
};

static int need_lengths(struct bytes_page *p)
{
	struct col_bytes_chunk room[COL_BYTES_CHUNKS_MAX];
	struct arena *mem = p->base.mem;

	if (p->lengths)
		return 0;
	p->lengths = arena_alloc(mem, ((size_t)p->base.rows_count + 1) * sizeof(uint32_t));
	if (!p->lengths)
		return -ENOMEM;
	if (col_bytes_open(p->body, p->base.rows_count, p->lengths, room, &p->raw) < 0 ||
		p->raw.raw_bytes != p->base.raw_bytes) {
		p->lengths = NULL;
		return ERR_CORRUPT;
	}
	p->raw.chunks = arena_dup(mem, room, p->raw.chunks_count * sizeof room[0]);
	if (!p->raw.chunks)
		p->lengths = NULL;
	return p->lengths ? 0 : -ENOMEM;
}

/* Room for any chunk. */
static int need_room(struct bytes_page *p)
{
	uint32_t largest = 0;

	if (p->chunk_bytes)
		return 0;
	for (uint32_t i = 0; i < p->raw.chunks_count; i++) {
		uint32_t n = p->raw.chunks[i].raw_bytes;

		largest = n > largest ? n : largest;
	}
	p->chunk_bytes = arena_alloc(p->base.mem, (size_t)largest + 1);
	return p->chunk_bytes ? 0 : -ENOMEM;
}

static int load_chunk(struct bytes_page *p, uint32_t chunk)
{
	const struct col_bytes_chunk *k = &p->raw.chunks[chunk];
	bool plain = k->encoded.n == k->raw_bytes;
	int rc;

	if (p->chunk == chunk)
		return 0;
	p->chunk = UINT32_MAX;
	if (!plain) {
		rc = need_room(p);
		if (rc == 0)
			rc = col_bytes_chunk_to(k, p->chunk_bytes);
		if (rc < 0)
			return rc == -ENOMEM ? rc : ERR_CORRUPT;
	}
	p->chunk = chunk;
	p->chunk_raw = plain ? k->encoded : span_of(p->chunk_bytes, k->raw_bytes);
	p->row = k->row;
	p->row_off = 0;
	return 0;
}

/* The value, in memory until another chunk is loaded. */
static int at(struct bytes_page *p, uint32_t row, struct span *out)
{
	uint32_t chunk = col_bytes_find(&p->raw, row);
	int rc;

	*out = SPAN_NONE;
	if (p->lengths[row] == 0)
		return 0;
	rc = load_chunk(p, chunk);
	if (rc < 0)
		return rc;
	if (row < p->row) {
		p->row = p->raw.chunks[chunk].row;
		p->row_off = 0;
	}
	for (; p->row < row; p->row++)
		p->row_off += col_bytes_length(p->lengths[p->row]);
	*out = span_of(p->chunk_raw.p + p->row_off, p->lengths[row] - 1);
	ASSERT(p->row_off + out->n <= p->chunk_raw.n);
	return 0;
}

static int bytes_get(struct col_text_page *base, const uint32_t *rows, size_t count,
	struct buf *bytes, struct col_text_value *out)
{
	struct bytes_page *p = (struct bytes_page *)base;
	int rc = need_lengths(p);

	for (size_t i = 0; i < count && rc == 0; i++) {
		struct span s;

		rc = at(p, rows[i], &s);
		out[i] = (struct col_text_value){ (uint32_t)bytes->len, p->lengths[rows[i]] };
		if (rc == 0)
			buf_put_span(bytes, s);
	}
	return rc < 0 ? rc : bytes->err;
}

static int bytes_all(struct col_text_page *base, uint32_t *lengths, struct buf *bytes)
{
	struct bytes_page *p = (struct bytes_page *)base;
	int rc = need_lengths(p);

	if (rc < 0)
		return rc;
	memcpy(lengths, p->lengths, base->rows_count * sizeof *lengths);
	if (buf_reserve(bytes, (size_t)base->raw_bytes + 1) < 0)
		return bytes->err;
	for (uint32_t i = 0; i < p->raw.chunks_count; i++) {
		if (col_bytes_chunk_to(&p->raw.chunks[i], bytes->p + bytes->len) < 0)
			return ERR_CORRUPT;
		bytes->len += p->raw.chunks[i].raw_bytes;
	}
	return 0;
}

/* Whether a value of so many bytes (coded as in lengths) may be in the set. */
static bool length_fits(const struct textset *set, uint32_t length)
{
	for (size_t i = 0; i < set->count; i++) {
		if (col_text_length(set->values[i]) == length)
			return true;
	}
	return false;
}

static int bytes_equal(struct col_text_page *base, const struct textset *set, uint8_t *match)
{
	struct bytes_page *p = (struct bytes_page *)base;
	int rc = need_lengths(p);

	for (uint32_t row = 0; row < base->rows_count && rc == 0; row++) {
		struct span s;

		if (!match[row])
			continue;
		match[row] = 0;
		if (!length_fits(set, p->lengths[row]))
			continue;
		rc = at(p, row, &s);
		match[row] = rc == 0 && textset_has(set, s);
	}
	return rc;
}

static bool any(const uint8_t *match, uint32_t count)
{
	return memchr(match, 1, count) != NULL;
}

/* Searches the chunk as one text; what is found across the end of a value does not count. */
static void contains_in(struct bytes_page *p, const struct col_bytes_chunk *k,
	const struct needle *x, uint8_t *match)
{
	size_t pos = needle_find(x, p->chunk_raw, 0), end = 0;

	for (uint32_t row = k->row; row < k->row + k->rows_count; row++) {
		bool found;

		end += col_bytes_length(p->lengths[row]);
		while (pos < end && pos + x->n > end)
			pos = needle_find(x, p->chunk_raw, pos + 1);
		found = pos < end;
		match[row] = match[row] && found;
		if (found)
			pos = needle_find(x, p->chunk_raw, end);
	}
}

static int bytes_contains(struct col_text_page *base, const struct needle *x, uint8_t *match)
{
	struct bytes_page *p = (struct bytes_page *)base;
	int rc = need_lengths(p);

	for (uint32_t i = 0; rc == 0 && i < p->raw.chunks_count; i++) {
		const struct col_bytes_chunk *k = &p->raw.chunks[i];

		if (!any(match + k->row, k->rows_count))
			continue;
		rc = load_chunk(p, i);
		if (rc == 0)
			contains_in(p, k, x, match);
	}
	return rc;
}

static int bytes_letters(struct col_text_page *base, struct col_letters *out)
{
	struct bytes_page *p = (struct bytes_page *)base;
	int rc = need_lengths(p);

	for (uint32_t i = 0; rc == 0 && i < p->raw.chunks_count; i++) {
		rc = load_chunk(p, i);
		if (rc == 0)
			col_letters_add(out, p->chunk_raw);
	}
	return rc;
}

static const struct col_text_ops bytes_ops = {
	.get = bytes_get,
	.all = bytes_all,
	.equal = bytes_equal,
	.contains = bytes_contains,
	.letters = bytes_letters,
};

int col_text_bytes_open(
	struct rcur *c, const struct col_text_page *base, struct col_text_page **out)
{
	struct bytes_page *p = arena_calloc(base->mem, 1, sizeof *p);
	size_t raw;

	if (!p)
		return -ENOMEM;
	p->base = *base;
	p->base.ops = &bytes_ops;
	p->chunk = UINT32_MAX;
	p->body = rcur_bytes(c, rcur_left(c));
	if (c->err || col_bytes_memory(p->body, base->rows_count, &raw) < 0)
		return ERR_CORRUPT;
	p->base.raw_bytes = (uint32_t)raw;
	*out = &p->base;
	return 0;
}

/* scratch: lengths, bytes, and what col_bytes works in. */
void col_text_bytes_put(const struct span *values, uint32_t count, int level, struct buf scratch[3],
	struct buf *out)
{
	struct col_input in = {
		.rows_count = count, .compress_level = level, .scratch = &scratch[2]
	};

	buf_reset(&scratch[0]);
	buf_reset(&scratch[1]);
	buf_put_u8(out, COL_TEXT_BYTES);
	if (buf_reserve(&scratch[0], (size_t)count * sizeof(uint32_t)) < 0 ||
		buf_reserve(&scratch[1], 1) < 0) {
		out->err = -ENOMEM;
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t length = col_text_length(values[i]);

		memcpy(scratch[0].p + i * sizeof length, &length, sizeof length);
		buf_put_span(&scratch[1], values[i]);
	}
	if (scratch[1].err) {
		out->err = scratch[1].err;
		return;
	}
	in.lengths = (const uint32_t *)(const void *)scratch[0].p;
	in.bytes = scratch[1].p;
	col_bytes_encode(&in, out);
}
