/* One path's column: its descriptor and its section (col_map_int.h). */
#include "storage/col_map_make.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/col_pack.h"

enum {
	/* Texts of so few bytes share a page with those of other paths. */
	LOOSE_BYTES = 4096,
};

/* Appends m->spans[0 .. count - 1] to the loose texts; their place. */
static int add_loose(struct col_map_make *m, uint32_t count, uint32_t *out_place)
{
	if (m->loose_count + count > m->loose_cap) {
		uint32_t cap = (m->loose_count + count) * 2;
		struct span *more = realloc(m->loose, cap * sizeof *more);

		if (!more)
			return -ENOMEM;
		m->loose = more;
		m->loose_cap = cap;
	}
	*out_place = m->loose_count;
	for (uint32_t i = 0; i < count; i++)
		m->loose[m->loose_count++] = m->spans[i];
	return 0;
}

static bool are_few(const struct col_map_make *m, uint32_t count)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < count && bytes <= LOOSE_BYTES; i++)
		bytes += m->spans[i].n + 2;
	return bytes <= LOOSE_BYTES && m->loose_count + count <= COL_TEXT_ROWS_MAX;
}

/* A page of m->spans[0 .. count - 1]. */
static int put_text(struct col_map_make *m, uint32_t count, struct buf *out)
{
	struct col_text_in in = { .rows_count = count, .values = m->spans, .level = m->level };

	return col_text_put(&m->text, &in, out);
}

/* Where each group of rows begins in the path's leaves. */
static uint32_t find_groups(const struct col_map_make *m, const struct col_map_make_path *x,
	uint32_t groups[COL_MAP_GROUPS])
{
	uint32_t count = col_map_groups(m->parse->rows_count), at = 0;

	for (uint32_t g = 0; g < count; g++) {
		while (at < x->count && m->rows[x->first + at] < g * COL_MAP_GROUP)
			at++;
		groups[g] = at;
	}
	return count;
}

static int put_symbols(struct col_map_make *m, const struct col_map_make_path *x, struct buf *out)
{
	uint32_t groups[COL_MAP_GROUPS];
	struct col_sym_in in = col_map_make_symbols(m, x);
	int rc;

	in.groups = groups;
	in.groups_count = find_groups(m, x, groups);
	rc = col_sym_put(&m->sym, &in, &m->streams, out);
	/* Its cost was known when the symbols were chosen. */
	ASSERT(rc <= 0);
	return rc;
}

/* The distinct values, then the symbols. */
static int put_recurring(struct col_map_make *m, const struct col_map_make_path *x,
	struct buf *desc, struct buf *out)
{
	bool text = col_map_is_text(x->type), few = false;
	size_t start = out->len;
	uint32_t place = 0;
	int rc = 0;

	for (uint32_t i = 0; i < x->syms_count; i++) {
		const struct col_map_leaf *l = &m->leaves[m->entries[x->entries + i]];

		if (text)
			m->spans[i] = col_map_make_text(l);
		else
			m->ints[i] = (int64_t)l->bits;
	}
	if (text)
		few = are_few(m, x->syms_count);
	buf_put_u8(desc, text && !few ? COL_MAP_SYMS_TEXT : COL_MAP_SYMS);
	if (x->type == COL_MAP_DECIMAL)
		buf_put_u8(desc, x->scale);
	col_pack_varint(desc, x->syms_count);
	col_pack_varint(desc, x->context);
	if (!text)
		col_stream_put(&m->streams, m->ints, x->syms_count, out);
	else if (few)
		rc = add_loose(m, x->syms_count, &place);
	else
		rc = put_text(m, x->syms_count, out);
	if (text)
		col_pack_varint(desc, few ? place : out->len - start);
	if (rc == 0)
		rc = put_symbols(m, x, out);
	col_pack_varint(desc, out->len - start);
	return rc;
}

/* With several types: how many of this one each group has. */
static void put_counts(
	struct col_map_make *m, const struct col_map_make_path *x, unsigned type, struct buf *out)
{
	uint32_t groups = col_map_groups(m->parse->rows_count);

	for (uint32_t g = 0; g < groups; g++)
		m->ints[g] = 0;
	for (uint32_t i = x->first; i < x->first + x->count; i++)
		m->ints[m->rows[i] / COL_MAP_GROUP] += m->leaves[i].type == type;
	col_stream_put(&m->streams, m->ints, groups, out);
}

/* The values of one type as they are. */
static int put_plain(struct col_map_make *m, const struct col_map_make_path *x, unsigned type,
	struct buf *desc, struct buf *out)
{
	bool text = col_map_is_text(type), few;
	size_t start = out->len;
	uint32_t n = 0, place = 0;
	int rc = 0;

	if (x->mixed)
		put_counts(m, x, type, out);
	for (uint32_t i = x->first; i < x->first + x->count; i++) {
		if (m->leaves[i].type != type)
			continue;
		if (text)
			m->spans[n++] = col_map_make_text(&m->leaves[i]);
		else
			m->ints[n++] = (int64_t)m->leaves[i].bits;
	}
	few = text && are_few(m, n);
	buf_put_u8(desc, !text ? COL_MAP_STREAM : few ? COL_MAP_LOOSE : COL_MAP_TEXT);
	if (type == COL_MAP_DECIMAL)
		buf_put_u8(desc, x->scale);
	if (!text)
		col_stream_put(&m->streams, m->ints, n, out);
	else if (few)
		rc = add_loose(m, n, &place);
	else
		rc = put_text(m, n, out);
	if (few)
		col_pack_varint(desc, place);
	col_pack_varint(desc, out->len - start);
	return rc;
}

int col_map_make_put(struct col_map_make *m, uint32_t path, struct buf *desc, struct buf *out)
{
	const struct col_map_make_path *x = &m->paths[path];
	size_t start = out->len;
	int rc = 0;

	ASSERT(x->count > 0);
	col_pack_varint(desc, x->types);
	if (!x->mixed && x->syms_count > 0)
		return put_recurring(m, x, desc, out);
	if (x->mixed) {
		rc = put_symbols(m, x, out);
		col_pack_varint(desc, x->context);
		col_pack_varint(desc, out->len - start);
	}
	for (unsigned t = 0; t < COL_MAP_TYPE_COUNT && rc == 0; t++) {
		if (col_map_has_values(t) && (x->types & 1u << t))
			rc = put_plain(m, x, t, desc, out);
	}
	return rc == 0 && out->err ? out->err : rc;
}
