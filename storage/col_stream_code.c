/*
 * Numbers as Huffman codes of their leading bits, the others behind the code as they are. So common
 * numbers are short, whatever they are, and the table stays small where numbers are large.
 *
 * A number below 2^(m + 1) is its own symbol; of a larger one the leading 1 and the m bits after
 * it, and how many bits follow, make the symbol: the finer (m), the better the fit and the larger the
 * table. Differences may be negative: there a symbol is twice that of the number or of its
 * complement, and 1 more for a complement.
 *
 * CODED   u8 m, varint symbols, varint bytes of the lengths, the lengths (col_huff.h), varint bytes
 *         of the frames, the frames, highest bit first, each beginning with the bit after the last
 *         one; side list of the bits of each frame
 */
#include "storage/col_stream_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	/* All numbers of so many bits may have symbols of their own. */
	DIRECT_BITS = COL_STREAM_DIRECT_BITS,
	/* Bits after the leading one, at the finest, where numbers are larger. */
	FINE_BITS = 8,
	/* What a symbol of the table costs, in eighths of a bit: a guess for comparing. */
	SYMBOL_COST = 8 * 4,
	SAMPLE_FRAMES = 32,
	/* The same for a glance. */
	GLANCE_FINE_BITS = 4,
	GLANCE_FRAMES = 8,
	/* The search for m ends after so many that were no better. */
	WORSE_MAX = 4,
	/* Bits that fit a word of which up to seven are taken. */
	WORD_BITS = 57,
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

/* Bits of the widest number or complement of the frames 0, step, 2 * step ... */
static unsigned widest(const struct col_stream_source *s, uint32_t step)
{
	uint64_t x[COL_STREAM_FRAME], all = 0;

	for (uint32_t f = 0; f < col_stream_frames(s->count); f += step) {
		uint32_t n = col_stream_source_frame(s, f, x);

		for (uint32_t i = 0; i < n; i++)
			all |= s->delta ? x[i] ^ (0 - (x[i] >> 63)) : x[i];
	}
	return col_pack_width(all);
}

/* Of the frames 0, step, 2 * step ... */
static void count_symbols(struct col_stream_coded *c, struct col_stream_code_room *r, uint32_t step)
{
	const struct col_stream_source *s = c->source;
	uint64_t x[COL_STREAM_FRAME];
	bool direct = !s->delta && c->width <= c->m + 1;

	memset(r->counts, 0, c->symbols * sizeof *r->counts);
	c->counted = 0;
	for (uint32_t f = 0; f < col_stream_frames(s->count); f += step) {
		uint32_t n = col_stream_source_frame(s, f, x);

		for (uint32_t i = 0; i < n && direct; i++)
			r->counts[x[i]]++;
		for (uint32_t i = 0; i < n && !direct; i++)
			r->counts[split_of(x[i], c->m, s->delta).symbol]++;
		c->counted += n;
	}
}

