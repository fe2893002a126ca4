#include "storage/col_bytes.h"

#include "proto/base/check.h"
#include "storage/col.h"
#include "storage/col_pack.h"
#include "storage/page.h"

static_assert(COL_BYTES_CHUNK_MAX < INT32_MAX, "LZ4 counts in int");

/* Frames of unsigned lengths, widened a frame at a time. */
static void put_lengths(const uint32_t *lengths, uint32_t count, struct buf *out)
{
	int64_t v[COL_PACK_FRAME];

	for (uint32_t i = 0; i < count; i += COL_PACK_FRAME) {
		uint32_t n = count - i < COL_PACK_FRAME ? count - i : COL_PACK_FRAME;

		for (uint32_t k = 0; k < n; k++)
			v[k] = lengths[i + k];
		col_pack_frames_put(v, n, out);
	}
}

/* The sum of all bytes; UINT64_MAX: a length is out of bounds. */
static uint64_t get_lengths(struct rcur *c, uint32_t count, uint32_t *lengths)
{
	int64_t v[COL_PACK_FRAME];
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i += COL_PACK_FRAME) {
		uint32_t n = count - i < COL_PACK_FRAME ? count - i : COL_PACK_FRAME;

		col_pack_frames_get(c, n, v);
		if (c->err)
			return UINT64_MAX;
		for (uint32_t k = 0; k < n; k++) {
			if (v[k] < 0 || v[k] > LIMIT_EVENT_BYTES + 1)
				return UINT64_MAX;
			lengths[i + k] = (uint32_t)v[k];
			sum += col_bytes_length(lengths[i + k]);
		}
	}
	return sum;
}

/* Cuts the rows into chunks; the encoded spans stay empty. Their number. */
static uint32_t cut(const uint32_t *lengths, uint32_t rows, struct col_bytes_chunk *chunks)
{
	struct col_bytes_chunk c = { 0 };
	uint32_t count = 0;

	for (uint32_t i = 0; i < rows; i++) {
		c.rows_count++;
		c.raw_bytes += col_bytes_length(lengths[i]);
		if (c.raw_bytes < COL_BYTES_CHUNK && i + 1 < rows)
			continue;
		ASSERT(count < COL_BYTES_CHUNKS_MAX);
		chunks[count++] = c;
		c = (struct col_bytes_chunk){ .row = i + 1 };
	}
	return count;
}

static uint64_t raw_total(const struct col_input *in)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < in->rows_count; i++)
		sum += col_bytes_length(in->lengths[i]);
	return sum;
}

/* The chunk's bytes, compressed or as they are, at the end of out. */
static size_t put_chunk(struct span raw, int level, struct buf *out)
{
	size_t n = raw.n ? page_lz4(raw, level, out) : 0;

	if (n > 0)
		return n;
	buf_put_span(out, raw);
	return raw.n;
}

/* Lengths, directory and chunks; the chunks are made first, in body. */
static void put_page(const struct col_input *in, uint64_t total, struct buf *body, struct buf *out)
{
	struct col_bytes_chunk chunks[COL_BYTES_CHUNKS_MAX];
	uint32_t count = cut(in->lengths, in->rows_count, chunks);
	const uint8_t *p = in->bytes;

	buf_reserve(body, (size_t)total + 1);
	col_pack_varint(out, total);
	put_lengths(in->lengths, in->rows_count, out);
	col_pack_varint(out, count);
	for (uint32_t i = 0; i < count; i++) {
		struct span raw = span_of(p, chunks[i].raw_bytes);

		col_pack_varint(out, chunks[i].rows_count);
		col_pack_varint(out, put_chunk(raw, in->compress_level, body));
		p += raw.n;
	}
	if (body->err && !out->err)
		out->err = body->err;
	buf_put(out, body->p, body->len);
}

void col_bytes_encode(const struct col_input *in, struct buf *out)
{
	uint64_t total = raw_total(in);
	struct buf own;

	ASSERT(total <= COL_BYTES_RAW_MAX);
	if (in->scratch) {
		buf_reset(in->scratch);
		put_page(in, total, in->scratch, out);
		return;
	}
	buf_init(&own, out->max);
	put_page(in, total, &own, out);
	buf_fini(&own);
}

/* The directory of chunks, their number; each one's raw bytes follow from the lengths of its rows. */
static uint32_t get_chunks(
	struct rcur *c, uint32_t rows_count, const uint32_t *lengths, struct col_bytes_chunk *out)
{
	uint32_t row = 0;
	uint64_t count = rcur_varint(c);

