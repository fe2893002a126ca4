#include "storage/scan_values.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/row.h"
#include "storage/scan_int.h"
#include "storage/snapshot_int.h"

/* A dictionary's entries as cells. */
struct entries {
	uint64_t serial;      /* of the dictionary; 0: none yet */
	const uint8_t *bytes; /* where it was */
	uint32_t cap;
	struct expr_cell *cells;
};

struct scan_values_mem {
	uint32_t codes[LIMIT_BLOCK_ROWS];
	uint32_t rows[LIMIT_BLOCK_ROWS];
	uint16_t narrow[LIMIT_BLOCK_ROWS];
	struct span spans[LIMIT_BLOCK_ROWS];
	struct expr_cell cells[LIMIT_BLOCK_ROWS];
	size_t offs[LIMIT_BLOCK_ROWS];
	int64_t ints[LIMIT_BLOCK_ROWS];
	uint32_t by_row[LIMIT_BLOCK_ROWS];
	struct col_map_cell entries[LIMIT_BLOCK_ROWS];
	uint8_t forms[LIMIT_BLOCK_ROWS];
	uint32_t numbers[LIMIT_BLOCK_ROWS];
	struct entries dicts[EVENT_TEXT_COUNT];
	struct buf bytes;
};

static_assert(sizeof(struct scan_values_mem) +
			      EVENT_TEXT_COUNT * sizeof(struct expr_cell) * LIMIT_DICT_ENTRIES +
			      BLOCK_BYTES_MAX <
		      SCAN_VALUES_BYTES,
	"the promise of scan_values.h");

/* One question. */
struct ask {
	struct scan_work w;
	struct scan_values_mem *mem;
	const uint32_t *rows;
	uint32_t count;
};

void scan_values_free(struct scan_values_mem **mp)
{
	struct scan_values_mem *m = *mp;

	if (!m)
		return;
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		free(m->dicts[i].cells);
	buf_fini(&m->bytes);
	free(m);
	*mp = NULL;
}

static int need_mem(struct scan_scratch *s, struct diag *d)
{
	if (s->values)
		return 0;
	s->values = calloc(1, sizeof *s->values);
	if (!s->values)
		return diag_set(d, -ENOMEM, "", -1, "values of a block");
	buf_init(&s->values->bytes, BLOCK_BYTES_MAX);
	return 0;
}

static int begin(struct ask *a, const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, struct scan_stats *stats, struct diag *d)
{
	int rc = need_mem(scratch, d);

	*a = (struct ask){
		.w = scan_select_work(s, unit, scratch, stats, d),
		.mem = scratch->values,
		.rows = rows,
		.count = (uint32_t)count,
	};
	ASSERT(count <= a->w.rows_count);
	ASSERT(count == 0 || rows[count - 1] < a->w.rows_count);
	if (rc == 0)
		scan_column_enter(&a->w);
	return rc;
}

/* ---- rows ---- */

static int journal_rows(struct scan_work *w, uint32_t *rows, uint32_t *out_count)
{
	size_t n = 0;
	int rc = scan_select_journal(w, &n);

	for (size_t i = 0; i < n && rc == 0; i++)
		rows[i] = w->scratch->hits[i].row;
	*out_count = (uint32_t)n;
	return rc;
}

int scan_rows(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t **out_rows, size_t *out_count, struct scan_stats *stats, struct diag *d)
{
	struct scan_work w = scan_select_work(s, unit, scratch, stats, d);
	int rc = need_mem(scratch, d);
	uint32_t *rows, n = w.rows_count;

	if (rc < 0)
		return rc;
	rows = scratch->values->rows;
	if (w.piece->conds == 0) {
		for (uint32_t i = 0; i < n; i++)
			rows[i] = i;
	} else if (w.reader) {
		rc = scan_select_block(&w, &n);
		if (rc == 0)
			n = match_kernel_list(scratch->match, w.rows_count, rows);
	} else {
		rc = journal_rows(&w, rows, &n);
	}
	if (rc < 0)
		return rc;
	stats->rows_matched += n;
	*out_rows = rows;
	*out_count = n;
	return 0;
}

/* ---- the journal ---- */

/* Calls back with each of the rows. */
static int each_row(
	struct ask *a, void (*row_cb)(void *arg, uint32_t i, const struct event *ev), void *arg)
{
	struct scan_work *w = &a->w;
	struct span batch;
	struct rcur c;
	uint32_t n = 0;
	int rc = snapshot_batch_rows(
		w->scan->snap, w->piece->segment, &w->scratch->batch, &batch, w->d);

