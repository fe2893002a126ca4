/*
 * Groups of rows loaded, and values of one path. A column's parts are opened when they are asked for
 * first.
 */
#include "storage/col_map_read.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"

enum {
	ROOM_MIN = 64,
	TEXTS_MIN = 16 << 10,
	/* What is kept is a few short entries. */
	KEEP_MIN = 1 << 10,
};

/* An array in memory of hand; what it held is lost. */
struct room {
	void **p;
	size_t size;
};

/* Room for count in all of them, or for none. */
static int make_room(
	struct col_map *m, const struct room *rooms, size_t n, uint32_t *cap, uint32_t count)
{
	uint32_t want = *cap ? *cap : ROOM_MIN;

	if (*cap >= count && *cap > 0)
		return 0;
	while (want < count)
		want *= 2;
	*cap = 0;
	for (size_t i = 0; i < n; i++) {
		*rooms[i].p = arena_alloc(m->hand, want * rooms[i].size);
		if (!*rooms[i].p)
			return -ENOMEM;
	}
	*cap = want;
	return 0;
}

int col_map_room_items(struct col_map *m, uint32_t count)
{
	const struct room rooms[] = {
		{ (void **)&m->r.items, sizeof *m->r.items },
		{ (void **)&m->r.ranks, sizeof *m->r.ranks },
		{ (void **)&m->r.item_rows, sizeof *m->r.item_rows },
	};

	uint32_t all = m->items_held + count;

	if (m->r.items_cap < all)
		col_map_hold_none(m);
	return make_room(m, rooms, ARRAY_COUNT(rooms), &m->r.items_cap, all);
}

int col_map_room_rows(struct col_map *m, uint32_t count)
{
	const struct room rooms[] = {
		{ (void **)&m->r.hits, sizeof *m->r.hits },
		{ (void **)&m->r.places, sizeof *m->r.places },
		{ (void **)&m->r.idx, sizeof *m->r.idx },
		{ (void **)&m->r.ints, sizeof *m->r.ints },
		{ (void **)&m->r.texts, sizeof *m->r.texts },
	};

	return make_room(m, rooms, ARRAY_COUNT(rooms), &m->r.rows_cap, count);
}

uint32_t *col_map_contexts_at(struct col_map *m, unsigned depth)
{
	ASSERT(depth < ARRAY_COUNT(m->r.contexts));
	if (!m->r.contexts[depth])
		m->r.contexts[depth] =
			arena_alloc(m->hand, COL_MAP_GROUP * sizeof *m->r.contexts[depth]);
	return m->r.contexts[depth];
}

uint32_t col_map_rank_at(const struct col_map *m, const struct col_map_path *p, uint32_t group)
{
	const uint32_t *counts = m->counts + group * m->sets_count;
	const uint16_t *sets = m->path_sets + p->sets;
	uint32_t rank = 0;

	for (uint32_t i = 0; i < p->sets_count; i++)
		rank += counts[sets[i]];
	return rank;
}

/* ---- groups ---- */

static void widen(const uint16_t *from, uint32_t n, uint32_t *restrict to)
{
	for (uint32_t i = 0; i < n; i++)
		to[i] = from[i];
}

/* Event types of rows first .. first + rows - 1 of a group, from their column where there is one. */
static int read_types(struct col_map *m, uint32_t first, uint32_t rows, uint32_t *out)
{
	const struct col_text_env *env = m->env;
	const uint16_t *column;
	uint32_t *places;
	int rc = 1;

	if (env->key_column)
		rc = env->key_column(env->ctx, COL_TEXT_KEY_EVENT_TYPE, first, &column);
	if (rc == 0)
		widen(column, rows, out);
	if (rc <= 0)
		return rc;
	places = col_map_contexts_at(m, 0);
	if (!places)
		return -ENOMEM;
	for (uint32_t i = 0; i < rows; i++)
		places[i] = first + i;
	return env->key(env->ctx, COL_TEXT_KEY_EVENT_TYPE, places, rows, out);
}

/* The event types of a group's rows, until the next question; NULL: the page needs none. */
static int ask_types(struct col_map *m, uint32_t group, const uint32_t **out)
{
	uint32_t rows = col_map_group_rows(m, group), *to;

	*out = NULL;
	if (m->rows_contexts == 1)
		return 0;
	if (!m->env || !m->env->key)
		return ERR_CORRUPT;
	to = arena_alloc(m->work, rows * sizeof *to);
	*out = to;
	return to ? read_types(m, group * COL_MAP_GROUP, rows, to) : -ENOMEM;
}

