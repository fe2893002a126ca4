#include "storage/col_pack.h"

#include <stdatomic.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_pack_int.h"

/* Up to eight bytes at p as a little-endian number, never reading at or beyond end. */
static inline uint64_t load_tail(const uint8_t *p, const uint8_t *end)
{
	uint64_t v = 0;
	size_t n = (size_t)(end - p);

	memcpy(&v, p, n < sizeof v ? n : sizeof v);
	return le64toh(v);
}

static inline uint64_t mask_of(unsigned width)
{
	return width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
}

void col_pack_put(const uint64_t *v, size_t count, unsigned width, uint8_t *dst)
{
	uint64_t acc = 0;
	unsigned used = 0;

	ASSERT(width <= 64);
	if (width == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		uint64_t x = v[i];

		ASSERT_SLOW((x & ~mask_of(width)) == 0);
		acc |= x << used;
		if (used + width >= 64) {
			uint64_t le = htole64(acc);

			memcpy(dst, &le, sizeof le);
			dst += sizeof le;
			acc = used ? x >> (64 - used) : 0;
			used = used + width - 64;
		} else {
			used += width;
		}
	}
	acc = htole64(acc);
	memcpy(dst, &acc, (used + 7) / 8);
}

/*
 * Eight values take `width` bytes. With the width a constant all places and shifts are, and the
 * compiler makes straight code of it: a function for each width, three times as fast as one for all.
 * A value of more than 57 bits may span nine bytes: the ninth is read apart.
 */
enum { GROUP = COL_PACK_GROUP };

static inline __attribute__((always_inline)) void get_group(
	const uint8_t *src, unsigned width, uint64_t add, uint64_t *out)
{
	uint64_t mask = mask_of(width);

#pragma GCC unroll 8
	for (unsigned i = 0; i < GROUP; i++) {
		unsigned bit = i * width, shift = bit % 8;
		uint64_t v = col_pack_load(src, bit);

		if (width + shift > 64)
			v |= (uint64_t)src[bit / 8 + 8] << (64 - shift);
		out[i] = (v & mask) + add;
	}
}

enum {
	/* A group reads less than so many bytes behind its own. */
	GROUP_OVER = 16,
	/* Less than a group and that, then a group that may be none, and that again. */
	TAIL_BYTES = 2 * (64 + GROUP_OVER),
};

#define WIDTHS_8(f, n) f(n##0) f(n##1) f(n##2) f(n##3) f(n##4) f(n##5) f(n##6) f(n##7)
#define WIDTHS(f)       \
	WIDTHS_8(f, 00) \
	WIDTHS_8(f, 01) \
	WIDTHS_8(f, 02) \
	WIDTHS_8(f, 03) WIDTHS_8(f, 04) WIDTHS_8(f, 05) WIDTHS_8(f, 06) WIDTHS_8(f, 07) f(0100)

/* Octal, so that two digits count all of them. */
#define GET_GROUPS(width)                                                          \
	static void get_groups_##width(                                            \
		const uint8_t *src, size_t groups, uint64_t add, uint64_t *out)    \
	{                                                                          \
		for (size_t g = 0; g < groups; g++)                                \
			get_group(src + g * (width), width, add, out + g * GROUP); \
	}
#define GET_GROUPS_NAME(width) get_groups_##width,

WIDTHS(GET_GROUPS)

static void (*const get_groups[])(const uint8_t *src, size_t groups, uint64_t add,
	uint64_t *out) = { WIDTHS(GET_GROUPS_NAME) };

static_assert(ARRAY_COUNT(get_groups) == 65, "a function for each width");

static size_t plain_groups(
	struct span packed, size_t groups, unsigned width, uint64_t add, uint64_t *out)
{
	size_t n = packed.n < GROUP_OVER ? 0 : (packed.n - GROUP_OVER) / width;

	n = n < groups ? n : groups;
	get_groups[width](packed.p, n, add, out);
	return n;
}

static _Atomic(col_pack_groups_cb *) chosen;

static col_pack_groups_cb *choose(bool plain)
{
	col_pack_groups_cb *best = plain ? NULL : col_pack_x86();

	best = best ? best : plain_groups;
	atomic_store_explicit(&chosen, best, memory_order_release);
	return best;
}

void col_pack_plain(bool plain)
{
	(void)choose(plain);
}

static col_pack_groups_cb *groups_for(unsigned width)
{
	col_pack_groups_cb *f = atomic_load_explicit(&chosen, memory_order_acquire);

	if (width > COL_PACK_LOAD_BITS)
		return plain_groups;
	return f ? f : choose(false);
}

/* Values too near the end to be read in groups: where zeroes follow them, they can. */
static void get_tail(const uint8_t *src, size_t count, unsigned width, uint64_t add, uint64_t *out)
{
	size_t bytes = col_pack_bytes(count, width), groups = count / GROUP, done = groups * GROUP;
	uint8_t tail[TAIL_BYTES] = { 0 };
	uint64_t last[GROUP];

	ASSERT(groups * width + width + GROUP_OVER <= sizeof tail);
	memcpy(tail, src, bytes);
	get_groups[width](tail, groups, add, out);
	if (done == count)
		return;
	get_groups[width](tail + groups * width, 1, add, last);
	memcpy(out + done, last, (count - done) * sizeof *out);
}

