#include "storage/col_map.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_map_read.h"
#include "storage/page.h"

/* The tables, decompressed into the arena if need be. */
static int open_tables(struct rcur *c, struct arena *mem, struct rcur *out)
{
	uint64_t raw = rcur_varint(c), packed = rcur_varint(c);
	struct span s;
	uint8_t *p;

	if (c->err || raw > COL_MAP_TABLES_MAX || packed > raw)
		return ERR_CORRUPT;
	s = rcur_bytes(c, (size_t)packed);
	if (c->err)
		return ERR_CORRUPT;
	*out = rcur_of(s.p, s.n);
	if (packed == raw)
		return 0;
	p = arena_alloc(mem, (size_t)raw);
	if (!p)
		return -ENOMEM;
	*out = rcur_of(p, (size_t)raw);
	return page_unlz4(s, p, (size_t)raw);
}

static int read_paths(struct rcur *c, struct col_map *m)
{
	m->paths = arena_calloc(m->mem, m->paths_count, sizeof *m->paths);
	if (!m->paths)
		return -ENOMEM;
	for (uint32_t i = 1; i < m->paths_count; i++) {
		uint64_t outer = rcur_varint(c);

		/* A path stands behind those around it, which are maps. */
		if (c->err || outer >> 1 >= i || (outer > 1 && !m->paths[outer >> 1].is_map))
			return ERR_CORRUPT;
		m->paths[i].is_map = outer & 1;
		m->paths[i].outer = (uint16_t)(outer >> 1);
		m->paths[i].depth = outer > 1 ? m->paths[outer >> 1].depth + 1 : 0;
		if (m->paths[i].depth >= LIMIT_MAP_NESTING)
			return ERR_CORRUPT;
		m->paths[i].key = rcur_varbytes(c);
	}
	return c->err ? ERR_CORRUPT : 0;
}

/* One set's members at the end of the others; each is a leaf and stands there once. */
static int read_set(struct rcur *c, struct col_map *m, uint32_t set, uint32_t *at, uint16_t *stamps)
{
	uint64_t count = rcur_varint(c);
	int64_t path = 0;

	if (c->err || count > LIMIT_MAP_MEMBERS - *at || count > rcur_left(c))
		return ERR_CORRUPT;
	m->sets[set] = (struct col_map_set){ .first = *at, .count = (uint32_t)count };
	for (uint64_t k = 0; k < count; k++) {
		uint64_t v = rcur_varint(c);

		if (v > 2 * LIMIT_MAP_PATHS)
			return ERR_CORRUPT;
		path = k ? path + 1 + cursor_unzigzag(v) : (int64_t)v;
		if (c->err || path < 1 || path >= m->paths_count || m->paths[path].is_map ||
			stamps[path] == set)
			return ERR_CORRUPT;
		stamps[path] = (uint16_t)set;
		m->members[(*at)++] = (uint16_t)path;
		m->paths[path].sets_count++;
	}
	return 0;
}

/* For each path the sets that have it, by counting; path_sets has a place for each member. */
static void invert_sets(struct col_map *m)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < m->paths_count; i++) {
		m->paths[i].sets = at;
		at += m->paths[i].sets_count;
		m->paths[i].sets_count = 0;
	}
	for (uint32_t s = 0; s < m->sets_count; s++) {
		for (uint32_t k = 0; k < m->sets[s].count; k++) {
			struct col_map_path *p = &m->paths[m->members[m->sets[s].first + k]];

			m->path_sets[p->sets + p->sets_count++] = (uint16_t)s;
		}
	}
}