int col_map_ready(struct col_map *m)
{
	const struct {
		void **p;
		uint32_t count;
		size_t size;
	} all[] = {
		{ (void **)&m->wants, m->paths_count, sizeof *m->wants },
		{ (void **)&m->seen, m->sets_count, sizeof *m->seen },
		{ (void **)&m->stamps, m->sets_count, sizeof *m->stamps },
		{ (void **)&m->lanes, m->sets_count, COL_MAP_LANE_WORDS * sizeof *m->lanes },
		{ (void **)&m->groups, m->groups_count, sizeof *m->groups },
	};

	if (m->form != COL_MAP_APART || m->is_ready)
		return 0;
	for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
		*all[i].p = arena_calloc(m->mem, all[i].count, all[i].size);
		if (!*all[i].p)
			return -ENOMEM;
	}
	m->is_ready = true;
	return 0;
}

struct col_map_rows col_map_next_rows(const uint32_t *rows, size_t count)
{
	struct col_map_rows w = { .rows = rows, .base = rows[0] / COL_MAP_GROUP * COL_MAP_GROUP };

	while (w.count < count && rows[w.count] < w.base + COL_MAP_GROUP) {
		ASSERT_SLOW(w.count == 0 || rows[w.count] > rows[w.count - 1]);
		w.count++;
	}
	return w;
}

int col_map_room_all(struct col_map *m)
{
	if (!m->r.all)
		m->r.all = arena_alloc(m->hand, COL_MAP_GROUP * sizeof *m->r.all);
	return m->r.all ? 0 : -ENOMEM;
}

struct col_map_rows col_map_all_rows(struct col_map *m, uint32_t first, size_t end)
{
	size_t n = end - first;

	ASSERT(m->r.all);
	if (n > COL_MAP_GROUP - first % COL_MAP_GROUP)
		n = COL_MAP_GROUP - first % COL_MAP_GROUP;
	for (uint32_t i = 0; i < n; i++)
		m->r.all[i] = first + i;
	return (struct col_map_rows){ m->r.all, (uint32_t)n,
		first / COL_MAP_GROUP * COL_MAP_GROUP };
}

/* Rows of each set before the group's next COL_MAP_MARK rows. */
static void set_mark(const struct col_map *m, const struct col_map_loaded *l, uint32_t row)
{
	uint16_t *mark = l->marks + row / COL_MAP_MARK * m->sets_count;

	for (uint32_t s = 0; s < m->sets_count; s++)
		mark[s] = (uint16_t)m->seen[s];
}

/*
 * Sets the marks. The sets have to be as many as the counts say: then every rank is below its column's
 * end.
 */
static int count_codes(struct col_map *m, uint32_t group, const struct col_map_loaded *l)
{
	const uint32_t *at = m->counts + group * m->sets_count, *next = at + m->sets_count;
	uint32_t rows = col_map_group_rows(m, group), *seen = m->seen;
	bool same = true;

	memset(seen, 0, m->sets_count * sizeof *seen);
	for (uint32_t row = 0; row < rows; row += COL_MAP_MARK) {
		uint32_t n = rows - row < COL_MAP_MARK ? rows - row : COL_MAP_MARK;
		const uint16_t *codes = l->codes + row;

		if (l->marks)
			set_mark(m, l, row);
#pragma GCC unroll 4
		for (uint32_t i = 0; i < n; i++)
			seen[codes[i]]++;
	}
	for (uint32_t s = 0; s < m->sets_count; s++)
		same &= seen[s] == next[s] - at[s];
	return same ? 0 : ERR_CORRUPT;
}

/* Memory for a group's codes, and the contexts from which they are read. */
static int prepare_group(
	struct col_map *m, uint32_t group, struct col_map_loaded *l, struct col_sym_group *out)
{
	uint32_t rows = col_map_group_rows(m, group);
	const uint32_t *types;
	int rc = ask_types(m, group, &types);

	if (rc < 0)
		return rc;
	*l = (struct col_map_loaded){ .codes = arena_alloc(m->mem, rows * sizeof *l->codes) };
	if (m->sets_count <= COL_MAP_MARK_SETS)
		l->marks = arena_alloc(
			m->mem, (size_t)COL_MAP_MARKS * m->sets_count * sizeof *l->marks);
	if (!l->codes || (!l->marks && m->sets_count <= COL_MAP_MARK_SETS))
		return -ENOMEM;
	*out = (struct col_sym_group){ group, rows, types, l->codes };
	return 0;
}

