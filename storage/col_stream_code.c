/*
 * Numbers as Huffman codes of their leading bits, the others behind the code as they are. So common
 * numbers are short, whatever they are, and the table stays small where numbers are large.
 *
 * A number below 2^(m + 1) is its own symbol; of a larger one the leading 1 and the m bits after
 * it, and how many bits follow, make the symbol: the finer (m), the better the fit and the larger the
 * table. Differences may be negative: there a symbol is twice that of the number or of its
 * complement, and 1 more for a complement.
 *
 * CODED   u8 m, varint symbols, varint bytes of the lengths, the lengths (col_huff.h); side list of
 *         the bits of each frame; the frames, each beginning with the bit after the last one
 */
#include "storage/col_stream_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	/* All numbers of so many bits may have symbols of their own. */
	DIRECT_BITS = 16,
	/* Bits after the leading one, at the finest, where numbers are larger. */
	FINE_BITS = 8,
	/* What a symbol of the table costs, in eighths of a bit: a guess for comparing. */
	SYMBOL_COST = 8 * 4,
	/* A code and the bits behind it. */
	NUMBER_BITS_MAX = COL_HUFF_BITS_MAX + 63,
	FRAME_BYTES_MAX = COL_STREAM_FRAME * NUMBER_BITS_MAX / 8 + 1,
	/* What any position of a loaded word has at least. */
	WORD_BITS = 57,
	LANES = COL_STREAM_GROUP,
};

/* ---- symbols ---- */

struct split {
	uint32_t symbol;
	unsigned extra_bits;
	uint64_t extra;
};

static inline struct split split_of(uint64_t x, unsigned m, bool is_signed)
{
	uint64_t sign = is_signed ? 0 - (x >> 63) : 0, u = x ^ sign;
	struct split s = { .symbol = (uint32_t)u };

	if (u >> (m + 1)) {
		unsigned e = col_pack_width(u) - (m + 1);

		s.symbol = (e << m) + (uint32_t)(u >> e);
		s.extra_bits = e;
		s.extra = u & ((UINT64_C(1) << e) - 1);
	}
	if (is_signed)
		s.symbol = 2 * s.symbol - (uint32_t)sign;
	return s;
}

/* How many bits stand behind a symbol. */
static inline unsigned extra_of(uint32_t symbol, unsigned m, bool is_signed)
{
	uint32_t s = is_signed ? symbol / 2 : symbol;

	return s >> (m + 1) ? (s >> m) - 1 : 0;
}

/* The symbols of numbers (or complements) of up to width bits. */
static uint32_t symbols_of(unsigned width, unsigned m, bool is_signed)
{
	uint32_t n = width <= m + 1 ? UINT32_C(1) << width : (width - m + 1) << m;

	return is_signed ? 2 * n : n;
}

/* ---- writing: what it costs ---- */

/* log2 of 1 + i / 256, in units of 1/256, by squaring: each step gives a bit. */
static void make_logs(uint16_t *logs)
{
	for (unsigned i = 0; i < COL_STREAM_LOGS; i++) {
		uint64_t v = (uint64_t)(256 + i) << 22;
		uint16_t log = 0;

		for (unsigned k = 0; k < 8; k++) {
			bool more;

			v = v * v >> 30;
			more = v >> 31;
			log = (uint16_t)(2 * log + more);
			v >>= more;
		}
		logs[i] = log;
	}
}

/* count * log2(count), in units of 1/256. */
static inline uint64_t weigh(const uint16_t *logs, uint32_t count)
{
	unsigned e = col_pack_width(count) - 1;
	unsigned fraction = (unsigned)(((uint64_t)count << 8 >> e) & 255);

	return (uint64_t)count * (e * 256 + logs[fraction]);
}

static bool room_for(struct col_stream_code_room *r, uint32_t symbols)
{
	if (symbols <= r->cap)
		return true;
	col_stream_code_room_fini(r);
	r->counts = malloc(symbols * sizeof *r->counts);
	r->merged = malloc(symbols * sizeof *r->merged);
	r->codes = malloc(symbols * sizeof *r->codes);
	r->lengths = malloc(symbols);
	if (!r->counts || !r->merged || !r->codes || !r->lengths ||
		col_huff_room_for(&r->huff, symbols) < 0) {
		col_stream_code_room_fini(r);
		return false;
	}
	buf_init(&r->table, 2 * COL_HUFF_SYMBOLS_MAX);
	make_logs(r->logs);
	r->cap = symbols;
	return true;
}

