/* Values of one path in given rows: for filters, and for texts that repeat them. */
#include "storage/col_map.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_map_read.h"

enum { NUMBERS = 1u << COL_MAP_INT | 1u << COL_MAP_DECIMAL };

/*
 * Which of a group's rows have the path: their ranks in m->r.ranks, their places among the rows in
 * m->r.hits. Decodes their values into m->r.items behind those held; their number goes to *out_count.
 */
static int find_values(
	struct col_map *m, uint32_t path, const struct col_map_rows *w, uint32_t *out_count)
{
	const struct col_map_path *p = &m->paths[path];
	uint32_t row, first, rank = 0, n = 0;

	if (col_map_room_items(m, w->count) < 0 || col_map_room_rows(m, w->count) < 0)
		return -ENOMEM;
	first = m->items_held;
	row = col_map_seen_at(m, w->rows[0] - w->base);
	memset(m->stamps, 0, m->sets_count);
	for (uint32_t i = 0; i < p->sets_count; i++) {
		m->stamps[m->path_sets[p->sets + i]] = 1;
		rank += m->seen[m->path_sets[p->sets + i]];
	}
	for (uint32_t i = 0; i < w->count; i++) {
		for (; row < w->rows[i] - w->base; row++)
			rank += m->stamps[m->codes[row]];
		if (!m->stamps[m->codes[row]])
			continue;
		m->r.ranks[first + n] = rank;
		m->r.item_rows[first + n] = w->rows[i];
		m->r.hits[n++] = i;
	}
	*out_count = n;
	m->r.scratch.len = 0;
	return n ? col_map_fetch(m, path, first, n) : 0;
}

/* ---- cells ---- */

void col_map_set_cell(const struct col_map_item *x, struct buf *bytes, struct col_map_cell *out)
{
	*out = (struct col_map_cell){ .present = 1, .type = x->type };
	switch (x->type) {
	case COL_MAP_INT:
		out->i = x->i;
		break;
	case COL_MAP_DECIMAL:
		out->i = x->i;
		out->scale = x->scale;
		break;
	case COL_MAP_DOUBLE:
		memcpy(&out->f, &x->i, sizeof out->f);
		break;
	case COL_MAP_STR:
	case COL_MAP_OTHER:
		out->off = (uint32_t)bytes->len;
		out->bytes = (uint32_t)x->s.n;
		buf_put_span(bytes, x->s);
		break;
	default:
		break;
	}
}

double col_map_decimal(const struct col_map_cell *cell)
{
	ASSERT(cell->type == COL_MAP_DECIMAL);
	return col_map_double(cell->i, cell->scale);
}

static int get_cells(struct col_map *m, uint32_t path, const struct col_map_rows *w,
	struct buf *bytes, struct col_map_cell *out)
{
	uint32_t n = 0;
	int rc = col_map_load_group(m, w->base / COL_MAP_GROUP);

	if (rc == 0)
		rc = find_values(m, path, w, &n);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < w->count; i++) {
		bool whole = m->codes[w->rows[i] - w->base] == COL_MAP_SET_WHOLE;

		out[i] = (struct col_map_cell){ .present = whole ? COL_MAP_IN_WHOLE : 0 };
	}
	for (uint32_t i = 0; i < n; i++)
		col_map_set_cell(&m->r.items[m->items_held + i], bytes, &out[m->r.hits[i]]);
	return bytes->err;
}

int col_map_cells(struct col_map *m, uint32_t path, const uint32_t *rows, size_t count,
	struct buf *bytes, struct col_map_cell *out)
{
	int rc = 0;

	ASSERT(m->form == COL_MAP_APART);
	ASSERT(path > COL_MAP_PATH_WHOLE);
	ASSERT(path < m->paths_count);
	for (size_t i = 0; i < count && rc == 0;) {
		struct col_map_rows w = col_map_next_rows(rows + i, count - i);

		rc = get_cells(m, path, &w, bytes, out + i);
		i += w.count;
	}
	return rc;
}

/* ---- leaves of texts ---- */

void col_map_number_leaf(int64_t v, unsigned scale, struct col_text_leaf *out)
{
	if (v < 0)
		return;
	while (scale > 0 && v % 10 == 0) {
		v /= 10;
		scale--;
	}
	out->kind = scale ? COL_TEXT_LEAF_DECIMAL : COL_TEXT_LEAF_INT;
	out->scale = (uint8_t)scale;
	out->number = v;
}

static void no_leaves(struct col_text_leaf *out, size_t count)
{
	for (size_t i = 0; i < count; i++)
		out[i].kind = COL_TEXT_LEAF_NONE;
}

static void set_leaf(const struct col_map_item *x, bool stays, struct col_text_leaf *out)
{
	out->kind = COL_TEXT_LEAF_NONE;
	if (x->type == COL_MAP_INT || x->type == COL_MAP_DECIMAL) {
		col_map_number_leaf(x->i, x->type == COL_MAP_INT ? 0 : x->scale, out);
	} else if (x->type == COL_MAP_STR && stays) {
		out->kind = COL_TEXT_LEAF_WORD;
		out->word = x->s;
	}
}

static int get_leaves(
	struct col_map *m, uint32_t path, const struct col_map_rows *w, struct col_text_leaf *out)
{
	const struct col_map_path *p = &m->paths[path];
	bool stays = !p->mixed && p->parts_count && col_map_is_syms(p->parts[0].encoding);
	uint32_t n = 0;
	int rc;

	if (!stays && !(p->types & NUMBERS)) {
		no_leaves(out, w->count);
		return 0;
	}
	if (col_map_at_hand(m, path, w)) {
		for (uint32_t i = 0; i < w->count; i++)
			set_leaf(&m->r.items[m->r.places[i]], stays, &out[i]);
		return 0;
	}
	no_leaves(out, w->count);
	rc = col_map_load_group(m, w->base / COL_MAP_GROUP);
	if (rc == 0)
		rc = find_values(m, path, w, &n);
	for (uint32_t i = 0; i < n && rc == 0; i++)
		set_leaf(&m->r.items[m->items_held + i], stays, &out[m->r.hits[i]]);
	return rc;
}

int col_map_leaf(
	void *map, uint32_t leaf, const uint32_t *rows, size_t count, struct col_text_leaf *out)
{
	struct col_map *m = map;
	int rc = rows ? 0 : col_map_room_all(m);

	/* The number comes from another page. */
	if (m->form != COL_MAP_APART || leaf >= m->paths_count || count > m->rows_count)
		return ERR_CORRUPT;
	if (m->paths[leaf].count == 0)
		no_leaves(out, count);
	for (size_t i = 0; i < count && rc == 0 && m->paths[leaf].count > 0;) {
		struct col_map_rows w = rows ? col_map_next_rows(rows + i, count - i)
					     : col_map_all_rows(m, (uint32_t)i, count);

		rc = get_leaves(m, leaf, &w, out + i);
		i += w.count;
	}
	return rc;
}