/* COL_SYM_LANES groups at most, none of which is loaded. */
static int decode_groups(struct col_map *m, const uint32_t *groups, uint32_t n)
{
	struct col_map_loaded loaded[COL_SYM_LANES];
	struct col_sym_group lanes[COL_SYM_LANES] = { { .out = NULL } };
	int rc = 0;

	ASSERT(n > 0);
	ASSERT(n <= COL_SYM_LANES);
	for (uint32_t i = 0; i < n && rc == 0; i++)
		rc = prepare_group(m, groups[i], &loaded[i], &lanes[i]);
	if (rc == 0)
		rc = col_sym_get_groups(&m->rows_sym, lanes, n);
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		rc = count_codes(m, groups[i], &loaded[i]);
		if (rc == 0)
			m->groups[groups[i]] = loaded[i];
	}
	return rc;
}

/* Lanes that are free decode further groups, those behind the last one first. */
static uint32_t add_ahead(const struct col_map *m, uint32_t *groups, uint32_t n)
{
	for (uint32_t g = groups[n - 1] + 1; g < m->groups_count && n < COL_SYM_LANES; g++) {
		if (!m->groups[g].codes)
			groups[n++] = g;
	}
	for (uint32_t g = groups[0]; g > 0 && n < COL_SYM_LANES; g--) {
		if (!m->groups[g - 1].codes)
			groups[n++] = g - 1;
	}
	return n;
}

int col_map_load_groups(struct col_map *m, const uint32_t *rows, size_t count)
{
	uint32_t groups[COL_SYM_LANES], n = 0;
	int rc = col_map_ready(m);

	for (size_t i = 0; i < count && rc == 0; i++) {
		uint32_t group = rows[i] / COL_MAP_GROUP;

		ASSERT(group < m->groups_count);
		if (m->groups[group].codes || (n > 0 && groups[n - 1] == group))
			continue;
		groups[n++] = group;
		if (n < COL_SYM_LANES)
			continue;
		rc = decode_groups(m, groups, n);
		n = 0;
	}
	if (rc < 0 || n == 0)
		return rc;
	/* Many rows of several: the others are likely to be next. */
	if (n > 1 && count / n >= COL_MAP_MANY)
		n = add_ahead(m, groups, n);
	return decode_groups(m, groups, n);
}

int col_map_load_group(struct col_map *m, uint32_t group)
{
	int rc;

	ASSERT(group < m->groups_count);
	if (m->group == group && m->codes)
		return 0;
	rc = col_map_ready(m);
	if (rc < 0)
		return rc;
	if (!m->groups[group].codes) {
		rc = decode_groups(m, &group, 1);
		if (rc < 0)
			return rc;
	}
	m->group = group;
	m->codes = m->groups[group].codes;
	return 0;
}

bool col_map_is_loaded(const struct col_map *m, uint32_t group)
{
	return m->is_ready && m->groups[group].codes;
}

static_assert((int)COL_MAP_GROUP == (int)COL_TEXT_KEY_ROWS, "a group's keys are asked for at once");

int col_map_types_of(struct col_map *m, uint32_t group, const uint16_t **out)
{
	const struct col_text_env *env = m->env;
	uint32_t rows = col_map_group_rows(m, group);
	const uint32_t *wide;
	uint16_t *to;
	int rc = 1;

	ASSERT(m->rows_contexts > 1);
	if (env && env->key_column)
		rc = env->key_column(env->ctx, COL_TEXT_KEY_EVENT_TYPE, group * COL_MAP_GROUP, out);
	if (rc <= 0)
		return rc;
	rc = ask_types(m, group, &wide);
	to = arena_alloc(m->work, rows * sizeof *to);
	if (!to)
		return -ENOMEM;
	for (uint32_t i = 0; i < rows && rc == 0; i++)
		to[i] = (uint16_t)(wide[i] < UINT16_MAX ? wide[i] : UINT16_MAX);
	*out = to;
	return rc;
}

