/*
 * Writing a list of symbols. One pass counts the pairs (context, symbol) and notes each symbol's
 * pair; from the counts follow the cost and the tables. rANS writes a group from its last symbol to
 * its first, so a group is coded backwards into scratch memory and copied out.
 */
#include "storage/col_sym.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "storage/col_pack.h"

enum {
	/* A table of all (context, symbol) is used up to so many cells, above it a hash. */
	MATRIX_CELLS = 1 << 16,
	HASH_SLOTS = 1 << 18,
	/* A symbol takes at most two bytes of its group, which has four besides. */
	GROUP_BYTES_MAX = 2 * LIMIT_BLOCK_ROWS + 4,
	NO_PAIR = 0,
};

static_assert(HASH_SLOTS > 3 * COL_SYM_PAIRS, "the hash always has room");

struct pair {
	uint32_t context;
	uint32_t sym;
	uint32_t count;
	uint32_t freq; /* and cum: as the reader will have them */
	uint32_t cum;
};

struct col_sym_work {
	struct pair *pairs;
	uint32_t pairs_count;
	uint32_t *order;   /* pairs as they are written */
	uint32_t *pair_of; /* of each symbol of the list */
	uint32_t *table;   /* 1 + pair, by cell of the matrix or slot of the hash */
	uint32_t *slots;   /* those in use, to clear them */
	uint32_t *totals;  /* of each context: its symbols in the list */
	uint32_t *kinds;   /* of each context: its pairs */
	int64_t *ints;
	uint8_t *group;
};

void col_sym_maker_init(struct col_sym_maker *m)
{
	m->work = NULL;
}

void col_sym_maker_fini(struct col_sym_maker *m)
{
	struct col_sym_work *w = m->work;

	if (!w)
		return;
	free(w->pairs);
	free(w->order);
	free(w->pair_of);
	free(w->table);
	free(w->slots);
	free(w->totals);
	free(w->kinds);
	free(w->ints);
	free(w->group);
	free(w);
	m->work = NULL;
}

static int prepare(struct col_sym_maker *m)
{
	struct col_sym_work *w = m->work;

	if (w)
		return 0;
	w = m->work = calloc(1, sizeof *w);
	if (!w)
		return -ENOMEM;
	w->pairs = malloc(COL_SYM_PAIRS * sizeof *w->pairs);
	w->order = malloc(COL_SYM_PAIRS * sizeof *w->order);
	w->pair_of = malloc(LIMIT_BLOCK_ROWS * sizeof *w->pair_of);
	w->table = calloc(HASH_SLOTS, sizeof *w->table);
	w->slots = malloc(COL_SYM_PAIRS * sizeof *w->slots);
	w->totals = calloc(COL_SYM_MAX, sizeof *w->totals);
	w->kinds = calloc(COL_SYM_MAX, sizeof *w->kinds);
	w->ints = malloc(COL_SYM_PAIRS * sizeof *w->ints);
	w->group = malloc(GROUP_BYTES_MAX);
	if (w->pairs && w->order && w->pair_of && w->table && w->slots && w->totals && w->kinds &&
		w->ints && w->group)
		return 0;
	col_sym_maker_fini(m);
	return -ENOMEM;
}

/* ---- counting ---- */

static uint32_t hash_slot(const struct col_sym_work *w, uint32_t context, uint32_t sym)
{
	uint64_t h = ((uint64_t)context << 32 | sym) * 0x9e3779b97f4a7c15u;
	uint32_t at = (uint32_t)(h >> 40) & (HASH_SLOTS - 1);

	while (w->table[at] != NO_PAIR) {
		const struct pair *p = &w->pairs[w->table[at] - 1];

		if (p->context == context && p->sym == sym)
			break;
		at = (at + 1) & (HASH_SLOTS - 1);
	}
	return at;
}

/* The pairs of the list; 1: too many. The table is left clean. */
static int count_pairs(struct col_sym_work *w, const struct col_sym_in *in)
{
	bool matrix = (uint64_t)in->contexts_count * in->syms_count <= MATRIX_CELLS;
	int rc = 0;

	w->pairs_count = 0;
	for (uint32_t i = 0; i < in->count; i++) {
		uint32_t x = in->contexts ? in->contexts[i] : 0, s = in->syms[i];
		uint32_t at = matrix ? x * in->syms_count + s : hash_slot(w, x, s);

		if (w->table[at] == NO_PAIR) {
			if (w->pairs_count == COL_SYM_PAIRS) {
				rc = 1;
				break;
			}
			w->slots[w->pairs_count] = at;
			w->pairs[w->pairs_count++] = (struct pair){ .context = x, .sym = s };
			w->table[at] = w->pairs_count;
		}
		w->pair_of[i] = w->table[at] - 1;
		w->pairs[w->pair_of[i]].count++;
	}
	for (uint32_t i = 0; i < w->pairs_count; i++)
		w->table[w->slots[i]] = NO_PAIR;
	return rc;
}

