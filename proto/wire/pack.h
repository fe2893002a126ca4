/*
 * pack - msgpack scalars and headers into a buffer, each in its smallest width.
 *
 * Errors:  stick in the buffer.
 */
#ifndef PROTO_WIRE_PACK_H
#define PROTO_WIRE_PACK_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/check.h"

enum {
	PACK_HEAD_BYTES_MAX = 5,   /* of a string, array or map */
	PACK_SCALAR_BYTES_MAX = 9, /* of a number, nil or boolean */
};

/* Headers into memory of the caller, PACK_HEAD_BYTES_MAX of room; they return the bytes written. */
static inline unsigned pack_at_width(uint8_t *p, uint8_t code16, uint32_t n)
{
	if (n <= 0xffff) {
		p[0] = code16;
		p[1] = (uint8_t)(n >> 8);
		p[2] = (uint8_t)n;
		return 3;
	}
	n = htobe32(n);
	p[0] = code16 + 1;
	memcpy(p + 1, &n, 4);
	return 5;
}

static inline unsigned pack_at_str(uint8_t *p, uint32_t n)
{
	if (n <= 31) {
		p[0] = (uint8_t)(0xa0 | n);
		return 1;
	}
	if (n <= 0xff) {
		p[0] = 0xd9;
		p[1] = (uint8_t)n;
		return 2;
	}
	return pack_at_width(p, 0xda, n);
}

static inline unsigned pack_at_array(uint8_t *p, uint32_t n)
{
	if (n <= 15) {
		p[0] = (uint8_t)(0x90 | n);
		return 1;
	}
	return pack_at_width(p, 0xdc, n);
}

static inline unsigned pack_at_map(uint8_t *p, uint32_t n)
{
	if (n <= 15) {
		p[0] = (uint8_t)(0x80 | n);
		return 1;
	}
	return pack_at_width(p, 0xde, n);
}

/* The same, appended to a buffer. */
static inline void pack_str_head(struct buf *b, uint32_t n)
{
	if (buf_reserve(b, PACK_HEAD_BYTES_MAX) == 0)
		b->len += pack_at_str(b->p + b->len, n);
}

static inline void pack_array_head(struct buf *b, uint32_t n)
{
	if (buf_reserve(b, PACK_HEAD_BYTES_MAX) == 0)
		b->len += pack_at_array(b->p + b->len, n);
}

static inline void pack_map_head(struct buf *b, uint32_t n)
{
	if (buf_reserve(b, PACK_HEAD_BYTES_MAX) == 0)
		b->len += pack_at_map(b->p + b->len, n);
}

static inline void pack_str(struct buf *b, struct span s)
{
	ASSERT(s.n <= UINT32_MAX);
	pack_str_head(b, (uint32_t)s.n);
	buf_put_span(b, s);
}

static inline void pack_nil(struct buf *b)
{
	buf_put_u8(b, 0xc0);
}

static inline void pack_bool(struct buf *b, bool v)
{
	buf_put_u8(b, v ? 0xc3 : 0xc2);
}

static inline void pack_code(struct buf *b, uint8_t code, uint64_t v, unsigned bytes)
{
	uint64_t be = htobe64(v << (64 - 8 * bytes));

	if (buf_reserve(b, PACK_SCALAR_BYTES_MAX) < 0)
		return;
	b->p[b->len] = code;
	memcpy(b->p + b->len + 1, &be, 8);
	b->len += 1 + bytes;
}

static inline void pack_uint(struct buf *b, uint64_t v)
{
	if (v <= 0x7f)
		buf_put_u8(b, (uint8_t)v);
	else if (v <= 0xff)
		pack_code(b, 0xcc, v, 1);
	else if (v <= 0xffff)
		pack_code(b, 0xcd, v, 2);
	else if (v <= 0xffffffff)
		pack_code(b, 0xce, v, 4);
	else
		pack_code(b, 0xcf, v, 8);
}

static inline void pack_int(struct buf *b, int64_t v)
{
	if (v >= 0)
		pack_uint(b, (uint64_t)v);
	else if (v >= -32)
		buf_put_u8(b, (uint8_t)v);
	else if (v >= INT8_MIN)
		pack_code(b, 0xd0, (uint64_t)v, 1);
	else if (v >= INT16_MIN)
		pack_code(b, 0xd1, (uint64_t)v, 2);
	else if (v >= INT32_MIN)
		pack_code(b, 0xd2, (uint64_t)v, 4);
	else
		pack_code(b, 0xd3, (uint64_t)v, 8);
}

static inline void pack_double(struct buf *b, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	pack_code(b, 0xcb, bits, 8);
}

#endif
