/*
 * The rows of one unit that match. In a segment the open conditions are decided column by column,
 * cheapest first, each on the rows that are left: integers and codes as they are, a dictionary's
 * entries once for the whole segment, bytes chunk by chunk and only where a row is left.
 */
#include "storage/scan_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/redact.h"
#include "storage/row.h"
#include "storage/snapshot_int.h"

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

/* ---- integers ---- */

static void keep_range(const struct scan_work *w, const int64_t *v, int64_t from, int64_t to)
{
	uint8_t *match = w->scratch->match;

	for (uint32_t i = 0; i < w->rows_count; i++)
		match[i] &= (uint8_t)((v[i] >= from) & (v[i] <= to));
}

static int by_id(struct scan_work *w)
{
	uint64_t lo = w->scan->spec.id_min, hi = w->scan->spec.id_max;
	uint8_t *match = w->scratch->match;
	const int64_t *v = w->scratch->ints;
	int rc = scan_column_ints(w, SEG_COL_ID);

	for (uint32_t i = 0; rc == 0 && i < w->rows_count; i++)
		match[i] &= (uint8_t)(((uint64_t)v[i] >= lo) & ((uint64_t)v[i] <= hi));
	return rc;
}

static int by_severity(struct scan_work *w)
{
	unsigned mask = w->scan->spec.severity_mask;
	uint8_t *match = w->scratch->match;
	int rc = scan_column_ints(w, SEG_COL_SEVERITY);

	for (uint32_t i = 0; rc == 0 && i < w->rows_count; i++)
		match[i] &= (uint8_t)(mask >> w->scratch->ints[i] & 1);
	return rc;
}

static int by_time(struct scan_work *w)
{
	int rc = scan_column_times(w);

	if (rc == 0)
		keep_range(w, w->scratch->times, w->scan->spec.from_ns, w->scan->spec.to_ns);
	return rc;
}

static int by_received(struct scan_work *w)
{
	int rc = scan_column_ints(w, SEG_COL_RECEIVED);

	if (rc == 0)
		keep_range(w, w->scratch->ints, w->scan->spec.received_from_ns,
			w->scan->spec.received_to_ns);
	return rc;
}

/* ---- texts ---- */

static bool asks_contains(const struct scan *s, int text)
{
	return text == EVENT_TEXT_DESCRIPTION && s->needle.n > 0;
}

/* All that the scan asks of a value of this field. */
static bool wants(const struct scan *s, int text, struct span v)
{
	if (s->sets[text].count > 0 && !scan_text_set_has(&s->sets[text], v))
		return false;
	return !asks_contains(s, text) || (v.p && scan_text_find(&s->needle, v, 0) != SIZE_MAX);
}

static void judge_entries(const struct scan *s, int text, struct scan_dict *dict)
{
	dict->wanted_count = 0;
	for (uint32_t code = 0; code <= dict->dict.count; code++) {
		struct span v = code ? col_dict_at(&dict->dict, code) : SPAN_NONE;
		bool want = wants(s, text, v);

		dict->wanted[code] = want;
		dict->wanted_count += want;
		if (want)
			dict->wanted_code = (uint16_t)code;
	}
	dict->wanted_ready = true;
}

/* Decides for each entry of the dictionary, and for absence, once for the segment. */
static int judge_dict(struct scan_work *w, int text, struct scan_dict *dict)
{
	int rc;

	if (dict->wanted_ready)
		return 0;
	if (!dict->wanted)
		dict->wanted = malloc(LIMIT_DICT_ENTRIES + 1);
	if (!dict->wanted)
		return seg_decode_fail(
			w->reader, w->piece->block, SEG_COL_TEXT + text, -ENOMEM, w->d);
	rc = seg_decode_dict_need(w->reader, SEG_COL_TEXT + text, &dict->dict, 0, w->d);
	if (rc == 0)
		judge_entries(w->scan, text, dict);
	return rc;
}