	if (rc < 0)
		return rc;
	c = rcur_of(batch.p, batch.n);
	for (uint32_t i = 0; i < w->rows_count && n < a->count; i++) {
		struct event ev;

		rc = row_get(&c, &ev);
		if (rc < 0)
			return diag_set(w->d, rc, "journal", -1, "row %u of a batch", i);
		if (i != a->rows[n])
			continue;
		ev.id = w->piece->unit.id_min + i;
		row_cb(arg, n++, &ev);
	}
	ASSERT(n == a->count);
	return 0;
}

/* ---- numbers of every event ---- */

struct take_int {
	enum expr_field_kind which;
	int64_t *out;
};

static void take_int(void *arg, uint32_t i, const struct event *ev)
{
	struct take_int *t = arg;

	switch (t->which) {
	case EXPR_FIELD_ID:
		t->out[i] = (int64_t)ev->id;
		break;
	case EXPR_FIELD_TIME:
		t->out[i] = ev->time_ns;
		break;
	case EXPR_FIELD_RECEIVED:
		t->out[i] = ev->received_ns;
		break;
	default:
		t->out[i] = ev->severity;
		break;
	}
}

static int ints(struct ask *a, enum expr_field_kind which, int64_t *out)
{
	struct scan_work *w = &a->w;
	struct take_int t = { which, out };
	int col = scan_test_column(which), rc;
	const int64_t *all;

	if (!w->reader)
		return each_row(a, take_int, &t);
	if (a->count < w->rows_count / SCAN_FEW)
		return block_reader_ints_at(w->scratch->block, col, a->rows, a->count, out, w->d);
	rc = block_reader_ints(w->scratch->block, col, &all, w->d);
	for (uint32_t i = 0; i < a->count && rc == 0; i++)
		out[i] = all[a->rows[i]];
	return rc;
}

int scan_rows_ints(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, enum expr_field_kind which, int64_t *out,
	struct scan_stats *stats, struct diag *d)
{
	struct ask a;
	int rc = begin(&a, s, unit, scratch, rows, count, stats, d);

	ASSERT(which != EXPR_FIELD_TEXT);
	ASSERT(which != EXPR_FIELD_META);
	return rc < 0 || count == 0 ? rc : ints(&a, which, out);
}

/* ---- texts ---- */

static void text_cells(const struct span *values, uint32_t count, struct expr_cell *out)
{
	for (uint32_t i = 0; i < count; i++)
		out[i] = (struct expr_cell){ .kind = EXPR_CELL_TEXT, .text = values[i] };
}

/* The whole dictionary, once for the segment. */
static int dict_cells(struct ask *a, enum event_text text, struct scan_values *out)
{
	struct block_reader *b = a->w.scratch->block;
	struct entries *e = &a->mem->dicts[text];
	int col = SEG_COL_TEXT + (int)text;
	struct col_dict *dict;
	uint64_t serial;
	int rc = block_reader_dict(b, col, &dict, &serial, a->w.d);

	if (rc == 0 && dict->count > 0)
		rc = block_reader_dict_need(b, col, 0, a->w.d);
	if (rc < 0)
		return rc;
	if (e->cap < dict->count) {
		free(e->cells);
		e->serial = e->cap = 0;
		e->cells = malloc(dict->count * sizeof *e->cells);
		if (!e->cells)
			return block_reader_fail(b, col, -ENOMEM, a->w.d);
		e->cap = dict->count;
	}
	if (e->serial != serial || e->bytes != dict->bytes) {
		for (uint32_t i = 0; i < dict->count; i++)
			e->cells[i] = (struct expr_cell){ .kind = EXPR_CELL_TEXT,
				.text = col_dict_at(dict, i + 1) };
	}
	e->serial = serial;
	e->bytes = dict->bytes;
	out->cells = e->cells;
	out->cells_count = dict->count;
	return 0;
}

static int by_dict(struct ask *a, enum event_text text, struct scan_values *out)
{
	struct block_reader *b = a->w.scratch->block;
	uint32_t *codes = a->mem->codes;
	int col = SEG_COL_TEXT + (int)text;
	const uint16_t *all;
	int rc = dict_cells(a, text, out);

	if (rc < 0)
		return rc;
	if (a->count < a->w.rows_count / SCAN_FEW) {
		uint16_t *some = a->mem->narrow;

		rc = block_reader_codes_at(b, col, a->rows, a->count, some, a->w.d);
		for (uint32_t i = 0; i < a->count && rc == 0; i++)
			codes[i] = some[i];
		return rc;
	}
	rc = block_reader_codes(b, col, &all, a->w.d);
	for (uint32_t i = 0; i < a->count && rc == 0; i++)
		codes[i] = all[a->rows[i]];
	return rc;
}

