#include "storage/col_map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_map_int.h"
#include "storage/col_map_make.h"
#include "storage/col_map_parse.h"
#include "storage/col_map_read.h"
#include "storage/col_pack.h"
#include "storage/page.h"

enum {
	/* Pages of so few bytes are written both ways, and the smaller one is kept. */
	SMALL_BYTES = 32 << 10,
};

struct col_map_work {
	struct col_map_parse parse;
	struct col_map_make make;
	struct buf tables;
	struct buf desc;
	struct buf rows;
	struct buf counts;
	struct buf loose;
	struct buf columns;
	int64_t *ints; /* rows of each set in each group */
	uint32_t *at;  /* of each path: where col_map_maker_leaf looked last */
	bool apart;    /* the page put last */
};

void col_map_maker_init(struct col_map_maker *m, int level)
{
	*m = (struct col_map_maker){ .level = level };
}

void col_map_maker_fini(struct col_map_maker *m)
{
	struct col_map_work *w = m->work;

	if (!w)
		return;
	col_map_parse_fini(&w->parse);
	col_map_make_fini(&w->make);
	buf_fini(&w->tables);
	buf_fini(&w->desc);
	buf_fini(&w->rows);
	buf_fini(&w->counts);
	buf_fini(&w->loose);
	buf_fini(&w->columns);
	free(w->ints);
	free(w->at);
	free(w);
	m->work = NULL;
}

static int prepare(struct col_map_maker *m)
{
	struct col_map_work *w = m->work;

	if (w)
		return 0;
	w = m->work = calloc(1, sizeof *w);
	if (!w)
		return -ENOMEM;
	buf_init(&w->tables, COL_MAP_TABLES_MAX);
	buf_init(&w->desc, COL_MAP_TABLES_MAX);
	buf_init(&w->rows, COL_MAP_RAW_MAX);
	buf_init(&w->counts, COL_MAP_RAW_MAX);
	buf_init(&w->loose, 4 * COL_MAP_RAW_MAX);
	buf_init(&w->columns, 4 * COL_MAP_RAW_MAX);
	w->ints = malloc(LIMIT_MAP_SETS * COL_MAP_GROUPS * sizeof *w->ints);
	w->at = malloc(LIMIT_MAP_PATHS * sizeof *w->at);
	if (w->ints && w->at)
		return 0;
	col_map_maker_fini(m);
	return -ENOMEM;
}

/* ---- sections ---- */

/* The set of each row, given its event type where that helps. */
static int put_rows(struct col_map_work *w, const struct col_map_in *in, uint32_t *out_contexts)
{
	uint32_t groups[COL_MAP_GROUPS];
	struct col_sym_in sym = { .syms = w->make.contexts,
		.count = in->rows_count,
		.syms_count = w->parse.sets_count,
		.contexts_count = 1,
		.groups = groups,
		.groups_count = col_map_groups(in->rows_count) };
	struct col_sym_in typed = sym;

	for (uint32_t i = 0; i < in->rows_count; i++)
		w->make.contexts[i] = w->parse.row_sets[i];
	for (uint32_t g = 0; g < sym.groups_count; g++)
		groups[g] = g * COL_MAP_GROUP;
	*out_contexts = 1;
	if (in->types && in->types_count > 1 && in->types_count <= COL_SYM_MAX) {
		typed.contexts = in->types;
		typed.contexts_count = in->types_count;
		if (col_sym_cost(&w->make.sym, &typed) < col_sym_cost(&w->make.sym, &sym))
			*out_contexts = in->types_count;
	}
	return col_sym_put(
		&w->make.sym, *out_contexts > 1 ? &typed : &sym, &w->make.streams, &w->rows);
}

static void put_counts(struct col_map_work *w)
{
	uint32_t groups = col_map_groups(w->parse.rows_count);

	memset(w->ints, 0, (size_t)w->parse.sets_count * groups * sizeof *w->ints);
	for (uint32_t i = 0; i < w->parse.rows_count; i++)
		w->ints[w->parse.row_sets[i] * groups + i / COL_MAP_GROUP]++;
	col_stream_put(&w->make.streams, w->ints, w->parse.sets_count * groups, &w->counts);
}

static int put_columns(struct col_map_work *w)
{
	struct col_text_in loose = { .level = w->make.level };
	int rc = 0;

	for (uint32_t i = 0; i < w->parse.paths_count && rc == 0; i++) {
		if (w->parse.paths[i].count > 0)
			rc = col_map_make_put(&w->make, i, &w->desc, &w->columns);
	}
	if (rc < 0 || w->make.loose_count == 0)
		return rc;
	loose.rows_count = w->make.loose_count;
	loose.values = w->make.loose;
	return col_text_put(&w->make.text, &loose, &w->loose);
}

static void put_names(struct col_map_work *w)
{
	const struct col_map_parse *p = &w->parse;
	struct buf *t = &w->tables;

	for (uint32_t i = 1; i < p->paths_count; i++) {
		col_pack_varint(t, (uint64_t)p->paths[i].outer << 1 | p->paths[i].is_map);
		col_pack_varint(t, p->paths[i].key.n);
		buf_put_span(t, p->paths[i].key);
	}
	for (uint32_t s = COL_MAP_SETS_OWN; s < p->sets_count; s++) {
		const uint16_t *members = p->members + p->sets[s].first;

		col_pack_varint(t, p->sets[s].count);
		for (uint32_t k = 0; k < p->sets[s].count; k++) {
			int64_t step = k ? members[k] - members[k - 1] - 1 : 0;

			col_pack_varint(t, k ? cursor_zigzag(step) : members[0]);
		}
	}
}