void col_stream_code_room_fini(struct col_stream_code_room *r)
{
	free(r->counts);
	free(r->merged);
	free(r->codes);
	free(r->lengths);
	col_huff_room_fini(&r->huff);
	buf_fini(&r->table);
	*r = (struct col_stream_code_room){ 0 };
}

/* Bits of the widest number or complement. */
static unsigned widest(const struct col_stream_source *s)
{
	uint64_t x[COL_STREAM_FRAME], all = 0;

	for (uint32_t f = 0; f < col_stream_frames(s->count); f++) {
		uint32_t n = col_stream_source_frame(s, f, x);

		for (uint32_t i = 0; i < n; i++)
			all |= s->delta ? x[i] ^ (0 - (x[i] >> 63)) : x[i];
	}
	return col_pack_width(all);
}

static void count_symbols(const struct col_stream_coded *c, struct col_stream_code_room *r)
{
	const struct col_stream_source *s = c->source;
	uint64_t x[COL_STREAM_FRAME];

	memset(r->counts, 0, c->symbols * sizeof *r->counts);
	for (uint32_t f = 0; f < col_stream_frames(s->count); f++) {
		uint32_t n = col_stream_source_frame(s, f, x);

		for (uint32_t i = 0; i < n; i++)
			r->counts[split_of(x[i], c->m, s->delta).symbol]++;
	}
}

/* Bits that the numbers come to with such symbols, and the table, about. */
static uint64_t estimate(const struct col_stream_coded *c, const uint16_t *logs,
	const uint32_t *counts, uint32_t symbols, unsigned m)
{
	uint64_t bits = weigh(logs, c->source->count), extra = 0, used = 0;

	for (uint32_t i = 0; i < symbols; i++) {
		if (counts[i] == 0)
			continue;
		used++;
		bits -= weigh(logs, counts[i]);
		extra += (uint64_t)counts[i] * extra_of(i, m, c->source->delta);
	}
	return bits / 256 + extra + used * SYMBOL_COST / 8;
}

/* Joins the symbols that are one when m is less by 1. Returns how many are left. */
static uint32_t merge(uint32_t *counts, uint32_t symbols, unsigned m, bool is_signed)
{
	uint32_t signs = is_signed ? 2 : 1, low = UINT32_C(1) << m, n = symbols / signs;
	uint32_t left = low + (n - low + 1) / 2;

	ASSERT(n > low);
	for (uint32_t i = low; i < left; i++) {
		uint32_t from = low + 2 * (i - low);

		for (uint32_t s = 0; s < signs; s++) {
			uint32_t sum = counts[from * signs + s];

			if (from + 1 < n)
				sum += counts[(from + 1) * signs + s];
			counts[i * signs + s] = sum;
		}
	}
	return left * signs;
}

/* From the finest m downwards; counts become those of the best. */
static void choose_m(struct col_stream_coded *c, struct col_stream_code_room *r)
{
	uint32_t symbols = c->symbols, signs = c->source->delta ? 2 : 1;
	uint64_t best = estimate(c, r->logs, r->counts, symbols, c->m);
	unsigned best_m = c->m;

	memcpy(r->merged, r->counts, symbols * sizeof *r->counts);
	for (unsigned m = c->m; m > 0 && symbols / signs > UINT32_C(1) << m; m--) {
		uint64_t bits;

		symbols = merge(r->merged, symbols, m, c->source->delta);
		bits = estimate(c, r->logs, r->merged, symbols, m - 1);
		if (bits < best) {
			best = bits;
			best_m = m - 1;
		}
	}
	for (; c->m > best_m; c->m--)
		c->symbols = merge(r->counts, c->symbols, c->m, c->source->delta);
	c->bits = best;
}

static uint32_t used_of(const uint32_t *counts, uint32_t symbols)
{
	uint32_t used = 0;

	for (uint32_t i = 0; i < symbols; i++)
		used += counts[i] > 0;
	return used;
}

