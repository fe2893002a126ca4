/*
 * Reading the codes of col_stream_code.c: by a table of the next bits, four frames side by side where
 * a whole group is wanted.
 */
#include "storage/col_stream_int.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/col_stream_uncode_int.h"

enum {
	/* A code and the bits behind it. */
	NUMBER_BITS_MAX = COL_HUFF_BITS_MAX + 63,
	FRAME_BYTES_MAX = COL_STREAM_FRAME * NUMBER_BITS_MAX / 8 + 1,
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
	if (k->is_signed && symbol & 1)
		lead = ~lead;
	*out = (length + extra) | extra << COL_STREAM_UNCODE_EXTRA | lead << COL_STREAM_UNCODE_LEAD;
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

static size_t one(struct col_stream_uncode t, size_t bit, uint32_t n, uint64_t *x)
{
	return COL_STREAM_UNCODE_KINDS(col_stream_uncode_frame, t, bit, n, x);
}

static void lanes(struct col_stream_uncode t, size_t bits[COL_STREAM_GROUP], uint64_t *x)
{
	COL_STREAM_UNCODE_KINDS(col_stream_uncode_frames, t, bits, x);
}

static const struct col_stream_uncode_ops plain_ops = { one, lanes };
static _Atomic(const struct col_stream_uncode_ops *) chosen;

static const struct col_stream_uncode_ops *choose(bool plain)
{
	const struct col_stream_uncode_ops *best = plain ? NULL : col_stream_uncode_x86();

	best = best ? best : &plain_ops;
	atomic_store_explicit(&chosen, best, memory_order_release);
	return best;
}

void col_stream_uncode_plain(bool plain)
{
	(void)choose(plain);
}

static const struct col_stream_uncode_ops *ops(void)
{
	const struct col_stream_uncode_ops *o = atomic_load_explicit(&chosen, memory_order_acquire);

	return o ? o : choose(false);
}

static enum col_stream_uncode_kind kind_of(const struct col_stream_code *k)
{
	if (k->longest <= COL_STREAM_UNCODE_WORD / 4)
		return k->plain ? COL_STREAM_UNCODE_PLAIN : COL_STREAM_UNCODE_SHORT;
	if (k->longest <= COL_STREAM_UNCODE_WORD / 2)
		return COL_STREAM_UNCODE_HALF;
	return k->longest <= COL_STREAM_UNCODE_WORD ? COL_STREAM_UNCODE_FULL
						    : COL_STREAM_UNCODE_WIDE;
}

static struct col_stream_uncode loop_of(const struct col_stream_code *k, const uint8_t *p)
{
	return (struct col_stream_uncode){ p, k->table, 64 - k->bits, kind_of(k), k->is_signed };
}

/* Where a frame's bits may be read from and how far: at least FRAME_BYTES_MAX and a word. */
struct window {
	uint8_t bytes[FRAME_BYTES_MAX + 2 * sizeof(uint64_t)];
};

/* Even damaged bits lead no further than so many of the longest numbers. */
static bool is_inside(const struct col_stream_body *b, uint32_t frame)
{
	const struct col_stream_code *k = b->code;

	return b->payload.n - k->offs[frame] / 8 >=
	       COL_STREAM_FRAME * k->longest / 8 + 1 + 2 * sizeof(uint64_t);
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
	const uint8_t *p;
	size_t bit, end;
	struct window w;
	int rc = load_table(b);

	if (rc < 0)
		return rc;
	p = window_at(b, frame, &w, &bit);
	end = bit + k->offs[frame + 1] - k->offs[frame];
	return ops()->one(loop_of(k, p), bit, n, x) == end ? 0 : ERR_CORRUPT;
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
	int rc = load_table(b);

	ASSERT((frame + LANES) * COL_STREAM_FRAME <= b->count);
	if (rc < 0)
		return rc;
	if (!is_inside(b, frame + LANES - 1))
		return read_apart(b, frame, x);
	for (uint32_t i = 0; i < LANES; i++)
		bits[i] = k->offs[frame + i];
	ops()->lanes(loop_of(k, b->payload.p), bits, x);
	for (uint32_t i = 0; i < LANES; i++) {
		if (bits[i] != k->offs[frame + i + 1])
			rc = ERR_CORRUPT;
	}
	return rc;
}
