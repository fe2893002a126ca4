/*
 * Patched frames: each has the width that suits most of its numbers; those that need more bits
 * stand in a list behind it. So one late row among a hundred does not widen the others.
 */
#include "storage/col_stream_int.h"

#include <errno.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	PLACE_BITS = 7,
	PATCH_WIDTH_MAX = 64 - PLACE_BITS,
	/* What the two lists of patches cost when there are any, spread over the frames. */
	PATCHED_BITS = 32,
	PATCHED_FRAME_BITS = 4,
};

/* ---- writing ---- */

/* What x is to its frame: above the base or, where differences may fall, below it. */
static inline uint64_t high_of(uint64_t x, unsigned width, bool is_signed)
{
	return is_signed ? cursor_zigzag((int64_t)x >> width) : x >> width;
}

/*
 * How many numbers of a frame need how many bits. Where they are signed, negative ones fit no width:
 * they count as 64 bits. In several parts, so that a count need not wait for the one before it.
 */
enum { PARTS = 4 };

struct widths {
	uint8_t counts[PARTS][65];
	unsigned widest;  /* of those not negative */
	unsigned deepest; /* of the negative ones' complements */
};

static uint32_t count_at(const struct widths *w, unsigned width)
{
	return w->counts[0][width] + w->counts[1][width] + w->counts[2][width] +
	       w->counts[3][width];
}

static void count_widths(const uint64_t *x, uint32_t n, bool is_signed, struct widths *w)
{
	uint64_t all = 0, below = 0;
	uint32_t i;

	static_assert(COL_STREAM_FRAME / PARTS <= UINT8_MAX, "a count");
	memset(w->counts, 0, sizeof w->counts);
	for (i = 0; i < n; i++) {
		uint64_t sign = is_signed ? 0 - (x[i] >> 63) : 0;

		all |= x[i] & ~sign;
		below |= ~x[i] & sign;
	}
	for (i = 0; i + PARTS <= n; i += PARTS) {
		w->counts[0][col_pack_width(x[i])]++;
		w->counts[1][col_pack_width(x[i + 1])]++;
		w->counts[2][col_pack_width(x[i + 2])]++;
		w->counts[3][col_pack_width(x[i + 3])]++;
	}
	for (; i < n; i++)
		w->counts[0][col_pack_width(x[i])]++;
	w->widest = col_pack_width(all);
	w->deepest = col_pack_width(below);
}

/* Bits of the longest patch when frames keep `width` bits. */
static unsigned patch_width_at(
	const struct widths *w, unsigned width, bool is_signed, bool negatives)
{
	unsigned up = w->widest > width ? w->widest - width + is_signed : 0;
	unsigned down = !negatives ? 0 : w->deepest > width ? w->deepest - width + 1 : 1;

	return up > down ? up : down;
}

/* The cheapest width of a frame, from the widest downwards. Returns the bits it comes to. */
static uint64_t choose_width(const struct widths *w, uint32_t n, bool is_signed,
	unsigned patched_bits, struct col_stream_head *head)
{
	unsigned least = w->deepest >= PATCH_WIDTH_MAX ? w->deepest - PATCH_WIDTH_MAX + 1 : 0;
	unsigned width = w->widest > least ? w->widest : least;
	uint32_t negatives = is_signed ? count_at(w, 64) : 0, patches = negatives;
	uint64_t best = UINT64_MAX;

	for (;; width--) {
		unsigned patch_width =
			patches ? patch_width_at(w, width, is_signed, negatives > 0) : 0;
		uint64_t bits = (uint64_t)n * width + patches * (PLACE_BITS + patch_width) +
				(patches ? patched_bits : 0);

		if (patch_width > PATCH_WIDTH_MAX)
			break;
		if (bits < best) {
			best = bits;
			head->width = (uint8_t)width;
			head->patches = (uint8_t)patches;
			head->patch_width = (uint8_t)patch_width;
		}
		patches += count_at(w, width);
		if (width == 0 || patches * PLACE_BITS > best)
			break;
	}
	ASSERT(best < UINT64_MAX);
	return best;
}

static uint64_t least(const uint64_t *x, uint32_t n)
{
	int64_t min = (int64_t)x[0];

	for (uint32_t i = 1; i < n; i++)
		min = (int64_t)x[i] < min ? (int64_t)x[i] : min;
	return (uint64_t)min;
}