	if (count == 0 || count > COL_BYTES_CHUNKS_MAX)
		goto corrupt;
	for (uint32_t i = 0; i < count; i++) {
		struct col_bytes_chunk *k = &out[i];
		uint64_t rows = rcur_varint(c);
		uint64_t bytes = rcur_varint(c), raw = 0;

		if (c->err || rows == 0 || rows > rows_count - row || bytes > INT32_MAX)
			goto corrupt;
		for (uint32_t r = 0; r < rows; r++)
			raw += col_bytes_length(lengths[row + r]);
		if (raw > COL_BYTES_CHUNK_MAX)
			goto corrupt;
		*k = (struct col_bytes_chunk){ row, (uint32_t)rows, (uint32_t)raw, SPAN_NONE };
		k->encoded.n = (size_t)bytes;
		row += (uint32_t)rows;
	}
	if (row == rows_count)
		return (uint32_t)count;
corrupt:
	c->err = ERR_CORRUPT;
	return 0;
}

int col_bytes_open(struct span page, uint32_t rows_count, uint32_t *lengths,
	struct col_bytes_chunk *room, struct col_bytes *out)
{
	struct rcur c = rcur_of(page.p, page.n);
	uint64_t raw = rcur_varint(&c);
	uint32_t count;

	if (c.err || raw > COL_BYTES_RAW_MAX || get_lengths(&c, rows_count, lengths) != raw)
		return ERR_CORRUPT;
	count = get_chunks(&c, rows_count, lengths, room);
	for (uint32_t i = 0; i < count; i++)
		room[i].encoded = rcur_bytes(&c, room[i].encoded.n);
	*out = (struct col_bytes){ (uint32_t)raw, count, room };
	return c.err || rcur_left(&c) != 0 ? ERR_CORRUPT : 0;
}

int col_bytes_chunk(
	const struct col_bytes *b, uint32_t chunk, struct buf *scratch, struct span *out)
{
	const struct col_bytes_chunk *k = &b->chunks[chunk];

	ASSERT(chunk < b->chunks_count);
	ASSERT(scratch->max >= COL_BYTES_CHUNK_MAX);
	*out = k->encoded;
	if (k->encoded.n == k->raw_bytes)
		return 0;
	buf_reset(scratch);
	if (buf_reserve(scratch, (size_t)k->raw_bytes + 1) < 0)
		return scratch->err;
	if (col_bytes_chunk_to(k, scratch->p) < 0)
		return ERR_CORRUPT;
	scratch->len = k->raw_bytes;
	*out = buf_span(scratch);
	return 0;
}

int col_bytes_chunk_to(const struct col_bytes_chunk *k, uint8_t *dst)
{
	if (k->encoded.n != k->raw_bytes)
		return page_unlz4(k->encoded, dst, k->raw_bytes);
	if (k->raw_bytes > 0)
		memcpy(dst, k->encoded.p, k->raw_bytes);
	return 0;
}

uint32_t col_bytes_find(const struct col_bytes *b, uint32_t row)
{
	uint32_t lo = 0, hi = b->chunks_count - 1;

	while (lo < hi) {
		uint32_t mid = (lo + hi + 1) / 2;

		if (b->chunks[mid].row <= row)
			lo = mid;
		else
			hi = mid - 1;
	}
	return lo;
}

int col_bytes_decode(struct span page, struct col_output *out)
{
	struct col_bytes_chunk room[COL_BYTES_CHUNKS_MAX];
	struct col_bytes b;
	int rc = col_bytes_open(page, out->rows_count, out->lengths, room, &b);

	if (rc < 0)
		return rc;
	buf_reset(out->bytes);
	if (buf_reserve(out->bytes, (size_t)b.raw_bytes + 1) < 0)
		return out->bytes->err;
	for (uint32_t i = 0; i < b.chunks_count; i++) {
		if (col_bytes_chunk_to(&b.chunks[i], out->bytes->p + out->bytes->len) < 0)
			return ERR_CORRUPT;
		out->bytes->len += b.chunks[i].raw_bytes;
	}
	ASSERT(out->bytes->len == b.raw_bytes);
	return 0;
}

int col_bytes_memory(struct span page, uint32_t rows_count, size_t *out_bytes)
{
	struct rcur c = rcur_of(page.p, page.n);
	uint64_t raw = rcur_varint(&c);

	(void)rows_count;
	if (c.err || raw > COL_BYTES_RAW_MAX)
		return ERR_CORRUPT;
	*out_bytes = (size_t)raw;
	return 0;
}
