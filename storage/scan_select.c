/*
 * The rows of one unit that match. In a segment the open conditions are decided column by column,
 * cheapest first, each on the rows that are left: integers and codes as they are, a dictionary's
 * entries once for the whole segment, a page of text by its own words and templates.
 */
#include "storage/scan_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/redact.h"
#include "storage/row.h"
#include "storage/snapshot_int.h"

enum {
	SOME = 256,
	/* With less than one row in so many left, rows are asked for one by one. */
	FEW = 8,
};

struct scan_work scan_select_work(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	struct scan_stats *stats, struct diag *d)
{
	struct scan_piece *p = &s->pieces[unit];

	ASSERT(unit < s->pieces_count);
	return (struct scan_work){
		.scan = s,
		.piece = p,
		.scratch = scratch,
		.stats = stats,
		.d = d,
		.reader = p->journal ? NULL : s->segments[p->segment].reader,
		.rows_count = p->unit.rows_count,
	};
}

static uint32_t count_matches(const struct scan_work *w)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->rows_count; i++)
		n += w->scratch->match[i];
	return n;
}

/* The rows that are left, in scratch->rows. */
static uint32_t list_matches(const struct scan_work *w)
{
	const uint8_t *match = w->scratch->match;
	uint32_t *rows = w->scratch->rows;
	uint32_t n = 0;

	for (uint32_t i = 0; i < w->rows_count; i++) {
		rows[n] = i;
		n += match[i];
	}
	return n;
}

/* ---- integers ---- */

/* A condition on a column of integers: v - least, unsigned, is at most width; or, of severities, a bit. */
struct number {
	int col;
	uint64_t least;
	uint64_t width;
	unsigned mask;
};

static struct number number_of(const struct scan_spec *spec, uint32_t cond)
{
	switch (cond) {
	case SCAN_COND_ID:
		return (struct number){ SEG_COL_ID, spec->id_min, spec->id_max - spec->id_min, 0 };
	case SCAN_COND_SEVERITY:
		return (struct number){ .col = SEG_COL_SEVERITY, .mask = spec->severity_mask };
	case SCAN_COND_TIME:
		return (struct number){ SEG_COL_TIME, (uint64_t)spec->from_ns,
			(uint64_t)spec->to_ns - (uint64_t)spec->from_ns, 0 };
	default:
		return (struct number){ SEG_COL_RECEIVED, (uint64_t)spec->received_from_ns,
			(uint64_t)spec->received_to_ns - (uint64_t)spec->received_from_ns, 0 };
	}
}

static bool holds(const struct number *x, int64_t v)
{
	if (x->col == SEG_COL_SEVERITY)
		return x->mask >> v & 1;
	return (uint64_t)v - x->least <= x->width;
}

static int keep_whole(struct scan_work *w, const struct number *x)
{
	uint8_t *match = w->scratch->match;
	const int64_t *v;
	int rc = block_reader_ints(w->scratch->block, x->col, &v, w->d);

	if (rc < 0)
		return rc;
	if (x->col == SEG_COL_SEVERITY) {
		for (uint32_t i = 0; i < w->rows_count; i++)
			match[i] &= (uint8_t)(x->mask >> v[i] & 1);
		return 0;
	}
	for (uint32_t i = 0; i < w->rows_count; i++)
		match[i] &= (uint8_t)((uint64_t)v[i] - x->least <= x->width);
	return 0;
}

static int keep_some(struct scan_work *w, const struct number *x)
{
	uint32_t *rows = w->scratch->rows, count = list_matches(w);
	int64_t v[SOME];
	int rc = 0;

	for (uint32_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < SOME ? count - at : SOME;
		rc = block_reader_ints_at(w->scratch->block, x->col, rows + at, n, v, w->d);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			w->scratch->match[rows[at + i]] = holds(x, v[i]);
	}
	return rc;
}

static int by_number(struct scan_work *w, uint32_t cond, uint32_t *left)
{
	struct number x = number_of(&w->scan->spec, cond);
	int rc;

	if (!(w->piece->conds & cond) || *left == 0)
		return 0;
	rc = *left < w->rows_count / FEW ? keep_some(w, &x) : keep_whole(w, &x);
	*left = count_matches(w);
	return rc;
}

/* ---- texts ---- */

static bool asks_contains(const struct scan *s, int text)
{
	return text == EVENT_TEXT_DESCRIPTION && s->needle.n > 0;
}

static int by_codes(struct scan_work *w, int text)
{
	uint8_t *match = w->scratch->match;
	const struct scan_verdict *v;
	const uint16_t *codes;
	int rc = scan_column_verdict(w, text, &v);

	if (rc < 0)
		return rc;
	if (v->wanted_count == 0) {
		memset(match, 0, w->rows_count);
		return 0;
	}
	rc = block_reader_codes(w->scratch->block, SEG_COL_TEXT + text, &codes, w->d);
	if (rc < 0)
		return rc;
	if (v->wanted_count == 1) {
		uint16_t code = v->wanted_code;

		for (uint32_t i = 0; i < w->rows_count; i++)
			match[i] &= (uint8_t)(codes[i] == code);
		return 0;
	}
	for (uint32_t i = 0; i < w->rows_count; i++)
		match[i] &= v->wanted[codes[i]];
	return 0;
}

