/*
 * Which rows have something at some keys, as their sets of paths say: no value is looked at. Where the
 * event types of the rows say what their sets would, these are not read either.
 */
#include "storage/col_map.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_map_read.h"
#include "storage/match_kernel.h"

enum { OPEN = UINT8_MAX };

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

/*
 * What the event type of a row says: OPEN where its sets differ in the answer, or where a row cannot be
 * of that type.
 */
static void judge_types(const struct col_map *m, const uint8_t *of_set, uint8_t *of_type)
{
	const struct col_sym *s = &m->rows_sym;

	for (uint32_t type = 0; type < m->rows_contexts; type++) {
		uint32_t first = s->first ? s->first[type] : 0;
		uint32_t end = s->first ? s->first[type + 1] : 0;

		of_type[type] = first < end ? of_set[s->syms[first]] : OPEN;
		for (uint32_t i = first; i < end; i++) {
			if (of_set[s->syms[i]] != of_type[type])
				of_type[type] = OPEN;
		}
	}
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

struct question {
	const uint8_t *of_set;
	const uint8_t *of_type; /* NULL: types say nothing */
};

/* True: the types of the group's rows say it all. */
static int answer_by_types(
	struct col_map *m, uint32_t group, const struct question *q, uint8_t *has, bool *out_done)
{
	uint32_t rows = col_map_group_rows(m, group), most = 0;
	const uint16_t *types;
	int rc = col_map_types_of(m, group, &types);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < rows; i++)
		most = types[i] > most ? types[i] : most;
	if (most >= m->rows_contexts)
		return ERR_CORRUPT;
	match_kernel_map(types, rows, q->of_type, m->rows_contexts, has);
	*out_done = !memchr(has, OPEN, rows);
	return 0;
}

static int answer_group(struct col_map *m, uint32_t group, const struct question *q, uint8_t *has)
{
	uint32_t rows = col_map_group_rows(m, group);
	bool done = false;
	int rc = 0;

	if (q->of_type && !col_map_is_loaded(m, group))
		rc = answer_by_types(m, group, q, has, &done);
	if (rc == 0 && !done)
		rc = col_map_load_group(m, group);
	for (uint32_t i = 0; i < rows && rc == 0 && !done; i++)
		has[i] = q->of_set[m->codes[i]];
	return rc;
}

static int answer(struct col_map *m, const struct question *q, const uint8_t *match, uint8_t *has)
{
	int rc = 0;

	for (uint32_t g = 0; g < m->groups_count && rc == 0; g++) {
		uint32_t at = g * COL_MAP_GROUP, rows = col_map_group_rows(m, g);

		if (memchr(match + at, 1, rows))
			rc = answer_group(m, g, q, has + at);
		else
			memset(has + at, COL_MAP_HAS_NOT, rows);
	}
	return rc;
}

int col_map_has(struct col_map *m, const struct span *keys, uint32_t count, const uint8_t *match,
	uint8_t *has)
{
	struct question q;
	uint8_t *of_set, *of_type;

	ASSERT(count > 0);
	if (m->form == COL_MAP_WHOLE) {
		memset(has, COL_MAP_IN_WHOLE, m->rows_count);
		return 0;
	}
	of_set = arena_alloc(m->work, (size_t)m->sets_count + m->rows_contexts);
	if (!of_set)
		return -ENOMEM;
	of_type = of_set + m->sets_count;
	judge_sets(m, keys, count, of_set);
	if (!holds_anywhere(m, of_set)) {
		memset(has, COL_MAP_HAS_NOT, m->rows_count);
		return 0;
	}
	q = (struct question){ .of_set = of_set };
	if (m->rows_contexts > 1) {
		judge_types(m, of_set, of_type);
		q.of_type = of_type;
	}
	return answer(m, &q, match, has);
}