static uint32_t load_frame(
	const struct col_stream_frames *f, uint32_t frame, uint64_t *x, uint64_t *out_base)
{
	uint32_t n = col_stream_source_frame(f->source, frame, x);

	*out_base = f->bases ? least(x, n) : 0;
	for (uint32_t i = 0; f->bases && i < n; i++)
		x[i] -= *out_base;
	return n;
}

static size_t frame_bytes(const struct col_stream_head *h, uint32_t n)
{
	return col_pack_bytes(n, h->width) +
	       col_pack_bytes(h->patches, PLACE_BITS + h->patch_width);
}

static unsigned patched_bits(const struct col_stream_frames *f)
{
	return PATCHED_BITS / col_stream_frames(f->source->count) + PATCHED_FRAME_BITS;
}

static uint64_t measure_one(
	const struct col_stream_frames *f, uint32_t frame, struct col_stream_head *h)
{
	bool is_signed = f->source->delta;
	uint64_t x[COL_STREAM_FRAME], bits;
	struct widths w;
	uint32_t n = load_frame(f, frame, x, &h->base);

	count_widths(x, n, is_signed, &w);
	bits = choose_width(&w, n, is_signed, patched_bits(f), h);
	ASSERT(h->width <= 64);
	ASSERT(h->patches <= n);
	return bits;
}

uint64_t col_stream_frame_measure(struct col_stream_frames *f, uint32_t from, uint32_t step)
{
	uint32_t frames = col_stream_frames(f->source->count), at = 0;
	uint64_t bits = 0;

	for (uint32_t i = from; i < frames; i += step)
		bits += measure_one(f, i, &f->heads[at++]);
	f->heads_count = at;
	return bits;
}

enum list { BASES, WIDTHS, PATCHES, PATCH_WIDTHS, LISTS };

static uint32_t list_of(const struct col_stream_frames *f, enum list list, uint64_t *out)
{
	for (uint32_t i = 0; i < f->heads_count; i++) {
		const struct col_stream_head *h = &f->heads[i];

		out[i] = list == BASES     ? h->base
			 : list == WIDTHS  ? h->width
			 : list == PATCHES ? h->patches
					   : h->patch_width;
	}
	return f->heads_count;
}

static bool is_patched(const struct col_stream_frames *f)
{
	for (uint32_t i = 0; i < f->heads_count; i++) {
		if (f->heads[i].patches)
			return true;
	}
	return false;
}

static bool has_list(const struct col_stream_frames *f, enum list list)
{
	return list == BASES ? f->bases : list == WIDTHS ? true : is_patched(f);
}

size_t col_stream_frame_side_cost(const struct col_stream_frames *f, uint64_t *side)
{
	size_t bytes = 0;

	for (int i = 0; i < LISTS; i++) {
		if (has_list(f, (enum list)i))
			bytes += col_stream_side_cost(side, list_of(f, (enum list)i, side));
	}
	return bytes;
}

size_t col_stream_frame_cost(const struct col_stream_frames *f, uint64_t *side)
{
	size_t bytes = col_stream_frame_side_cost(f, side);

	ASSERT(f->heads_count == col_stream_frames(f->source->count));
	for (uint32_t i = 0; i < f->heads_count; i++)
		bytes += frame_bytes(&f->heads[i], col_stream_frame_count(f->source->count, i));
	return bytes;
}

unsigned col_stream_frame_flags(const struct col_stream_frames *f)
{
	return (f->bases ? COL_STREAM_BASES : 0) | (is_patched(f) ? COL_STREAM_PATCHED : 0);
}

/* Cuts x down to the frame's width; what was cut goes to patches. */
static void split(
	uint64_t *x, uint32_t n, const struct col_stream_head *h, bool is_signed, uint64_t *patches)
{
	uint64_t mask = h->width == 64 ? UINT64_MAX : (UINT64_C(1) << h->width) - 1;
	uint32_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (x[i] & ~mask) {
			ASSERT(at < h->patches);
			patches[at++] = i | high_of(x[i], h->width, is_signed) << PLACE_BITS;
		}
		x[i] &= mask;
	}
	ASSERT(at == h->patches);
}