/* Less than a group. */
static void get_few(struct span packed, size_t count, unsigned width, uint64_t add, uint64_t *out)
{
	uint64_t mask = mask_of(width);

	if (width > COL_PACK_LOAD_BITS || packed.n < count * width / 8 + sizeof mask) {
		get_tail(packed.p, count, width, add, out);
		return;
	}
	for (size_t i = 0, bit = 0; i < count; i++, bit += width)
		out[i] = (col_pack_load(packed.p, bit) & mask) + add;
}

void col_pack_get_plus(
	struct span packed, size_t count, unsigned width, uint64_t add, uint64_t *out)
{
	size_t groups = count / GROUP, done;

	ASSERT(width <= 64);
	if (width == 0) {
		for (size_t i = 0; i < count; i++)
			out[i] = add;
		return;
	}
	ASSERT(packed.n >= col_pack_bytes(count, width));
	if (groups)
		groups = groups_for(width)(packed, groups, width, add, out);
	done = groups * GROUP;
	packed = span_of(packed.p + groups * width, packed.n - groups * width);
	if (count - done >= GROUP)
		get_tail(packed.p, count - done, width, add, out + done);
	else if (done < count)
		get_few(packed, count - done, width, add, out + done);
}

void col_pack_get(const uint8_t *src, size_t count, unsigned width, uint64_t *out)
{
	col_pack_get_plus(span_of(src, col_pack_bytes(count, width)), count, width, 0, out);
}

uint64_t col_pack_at(struct span packed, unsigned width, size_t i)
{
	size_t bit = i * width;
	unsigned shift = bit % 8;
	const uint8_t *p;
	uint64_t v;

	ASSERT(width <= 64);
	if (width == 0)
		return 0;
	ASSERT(packed.n >= col_pack_bytes(i + 1, width));
	p = packed.p + bit / 8;
	v = load_tail(p, span_end(packed)) >> shift;
	if (width + shift > 64)
		v |= (uint64_t)p[8] << (64 - shift);
	return v & mask_of(width);
}

void col_pack_put16(const uint16_t *v, size_t count, unsigned width, uint8_t *dst)
{
	uint64_t acc = 0;
	unsigned used = 0;

	ASSERT(width <= 16);
	for (size_t i = 0; i < count; i++) {
		ASSERT_SLOW(((uint64_t)v[i] & ~mask_of(width)) == 0);
		acc |= (uint64_t)v[i] << used;
		used += width;
		if (used >= 32) {
			uint32_t le = htole32((uint32_t)acc);

			memcpy(dst, &le, sizeof le);
			dst += sizeof le;
			acc >>= 32;
			used -= 32;
		}
	}
	acc = htole64(acc);
	memcpy(dst, &acc, (used + 7) / 8);
}

void col_pack_get16(const uint8_t *src, size_t count, unsigned width, uint16_t *out)
{
	const uint8_t *end = src + col_pack_bytes(count, width);
	uint64_t mask = mask_of(width);
	size_t i = 0, bit = 0;

	ASSERT(width <= 16);
	for (; i < count && (size_t)(end - src) >= bit / 8 + 8; i++, bit += width)
		out[i] = (uint16_t)(col_pack_load(src, bit) & mask);
	for (; i < count; i++, bit += width)
		out[i] = (uint16_t)(load_tail(src + bit / 8, end) >> bit % 8 & mask);
}

static void put_frame(const int64_t *v, size_t count, struct buf *out)
{
	int64_t min = v[0], max = v[0];
	uint64_t over[COL_PACK_FRAME];
	unsigned width;

	for (size_t i = 1; i < count; i++) {
		min = v[i] < min ? v[i] : min;
		max = v[i] > max ? v[i] : max;
	}
	width = col_pack_width((uint64_t)max - (uint64_t)min);
	for (size_t i = 0; i < count; i++)
		over[i] = (uint64_t)v[i] - (uint64_t)min;
	buf_put_u8(out, (uint8_t)width);
	col_pack_varint(out, cursor_zigzag(min));
	if (buf_reserve(out, col_pack_bytes(count, width)) < 0)
		return;
	col_pack_put(over, count, width, out->p + out->len);
	out->len += col_pack_bytes(count, width);
}

void col_pack_frames_put(const int64_t *v, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i += COL_PACK_FRAME)
		put_frame(v + i, count - i < COL_PACK_FRAME ? count - i : COL_PACK_FRAME, out);
}

void col_pack_frames_get(struct rcur *c, size_t count, int64_t *out)
{
	uint64_t diff[COL_PACK_FRAME];

	for (size_t i = 0; i < count; i += COL_PACK_FRAME) {
		size_t n = count - i < COL_PACK_FRAME ? count - i : COL_PACK_FRAME;
		unsigned width = rcur_u8(c);
		uint64_t min = (uint64_t)cursor_unzigzag(rcur_varint(c));
		struct span packed;

		if (width > 64 && !c->err)
			c->err = ERR_CORRUPT;
		packed = rcur_bytes(c, col_pack_bytes(n, width));
		if (c->err)
			return;
		col_pack_get(packed.p, n, width, diff);
		for (size_t k = 0; k < n; k++)
			out[i + k] = (int64_t)(min + diff[k]);
	}
}

void col_pack_varint(struct buf *out, uint64_t v)
{
	uint8_t tmp[CURSOR_VARINT_BYTES_MAX];
	struct wcur w = wcur_of(tmp, sizeof tmp);

	wcur_varint(&w, v);
	buf_put(out, tmp, (size_t)(w.p - tmp));
}