static int by_codes(struct scan_work *w, int text)
{
	uint8_t *match = w->scratch->match;
	const uint16_t *codes = w->scratch->codes;
	struct scan_dict *dict;
	int rc = scan_column_dict(w, SEG_COL_TEXT + text, &dict);

	if (rc == 0)
		rc = judge_dict(w, text, dict);
	if (rc < 0)
		return rc;
	if (dict->wanted_count == 0) {
		memset(match, 0, w->rows_count);
		return 0;
	}
	rc = scan_column_codes(w, SEG_COL_TEXT + text);
	if (rc < 0)
		return rc;
	if (dict->wanted_count == 1) {
		uint16_t code = dict->wanted_code;

		for (uint32_t i = 0; i < w->rows_count; i++)
			match[i] &= (uint8_t)(codes[i] == code);
		return 0;
	}
	for (uint32_t i = 0; i < w->rows_count; i++)
		match[i] &= dict->wanted[codes[i]];
	return 0;
}

/* Lengths that a value must have to be among the wanted ones: coded as in the column. */
struct lengths {
	uint32_t min;
	uint32_t max;
};

static struct lengths lengths_wanted(const struct scan *s, int text)
{
	const struct scan_text_set *set = &s->sets[text];
	struct lengths l = { 0, UINT32_MAX };

	if (set->count > 0)
		l = (struct lengths){ UINT32_MAX, 0 };
	for (size_t i = 0; i < set->count; i++) {
		uint32_t n = set->values[i].p ? (uint32_t)set->values[i].n + 1 : 0;

		l.min = n < l.min ? n : l.min;
		l.max = n > l.max ? n : l.max;
	}
	if (asks_contains(s, text) && l.min < s->needle.n + 1)
		l.min = (uint32_t)s->needle.n + 1;
	return l;
}

/* One search over all values of the chunk; a hit that spans two values is none. */
static void keep_containing(struct scan_work *w, const struct col_bytes_chunk *k, struct span raw)
{
	const struct scan_text_needle *needle = &w->scan->needle;
	uint8_t *match = w->scratch->match;
	uint32_t row = k->row, last = k->row + k->rows_count;
	size_t end = 0, at = 0;

	for (; row < last; row++) {
		size_t start = end;

		end += col_bytes_length(w->scratch->lengths[row]);
		if (at != SIZE_MAX && at < start)
			at = start;
		if (at == start)
			at = scan_text_find(needle, raw, start);
		/* Over the end of this value: look again from the next place, still inside. */
		while (at < end && at + needle->n > end)
			at = scan_text_find(needle, raw, at + 1);
		match[row] &= (uint8_t)(at < end);
	}
}

static void keep_equal(
	struct scan_work *w, int text, const struct col_bytes_chunk *k, struct span raw)
{
	uint8_t *match = w->scratch->match;
	size_t off = 0;

	for (uint32_t row = k->row; row < k->row + k->rows_count; row++) {
		uint32_t length = w->scratch->lengths[row];
		struct span v = length ? span_of(raw.p + off, length - 1) : SPAN_NONE;

		if (match[row])
			match[row] = scan_text_set_has(&w->scan->sets[text], v);
		off += col_bytes_length(length);
	}
}

static int by_chunk(struct scan_work *w, int text, uint32_t chunk)
{
	const struct col_bytes_chunk *k = &w->scratch->bytes.chunks[chunk];
	struct span raw;
	int rc;

	if (!memchr(w->scratch->match + k->row, 1, k->rows_count))
		return 0;
	rc = scan_column_chunk(w, SEG_COL_TEXT + text, chunk, &raw);
	if (rc < 0)
		return rc;
	if (w->scan->sets[text].count > 0)
		keep_equal(w, text, k, raw);
	if (asks_contains(w->scan, text))
		keep_containing(w, k, raw);
	return 0;
}