static int by_entries(struct ask *a, struct col_text *page, struct scan_values *out)
{
	struct scan_values_mem *m = a->mem;
	uint32_t n = col_text_entries(page);
	int rc;

	ASSERT(n <= LIMIT_BLOCK_ROWS);
	rc = col_text_entries_all(page, m->spans);
	if (rc == 0)
		rc = col_text_codes(page, a->rows, a->count, m->codes);
	text_cells(m->spans, rc == 0 ? n : 0, m->cells);
	out->cells_count = n;
	return rc;
}

/* Each value has its own cell; of neighbours that are the same, one. */
static void tell_apart(struct ask *a, struct scan_values *out)
{
	struct scan_values_mem *m = a->mem;
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->count; i++) {
		struct span v = m->spans[i];

		if (!v.p) {
			m->codes[i] = 0;
			continue;
		}
		if (n == 0 || !span_eq(m->cells[n - 1].text, v))
			m->cells[n++] = (struct expr_cell){ .kind = EXPR_CELL_TEXT, .text = v };
		m->codes[i] = n;
	}
	out->cells_count = n;
}

static int texts(struct ask *a, enum event_text text, struct scan_values *out)
{
	struct block_reader *b = a->w.scratch->block;
	int col = SEG_COL_TEXT + (int)text;
	struct col_text *page = NULL;
	enum col_kind kind;
	int rc = block_reader_kind(b, col, &kind, a->w.d);

	if (rc == 0 && kind == COL_KIND_CODES)
		return by_dict(a, text, out);
	if (rc == 0 && kind == COL_KIND_TEXT)
		rc = block_reader_text(b, col, &page, a->w.d);
	if (rc < 0)
		return rc;
	if (page && col_text_entries(page) > 0) {
		rc = by_entries(a, page, out);
		return rc < 0 ? block_reader_fail(b, col, rc, a->w.d) : 0;
	}
	buf_reset(&a->mem->bytes);
	rc = block_reader_get(b, col, a->rows, a->count, &a->mem->bytes, a->mem->spans, a->w.d);
	if (rc == 0)
		tell_apart(a, out);
	return rc;
}

/* ---- texts as numbers ---- */

/* Of a column without codes each row has a place of its own. */
static void codes_of_rows(struct ask *a, const struct col_text_numbers *values)
{
	for (uint32_t i = 0; i < a->count; i++) {
		uint32_t row = a->rows[i];

		a->mem->codes[i] = values->form_of[row] == COL_TEXT_FORM_ABSENT ? 0 : 1 + row;
	}
}

static int ids(struct ask *a, struct col_text *page, struct scan_ids *out)
{
	struct scan_values_mem *m = a->mem;
	uint32_t entries = col_text_entries(page);
	int rc;

	/* Without entries all rows are told, which is not worth it for a few. */
	if (entries == 0 && a->count < a->w.rows_count / SCAN_FEW)
		return SCAN_VALUES_NOT;
	*out = (struct scan_ids){ .codes = m->codes,
		.count = entries > 0 ? entries : a->w.rows_count,
		.values = { .form_of = m->forms, .numbers = m->numbers } };
	rc = col_text_numbers(page, &out->values);
	if (rc == 0 && entries > 0)
		rc = col_text_codes(page, a->rows, a->count, m->codes);
	else if (rc == 0)
		codes_of_rows(a, &out->values);
	return rc;
}

int scan_rows_ids(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, const struct expr_field *f, struct scan_ids *out,
	struct scan_stats *stats, struct diag *d)
{
	struct block_reader *b;
	struct col_text *page;
	enum col_kind kind;
	struct ask a;
	int col, rc = begin(&a, s, unit, scratch, rows, count, stats, d);

	if (rc < 0 || !a.w.reader || f->kind != EXPR_FIELD_TEXT || count == 0)
		return rc < 0 ? rc : SCAN_VALUES_NOT;
	b = scratch->block;
	col = SEG_COL_TEXT + (int)f->text;
	rc = block_reader_kind(b, col, &kind, d);
	if (rc < 0 || kind != COL_KIND_TEXT)
		return rc < 0 ? rc : SCAN_VALUES_NOT;
	rc = block_reader_text(b, col, &page, d);
	if (rc < 0)
		return rc;
	rc = ids(&a, page, out);
	return rc < 0 ? block_reader_fail(b, col, rc, d) : rc;
}

