/*
 * The loop of col_sym.c for AVX2: sixteen frequencies in one vector, of which those above a slot are
 * counted.
 */
#include "storage/col_sym_int.h"

#include <stddef.h>

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX2   __attribute__((target("avx2,bmi,bmi2")))
#define INLINE AVX2 static inline __attribute__((always_inline))

/* Frequencies of a context of n pairs; up to PAD - 1 are in all. */
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
	c->all = load(c->cums);
	return c->n > 0;
}

/* Twice the place of the first of all that is above the slot: as many bytes are before it. */
INLINE size_t bytes_below(__m256i all, uint32_t slot)
{
	__m256i above = _mm256_cmpgt_epi16(all, _mm256_set1_epi16((short)slot));

	return _tzcnt_u32((uint32_t)_mm256_movemask_epi8(above));
}

/* The pair to which the slot belongs, one less of all pairs from cums and syms on. */
INLINE void narrow(struct context *c, uint32_t slot)
{
	uint32_t at = 0, n = c->n;

	while (n >= COL_SYM_PAD) {
		uint32_t half = n / 2;

		at = c->cums[at + half] <= slot ? at + half : at;
		n -= half;
	}
	c->cums += at;
	c->syms += at;
	c->all = load(c->cums);
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

	if (c.n >= COL_SYM_PAD)
		narrow(&c, slot);
	below = bytes_below(c.all, slot);
	cum = at_bytes(c.cums, below - sizeof word);
	state = (at_bytes(c.cums, below) - cum) * (l->state / COL_SYM_SCALE) + slot - cum;
	memcpy(&word, p, sizeof word);
	low = 0u - (state < COL_SYM_STATE_MIN);
	l->state = state << (low & 16) | (word & low);
	l->p += low & 2;
	l->out[i] = (uint16_t)at_bytes(c.syms, below - sizeof word);
}

INLINE bool next_syms(struct col_sym_tables t, struct col_sym_lane *lanes, const uint32_t n,
	uint32_t from, uint32_t to)
{
	struct col_sym_lane l[COL_SYM_LANES];

	memcpy(l, lanes, n * sizeof *l);
	for (uint32_t i = from; i < to; i++) {
#pragma GCC unroll 4
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

/* One lane whose symbols all have the same context. */
INLINE bool next_alone(
	struct col_sym_tables t, struct col_sym_lane *lane, uint32_t from, uint32_t to)
{
	struct col_sym_lane l = *lane;
	struct context c;

	if (!open_context(t, 0, &c))
		return false;
	for (uint32_t i = from; i < to; i++)
		next_sym(t, c, &l, i);
	*lane = l;
	return true;
}

AVX2 static bool run(
	struct col_sym_tables t, struct col_sym_lane *lanes, uint32_t n, uint32_t from, uint32_t to)
{
	bool ok = true;

	for (uint32_t k = 0; k < n && ok && !lanes[0].contexts; k++)
		ok = next_alone(t, &lanes[k], from, to);
	if (!lanes[0].contexts)
		return ok;
	switch (n) {
	case 4:
		return next_syms(t, lanes, 4, from, to);
	case 3:
		return next_syms(t, lanes, 3, from, to);
	case 2:
		return next_syms(t, lanes, 2, from, to);
	default:
		return next_syms(t, lanes, 1, from, to);
	}
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
