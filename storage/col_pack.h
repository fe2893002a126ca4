/*
 * col_pack - unsigned integers in as many bits as the largest needs, and frames of them.
 *
 * PACKED BITS: value i stands at bits i * width ... of the bytes, lowest bit first; the last byte is
 * filled with zeroes.
 * FRAME of up to 128 values: u8 width (0..64), varint zigzag of the minimum, then the packed
 * differences to it. A column's frames stand one after another; all but the last have 128 values.
 *
 * Arithmetic is modulo 2^64, so every int64 column fits, INT64_MIN beside INT64_MAX too.
 */
#ifndef STORAGE_COL_PACK_H
#define STORAGE_COL_PACK_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/cursor.h"

enum { COL_PACK_FRAME = 128 };

/* Bits that v needs, 0 for 0. */
static inline unsigned col_pack_width(uint64_t v)
{
	return v ? 64u - (unsigned)__builtin_clzll(v) : 0;
}

static inline size_t col_pack_bytes(size_t count, unsigned width)
{
	return (count * width + 7) / 8;
}

/* So many bits of eight bytes surely stand behind any place in the first of them. */
enum { COL_PACK_LOAD_BITS = 57 };

/* The bits from a place on, lowest first; it reads the eight bytes from that on in which it is. */
static inline uint64_t col_pack_load(const uint8_t *packed, size_t bit)
{
	uint64_t v;

	memcpy(&v, packed + bit / 8, sizeof v);
	return le64toh(v) >> bit % 8;
}

/* width up to 64; dst has col_pack_bytes(count, width). */
void col_pack_put(const uint64_t *v, size_t count, unsigned width, uint8_t *dst);
/* src has col_pack_bytes(count, width) and no byte more is read. */
void col_pack_get(const uint8_t *src, size_t count, unsigned width, uint64_t *out);
/* The same, each plus `add`, from the beginning of packed; what stands behind them there may be read. */
void col_pack_get_plus(
	struct span packed, size_t count, unsigned width, uint64_t add, uint64_t *out);
/* Value i of packed; i must have been packed there. */
uint64_t col_pack_at(struct span packed, unsigned width, size_t i);
/* The same for 16-bit values; width up to 16. */
void col_pack_put16(const uint16_t *v, size_t count, unsigned width, uint8_t *dst);
void col_pack_get16(const uint8_t *src, size_t count, unsigned width, uint16_t *out);

/* Lengths and, in stores of the first version, integers. What is newer is a stream (col_stream.h). */
void col_pack_frames_put(const int64_t *v, size_t count, struct buf *out);
/* Moves c past the frames of count values; c->err as usual. */
void col_pack_frames_get(struct rcur *c, size_t count, int64_t *out);
void col_pack_varint(struct buf *out, uint64_t v);

#endif