/* ---- any value ---- */

/* Cells as they come: their texts are in a buffer that moves, so for now their places are kept. */
struct take {
	struct ask *a;
	const struct expr_field *f;
	uint32_t n;
};

static void take_cell(struct take *t, uint32_t i, const struct expr_cell *cell)
{
	struct scan_values_mem *m = t->a->mem;

	m->codes[i] = 0;
	if (cell->kind == EXPR_CELL_ABSENT)
		return;
	m->cells[t->n] = *cell;
	m->offs[t->n++] = cell->text.p ? (size_t)(cell->text.p - m->bytes.p) : SIZE_MAX;
	m->codes[i] = t->n;
}

/* Nothing moves any more. */
static void place_texts(struct take *t)
{
	struct scan_values_mem *m = t->a->mem;

	for (uint32_t i = 0; i < t->n; i++) {
		if (m->offs[i] != SIZE_MAX)
			m->cells[i].text.p = m->bytes.p + m->offs[i];
	}
}

static void take_event(void *arg, uint32_t i, const struct event *ev)
{
	struct take *t = arg;
	struct expr_cell cell;

	expr_cell_of(t->f, ev, &cell);
	t->a->mem->codes[i] = 0;
	if (cell.kind == EXPR_CELL_ABSENT)
		return;
	t->a->mem->cells[t->n++] = cell;
	t->a->mem->codes[i] = t->n;
}

/* ---- metadata ---- */

/* Some of the rows asked for, and their places among these. */
struct some {
	uint32_t rows[SCAN_SOME];
	uint32_t at[SCAN_SOME];
	uint32_t n;
};

static int take_maps(struct take *t, struct some *x)
{
	struct scan_work *w = &t->a->w;
	struct span *spans = w->scratch->spans;
	int rc = block_reader_get(
		w->scratch->block, SEG_COL_METADATA, x->rows, x->n, &t->a->mem->bytes, spans, w->d);

	for (uint32_t i = 0; i < x->n && rc == 0; i++) {
		struct event ev = { .metadata = spans[i] };
		struct expr_cell cell;

		expr_cell_of(t->f, &ev, &cell);
		take_cell(t, x->at[i], &cell);
	}
	x->n = 0;
	return rc;
}

static int take_cells(struct take *t, struct col_map *map, uint32_t path, struct some *x)
{
	struct buf *bytes = &t->a->mem->bytes;
	struct scan_work *w = &t->a->w;
	struct col_map_cell cells[SCAN_SOME];
	int rc = col_map_cells(map, path, x->rows, x->n, bytes, cells);

	if (rc < 0)
		return block_reader_fail(w->scratch->block, SEG_COL_METADATA, rc, w->d);
	for (uint32_t i = 0; i < x->n; i++) {
		struct expr_cell cell;

		ASSERT(cells[i].present == COL_MAP_HAS);
		scan_meta_cell(&cells[i], bytes, &cell);
		take_cell(t, x->at[i], &cell);
	}
	x->n = 0;
	return 0;
}

/* Rows of one kind: those of which the path's own column tells, or those whose map has to be read. */
static int take_rows(
	struct take *t, struct col_map *map, int32_t path, const uint8_t *has, bool maps)
{
	struct ask *a = t->a;
	struct some x = { .n = 0 };
	int rc = 0;

	for (uint32_t i = 0; i < a->count && rc == 0; i++) {
		uint8_t h = has ? has[a->rows[i]] : COL_MAP_IN_WHOLE;

		if (h == COL_MAP_HAS_MAP)
			h = COL_MAP_IN_WHOLE;
		if (h == (maps ? COL_MAP_IN_WHOLE : COL_MAP_HAS)) {
			x.rows[x.n] = a->rows[i];
			x.at[x.n++] = i;
		}
		if (x.n == SCAN_SOME)
			rc = maps ? take_maps(t, &x) : take_cells(t, map, (uint32_t)path, &x);
	}
	if (x.n > 0 && rc == 0)
		rc = maps ? take_maps(t, &x) : take_cells(t, map, (uint32_t)path, &x);
	return rc;
}

