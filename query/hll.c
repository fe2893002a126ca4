#include "query/hll.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"

enum {
	SLOTS_BITS_MIN = 2,
	/* Leading zeroes that a register can tell apart: of the bits behind its number. */
	RANKS = 64 - HLL_BITS,
};

/* A free slot is 0, so a hash is not. */
static uint64_t mark_of(uint64_t hash)
{
	return hash ? hash : 1;
}

/* ---------------------------------------------------------------- the set */

static uint32_t slots_of(const struct hll *h)
{
	return h->kind == HLL_SET ? UINT32_C(1) << h->slots_bits : 0;
}

static size_t set_bytes(uint32_t slots_bits)
{
	return (sizeof(uint64_t) << slots_bits) + HLL_HEAP_BYTES;
}

/* Of the low bits: the high ones choose a register later. */
static uint64_t *find(uint64_t *set, uint32_t slots_bits, uint64_t mark)
{
	uint32_t mask = (UINT32_C(1) << slots_bits) - 1, at = (uint32_t)mark & mask;

	while (set[at] && set[at] != mark)
		at = (at + 1) & mask;
	return &set[at];
}

/* The values in turn: *at begins with 0. 0: there is none any more. */
static uint64_t next_mark(const struct hll *h, uint32_t *at)
{
	if (h->kind == HLL_FEW)
		return (*at)++ == 0 ? h->only : 0;
	while (*at < slots_of(h)) {
		uint64_t mark = h->set[(*at)++];

		if (mark)
			return mark;
	}
	return 0;
}

static void drop(struct hll *h, size_t *held)
{
	if (h->kind == HLL_SET) {
		*held -= set_bytes(h->slots_bits);
		free(h->set);
	} else if (h->kind == HLL_SKETCH) {
		*held -= HLL_BYTES + HLL_HEAP_BYTES;
		free(h->registers);
	}
	*h = (struct hll){ .only = 0 };
}

/* A set of twice the slots. */
static int grow(struct hll *h, size_t *held)
{
	uint8_t bits = h->kind == HLL_SET ? h->slots_bits + 1 : SLOTS_BITS_MIN;
	uint64_t *set = calloc(UINT32_C(1) << bits, sizeof set[0]), mark;
	uint32_t at = 0, count = h->count;

	if (!set)
		return -ENOMEM;
	while ((mark = next_mark(h, &at)) != 0)
		*find(set, bits, mark) = mark;
	*held += set_bytes(bits);
	drop(h, held);
	*h = (struct hll){ .set = set, .count = count, .kind = HLL_SET, .slots_bits = bits };
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

static int make_sketch(struct hll *h, size_t *held)
{
	uint8_t *registers = calloc(1, HLL_BYTES);
	uint64_t mark;
	uint32_t at = 0;

	if (!registers)
		return -ENOMEM;
	while ((mark = next_mark(h, &at)) != 0)
		note(registers, mark);
	*held += HLL_BYTES + HLL_HEAP_BYTES;
	drop(h, held);
	*h = (struct hll){ .registers = registers, .kind = HLL_SKETCH };
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

/* Whether it is the first value, or that one again. */
static bool put_only(struct hll *h, uint64_t mark)
{
	if (h->kind != HLL_FEW || (h->only && h->only != mark))
		return false;
	h->only = mark;
	h->count = 1;
	return true;
}

static int put(struct hll *h, uint64_t mark, uint32_t exact_max, size_t *held)
{
	uint64_t *slot;
	int rc = 0;

	if (put_only(h, mark))
		return 0;
	if (slots_of(h) < h->count + h->count / 2 + 2)
		rc = grow(h, held);
	if (rc < 0)
		return rc;
	slot = find(h->set, h->slots_bits, mark);
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
	if (h->kind != HLL_SKETCH)
		return put(h, mark_of(hash), exact_max, held);
	note(h->registers, mark_of(hash));
	return 0;
}

int hll_join(struct hll *h, const struct hll *from, uint32_t exact_max, size_t *held)
{
	uint64_t mark;
	uint32_t at = 0;
	int rc = 0;

	if (from->kind != HLL_SKETCH) {
		while (rc == 0 && (mark = next_mark(from, &at)) != 0)
			rc = hll_add(h, mark, exact_max, held);
		return rc;
	}
	if (h->kind != HLL_SKETCH && make_sketch(h, held) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < HLL_BYTES; i++) {
		if (h->registers[i] < from->registers[i])
			h->registers[i] = from->registers[i];
	}
	return 0;
}

bool hll_is_exact(const struct hll *h)
{
	return h->kind != HLL_SKETCH;
}

uint64_t hll_count(const struct hll *h)
{
	return hll_is_exact(h) ? h->count : (uint64_t)(estimate(h->registers) + 0.5);
}

void hll_fini(struct hll *h, size_t *held)
{
	drop(h, held);
}
