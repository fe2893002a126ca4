/*
 * Maps of rows, group by group: which ranks of which paths the rows need, the values of each path in
 * one go, then the maps (col_map_front.c).
 */
#include "storage/col_map.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_map_read.h"

enum {
	/* From so many rows of a group on, ranks are counted row by row, and values wanted set by set. */
	DENSE = 128,
};

/* ---- which values ---- */

/* Values of the set's paths, which so many more rows need; how many that are. */
static uint32_t want_set(struct col_map *m, uint32_t code, uint32_t rows)
{
	const struct col_map_set *s = &m->sets[code];
	const uint16_t *members = m->members + s->first;
	struct col_map_want *wants = m->wants;

	for (uint32_t k = 0; k < s->count; k++)
		wants[members[k]].count += rows;
	return s->count * rows;
}

/* Of many rows those of each set are counted first. */
static uint32_t want_many(struct col_map *m, const struct col_map_rows *w)
{
	uint32_t n = 0;

	memset(m->seen, 0, m->sets_count * sizeof *m->seen);
	for (uint32_t i = 0; i < w->count; i++)
		m->seen[m->codes[w->rows[i] - w->base]]++;
	for (uint32_t s = 0; s < m->sets_count; s++) {
		if (m->seen[s] > 0)
			n += want_set(m, s, m->seen[s]);
	}
	return n;
}

/* How many values of each path; their number in all. */
static uint32_t count_wanted(struct col_map *m, const struct col_map_rows *w)
{
	uint32_t n = 0;

	memset(m->wants, 0, m->paths_count * sizeof *m->wants);
	if (w->count >= DENSE)
		return want_many(m, w);
	for (uint32_t i = 0; i < w->count; i++)
		n += want_set(m, m->codes[w->rows[i] - w->base], 1);
	return n;
}

static void place_wanted(struct col_map *m)
{
	struct col_map_want *x = m->wants, *end = x + m->paths_count;
	uint32_t at = m->items_held;

	for (; x < end; x++) {
		x->first = x->next = at;
		at += x->count;
	}
}

/* Few rows: the rank is the sum, over the sets that have the path, of their rows before. */
static void rank_by_set(struct col_map *m, const struct col_map_rows *w)
{
	uint32_t row = col_map_seen_at(m, w->rows[0] - w->base), *seen = m->seen;
	const uint16_t *codes = m->codes;

	for (uint32_t i = 0; i < w->count; i++) {
		uint32_t end = w->rows[i] - w->base;
		const struct col_map_set *s = &m->sets[codes[end]];

		if (end - row > COL_MAP_MARK)
			row = col_map_seen_at(m, end);
		for (; row < end; row++)
			seen[codes[row]]++;
		for (uint32_t k = 0; k < s->count; k++) {
			uint16_t path = m->members[s->first + k];
			const struct col_map_path *p = &m->paths[path];
			const uint16_t *sets = m->path_sets + p->sets;
			uint32_t rank = 0;

			for (uint32_t j = 0; j < p->sets_count; j++)
				rank += seen[sets[j]];
			m->r.item_rows[m->wants[path].next] = w->rows[i];
			m->r.ranks[m->wants[path].next++] = rank;
		}
	}
}

/* Paths that are wanted get a lane each, and each set the lanes of its own; how many. */
static uint32_t give_lanes(struct col_map *m)
{
	uint32_t lanes = 0;

	for (uint32_t p = 0; p < m->paths_count; p++) {
		const struct col_map_path *path = &m->paths[p];
		struct col_map_want *x = &m->wants[p];

		if (x->count == 0)
			continue;
		x->lane = lanes++;
		if (x->lane >= COL_MAP_LANES)
			continue;
		x->rank = col_map_rank_at(m, path, m->group);
		for (uint32_t i = 0; i < path->sets_count; i++) {
			uint32_t set = m->path_sets[path->sets + i];

			m->lanes[set * COL_MAP_LANE_WORDS + x->lane / COL_MAP_WORD_LANES]
				[x->lane % COL_MAP_WORD_LANES] = 1;
		}
	}
	return lanes;
}

static_assert(COL_MAP_GROUP <= UINT16_MAX, "a lane holds the rows of a group");

/* Many rows: all ranks are counted along, without a look at what each set has. */
static inline __attribute__((always_inline)) void rank_by_lane(
	struct col_map *m, const struct col_map_rows *w, const uint32_t words)
{
	const col_map_lanes *lanes = m->lanes;
	const uint16_t *codes = m->codes;
	col_map_lanes sums[COL_MAP_LANE_WORDS] = { { 0 } };
	uint16_t counts[COL_MAP_LANES];
	uint32_t row = 0;

	for (uint32_t i = 0; i < w->count; i++) {
		uint32_t end = w->rows[i] - w->base;
		const struct col_map_set *s = &m->sets[codes[end]];

		for (; row < end; row++) {
#pragma GCC unroll 2
			for (uint32_t k = 0; k < words; k++)
				sums[k] += lanes[codes[row] * COL_MAP_LANE_WORDS + k];
		}
		memcpy(counts, sums, words * sizeof sums[0]);
		for (uint32_t k = 0; k < s->count; k++) {
			struct col_map_want *x = &m->wants[m->members[s->first + k]];

			m->r.item_rows[x->next] = w->rows[i];
			m->r.ranks[x->next++] = x->rank + counts[x->lane];
		}
	}
}

