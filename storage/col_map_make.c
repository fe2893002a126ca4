#include "storage/col_map_make.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_map_bytes.h"

enum {
	SLOTS = 1 << 18,
	/* Of so many values the first ones are looked at: if nearly all differ, they do not recur. */
	SAMPLE = 1024,
	SAMPLE_NEW = 900,
	AHEAD = 12,
	/* Fewer values are no symbols, unless they are all the same. */
	SYMS_LEAST = 16,
	/* A double is an integer below this when multiplied. */
	DECIMAL_BITS = 53,
};

static_assert(SLOTS > 2 * LIMIT_BLOCK_ROWS, "a free slot is always near");

void col_map_make_fini(struct col_map_make *m)
{
	free(m->leaves);
	free(m->rows);
	free(m->syms);
	free(m->entries);
	free(m->slots);
	free(m->contexts);
	free(m->trial);
	free(m->ints);
	free(m->spans);
	free(m->order);
	free(m->loose);
	col_stream_maker_fini(&m->streams);
	col_sym_maker_fini(&m->sym);
	col_text_maker_fini(&m->text);
}

static int prepare(struct col_map_make *m, uint32_t leaves)
{
	if (!m->order) {
		m->slots = calloc(SLOTS, sizeof *m->slots);
		m->contexts = malloc(LIMIT_BLOCK_ROWS * sizeof *m->contexts);
		m->trial = malloc(LIMIT_BLOCK_ROWS * sizeof *m->trial);
		m->ints = malloc(LIMIT_BLOCK_ROWS * sizeof *m->ints);
		m->spans = malloc(LIMIT_BLOCK_ROWS * sizeof *m->spans);
		m->order = malloc(LIMIT_MAP_PATHS * sizeof *m->order);
	}
	if (leaves > m->leaves_cap) {
		uint32_t cap = leaves + leaves / 4;

		free(m->leaves);
		free(m->rows);
		free(m->syms);
		free(m->entries);
		m->leaves = malloc(cap * sizeof *m->leaves);
		m->rows = malloc(cap * sizeof *m->rows);
		m->syms = malloc(cap * sizeof *m->syms);
		m->entries = malloc(cap * sizeof *m->entries);
		m->leaves_cap = m->leaves && m->rows && m->syms && m->entries ? cap : 0;
	}
	if (!m->slots || !m->contexts || !m->trial || !m->ints || !m->spans || !m->order)
		return -ENOMEM;
	return m->leaves_cap >= leaves ? 0 : -ENOMEM;
}

/* A counting sort, stable: within a path the rows rise. */
static void sort_leaves(struct col_map_make *m)
{
	const struct col_map_parse *p = m->parse;
	uint32_t at = 0, leaf = 0;

	for (uint32_t i = 0; i < p->paths_count; i++) {
		m->paths[i] = (struct col_map_make_path){ .first = at };
		at += p->paths[i].count;
	}
	ASSERT(at == p->leaves_count);
	for (uint32_t row = 0; row < p->rows_count; row++) {
		for (uint32_t k = p->sets[p->row_sets[row]].count; k > 0; k--, leaf++) {
			struct col_map_make_path *x = &m->paths[p->leaves[leaf].path];

			at = x->first + x->count++;
			m->leaves[at] = p->leaves[leaf];
			m->rows[at] = row;
		}
	}
	ASSERT(leaf == p->leaves_count);
}

/* ---- decimals ---- */

/* v as an integer of scale, at least 0: bit for bit. */
static bool is_decimal(uint64_t bits, unsigned scale, int64_t *out)
{
	double v, back, x;

	memcpy(&v, &bits, sizeof v);
	x = v * col_map_ten(scale);
	/* False also of what is no number; a product that is off by its last bit is rounded. */
	if (!(x > -(double)(INT64_C(1) << DECIMAL_BITS) &&
		    x < (double)(INT64_C(1) << DECIMAL_BITS)))
		return false;
	*out = (int64_t)(x < 0 ? x - 0.5 : x + 0.5);
	back = col_map_double(*out, scale);
	return memcmp(&back, &bits, sizeof bits) == 0;
}

