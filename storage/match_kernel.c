#include "storage/match_kernel.h"

uint32_t match_kernel_count(const uint8_t *match, uint32_t rows_count)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < rows_count; i++)
		n += match[i];
	return n;
}

uint32_t match_kernel_list(const uint8_t *match, uint32_t rows_count, uint32_t *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < rows_count; i++) {
		out[n] = i;
		n += match[i];
	}
	return n;
}

void match_kernel_equal(
	const uint16_t *codes, uint32_t rows_count, uint16_t code, bool negate, uint8_t *match)
{
	for (uint32_t i = 0; i < rows_count; i++)
		match[i] &= (uint8_t)((codes[i] == code) != negate);
}

void match_kernel_table(
	const uint16_t *codes, uint32_t rows_count, const uint8_t *table, uint8_t *match)
{
	for (uint32_t i = 0; i < rows_count; i++)
		match[i] &= table[codes[i]];
}

void match_kernel_range(const int64_t *values, uint32_t rows_count, uint64_t least, uint64_t width,
	bool negate, uint8_t *match)
{
	for (uint32_t i = 0; i < rows_count; i++)
		match[i] &= (uint8_t)(((uint64_t)values[i] - least <= width) != negate);
}

void match_kernel_mask(const int64_t *values, uint32_t rows_count, uint8_t mask, uint8_t *match)
{
	for (uint32_t i = 0; i < rows_count; i++)
		match[i] &= (uint8_t)(mask >> (values[i] & 7) & 1);
}

void match_kernel_or(uint8_t *match, const uint8_t *other, uint32_t rows_count)
{
	for (uint32_t i = 0; i < rows_count; i++)
		match[i] |= other[i];
}

void match_kernel_without(uint8_t *match, const uint8_t *other, uint32_t rows_count)
{
	for (uint32_t i = 0; i < rows_count; i++)
		match[i] &= (uint8_t)!other[i];
}