static void put_one(const struct col_stream_frames *f, uint32_t frame, struct buf *out)
{
	const struct col_stream_head *h = &f->heads[frame];
	uint64_t x[COL_STREAM_FRAME], patches[COL_STREAM_FRAME], base;
	uint32_t n = load_frame(f, frame, x, &base);
	uint8_t *dst;

	ASSERT(base == h->base);
	if (buf_reserve(out, frame_bytes(h, n)) < 0)
		return;
	dst = out->p + out->len;
	if (h->patches)
		split(x, n, h, f->source->delta, patches);
	col_pack_put(x, n, h->width, dst);
	dst += col_pack_bytes(n, h->width);
	if (h->patches)
		col_pack_put(patches, h->patches, PLACE_BITS + h->patch_width, dst);
	out->len += frame_bytes(h, n);
}

void col_stream_frame_put(const struct col_stream_frames *f, uint64_t *side, struct buf *out)
{
	ASSERT(f->heads_count == col_stream_frames(f->source->count));
	for (int i = 0; i < LISTS; i++) {
		if (has_list(f, (enum list)i))
			col_stream_side_put(side, list_of(f, (enum list)i, side), out);
	}
	for (uint32_t i = 0; i < f->heads_count; i++)
		put_one(f, i, out);
}

/* ---- reading ---- */

static int check_head(const struct col_stream_head *h, uint64_t patches, uint32_t n)
{
	if (h->width > 64 || patches > n || h->patch_width > PATCH_WIDTH_MAX)
		return ERR_CORRUPT;
	return patches && h->width == 64 ? ERR_CORRUPT : 0;
}

static uint8_t byte_of(uint64_t v)
{
	return v > UINT8_MAX ? UINT8_MAX : (uint8_t)v;
}

/* Their lists' numbers of some frames from `first` on; off: where the first one begins, then they end. */
static int make_heads(struct col_stream_body *b, const struct col_stream_side *lists,
	uint32_t first, uint32_t count, size_t *off)
{
	uint64_t v[LISTS][COL_STREAM_FRAME];

	for (int i = 0; i < LISTS; i++)
		col_stream_side_get(&lists[i], first, count, v[i]);
	for (uint32_t i = 0; i < count; i++) {
		struct col_stream_head *h = &b->heads[first + i];
		uint32_t n = col_stream_frame_count(b->count, first + i);

		*h = (struct col_stream_head){ .base = v[BASES][i],
			.off = (uint32_t)*off,
			.width = byte_of(v[WIDTHS][i]),
			.patches = byte_of(v[PATCHES][i]),
			.patch_width = byte_of(v[PATCH_WIDTHS][i]) };
		if (check_head(h, h->patches, n) < 0)
			return ERR_CORRUPT;
		*off += frame_bytes(h, n);
	}
	return 0;
}

static int read_heads(struct rcur *c, struct col_stream_body *b, uint32_t frames)
{
	struct col_stream_side lists[LISTS] = { { 0 } };
	size_t off = 0;

	for (int i = 0; i < LISTS; i++) {
		bool there = i == BASES    ? b->flags & COL_STREAM_BASES
			     : i == WIDTHS ? true
					   : b->flags & COL_STREAM_PATCHED;

		if (there)
			col_stream_side_open(c, frames, &lists[i]);
	}
	for (uint32_t i = 0; i < frames && !c->err; i += COL_STREAM_FRAME) {
		uint32_t n = frames - i < COL_STREAM_FRAME ? frames - i : COL_STREAM_FRAME;

		if (make_heads(b, lists, i, n, &off) < 0)
			return ERR_CORRUPT;
	}
	b->payload = rcur_bytes(c, off);
	return c->err;
}

int col_stream_frame_open(struct rcur *c, struct col_stream_body *b)
{
	uint32_t frames = col_stream_frames(b->count);

	/* A few bytes can claim any number of frames: the count, not they, bounds the memory. */
	b->heads = arena_alloc(b->mem, frames * sizeof *b->heads);
	if (!b->heads)
		return -ENOMEM;
	return read_heads(c, b, frames);
}

static inline uint32_t place_of(uint64_t patch)
{
	return patch & ((1 << PLACE_BITS) - 1);
}

/* What a patch has above the bits that fit. */
static inline uint64_t patch_of(const struct col_stream_body *b, uint64_t patch)
{
	uint64_t high = patch >> PLACE_BITS;

	return b->flags & COL_STREAM_DELTA ? (uint64_t)cursor_unzigzag(high) : high;
}

