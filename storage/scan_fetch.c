/*
 * Whole events of chosen rows: each column of the block is decoded once and gives its values to all
 * of them; of bytes, only the chunks are decompressed in which a chosen row stands.
 */
#include "storage/scan_int.h"

#include <errno.h>

#include "proto/base/check.h"
#include "storage/row.h"

struct fetch {
	struct scan_work *w;
	const uint32_t *rows;
	size_t count;
	struct arena *arena;
	struct event *out;
};

static struct span *place(struct event *ev, int col)
{
	return col == SEG_COL_METADATA ? &ev->metadata : &ev->text[col - SEG_COL_TEXT];
}

/* A copy in the arena; absent stays absent. */
static int put(struct fetch *f, size_t i, int col, struct span v)
{
	struct span *to = place(&f->out[i], col);

	ASSERT(i < f->count);
	*to = v;
	if (!v.p)
		return 0;
	/* A byte more: an empty value has an address too. */
	to->p = arena_alloc(f->arena, v.n + 1);
	if (!to->p)
		return diag_set(f->w->d, -ENOMEM, "", -1, "fetching events: the arena is full");
	if (v.n)
		memcpy((uint8_t *)(uintptr_t)to->p, v.p, v.n);
	return 0;
}

static int fetch_codes(struct fetch *f, int col)
{
	struct scan_dict *dict;
	int rc = scan_column_dict(f->w, col, &dict);

	if (rc == 0)
		rc = scan_column_codes(f->w, col);
	for (size_t i = 0; i < f->count && rc == 0; i++) {
		uint16_t code = f->w->scratch->codes[f->rows[i]];

		if (code)
			rc = seg_decode_dict_need(f->w->reader, col, &dict->dict, code, f->w->d);
		if (rc == 0)
			rc = put(f, i, col, code ? col_dict_at(&dict->dict, code) : SPAN_NONE);
	}
	return rc;
}

static int fetch_bytes(struct fetch *f, int col)
{
	struct scan_scratch *s = f->w->scratch;
	uint32_t chunk = UINT32_MAX, row = 0;
	struct span raw = SPAN_NONE;
	size_t off = 0;
	int rc = scan_column_bytes(f->w, col);

	for (size_t i = 0; i < f->count && rc == 0; i++) {
		uint32_t want = f->rows[i], at = col_bytes_find(&s->bytes, want);
		uint32_t length = s->lengths[want];

		if (length == 0) {
			*place(&f->out[i], col) = SPAN_NONE;
			continue;
		}
		if (at != chunk) {
			rc = scan_column_chunk(f->w, col, at, &raw);
			if (rc < 0)
				return rc;
			chunk = at;
			row = s->bytes.chunks[at].row;
			off = 0;
		}
		ASSERT(row <= want);
		for (; row < want; row++)
			off += col_bytes_length(s->lengths[row]);
		rc = put(f, i, col, span_of(raw.p + off, length - 1));
	}
	return rc;
}

static int fetch_text(struct fetch *f, int col)
{
	enum col_kind kind;
	int rc = seg_decode_kind(f->w->reader, f->w->piece->block, col, &kind, f->w->d);

	if (rc < 0)
		return rc;
	return kind == COL_KIND_CODES ? fetch_codes(f, col) : fetch_bytes(f, col);
}

static int fetch_ints(struct fetch *f, int col)
{
	const int64_t *v = col == SEG_COL_TIME ? f->w->scratch->times : f->w->scratch->ints;
	int rc = col == SEG_COL_TIME ? scan_column_times(f->w) : scan_column_ints(f->w, col);

	for (size_t i = 0; i < f->count && rc == 0; i++) {
		struct event *ev = &f->out[i];
		int64_t x = v[f->rows[i]];

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
	return rc;
}

static int fetch_block(struct fetch *f)
{
	int rc = 0;

	for (int col = 0; col < SEG_COL_INTS && rc == 0; col++)
		rc = fetch_ints(f, col);
	for (int col = SEG_COL_INTS; col < SEG_COL_COUNT && rc == 0; col++)
		rc = fetch_text(f, col);
	return rc;
}

static int copy_event(struct fetch *f, size_t i, const struct event *ev)
{
	int rc = 0;

	f->out[i] = *ev;
	for (int t = 0; t < EVENT_TEXT_COUNT && rc == 0; t++)
		rc = put(f, i, SEG_COL_TEXT + t, ev->text[t]);
	if (rc == 0)
		rc = put(f, i, SEG_COL_METADATA, ev->metadata);
	return rc;
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
		rc = copy_event(f, n++, &ev);
		if (rc < 0)
			return rc;
	}
	ASSERT(n == f->count);
	return 0;
}

int scan_fetch(const struct scan *s, size_t unit, const uint32_t *rows, size_t count,
	struct scan_scratch *scratch, struct arena *arena, struct event *out,
	struct scan_stats *stats, struct diag *d)
{
	struct scan_work w = scan_select_work(s, unit, scratch, stats, d);
	struct fetch f = { &w, rows, count, arena, out };

	for (size_t i = 0; i < count; i++) {
		ASSERT(rows[i] < w.rows_count);
		ASSERT(i == 0 || rows[i] > rows[i - 1]);
	}
	if (count == 0)
		return 0;
	return w.reader ? fetch_block(&f) : fetch_journal(&f);
}
