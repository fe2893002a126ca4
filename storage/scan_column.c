#include "storage/scan_int.h"

#include "proto/base/check.h"
#include "storage/snapshot_int.h"

static void count_page(struct scan_work *w, const struct seg_page *p)
{
	w->stats->pages_read++;
	w->stats->bytes_read += p->bytes;
	if (!atomic_exchange(&w->piece->touched, true))
		w->stats->blocks_read++;
}

static void count_column(struct scan_work *w, int col)
{
	count_page(w, seg_reader_page(w->reader, w->piece->block, col));
}

int scan_column_times(struct scan_work *w)
{
	int rc;

	if (w->times_ready)
		return 0;
	count_column(w, SEG_COL_TIME);
	rc = seg_decode_ints(w->reader, w->piece->block, SEG_COL_TIME, NULL, &w->scratch->page,
		w->scratch->times, w->d);
	w->times_ready = rc == 0;
	return rc;
}

int scan_column_ints(struct scan_work *w, int col)
{
	const struct seg_page *p = seg_reader_page(w->reader, w->piece->block, col);
	const int64_t *times = NULL;

	ASSERT(col != SEG_COL_TIME);
	if (col_is_relative(p->encoding)) {
		int rc = scan_column_times(w);

		if (rc < 0)
			return rc;
		times = w->scratch->times;
	}
	count_column(w, col);
	return seg_decode_ints(
		w->reader, w->piece->block, col, times, &w->scratch->page, w->scratch->ints, w->d);
}

int scan_column_codes(struct scan_work *w, int col)
{
	count_column(w, col);
	return seg_decode_codes(
		w->reader, w->piece->block, col, &w->scratch->page, w->scratch->codes, w->d);
}

int scan_column_bytes(struct scan_work *w, int col)
{
	count_column(w, col);
	return seg_decode_bytes(
		w->reader, w->piece->block, col, w->scratch->lengths, &w->scratch->bytes, w->d);
}

int scan_column_chunk(struct scan_work *w, int col, uint32_t chunk, struct span *out)
{
	int rc = col_bytes_chunk(&w->scratch->bytes, chunk, &w->scratch->chunk, out);

	return rc < 0 ? seg_decode_fail(w->reader, w->piece->block, col, rc, w->d) : 0;
}

/* Dictionaries are kept while the scratch stays with one segment of one scan. */
static void enter_segment(struct scan_work *w)
{
	struct scan_scratch *s = w->scratch;

	if (s->serial == w->scan->serial && s->segment == w->piece->segment)
		return;
	s->serial = w->scan->serial;
	s->segment = w->piece->segment;
	for (int i = 0; i < SEG_COL_BYTES; i++) {
		s->dicts[i].loaded = false;
		s->dicts[i].wanted_ready = false;
	}
}

int scan_column_dict(struct scan_work *w, int col, struct scan_dict **out)
{
	struct scan_dict *dict = &w->scratch->dicts[col - SEG_COL_INTS];
	const struct seg_page *p = seg_reader_dict_page(w->reader, col);
	int rc;

	ASSERT(col >= SEG_COL_INTS);
	ASSERT(col < SEG_COL_COUNT);
	enter_segment(w);
	*out = dict;
	if (dict->loaded)
		return 0;
	if (p)
		count_page(w, p);
	rc = seg_decode_dict_open(w->reader, col, &dict->dict, w->d);
	dict->loaded = rc == 0;
	return rc;
}

int scan_column_batch(struct scan_work *w, struct span *out)
{
	ASSERT(w->piece->journal);
	w->stats->journal_rows += w->rows_count;
	return snapshot_batch_rows(w->scan->snap, w->piece->segment, &w->scratch->batch, out, w->d);
}