uint32_t col_map_seen_at(struct col_map *m, uint32_t row)
{
	const uint32_t *before = m->counts + m->group * m->sets_count;
	const uint16_t *marks = m->groups[m->group].marks;

	if (!marks) {
		memcpy(m->seen, before, m->sets_count * sizeof *m->seen);
		return 0;
	}
	marks += row / COL_MAP_MARK * m->sets_count;
	for (uint32_t s = 0; s < m->sets_count; s++)
		m->seen[s] = before[s] + marks[s];
	return row - row % COL_MAP_MARK;
}

/* ---- texts ---- */

/* A buffer in an arena that never grows: what stands in an older one stays where it is. */
static int new_texts(struct col_map *m, struct buf *b, size_t bytes)
{
	uint8_t *p = arena_alloc(b == &m->keep ? m->mem : m->hand, bytes);

	if (!p)
		return -ENOMEM;
	*b = (struct buf){ .p = p, .cap = bytes, .max = bytes };
	return 0;
}

/* The texts at count rows of a page, appended to b, which is replaced where it is too small. */
static int get_texts(struct col_map *m, struct col_text *t, const uint32_t *rows, uint32_t count,
	struct buf *b, struct span *out)
{
	size_t least = b == &m->keep ? KEEP_MIN : TEXTS_MIN;
	size_t bytes = b->cap > least ? b->cap : least;
	const struct room values = { (void **)&m->r.values, sizeof *m->r.values };
	int rc = b->p ? 0 : new_texts(m, b, bytes);

	if (rc < 0 || make_room(m, &values, 1, &m->r.values_cap, count) < 0)
		return -ENOMEM;
	while ((rc = col_text_get(t, rows, count, b, m->r.values)) == ERR_LIMIT) {
		/* An empty one of this size holds all texts of the page. */
		if (bytes > (size_t)t->raw_bytes * 2 + TEXTS_MIN && b->cap < bytes)
			return ERR_CORRUPT;
		if (new_texts(m, b, bytes) < 0)
			return -ENOMEM;
		bytes *= 2;
	}
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		/* Nothing is absent in a column. */
		if (m->r.values[i].length == 0)
			return ERR_CORRUPT;
		out[i] = span_of(b->p + m->r.values[i].off, m->r.values[i].length - 1);
	}
	return rc;
}

int col_map_open_loose(struct col_map *m)
{
	int rc;

	if (m->loose_is_open)
		return 0;
	if (m->loose_count == 0)
		return ERR_CORRUPT;
	rc = col_text_open(&m->loose, m->loose_page, m->loose_count, &m->texts_env, m->mem);
	m->loose_is_open = rc == 0;
	return rc;
}

/* ---- parts ---- */

/* The entries of a dictionary: count texts of a page, from place on. */
static int take_entries(
	struct col_map *m, struct col_map_part *x, struct col_text *t, uint32_t place)
{
	uint32_t n = x->entries_count;
	uint32_t *rows = arena_alloc(m->work, n * sizeof *rows);

	x->texts = arena_alloc(m->mem, n * sizeof *x->texts);
	if (!rows || !x->texts)
		return -ENOMEM;
	if (place > t->rows_count || n > t->rows_count - place)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < n; i++)
		rows[i] = place + i;
	return get_texts(m, t, rows, n, &m->keep, x->texts);
}

static int open_entries(struct rcur *c, struct col_map *m, struct col_map_part *x)
{
	struct span page;
	int rc;

	if (!col_map_is_text(x->type)) {
		x->ints = arena_alloc(m->mem, x->entries_count * sizeof *x->ints);
		if (!x->ints)
			return -ENOMEM;
		rc = col_stream_open(c, x->entries_count, m->mem, &x->stream);
		return rc == 0 ? col_stream_get(&x->stream, 0, x->entries_count, x->ints) : rc;
	}
	if (x->encoding == COL_MAP_SYMS) {
		rc = col_map_open_loose(m);
		return rc == 0 ? take_entries(m, x, &m->loose, x->place) : rc;
	}
	page = rcur_bytes(c, x->text_bytes);
	if (c->err)
		return ERR_CORRUPT;
	rc = col_text_open(&x->text, page, x->entries_count, &m->texts_env, m->mem);
	return rc == 0 ? take_entries(m, x, &x->text, 0) : rc;
}

static uint32_t contexts_of(const struct col_map *m, uint32_t context)
{
	const struct col_map_path *p;

	if (context == COL_MAP_CONTEXT_NONE)
		return 1;
	if (context == COL_MAP_CONTEXT_SET)
		return m->sets_count;
	p = &m->paths[context - COL_MAP_CONTEXT_PATH];
	return p->mixed         ? (uint32_t)__builtin_popcount(p->types) + 1
	       : p->parts_count ? p->parts[0].entries_count + 1
				: 0;
}