/* A group's rows that have the path as a leaf: their number; in scratch->rows, within the block. */
static uint32_t list_group(struct take *t, uint32_t group, const uint8_t *has, uint8_t *leaf)
{
	struct scan_work *w = &t->a->w;
	uint32_t first = group * COL_MAP_ENTRY_ROWS, rows_count = w->rows_count - first, n;

	rows_count = rows_count < COL_MAP_ENTRY_ROWS ? rows_count : COL_MAP_ENTRY_ROWS;
	match_kernel_is(has + first, rows_count, COL_MAP_HAS, leaf);
	n = match_kernel_list(leaf, rows_count, w->scratch->rows);
	for (uint32_t i = 0; i < n; i++)
		w->scratch->rows[i] += first;
	return n;
}

/* The entries are the first cells. */
static int take_entries(struct take *t, struct col_map *map, uint32_t path)
{
	struct scan_values_mem *m = t->a->mem;
	struct col_map_cell *cells = m->entries;
	int rc = col_map_entry_cells(map, path, &m->bytes, cells);

	t->n = col_map_entries(map, path);
	for (uint32_t i = 0; i < t->n && rc == 0; i++) {
		struct expr_cell *cell = &m->cells[i];

		scan_meta_cell(&cells[i], &m->bytes, cell);
		if (cell->kind == EXPR_CELL_ABSENT)
			rc = ERR_CORRUPT;
		m->offs[i] = cell->text.p ? (size_t)(cell->text.p - m->bytes.p) : SIZE_MAX;
	}
	return rc;
}

/* by_row: a code for each row of the block that has the path. */
static int take_entry_group(
	struct take *t, struct col_map *map, uint32_t path, uint32_t group, uint32_t n)
{
	const uint32_t *rows = t->a->w.scratch->rows;
	const uint16_t *entries;
	int rc = col_map_entry_rows(map, path, group, n, &entries);

	for (uint32_t i = 0; i < n && rc == 0; i++)
		t->a->mem->by_row[rows[i]] = 1 + (uint32_t)entries[i];
	return rc;
}

static int take_number_group(
	struct take *t, struct col_map *map, uint32_t path, uint32_t group, uint32_t n)
{
	const uint32_t *rows = t->a->w.scratch->rows;
	struct scan_values_mem *m = t->a->mem;
	struct col_map_cell x;
	int rc = col_map_number_rows(map, path, group, n, m->ints);

	col_map_numbers(map, path, &x);
	for (uint32_t i = 0; i < n && rc == 0; i++) {
		memcpy(&x.i, &m->ints[i], sizeof x.i);
		scan_meta_cell(&x, NULL, &m->cells[t->n]);
		m->offs[t->n++] = SIZE_MAX;
		m->by_row[rows[i]] = t->n;
	}
	return rc;
}

/* Rows whose values stand in the path's column as entries or numbers. */
static int take_column(
	struct take *t, struct col_map *map, uint32_t path, const uint8_t *has, bool entries)
{
	struct ask *a = t->a;
	uint8_t leaf[COL_MAP_ENTRY_ROWS];
	int rc = entries ? take_entries(t, map, path) : 0;

	for (uint32_t g = 0; g * COL_MAP_ENTRY_ROWS < a->w.rows_count && rc == 0; g++) {
		uint32_t n = list_group(t, g, has, leaf);

		if (n > 0)
			rc = entries ? take_entry_group(t, map, path, g, n)
				     : take_number_group(t, map, path, g, n);
	}
	for (uint32_t i = 0; i < a->count && rc == 0; i++) {
		if (has[a->rows[i]] == COL_MAP_HAS)
			a->mem->codes[i] = a->mem->by_row[a->rows[i]];
	}
	return rc < 0 ? block_reader_fail(a->w.scratch->block, SEG_COL_METADATA, rc, a->w.d) : 0;
}

/* Rows that only their map can tell of have cells of their own beside those of the column. */
static bool leaves_room(const struct ask *a, const uint8_t *has, uint32_t entries)
{
	uint32_t rows = 0;

	for (uint32_t i = 0; i < a->w.rows_count; i++)
		rows += has[i] == COL_MAP_IN_WHOLE || has[i] == COL_MAP_HAS_MAP;
	return entries <= LIMIT_BLOCK_ROWS - rows;
}

static int take_leaves(struct take *t, struct col_map *map, uint32_t path, const uint8_t *has)
{
	uint32_t entries = col_map_entries(map, path);
	struct col_map_cell kind;

	if (entries > 0 && leaves_room(t->a, has, entries))
		return take_column(t, map, path, has, true);
	if (col_map_numbers(map, path, &kind))
		return take_column(t, map, path, has, false);
	return take_rows(t, map, (int32_t)path, has, false);
}

