#include "query/hll.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"

enum {
	SLOTS_MIN = 4,
	/* Leading zeroes that a register can tell apart: of the bits behind its number. */
	RANKS = 64 - HLL_BITS,
};

/* A free slot is 0, so a hash is not. */
static uint64_t mark_of(uint64_t hash)
{
	return hash ? hash : 1;
}

/* ---------------------------------------------------------------- the set */

/* Of the low bits: the high ones choose a register later. */
static uint64_t *find(uint64_t *set, uint32_t slots, uint64_t mark)
{
	uint32_t at = (uint32_t)mark & (slots - 1);

	while (set[at] && set[at] != mark)
		at = (at + 1) & (slots - 1);
	return &set[at];
}

static int grow(struct hll *h, size_t *held)
{
	uint32_t slots = h->slots ? h->slots * 2 : SLOTS_MIN;
	uint64_t *set = calloc(slots, sizeof set[0]);

	if (!set)
		return -ENOMEM;
	for (uint32_t i = 0; i < h->slots; i++) {
		if (h->set[i])
			*find(set, slots, h->set[i]) = h->set[i];
	}
	*held += (slots - h->slots) * sizeof set[0];
	free(h->set);
	h->set = set;
	h->slots = slots;
	return 0;
}

/* ---------------------------------------------------------------- the sketch */

static void note(uint8_t *registers, uint64_t hash)
{
	uint64_t rest = hash << HLL_BITS | UINT64_C(1) << (HLL_BITS - 1);
	uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
	uint8_t *r = &registers[hash >> RANKS];

	ASSERT_SLOW(rank <= RANKS + 1);
	if (*r < rank)
		*r = rank;
}

static void drop_set(struct hll *h, size_t *held)
{
	*held -= h->slots * sizeof h->set[0];
	free(h->set);
	h->set = NULL;
	h->slots = 0;
	h->count = 0;
}

static int make_sketch(struct hll *h, size_t *held)
{
	uint8_t *registers = calloc(1, HLL_BYTES);

	if (!registers)
		return -ENOMEM;
	*held += HLL_BYTES;
	for (uint32_t i = 0; i < h->slots; i++) {
		if (h->set[i])
			note(registers, h->set[i]);
	}
	drop_set(h, held);
	h->registers = registers;
	return 0;
}

/*
 * O. Ertl, New cardinality estimation algorithms for HyperLogLog sketches (2017), section 4: registers
 * that are still 0, and those that are full, are accounted for by the two series below.
 */
static double sigma(double x)
{
	double y = 1, z = x, before;

	if (x == 1)
		return INFINITY;
	do {
		x *= x;
		before = z;
		z += x * y;
		y += y;
	} while (z != before);
	return z;
}

static double tau(double x)
{
	double y = 1, z = 1 - x, before;

	if (x == 0 || x == 1)
		return 0;
	do {
		x = sqrt(x);
		before = z;
		y /= 2;
		z -= (1 - x) * (1 - x) * y;
	} while (z != before);
	return z / 3;
}

static double estimate(const uint8_t *registers)
{
	const double m = HLL_BYTES, alpha = 0.7213475204444817; /* 1 / (2 ln 2) */
	uint32_t counts[RANKS + 2] = { 0 };
	double z;

	for (uint32_t i = 0; i < HLL_BYTES; i++)
		counts[registers[i]]++;
	z = m * tau((m - counts[RANKS + 1]) / m);
	for (int k = RANKS; k > 0; k--)
		z = (z + counts[k]) / 2;
	z += m * sigma(counts[0] / m);
	return alpha * m * m / z;
}

/* ---------------------------------------------------------------- face */

static int put(struct hll *h, uint64_t mark, uint32_t exact_max, size_t *held)
{
	uint64_t *slot;
	int rc = 0;

	if (h->slots < h->count + h->count / 2 + 2)
		rc = grow(h, held);
	if (rc < 0)
		return rc;
	slot = find(h->set, h->slots, mark);
	if (*slot)
		return 0;
	*slot = mark;
	h->count++;
	if (h->count <= exact_max)
		return 0;
	rc = make_sketch(h, held);
	if (rc < 0) {
		*slot = 0; /* the last one of its chain: nothing was put behind it */
		h->count--;
	}
	return rc;
}

int hll_add(struct hll *h, uint64_t hash, uint32_t exact_max, size_t *held)
{
	if (!h->registers)
		return put(h, mark_of(hash), exact_max, held);
	note(h->registers, mark_of(hash));
	return 0;
}

int hll_join(struct hll *h, const struct hll *from, uint32_t exact_max, size_t *held)
{
	int rc = 0;

	if (from->registers && !h->registers)
		rc = make_sketch(h, held);
	for (uint32_t i = 0; i < from->slots && rc == 0; i++) {
		if (from->set[i])
			rc = hll_add(h, from->set[i], exact_max, held);
	}
	for (uint32_t i = 0; from->registers && i < HLL_BYTES && rc == 0; i++) {
		if (h->registers[i] < from->registers[i])
			h->registers[i] = from->registers[i];
	}
	return rc;
}

bool hll_is_exact(const struct hll *h)
{
	return !h->registers;
}

uint64_t hll_count(const struct hll *h)
{
	return h->registers ? (uint64_t)(estimate(h->registers) + 0.5) : h->count;
}

void hll_fini(struct hll *h, size_t *held)
{
	drop_set(h, held);
	if (h->registers)
		*held -= HLL_BYTES;
	free(h->registers);
	h->registers = NULL;
}
