#include "storage/match_kernel.h"

#include <stdatomic.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/match_kernel_int.h"

/* ---- plain steps: none, all rows are the rest ---- */

static uint32_t no_count(const uint8_t *match, uint32_t rows_count, uint32_t *out_sum)
{
	(void)match;
	(void)rows_count;
	(void)out_sum;
	return 0;
}

static uint32_t no_list(const uint8_t *match, uint32_t rows_count, uint32_t *out, uint32_t *n)
{
	(void)match;
	(void)rows_count;
	(void)out;
	(void)n;
	return 0;
}

static uint32_t no_equal(const uint16_t *codes, uint32_t rows_count, uint16_t code, uint8_t *match)
{
	(void)codes;
	(void)rows_count;
	(void)code;
	(void)match;
	return 0;
}

static uint32_t no_map(
	const uint16_t *codes, uint32_t rows_count, const uint8_t *table, uint8_t *out)
{
	(void)codes;
	(void)rows_count;
	(void)table;
	(void)out;
	return 0;
}

static uint32_t no_range(const int64_t *values, uint32_t rows_count, uint64_t least, uint64_t width,
	bool negate, uint8_t *match)
{
	(void)values;
	(void)rows_count;
	(void)least;
	(void)width;
	(void)negate;
	(void)match;
	return 0;
}

static const struct match_kernel_ops plain = { no_count, no_list, no_equal, no_map, no_range };

/* ---- which ---- */

static _Atomic(const struct match_kernel_ops *) chosen;

static const struct match_kernel_ops *level_ops(enum match_kernel_level level)
{
	switch (level) {
	case MATCH_KERNEL_AVX2:
		return match_kernel_avx2();
	case MATCH_KERNEL_SSE2:
		return match_kernel_sse2();
	default:
		return &plain;
	}
}

static const struct match_kernel_ops *ops(void)
{
	const struct match_kernel_ops *o = atomic_load_explicit(&chosen, memory_order_acquire);

	for (int level = MATCH_KERNEL_AVX2; !o; level--) {
		o = level_ops((enum match_kernel_level)level);
		if (o)
			atomic_store_explicit(&chosen, o, memory_order_release);
	}
	return o;
}

bool match_kernel_force(enum match_kernel_level level)
{
	const struct match_kernel_ops *o = level_ops(level);

	if (o)
		atomic_store_explicit(&chosen, o, memory_order_release);
	return o != NULL;
}

/* ---- the loops ---- */

uint32_t match_kernel_count(const uint8_t *match, uint32_t rows_count)
{
	uint32_t n = 0, i = ops()->count(match, rows_count, &n);

	for (; i < rows_count; i++)
		n += match[i];
	ASSERT(n <= rows_count);
	return n;
}

uint32_t match_kernel_list(const uint8_t *match, uint32_t rows_count, uint32_t *out)
{
	uint32_t n = 0, i = ops()->list(match, rows_count, out, &n);

	for (; i < rows_count; i++) {
		out[n] = i;
		n += match[i];
	}
	ASSERT(n <= rows_count);
	return n;
}

void match_kernel_equal(const uint16_t *codes, uint32_t rows_count, uint16_t code, uint8_t *match)
{
	uint32_t i = ops()->equal(codes, rows_count, code, match);

	for (; i < rows_count; i++)
		match[i] &= (uint8_t)(codes[i] == code);
}

void match_kernel_map(const uint16_t *codes, uint32_t rows_count, const uint8_t *table,
	uint32_t table_count, uint8_t *out)
{
	uint8_t small[MATCH_KERNEL_SMALL] = { 0 };
	uint32_t i = 0;

	if (table_count <= MATCH_KERNEL_SMALL) {
		memcpy(small, table, table_count);
		i = ops()->map(codes, rows_count, small, out);
	}
	for (; i < rows_count; i++)
		out[i] = table[codes[i]];
}

void match_kernel_table(const uint16_t *codes, uint32_t rows_count, const uint8_t *table,
	uint32_t table_count, uint8_t *match)
{
	enum { STEP = 1024 };
	uint8_t found[STEP];

	for (uint32_t at = 0, n; at < rows_count; at += n) {
		n = rows_count - at < STEP ? rows_count - at : STEP;
		match_kernel_map(codes + at, n, table, table_count, found);
		match_kernel_and(match + at, found, n);
	}
}

void match_kernel_range(const int64_t *values, uint32_t rows_count, uint64_t least, uint64_t width,
	bool negate, uint8_t *match)
{
	uint32_t i = ops()->range(values, rows_count, least, width, negate, match);

	for (; i < rows_count; i++)
		match[i] &= (uint8_t)(((uint64_t)values[i] - least <= width) != negate);
}

/* Those that the compiler turns into the same. */

void match_kernel_mask(const int64_t *values, uint32_t rows_count, uint8_t mask, uint8_t *match)
{
	for (uint32_t i = 0; i < rows_count; i++)
		match[i] &= (uint8_t)(mask >> (values[i] & 7) & 1);
}

void match_kernel_is(const uint8_t *bytes, uint32_t rows_count, uint8_t byte, uint8_t *out)
{
	for (uint32_t i = 0; i < rows_count; i++)
		out[i] = bytes[i] == byte;
}

void match_kernel_or(uint8_t *match, const uint8_t *other, uint32_t rows_count)
{
	for (uint32_t i = 0; i < rows_count; i++)
		match[i] |= other[i];
}

void match_kernel_and(uint8_t *match, const uint8_t *other, uint32_t rows_count)
{
	for (uint32_t i = 0; i < rows_count; i++)
		match[i] &= other[i];
}

void match_kernel_without(uint8_t *match, const uint8_t *other, uint32_t rows_count)
{
	for (uint32_t i = 0; i < rows_count; i++)
		match[i] &= (uint8_t)(other[i] ^ 1);
}
