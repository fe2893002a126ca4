/*
 * Reading the codes of col_stream_code.c: by a table of the next bits, four frames side by side where
 * a whole group is wanted.
 */
#include "storage/col_stream_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	/* A code and the bits behind it. */
	NUMBER_BITS_MAX = COL_HUFF_BITS_MAX + 63,
	FRAME_BYTES_MAX = COL_STREAM_FRAME * NUMBER_BITS_MAX / 8 + 1,
	/* What any position of a loaded word has at least. */
	WORD_BITS = 57,
	LANES = COL_STREAM_GROUP,
};

struct col_stream_code {
	unsigned m;
	bool is_signed;
	uint32_t symbols;
	struct span lengths;
	uint32_t *offs;  /* first bit of each frame, and the end */
	uint32_t *table; /* NULL until the first read */
	unsigned bits;
	unsigned longest; /* code and the bits behind it */
	bool plain;       /* no bits stand behind any */
};

/* An entry of the table: bits 0..15 leading bits, 16..21 bits behind, 22..26 length, 27 sign. */
enum { EXTRA_SHIFT = 16, LENGTH_SHIFT = 22, SIGN_SHIFT = 27 };

static int read_offs(struct rcur *c, struct col_stream_body *b, uint32_t frames)
{
	struct col_stream_side bits;
	uint64_t at = 0;

	col_stream_side_open(c, frames, &bits);
	if (c->err)
		return c->err;
	for (uint32_t i = 0; i < frames; i++) {
		uint64_t n = col_stream_side_at(&bits, i);

		b->code->offs[i] = (uint32_t)at;
		if (n > COL_STREAM_FRAME * NUMBER_BITS_MAX)
			return ERR_CORRUPT;
		at += n;
	}
	b->code->offs[frames] = (uint32_t)at;
	return (at + 7) / 8 == b->payload.n ? 0 : ERR_CORRUPT;
}

int col_stream_uncode_open(struct rcur *c, struct col_stream_body *b)
{
	uint32_t frames = col_stream_frames(b->count);
	struct col_stream_code *k = arena_calloc(b->mem, 1, sizeof *k);
	uint64_t symbols;

	if (!k)
		return -ENOMEM;
	b->code = k;
	k->offs = arena_alloc(b->mem, (frames + 1) * sizeof *k->offs);
	if (!k->offs)
		return -ENOMEM;
	k->is_signed = b->flags & COL_STREAM_DELTA;
	k->m = rcur_u8(c);
	symbols = rcur_varint(c);
	k->lengths = rcur_varbytes(c);
	b->payload = rcur_varbytes(c);
	if (c->err)
		return c->err;
	if (k->m >= COL_STREAM_DIRECT_BITS || symbols < 2 || symbols > COL_HUFF_SYMBOLS_MAX)
		return ERR_CORRUPT;
	k->symbols = (uint32_t)symbols;
	return read_offs(c, b, frames);
}

static int entry_of(struct col_stream_code *k, uint32_t symbol, unsigned length, uint32_t *out)
{
	uint32_t s = k->is_signed ? symbol / 2 : symbol, lead = s;
	unsigned extra = col_stream_code_extra(symbol, k->m, k->is_signed);

	/* With the leading bit, 64 is the end. */
	if (extra + k->m + 1 > 64)
		return ERR_CORRUPT;
	if (s >> (k->m + 1))
		lead = (s & ((UINT32_C(1) << k->m) - 1)) | UINT32_C(1) << k->m;
	k->plain = k->plain && extra == 0;
	k->longest = length + extra > k->longest ? length + extra : k->longest;
	*out = lead | extra << EXTRA_SHIFT | length << LENGTH_SHIFT |
	       (k->is_signed ? symbol & 1 : 0) << SIGN_SHIFT;
	return 0;
}

static int fill_table(struct col_stream_code *k, const uint8_t *lengths, const uint16_t *order,
	uint32_t used, uint32_t *table)
{
	uint32_t at = 0, entry = 0;

	k->plain = true;
	k->longest = 0;
	for (uint32_t i = 0; i < used; i++) {
		unsigned length = lengths[order[i]];
		uint32_t end = at + (UINT32_C(1) << (k->bits - length));

		if (entry_of(k, order[i], length, &entry) < 0)
			return ERR_CORRUPT;
		while (at < end)
			table[at++] = entry;
	}
	ASSERT(at == UINT32_C(1) << k->bits);
	return 0;
}

