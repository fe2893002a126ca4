/*
 * Symbols of paths, group by group: decoded from the start of a group of rows, and remembered. A symbol
 * waits for the one before it, so those of several groups are decoded side by side where many rows of each
 * are asked for.
 */
#include "storage/col_map_read.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"

static bool has_symbols(const struct col_map_path *p)
{
	return p->count > 0 &&
	       (p->mixed || (p->parts_count > 0 && col_map_is_syms(p->parts[0].encoding)));
}

/* Values of the path in a group. */
static uint32_t count_in(const struct col_map *m, const struct col_map_path *p, uint32_t group)
{
	return col_map_rank_at(m, p, group + 1) - col_map_rank_at(m, p, group);
}

static int need_room(struct col_map *m, struct col_map_symbols *g, uint32_t all)
{
	if (!g->syms)
		g->syms = arena_alloc(m->mem, all * sizeof *g->syms);
	return g->syms ? 0 : -ENOMEM;
}

/* ---- one group ---- */

static int decode(struct col_map *m, uint32_t path, uint32_t count, unsigned depth);

/*
 * The first count contexts of a path: the sets of the rows that have it, or the symbols of the path
 * that is its context. Bits of stamps: 1 the set has the path, 2 it has the other.
 */
static int find_contexts(struct col_map *m, const struct col_map_path *p, uint32_t count,
	unsigned depth, uint32_t *out)
{
	const struct col_map_path *other = p->context >= COL_MAP_CONTEXT_PATH
						   ? &m->paths[p->context - COL_MAP_CONTEXT_PATH]
						   : NULL;
	uint32_t n = 0, others = 0, rows = col_map_group_rows(m, m->group);
	int rc;

	memset(m->stamps, 0, m->sets_count);
	for (uint32_t i = 0; i < p->sets_count; i++)
		m->stamps[m->path_sets[p->sets + i]] |= 1;
	for (uint32_t i = 0; other && i < other->sets_count; i++)
		m->stamps[m->path_sets[other->sets + i]] |= 2;
	for (uint32_t i = 0; i < rows && n < count; i++) {
		unsigned has = m->stamps[m->codes[i]];

		others += has >> 1;
		if (!(has & 1))
			continue;
		/* Of the other path for now the place of its symbol, 0: none. */
		out[n++] = other ? (has & 2 ? others : 0) : m->codes[i];
	}
	if (!other)
		return 0;
	rc = decode(m, p->context - COL_MAP_CONTEXT_PATH, others, depth + 1);
	for (uint32_t i = 0; i < n && rc == 0; i++)
		out[i] = out[i] ? 1 + other->group_syms[out[i] - 1] : 0;
	return rc;
}

/* The first count symbols of the path in the group loaded, or all of them. */
static int decode_more(struct col_map *m, struct col_map_path *p, uint32_t count, unsigned depth)
{
	uint32_t all = count_in(m, p, m->group);
	struct col_map_symbols *g = &p->groups[m->group];
	uint32_t *contexts = NULL;
	int rc = need_room(m, g, all);

	/* Asked again: all of the group. */
	if (g->have > 0)
		count = all;
	ASSERT(count <= all);
	ASSERT(all <= COL_MAP_GROUP);
	if (rc < 0)
		return rc;
	if (p->sym.contexts_count > 1) {
		contexts = col_map_contexts_at(m, depth);
		rc = contexts ? find_contexts(m, p, count, depth, contexts) : -ENOMEM;
	}
	if (rc == 0)
		rc = col_sym_get(&p->sym, m->group, contexts, count, g->syms);
	g->have = rc == 0 ? count : 0;
	return rc;
}

static int decode(struct col_map *m, uint32_t path, uint32_t count, unsigned depth)
{
	struct col_map_path *p = &m->paths[path];
	int rc;

	if (depth > COL_MAP_CHAIN_MAX || !has_symbols(p))
		return ERR_CORRUPT;
	rc = col_map_open_symbols(m, p);
	if (rc == 0 && p->groups[m->group].have < count)
		rc = decode_more(m, p, count, depth);
	if (rc == 0)
		p->group_syms = p->groups[m->group].syms;
	return rc;
}

int col_map_symbol_decode(struct col_map *m, uint32_t path, uint32_t count)
{
	return decode(m, path, count, 0);
}

/* ---- several groups ---- */

/* All symbols of the path in these groups, those apart that are there. */
static int decode_groups(
	struct col_map *m, struct col_map_path *p, const uint32_t *groups, uint32_t n)
{
	struct col_sym_group lanes[COL_SYM_LANES];
	uint32_t used = 0;
	int rc = col_map_open_symbols(m, p);

	for (uint32_t i = 0; i < n && rc == 0; i++) {
		struct col_map_symbols *g = &p->groups[groups[i]];
		uint32_t all = count_in(m, p, groups[i]);

		if (g->have == all)
			continue;
		rc = need_room(m, g, all);
		lanes[used++] = (struct col_sym_group){ groups[i], all, NULL, g->syms };
	}
	if (rc == 0 && used > 0)
		rc = col_sym_get_groups(&p->sym, lanes, used);
	for (uint32_t i = 0; i < used && rc == 0; i++)
		p->groups[lanes[i].group].have = lanes[i].count;
	return rc;
}

/* Some of the rows have the path, by the stamps of their sets. */
static bool is_wanted(const struct col_map *m, const struct col_map_path *p)
{
	bool wanted = false;

	for (uint32_t i = 0; i < p->sets_count && !wanted; i++)
		wanted = m->stamps[m->path_sets[p->sets + i]];
	return wanted;
}

/* Paths with symbols in no context that the stamps ask for. */
static int decode_wanted(struct col_map *m, const uint32_t *groups, uint32_t n)
{
	int rc = 0;

	for (uint32_t i = 0; i < m->paths_count && rc == 0; i++) {
		struct col_map_path *p = &m->paths[i];

		if (has_symbols(p) && p->context == COL_MAP_CONTEXT_NONE && is_wanted(m, p))
			rc = decode_groups(m, p, groups, n);
	}
	return rc;
}

/* Groups that are loaded, and not among the n, in the lanes that are free. */
static uint32_t add_loaded(const struct col_map *m, uint32_t *groups, uint32_t n)
{
	for (uint32_t g = 0; g < m->groups_count && n < COL_SYM_LANES; g++) {
		bool known = !m->groups[g].codes;

		for (uint32_t i = 0; i < n && !known; i++)
			known = groups[i] == g;
		if (!known)
			groups[n++] = g;
	}
	return n;
}

int col_map_symbol_load(struct col_map *m, const uint32_t *rows, size_t count)
{
	uint32_t groups[COL_SYM_LANES], n = 0;
	int rc = 0;

	memset(m->stamps, 0, m->sets_count);
	for (size_t i = 0; i < count && rc == 0;) {
		struct col_map_rows w = col_map_next_rows(rows + i, count - i);
		uint32_t group = w.base / COL_MAP_GROUP;

		i += w.count;
		if (w.count < COL_MAP_MANY)
			continue;
		for (uint32_t k = 0; k < w.count; k++)
			m->stamps[m->groups[group].codes[w.rows[k] - w.base]] = 1;
		groups[n++] = group;
		if (n < COL_SYM_LANES)
			continue;
		rc = decode_wanted(m, groups, n);
		memset(m->stamps, 0, m->sets_count);
		n = 0;
	}
	if (rc < 0 || n == 0)
		return rc;
	return decode_wanted(m, groups, n > 1 ? add_loaded(m, groups, n) : n);
}