static int by_bytes(struct scan_work *w, int text)
{
	struct lengths l = lengths_wanted(w->scan, text);
	uint8_t *match = w->scratch->match;
	int rc = scan_column_bytes(w, SEG_COL_TEXT + text);

	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < w->rows_count; i++) {
		uint32_t n = w->scratch->lengths[i];

		match[i] &= (uint8_t)((n >= l.min) & (n <= l.max));
	}
	for (uint32_t i = 0; rc == 0 && i < w->scratch->bytes.chunks_count; i++)
		rc = by_chunk(w, text, i);
	return rc;
}

/* Rows of rare types stand in the sidecar. 1: it lists all that are wanted in this block. */
static int by_rare_types(struct scan_work *w)
{
	const struct scan_text_set *types = &w->scan->sets[EVENT_TEXT_EVENT_TYPE];
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

/* One pass over the fields: those whose page is of that kind. */
static int by_texts(struct scan_work *w, enum col_kind kind, uint32_t *left)
{
	for (int text = 0; text<EVENT_TEXT_COUNT && * left> 0; text++) {
		enum col_kind have;
		int rc;

		if (!is_open(w, text))
			continue;
		rc = seg_decode_kind(w->reader, w->piece->block, SEG_COL_TEXT + text, &have, w->d);
		if (rc == 0 && have != kind)
			continue;
		if (rc == 0 && kind == COL_KIND_CODES && text == EVENT_TEXT_EVENT_TYPE)
			rc = by_rare_types(w);
		if (rc == 0)
			rc = kind == COL_KIND_CODES ? by_codes(w, text) : by_bytes(w, text);
		if (rc < 0)
			return rc;
		*left = count_matches(w);
	}
	return 0;
}

static int by_ints(
	struct scan_work *w, uint32_t cond, int (*decide)(struct scan_work *), uint32_t *left)
{
	int rc;

	if (!(w->piece->conds & cond) || *left == 0)
		return 0;
	rc = decide(w);
	*left = count_matches(w);
	return rc;
}

static int by_shown(struct scan_work *w)
{
	const struct redact_set *redact = snapshot_redact(w->scan->snap);
	int rc = scan_column_ints(w, SEG_COL_ID);

	for (uint32_t i = 0; i < w->rows_count && rc == 0; i++) {
		if (w->scratch->match[i])
			w->scratch->match[i] =
				!redact_set_has(redact, (uint64_t)w->scratch->ints[i]);
	}
	return rc;
}

int scan_select_match(struct scan_work *w, uint32_t *out_count)
{
	uint32_t left = w->rows_count;
	int rc;

	ASSERT(w->rows_count <= LIMIT_BLOCK_ROWS);
	memset(w->scratch->match, 1, w->rows_count);
	rc = by_ints(w, SCAN_COND_ID, by_id, &left);
	if (rc == 0)
		rc = by_ints(w, SCAN_COND_SEVERITY, by_severity, &left);
	if (rc == 0)
		rc = by_texts(w, COL_KIND_CODES, &left);
	if (rc == 0)
		rc = by_ints(w, SCAN_COND_TIME, by_time, &left);
	if (rc == 0)
		rc = by_ints(w, SCAN_COND_RECEIVED, by_received, &left);
	if (rc == 0)
		rc = by_texts(w, COL_KIND_BYTES, &left);
	if (rc == 0)
		rc = by_ints(w, SCAN_COND_SHOWN, by_shown, &left);
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
		if (!wants(s, i, ev->text[i]))
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

static int select_block(struct scan_work *w, size_t *out_count)
{
	struct scan_scratch *s = w->scratch;
	uint32_t left;
	size_t n = 0;
	int rc = scan_select_match(w, &left);

	*out_count = 0;
	if (rc < 0 || left == 0)
		return rc;
	rc = scan_column_times(w);
	if (rc == 0)
		rc = scan_column_ints(w, SEG_COL_ID);
	if (rc < 0)
		return rc;
	for (uint32_t i = 0; i < w->rows_count; i++) {
		s->hits[n] = (struct scan_hit){ s->times[i], (uint64_t)s->ints[i], i };
		n += s->match[i];
	}
	ASSERT(n == left);
	*out_count = n;
	return 0;
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
