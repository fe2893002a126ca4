/*
 * match_kernel - loops over the rows of a block: a byte for each, 1 while the row still matches, else 0.
 *
 * Those that pay are written for SSE2 and for AVX2 beside plain C, and do the same each time; the best
 * that the processor has is chosen when the first of them is called.
 *
 * Thread:  free for all.
 * Memory:  match, codes, values and out have rows_count elements each. No alignment is asked for.
 */
#ifndef STORAGE_MATCH_KERNEL_H
#define STORAGE_MATCH_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

enum match_kernel_level { MATCH_KERNEL_PLAIN, MATCH_KERNEL_SSE2, MATCH_KERNEL_AVX2 };

/* For tests: from now on this level, in all threads. False: the processor lacks it. */
bool match_kernel_force(enum match_kernel_level level);

/* Rows that match. */
uint32_t match_kernel_count(const uint8_t *match, uint32_t rows_count);
/* The rows that match, rising; their number. */
uint32_t match_kernel_list(const uint8_t *match, uint32_t rows_count, uint32_t *out);

/* Only rows stay whose code is this one. */
void match_kernel_equal(const uint16_t *codes, uint32_t rows_count, uint16_t code, uint8_t *match);
/* Only rows stay whose code has a 1 in the table of table_count bytes, whose others are 0. */
void match_kernel_table(const uint16_t *codes, uint32_t rows_count, const uint8_t *table,
	uint32_t table_count, uint8_t *match);
/* What the table has for each code. */
void match_kernel_map(const uint16_t *codes, uint32_t rows_count, const uint8_t *table,
	uint32_t table_count, uint8_t *out);
/* Only rows stay whose value, less `least` modulo 2^64, is at most `width`; negate: is not. */
void match_kernel_range(const int64_t *values, uint32_t rows_count, uint64_t least, uint64_t width,
	bool negate, uint8_t *match);
/* Only rows stay whose value v has bit 1 << v in the mask; values are 0 .. 7. */
void match_kernel_mask(const int64_t *values, uint32_t rows_count, uint8_t mask, uint8_t *match);

/* 1 for each byte that is this one, else 0. */
void match_kernel_is(const uint8_t *bytes, uint32_t rows_count, uint8_t byte, uint8_t *out);
/* match |= other; match &= other; match &= ~other. */
void match_kernel_or(uint8_t *match, const uint8_t *other, uint32_t rows_count);
void match_kernel_and(uint8_t *match, const uint8_t *other, uint32_t rows_count);
void match_kernel_without(uint8_t *match, const uint8_t *other, uint32_t rows_count);

#endif
