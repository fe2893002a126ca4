/*
 * Goal: no bytes make a stream read outside them, write outside its arrays, or take more memory than
 *       its bound; what is read one value at a time is what is read at once; values that were read,
 *       written again, are the same.
 * Input: u8 level, u16 count less 1, the stream.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { COUNT_MAX = 65536, PLACES = 7 };

static int64_t values[2][COUNT_MAX];

static void places_agree(struct col_stream *s)
{
	uint32_t rows[PLACES];
	int64_t v[PLACES];

	for (uint32_t i = 0; i < PLACES; i++)
		rows[i] = (uint32_t)((uint64_t)(s->count - 1) * i / (PLACES - 1));
	ASSERT(col_stream_pick(s, rows, PLACES, v) == 0);
	for (uint32_t i = 0; i < PLACES; i++)
		ASSERT(v[i] == values[0][rows[i]]);
	for (uint32_t i = PLACES; i > 0; i--) {
		ASSERT(col_stream_get(s, rows[i - 1], 1, v) == 0);
		ASSERT(v[0] == values[0][rows[i - 1]]);
	}
}

static void again(uint32_t count, int level)
{
	struct col_stream_maker m;
	struct col_stream s;
	struct arena mem;
	struct rcur c;
	struct buf out;

	buf_init(&out, 16 << 20);
	arena_init(&mem, COL_STREAM_MEMORY_MAX);
	col_stream_maker_init(&m, level);
	col_stream_put(&m, values[0], count, &out);
	ASSERT(out.err == 0);
	c = rcur_of(out.p, out.len);
	ASSERT(col_stream_open(&c, count, &mem, &s) == 0);
	ASSERT(rcur_left(&c) == 0);
	ASSERT(col_stream_get(&s, 0, count, values[1]) == 0);
	ASSERT(memcmp(values[0], values[1], count * sizeof values[0][0]) == 0);
	col_stream_maker_fini(&m);
	arena_fini(&mem);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct col_stream s;
	struct arena mem;
	struct rcur c;
	uint32_t count;

	if (n < 3)
		return 0;
	count = 1 + (uint32_t)(p[1] | p[2] << 8);
	c = rcur_of(p + 3, n - 3);
	arena_init(&mem, COL_STREAM_MEMORY_MAX);
	if (col_stream_open(&c, count, &mem, &s) == 0 &&
		col_stream_get(&s, 0, count, values[0]) == 0) {
		places_agree(&s);
		again(count, p[0]);
	}
	arena_fini(&mem);
	return 0;
}