/* lengths, order: room for all symbols. */
static int make_table(struct col_stream_body *b, uint8_t *lengths, uint16_t *order)
{
	struct col_stream_code *k = b->code;
	uint32_t *table, used;
	int rc = col_huff_lengths_get(k->lengths, k->symbols, lengths, &k->bits);

	if (rc == 0)
		rc = col_huff_order(lengths, k->symbols, order, &used);
	if (rc < 0)
		return rc;
	table = arena_alloc(b->mem, sizeof *table << k->bits);
	if (!table)
		return -ENOMEM;
	rc = fill_table(k, lengths, order, used, table);
	if (rc == 0)
		k->table = table;
	return rc;
}

/* What it is made from is mostly larger than the table, and not kept with it. */
static int load_table(struct col_stream_body *b)
{
	struct col_stream_code *k = b->code;
	uint16_t *order;
	int rc;

	if (k->table)
		return 0;
	order = malloc(k->symbols * (sizeof *order + sizeof(uint8_t)));
	if (!order)
		return -ENOMEM;
	rc = make_table(b, (uint8_t *)(order + k->symbols), order);
	free(order);
	return rc;
}

/* By the longest number: how many one word surely holds. */
enum kind {
	PLAIN, /* four, and no bits stand behind a code */
	SHORT, /* two */
	NARROW,
	WIDE, /* less than one */
};

enum {
	PLAIN_BITS = WORD_BITS / 4,
	SHORT_BITS = WORD_BITS / 2,
};

/* By value: what is stored meanwhile cannot be suspected of changing it. */
struct lookup {
	const uint8_t *p;
	const uint32_t *table;
	unsigned shift;
};

/* The bits from a place on, the first one highest. */
static inline uint64_t load_word(const uint8_t *p, size_t bit)
{
	uint64_t v;

	memcpy(&v, p + bit / 8, sizeof v);
	return be64toh(v) << bit % 8;
}

/* The first bits of a word; of none, 0. */
static inline uint64_t first_bits(uint64_t word, unsigned bits)
{
	return word >> 1 >> (63 - bits);
}

/* Up to 63 bits: in two parts, each of which a word holds. */
static inline uint64_t load_long(const uint8_t *p, size_t bit, unsigned bits)
{
	unsigned high = bits > 32 ? bits - 32 : 0, low = bits - high;

	return first_bits(load_word(p, bit), high) << low |
	       first_bits(load_word(p, bit + high), low);
}

static inline __attribute__((always_inline)) uint32_t per_word(enum kind kind)
{
	return kind == PLAIN ? 4 : kind == SHORT ? 2 : 1;
}

/* As many numbers as one word holds. */
static inline __attribute__((always_inline)) size_t next_numbers(
	struct lookup t, size_t bit, uint64_t *x, enum kind kind)
{
	uint64_t word = load_word(t.p, bit);

#pragma GCC unroll 4
	for (uint32_t i = 0; i < per_word(kind); i++) {
		uint32_t e = t.table[word >> t.shift];
		unsigned length = e >> LENGTH_SHIFT & 31, extra = e >> EXTRA_SHIFT & 63;
		uint64_t v = e & 0xffff;

		word <<= length;
		bit += length;
		if (kind != PLAIN) {
			v = v << extra |
			    (kind == WIDE ? load_long(t.p, bit, extra) : first_bits(word, extra));
			word <<= extra;
			bit += extra;
		}
		x[i] = v ^ (0 - (uint64_t)(e >> SIGN_SHIFT));
	}
	return bit;
}

static inline __attribute__((always_inline)) size_t read_one(
	struct lookup t, size_t bit, uint32_t n, uint64_t *x, enum kind kind)
{
	uint32_t i;

	for (i = 0; i + per_word(kind) <= n; i += per_word(kind))
		bit = next_numbers(t, bit, x + i, kind);
	for (; i < n; i++)
		bit = next_numbers(t, bit, x + i, kind == WIDE ? WIDE : NARROW);
	return bit;
}

static enum kind kind_of(const struct col_stream_code *k)
{
	if (k->plain && k->longest <= PLAIN_BITS)
		return PLAIN;
	return k->longest <= SHORT_BITS ? SHORT : k->longest <= WORD_BITS ? NARROW : WIDE;
}

