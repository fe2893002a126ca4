/*
 * Goal: no bytes make the lists of keys lead outside their arrays; one row reads as in the whole; rows
 *       that were read, written again, are the same.
 * Input: u16 rows less 1, u8 keys less 1, the bytes; the keys are made from the row numbers.
 */
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_depend.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { ROWS_MAX = 65536 };

static uint32_t keys[ROWS_MAX];
static int64_t values[2][ROWS_MAX];

static int read_all(
	struct rcur *c, uint32_t rows, uint32_t keys_count, struct arena *mem, int64_t *out)
{
	struct col_depend d;
	uint32_t row = rows / 2;
	int64_t v;
	int rc = col_depend_open(c, rows, keys_count, mem, &d);

	if (rc == 0)
		rc = col_depend_get(&d, 0, rows, keys, out);
	if (rc < 0)
		return rc;
	ASSERT(col_depend_pick(&d, &row, 1, &keys[row], &v) == 0);
	ASSERT(v == out[row]);
	return 0;
}

static void again(uint32_t rows, uint32_t keys_count, struct arena *mem)
{
	struct col_depend_in in = {
		.count = rows, .keys_count = keys_count, .keys = keys, .values = values[0]
	};
	struct col_depend_maker m;
	struct rcur c;
	struct buf out;

	buf_init(&out, 16 << 20);
	col_depend_maker_init(&m, 0);
	col_depend_put(&m, &in, &out);
	ASSERT(out.err == 0);
	arena_reset(mem);
	c = rcur_of(out.p, out.len);
	ASSERT(read_all(&c, rows, keys_count, mem, values[1]) == 0);
	ASSERT(rcur_left(&c) == 0);
	ASSERT(memcmp(values[0], values[1], rows * sizeof values[0][0]) == 0);
	col_depend_maker_fini(&m);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	uint32_t rows, keys_count;
	struct arena mem;
	struct rcur c;

	if (n < 3)
		return 0;
	rows = 1 + (uint32_t)(p[0] | p[1] << 8);
	keys_count = 1 + p[2];
	for (uint32_t i = 0; i < rows; i++)
		keys[i] = i * 7 % keys_count;
	c = rcur_of(p + 3, n - 3);
	arena_init(&mem, COL_DEPEND_MEMORY_MAX);
	if (read_all(&c, rows, keys_count, &mem, values[0]) == 0)
		again(rows, keys_count, &mem);
	arena_fini(&mem);
	return 0;
}