int col_map_open_symbols(struct col_map *m, struct col_map_path *p)
{
	struct span s = p->mixed ? p->symbols : p->parts[0].section;
	struct rcur c = rcur_of(s.p, s.n);
	uint32_t contexts = contexts_of(m, p->context);
	uint32_t syms = (uint32_t)__builtin_popcount(p->types);
	int rc = 0;

	if (p->is_open)
		return 0;
	if (contexts == 0)
		return ERR_CORRUPT;
	if (!p->mixed) {
		syms = p->parts[0].entries_count;
		rc = open_entries(&c, m, &p->parts[0]);
	}
	if (rc == 0)
		rc = col_sym_open(&c, syms, contexts, m->groups_count, m->mem, &p->sym);
	if (rc == 0 && rcur_left(&c))
		rc = ERR_CORRUPT;
	p->groups = arena_calloc(m->mem, m->groups_count, sizeof *p->groups);
	if (rc == 0 && !p->groups)
		rc = -ENOMEM;
	p->is_open = rc == 0;
	return rc;
}

/* Values of this type in the groups before, of a path of several. */
static int open_firsts(struct rcur *c, struct col_map *m, struct col_map_part *x, uint32_t *out)
{
	struct col_stream s;
	int64_t sum = 0;
	int rc = col_stream_open(c, m->groups_count, m->mem, &s);

	x->firsts = arena_calloc(m->mem, m->groups_count + 1, sizeof *x->firsts);
	if (!x->firsts)
		return -ENOMEM;
	if (rc == 0)
		rc = col_stream_get(&s, 0, m->groups_count, x->firsts);
	for (uint32_t g = 0; g <= m->groups_count && rc == 0; g++) {
		int64_t n = g < m->groups_count ? x->firsts[g] : 0;

		if (n < 0 || n > COL_MAP_GROUP)
			rc = ERR_CORRUPT;
		x->firsts[g] = sum;
		sum += n;
	}
	*out = (uint32_t)sum;
	return rc;
}

/* A part that is no dictionary, of count values. */
static int open_part(struct col_map *m, struct col_map_path *p, struct col_map_part *x)
{
	struct rcur c = rcur_of(x->section.p, x->section.n);
	uint32_t count = p->count;
	int rc = 0;

	if (x->is_open)
		return 0;
	if (p->mixed)
		rc = open_firsts(&c, m, x, &count);
	/* The descriptor says that there are some. */
	if (rc == 0 && (count == 0 || count > LIMIT_BLOCK_ROWS))
		rc = ERR_CORRUPT;
	x->entries_count = count;
	if (rc < 0)
		return rc;
	if (x->encoding == COL_MAP_STREAM)
		rc = col_stream_open(&c, count, m->mem, &x->stream);
	else if (x->encoding == COL_MAP_TEXT)
		rc = col_text_open(
			&x->text, span_of(c.p, rcur_left(&c)), count, &m->texts_env, m->mem);
	else
		rc = col_map_open_loose(m);
	if (rc == 0 && x->encoding == COL_MAP_LOOSE &&
		(x->place > m->loose_count || count > m->loose_count - x->place))
		rc = ERR_CORRUPT;
	x->is_open = rc == 0;
	return rc;
}

/* ---- entries ---- */

uint32_t col_map_entries(const struct col_map *m, uint32_t path)
{
	const struct col_map_path *p = &m->paths[path];

	ASSERT(path < m->paths_count);
	return !p->mixed && p->parts_count > 0 && col_map_is_syms(p->parts[0].encoding)
		       ? p->parts[0].entries_count
		       : 0;
}

int col_map_entry_cells(
	struct col_map *m, uint32_t path, struct buf *bytes, struct col_map_cell *out)
{
	struct col_map_path *p = &m->paths[path];
	const struct col_map_part *x = &p->parts[0];
	int rc = col_map_open_symbols(m, p);

	ASSERT(col_map_entries(m, path) > 0);
	for (uint32_t i = 0; i < x->entries_count && rc == 0; i++) {
		struct col_map_item item = { .type = x->type, .scale = x->scale };

		if (x->texts)
			item.s = x->texts[i];
		else
			item.i = x->ints[i];
		col_map_set_cell(&item, bytes, &out[i]);
		rc = bytes->err;
	}
	return rc;
}