static int read_sets(struct rcur *c, struct col_map *m)
{
	uint32_t at = 1;
	uint16_t *stamps = arena_calloc(m->mem, m->paths_count, sizeof *stamps);
	/* A member is a byte at least. */
	size_t most = 1 + (rcur_left(c) < LIMIT_MAP_MEMBERS ? rcur_left(c) : LIMIT_MAP_MEMBERS);
	int rc = 0;

	m->sets = arena_calloc(m->mem, m->sets_count, sizeof *m->sets);
	m->members = arena_calloc(m->mem, most, sizeof *m->members);
	if (!stamps || !m->sets || !m->members)
		return -ENOMEM;
	m->members[0] = COL_MAP_PATH_WHOLE;
	m->sets[COL_MAP_SET_WHOLE] = (struct col_map_set){ .first = 0, .count = 1 };
	m->paths[COL_MAP_PATH_WHOLE].sets_count = 1;
	for (uint32_t s = COL_MAP_SETS_OWN; s < m->sets_count && rc == 0; s++)
		rc = read_set(c, m, s, &at, stamps);
	if (rc < 0)
		return rc;
	m->path_sets = arena_calloc(m->mem, at, sizeof *m->path_sets);
	if (!m->path_sets)
		return -ENOMEM;
	invert_sets(m);
	return 0;
}

/* ---- rows ---- */

/* counts[group][set] from the stream of [set][group]; each group's rows have to add up. */
static int add_counts(struct col_map *m, const int64_t *v)
{
	uint32_t groups = m->groups_count, sets = m->sets_count;

	for (uint32_t g = 0; g < groups; g++) {
		uint64_t sum = 0;

		for (uint32_t s = 0; s < sets; s++) {
			int64_t n = v[(size_t)s * groups + g];

			if (n < 0 || n > COL_MAP_GROUP)
				return ERR_CORRUPT;
			sum += (uint64_t)n;
			m->counts[(g + 1) * sets + s] = m->counts[g * sets + s] + (uint32_t)n;
		}
		if (sum != col_map_group_rows(m, g))
			return ERR_CORRUPT;
	}
	return 0;
}

/* How many values each path has; all together no more than a writer takes. */
static int count_values(struct col_map *m)
{
	const uint32_t *totals = m->counts + m->groups_count * m->sets_count;
	uint64_t leaves = 0;

	for (uint32_t s = 0; s < m->sets_count; s++)
		leaves += (uint64_t)totals[s] * m->sets[s].count;
	if (leaves > LIMIT_MAP_LEAVES)
		return ERR_CORRUPT;
	for (uint32_t i = 0; i < m->paths_count; i++)
		m->paths[i].count = col_map_rank_at(m, &m->paths[i], m->groups_count);
	return 0;
}

static int read_counts(struct span section, struct col_map *m)
{
	uint32_t n = m->groups_count * m->sets_count;
	struct rcur c = rcur_of(section.p, section.n);
	struct col_stream s;
	int64_t *v = arena_calloc(m->mem, n, sizeof *v);
	int rc;

	m->counts = arena_calloc(m->mem, n + m->sets_count, sizeof *m->counts);
	if (!v || !m->counts)
		return -ENOMEM;
	rc = col_stream_open(&c, n, m->mem, &s);
	if (rc == 0)
		rc = col_stream_get(&s, 0, n, v);
	if (rc == 0)
		rc = rcur_left(&c) ? ERR_CORRUPT : add_counts(m, v);
	return rc == 0 ? count_values(m) : rc;
}

static int read_rows(struct span section, struct col_map *m)
{
	struct rcur c = rcur_of(section.p, section.n);
	int rc = col_sym_open(
		&c, m->sets_count, m->rows_contexts, m->groups_count, m->mem, &m->rows_sym);

	return rc == 0 && rcur_left(&c) ? ERR_CORRUPT : rc;
}

/* ---- descriptors ---- */

static int read_part(
	struct rcur *c, struct rcur *body, struct col_map *m, struct col_map_path *p, unsigned type)
{
	struct col_map_part *x = &p->parts[p->parts_count++];
	bool text = col_map_is_text(type);
	uint64_t entries = 0, place = 0, context = 0;

