/*
 * Which context makes a path's symbols cheapest: none, the row's key set (which often says it all:
 * the kind of an event), or another path (a file's hash says its name, a city its country).
 *
 * Paths of many distinct values are placed first, so that those which follow from them find them.
 * A candidate is tried on a sample, where each new pair of context and symbol counts as if it were
 * to be written; the best one then on all rows.
 */
#include "storage/col_map_make.h"

#include <stdlib.h>

#include "proto/base/check.h"

enum {
	SAMPLE = 512,
	/* Candidates of a path: the last ones placed, at level 0 and above. */
	TRIES_FAST = 8,
	TRIES_THOROUGH = 64,
	/* Symbols so cheap that nothing better is looked for. */
	CHEAP_BYTES = 64,
	/* A path that is a context has at most so many symbols. */
	PARENT_SYMS_MAX = 16384,
};

/* The contexts of the values at .. at + count - 1 of the path; their number. */
static uint32_t fill_contexts(struct col_map_make *m, const struct col_map_make_path *x,
	uint32_t context, uint32_t at, uint32_t count)
{
	const uint32_t *rows = m->rows + x->first + at;
	const struct col_map_make_path *parent;
	uint32_t k = 0;

	if (context == COL_MAP_CONTEXT_SET) {
		for (uint32_t i = 0; i < count; i++)
			m->contexts[i] = m->parse->row_sets[rows[i]];
		return m->parse->sets_count;
	}
	parent = &m->paths[context - COL_MAP_CONTEXT_PATH];
	col_map_make_find(m, context - COL_MAP_CONTEXT_PATH, rows[0], &k);
	for (uint32_t i = 0; i < count; i++) {
		while (k < parent->count && m->rows[parent->first + k] < rows[i])
			k++;
		if (k < parent->count && m->rows[parent->first + k] == rows[i])
			m->contexts[i] = 1 + m->syms[parent->first + k];
		else
			m->contexts[i] = 0;
	}
	return parent->syms_count + 1;
}

static struct col_sym_in symbols(struct col_map_make *m, const struct col_map_make_path *x,
	uint32_t context, uint32_t at, uint32_t count)
{
	struct col_sym_in in = { .syms = m->syms + x->first + at,
		.count = count,
		.syms_count = x->syms_count,
		.contexts_count = 1 };

	if (context != COL_MAP_CONTEXT_NONE) {
		in.contexts_count = fill_contexts(m, x, context, at, count);
		in.contexts = m->contexts;
	}
	return in;
}

struct col_sym_in col_map_make_symbols(struct col_map_make *m, const struct col_map_make_path *x)
{
	return symbols(m, x, x->context, 0, x->count);
}

static size_t cost_in(struct col_map_make *m, const struct col_map_make_path *x, uint32_t context,
	uint32_t at, uint32_t count)
{
	struct col_sym_in in = symbols(m, x, context, at, count);

	return col_sym_cost(&m->sym, &in);
}

/* Takes the context if it is cheaper than cost, which it lowers. */
static void try_all(
	struct col_map_make *m, struct col_map_make_path *x, uint32_t context, size_t *cost)
{
	size_t c = cost_in(m, x, context, 0, x->count);

	if (c >= *cost)
		return;
	*cost = c;
	x->context = context;
	x->chain = 0;
	if (context >= COL_MAP_CONTEXT_PATH)
		x->chain = (uint8_t)(m->paths[context - COL_MAP_CONTEXT_PATH].chain + 1);
}

static bool is_parent(
	const struct col_map_make *m, const struct col_map_make_path *x, uint32_t path)
{
	const struct col_map_make_path *p = &m->paths[path];
	uint32_t at = 0, mid = m->rows[x->first + x->count / 2];

	return p->syms_count > 1 && p->syms_count <= PARENT_SYMS_MAX &&
	       p->chain < COL_MAP_CHAIN_MAX && p->count >= x->count / 2 &&
	       col_map_make_find(m, path, mid, &at);
}