bool col_stream_code_measure(struct col_stream_coded *c, struct col_stream_code_room *r)
{
	bool is_signed = c->source->delta;
	unsigned width = widest(c->source);

	c->m = width + is_signed <= DIRECT_BITS ? DIRECT_BITS - 1 - is_signed : FINE_BITS;
	c->m = c->m >= width && width > 0 ? width - 1 : c->m;
	c->symbols = symbols_of(width, c->m, is_signed);
	if (c->symbols < 2)
		c->symbols = 2;
	ASSERT(c->symbols <= COL_HUFF_SYMBOLS_MAX);
	if (!room_for(r, c->symbols))
		return false;
	count_symbols(c, r);
	choose_m(c, r);
	return true;
}

/* ---- writing ---- */

/* Bits of each frame into side; returns the bytes of all. */
static size_t weigh_frames(
	const struct col_stream_coded *c, const struct col_stream_code_room *r, uint64_t *side)
{
	const struct col_stream_source *s = c->source;
	uint64_t x[COL_STREAM_FRAME], all = 0;

	for (uint32_t f = 0; f < col_stream_frames(s->count); f++) {
		uint32_t n = col_stream_source_frame(s, f, x);

		side[f] = 0;
		for (uint32_t i = 0; i < n; i++) {
			struct split p = split_of(x[i], c->m, s->delta);

			side[f] += r->lengths[p.symbol] + p.extra_bits;
		}
		all += side[f];
	}
	return (all + 7) / 8;
}

bool col_stream_code_prepare(
	struct col_stream_coded *c, struct col_stream_code_room *r, uint64_t *side)
{
	uint32_t frames = col_stream_frames(c->source->count);
	unsigned bits = col_huff_bits_for(used_of(r->counts, c->symbols));

	col_huff_lengths(&r->huff, r->counts, c->symbols, bits, r->lengths);
	col_huff_codes(r->lengths, c->symbols, r->codes);
	buf_reset(&r->table);
	col_huff_lengths_put(r->lengths, c->symbols, &r->table);
	c->payload_bytes = weigh_frames(c, r, side);
	c->cost = 1 + col_stream_varint_bytes(c->symbols) + col_stream_varint_bytes(r->table.len) +
		  r->table.len + col_stream_side_cost(side, frames) + c->payload_bytes;
	return r->table.err == 0;
}

/* Bits are gathered in a word and leave it in whole bytes; dst has room for eight more. */
struct writer {
	uint8_t *dst;
	uint64_t acc;
	unsigned used; /* below 8 between numbers */
};

static inline void write_bits(struct writer *w, uint64_t v, unsigned bits)
{
	uint64_t le;

	ASSERT_SLOW(bits <= WORD_BITS - 1);
	w->acc |= v << w->used;
	w->used += bits;
	le = htole64(w->acc);
	memcpy(w->dst, &le, sizeof le);
	w->dst += w->used / 8;
	w->acc >>= w->used / 8 * 8;
	w->used %= 8;
}

static void write_frame(const struct col_stream_coded *c, const struct col_stream_code_room *r,
	uint32_t frame, struct writer *w)
{
	uint64_t x[COL_STREAM_FRAME];
	uint32_t n = col_stream_source_frame(c->source, frame, x);

	for (uint32_t i = 0; i < n; i++) {
		struct split p = split_of(x[i], c->m, c->source->delta);
		unsigned length = r->lengths[p.symbol];

		ASSERT_SLOW(length > 0);
		if (length + p.extra_bits < WORD_BITS) {
			write_bits(
				w, r->codes[p.symbol] | p.extra << length, length + p.extra_bits);
		} else {
			write_bits(w, r->codes[p.symbol], length);
			write_bits(w, p.extra & UINT32_MAX, 32);
			write_bits(w, p.extra >> 32, p.extra_bits - 32);
		}
	}
}