/* The same of more paths than there are lanes: each path's rank is counted along. */
static void rank_by_row(struct col_map *m, const struct col_map_rows *w)
{
	uint32_t row = 0;

	for (uint32_t p = 0; p < m->paths_count; p++) {
		if (m->wants[p].count > 0)
			m->wants[p].rank = col_map_rank_at(m, &m->paths[p], m->group);
	}
	for (uint32_t i = 0; i < w->count; i++) {
		for (; row <= w->rows[i] - w->base; row++) {
			const struct col_map_set *s = &m->sets[m->codes[row]];
			bool wanted = row == w->rows[i] - w->base;

			for (uint32_t k = 0; k < s->count; k++) {
				struct col_map_want *x = &m->wants[m->members[s->first + k]];

				if (wanted) {
					m->r.item_rows[x->next] = w->rows[i];
					m->r.ranks[x->next++] = x->rank;
				}
				x->rank++;
			}
		}
	}
}

static void rank_many(struct col_map *m, const struct col_map_rows *w)
{
	uint32_t lanes;

	memset(m->lanes, 0, (size_t)m->sets_count * COL_MAP_LANE_WORDS * sizeof *m->lanes);
	lanes = give_lanes(m);
	if (lanes > COL_MAP_LANES)
		rank_by_row(m, w);
	else if (lanes > COL_MAP_WORD_LANES)
		rank_by_lane(m, w, COL_MAP_LANE_WORDS);
	else
		rank_by_lane(m, w, 1);
}

/* All values that the rows need, in m->r.items, where they are held from now on. */
static int fetch_wanted(struct col_map *m, const struct col_map_rows *w)
{
	uint32_t n = count_wanted(m, w);
	int rc = 0;

	if (col_map_room_items(m, n) < 0 || col_map_room_rows(m, w->count) < 0)
		return -ENOMEM;
	place_wanted(m);
	if (w->count < DENSE)
		rank_by_set(m, w);
	else
		rank_many(m, w);
	m->r.scratch.len = 0;
	for (uint32_t p = 0; p < m->paths_count && rc == 0; p++) {
		struct col_map_want *x = &m->wants[p];

		if (x->count == 0)
			continue;
		rc = col_map_fetch(m, p, x->first, x->count);
		x->next = x->first;
	}
	return rc == 0 ? col_map_hold(m, n) : rc;
}

/* ---- maps ---- */

/* Room for the items of all rows, whose groups are loaded, so that all of them can be held. */
static int room_for(struct col_map *m, const uint32_t *rows, size_t count)
{
	uint32_t n = 0;

	for (size_t i = 0; i < count; i++) {
		const uint16_t *codes = m->groups[rows[i] / COL_MAP_GROUP].codes;

		n += m->sets[codes[rows[i] % COL_MAP_GROUP]].count;
	}
	return col_map_room_items(m, n);
}

/* Appends the row's map, of the set `code`. */
typedef int put_fn(struct col_map *m, uint32_t code, struct buf *b);

static int get_group(struct col_map *m, const struct col_map_rows *w, put_fn *put,
	struct buf *bytes, struct col_text_value *out)
{
	int rc = col_map_load_group(m, w->base / COL_MAP_GROUP);

	if (rc == 0)
		rc = fetch_wanted(m, w);
	for (uint32_t i = 0; i < w->count && rc == 0; i++) {
		uint32_t code = m->codes[w->rows[i] - w->base];
		size_t start = bytes->len;

		out[i] = (struct col_text_value){ .off = (uint32_t)start };
		if (code == COL_MAP_SET_ABSENT)
			continue;
		rc = put(m, code, bytes);
		out[i].length = (uint32_t)(bytes->len - start) + 1;
	}
	return rc;
}

static int get(struct col_map *m, const uint32_t *rows, size_t count, put_fn *put,
	struct buf *bytes, struct col_text_value *out)
{
	int rc;

	ASSERT(count == 0 || rows[count - 1] < m->rows_count);
	col_map_hold_none(m);
	rc = col_map_load_groups(m, rows, count);
	if (rc == 0)
		rc = col_map_symbol_load(m, rows, count);
	if (rc == 0)
		rc = room_for(m, rows, count);
	for (size_t i = 0; i < count && rc == 0;) {
		struct col_map_rows w = col_map_next_rows(rows + i, count - i);

		rc = get_group(m, &w, put, bytes, out + i);
		i += w.count;
	}
	return rc;
}

int col_map_get(struct col_map *m, const uint32_t *rows, size_t count, struct buf *bytes,
	struct col_text_value *out)
{
	if (m->form == COL_MAP_WHOLE)
		return col_text_get(&m->whole, rows, count, bytes, out);
	return get(m, rows, count, col_map_front_pack, bytes, out);
}

int col_map_get_json(struct col_map *m, const uint32_t *rows, size_t count, struct buf *bytes,
	struct col_text_value *out)
{
	if (m->form == COL_MAP_WHOLE)
		return COL_MAP_JSON_NOT;
	return get(m, rows, count, col_map_front_json, bytes, out);
}

int col_map_all(struct col_map *m, uint32_t *lengths, struct buf *bytes)
{
	struct col_text_value *values;
	int rc = 0;

	if (m->form == COL_MAP_WHOLE)
		return col_text_all(&m->whole, lengths, bytes);
	values = arena_alloc(m->work, COL_MAP_GROUP * sizeof *values);
	if (!values || col_map_room_all(m) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->rows_count && rc == 0;) {
		struct col_map_rows w = col_map_all_rows(m, i, m->rows_count);

		col_map_hold_none(m);
		rc = get_group(m, &w, col_map_front_pack, bytes, values);
		for (uint32_t k = 0; k < w.count && rc == 0; k++)
			lengths[i + k] = values[k].length;
		i += w.count;
	}
	return rc;
}