/* The most promising of the first placed paths of m->order, on a sample; 0: none. */
static uint32_t find_parent(
	struct col_map_make *m, const struct col_map_make_path *x, uint32_t placed)
{
	uint32_t count = x->count < SAMPLE ? x->count : SAMPLE, at = (x->count - count) / 2;
	uint32_t tries = m->level > 0 ? TRIES_THOROUGH : TRIES_FAST, best = 0;
	size_t least = cost_in(m, x, COL_MAP_CONTEXT_NONE, at, count);

	least -= least / 4;
	for (uint32_t i = placed; i-- > 0 && tries > 0;) {
		uint32_t path = m->order[i];
		size_t c;

		if (!is_parent(m, x, path))
			continue;
		tries--;
		c = cost_in(m, x, COL_MAP_CONTEXT_PATH + path, at, count);
		if (c < least) {
			least = c;
			best = COL_MAP_CONTEXT_PATH + path;
		}
	}
	return best;
}

/* What the values of integers cost without symbols, compared with the symbols' own entries. */
static bool plain_is_cheaper(struct col_map_make *m, const struct col_map_make_path *x, size_t cost)
{
	size_t plain;

	if (x->mixed || col_map_is_text(x->type))
		return cost == SIZE_MAX;
	if (x->syms_count == 1)
		return false;
	for (uint32_t i = 0; i < x->syms_count; i++)
		m->ints[i] = (int64_t)m->leaves[m->entries[x->entries + i]].bits;
	if (cost != SIZE_MAX)
		cost += col_stream_cost(&m->streams, m->ints, x->syms_count);
	for (uint32_t i = 0; i < x->count; i++)
		m->ints[i] = (int64_t)m->leaves[x->first + i].bits;
	plain = col_stream_cost(&m->streams, m->ints, x->count);
	return plain < cost;
}

/* The cheapest context, and what the symbols cost in it. */
static size_t choose_context(struct col_map_make *m, struct col_map_make_path *x, uint32_t placed)
{
	size_t cost = cost_in(m, x, COL_MAP_CONTEXT_NONE, 0, x->count);
	uint32_t parent;

	if (cost <= CHEAP_BYTES)
		return cost;
	try_all(m, x, COL_MAP_CONTEXT_SET, &cost);
	parent = cost > CHEAP_BYTES ? find_parent(m, x, placed) : 0;
	if (parent)
		try_all(m, x, parent, &cost);
	return cost;
}

static void no_context(struct col_map_make_path *x)
{
	x->context = COL_MAP_CONTEXT_NONE;
	x->chain = 0;
}

static void choose(struct col_map_make *m, struct col_map_make_path *x, uint32_t placed)
{
	size_t cost = choose_context(m, x, placed);
	bool text = !x->mixed && x->type == COL_MAP_STR;

	if (text && cost != SIZE_MAX && col_map_make_copy(m, x, cost)) {
		no_context(x);
		if (x->mixed)
			choose_context(m, x, placed);
		return;
	}
	if (plain_is_cheaper(m, x, cost)) {
		x->syms_count = 0;
		no_context(x);
	}
}

/* Texts that do not recur may be copies all the same. */
static void choose_plain(struct col_map_make *m)
{
	for (uint32_t i = 1; i < m->parse->paths_count; i++) {
		struct col_map_make_path *x = &m->paths[i];

		if (x->count > 0 && !x->mixed && x->type == COL_MAP_STR && x->syms_count == 0)
			col_map_make_copy(m, x, 0);
	}
}

static int by_symbols(const void *a, const void *b, void *paths)
{
	const struct col_map_make_path *x =
		(const struct col_map_make_path *)paths + *(const uint16_t *)a;
	const struct col_map_make_path *y =
		(const struct col_map_make_path *)paths + *(const uint16_t *)b;

	if (x->syms_count != y->syms_count)
		return x->syms_count > y->syms_count ? -1 : 1;
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

void col_map_make_choose(struct col_map_make *m)
{
	uint32_t n = 0;

	choose_plain(m);
	for (uint32_t i = 1; i < m->parse->paths_count; i++) {
		if (m->paths[i].syms_count > 0)
			m->order[n++] = (uint16_t)i;
	}
	qsort_r(m->order, n, sizeof *m->order, by_symbols, m->paths);
	for (uint32_t i = 0; i < n; i++)
		choose(m, &m->paths[m->order[i]], i);
}
