/*
 * col_stream_uncode_int - the loops that read Huffman codes, for col_stream_uncode*.c, which make them
 * for the processor they are meant for, and for tests.
 */
#ifndef STORAGE_COL_STREAM_UNCODE_INT_H
#define STORAGE_COL_STREAM_UNCODE_INT_H

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "storage/col_stream_int.h"

/*
 * AN ENTRY OF THE TABLE, found by the next bits:
 *   bits 0..6    bits of the code and behind it
 *   bits 8..13   bits behind it
 *   bits 16..31  what stands above those in the number; where numbers are signed, its complement if
 *                the number is one, which its highest bit tells
 */
enum { COL_STREAM_UNCODE_EXTRA = 8, COL_STREAM_UNCODE_LEAD = 16 };

/* What any position of a loaded word has at least. */
enum { COL_STREAM_UNCODE_WORD = 57 };

/* By the longest number: how many one word surely holds. */
enum col_stream_uncode_kind {
	COL_STREAM_UNCODE_PLAIN, /* four, and no bits stand behind a code */
	COL_STREAM_UNCODE_SHORT, /* four */
	COL_STREAM_UNCODE_HALF,  /* two */
	COL_STREAM_UNCODE_FULL,
	COL_STREAM_UNCODE_WIDE, /* less than one */
};

/* By value: what is stored meanwhile cannot be suspected of changing it. */
struct col_stream_uncode {
	const uint8_t *p;
	const uint32_t *table;
	unsigned shift; /* a word so far down is a place in the table */
	enum col_stream_uncode_kind kind;
	bool is_signed;
};

struct col_stream_uncode_ops {
	/* n numbers, a frame at most; returns where they end. */
	size_t (*one)(struct col_stream_uncode t, size_t bit, uint32_t n, uint64_t *x);
	/* Four whole frames, one after another in x; bits become where they end. */
	void (*lanes)(struct col_stream_uncode t, size_t bits[COL_STREAM_GROUP], uint64_t *x);
};

/* NULL: the processor lacks it. */
const struct col_stream_uncode_ops *col_stream_uncode_x86(void);
/* For tests: from now on the plain loops, or the best ones; in all threads. */
void col_stream_uncode_plain(bool plain);

#define COL_STREAM_UNCODE_INLINE static inline __attribute__((always_inline))

/* The bits from a place on, the first one highest. */
COL_STREAM_UNCODE_INLINE uint64_t col_stream_uncode_word(const uint8_t *p, size_t bit)
{
	uint64_t v;

	memcpy(&v, p + bit / 8, sizeof v);
	return be64toh(v) << bit % 8;
}

/* The first bits of a word; of none, 0. */
COL_STREAM_UNCODE_INLINE uint64_t col_stream_uncode_first(uint64_t word, unsigned bits)
{
	return word >> 1 >> (63 - bits);
}

/* Up to 63 bits: in two parts, each of which a word holds. */
COL_STREAM_UNCODE_INLINE uint64_t col_stream_uncode_long(
	const uint8_t *p, size_t bit, unsigned bits)
{
	unsigned high = bits > 32 ? bits - 32 : 0, low = bits - high;

	return col_stream_uncode_first(col_stream_uncode_word(p, bit), high) << low |
	       col_stream_uncode_first(col_stream_uncode_word(p, bit + high), low);
}

COL_STREAM_UNCODE_INLINE uint32_t col_stream_uncode_per_word(enum col_stream_uncode_kind kind)
{
	return kind <= COL_STREAM_UNCODE_SHORT ? 4 : kind == COL_STREAM_UNCODE_HALF ? 2 : 1;
}

/* The number of an entry: bits, of which only the lowest count, stand behind its code. */
COL_STREAM_UNCODE_INLINE uint64_t col_stream_uncode_number(
	uint32_t entry, uint64_t bits, const bool is_signed)
{
	unsigned extra = (uint8_t)(entry >> COL_STREAM_UNCODE_EXTRA);
	uint64_t lead = entry >> COL_STREAM_UNCODE_LEAD;

	if (is_signed) {
		lead = (uint64_t)((int64_t)(int32_t)entry >> COL_STREAM_UNCODE_LEAD);
		bits ^= 0 - (lead >> 63);
	}
	return lead << extra | (bits & ((UINT64_C(1) << extra) - 1));
}