/* Values of the path in a group; ERR_CORRUPT: not as many as its rows that have it. */
static int check_count(
	const struct col_map *m, const struct col_map_path *p, uint32_t group, uint32_t count)
{
	uint32_t have = col_map_rank_at(m, p, group + 1) - col_map_rank_at(m, p, group);

	ASSERT(group < m->groups_count);
	return have == count ? 0 : ERR_CORRUPT;
}

int col_map_entry_rows(
	struct col_map *m, uint32_t path, uint32_t group, uint32_t count, const uint16_t **out)
{
	struct col_map_path *p = &m->paths[path];
	int rc = col_map_open_symbols(m, p);

	ASSERT(col_map_entries(m, path) > 0);
	if (rc == 0 && p->sym.contexts_count > 1)
		rc = col_map_load_group(m, group);
	if (rc == 0)
		rc = col_map_ready(m);
	if (rc < 0)
		return rc;
	if (m->group != group) {
		m->group = group;
		m->codes = m->groups[group].codes;
	}
	rc = check_count(m, p, group, count);
	if (rc == 0 && count > 0)
		rc = col_map_symbol_decode(m, path, count);
	*out = p->group_syms;
	return rc;
}

bool col_map_numbers(const struct col_map *m, uint32_t path, struct col_map_cell *out)
{
	const struct col_map_path *p = &m->paths[path];
	const struct col_map_part *x = p->parts;

	ASSERT(path < m->paths_count);
	if (p->mixed || p->parts_count != 1 || x->encoding != COL_MAP_STREAM)
		return false;
	*out = (struct col_map_cell){ .present = COL_MAP_HAS, .type = x->type, .scale = x->scale };
	return true;
}

int col_map_number_rows(
	struct col_map *m, uint32_t path, uint32_t group, uint32_t count, int64_t *out)
{
	struct col_map_path *p = &m->paths[path];
	struct col_map_part *x = &p->parts[0];
	int rc = check_count(m, p, group, count);

	if (rc == 0)
		rc = open_part(m, p, x);
	if (rc == 0 && count > 0)
		rc = col_stream_get(&x->stream, col_map_rank_at(m, p, group), count, out);
	return rc == ERR_TRUNCATED ? ERR_CORRUPT : rc;
}

/* ---- values ---- */

/* The values at m->r.places of a part; the i-th goes to out[m->r.idx[i]]. */
static int fetch_part(struct col_map *m, struct col_map_path *p, struct col_map_part *x,
	uint32_t count, struct col_map_item *out)
{
	int rc = open_part(m, p, x);

	for (uint32_t i = 0; i < count && rc == 0; i++)
		rc = m->r.places[i] < x->entries_count ? 0 : ERR_CORRUPT;
	if (rc < 0 || count == 0)
		return rc;
	if (x->encoding == COL_MAP_STREAM) {
		rc = col_stream_pick(&x->stream, m->r.places, count, m->r.ints);
		for (uint32_t i = 0; i < count && rc == 0; i++) {
			out[m->r.idx[i]].i = m->r.ints[i];
			out[m->r.idx[i]].scale = x->scale;
		}
		return rc;
	}
	for (uint32_t i = 0; x->encoding == COL_MAP_LOOSE && i < count; i++)
		m->r.places[i] += x->place;
	rc = get_texts(m, x->encoding == COL_MAP_LOOSE ? &m->loose : &x->text, m->r.places, count,
		&m->r.scratch, m->r.texts);
	for (uint32_t i = 0; i < count && rc == 0; i++)
		out[m->r.idx[i]].s = m->r.texts[i];
	return rc;
}

/* Of a path whose values are symbols. */
static void fetch_entries(const struct col_map_path *p, uint32_t base, const uint32_t *ranks,
	uint32_t count, struct col_map_item *out)
{
	const struct col_map_part *x = &p->parts[0];

	for (uint32_t i = 0; i < count; i++) {
		uint32_t sym = p->group_syms[ranks[i] - base];

		out[i].type = x->type;
		out[i].scale = x->scale;
		if (x->texts)
			out[i].s = x->texts[sym];
		else
			out[i].i = x->ints[sym];
	}
}