static int by_page(struct scan_work *w, int text)
{
	struct block_reader *b = w->scratch->block;
	struct col_text *t;
	int rc = block_reader_text(b, SEG_COL_TEXT + text, &t, w->d);

	if (rc < 0)
		return rc;
	if (w->scan->sets[text].count > 0)
		rc = col_text_equal(t, &w->scan->sets[text], w->scratch->match);
	if (rc == 0 && asks_contains(w->scan, text))
		rc = col_text_contains(t, &w->scan->needle, w->scratch->match);
	return rc < 0 ? block_reader_fail(b, SEG_COL_TEXT + text, rc, w->d) : 0;
}

/* ---- bytes, of older segments ---- */

static void keep_wanted(struct scan_work *w, int text, const struct col_bytes_chunk *k,
	const uint32_t *lengths, struct span raw)
{
	uint8_t *match = w->scratch->match;
	size_t off = 0;

	for (uint32_t row = k->row; row < k->row + k->rows_count; row++) {
		uint32_t length = lengths[row];
		struct span v = length ? span_of(raw.p + off, length - 1) : SPAN_NONE;

		if (match[row])
			match[row] = scan_column_wants(w->scan, text, v);
		off += col_bytes_length(length);
	}
}

/* Chunk by chunk, and only where a row is left. */
static int by_bytes(struct scan_work *w, int text)
{
	struct scan_scratch *s = w->scratch;
	const struct col_bytes *page;
	const uint32_t *lengths;
	int rc = block_reader_bytes(s->block, SEG_COL_TEXT + text, &page, &lengths, w->d);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < page->chunks_count; i++) {
		const struct col_bytes_chunk *k = &page->chunks[i];
		struct span raw;

		if (!memchr(s->match + k->row, 1, k->rows_count))
			continue;
		rc = col_bytes_chunk(page, i, &s->bytes, &raw);
		if (rc < 0)
			return block_reader_fail(s->block, SEG_COL_TEXT + text, rc, w->d);
		keep_wanted(w, text, k, lengths, raw);
	}
	return 0;
}

/* Rows of rare types stand in the sidecar. 1: it lists all that are wanted in this block. */
static int by_rare_types(struct scan_work *w)
{
	const struct textset *types = &w->scan->sets[EVENT_TEXT_EVENT_TYPE];
	const struct sidx_set *set = w->scan->segments[w->piece->segment].sidecars;
	uint8_t *match = w->scratch->match;
	uint32_t rows[SIDX_TYPE_RARE_ROWS];

	if (!set || !set->type || !sidx_type_complete(set->type))
		return 0;
	for (size_t i = 0; i < types->count; i++) {
		int at = sidx_type_find(set->type, types->values[i]);
		struct sidx_type_entry e = { .rare = true };

		if (at >= 0)
			sidx_type_entry(set->type, (size_t)at, &e);
		if (!e.rare)
			return 0;
	}
	for (size_t i = 0; i < types->count; i++) {
		int at = sidx_type_find(set->type, types->values[i]);
		uint32_t n = 0;

		if (at >= 0)
			n = sidx_type_rows(set->type, (size_t)at, w->piece->block, rows);
		/* Marked with 2, so that what was ruled out before stays so. */
		for (uint32_t k = 0; k < n; k++)
			match[rows[k]] |= rows[k] < w->rows_count ? 2 : 0;
	}
	for (uint32_t i = 0; i < w->rows_count; i++)
		match[i] = match[i] == 3;
	return 1;
}

static bool is_open(const struct scan_work *w, int text)
{
	uint32_t cond = (uint32_t)SCAN_COND_TEXT << text;

	if (text == EVENT_TEXT_DESCRIPTION)
		cond |= SCAN_COND_CONTAINS;
	return (w->piece->conds & cond) != 0;
}

/* One pass over the fields: those of codes, or the others. */
static int by_texts(struct scan_work *w, bool coded, uint32_t *left)
{
	for (int text = 0; text<EVENT_TEXT_COUNT && * left> 0; text++) {
		enum col_kind kind;
		int rc;

		if (!is_open(w, text))
			continue;
		rc = block_reader_kind(w->scratch->block, SEG_COL_TEXT + text, &kind, w->d);
		if (rc == 0 && (kind == COL_KIND_CODES) != coded)
			continue;
		if (rc == 0 && coded && text == EVENT_TEXT_EVENT_TYPE)
			rc = by_rare_types(w);
		if (rc == 0 && kind == COL_KIND_CODES)
			rc = by_codes(w, text);
		else if (rc == 0)
			rc = kind == COL_KIND_TEXT ? by_page(w, text) : by_bytes(w, text);
		if (rc < 0)
			return rc;
		*left = count_matches(w);
	}
	return 0;
}

/* ---- deleted rows ---- */