/* As many numbers as one word holds. */
COL_STREAM_UNCODE_INLINE size_t col_stream_uncode_next(struct col_stream_uncode t, size_t bit,
	uint64_t *x, const enum col_stream_uncode_kind kind, const bool is_signed)
{
	uint64_t word = col_stream_uncode_word(t.p, bit);
	uint32_t sum = 0;

	if (kind == COL_STREAM_UNCODE_WIDE) {
		uint32_t e = t.table[word >> t.shift];
		unsigned all = e & 127, extra = (uint8_t)(e >> COL_STREAM_UNCODE_EXTRA);

		x[0] = col_stream_uncode_number(
			e, col_stream_uncode_long(t.p, bit + all - extra, extra), is_signed);
		return bit + all;
	}
#pragma GCC unroll 4
	for (uint32_t i = 0; i < col_stream_uncode_per_word(kind); i++) {
		uint32_t e = t.table[word >> t.shift];
		unsigned all = e & 63;

		sum += e;
		if (kind == COL_STREAM_UNCODE_PLAIN) {
			word <<= all;
			x[i] = is_signed ? (uint64_t)((int64_t)(int32_t)e >> COL_STREAM_UNCODE_LEAD)
					 : e >> COL_STREAM_UNCODE_LEAD;
		} else {
			/* Turned: the last bits taken are the lowest. */
			word = word << all | word >> (-all & 63);
			x[i] = col_stream_uncode_number(e, word, is_signed);
		}
	}
	/* Together they are shorter than a word. */
	return bit + (sum & 63);
}

COL_STREAM_UNCODE_INLINE size_t col_stream_uncode_frame(struct col_stream_uncode t, size_t bit,
	uint32_t n, uint64_t *x, const enum col_stream_uncode_kind kind, const bool is_signed)
{
	const uint32_t step = col_stream_uncode_per_word(kind);
	uint32_t i;

	for (i = 0; i + step <= n; i += step)
		bit = col_stream_uncode_next(t, bit, x + i, kind, is_signed);
	for (; i < n; i++)
		bit = col_stream_uncode_next(t, bit, x + i,
			kind == COL_STREAM_UNCODE_WIDE ? kind : COL_STREAM_UNCODE_FULL, is_signed);
	return bit;
}

/* Four frames at a time: while one waits for its table, the others go on. */
COL_STREAM_UNCODE_INLINE void col_stream_uncode_frames(struct col_stream_uncode t, size_t *bits,
	uint64_t *x, const enum col_stream_uncode_kind kind, const bool is_signed)
{
	const uint32_t step = col_stream_uncode_per_word(kind);
	size_t a = bits[0], b = bits[1], c = bits[2], d = bits[3];

	for (uint32_t i = 0; i < COL_STREAM_FRAME; i += step, x += step) {
		a = col_stream_uncode_next(t, a, x, kind, is_signed);
		b = col_stream_uncode_next(t, b, x + COL_STREAM_FRAME, kind, is_signed);
		c = col_stream_uncode_next(t, c, x + 2 * COL_STREAM_FRAME, kind, is_signed);
		d = col_stream_uncode_next(t, d, x + 3 * COL_STREAM_FRAME, kind, is_signed);
	}
	bits[0] = a;
	bits[1] = b;
	bits[2] = c;
	bits[3] = d;
}

/* One of the loops above for each kind and sign: f(t, ..., kind, is_signed). */
#define COL_STREAM_UNCODE_SIGNS(f, k, t, ...) \
	((t).is_signed ? f(t, __VA_ARGS__, k, true) : f(t, __VA_ARGS__, k, false))
#define COL_STREAM_UNCODE_KINDS(f, t, ...)                                                    \
	((t).kind == COL_STREAM_UNCODE_PLAIN                                                  \
			? COL_STREAM_UNCODE_SIGNS(f, COL_STREAM_UNCODE_PLAIN, t, __VA_ARGS__) \
		: (t).kind == COL_STREAM_UNCODE_SHORT                                         \
			? COL_STREAM_UNCODE_SIGNS(f, COL_STREAM_UNCODE_SHORT, t, __VA_ARGS__) \
		: (t).kind == COL_STREAM_UNCODE_HALF                                          \
			? COL_STREAM_UNCODE_SIGNS(f, COL_STREAM_UNCODE_HALF, t, __VA_ARGS__)  \
		: (t).kind == COL_STREAM_UNCODE_FULL                                          \
			? COL_STREAM_UNCODE_SIGNS(f, COL_STREAM_UNCODE_FULL, t, __VA_ARGS__)  \
			: COL_STREAM_UNCODE_SIGNS(f, COL_STREAM_UNCODE_WIDE, t, __VA_ARGS__))

#endif