/* log2(v) in 1/256, v at least 1; the mantissa's curve by a parabola, within 1/100. */
static uint32_t log2_q8(uint32_t v)
{
	uint32_t e = 31 - (uint32_t)__builtin_clz(v);
	uint32_t m = (uint32_t)(((uint64_t)v << 8 >> e) & 0xff);

	return e * 256 + m + m * (256 - m) * 88 / 65536;
}

/* Bits of all symbols, in 1/256; UINT64_MAX: a context has too many. */
static uint64_t sum_bits(struct col_sym_work *w)
{
	uint64_t bits = 0;
	bool fits = true;

	for (uint32_t i = 0; i < w->pairs_count; i++) {
		w->totals[w->pairs[i].context] += w->pairs[i].count;
		fits &= ++w->kinds[w->pairs[i].context] <= COL_SYM_ALPHABET;
	}
	for (uint32_t i = 0; i < w->pairs_count; i++) {
		const struct pair *p = &w->pairs[i];

		bits += (uint64_t)p->count * (log2_q8(w->totals[p->context]) - log2_q8(p->count));
	}
	for (uint32_t i = 0; i < w->pairs_count; i++)
		w->totals[w->pairs[i].context] = w->kinds[w->pairs[i].context] = 0;
	return fits ? bits : UINT64_MAX;
}

size_t col_sym_cost(struct col_sym_maker *m, const struct col_sym_in *in)
{
	uint64_t bits, pair;

	if (prepare(m) < 0 || in->syms_count > 65536 || in->contexts_count > COL_SYM_MAX)
		return SIZE_MAX;
	if (in->syms_count == 1)
		return 0;
	if (count_pairs(m->work, in) != 0)
		return SIZE_MAX;
	bits = sum_bits(m->work);
	if (bits == UINT64_MAX)
		return SIZE_MAX;
	/* A pair: its symbol, its weight, a bit or two of its context. */
	pair = log2_q8(in->syms_count) + (in->contexts ? 6 : 4) * 256;
	return (size_t)((bits + pair * m->work->pairs_count) / 256 / 8) + 12;
}

/* ---- tables ---- */

/* By context, in one by falling count; the symbol decides ties, so that a page is always the same. */
static int by_context(const void *a, const void *b, void *pairs)
{
	const struct pair *x = (const struct pair *)pairs + *(const uint32_t *)a;
	const struct pair *y = (const struct pair *)pairs + *(const uint32_t *)b;

	if (x->context != y->context)
		return x->context < y->context ? -1 : 1;
	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	return (x->sym > y->sym) - (x->sym < y->sym);
}

static uint32_t weight_code(uint32_t count)
{
	uint32_t e;

	if (count < 16)
		return count;
	e = 28 - (uint32_t)__builtin_clz(count);
	return 16 + 8 * (e - 1) + ((count >> e) & 7);
}

/* Frequencies of the pairs order[from .. to), as add_up of the reader has them. */
static void set_frequencies(struct col_sym_work *w, uint32_t from, uint32_t to)
{
	uint32_t n = to - from, used = 0, cum = 0;
	uint64_t sum = 0;

	for (uint32_t i = from; i < to; i++)
		sum += col_sym_weight(weight_code(w->pairs[w->order[i]].count));
	for (uint32_t i = from; i < to; i++) {
		struct pair *p = &w->pairs[w->order[i]];
		uint64_t weight = col_sym_weight(weight_code(p->count));

		p->freq = (uint32_t)(1 + weight * (COL_SYM_SCALE - n) / sum);
		used += p->freq;
	}
	w->pairs[w->order[from]].freq += COL_SYM_SCALE - used;
	for (uint32_t i = from; i < to; i++) {
		w->pairs[w->order[i]].cum = cum;
		cum += w->pairs[w->order[i]].freq;
	}
	ASSERT(cum == COL_SYM_SCALE);
}

