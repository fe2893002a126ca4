#include "storage/scan_fields.h"

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/walk.h"
#include "storage/row.h"
#include "storage/scan_int.h"
#include "storage/snapshot_int.h"

struct teller {
	scan_fields_cb cb;
	void *arg;
	struct span keys[LIMIT_WALK_DEPTH];
};

static int tell_text(struct teller *t, int text, uint32_t rows)
{
	struct scan_fields_one one = { .field = expr_field_text((enum event_text)text),
		.kinds = 1u << EXPR_CELL_TEXT,
		.rows = rows };

	return rows ? t->cb(t->arg, &one) : 0;
}

static int tell_path(struct teller *t, uint32_t keys_count, unsigned kinds, uint32_t rows)
{
	struct scan_fields_one one = {
		.field = { .kind = EXPR_FIELD_META, .keys = t->keys, .keys_count = keys_count },
		.kinds = kinds,
		.rows = rows,
	};

	return t->cb(t->arg, &one);
}

/* ---------------------------------------------------------------- blocks */

static unsigned kinds_of(unsigned types)
{
	static const uint8_t kinds[COL_MAP_TYPE_COUNT] = {
		[COL_MAP_NULL] = EXPR_CELL_NULL,
		[COL_MAP_FALSE] = EXPR_CELL_BOOL,
		[COL_MAP_TRUE] = EXPR_CELL_BOOL,
		[COL_MAP_INT] = EXPR_CELL_NUMBER,
		[COL_MAP_DECIMAL] = EXPR_CELL_NUMBER,
		[COL_MAP_DOUBLE] = EXPR_CELL_NUMBER,
		[COL_MAP_STR] = EXPR_CELL_TEXT,
		[COL_MAP_OTHER] = EXPR_CELL_OTHER,
	};
	unsigned out = 0;

	for (int i = 0; i < COL_MAP_TYPE_COUNT; i++)
		out |= types >> i & 1 ? 1u << kinds[i] : 0;
	return out;
}

/* The path's keys, outermost first; their number. */
static uint32_t keys_of(struct teller *t, const struct col_map *map, uint32_t path)
{
	int32_t at = (int32_t)path, outer;
	uint32_t n = 0;

	while (at >= 0) {
		col_map_key(map, (uint32_t)at, &outer);
		at = outer;
		n++;
	}
	ASSERT(n <= LIMIT_WALK_DEPTH);
	at = (int32_t)path;
	for (uint32_t i = n; i-- > 0; at = outer)
		t->keys[i] = col_map_key(map, (uint32_t)at, &outer);
	return n;
}

static int tell_paths(struct teller *t, const struct col_map *map)
{
	int rc = 0;

	for (uint32_t p = 0; p < col_map_paths_count(map) && rc == 0; p++) {
		uint32_t rows = col_map_rows(map, p);

		if (rows > 0)
			rc = tell_path(
				t, keys_of(t, map, p), kinds_of(col_map_types(map, p)), rows);
	}
	return rc;
}

static int tell_block(struct teller *t, struct scan_work *w)
{
	const struct seg_block *b = seg_reader_block(w->reader, w->piece->block);
	struct block_reader *r = scan_column_enter(w);
	enum col_kind kind;
	struct col_map *map;
	int rc = 0;

	for (int i = 0; i < EVENT_TEXT_COUNT && rc == 0; i++)
		rc = tell_text(t, i, b->text[i].present_count);
	if (rc == 0)
		rc = block_reader_kind(r, SEG_COL_METADATA, &kind, w->d);
	if (rc != 0 || kind != COL_KIND_MAP)
		return rc;
	rc = block_reader_map(r, &map, w->d);
	return rc == 0 ? tell_paths(t, map) : rc;
}

/* ---------------------------------------------------------------- the journal */

static enum expr_cell_kind kind_of(enum walk_type type)
{
	switch (type) {
	case WALK_NIL:
		return EXPR_CELL_NULL;
	case WALK_BOOL:
		return EXPR_CELL_BOOL;
	case WALK_UINT:
	case WALK_INT:
	case WALK_FLOAT:
		return EXPR_CELL_NUMBER;
	case WALK_STR:
		return EXPR_CELL_TEXT;
	case WALK_BIN:
	case WALK_EXT:
	case WALK_ARRAY:
	case WALK_MAP:
		break;
	}
	return EXPR_CELL_OTHER;
}

/* The pairs of a map. One that is no msgpack ends the telling of it, not of the unit. */
static int tell_map(struct teller *t, struct rcur *c, uint32_t depth)
{
	struct walk_value head, key;
	struct span value;
	int rc = 0;

	if (walk_read(c, &head) < 0 || head.type != WALK_MAP || depth == LIMIT_WALK_DEPTH)
		return 0;
	for (uint32_t i = 0; i < head.count && rc == 0; i++) {
		struct walk_value v;
		struct rcur inner;

		if (walk_read(c, &key) < 0 || walk_take(c, &value) < 0)
			return 0;
		if (!walk_is_text(&key))
			continue;
		t->keys[depth] = key.data;
		inner = rcur_of(value.p, value.n);
		if (walk_read(&inner, &v) < 0)
			continue;
		inner = rcur_of(value.p, value.n);
		if (v.type == WALK_MAP && v.count > 0)
			rc = tell_map(t, &inner, depth + 1);
		else
			rc = tell_path(t, depth + 1, 1u << kind_of(v.type), 1);
	}
	return rc;
}

static int tell_batch(struct teller *t, struct scan_work *w)
{
	struct span rows;
	struct rcur c;
	int rc = scan_column_batch(w, &rows);

	if (rc < 0)
		return rc;
	c = rcur_of(rows.p, rows.n);
	for (uint32_t i = 0; i < w->rows_count && rc == 0; i++) {
		struct event ev;
		struct rcur map;

		rc = row_get(&c, &ev);
		if (rc < 0)
			return diag_set(w->d, rc, "journal", -1, "row %u of a batch", i);
		for (int k = 0; k < EVENT_TEXT_COUNT && rc == 0; k++)
			rc = tell_text(t, k, ev.text[k].p != NULL);
		map = rcur_of(ev.metadata.p, ev.metadata.n);
		if (rc == 0 && ev.metadata.n > 0)
			rc = tell_map(t, &map, 0);
	}
	return rc;
}

int scan_fields(const struct scan *s, size_t unit, struct scan_scratch *scratch, scan_fields_cb cb,
	void *arg, struct scan_stats *stats, struct diag *d)
{
	struct scan_work w = scan_select_work(s, unit, scratch, stats, d);
	struct teller t = { .cb = cb, .arg = arg };

	return w.reader ? tell_block(&t, &w) : tell_batch(&t, &w);
}
