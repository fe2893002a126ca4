/* The rows of one unit that match: of a block by scan_some or scan_match, of the journal event by event. */
#include "storage/scan_int.h"

#include <errno.h>

#include "proto/base/check.h"
#include "storage/redact.h"
#include "storage/row.h"
#include "storage/snapshot_int.h"

struct scan_work scan_select_work(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	struct scan_stats *stats, struct diag *d)
{
	struct scan_piece *p = &s->pieces[unit];

	ASSERT(unit < s->pieces_count);
	if (scratch->scan_serial != s->serial) {
		expr_scratch_reset(scratch->expr);
		scratch->scan_serial = s->serial;
	}
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

static bool row_matches(const struct scan_work *w, const struct event *ev)
{
	const struct scan_spec *spec = &w->scan->spec;

	if (ev->time_ns < spec->from_ns || ev->time_ns > spec->to_ns || ev->id < spec->id_min ||
		ev->id > spec->id_max)
		return false;
	return w->scan->nodes_count == 0 || expr_match(spec->where, ev, w->scratch->expr);
}

int scan_select_journal(struct scan_work *w, size_t *out_count)
{
	const struct redact_set *redact = snapshot_redact(w->scan->snap);
	uint64_t given_up = expr_scratch_given_up(w->scratch->expr);
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
		if (row_matches(w, &ev) &&
			!(w->piece->conds & SCAN_COND_SHOWN && redact_set_has(redact, ev.id)))
			w->scratch->hits[n++] = (struct scan_hit){ ev.time_ns, ev.id, i };
	}
	w->stats->regex_given_up += expr_scratch_given_up(w->scratch->expr) - given_up;
	*out_count = n;
	return 0;
}

/* Times and ids of the rows listed. */
static int make_hits(struct scan_work *w, uint32_t count)
{
	struct block_reader *b = w->scratch->block;
	const uint32_t *rows = w->scratch->rows;
	int64_t times[SCAN_SOME], ids[SCAN_SOME];
	const int64_t *whole;
	int rc = 0;

	if (count >= w->rows_count / SCAN_FEW) {
		rc = block_reader_ints(b, SEG_COL_TIME, &whole, w->d);
		if (rc == 0)
			rc = block_reader_ints(b, SEG_COL_ID, &whole, w->d);
	}
	for (uint32_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < SCAN_SOME ? count - at : SCAN_SOME;
		rc = block_reader_ints_at(b, SEG_COL_TIME, rows + at, n, times, w->d);
		if (rc == 0)
			rc = block_reader_ints_at(b, SEG_COL_ID, rows + at, n, ids, w->d);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			w->scratch->hits[at + i] =
				(struct scan_hit){ times[i], (uint64_t)ids[i], rows[at + i] };
	}
	return rc;
}

int scan_select_block(struct scan_work *w, uint32_t *out_count)
{
	uint64_t given_up = expr_scratch_given_up(w->scratch->expr);
	int rc = scan_match_block(w, out_count);

	w->stats->regex_given_up += expr_scratch_given_up(w->scratch->expr) - given_up;
	return rc;
}

/* The rows of a block that match, listed; their number. */
static int list_rows(struct scan_work *w, uint32_t *out_count)
{
	uint64_t given_up = expr_scratch_given_up(w->scratch->expr);
	int rc = scan_some_block(w, out_count);

	w->stats->regex_given_up += expr_scratch_given_up(w->scratch->expr) - given_up;
	if (rc <= 0)
		return rc;
	rc = scan_select_block(w, out_count);
	if (rc == 0 && *out_count > 0)
		match_kernel_list(w->scratch->match, w->rows_count, w->scratch->rows);
	return rc;
}

static int select_hits(struct scan_work *w, size_t *out_count)
{
	uint32_t left;
	int rc = list_rows(w, &left);

	*out_count = 0;
	if (rc < 0 || left == 0)
		return rc;
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
	int rc = w.reader ? select_hits(&w, &n) : scan_select_journal(&w, &n);

	if (rc < 0)
		return rc;
	stats->rows_matched += n;
	*out_hits = scratch->hits;
	*out_count = n;
	return 0;
}