void col_stream_code_put(const struct col_stream_coded *c, const struct col_stream_code_room *r,
	const uint64_t *side, struct buf *out)
{
	uint32_t frames = col_stream_frames(c->source->count);
	struct writer w = { 0 };

	buf_put_u8(out, (uint8_t)c->m);
	col_pack_varint(out, c->symbols);
	col_pack_varint(out, r->table.len);
	buf_put_span(out, buf_span(&r->table));
	col_stream_side_put(side, frames, out);
	if (buf_reserve(out, c->payload_bytes + sizeof w.acc) < 0)
		return;
	w.dst = out->p + out->len;
	for (uint32_t f = 0; f < frames; f++)
		write_frame(c, r, f, &w);
	/* What is left of the last byte was stored with the word it stands in. */
	ASSERT((size_t)(w.dst + (w.used > 0) - (out->p + out->len)) == c->payload_bytes);
	out->len += c->payload_bytes;
}

/* ---- reading ---- */

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

int col_stream_code_open(struct rcur *c, struct col_stream_body *b)
{
	uint32_t frames = col_stream_frames(b->count);
	struct col_stream_code *k = arena_calloc(b->mem, 1, sizeof *k);
	struct col_stream_side bits;
	uint64_t at = 0, symbols;

	if (!k)
		return -ENOMEM;
	k->offs = arena_alloc(b->mem, (frames + 1) * sizeof *k->offs);
	if (!k->offs)
		return -ENOMEM;
	k->is_signed = b->flags & COL_STREAM_DELTA;
	k->m = rcur_u8(c);
	symbols = rcur_varint(c);
	k->lengths = rcur_varbytes(c);
	col_stream_side_open(c, frames, &bits);
	if (c->err)
		return c->err;
	if (k->m >= DIRECT_BITS || symbols < 2 || symbols > COL_HUFF_SYMBOLS_MAX)
		return ERR_CORRUPT;
	k->symbols = (uint32_t)symbols;
	for (uint32_t i = 0; i < frames; i++) {
		uint64_t n = col_stream_side_at(&bits, i);

		k->offs[i] = (uint32_t)at;
		if (n > COL_STREAM_FRAME * NUMBER_BITS_MAX)
			return ERR_CORRUPT;
		at += n;
	}
	k->offs[frames] = (uint32_t)at;
	b->payload = rcur_bytes(c, (at + 7) / 8);
	b->code = k;
	return c->err;
}

