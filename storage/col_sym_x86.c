/*
 * The loop of col_sym.c for AVX2: sixteen frequencies in one vector, of which those above a slot are
 * counted.
 */
#include "storage/col_sym_int.h"

#include <assert.h>
#include <stddef.h>

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX2   __attribute__((target("avx2,bmi,bmi2")))
#define INLINE AVX2 static inline __attribute__((always_inline))

/* Frequencies of a context of n pairs; but for the first, which is 0, those of up to PAD are in all. */
struct context {
	const uint16_t *cums, *syms;
	uint32_t n;
	__m256i all;
};

INLINE __m256i load(const uint16_t *p)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

/* False: it has no symbols, or there is no such context. */
INLINE bool open_context(struct col_sym_tables t, uint32_t x, struct context *c)
{
	uint32_t first;

	if (x >= t.contexts_count)
		return false;
	first = t.first[x];
	c->n = t.first[x + 1] - first;
	c->cums = t.cums + first + x;
	c->syms = t.syms + first;
	c->all = load(c->cums + 1);
	return c->n > 0;
}

/* Twice the place of the first of all that is above the slot: as many bytes are before the pair's. */
INLINE size_t bytes_below(__m256i all, uint32_t slot)
{
	__m256i above = _mm256_cmpgt_epi16(all, _mm256_set1_epi16((short)slot));

	return _tzcnt_u32((uint32_t)_mm256_movemask_epi8(above));
}

/* The pair to which the slot belongs, one less of all pairs from cums and syms on. */
INLINE void narrow(struct context *c, uint32_t slot)
{
	uint32_t at = 0, n = c->n;

	while (n > COL_SYM_PAD) {
		uint32_t half = n / 2;

		at = c->cums[at + half] <= slot ? at + half : at;
		n -= half;
	}
	c->cums += at;
	c->syms += at;
	c->all = load(c->cums + 1);
}

INLINE uint32_t at_bytes(const uint16_t *p, size_t bytes)
{
	uint16_t v;

	memcpy(&v, (const uint8_t *)p + bytes, sizeof v);
	return v;
}

INLINE void next_sym(struct col_sym_tables t, struct context c, struct col_sym_lane *l, uint32_t i)
{
	const uint8_t *p = l->p < t.last ? l->p : t.last;
	uint32_t slot = l->state % COL_SYM_SCALE, cum, state, low;
	size_t below;
	uint16_t word;

	if (c.n > COL_SYM_PAD)
		narrow(&c, slot);
	below = bytes_below(c.all, slot);
	cum = at_bytes(c.cums, below);
	state = (at_bytes(c.cums + 1, below) - cum) * (l->state / COL_SYM_SCALE) + slot - cum;
	memcpy(&word, p, sizeof word);
	low = 0u - (state < COL_SYM_STATE_MIN);
	l->state = state << (low & 16) | (word & low);
	l->p += low & 2;
	l->out[i] = (uint16_t)at_bytes(c.syms, below);
}

INLINE bool next_syms(struct col_sym_tables t, struct col_sym_lane *lanes, const uint32_t n,
	uint32_t from, uint32_t to)
{
	struct col_sym_lane l[COL_SYM_LANES];

	memcpy(l, lanes, n * sizeof *l);
	for (uint32_t i = from; i < to; i++) {
#pragma GCC unroll 8
		for (uint32_t k = 0; k < n; k++) {
			struct context c;

			if (!open_context(t, l[k].contexts[i], &c))
				return false;
			next_sym(t, c, &l[k], i);
		}
	}
	memcpy(lanes, l, n * sizeof *l);
	return true;
}

/* Symbols that all have the same context. */
INLINE bool next_alike(struct col_sym_tables t, struct col_sym_lane *lanes, const uint32_t n,
	uint32_t from, uint32_t to)
{
	struct col_sym_lane l[COL_SYM_LANES];
	struct context c;

	if (!open_context(t, 0, &c))
		return false;
	memcpy(l, lanes, n * sizeof *l);
	for (uint32_t i = from; i < to; i++) {
#pragma GCC unroll 8
		for (uint32_t k = 0; k < n; k++)
			next_sym(t, c, &l[k], i);
	}
	memcpy(lanes, l, n * sizeof *l);
	return true;
}

static_assert(COL_SYM_LANES == 8, "a loop for each number of lanes");

#define LANES(next, n, ...)                                 \
	((n) == 8          ? next(__VA_ARGS__, 8, from, to) \
		: (n) == 7 ? next(__VA_ARGS__, 7, from, to) \
		: (n) == 6 ? next(__VA_ARGS__, 6, from, to) \
		: (n) == 5 ? next(__VA_ARGS__, 5, from, to) \
		: (n) == 4 ? next(__VA_ARGS__, 4, from, to) \
		: (n) == 3 ? next(__VA_ARGS__, 3, from, to) \
		: (n) == 2 ? next(__VA_ARGS__, 2, from, to) \
			   : next(__VA_ARGS__, 1, from, to))

AVX2 static bool run(
	struct col_sym_tables t, struct col_sym_lane *lanes, uint32_t n, uint32_t from, uint32_t to)
{
	return lanes[0].contexts ? LANES(next_syms, n, t, lanes) : LANES(next_alike, n, t, lanes);
}

col_sym_lanes_cb *col_sym_x86(void)
{
	bool there = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
		     __builtin_cpu_supports("bmi2");

	return there ? run : NULL;
}

#else

col_sym_lanes_cb *col_sym_x86(void)
{
	return NULL;
}

#endif
