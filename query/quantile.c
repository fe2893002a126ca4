#include "query/quantile.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"

enum {
	ROOM_MIN = 4,
	MANTISSA_BITS = 52,
	BUCKET_BITS = 7,
	/* Bits of a double below those that choose its bucket. */
	BELOW_BITS = MANTISSA_BITS - BUCKET_BITS,
	/* Exponents of a sign: negative numbers have the powers below, mirrored. */
	POWERS = 2048,
};

static_assert(1 << BUCKET_BITS == QUANTILE_PAGE_BUCKETS, "a page is a power of two");

/* ---------------------------------------------------------------- buckets */

static uint64_t bits_of(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	return bits;
}

static double double_of(uint64_t bits)
{
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

/* Page and bucket of a number, both rising with it. */
static uint32_t power_of(double v, uint32_t *out_bucket)
{
	uint64_t bits = bits_of(fabs(v));
	uint32_t power = (uint32_t)(bits >> MANTISSA_BITS);
	uint32_t bucket = (uint32_t)(bits >> BELOW_BITS) & (QUANTILE_PAGE_BUCKETS - 1);

	ASSERT_SLOW(power < POWERS);
	*out_bucket = v < 0 ? QUANTILE_PAGE_BUCKETS - 1 - bucket : bucket;
	return v < 0 ? POWERS - 1 - power : POWERS + power;
}

/* The middle of a bucket; that of the smallest is 0. */
static double value_of(uint32_t power, uint32_t bucket)
{
	bool negative = power < POWERS;
	uint64_t high = negative ? POWERS - 1 - power : power - POWERS;
	uint64_t low = negative ? QUANTILE_PAGE_BUCKETS - 1 - bucket : bucket;
	uint64_t bits = high << MANTISSA_BITS | low << BELOW_BITS;
	double v;

	if (high == POWERS - 1)
		v = INFINITY;
	else if (bits == 0)
		v = 0;
	else
		v = double_of(bits | UINT64_C(1) << (BELOW_BITS - 1));
	return negative ? -v : v;
}

/* The page of that power, or where it belongs. */
static uint32_t find_page(const struct quantile *x, uint32_t power)
{
	uint32_t lo = 0, hi = x->pages_count;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (x->pages[mid].power < power)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int more_pages(struct quantile *x, size_t *held)
{
	uint32_t room = x->room ? x->room * 2 : ROOM_MIN;
	struct quantile_page *pages = realloc(x->pages, room * sizeof pages[0]);

	if (!pages)
		return -ENOMEM;
	*held += (room - x->room) * sizeof pages[0];
	x->pages = pages;
	x->room = room;
	return 0;
}

static int need_page(struct quantile *x, uint32_t power, size_t *held, uint64_t **out)
{
	uint32_t at = find_page(x, power);
	uint64_t *counts;

	if (at < x->pages_count && x->pages[at].power == power) {
		*out = x->pages[at].counts;
		return 0;
	}
	if (x->pages_count == x->room && more_pages(x, held) < 0)
		return -ENOMEM;
	counts = calloc(QUANTILE_PAGE_BUCKETS, sizeof counts[0]);
	if (!counts)
		return -ENOMEM;
	*held += QUANTILE_PAGE_BUCKETS * sizeof counts[0];
	memmove(&x->pages[at + 1], &x->pages[at], (x->pages_count - at) * sizeof x->pages[0]);
	x->pages[at] = (struct quantile_page){ power, counts };
	x->pages_count++;
	*out = counts;
	return 0;
}

static int count_value(struct quantile *x, double v, size_t *held)
{
	uint32_t bucket, power = power_of(v, &bucket);
	uint64_t *counts;
	int rc = need_page(x, power, held, &counts);

	if (rc == 0)
		counts[bucket]++;
	return rc;
}

/* ---------------------------------------------------------------- from numbers to buckets */

static void drop_values(struct quantile *x, uint32_t room, size_t *held)
{
	*held -= room * sizeof x->values[0];
	free(x->values);
	x->values = NULL;
}

static void drop_pages(struct quantile *x, size_t *held)
{
	for (uint32_t i = 0; i < x->pages_count; i++)
		free(x->pages[i].counts);
	if (x->pages)
		*held -= x->room * sizeof x->pages[0] +
			 x->pages_count * QUANTILE_PAGE_BUCKETS * sizeof(uint64_t);
	free(x->pages);
	x->pages = NULL;
	x->pages_count = 0;
	x->room = 0;
}

static int make_buckets(struct quantile *x, size_t *held)
{
	uint32_t room = x->room;
	int rc = 0;

	x->room = 0;
	if (!x->values || x->count == 0)
		rc = more_pages(x, held);
	for (uint64_t i = 0; i < x->count && rc == 0; i++)
		rc = count_value(x, x->values[i], held);
	if (rc < 0) {
		drop_pages(x, held);
		x->room = room;
		return rc;
	}
	drop_values(x, room, held);
	return 0;
}

static int keep_value(struct quantile *x, double v, size_t *held)
{
	if (x->count == x->room) {
		uint32_t room = x->room ? x->room * 2 : ROOM_MIN;
		double *values = realloc(x->values, room * sizeof values[0]);

		if (!values)
			return -ENOMEM;
		*held += (room - x->room) * sizeof values[0];
		x->values = values;
		x->room = room;
	}
	x->values[x->count] = v;
	return 0;
}

static void widen(struct quantile *x, double least, double greatest, uint64_t count)
{
	if (x->count == 0 || least < x->least)
		x->least = least;
	if (x->count == 0 || greatest > x->greatest)
		x->greatest = greatest;
	x->count += count;
}

/* ---------------------------------------------------------------- face */

int quantile_add(struct quantile *x, double v, uint32_t exact_max, size_t *held)
{
	int rc = 0;

	if (isnan(v))
		return 0;
	if (!x->pages && x->count >= exact_max)
		rc = make_buckets(x, held);
	if (rc == 0)
		rc = x->pages ? count_value(x, v, held) : keep_value(x, v, held);
	if (rc == 0)
		widen(x, v, v, 1);
	return rc;
}

static int join_page(struct quantile *x, const struct quantile_page *page, size_t *held)
{
	uint64_t *counts;
	int rc = need_page(x, page->power, held, &counts);

	for (uint32_t i = 0; i < QUANTILE_PAGE_BUCKETS && rc == 0; i++)
		counts[i] += page->counts[i];
	return rc;
}

int quantile_join(struct quantile *x, const struct quantile *from, uint32_t exact_max, size_t *held)
{
	int rc = 0;

	if (!from->pages) {
		for (uint64_t i = 0; i < from->count && rc == 0; i++)
			rc = quantile_add(x, from->values[i], exact_max, held);
		return rc;
	}
	if (!x->pages)
		rc = make_buckets(x, held);
	for (uint32_t i = 0; i < from->pages_count && rc == 0; i++)
		rc = join_page(x, &from->pages[i], held);
	if (rc == 0)
		widen(x, from->least, from->greatest, from->count);
	return rc;
}

bool quantile_is_exact(const struct quantile *x)
{
	return !x->pages;
}

static int compare(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

double quantile_at(struct quantile *x, double q)
{
	double place = ceil(q * (double)x->count), v;
	uint64_t rank = place < 1 ? 1 : (uint64_t)place, seen = 0;

	ASSERT(x->count > 0);
	if (rank > x->count)
		rank = x->count;
	if (!x->pages) {
		qsort(x->values, x->count, sizeof x->values[0], compare);
		return x->values[rank - 1];
	}
	for (uint32_t i = 0; i < x->pages_count; i++) {
		for (uint32_t k = 0; k < QUANTILE_PAGE_BUCKETS; k++) {
			seen += x->pages[i].counts[k];
			if (seen < rank)
				continue;
			v = value_of(x->pages[i].power, k);
			v = v < x->least ? x->least : v;
			return v > x->greatest ? x->greatest : v;
		}
	}
	return x->greatest;
}

void quantile_fini(struct quantile *x, size_t *held)
{
	if (x->pages)
		drop_pages(x, held);
	else
		drop_values(x, x->room, held);
	*x = (struct quantile){ .count = 0 };
}
