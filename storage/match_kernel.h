/*
 * match_kernel - loops over the rows of a block: a byte for each, 1 while the row still matches, else 0.
 *
 * Thread:  free for all.
 * Memory:  match, codes and values have rows_count elements each. No alignment is asked for.
 */
#ifndef STORAGE_MATCH_KERNEL_H
#define STORAGE_MATCH_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/* Rows that match. */
uint32_t match_kernel_count(const uint8_t *match, uint32_t rows_count);
/*
 * The rows that match, rising; their number. out has room for rows_count rows and
 * MATCH_KERNEL_LIST_SPARE more, which may be written to.
 */
enum { MATCH_KERNEL_LIST_SPARE = 8 };
uint32_t match_kernel_list(const uint8_t *match, uint32_t rows_count, uint32_t *out);

/* Only rows stay whose code is this one; negate: is another. */
void match_kernel_equal(
	const uint16_t *codes, uint32_t rows_count, uint16_t code, bool negate, uint8_t *match);
/* Only rows stay whose code has a 1 in the table, whose other bytes are 0. */
void match_kernel_table(
	const uint16_t *codes, uint32_t rows_count, const uint8_t *table, uint8_t *match);
/* Only rows stay whose value, less `least` modulo 2^64, is at most `width`; negate: is not. */
void match_kernel_range(const int64_t *values, uint32_t rows_count, uint64_t least, uint64_t width,
	bool negate, uint8_t *match);
/* Only rows stay whose value v has bit 1 << v in the mask; values are 0 .. 7. */
void match_kernel_mask(const int64_t *values, uint32_t rows_count, uint8_t mask, uint8_t *match);

/* match |= other; match &= ~other. */
void match_kernel_or(uint8_t *match, const uint8_t *other, uint32_t rows_count);
void match_kernel_without(uint8_t *match, const uint8_t *other, uint32_t rows_count);

#endif