/* Bits that the numbers come to with such symbols, and the table, about. */
static uint64_t estimate(const struct col_stream_coded *c, const uint16_t *logs,
	const uint32_t *counts, uint32_t symbols, unsigned m)
{
	uint64_t bits = weigh(logs, c->counted), extra = 0, used = 0;

	for (uint32_t i = 0; i < symbols; i++) {
		if (counts[i] == 0)
			continue;
		used++;
		bits -= weigh(logs, counts[i]);
		extra += (uint64_t)counts[i] * col_stream_code_extra(i, m, c->source->delta);
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
	unsigned best_m = c->m, worse = 0;

	memcpy(r->merged, r->counts, symbols * sizeof *r->counts);
	for (unsigned m = c->m; m > 0 && worse < WORSE_MAX && symbols / signs > UINT32_C(1) << m;
		m--) {
		uint64_t bits;

		symbols = merge(r->merged, symbols, m, c->source->delta);
		bits = estimate(c, r->logs, r->merged, symbols, m - 1);
		worse++;
		if (bits < best) {
			best = bits;
			best_m = m - 1;
			worse = 0;
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

static bool measure(
	struct col_stream_coded *c, struct col_stream_code_room *r, unsigned m, uint32_t step)
{
	c->m = c->width > 0 && m >= c->width ? c->width - 1 : m;
	c->symbols = symbols_of(c->width, c->m, c->source->delta);
	if (c->symbols < 2)
		c->symbols = 2;
	ASSERT(c->symbols <= COL_HUFF_SYMBOLS_MAX);
	if (!room_for(r, c->symbols))
		return false;
	count_symbols(c, r, step);
	choose_m(c, r);
	return true;
}

bool col_stream_code_glance(struct col_stream_coded *c, struct col_stream_code_room *r)
{
	uint32_t frames = col_stream_frames(c->source->count);
	uint32_t step = (frames + GLANCE_FRAMES - 1) / GLANCE_FRAMES;

	c->width = widest(c->source, step);
	return measure(c, r, GLANCE_FINE_BITS, step);
}

/*
 * Where numbers are wide, a few frames tell how finely they have to be told apart, and whether it
 * is worth while at all. Narrow ones may be anything, 0 to 65535 in no order: all have to be seen.
 */
bool col_stream_code_measure(
	struct col_stream_coded *c, struct col_stream_code_room *r, size_t bytes_max)
{
	uint32_t frames = col_stream_frames(c->source->count);
	bool is_signed = c->source->delta;
	unsigned m = DIRECT_BITS - 1 - is_signed;

	c->width = widest(c->source, 1);
	if (c->width + is_signed > DIRECT_BITS)
		m = FINE_BITS;
	if (m == FINE_BITS && frames > 2 * SAMPLE_FRAMES) {
		if (!measure(c, r, m, frames / SAMPLE_FRAMES))
			return false;
		if (c->bits / 8 * c->source->count / c->counted >= bytes_max)
			return true;
		m = c->m + 1 < m ? c->m + 1 : m;
	}
	return measure(c, r, m, 1);
}

/* ---- writing ---- */

/* Bytes of all frames. */
static size_t weigh_all(const struct col_stream_coded *c, const struct col_stream_code_room *r)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < c->symbols; i++)
		bits += (uint64_t)r->counts[i] *
			(r->lengths[i] + col_stream_code_extra(i, c->m, c->source->delta));
	return (bits + 7) / 8;
}

bool col_stream_code_prepare(struct col_stream_coded *c, struct col_stream_code_room *r)
{
	unsigned bits = col_huff_bits_for(used_of(r->counts, c->symbols));

	col_huff_lengths(&r->huff, r->counts, c->symbols, bits, r->lengths);
	col_huff_codes(r->lengths, c->symbols, r->codes);
	buf_reset(&r->table);
	col_huff_lengths_put(r->lengths, c->symbols, &r->table);
	c->payload_bytes = weigh_all(c, r);
	c->cost = 1 + col_stream_varint_bytes(c->symbols) + col_stream_varint_bytes(r->table.len) +
		  r->table.len + col_stream_varint_bytes(c->payload_bytes) + c->payload_bytes +
		  col_stream_frames(c->source->count) + 4;
	return r->table.err == 0;
}

/* Bits are gathered in a word and leave it in whole bytes; dst has room for eight more. */
struct writer {
	uint8_t *dst;
	uint64_t acc;  /* the highest bits first */
	unsigned used; /* below 8 between numbers */
	uint64_t bits; /* in all */
};

/* v has no bits above the lowest `bits`, 1 to 56 of them. */
static inline void write_bits(struct writer *w, uint64_t v, unsigned bits)
{
	uint64_t be;

	ASSERT_SLOW(bits > 0 && bits < WORD_BITS);
	w->acc |= v << (64 - bits) >> w->used;
	w->used += bits;
	w->bits += bits;
	be = htobe64(w->acc);
	memcpy(w->dst, &be, sizeof be);
	w->dst += w->used / 8;
	w->acc <<= w->used / 8 * 8;
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
			write_bits(w, (uint64_t)r->codes[p.symbol] << p.extra_bits | p.extra,
				length + p.extra_bits);
		} else {
			write_bits(w, r->codes[p.symbol], length);
			write_bits(w, p.extra >> 32, p.extra_bits - 32);
			write_bits(w, p.extra & UINT32_MAX, 32);
		}
	}
}

void col_stream_code_put(const struct col_stream_coded *c, const struct col_stream_code_room *r,
	uint64_t *side, struct buf *out)
{
	uint32_t frames = col_stream_frames(c->source->count);
	struct writer w = { 0 };

	buf_put_u8(out, (uint8_t)c->m);
	col_pack_varint(out, c->symbols);
	col_pack_varint(out, r->table.len);
	buf_put_span(out, buf_span(&r->table));
	col_pack_varint(out, c->payload_bytes);
	if (buf_reserve(out, c->payload_bytes + sizeof w.acc) < 0)
		return;
	w.dst = out->p + out->len;
	for (uint32_t f = 0; f < frames; f++) {
		uint64_t before = w.bits;

		write_frame(c, r, f, &w);
		side[f] = w.bits - before;
	}
	/* What is left of the last byte was stored with the word it stands in. */
	ASSERT((w.bits + 7) / 8 == c->payload_bytes);
	out->len += c->payload_bytes;
	col_stream_side_put(side, frames, out);
}