	*x = (struct col_map_part){ .type = (uint8_t)type, .encoding = rcur_u8(c) };
	if (type == COL_MAP_DECIMAL)
		x->scale = rcur_u8(c);
	if (x->encoding == COL_MAP_SYMS || x->encoding == COL_MAP_SYMS_TEXT) {
		entries = rcur_varint(c);
		context = rcur_varint(c);
	}
	if ((x->encoding == COL_MAP_SYMS && text) || x->encoding == COL_MAP_SYMS_TEXT ||
		x->encoding == COL_MAP_LOOSE)
		place = rcur_varint(c);
	x->section = rcur_bytes(body, (size_t)rcur_varint(c));
	if (c->err || body->err || entries > LIMIT_BLOCK_ROWS || place > UINT32_MAX / 2 ||
		context >= COL_MAP_CONTEXT_PATH + (uint64_t)m->paths_count ||
		x->scale > COL_MAP_SCALE_MAX)
		return ERR_CORRUPT;
	x->entries_count = (uint32_t)entries;
	x->place = x->text_bytes = (uint32_t)place;
	p->context = (uint32_t)context;
	switch (x->encoding) {
	case COL_MAP_SYMS:
		return p->mixed || entries == 0 ? ERR_CORRUPT : 0;
	case COL_MAP_SYMS_TEXT:
		return p->mixed || entries == 0 || !text ? ERR_CORRUPT : 0;
	case COL_MAP_STREAM:
		return text ? ERR_CORRUPT : 0;
	case COL_MAP_TEXT:
	case COL_MAP_LOOSE:
		return text ? 0 : ERR_CORRUPT;
	default:
		return ERR_CORRUPT;
	}
}

static int read_path(struct rcur *c, struct rcur *body, struct col_map *m, struct col_map_path *p)
{
	uint64_t types = rcur_varint(c), context = 0;
	unsigned valued = 0;
	int rc = 0;

	if (c->err || types == 0 || types >> COL_MAP_TYPES_ALL)
		return ERR_CORRUPT;
	p->types = (uint16_t)types;
	p->mixed = (types & (types - 1)) != 0;
	if (p->mixed) {
		context = rcur_varint(c);
		p->symbols = rcur_bytes(body, (size_t)rcur_varint(c));
	}
	if (c->err || body->err || context >= COL_MAP_CONTEXT_PATH + (uint64_t)m->paths_count)
		return ERR_CORRUPT;
	for (unsigned t = 0; t < COL_MAP_TYPE_COUNT; t++)
		valued += col_map_has_values(t) && (types & 1u << t);
	p->parts = arena_calloc(m->mem, valued ? valued : 1, sizeof *p->parts);
	if (!p->parts)
		return -ENOMEM;
	for (unsigned t = 0; t < COL_MAP_TYPE_COUNT && rc == 0; t++) {
		if (col_map_has_values(t) && (types & 1u << t))
			rc = read_part(c, body, m, p, t);
	}
	if (p->mixed)
		p->context = (uint32_t)context;
	return rc;
}

/* ---- pages ---- */

static int read_heads(struct rcur *t, struct col_map *m)
{
	uint64_t paths = rcur_varint(t), sets = rcur_varint(t), loose = rcur_varint(t);

	if (t->err || paths < 1 || paths > LIMIT_MAP_PATHS || sets < COL_MAP_SETS_OWN ||
		sets > LIMIT_MAP_SETS || loose > COL_TEXT_ROWS_MAX)
		return ERR_CORRUPT;
	m->paths_count = (uint32_t)paths;
	m->sets_count = (uint32_t)sets;
	m->loose_count = (uint32_t)loose;
	return 0;
}

/* The sections before the columns, then each path's descriptor. */
static int read_sections(struct rcur *t, struct rcur *body, struct col_map *m)
{
	uint64_t contexts = rcur_varint(t), rows_bytes = rcur_varint(t);
	uint64_t counts_bytes = rcur_varint(t), loose_bytes = rcur_varint(t);
	struct span rows, counts;
	int rc;

	if (t->err || contexts == 0 || contexts > COL_SYM_MAX)
		return ERR_CORRUPT;
	m->rows_contexts = (uint32_t)contexts;
	rows = rcur_bytes(body, (size_t)rows_bytes);
	counts = rcur_bytes(body, (size_t)counts_bytes);
	m->loose_page = rcur_bytes(body, (size_t)loose_bytes);
	if (body->err)
		return ERR_CORRUPT;
	rc = read_counts(counts, m);
	if (rc == 0)
		rc = read_rows(rows, m);
	for (uint32_t i = 0; i < m->paths_count && rc == 0; i++) {
		if (m->paths[i].count > 0)
			rc = read_path(t, body, m, &m->paths[i]);
	}
	if (rc == 0 && (rcur_left(t) || rcur_left(body)))
		rc = ERR_CORRUPT;
	return rc;
}