/* The frame's patches; none is behind its numbers. */
static int load_patches(
	const struct col_stream_body *b, uint32_t frame, uint64_t patches[COL_STREAM_FRAME])
{
	const struct col_stream_head *h = &b->heads[frame];
	uint32_t n = col_stream_frame_count(b->count, frame), most = 0;
	size_t at = h->off + col_pack_bytes(n, h->width);
	struct span packed = { b->payload.p + at, b->payload.n - at };

	col_pack_get_plus(packed, h->patches, PLACE_BITS + h->patch_width, 0, patches);
	for (uint32_t i = 0; n < COL_STREAM_FRAME && i < h->patches; i++)
		most = place_of(patches[i]) > most ? place_of(patches[i]) : most;
	return most < n ? 0 : ERR_CORRUPT;
}

int col_stream_frame_get(const struct col_stream_body *b, uint32_t frame, uint64_t *x)
{
	const struct col_stream_head *h = &b->heads[frame];
	uint32_t n = col_stream_frame_count(b->count, frame);
	struct span packed = { b->payload.p + h->off, b->payload.n - h->off };
	uint64_t patches[COL_STREAM_FRAME];

	ASSERT(frame_bytes(h, n) <= packed.n);
	col_pack_get_plus(packed, n, h->width, h->base + b->add, x);
	if (h->patches && load_patches(b, frame, patches) < 0)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < h->patches; i++)
		x[place_of(patches[i])] += patch_of(b, patches[i]) << h->width;
	return 0;
}

/* The same for some rows of the frame: few of them have a patch. */
static void patch_rows(const struct col_stream_body *b, const struct col_stream_head *h,
	const uint64_t *patches, const uint32_t *rows, uint32_t count, uint64_t *x)
{
	uint64_t places[COL_STREAM_FRAME / 64] = { 0 };

	for (uint32_t i = 0; i < h->patches; i++)
		places[place_of(patches[i]) / 64] |= UINT64_C(1) << place_of(patches[i]) % 64;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t place = rows[i] % COL_STREAM_FRAME;

		if (!(places[place / 64] >> place % 64 & 1))
			continue;
		for (uint32_t k = 0; k < h->patches; k++) {
			if (place_of(patches[k]) == place)
				x[i] += patch_of(b, patches[k]) << h->width;
		}
	}
}

/* The first of the rows, as many as are in the frame of the first of all, but for patches. How many. */
static uint32_t pick_one(const struct col_stream_body *b, const struct col_stream_head *h,
	const uint32_t *rows, uint32_t count, uint64_t *x)
{
	uint32_t last = rows[0] | (COL_STREAM_FRAME - 1), width = h->width, i = 0;
	struct span packed = { b->payload.p + h->off, b->payload.n - h->off };
	uint64_t add = h->base + b->add, mask = ~(UINT64_MAX << width % 64);

	if (width > COL_PACK_LOAD_BITS ||
		packed.n < col_pack_bytes(COL_STREAM_FRAME, width) + sizeof mask) {
		for (; i < count && rows[i] <= last; i++)
			x[i] = col_pack_at(packed, width, rows[i] % COL_STREAM_FRAME) + add;
		return i;
	}
	do {
		uint32_t bit = rows[i] % COL_STREAM_FRAME * width;

		x[i] = (col_pack_load(packed.p, bit) & mask) + add;
		i++;
	} while (i < count && rows[i] <= last);
	return i;
}

int col_stream_frame_pick(
	const struct col_stream_body *b, const uint32_t *rows, uint32_t count, uint64_t *x)
{
	uint64_t patches[COL_STREAM_FRAME];

	for (uint32_t i = 0, n; i < count; i += n) {
		uint32_t frame = rows[i] / COL_STREAM_FRAME;
		const struct col_stream_head *h;

		ASSERT(rows[i] < b->count);
		h = &b->heads[frame];
		n = pick_one(b, h, rows + i, count - i, x + i);
		ASSERT(rows[i + n - 1] < b->count);
		if (!h->patches)
			continue;
		if (load_patches(b, frame, patches) < 0)
			return ERR_CORRUPT;
		patch_rows(b, h, patches, rows + i, n, x + i);
	}
	return 0;
}
