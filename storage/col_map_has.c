/*
 * Which rows have something at some keys, as their sets of paths say: no value is looked at. What a row's
 * set leaves open, because a map stands in it that was not taken apart, is said to be open.
 */
#include "storage/col_map.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_map_read.h"

/* The path of that key inside of `outer`; 0: there is none. */
static uint32_t find_inner(const struct col_map *m, uint32_t outer, struct span key, bool is_map)
{
	for (uint32_t i = 1; i < m->paths_count; i++) {
		const struct col_map_path *p = &m->paths[i];

		if (p->outer == outer && p->is_map == is_map && span_eq(p->key, key))
			return i;
	}
	return 0;
}

static void mark_sets(const struct col_map *m, uint32_t path, uint8_t verdict, uint8_t *of_set)
{
	const struct col_map_path *p = &m->paths[path];

	for (uint32_t i = 0; i < p->sets_count; i++)
		of_set[m->path_sets[p->sets + i]] = verdict;
}

static bool is_inside(const struct col_map *m, uint32_t path, uint32_t map)
{
	while (path != 0 && path != map)
		path = m->paths[path].outer;
	return path == map;
}

/* Leaves inside of a map: a row that has one has the map. */
static void mark_map(const struct col_map *m, uint32_t map, uint8_t *of_set)
{
	for (uint32_t i = 1; i < m->paths_count; i++) {
		if (m->paths[i].count > 0 && is_inside(m, m->paths[i].outer, map))
			mark_sets(m, i, COL_MAP_HAS_MAP, of_set);
	}
}

static void judge_sets(
	const struct col_map *m, const struct span *keys, uint32_t count, uint8_t *of_set)
{
	uint32_t outer = 0, k = 0, leaf;

	memset(of_set, COL_MAP_HAS_NOT, m->sets_count);
	of_set[COL_MAP_SET_WHOLE] = COL_MAP_IN_WHOLE;
	for (; k + 1 < count; k++) {
		/* A value that is no map, or one that was not taken apart. */
		leaf = find_inner(m, outer, keys[k], false);
		if (leaf && m->paths[leaf].types & 1u << COL_MAP_OTHER)
			mark_sets(m, leaf, COL_MAP_IN_WHOLE, of_set);
		outer = find_inner(m, outer, keys[k], true);
		if (!outer)
			return;
	}
	leaf = find_inner(m, outer, keys[k], false);
	if (leaf)
		mark_sets(m, leaf, COL_MAP_HAS, of_set);
	outer = find_inner(m, outer, keys[k], true);
	if (outer)
		mark_map(m, outer, of_set);
}

/* Sets that no row is of are there, too: WHOLE always is. */
static bool holds_anywhere(const struct col_map *m, const uint8_t *of_set)
{
	const uint32_t *all = m->counts + (size_t)m->groups_count * m->sets_count;
	uint32_t rows = 0;

	for (uint32_t i = 0; i < m->sets_count; i++)
		rows += of_set[i] ? all[i] : 0;
	return rows > 0;
}

static int answer_group(struct col_map *m, uint32_t group, const uint8_t *of_set, uint8_t *match)
{
	uint32_t rows = col_map_group_rows(m, group);
	int rc;

	match += group * COL_MAP_GROUP;
	if (!memchr(match, 1, rows))
		return 0;
	rc = col_map_load_group(m, group);
	for (uint32_t i = 0; i < rows && rc == 0; i++)
		match[i] = match[i] ? of_set[m->codes[i]] : COL_MAP_HAS_NOT;
	return rc;
}

int col_map_has(struct col_map *m, const struct span *keys, uint32_t count, uint8_t *match)
{
	uint8_t *of_set;
	int rc = 0;

	ASSERT(count > 0);
	if (m->form == COL_MAP_WHOLE) {
		for (uint32_t i = 0; i < m->rows_count; i++)
			match[i] = match[i] ? COL_MAP_IN_WHOLE : COL_MAP_HAS_NOT;
		return 0;
	}
	of_set = arena_alloc(m->work, m->sets_count);
	if (!of_set)
		return -ENOMEM;
	judge_sets(m, keys, count, of_set);
	if (!holds_anywhere(m, of_set)) {
		memset(match, COL_MAP_HAS_NOT, m->rows_count);
		return 0;
	}
	for (uint32_t g = 0; g < m->groups_count && rc == 0; g++)
		rc = answer_group(m, g, of_set, match);
	return rc;
}
