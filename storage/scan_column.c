#include "storage/scan_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/snapshot_int.h"

static void count_page(void *ctx, const struct seg_page *p)
{
	struct scan_work *w = ctx;

	w->stats->pages_read++;
	w->stats->bytes_read += p->bytes;
	if (!atomic_exchange(&w->piece->touched, true))
		w->stats->blocks_read++;
}

struct block_reader *scan_column_enter(struct scan_work *w)
{
	struct block_reader *b = w->scratch->block;

	if (!w->reader)
		return NULL;
	block_reader_watch(b, count_page, w);
	block_reader_enter(b, w->reader, w->piece->block);
	return b;
}

bool scan_column_wants(const struct scan *s, int text, struct span v)
{
	if (s->sets[text].count > 0 && !textset_has(&s->sets[text], v))
		return false;
	if (text != EVENT_TEXT_DESCRIPTION || s->needle.n == 0)
		return true;
	return v.p && needle_find(&s->needle, v, 0) != SIZE_MAX;
}

static void judge(
	const struct scan *s, int text, const struct col_dict *dict, struct scan_verdict *v)
{
	v->wanted_count = 0;
	for (uint32_t code = 0; code <= dict->count; code++) {
		struct span value = code ? col_dict_at(dict, code) : SPAN_NONE;
		bool want = scan_column_wants(s, text, value);

		v->wanted[code] = want;
		v->wanted_count += want;
		if (want)
			v->wanted_code = (uint16_t)code;
	}
}

/* Decided for each entry, and for absence, once for the segment. */
int scan_column_verdict(struct scan_work *w, int text, const struct scan_verdict **out)
{
	struct scan_verdict *v = &w->scratch->verdicts[text];
	struct block_reader *b = w->scratch->block;
	struct col_dict *dict;
	uint64_t serial;
	int rc = block_reader_dict(b, SEG_COL_TEXT + text, &dict, &serial, w->d);

	if (rc < 0)
		return rc;
	*out = v;
	if (v->scan_serial == w->scan->serial && v->dict_serial == serial)
		return 0;
	if (!v->wanted)
		v->wanted = malloc(LIMIT_DICT_ENTRIES + 1);
	if (!v->wanted)
		return block_reader_fail(b, SEG_COL_TEXT + text, -ENOMEM, w->d);
	if (dict->count > 0)
		rc = block_reader_dict_need(b, SEG_COL_TEXT + text, 0, w->d);
	if (rc < 0)
		return rc;
	judge(w->scan, text, dict, v);
	v->scan_serial = w->scan->serial;
	v->dict_serial = serial;
	return 0;
}

int scan_column_batch(struct scan_work *w, struct span *out)
{
	ASSERT(w->piece->journal);
	w->stats->journal_rows += w->rows_count;
	return snapshot_batch_rows(w->scan->snap, w->piece->segment, &w->scratch->batch, out, w->d);
}
