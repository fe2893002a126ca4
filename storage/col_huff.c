#include "storage/col_huff.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/col_pack.h"

enum {
	/* Codes of the lengths. */
	META_SYMBOLS = 20,
	META_BITS = 3,
	META_LONGEST = 7,
	META_FEW = 17,
	META_MANY = 18,
	META_AGAIN = 19,
	/* A Huffman tree of 2^21 values is not deeper. */
	DEPTHS = 64,
	SORT_BITS = 11,
	INSERTION_MAX = 48,
};

int col_huff_room_for(struct col_huff_room *r, uint32_t symbols)
{
	ASSERT(symbols <= COL_HUFF_SYMBOLS_MAX);
	if (symbols <= r->cap)
		return 0;
	col_huff_room_fini(r);
	r->order[0] = malloc(symbols * sizeof *r->order[0]);
	r->order[1] = malloc(symbols * sizeof *r->order[1]);
	r->weights = malloc(symbols * sizeof *r->weights);
	if (!r->order[0] || !r->order[1] || !r->weights) {
		col_huff_room_fini(r);
		return -ENOMEM;
	}
	r->cap = symbols;
	return 0;
}

void col_huff_room_fini(struct col_huff_room *r)
{
	free(r->order[0]);
	free(r->order[1]);
	free(r->weights);
	*r = (struct col_huff_room){ 0 };
}

unsigned col_huff_bits_for(uint32_t used)
{
	unsigned bits = col_pack_width(used) + 3;

	return bits < 8 ? 8 : bits > COL_HUFF_BITS_MAX ? COL_HUFF_BITS_MAX : bits;
}

/* ---- lengths from counts ---- */

/* The used symbols; two of them even if the counts say otherwise. Returns how many. */
static uint32_t collect(const uint32_t *counts, uint32_t symbols, uint16_t *order)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < symbols; i++) {
		order[n] = (uint16_t)i;
		n += counts[i] > 0;
		if (n == symbols)
			break;
	}
	for (uint32_t i = 0; n < 2; i++) {
		if (counts[i] == 0)
			order[n++] = (uint16_t)i;
	}
	return n;
}

static void insertion_sort(uint16_t *order, uint32_t n, const uint32_t *counts)
{
	for (uint32_t i = 1; i < n; i++) {
		uint16_t s = order[i];
		uint32_t k = i;

		for (; k > 0 && counts[order[k - 1]] > counts[s]; k--)
			order[k] = order[k - 1];
		order[k] = s;
	}
}

static void radix_pass(
	const uint16_t *from, uint16_t *to, uint32_t n, const uint32_t *counts, unsigned shift)
{
	uint32_t at[1 << SORT_BITS] = { 0 }, sum = 0;
	uint32_t mask = (1 << SORT_BITS) - 1;

	for (uint32_t i = 0; i < n; i++)
		at[counts[from[i]] >> shift & mask]++;
	for (uint32_t i = 0; i <= mask; i++) {
		uint32_t here = at[i];

		at[i] = sum;
		sum += here;
	}
	for (uint32_t i = 0; i < n; i++)
		to[at[counts[from[i]] >> shift & mask]++] = from[i];
}

/* By count, the rarest first. Counts have up to 2 * SORT_BITS bits. */
static void sort(struct col_huff_room *r, uint32_t n, const uint32_t *counts)
{
	if (n <= INSERTION_MAX) {
		insertion_sort(r->order[0], n, counts);
		return;
	}
	radix_pass(r->order[0], r->order[1], n, counts, 0);
	radix_pass(r->order[1], r->order[0], n, counts, SORT_BITS);
}

/*
 * Huffman's algorithm in place (Moffat and Katajainen): weights in rising order become the depths of
 * their leaves. First each node's parent, then each inner node's depth, then the leaves'.
 */
static void link_parents(uint32_t *a, uint32_t n)
{
	uint32_t root = 0, leaf = 2;

	a[0] += a[1];
	for (uint32_t next = 1; next + 1 < n; next++) {
		uint32_t sum;

		if (leaf >= n || a[root] < a[leaf]) {
			sum = a[root];
			a[root++] = next;
		} else {
			sum = a[leaf++];
		}
		if (leaf >= n || (root < next && a[root] < a[leaf])) {
			sum += a[root];
			a[root++] = next;
		} else {
			sum += a[leaf++];
		}
		a[next] = sum;
	}
}

static void depths_of(uint32_t *a, uint32_t n)
{
	uint32_t free_slots = 1, depth = 0, inner = n - 1, next = n;

	ASSERT(n >= 2);
	link_parents(a, n);
	a[n - 2] = 0;
	for (uint32_t i = n - 2; i > 0; i--)
		a[i - 1] = a[a[i - 1]] + 1;
	while (free_slots > 0) {
		uint32_t used = 0;

		for (; inner > 0 && a[inner - 1] == depth; inner--)
			used++;
		for (; free_slots > used; free_slots--)
			a[--next] = depth;
		free_slots = 2 * used;
		depth++;
	}
	ASSERT(next == 0);
}