static void put_tables(struct col_map_work *w, uint32_t contexts)
{
	struct buf *t = &w->tables;

	col_pack_varint(t, w->parse.paths_count);
	col_pack_varint(t, w->parse.sets_count);
	col_pack_varint(t, w->make.loose_count);
	put_names(w);
	col_pack_varint(t, contexts);
	col_pack_varint(t, w->rows.len);
	col_pack_varint(t, w->counts.len);
	col_pack_varint(t, w->loose.len);
	buf_put(t, w->desc.p, w->desc.len);
}

/* ---- pages ---- */

static void reset(struct col_map_work *w)
{
	buf_reset(&w->tables);
	buf_reset(&w->desc);
	buf_reset(&w->rows);
	buf_reset(&w->counts);
	buf_reset(&w->loose);
	buf_reset(&w->columns);
}

static int first_error(const struct col_map_work *w, const struct buf *out)
{
	const struct buf *all[] = { &w->tables, &w->desc, &w->rows, &w->counts, &w->loose,
		&w->columns, out };

	for (size_t i = 0; i < ARRAY_COUNT(all); i++) {
		if (all[i]->err)
			return all[i]->err;
	}
	return 0;
}

static int put_apart(struct col_map_work *w, const struct col_map_in *in, struct buf *out)
{
	uint32_t contexts;
	size_t head, packed;
	int rc = put_rows(w, in, &contexts);

	/* 4096 sets always fit, and a context that does not costs too much to be chosen. */
	ASSERT(rc <= 0);
	if (rc < 0)
		return rc;
	put_counts(w);
	rc = put_columns(w);
	if (rc < 0)
		return rc;
	put_tables(w, contexts);
	buf_reset(&w->desc);
	packed = w->tables.err ? 0 : page_lz4(buf_span(&w->tables), 1, &w->desc);
	head = w->tables.len;
	buf_put_u8(out, COL_MAP_APART);
	col_pack_varint(out, head);
	col_pack_varint(out, packed ? packed : head);
	buf_put_span(out, buf_span(packed ? &w->desc : &w->tables));
	buf_put_span(out, buf_span(&w->rows));
	buf_put_span(out, buf_span(&w->counts));
	buf_put_span(out, buf_span(&w->loose));
	buf_put_span(out, buf_span(&w->columns));
	return first_error(w, out);
}

static int put_whole(
	struct col_map_work *w, const struct col_map_in *in, int level, struct buf *out)
{
	struct col_text_in text = {
		.rows_count = in->rows_count, .values = in->maps, .level = level
	};

	buf_put_u8(out, COL_MAP_WHOLE);
	return col_text_put(&w->make.text, &text, out);
}

/* Whole instead, if that is smaller than what stands in out from start on. */
static int try_whole(
	struct col_map_work *w, const struct col_map_in *in, size_t start, struct buf *out)
{
	size_t end = out->len;
	int rc = put_whole(w, in, w->make.level, out);

	if (rc < 0)
		return rc;
	w->apart = out->len - end >= end - start;
	if (!w->apart) {
		memmove(out->p + start, out->p + end, out->len - end);
		out->len -= end - start;
	} else {
		out->len = end;
	}
	return 0;
}

int col_map_put(struct col_map_maker *m, const struct col_map_in *in, struct buf *out)
{
	size_t start = out->len, raw = 0;
	struct col_map_work *w;
	int rc = prepare(m);

	ASSERT(in->rows_count > 0);
	ASSERT(in->rows_count <= LIMIT_BLOCK_ROWS);
	if (rc < 0)
		return rc;
	w = m->work;
	w->apart = false;
	reset(w);
	rc = col_map_parse_begin(&w->parse);
	for (uint32_t i = 0; i < in->rows_count && rc == 0; i++) {
		raw += in->maps[i].n;
		rc = col_map_parse_row(&w->parse, in->maps[i]);
	}
	ASSERT(raw <= COL_MAP_RAW_MAX);
	if (rc == 0)
		rc = col_map_make_fill(&w->make, &w->parse, in->sources, m->level);
	if (rc < 0)
		return rc;
	memset(w->at, 0, LIMIT_MAP_PATHS * sizeof *w->at);
	col_map_make_choose(&w->make);
	rc = put_apart(w, in, out);
	w->apart = rc == 0;
	return rc == 0 && raw <= SMALL_BYTES ? try_whole(w, in, start, out) : rc;
}

/* ---- leaves ---- */

uint32_t col_map_maker_leaves(const struct col_map_maker *m)
{
	return m->work && m->work->apart ? m->work->parse.paths_count : 0;
}

int col_map_maker_leaf(
	void *maker, uint32_t leaf, const uint32_t *rows, size_t count, struct col_text_leaf *out)
{
	struct col_map_work *w = ((struct col_map_maker *)maker)->work;
	const struct col_map_make_path *x = &w->make.paths[leaf];

	ASSERT(leaf < w->parse.paths_count);
	for (size_t i = 0; i < count; i++) {
		uint32_t row = rows ? rows[i] : (uint32_t)i;
		const struct col_map_leaf *l =
			x->count ? col_map_make_find(&w->make, leaf, row, &w->at[leaf]) : NULL;

		out[i] = (struct col_text_leaf){ .kind = COL_TEXT_LEAF_NONE };
		if (!l)
			continue;
		if (l->type == COL_MAP_INT || l->type == COL_MAP_DECIMAL)
			col_map_number_leaf(
				(int64_t)l->bits, l->type == COL_MAP_INT ? 0 : x->scale, &out[i]);
		/* Only texts that stay where they are once read. */
		if (l->type != COL_MAP_STR || x->mixed || x->syms_count == 0)
			continue;
		out[i].kind = COL_TEXT_LEAF_WORD;
		out[i].word = span_of((const void *)(uintptr_t)l->bits, l->bytes);
	}
	return 0;
}