/* The types, from the symbols of the group's values from its first on. */
static int type_items(const struct col_map_path *p, uint32_t base, const uint32_t *ranks,
	uint32_t count, struct col_map_item *out)
{
	uint8_t types[COL_MAP_TYPES_ALL], n = 0;

	for (uint8_t t = 0; t < COL_MAP_TYPES_ALL; t++) {
		if (p->types & 1u << t)
			types[n++] = t;
	}
	for (uint32_t i = 0; i < count; i++)
		out[i].type = types[p->group_syms[ranks[i] - base]];
	return 0;
}

/* Which of the values of one type in the group the items are, from its first one on: to m->r.places. */
static uint32_t find_places(struct col_map *m, const struct col_map_path *p,
	const struct col_map_part *x, uint32_t base, const uint32_t *ranks, uint32_t count)
{
	uint32_t sym = (uint32_t)__builtin_popcount(p->types & ((1u << x->type) - 1)), n = 0;
	uint32_t place = (uint32_t)x->firsts[m->group], at = 0;

	for (uint32_t i = 0; i < count; i++) {
		for (; at < ranks[i] - base; at++)
			place += p->group_syms[at] == sym;
		if (p->group_syms[at] != sym)
			continue;
		m->r.places[n] = place;
		m->r.idx[n++] = i;
	}
	return n;
}

static int fetch_mixed(struct col_map *m, struct col_map_path *p, uint32_t base,
	const uint32_t *ranks, uint32_t count, struct col_map_item *out)
{
	int rc = type_items(p, base, ranks, count, out);

	for (unsigned k = 0; k < p->parts_count && rc == 0; k++) {
		struct col_map_part *x = &p->parts[k];

		rc = open_part(m, p, x);
		if (rc == 0)
			rc = fetch_part(m, p, x, find_places(m, p, x, base, ranks, count), out);
	}
	return rc;
}

/* The texts that are those of another column. */
static int fetch_copies(struct col_map *m, unsigned source, const uint32_t *rows, uint32_t count,
	struct col_map_item *out)
{
	uint32_t n = 0;
	int rc;

	for (uint32_t i = 0; i < count; i++) {
		if (out[i].type != COL_MAP_COPY + source)
			continue;
		m->r.places[n] = rows[i];
		m->r.idx[n++] = i;
	}
	if (n == 0)
		return 0;
	if (!m->env || !m->env->source)
		return ERR_CORRUPT;
	rc = m->env->source(m->env->ctx, source, m->r.places, n, m->r.texts);
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		if (!m->r.texts[i].p)
			return ERR_CORRUPT;
		out[m->r.idx[i]].type = COL_MAP_STR;
		out[m->r.idx[i]].s = m->r.texts[i];
	}
	return rc;
}

/* Of a path of one type that has no symbols. */
static int fetch_plain(struct col_map *m, struct col_map_path *p, const uint32_t *ranks,
	uint32_t count, struct col_map_item *out)
{
	for (uint32_t i = 0; i < count; i++) {
		out[i] = (struct col_map_item){ .type = (uint8_t)__builtin_ctz(p->types) };
		m->r.places[i] = ranks[i];
		m->r.idx[i] = i;
	}
	return p->parts_count ? fetch_part(m, p, &p->parts[0], count, out) : 0;
}

int col_map_fetch(struct col_map *m, uint32_t path, uint32_t first, uint32_t count)
{
	struct col_map_path *p = &m->paths[path];
	struct col_map_item *out = m->r.items + first;
	const uint32_t *ranks = m->r.ranks + first;
	uint32_t base = col_map_rank_at(m, p, m->group);
	bool symbols = p->mixed || (p->parts_count && col_map_is_syms(p->parts[0].encoding));
	int rc = 0;

	ASSERT(count > 0);
	ASSERT(ranks[0] >= base);
	if (symbols)
		rc = col_map_symbol_decode(m, path, ranks[count - 1] - base + 1);
	if (rc < 0)
		return rc;
	if (p->mixed)
		rc = fetch_mixed(m, p, base, ranks, count, out);
	else if (symbols)
		fetch_entries(p, base, ranks, count, out);
	else
		rc = fetch_plain(m, p, ranks, count, out);
	for (unsigned s = 0; s < COL_TEXT_SOURCES && rc == 0; s++) {
		if (p->types & 1u << (COL_MAP_COPY + s))
			rc = fetch_copies(m, s, m->r.item_rows + first, count, out);
	}
	return rc;
}