/* Moves leaves that are too deep up, each pair at the cost of one leaf above them. */
static void limit(uint32_t *per_depth, unsigned bits_max)
{
	for (unsigned i = DEPTHS - 1; i > bits_max; i--) {
		while (per_depth[i] > 0) {
			unsigned j = i - 2;

			while (per_depth[j] == 0)
				j--;
			per_depth[i] -= 2;
			per_depth[i - 1]++;
			per_depth[j + 1] += 2;
			per_depth[j]--;
		}
	}
}

void col_huff_lengths(struct col_huff_room *r, const uint32_t *counts, uint32_t symbols,
	unsigned bits_max, uint8_t *lengths)
{
	uint32_t per_depth[DEPTHS] = { 0 }, n, at = 0;

	ASSERT(symbols >= 2);
	ASSERT(symbols <= r->cap);
	ASSERT(bits_max <= COL_HUFF_BITS_MAX);
	n = collect(counts, symbols, r->order[0]);
	ASSERT(n <= UINT32_C(1) << bits_max);
	sort(r, n, counts);
	for (uint32_t i = 0; i < n; i++)
		r->weights[i] = counts[r->order[0][i]];
	depths_of(r->weights, n);
	for (uint32_t i = 0; i < n; i++) {
		ASSERT(r->weights[i] < DEPTHS);
		per_depth[r->weights[i]]++;
	}
	limit(per_depth, bits_max);
	memset(lengths, 0, symbols);
	for (unsigned depth = bits_max; depth > 0; depth--) {
		for (uint32_t i = 0; i < per_depth[depth]; i++)
			lengths[r->order[0][at++]] = (uint8_t)depth;
	}
	ASSERT(at == n);
}

/* ---- codes and their order ---- */

static void count_lengths(const uint8_t *lengths, uint32_t symbols, uint32_t *per_length)
{
	memset(per_length, 0, (COL_HUFF_BITS_MAX + 1) * sizeof *per_length);
	for (uint32_t i = 0; i < symbols; i++)
		per_length[lengths[i]]++;
	per_length[0] = 0;
}

void col_huff_codes(const uint8_t *lengths, uint32_t symbols, uint16_t *codes)
{
	uint32_t per_length[COL_HUFF_BITS_MAX + 1], next[COL_HUFF_BITS_MAX + 1], code = 0;

	count_lengths(lengths, symbols, per_length);
	for (unsigned l = 1; l <= COL_HUFF_BITS_MAX; l++) {
		code = (code + per_length[l - 1]) << 1;
		next[l] = code;
	}
	for (uint32_t i = 0; i < symbols; i++) {
		if (lengths[i])
			codes[i] = (uint16_t)next[lengths[i]]++;
	}
}

int col_huff_order(const uint8_t *lengths, uint32_t symbols, uint16_t *order, uint32_t *out_used)
{
	uint32_t next[COL_HUFF_BITS_MAX + 1], at = 0, sum = 0;

	count_lengths(lengths, symbols, next);
	for (unsigned l = 1; l <= COL_HUFF_BITS_MAX; l++) {
		uint32_t n = next[l];

		sum += n << (COL_HUFF_BITS_MAX - l);
		next[l] = at;
		at += n;
	}
	if (sum != UINT32_C(1) << COL_HUFF_BITS_MAX)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < symbols; i++) {
		if (lengths[i])
			order[next[lengths[i]]++] = (uint16_t)i;
	}
	*out_used = at;
	return 0;
}

/* ---- the lengths themselves ---- */

struct bits_out {
	struct buf *out;
	uint64_t acc;
	unsigned used;
};

static void put_bits(struct bits_out *b, uint32_t v, unsigned n)
{
	b->acc = b->acc << n | v;
	b->used += n;
	for (; b->used >= 8; b->used -= 8)
		buf_put_u8(b->out, (uint8_t)(b->acc >> (b->used - 8)));
}

/* One word of the lengths: a symbol of the code of lengths, and what follows it. */
struct word {
	uint8_t symbol;
	uint8_t extra_bits;
	uint8_t extra;
	uint32_t covers; /* symbols */
};

static uint32_t same_from(const uint8_t *lengths, uint32_t at, uint32_t symbols, uint32_t most)
{
	uint32_t n = 1;

	while (n < most && at + n < symbols && lengths[at + n] == lengths[at])
		n++;
	return n;
}

static struct word word_at(const uint8_t *lengths, uint32_t at, uint32_t symbols)
{
	uint32_t n;