/* The least scale at which all but a few of the path's doubles are decimals; -1: there is none. */
static int find_scale(const struct col_map_make *m, const struct col_map_make_path *x)
{
	uint32_t doubles = 0, odd = 0;
	unsigned scale = 0;
	int64_t v;

	for (uint32_t i = x->first; i < x->first + x->count; i++) {
		unsigned s = scale;

		if (m->leaves[i].type != COL_MAP_DOUBLE)
			continue;
		doubles++;
		while (s <= COL_MAP_SCALE_MAX && !is_decimal(m->leaves[i].bits, s, &v))
			s++;
		if (s <= COL_MAP_SCALE_MAX)
			scale = s;
		else if (++odd > 16 && odd > doubles / 8)
			return -1;
	}
	return odd <= doubles / 8 ? (int)scale : -1;
}

static void name_type(struct col_map_make_path *x)
{
	x->mixed = (x->types & (x->types - 1)) != 0;
	x->type = (uint8_t)__builtin_ctz(x->types);
}

/* Which types the path has, with doubles made decimals where that is exact. */
static void classify(struct col_map_make *m, struct col_map_make_path *x)
{
	int scale = -1;
	int64_t v;

	for (uint32_t i = x->first; i < x->first + x->count; i++)
		x->types |= (uint16_t)(1u << m->leaves[i].type);
	if (x->types & 1u << COL_MAP_DOUBLE)
		scale = find_scale(m, x);
	if (scale >= 0) {
		x->scale = (uint8_t)scale;
		x->types = 0;
		for (uint32_t i = x->first; i < x->first + x->count; i++) {
			struct col_map_leaf *l = &m->leaves[i];

			if (l->type == COL_MAP_DOUBLE && is_decimal(l->bits, x->scale, &v)) {
				l->type = COL_MAP_DECIMAL;
				l->bits = (uint64_t)v;
			}
			x->types |= (uint16_t)(1u << l->type);
		}
	}
	name_type(x);
}

/* ---- symbols ---- */

static bool same_value(const struct col_map_leaf *a, const struct col_map_leaf *b, bool text)
{
	return text ? col_map_bytes_same(col_map_make_text(a), col_map_make_text(b))
		    : a->bits == b->bits;
}

static uint32_t hash_value(const struct col_map_leaf *l, bool text)
{
	uint64_t h =
		text ? col_map_bytes_hash(col_map_make_text(l), 0) : l->bits * 0x9e3779b97f4a7c15u;

	return (uint32_t)(h >> 46);
}

/* The symbol of a leaf; a new one if its value is new. */
static uint32_t symbol_of(
	struct col_map_make *m, struct col_map_make_path *x, uint32_t leaf, bool text)
{
	const struct col_map_leaf *l = &m->leaves[leaf];
	uint32_t at = hash_value(l, text);

	for (; m->slots[at]; at = (at + 1) & (SLOTS - 1)) {
		uint32_t sym = m->slots[at] - 1;

		if (same_value(&m->leaves[m->entries[x->entries + sym]], l, text))
			return sym;
	}
	m->slots[at] = ++x->syms_count;
	m->entries[x->entries + x->syms_count - 1] = leaf;
	return x->syms_count - 1;
}

static void clear_slots(struct col_map_make *m, const struct col_map_make_path *x, bool text)
{
	for (uint32_t i = x->syms_count; i-- > 0;) {
		uint32_t at = hash_value(&m->leaves[m->entries[x->entries + i]], text);

		while (m->slots[at] != i + 1)
			at = (at + 1) & (SLOTS - 1);
		m->slots[at] = 0;
	}
}