/* Orders the pairs and sets their frequencies. 1: a context has too many; out_coded: bits are needed. */
static int make_tables(struct col_sym_work *w, bool *out_coded)
{
	uint32_t from = 0;

	for (uint32_t i = 0; i < w->pairs_count; i++)
		w->order[i] = i;
	qsort_r(w->order, w->pairs_count, sizeof *w->order, by_context, w->pairs);
	*out_coded = false;
	for (uint32_t i = 1; i <= w->pairs_count; i++) {
		if (i < w->pairs_count &&
			w->pairs[w->order[i]].context == w->pairs[w->order[from]].context)
			continue;
		if (i - from > COL_SYM_ALPHABET)
			return 1;
		set_frequencies(w, from, i);
		*out_coded |= i - from > 1;
		from = i;
	}
	return 0;
}

static void put_tables(struct col_sym_work *w, const struct col_sym_in *in,
	struct col_stream_maker *streams, struct buf *out)
{
	uint32_t n = w->pairs_count;

	for (uint32_t i = 0; in->contexts_count > 1 && i < n; i++)
		w->ints[i] = w->pairs[w->order[i]].context;
	if (in->contexts_count > 1)
		col_stream_put(streams, w->ints, n, out);
	for (uint32_t i = 0; i < n; i++)
		w->ints[i] = w->pairs[w->order[i]].sym;
	col_stream_put(streams, w->ints, n, out);
	for (uint32_t i = 0; i < n; i++)
		w->ints[i] = weight_code(w->pairs[w->order[i]].count);
	col_stream_put(streams, w->ints, n, out);
}

/* ---- coding ---- */

/* The group of the symbols first .. end - 1: where it stands at the end of w->group. */
static struct span code_group(struct col_sym_work *w, uint32_t first, uint32_t end)
{
	uint8_t *p = w->group + GROUP_BYTES_MAX;
	uint32_t x = COL_SYM_STATE_MIN, le;

	for (uint32_t i = end; i-- > first;) {
		const struct pair *k = &w->pairs[w->pair_of[i]];

		if (k->freq == COL_SYM_SCALE)
			continue;
		if (x >= (uint64_t)k->freq << (32 - COL_SYM_SCALE_BITS)) {
			uint16_t word = htole16((uint16_t)x);

			p -= sizeof word;
			memcpy(p, &word, sizeof word);
			x >>= 16;
		}
		x = (x / k->freq << COL_SYM_SCALE_BITS) + x % k->freq + k->cum;
	}
	le = htole32(x);
	p -= sizeof le;
	memcpy(p, &le, sizeof le);
	ASSERT(p >= w->group);
	return span_of(p, (size_t)(w->group + GROUP_BYTES_MAX - p));
}

static void put_groups(struct col_sym_work *w, const struct col_sym_in *in,
	struct col_stream_maker *streams, struct buf *body, struct buf *out)
{
	ASSERT(in->groups_count <= COL_SYM_PAIRS);
	for (uint32_t g = 0; g < in->groups_count; g++) {
		uint32_t end = g + 1 < in->groups_count ? in->groups[g + 1] : in->count;
		struct span s = code_group(w, in->groups[g], end);

		w->ints[g] = (int64_t)s.n;
		buf_put_span(body, s);
	}
	col_stream_put(streams, w->ints, in->groups_count, out);
	buf_put(out, body->p, body->len);
	if (body->err && !out->err)
		out->err = body->err;
}

int col_sym_put(struct col_sym_maker *m, const struct col_sym_in *in,
	struct col_stream_maker *streams, struct buf *out)
{
	struct buf body;
	bool coded;
	int rc = prepare(m);

	ASSERT(in->count > 0);
	ASSERT(in->count <= LIMIT_BLOCK_ROWS);
	ASSERT(in->groups_count > 0);
	ASSERT((in->contexts != NULL) == (in->contexts_count > 1));
	if (rc < 0 || in->syms_count == 1)
		return rc;
	if (in->syms_count > 65536 || in->contexts_count > COL_SYM_MAX ||
		count_pairs(m->work, in) != 0 || make_tables(m->work, &coded) != 0)
		return 1;
	buf_init(&body, out->max);
	col_pack_varint(out, m->work->pairs_count);
	put_tables(m->work, in, streams, out);
	if (coded)
		put_groups(m->work, in, streams, &body, out);
	buf_fini(&body);
	return out->err;
}