static int open_apart(struct rcur *c, struct col_map *m)
{
	struct rcur t;
	int rc = open_tables(c, m->mem, &t);

	m->groups_count = col_map_groups(m->rows_count);
	m->group = UINT32_MAX;
	if (rc == 0)
		rc = read_heads(&t, m);
	if (rc == 0)
		rc = read_paths(&t, m);
	if (rc == 0)
		rc = read_sets(&t, m);
	if (rc == 0)
		rc = read_sections(&t, c, m);
	return rc;
}

int col_map_open(struct span page, uint32_t rows_count, const struct col_text_env *env,
	struct arena *mem, struct col_map **out)
{
	struct rcur c = rcur_of(page.p, page.n);
	struct col_map *m = arena_calloc(mem, 1, sizeof *m);
	int rc;

	ASSERT(rows_count > 0);
	ASSERT(rows_count <= LIMIT_BLOCK_ROWS);
	if (!m)
		return -ENOMEM;
	m->rows_count = rows_count;
	m->env = env;
	m->mem = mem;
	m->work = env && env->work ? env->work : mem;
	m->hand = env && env->hand ? env->hand : mem;
	m->texts_env.work = m->work;
	m->form = rcur_u8(&c);
	if (c.err || m->form > COL_MAP_APART)
		return ERR_CORRUPT;
	if (m->form == COL_MAP_WHOLE)
		rc = col_text_open(
			&m->whole, span_of(c.p, rcur_left(&c)), rows_count, &m->texts_env, mem);
	else
		rc = open_apart(&c, m);
	if (rc == ERR_TRUNCATED)
		rc = ERR_CORRUPT;
	if (rc == 0)
		*out = m;
	return rc;
}

/* ---- paths ---- */

unsigned col_map_uses(const struct col_map *m, unsigned *out_keys)
{
	unsigned sources = 0;

	*out_keys = m->rows_contexts > 1 ? 1u << COL_TEXT_KEY_EVENT_TYPE : 0;
	for (uint32_t i = 0; i < m->paths_count; i++)
		sources |= m->paths[i].types >> COL_MAP_COPY;
	return sources;
}

uint32_t col_map_paths_count(const struct col_map *m)
{
	return m->paths_count;
}

struct span col_map_key(const struct col_map *m, uint32_t path, int32_t *out_parent)
{
	const struct col_map_path *p = &m->paths[path];

	ASSERT(path < m->paths_count);
	*out_parent = p->outer ? p->outer : -1;
	return p->key;
}

unsigned col_map_types(const struct col_map *m, uint32_t path)
{
	ASSERT(path < m->paths_count);
	/* A copy is a text like any other. */
	if (m->paths[path].types >> COL_MAP_COPY)
		return (m->paths[path].types & ((1u << COL_MAP_COPY) - 1)) | 1u << COL_MAP_STR;
	return m->paths[path].types;
}

uint32_t col_map_rows(const struct col_map *m, uint32_t path)
{
	ASSERT(path < m->paths_count);
	return path == COL_MAP_PATH_WHOLE || m->paths[path].is_map ? 0 : m->paths[path].count;
}

bool col_map_has_whole(const struct col_map *m)
{
	return m->form == COL_MAP_WHOLE || m->paths[COL_MAP_PATH_WHOLE].count > 0;
}

int32_t col_map_find(const struct col_map *m, const struct span *keys, uint32_t count)
{
	uint32_t outer = 0, i;

	for (uint32_t k = 0; k < count; k++) {
		bool is_map = k + 1 < count;

		for (i = 1; i < m->paths_count; i++) {
			const struct col_map_path *p = &m->paths[i];

			if (p->outer == outer && p->is_map == is_map && span_eq(p->key, keys[k]))
				break;
		}
		if (i >= m->paths_count)
			return -1;
		outer = i;
	}
	return count > 0 && m->paths[outer].count > 0 ? (int32_t)outer : -1;
}