static int by_shown(struct scan_work *w, uint32_t *left)
{
	const struct redact_set *redact;
	uint32_t *rows = w->scratch->rows, count;
	int64_t v[SOME];
	int rc = 0;

	if (!(w->piece->conds & SCAN_COND_SHOWN) || *left == 0)
		return 0;
	redact = snapshot_redact(w->scan->snap);
	count = list_matches(w);
	for (uint32_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < SOME ? count - at : SOME;
		rc = block_reader_ints_at(w->scratch->block, SEG_COL_ID, rows + at, n, v, w->d);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			w->scratch->match[rows[at + i]] = !redact_set_has(redact, (uint64_t)v[i]);
	}
	*left = count_matches(w);
	return rc;
}

int scan_select_match(struct scan_work *w, uint32_t *out_count)
{
	uint32_t left = w->rows_count;
	int rc;

	ASSERT(w->rows_count <= LIMIT_BLOCK_ROWS);
	scan_column_enter(w);
	memset(w->scratch->match, 1, w->rows_count);
	rc = by_number(w, SCAN_COND_ID, &left);
	if (rc == 0)
		rc = by_number(w, SCAN_COND_SEVERITY, &left);
	if (rc == 0)
		rc = by_texts(w, true, &left);
	if (rc == 0)
		rc = by_number(w, SCAN_COND_TIME, &left);
	if (rc == 0)
		rc = by_number(w, SCAN_COND_RECEIVED, &left);
	if (rc == 0)
		rc = by_texts(w, false, &left);
	if (rc == 0)
		rc = by_shown(w, &left);
	ASSERT(left <= w->rows_count);
	*out_count = left;
	return rc;
}

/* ---- rows of the journal, and hits ---- */

static bool row_matches(const struct scan *s, const struct event *ev)
{
	const struct scan_spec *spec = &s->spec;

	if (ev->time_ns < spec->from_ns || ev->time_ns > spec->to_ns || ev->id < spec->id_min ||
		ev->id > spec->id_max || !(spec->severity_mask >> ev->severity & 1) ||
		ev->received_ns < spec->received_from_ns || ev->received_ns > spec->received_to_ns)
		return false;
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		if (!scan_column_wants(s, i, ev->text[i]))
			return false;
	}
	return true;
}

static int select_journal(struct scan_work *w, size_t *out_count)
{
	const struct redact_set *redact = snapshot_redact(w->scan->snap);
	struct span rows;
	struct rcur c;
	size_t n = 0;
	int rc = scan_column_batch(w, &rows);

	if (rc < 0)
		return rc;
	c = rcur_of(rows.p, rows.n);
	ASSERT(w->rows_count <= LIMIT_BLOCK_ROWS);
	for (uint32_t i = 0; i < w->rows_count; i++) {
		struct event ev;

		rc = row_get(&c, &ev);
		if (rc < 0)
			return diag_set(w->d, rc, "journal", -1, "row %u of a batch", i);
		ev.id = w->piece->unit.id_min + i;
		if (row_matches(w->scan, &ev) &&
			!(w->piece->conds & SCAN_COND_SHOWN && redact_set_has(redact, ev.id)))
			w->scratch->hits[n++] = (struct scan_hit){ ev.time_ns, ev.id, i };
	}
	*out_count = n;
	return 0;
}

/* Times and ids of the rows listed. */
static int make_hits(struct scan_work *w, uint32_t count)
{
	struct block_reader *b = w->scratch->block;
	const uint32_t *rows = w->scratch->rows;
	int64_t times[SOME], ids[SOME];
	const int64_t *whole;
	int rc = 0;

	if (count >= w->rows_count / FEW) {
		rc = block_reader_ints(b, SEG_COL_TIME, &whole, w->d);
		if (rc == 0)
			rc = block_reader_ints(b, SEG_COL_ID, &whole, w->d);
	}
	for (uint32_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < SOME ? count - at : SOME;
		rc = block_reader_ints_at(b, SEG_COL_TIME, rows + at, n, times, w->d);
		if (rc == 0)
			rc = block_reader_ints_at(b, SEG_COL_ID, rows + at, n, ids, w->d);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			w->scratch->hits[at + i] =
				(struct scan_hit){ times[i], (uint64_t)ids[i], rows[at + i] };
	}
	return rc;
}

static int select_block(struct scan_work *w, size_t *out_count)
{
	uint32_t left;
	int rc = scan_select_match(w, &left);

	*out_count = 0;
	if (rc < 0 || left == 0)
		return rc;
	left = list_matches(w);
	rc = make_hits(w, left);
	if (rc == 0)
		*out_count = left;
	return rc;
}

int scan_select(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const struct scan_hit **out_hits, size_t *out_count, struct scan_stats *stats,
	struct diag *d)
{
	struct scan_work w = scan_select_work(s, unit, scratch, stats, d);
	size_t n = 0;
	int rc = w.reader ? select_block(&w, &n) : select_journal(&w, &n);

	if (rc < 0)
		return rc;
	stats->rows_matched += n;
	*out_hits = scratch->hits;
	*out_count = n;
	return 0;
}
