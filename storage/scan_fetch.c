/*
 * Whole events of chosen rows, column by column: each gives the values of these rows, and decodes no
 * more than it must.
 */
#include "storage/scan_fetch.h"

#include <errno.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/json_out.h"
#include "storage/row.h"
#include "storage/scan_int.h"

enum {
	SOME = 256,
	/* From one row in so many on, integers are decoded whole. */
	MANY = 8,
};

static_assert(SCAN_FETCH_TEXT == 1 << SEG_COL_TEXT, "a bit for each column, by its number");
static_assert(SCAN_FETCH_METADATA == 1 << SEG_COL_METADATA, "the last one");

struct fetch {
	struct scan_work *w;
	const uint32_t *rows;
	size_t count;
	struct event *out;
	uint32_t wanted; /* SCAN_FETCH_* */
	bool json;       /* metadata is JSON already */
};

static bool wants(const struct fetch *f, int col)
{
	return f->wanted >> col & 1;
}

static struct span *place(struct event *ev, int col)
{
	return col == SEG_COL_METADATA ? &ev->metadata : &ev->text[col - SEG_COL_TEXT];
}

/* ---- metadata as JSON ---- */

/* Appends what json_out_event would write. */
static int put_json(struct span metadata, struct buf *out)
{
	int rc = json_out_value(metadata, out);

	if (json_out_is_damage(rc)) {
		buf_put_str(out, "null");
		rc = out->err;
	}
	return rc == ERR_LIMIT ? -ENOMEM : rc;
}

/* Of events that have it as msgpack. */
static int make_json(struct fetch *f)
{
	struct buf *out = &f->w->scratch->json;
	const uint8_t *at;
	int rc = 0;

	buf_reset(out);
	for (size_t i = 0; i < f->count && rc == 0; i++) {
		struct span *v = &f->out[i].metadata;
		size_t before = out->len;

		if (!v->p)
			continue;
		rc = put_json(*v, out);
		v->n = out->len - before;
	}
	if (rc < 0)
		return diag_set(f->w->d, rc, "", -1, "fetching events: the JSON text is too long");
	/* It does not move any more. */
	at = out->p;
	for (size_t i = 0; i < f->count; i++) {
		struct span *v = &f->out[i].metadata;

		if (!v->p)
			continue;
		v->p = at;
		at += v->n;
	}
	return 0;
}

/* From the columns of the map; 1: they are not there. */
static int fetch_json(struct fetch *f)
{
	struct scan_scratch *s = f->w->scratch;
	int rc;

	buf_reset(&s->json);
	rc = block_reader_get_json(s->block, f->rows, f->count, &s->json, s->spans, f->w->d);
	for (size_t i = 0; i < f->count && rc == 0; i++)
		f->out[i].metadata = s->spans[i];
	return rc;
}

/* ---- columns ---- */

static int fetch_text(struct fetch *f, int col)
{
	struct scan_scratch *s = f->w->scratch;
	struct buf *bytes = &s->fetched[col - SEG_COL_INTS];
	int rc;

	buf_reset(bytes);
	rc = block_reader_get(s->block, col, f->rows, f->count, bytes, s->spans, f->w->d);
	for (size_t i = 0; i < f->count && rc == 0; i++)
		*place(&f->out[i], col) = s->spans[i];
	if (rc == 0)
		block_reader_hold_col(s->block, col, place(&f->out[0], col));
	return rc;
}

/* The rows match the scan's tree, and that tells the value. */
static void put_told(struct fetch *f, int col, struct span told)
{
	for (size_t i = 0; i < f->count; i++)
		*place(&f->out[i], col) = told;
	block_reader_hold_col(f->w->scratch->block, col, place(&f->out[0], col));
}

static int fetch_value(struct fetch *f, int col)
{
	const struct span *told = f->w->scan->told;
	int rc = 1;

	if (col != SEG_COL_METADATA && told[col - SEG_COL_TEXT].p) {
		put_told(f, col, told[col - SEG_COL_TEXT]);
		return 0;
	}
	if (col == SEG_COL_METADATA && f->wanted & SCAN_FETCH_JSON)
		rc = fetch_json(f);
	f->json = rc == 0 || f->json;
	return rc == 1 ? fetch_text(f, col) : rc;
}

/* In the order of their ranks: what a column refers to is at hand then. */
static int fetch_texts(struct fetch *f)
{
	struct block_reader *b = f->w->scratch->block;
	int rc = 0;

	block_reader_hold(b, f->rows, f->count, sizeof f->out[0]);
	for (unsigned rank = 0; rank < SEG_COL_BYTES && rc == 0; rank++) {
		int col = SEG_COL_INTS + block_ranked(rank);

		rc = wants(f, col) ? fetch_value(f, col) : 0;
	}
	block_reader_hold(b, NULL, 0, 0);
	return rc;
}

static void place_int(struct event *ev, int col, int64_t x)
{
	if (col == SEG_COL_ID)
		ev->id = (uint64_t)x;
	else if (col == SEG_COL_TIME)
		ev->time_ns = x;
	else if (col == SEG_COL_RECEIVED)
		ev->received_ns = x;
	else if (col == SEG_COL_SEVERITY)
		ev->severity = (uint8_t)x;
	else
		ev->flags = (uint8_t)x;
}

