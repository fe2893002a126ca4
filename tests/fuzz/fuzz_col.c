/*
 * Goal: no page makes a decoder write outside its arrays or read outside the page; a page that is
 *       accepted, encoded again, decodes to the same values.
 * Input: u8 encoding, u16 rows, the page.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "storage/col.h"
#include "storage/col_bytes.h"
#include "storage/col_dict.h"
#include "storage/page.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static int64_t ints[2][LIMIT_BLOCK_ROWS];
static int64_t times[LIMIT_BLOCK_ROWS];
static uint16_t codes[2][LIMIT_BLOCK_ROWS];
static uint32_t lengths[2][LIMIT_BLOCK_ROWS];

static void dictionary(struct span page, uint32_t count)
{
	struct col_dict d;
	size_t bytes = 0;

	col_dict_init(&d);
	if (col_dict_load(&d, page, count) == 0) {
		for (unsigned code = 1; code <= d.count; code++) {
			if (col_dict_need(&d, code) == 0)
				bytes += col_dict_at(&d, code).n;
		}
		ASSERT(bytes <= LIMIT_DICT_BYTES);
	}
	col_dict_fini(&d);
}

static void unwrap(struct span page, uint8_t codec)
{
	struct buf scratch;
	struct span out;

	buf_init(&scratch, 1 << 16);
	if (page_unwrap(page, codec, &scratch, &out) == 0)
		ASSERT(out.n == page.n || out.n <= scratch.max);
	buf_fini(&scratch);
}

static void chunks(struct span page, uint32_t rows)
{
	static struct col_bytes_chunk room[COL_BYTES_CHUNKS_MAX];
	struct col_bytes b;
	struct buf scratch;

	buf_init(&scratch, COL_BYTES_CHUNK_MAX + 1);
	if (col_bytes_open(page, rows, lengths[0], room, &b) == 0) {
		for (uint32_t i = 0; i < b.chunks_count; i++) {
			struct span raw;

			if (col_bytes_chunk(&b, i, &scratch, &raw) == 0)
				ASSERT(raw.n == b.chunks[i].raw_bytes);
			ASSERT(col_bytes_find(&b, b.chunks[i].row) == i);
		}
	}
	buf_fini(&scratch);
}

static void again(const struct col_codec *c, const struct col_output *got)
{
	struct buf page, bytes;
	struct col_input in = { .rows_count = got->rows_count,
		.ints = got->ints,
		.times = got->times,
		.codes = got->codes,
		.lengths = got->lengths,
		.bytes = got->bytes->p };
	struct col_output out = { .rows_count = got->rows_count,
		.ints = ints[1],
		.times = got->times,
		.codes = codes[1],
		.lengths = lengths[1],
		.bytes = &bytes };
	enum col_encoding e;

	buf_init(&page, 64 << 20);
	buf_init(&bytes, COL_BYTES_RAW_MAX + 1);
	e = col_encode(c->kind, &in, &page);
	ASSERT(col_decode(e, c->kind, buf_span(&page), &out) == 0);
	if (c->kind == COL_KIND_INTS)
		ASSERT(memcmp(ints[0], ints[1], got->rows_count * sizeof ints[0][0]) == 0);
	if (c->kind == COL_KIND_CODES)
		ASSERT(memcmp(codes[0], codes[1], got->rows_count * sizeof codes[0][0]) == 0);
	if (c->kind == COL_KIND_BYTES)
		ASSERT(span_eq(buf_span(&bytes), buf_span(got->bytes)));
	buf_fini(&page);
	buf_fini(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct buf bytes;
	struct col_output out = { .ints = ints[0],
		.times = times,
		.codes = codes[0],
		.lengths = lengths[0],
		.bytes = &bytes };
	const struct col_codec *c;
	struct span page;

	if (n < 3)
		return 0;
	page = span_of(p + 3, n - 3);
	out.rows_count = 1 + (uint32_t)(p[1] | p[2] << 8) % LIMIT_BLOCK_ROWS;
	c = col_codec(p[0] % (COL_ENCODING_COUNT + 1));
	dictionary(page, 1 + (out.rows_count - 1) % LIMIT_DICT_ENTRIES);
	unwrap(page, p[0] % 4);
	chunks(page, out.rows_count);
	if (!c || !c->decode)
		return 0;
	buf_init(&bytes, COL_BYTES_RAW_MAX + 1);
	if (c->decode(page, &out) == 0)
		again(c, &out);
	buf_fini(&bytes);
	return 0;
}
