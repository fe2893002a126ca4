#include "proto/expr/expr_int.h"

#include <stdlib.h>

#include "proto/base/check.h"

static int compare(const void *x, const void *y)
{
	const struct expr_range *a = x, *b = y;

	return (a->lo > b->lo) - (a->lo < b->lo);
}

uint32_t expr_range_tidy(struct expr_range *r, uint32_t count)
{
	uint32_t n = 0;

	qsort(r, count, sizeof *r, compare);
	for (uint32_t i = 0; i < count; i++) {
		if (r[i].lo > r[i].hi)
			continue;
		if (n > 0 && (r[n - 1].hi == UINT64_MAX || r[i].lo <= r[n - 1].hi + 1)) {
			if (r[i].hi > r[n - 1].hi)
				r[n - 1].hi = r[i].hi;
		} else {
			r[n++] = r[i];
		}
	}
	return n;
}

uint32_t expr_range_invert(const struct expr_range *r, uint32_t count, struct expr_range *out)
{
	uint64_t from = 0;
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (r[i].lo > from)
			out[n++] = (struct expr_range){ from, r[i].lo - 1 };
		if (r[i].hi == UINT64_MAX)
			return n;
		from = r[i].hi + 1;
	}
	out[n++] = (struct expr_range){ from, UINT64_MAX };
	return n;
}

uint32_t expr_range_intersect(const struct expr_range *a, uint32_t a_count,
	const struct expr_range *b, uint32_t b_count, struct expr_range *out)
{
	uint32_t n = 0, i = 0, k = 0;

	while (i < a_count && k < b_count) {
		uint64_t lo = a[i].lo > b[k].lo ? a[i].lo : b[k].lo;
		uint64_t hi = a[i].hi < b[k].hi ? a[i].hi : b[k].hi;

		if (lo <= hi)
			out[n++] = (struct expr_range){ lo, hi };
		if (a[i].hi < b[k].hi)
			i++;
		else
			k++;
	}
	ASSERT(n <= a_count + b_count);
	return n;
}
