/*
 * cursor - bounds-checked reading and writing of bytes; the first error sticks.
 *
 * A reader walks bytes nobody vouches for: after any failure it returns zeroes and never moves, so
 * a parser reads straight through and checks `err` once. The writer fills a buffer of the caller.
 * Little-endian (le) is our disk, big-endian (be) the network. A varint is LEB128: seven bits a
 * byte, lowest first, at most ten bytes.
 *
 * Errors:  ERR_TRUNCATED, the bytes end too early; ERR_CORRUPT, a varint longer than 64 bits;
 *          ERR_LIMIT, the writer's buffer is full.
 */
#ifndef PROTO_BASE_CURSOR_H
#define PROTO_BASE_CURSOR_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/span.h"

enum { CURSOR_VARINT_BYTES_MAX = 10 };

struct rcur {
	const uint8_t *p;
	const uint8_t *end;
	int err;
};

static inline struct rcur rcur_of(const void *p, size_t n)
{
	return (struct rcur){ p, span_end(span_of(p, n)), 0 };
}

static inline size_t rcur_left(const struct rcur *c)
{
	return c->err ? 0 : (size_t)(c->end - c->p);
}

/* n bytes as a span into the input; absent after a failure. */
static inline struct span rcur_bytes(struct rcur *c, size_t n)
{
	struct span s;

	if (c->err || n > (size_t)(c->end - c->p)) {
		if (!c->err)
			c->err = ERR_TRUNCATED;
		return SPAN_NONE;
	}
	s = span_of(c->p, n);
	c->p += n;
	return s;
}

#define CURSOR_READ(name, type, to_host)                     \
	static inline type rcur_##name(struct rcur *c)       \
	{                                                    \
		struct span s = rcur_bytes(c, sizeof(type)); \
		type v = 0;                                  \
		if (s.p)                                     \
			memcpy(&v, s.p, sizeof v);           \
		return to_host(v);                           \
	}

#define CURSOR_SAME(v) (v)
CURSOR_READ(u8, uint8_t, CURSOR_SAME)
CURSOR_READ(le16, uint16_t, le16toh)
CURSOR_READ(le32, uint32_t, le32toh)
CURSOR_READ(le64, uint64_t, le64toh)
CURSOR_READ(be16, uint16_t, be16toh)
CURSOR_READ(be32, uint32_t, be32toh)
CURSOR_READ(be64, uint64_t, be64toh)
#undef CURSOR_READ

static inline uint64_t rcur_varint(struct rcur *c)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = rcur_u8(c);

		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80) {
			if (shift == 63 && b > 1)
				break;
			return c->err ? 0 : v;
		}
	}
	if (!c->err)
		c->err = ERR_CORRUPT;
	return 0;
}

/* A varint that counts bytes, and those bytes. */
static inline struct span rcur_varbytes(struct rcur *c)
{
	uint64_t n = rcur_varint(c);

	if (n > SIZE_MAX) {
		c->err = ERR_TRUNCATED;
		return SPAN_NONE;
	}
	return rcur_bytes(c, (size_t)n);
}

struct wcur {
	uint8_t *p;
	uint8_t *end;
	int err;
};

static inline struct wcur wcur_of(void *p, size_t cap)
{
	return (struct wcur){ p, cap ? (uint8_t *)p + cap : p, 0 };
}

/* Room for n bytes, moved past; NULL when full. */
static inline uint8_t *wcur_room(struct wcur *c, size_t n)
{
	uint8_t *at = c->p;

	if (c->err || n > (size_t)(c->end - c->p)) {
		c->err = ERR_LIMIT;
		return NULL;
	}
	c->p += n;
	return at;
}

static inline void wcur_bytes(struct wcur *c, const void *p, size_t n)
{
	uint8_t *at = wcur_room(c, n);

	if (at && n)
		memcpy(at, p, n);
}

#define CURSOR_WRITE(name, type, to_wire)                      \
	static inline void wcur_##name(struct wcur *c, type v) \
	{                                                      \
		type w = to_wire(v);                           \
		wcur_bytes(c, &w, sizeof w);                   \
	}

CURSOR_WRITE(u8, uint8_t, CURSOR_SAME)
CURSOR_WRITE(le16, uint16_t, htole16)
CURSOR_WRITE(le32, uint32_t, htole32)
CURSOR_WRITE(le64, uint64_t, htole64)
CURSOR_WRITE(be16, uint16_t, htobe16)
CURSOR_WRITE(be32, uint32_t, htobe32)
CURSOR_WRITE(be64, uint64_t, htobe64)
#undef CURSOR_WRITE
#undef CURSOR_SAME

static inline void wcur_varint(struct wcur *c, uint64_t v)
{
	while (v >= 0x80) {
		wcur_u8(c, (uint8_t)(v | 0x80));
		v >>= 7;
	}
	wcur_u8(c, (uint8_t)v);
}

/* Signed values of small magnitude become small unsigned ones: 0, -1, 1, -2 ... -> 0, 1, 2, 3 ... */
static inline uint64_t cursor_zigzag(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t cursor_unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

#endif