static int entry_of(struct col_stream_code *k, uint32_t entry, uint32_t *out)
{
	uint32_t symbol = entry & 0xffff, length = entry >> 16;
	uint32_t s = k->is_signed ? symbol / 2 : symbol, lead = s;
	unsigned extra = extra_of(symbol, k->m, k->is_signed);

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

static int load_table(struct col_stream_body *b)
{
	struct col_stream_code *k = b->code;
	uint8_t *lengths;
	uint32_t *table;
	int rc;

	if (k->table)
		return 0;
	lengths = arena_alloc(b->mem, k->symbols);
	if (!lengths)
		return -ENOMEM;
	rc = col_huff_lengths_get(k->lengths, k->symbols, lengths, &k->bits);
	if (rc < 0)
		return rc;
	table = arena_alloc(b->mem, sizeof *table << k->bits);
	if (!table)
		return -ENOMEM;
	rc = col_huff_table(lengths, k->symbols, k->bits, table);
	k->plain = true;
	k->longest = 0;
	for (uint32_t i = 0; i < UINT32_C(1) << k->bits && rc == 0; i++)
		rc = entry_of(k, table[i], &table[i]);
	if (rc == 0)
		k->table = table;
	return rc;
}

enum kind {
	PLAIN,  /* the code says all */
	NARROW, /* code and what follows fit one word */
	WIDE,
};

static inline uint64_t load_word(const uint8_t *p, size_t bit)
{
	uint64_t v;

	memcpy(&v, p + bit / 8, sizeof v);
	return le64toh(v) >> bit % 8;
}

/* Up to 63 bits: in two halves, each of which a word holds. */
static inline uint64_t load_long(const uint8_t *p, size_t bit, unsigned bits)
{
	uint64_t low = load_word(p, bit) & UINT32_MAX;
	uint64_t high = load_word(p, bit + 32) & UINT32_MAX;

	return (low | high << 32) & ((UINT64_C(1) << bits) - 1);
}

static inline __attribute__((always_inline)) uint64_t next_number(
	const struct col_stream_code *k, const uint8_t *p, size_t *bit, enum kind kind)
{
	uint64_t word = load_word(p, *bit);
	uint32_t e = k->table[word & ((UINT32_C(1) << k->bits) - 1)];
	unsigned length = e >> LENGTH_SHIFT & 31, extra = e >> EXTRA_SHIFT & 63;
	uint64_t lead = e & 0xffff, rest;

	*bit += length + (kind == PLAIN ? 0 : extra);
	if (kind == PLAIN)
		return lead ^ (0 - (uint64_t)(e >> SIGN_SHIFT));
	if (kind == NARROW)
		rest = word >> length & ((UINT64_C(1) << extra) - 1);
	else
		rest = load_long(p, *bit - extra, extra);
	return (lead << extra | rest) ^ (0 - (uint64_t)(e >> SIGN_SHIFT));
}

static inline __attribute__((always_inline)) size_t read_one(const struct col_stream_code *k,
	const uint8_t *p, size_t bit, uint32_t n, uint64_t *x, enum kind kind)
{
	for (uint32_t i = 0; i < n; i++)
		x[i] = next_number(k, p, &bit, kind);
	return bit;
}

static enum kind kind_of(const struct col_stream_code *k)
{
	return k->plain ? PLAIN : k->longest <= WORD_BITS ? NARROW : WIDE;
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

int col_stream_code_get(struct col_stream_body *b, uint32_t frame, uint64_t *x)
{
	uint32_t n = col_stream_frame_count(b->count, frame);
	const struct col_stream_code *k = b->code;
	size_t bit, end;
	struct window w;
	const uint8_t *p;
	int rc = load_table(b);

	if (rc < 0)
		return rc;
	p = window_at(b, frame, &w, &bit);
	end = bit + k->offs[frame + 1] - k->offs[frame];
	switch (kind_of(k)) {
	case PLAIN:
		bit = read_one(k, p, bit, n, x, PLAIN);
		break;
	case NARROW:
		bit = read_one(k, p, bit, n, x, NARROW);
		break;
	default:
		bit = read_one(k, p, bit, n, x, WIDE);
	}
	return bit == end ? 0 : ERR_CORRUPT;
}

/* Four frames at a time: while one waits for its table, the others go on. */
static inline __attribute__((always_inline)) void read_lanes(const struct col_stream_code *k,
	const uint8_t *p, size_t *bits, uint64_t *x, enum kind kind)
{
	size_t a = bits[0], b = bits[1], c = bits[2], d = bits[3];

	for (uint32_t i = 0; i < COL_STREAM_FRAME; i++) {
		x[i] = next_number(k, p, &a, kind);
		x[COL_STREAM_FRAME + i] = next_number(k, p, &b, kind);
		x[2 * COL_STREAM_FRAME + i] = next_number(k, p, &c, kind);
		x[3 * COL_STREAM_FRAME + i] = next_number(k, p, &d, kind);
	}
	bits[0] = a;
	bits[1] = b;
	bits[2] = c;
	bits[3] = d;
}

int col_stream_code_get_group(struct col_stream_body *b, uint32_t frame, uint64_t *x)
{
	const struct col_stream_code *k = b->code;
	size_t bits[LANES];
	int rc = load_table(b);

	ASSERT((frame + LANES) * COL_STREAM_FRAME <= b->count);
	for (uint32_t i = 0; i < LANES && rc == 0 && !is_inside(b, frame + LANES - 1); i++)
		rc = col_stream_code_get(b, frame + i, x + i * COL_STREAM_FRAME);
	if (rc < 0 || !is_inside(b, frame + LANES - 1))
		return rc;
	for (uint32_t i = 0; i < LANES; i++)
		bits[i] = k->offs[frame + i];
	switch (kind_of(k)) {
	case PLAIN:
		read_lanes(k, b->payload.p, bits, x, PLAIN);
		break;
	case NARROW:
		read_lanes(k, b->payload.p, bits, x, NARROW);
		break;
	default:
		read_lanes(k, b->payload.p, bits, x, WIDE);
	}
	for (uint32_t i = 0; i < LANES; i++) {
		if (bits[i] != k->offs[frame + i + 1])
			rc = ERR_CORRUPT;
	}
	return rc;
}