static int fetch_ints(struct fetch *f, int col)
{
	int64_t v[SOME];
	int rc = 0;

	for (size_t at = 0, n; at < f->count && rc == 0; at += n) {
		n = f->count - at < SOME ? f->count - at : SOME;
		rc = block_reader_ints_at(f->w->scratch->block, col, f->rows + at, n, v, f->w->d);
		for (size_t i = 0; i < n && rc == 0; i++)
			place_int(&f->out[at + i], col, v[i]);
	}
	return rc;
}

/* Many rows: what is decoded whole is asked first. */
static int prefer_whole(struct fetch *f)
{
	const int64_t *all;
	int rc = 0;

	for (int col = 0; col < SEG_COL_INTS && rc == 0; col++)
		rc = wants(f, col) ? block_reader_ints(f->w->scratch->block, col, &all, f->w->d)
				   : 0;
	return rc;
}

static void clear_unwanted(struct fetch *f)
{
	for (int col = 0; col < SEG_COL_COUNT; col++) {
		for (size_t i = 0; i < f->count && !wants(f, col); i++) {
			if (col < SEG_COL_INTS)
				place_int(&f->out[i], col, 0);
			else
				*place(&f->out[i], col) = SPAN_NONE;
		}
	}
}

static int fetch_block(struct fetch *f)
{
	int rc = f->count > f->w->rows_count / MANY ? prefer_whole(f) : 0;

	clear_unwanted(f);
	for (int col = 0; col < SEG_COL_INTS && rc == 0; col++)
		rc = wants(f, col) ? fetch_ints(f, col) : 0;
	return rc == 0 ? fetch_texts(f) : rc;
}

static int fetch_journal(struct fetch *f)
{
	struct span rows;
	struct rcur c;
	size_t n = 0;
	int rc = scan_column_batch(f->w, &rows);

	if (rc < 0)
		return rc;
	c = rcur_of(rows.p, rows.n);
	for (uint32_t i = 0; i < f->w->rows_count && n < f->count; i++) {
		struct event ev;

		rc = row_get(&c, &ev);
		if (rc < 0)
			return diag_set(f->w->d, rc, "journal", -1, "row %u of a batch", i);
		if (i != f->rows[n])
			continue;
		ev.id = f->w->piece->unit.id_min + i;
		f->out[n++] = ev;
	}
	ASSERT(n == f->count);
	return 0;
}

/* ---- copies ---- */

static uint8_t *move(struct span *v, uint8_t *to)
{
	if (!v->p)
		return to;
	if (v->n)
		memcpy(to, v->p, v->n);
	v->p = to;
	return to + v->n;
}

/* All values one after another in the arena, event by event. */
static int keep(const struct fetch *f, struct arena *arena)
{
	/* A byte more: an empty value has an address too. */
	size_t bytes = 1;
	uint8_t *to;

	for (size_t i = 0; i < f->count; i++)
		bytes += event_bytes(&f->out[i]);
	to = arena_alloc(arena, bytes);
	if (!to)
		return diag_set(f->w->d, -ENOMEM, "", -1, "fetching events: the arena is full");
	for (size_t i = 0; i < f->count; i++) {
		for (int t = 0; t < EVENT_TEXT_COUNT; t++)
			to = move(&f->out[i].text[t], to);
		to = move(&f->out[i].metadata, to);
	}
	return 0;
}

/* ---- face ---- */

static int fetch_unit(struct fetch *f)
{
	int rc = scan_column_enter(f->w) ? fetch_block(f) : fetch_journal(f);

	if (rc == 0 && f->wanted & SCAN_FETCH_JSON && !f->json)
		rc = make_json(f);
	return rc;
}

int scan_fetch_some(const struct scan *s, size_t unit, const uint32_t *rows, size_t count,
	uint32_t wanted, struct scan_scratch *scratch, struct arena *arena, struct event *out,
	struct scan_stats *stats, struct diag *d)
{
	struct scan_work w = scan_select_work(s, unit, scratch, stats, d);
	struct fetch f = { &w, rows, count, out, wanted, false };
	int rc;

	ASSERT(wanted <= (SCAN_FETCH_ALL | SCAN_FETCH_JSON));
	for (size_t i = 0; i < count; i++) {
		ASSERT(rows[i] < w.rows_count);
		ASSERT(i == 0 || rows[i] > rows[i - 1]);
	}
	if (count == 0)
		return 0;
	rc = fetch_unit(&f);
	return rc == 0 && arena ? keep(&f, arena) : rc;
}

int scan_fetch_view(const struct scan *s, size_t unit, const uint32_t *rows, size_t count,
	struct scan_scratch *scratch, struct event *out, struct scan_stats *stats, struct diag *d)
{
	return scan_fetch_some(s, unit, rows, count, SCAN_FETCH_ALL, scratch, NULL, out, stats, d);
}

int scan_fetch(const struct scan *s, size_t unit, const uint32_t *rows, size_t count,
	struct scan_scratch *scratch, struct arena *arena, struct event *out,
	struct scan_stats *stats, struct diag *d)
{
	return scan_fetch_some(s, unit, rows, count, SCAN_FETCH_ALL, scratch, arena, out, stats, d);
}