static int take_apart(struct take *t, struct col_map *map, uint8_t *match, uint8_t *has)
{
	struct ask *a = t->a;
	int32_t path;
	int rc;

	memset(match, 0, a->w.rows_count);
	for (uint32_t i = 0; i < a->count; i++)
		match[a->rows[i]] = 1;
	rc = col_map_has(map, t->f->keys, t->f->keys_count, match, has);
	if (rc < 0)
		return block_reader_fail(a->w.scratch->block, SEG_COL_METADATA, rc, a->w.d);
	path = col_map_find(map, t->f->keys, t->f->keys_count);
	if (path >= 0)
		rc = take_leaves(t, map, (uint32_t)path, has);
	return rc == 0 ? take_rows(t, map, path, has, true) : rc;
}

static int metadata(struct ask *a, const struct expr_field *f, struct scan_values *out)
{
	struct block_reader *b = a->w.scratch->block;
	struct take t = { a, f, 0 };
	enum col_kind kind;
	struct col_map *map;
	uint8_t *has;
	int rc = block_reader_kind(b, SEG_COL_METADATA, &kind, a->w.d);

	buf_reset(&a->mem->bytes);
	/* A byte: an empty text has an address too. */
	buf_put_u8(&a->mem->bytes, 0);
	memset(a->mem->codes, 0, a->count * sizeof *a->mem->codes);
	if (rc == 0 && kind != COL_KIND_MAP) {
		rc = take_rows(&t, NULL, -1, NULL, true);
	} else if (rc == 0) {
		has = scan_match_take(&a->w);
		rc = has ? block_reader_map(b, &map, a->w.d) : -ENOMEM;
		if (rc == 0)
			rc = take_apart(&t, map, a->w.scratch->match, has);
		if (has)
			scan_match_give(&a->w);
	}
	place_texts(&t);
	out->cells_count = t.n;
	return rc;
}

/* ---- all ---- */

static int number_cells(struct ask *a, enum expr_field_kind kind, struct scan_values *out)
{
	struct scan_values_mem *m = a->mem;
	int rc = ints(a, kind, m->ints);

	for (uint32_t i = 0; i < a->count && rc == 0; i++) {
		struct expr_cell *c = &m->cells[i];

		*c = (struct expr_cell){ .kind = EXPR_CELL_NUMBER };
		c->number = (struct expr_number){ .kind = EXPR_NUMBER_INT, .i = m->ints[i] };
		if (kind == EXPR_FIELD_ID && m->ints[i] < 0)
			c->number.kind = EXPR_NUMBER_UINT;
		m->codes[i] = i + 1;
	}
	out->cells_count = a->count;
	return rc;
}

static int values(struct ask *a, const struct expr_field *f, struct scan_values *out)
{
	struct take t = { a, f, 0 };
	int rc;

	*out = (struct scan_values){ .codes = a->mem->codes, .cells = a->mem->cells };
	if (a->count == 0)
		return 0;
	if (f->kind != EXPR_FIELD_TEXT && f->kind != EXPR_FIELD_META)
		return number_cells(a, f->kind, out);
	if (a->w.reader)
		return f->kind == EXPR_FIELD_TEXT ? texts(a, f->text, out) : metadata(a, f, out);
	rc = each_row(a, take_event, &t);
	out->cells_count = t.n;
	return rc;
}

int scan_rows_values(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, const struct expr_field *f, struct scan_values *out,
	struct scan_stats *stats, struct diag *d)
{
	struct ask a;
	int rc = begin(&a, s, unit, scratch, rows, count, stats, d);

	return rc < 0 ? rc : values(&a, f, out);
}

int scan_rows_numbers(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, const struct expr_field *f, struct expr_number *out,
	struct scan_stats *stats, struct diag *d)
{
	struct scan_values v = { .codes = NULL };
	struct ask a;
	int rc = begin(&a, s, unit, scratch, rows, count, stats, d);

	if (rc == 0 && f->kind != EXPR_FIELD_TEXT)
		rc = values(&a, f, &v);
	for (size_t i = 0; i < count && rc == 0; i++) {
		uint32_t code = v.codes ? v.codes[i] : 0;

		out[i] = (struct expr_number){ .kind = EXPR_NUMBER_NONE };
		if (code && v.cells[code - 1].kind == EXPR_CELL_NUMBER)
			out[i] = v.cells[code - 1].number;
	}
	return rc;
}
