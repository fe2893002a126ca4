/*
 * match_kernel_int - the loops of match_kernel.h that are written several times, for match_kernel*.c
 * alone. Each does whole steps from the first row on and says how many rows that were; the plain ones do
 * the rest.
 */
#ifndef STORAGE_MATCH_KERNEL_INT_H
#define STORAGE_MATCH_KERNEL_INT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	/* Codes of a table that fits into registers. */
	MATCH_KERNEL_SMALL = 32,
};

struct match_kernel_ops {
	uint32_t (*count)(const uint8_t *match, uint32_t rows_count, uint32_t *out_sum);
	/* *n rows are in out. */
	uint32_t (*list)(const uint8_t *match, uint32_t rows_count, uint32_t *out, uint32_t *n);
	uint32_t (*equal)(
		const uint16_t *codes, uint32_t rows_count, uint16_t code, uint8_t *match);
	/* The table has MATCH_KERNEL_SMALL bytes and no code is above them. */
	uint32_t (*map)(
		const uint16_t *codes, uint32_t rows_count, const uint8_t *table, uint8_t *out);
	uint32_t (*range)(const int64_t *values, uint32_t rows_count, uint64_t least,
		uint64_t width, bool negate, uint8_t *match);
};

/* NULL: the processor lacks it. */
const struct match_kernel_ops *match_kernel_sse2(void);
const struct match_kernel_ops *match_kernel_avx2(void);

#endif