	if (lengths[at] == 0) {
		n = same_from(lengths, at, symbols, 138);
		if (n >= 11)
			return (struct word){ META_MANY, 7, (uint8_t)(n - 11), n };
		if (n >= 3)
			return (struct word){ META_FEW, 3, (uint8_t)(n - 3), n };
	} else if (at > 0 && lengths[at - 1] == lengths[at]) {
		n = same_from(lengths, at, symbols, 6);
		if (n >= 3)
			return (struct word){ META_AGAIN, 2, (uint8_t)(n - 3), n };
	}
	return (struct word){ lengths[at], 0, 0, 1 };
}

void col_huff_lengths_put(const uint8_t *lengths, uint32_t symbols, struct buf *out)
{
	uint32_t counts[META_SYMBOLS] = { 0 }, weights[META_SYMBOLS];
	uint16_t order[2][META_SYMBOLS], codes[META_SYMBOLS];
	struct col_huff_room room = { { order[0], order[1] }, weights, META_SYMBOLS };
	struct bits_out b = { .out = out };
	uint8_t meta[META_SYMBOLS];
	struct word w;

	for (uint32_t i = 0; i < symbols; i += w.covers) {
		w = word_at(lengths, i, symbols);
		counts[w.symbol]++;
	}
	col_huff_lengths(&room, counts, META_SYMBOLS, META_LONGEST, meta);
	col_huff_codes(meta, META_SYMBOLS, codes);
	for (unsigned i = 0; i < META_SYMBOLS; i++)
		put_bits(&b, meta[i], META_BITS);
	for (uint32_t i = 0; i < symbols; i += w.covers) {
		w = word_at(lengths, i, symbols);
		put_bits(&b, codes[w.symbol], meta[w.symbol]);
		put_bits(&b, w.extra, w.extra_bits);
	}
	put_bits(&b, 0, (8 - b.used) % 8);
}

struct bits_in {
	struct span bytes;
	size_t at;
};

/* Behind the end there are zeroes; the reader checks how far it went. */
static uint32_t peek_bits(const struct bits_in *b, unsigned n)
{
	size_t at = b->at / 8;
	uint32_t v = 0;

	if (at + sizeof v <= b->bytes.n) {
		memcpy(&v, b->bytes.p + at, sizeof v);
		return be32toh(v) << b->at % 8 >> (32 - n);
	}
	for (unsigned i = 0; i < sizeof v; i++)
		v = v << 8 | (at + i < b->bytes.n ? b->bytes.p[at + i] : 0);
	return v << b->at % 8 >> (32 - n);
}

static uint32_t take_bits(struct bits_in *b, unsigned n)
{
	uint32_t v = peek_bits(b, n);

	b->at += n;
	return v;
}

/* One word: a length, and how many symbols have it. */
static uint32_t take_word(
	struct bits_in *b, const uint32_t *table, uint8_t before, uint8_t *out_length)
{
	uint32_t entry = table[peek_bits(b, META_LONGEST)];
	uint32_t symbol = entry & 0xffff;

	b->at += entry >> 16;
	*out_length = symbol == META_AGAIN ? before : 0;
	switch (symbol) {
	case META_FEW:
		return 3 + take_bits(b, 3);
	case META_MANY:
		return 11 + take_bits(b, 7);
	case META_AGAIN:
		return 3 + take_bits(b, 2);
	default:
		*out_length = (uint8_t)symbol;
		return 1;
	}
}

/* table[the next META_LONGEST bits] = symbol | length << 16 */
static int meta_table(const uint8_t *meta, uint32_t *table)
{
	uint16_t order[META_SYMBOLS];
	uint32_t used = 0, at = 0;

	if (col_huff_order(meta, META_SYMBOLS, order, &used) < 0)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < used; i++) {
		unsigned length = meta[order[i]];
		uint32_t end = at + (UINT32_C(1) << (META_LONGEST - length));

		while (at < end)
			table[at++] = order[i] | length << 16;
	}
	ASSERT(at == 1 << META_LONGEST);
	return 0;
}

int col_huff_lengths_get(struct span bytes, uint32_t symbols, uint8_t *lengths, unsigned *out_bits)
{
	uint32_t table[1 << META_LONGEST];
	struct bits_in b = { .bytes = bytes };
	uint8_t meta[META_SYMBOLS], length = 0;
	unsigned longest = 0;

	for (unsigned i = 0; i < META_SYMBOLS; i++)
		meta[i] = (uint8_t)take_bits(&b, META_BITS);
	if (meta_table(meta, table) < 0)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < symbols;) {
		uint32_t n = take_word(&b, table, length, &length);

		if (n > symbols - i || b.at > 8 * bytes.n)
			return ERR_CORRUPT;
		memset(lengths + i, length, n);
		longest = length > longest ? length : longest;
		i += n;
	}
	*out_bits = longest;
	return (b.at + 7) / 8 == bytes.n && longest > 0 ? 0 : ERR_CORRUPT;
}
