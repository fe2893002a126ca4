/*
 * hll - how many different values there were, of their 64-bit hashes: counted as a set while they are
 * few, by a HyperLogLog from then on.
 *
 * The set is exact but for two values of one hash, which of 65536 values happens once in 10^10 times.
 * The sketch has 2^14 registers and Ertl's estimator: its standard error is 0.81 %, over the whole range;
 * the sketch of two joined is that of all their values, in any order.
 *
 * Life:    a zeroed struct is empty; add and join, then fini.
 * Thread:  one at a time.
 * Memory:  none for one value, 12 to 24 bytes a value while it is a set, HLL_BYTES then. *held goes up
 *          and down with it, what the heap needs for itself included.
 * Errors:  -ENOMEM: the value is not counted, all else is as it was.
 */
#ifndef QUERY_HLL_H
#define QUERY_HLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HLL_BITS = 14,
	HLL_BYTES = 1 << HLL_BITS,
	/* Of the heap, for each piece of memory. */
	HLL_HEAP_BYTES = 16,
};

enum hll_kind {
	HLL_FEW, /* one value or none */
	HLL_SET,
	HLL_SKETCH,
};

struct hll {
	union {
		uint64_t only; /* 0: none */
		uint64_t *set; /* open addressing; 0: a free slot */
		uint8_t *registers;
	};
	uint32_t count;     /* of values; not of a sketch */
	uint8_t kind;       /* enum hll_kind */
	uint8_t slots_bits; /* a set has two to the power of it */
};

/* More than exact_max different hashes make a sketch of it. */
int hll_add(struct hll *h, uint64_t hash, uint32_t exact_max, size_t *held);
/* What `from` has counted, too. */
int hll_join(struct hll *h, const struct hll *from, uint32_t exact_max, size_t *held);

bool hll_is_exact(const struct hll *h);
uint64_t hll_count(const struct hll *h);

void hll_fini(struct hll *h, size_t *held);

#endif
