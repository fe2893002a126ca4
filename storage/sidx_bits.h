/*
 * sidx_bits - streams of bits: value after value, the lowest bit first, as in col_pack.h.
 *
 * Errors:  a writer's buffer keeps them; a reader that would pass its end sets `bad`, stays there
 *          and gives zeroes.
 */
#ifndef STORAGE_SIDX_BITS_H
#define STORAGE_SIDX_BITS_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/base/span.h"

enum { SIDX_BITS_WIDTH_MAX = 32 };

struct sidx_bits_put {
	struct buf *out;
	uint64_t held; /* bits not in the buffer yet */
	unsigned held_count;
	uint64_t count; /* bits put since begin */
};

static inline void sidx_bits_begin(struct sidx_bits_put *b, struct buf *out)
{
	*b = (struct sidx_bits_put){ .out = out };
}

/* v < 2^width */
static inline void sidx_bits_put(struct sidx_bits_put *b, uint64_t v, unsigned width)
{
	ASSERT(width <= SIDX_BITS_WIDTH_MAX);
	b->held |= v << b->held_count;
	b->held_count += width;
	b->count += width;
	for (; b->held_count >= 8; b->held_count -= 8, b->held >>= 8)
		buf_put_u8(b->out, (uint8_t)b->held);
}

/* Fills the last byte with zeroes. */
static inline void sidx_bits_end(struct sidx_bits_put *b)
{
	if (b->held_count > 0)
		buf_put_u8(b->out, (uint8_t)b->held);
	b->held = 0;
	b->held_count = 0;
}

struct sidx_bits {
	const uint8_t *p;
	uint64_t at;    /* in bits */
	uint64_t count; /* there are */
	bool bad;
};

static inline struct sidx_bits sidx_bits_of(struct span s, uint64_t at)
{
	return (struct sidx_bits){ s.p, at, (uint64_t)s.n * 8, at > (uint64_t)s.n * 8 };
}

/* The 64 bits of a byte string from that byte on, zeroes behind its end. */
static inline uint64_t sidx_bits_word(struct span s, size_t off)
{
	uint64_t v = 0;

	if (s.n >= sizeof v && off <= s.n - sizeof v)
		memcpy(&v, s.p + off, sizeof v);
	else if (off < s.n)
		memcpy(&v, s.p + off, s.n - off);
	return le64toh(v);
}

static inline uint32_t sidx_bits_get(struct sidx_bits *b, unsigned width)
{
	uint64_t v;

	ASSERT(width <= SIDX_BITS_WIDTH_MAX);
	if (b->bad || width > b->count - b->at) {
		b->bad = true;
		return 0;
	}
	v = sidx_bits_word(span_of(b->p, b->count / 8), b->at / 8) >> b->at % 8;
	b->at += width;
	return (uint32_t)(v & ((UINT64_C(1) << width) - 1));
}

/* Value i of an array of values of one width; 0 behind the end. */
static inline uint32_t sidx_bits_at(struct span s, uint64_t i, unsigned width)
{
	struct sidx_bits b = sidx_bits_of(s, i * width);

	return sidx_bits_get(&b, width);
}

#endif