/* Where a frame's bits may be read from and how far: at least FRAME_BYTES_MAX and a word. */
struct window {
	uint8_t bytes[FRAME_BYTES_MAX + 2 * sizeof(uint64_t)];
};

static bool is_inside(const struct col_stream_body *b, uint32_t frame)
{
	size_t at = b->code->offs[frame] / 8;

	return b->payload.n - at >= sizeof(struct window);
}

/* Bits of the frame copied to where zeroes follow them, so that damaged ones lead nowhere else. */
static const uint8_t *window_at(
	const struct col_stream_body *b, uint32_t frame, struct window *w, size_t *out_bit)
{
	size_t at = b->code->offs[frame] / 8, n = b->payload.n - at;

	*out_bit = b->code->offs[frame] % 8;
	if (is_inside(b, frame))
		return b->payload.p + at;
	memcpy(w->bytes, b->payload.p + at, n);
	memset(w->bytes + n, 0, sizeof w->bytes - n);
	return w->bytes;
}

int col_stream_uncode_get(struct col_stream_body *b, uint32_t frame, uint64_t *x)
{
	uint32_t n = col_stream_frame_count(b->count, frame);
	const struct col_stream_code *k = b->code;
	struct lookup t;
	size_t bit, end;
	struct window w;
	int rc = load_table(b);

	if (rc < 0)
		return rc;
	t = (struct lookup){ window_at(b, frame, &w, &bit), k->table, 64 - k->bits };
	end = bit + k->offs[frame + 1] - k->offs[frame];
	switch (kind_of(k)) {
	case PLAIN:
		bit = read_one(t, bit, n, x, PLAIN);
		break;
	case SHORT:
		bit = read_one(t, bit, n, x, SHORT);
		break;
	case NARROW:
		bit = read_one(t, bit, n, x, NARROW);
		break;
	default:
		bit = read_one(t, bit, n, x, WIDE);
	}
	return bit == end ? 0 : ERR_CORRUPT;
}

/* Four frames at a time: while one waits for its table, the others go on. */
static inline __attribute__((always_inline)) void read_lanes(
	struct lookup t, size_t *bits, uint64_t *x, enum kind kind)
{
	size_t a = bits[0], b = bits[1], c = bits[2], d = bits[3];

	for (uint32_t i = 0; i < COL_STREAM_FRAME; i += per_word(kind)) {
		a = next_numbers(t, a, x + i, kind);
		b = next_numbers(t, b, x + COL_STREAM_FRAME + i, kind);
		c = next_numbers(t, c, x + 2 * COL_STREAM_FRAME + i, kind);
		d = next_numbers(t, d, x + 3 * COL_STREAM_FRAME + i, kind);
	}
	bits[0] = a;
	bits[1] = b;
	bits[2] = c;
	bits[3] = d;
}

/* The last frames of a stream are too near its end for that. */
static int read_apart(struct col_stream_body *b, uint32_t frame, uint64_t *x)
{
	int rc = 0;

	for (uint32_t i = 0; i < LANES && rc == 0; i++)
		rc = col_stream_uncode_get(b, frame + i, x + i * COL_STREAM_FRAME);
	return rc;
}

int col_stream_uncode_group(struct col_stream_body *b, uint32_t frame, uint64_t *x)
{
	const struct col_stream_code *k = b->code;
	size_t bits[LANES];
	struct lookup t;
	int rc = load_table(b);

	ASSERT((frame + LANES) * COL_STREAM_FRAME <= b->count);
	if (rc < 0)
		return rc;
	if (!is_inside(b, frame + LANES - 1))
		return read_apart(b, frame, x);
	for (uint32_t i = 0; i < LANES; i++)
		bits[i] = k->offs[frame + i];
	t = (struct lookup){ b->payload.p, k->table, 64 - k->bits };
	switch (kind_of(k)) {
	case PLAIN:
		read_lanes(t, bits, x, PLAIN);
		break;
	case SHORT:
		read_lanes(t, bits, x, SHORT);
		break;
	case NARROW:
		read_lanes(t, bits, x, NARROW);
		break;
	default:
		read_lanes(t, bits, x, WIDE);
	}
	for (uint32_t i = 0; i < LANES; i++) {
		if (bits[i] != k->offs[frame + i + 1])
			rc = ERR_CORRUPT;
	}
	return rc;
}
