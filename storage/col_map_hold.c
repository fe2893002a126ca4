/*
 * Items that stay at hand: the values that maps were made of, for the texts of the same rows that repeat
 * some of them.
 */
#include "storage/col_map.h"

#include <errno.h>

#include "proto/base/check.h"
#include "storage/col_map_read.h"

void col_map_hold_none(struct col_map *m)
{
	m->items_held = 0;
	m->held_count = 0;
}

void col_map_let_go(struct col_map *m)
{
	col_map_hold_none(m);
	m->r = (struct col_map_rows_mem){ .rows_cap = 0 };
}

int col_map_hold(struct col_map *m, uint32_t count)
{
	struct col_map_held *h = &m->held[m->held_count];

	ASSERT(m->held_count < COL_MAP_GROUPS);
	ASSERT(m->items_held + count <= m->r.items_cap);
	if (!h->firsts)
		h->firsts = arena_alloc(m->mem, (m->paths_count + 1) * sizeof *h->firsts);
	if (!h->firsts)
		return -ENOMEM;
	for (uint32_t p = 0; p < m->paths_count; p++)
		h->firsts[p] = m->wants[p].first;
	m->items_held += count;
	h->firsts[m->paths_count] = m->items_held;
	h->group = m->group;
	m->held_count++;
	return 0;
}

static const struct col_map_held *find(const struct col_map *m, uint32_t group)
{
	for (uint32_t i = 0; i < m->held_count; i++) {
		if (m->held[i].group == group)
			return &m->held[i];
	}
	return NULL;
}

bool col_map_at_hand(struct col_map *m, uint32_t path, const struct col_map_rows *w)
{
	const struct col_map_held *h = find(m, w->base / COL_MAP_GROUP);
	uint32_t at, end;

	if (!h || w->count > m->r.rows_cap)
		return false;
	at = h->firsts[path];
	end = h->firsts[path + 1];
	for (uint32_t i = 0; i < w->count; i++, at++) {
		while (at < end && m->r.item_rows[at] < w->rows[i])
			at++;
		if (at == end || m->r.item_rows[at] != w->rows[i])
			return false;
		m->r.places[i] = at;
	}
	return true;
}
