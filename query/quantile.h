/*
 * quantile - the numbers of a group, to say below which value so many of them lie.
 *
 * The answer for q of n numbers is the one at place ceil(q * n) in order, the first for q = 0. While the
 * numbers are few they are kept, and that is the answer. From then on they are counted in buckets by sign,
 * power of two and the next 7 bits, 128 to a power: the answer is the middle of the bucket in which the
 * right number lies, within the least and the greatest number there was, so it is off by 1/256 (0.4 %) of
 * itself at most; below 1e-307 by more. Joined in any order the result is the same.
 *
 * Life:    a zeroed struct is empty; add and join, then ask, fini.
 * Thread:  one at a time.
 * Memory:  8 to 16 bytes a number while they are kept; then 1 KiB for each power of two that occurs, 4 MiB
 *          at the very most. *held goes up and down with it.
 * Errors:  -ENOMEM: the number is not counted, all else is as it was.
 */
#ifndef QUERY_QUANTILE_H
#define QUERY_QUANTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QUANTILE_PAGE_BUCKETS = 128 };

struct quantile_page {
	uint32_t power; /* sign and exponent, rising with the value */
	uint64_t *counts;
};

struct quantile {
	double *values; /* while they are kept */
	struct quantile_page *pages;
	uint32_t room; /* of values, or of pages */
	uint32_t pages_count;
	uint64_t count;
	double least, greatest;
};

/* NaN is not counted. More than exact_max numbers are not kept one by one. */
int quantile_add(struct quantile *x, double v, uint32_t exact_max, size_t *held);
int quantile_join(
	struct quantile *x, const struct quantile *from, uint32_t exact_max, size_t *held);

bool quantile_is_exact(const struct quantile *x);
/* q from 0 to 1; x->count > 0. Sorts what is kept. */
double quantile_at(struct quantile *x, double q);

void quantile_fini(struct quantile *x, size_t *held);

#endif