static int by_value(const void *a, const void *b, void *leaves)
{
	int64_t x = (int64_t)((const struct col_map_leaf *)leaves)[*(const uint32_t *)a].bits;
	int64_t y = (int64_t)((const struct col_map_leaf *)leaves)[*(const uint32_t *)b].bits;

	return (x > y) - (x < y);
}

/* Integers' symbols rise with them: their differences are small. */
static void sort_entries(struct col_map_make *m, struct col_map_make_path *x)
{
	uint32_t *entries = m->entries + x->entries, *rank = m->contexts;

	qsort_r(entries, x->syms_count, sizeof *entries, by_value, m->leaves);
	for (uint32_t i = 0; i < x->syms_count; i++)
		rank[m->syms[entries[i]]] = i;
	for (uint32_t i = 0; i < x->count; i++)
		m->syms[x->first + i] = rank[m->syms[x->first + i]];
}

/* Values as symbols, unless most of them stand there once. */
static void symbolize(struct col_map_make *m, struct col_map_make_path *x)
{
	bool text = col_map_is_text(x->type), recur = true;

	x->entries = m->entries_count;
	for (uint32_t i = 0; i < x->count; i++) {
		/* Texts lie as far apart as the rows: they are asked for ahead. */
		if (text && i + AHEAD < x->count)
			__builtin_prefetch(
				(const void *)(uintptr_t)m->leaves[x->first + i + AHEAD].bits);
		m->syms[x->first + i] = symbol_of(m, x, x->first + i, text);
		if (i == SAMPLE && x->syms_count > SAMPLE_NEW) {
			recur = false;
			break;
		}
	}
	clear_slots(m, x, text);
	if (x->syms_count > 1 && (x->count < SYMS_LEAST || x->syms_count > x->count / 2))
		recur = false;
	if (!recur)
		x->syms_count = 0;
	else if (!text)
		sort_entries(m, x);
	m->entries_count += x->syms_count;
}

static void type_symbols(struct col_map_make *m, struct col_map_make_path *x)
{
	for (uint32_t i = x->first; i < x->first + x->count; i++) {
		unsigned below = x->types & ((1u << m->leaves[i].type) - 1);

		m->syms[i] = (uint32_t)__builtin_popcount(below);
	}
	x->syms_count = (uint32_t)__builtin_popcount(x->types);
}

void col_map_make_retype(struct col_map_make *m, struct col_map_make_path *x)
{
	name_type(x);
	x->syms_count = 0;
	if (x->mixed)
		type_symbols(m, x);
}

int col_map_make_fill(struct col_map_make *m, const struct col_map_parse *p,
	const struct span *const *sources, int level)
{
	int rc = prepare(m, p->leaves_count);

	if (rc < 0)
		return rc;
	m->level = m->streams.level = level;
	m->parse = p;
	m->sources = sources;
	m->entries_count = m->loose_count = 0;
	sort_leaves(m);
	for (uint32_t i = 0; i < p->paths_count; i++) {
		struct col_map_make_path *x = &m->paths[i];

		if (x->count == 0)
			continue;
		classify(m, x);
		if (x->mixed)
			type_symbols(m, x);
		else if (col_map_has_values(x->type))
			symbolize(m, x);
	}
	return 0;
}

const struct col_map_leaf *col_map_make_find(
	const struct col_map_make *m, uint32_t path, uint32_t row, uint32_t *at)
{
	const struct col_map_make_path *x = &m->paths[path];
	const uint32_t *rows = m->rows + x->first;
	uint32_t lo = *at, step = 1, hi;

	if (lo > 0 && (lo >= x->count || rows[lo] > row))
		lo = 0;
	/* The rows that are asked for rise: the next one is near. */
	for (hi = lo; hi < x->count && rows[hi] < row; hi += step, step *= 2)
		lo = hi + 1;
	if (hi > x->count)
		hi = x->count;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (rows[mid] < row)
			lo = mid + 1;
		else
			hi = mid;
	}
	*at = lo;
	return lo < x->count && rows[lo] == row ? &m->leaves[x->first + lo] : NULL;
}
