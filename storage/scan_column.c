#include "storage/scan_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/block_pool.h"
#include "storage/snapshot_int.h"

static void count_page(void *ctx, const struct seg_page *p)
{
	struct scan_work *w = ctx;

	w->stats->pages_read++;
	w->stats->bytes_read += p->bytes;
	/* A look first: most pages are not the first one, and an exchange is dear. */
	if (!atomic_load_explicit(&w->piece->touched, memory_order_relaxed) &&
		!atomic_exchange(&w->piece->touched, true))
		w->stats->blocks_read++;
}

void scan_column_leave(struct scan_scratch *s)
{
	if (!s->pooled)
		return;
	block_reader_swap(s->pooled, &s->work);
	block_pool_give(&s->pooled);
}

struct block_reader *scan_column_enter(struct scan_work *w)
{
	struct scan_scratch *s = w->scratch;

	if (!w->reader)
		return NULL;
	if (!s->pooled || !block_reader_is_at(s->pooled, w->reader, w->piece->block)) {
		scan_column_leave(s);
		s->pooled = block_pool_take(w->reader, w->piece->block);
		if (s->pooled)
			block_reader_swap(s->pooled, &s->work);
	}
	s->block = s->pooled ? s->pooled : s->own;
	block_reader_watch(s->block, count_page, w);
	block_reader_enter(s->block, w->reader, w->piece->block);
	return s->block;
}

static void judge(const struct expr *t, const struct col_dict *dict, struct expr_scratch *x,
	struct scan_verdict *v)
{
	v->wanted_count = 0;
	v->count = dict->count + 1;
	for (uint32_t code = 0; code <= dict->count; code++) {
		struct span value = code ? col_dict_at(dict, code) : SPAN_NONE;
		bool want = expr_test_text(t, value, x) != t->negate;

		v->wanted[code] = want;
		v->wanted_count += want;
		if (want)
			v->wanted_code = (uint16_t)code;
	}
}

/* Room for the verdicts of a scan's tests, which forget those of another. */
static struct scan_verdict *verdict_of(struct scan_work *w, const struct expr *t)
{
	struct scan_scratch *s = w->scratch;
	uint32_t tests = w->scan->tests_count;

	ASSERT(t->index < tests);
	if (s->verdicts_count < tests) {
		struct scan_verdict *v = realloc(s->verdicts, tests * sizeof *v);

		if (!v)
			return NULL;
		memset(v + s->verdicts_count, 0, (tests - s->verdicts_count) * sizeof *v);
		s->verdicts = v;
		s->verdicts_count = tests;
	}
	return &s->verdicts[t->index];
}

/* NULL: out of memory. What has no room is kept until the next test needs the place. */
static struct scan_verdict *room_for(
	struct scan_scratch *s, struct scan_verdict *v, const struct col_dict *dict)
{
	uint32_t need = dict->count + 1;

	if (v->cap >= need)
		return v;
	if (need > SCAN_VERDICT_BYTES - s->verdicts_bytes)
		v = &s->shared;
	if (v->cap < need) {
		uint32_t cap = v == &s->shared ? LIMIT_DICT_ENTRIES + 1 : need;
		uint8_t *p = realloc(v->wanted, cap);

		if (!p)
			return NULL;
		s->verdicts_bytes += v == &s->shared ? 0 : cap - v->cap;
		v->wanted = p;
		v->cap = cap;
	}
	return v;
}

/* Decided for each entry, and for absence, once for the segment. */
int scan_column_verdict(struct scan_work *w, uint32_t node, const struct scan_verdict **out)
{
	const struct expr *t = w->scan->nodes[node].expr;
	struct scan_scratch *s = w->scratch;
	int col = SEG_COL_TEXT + (int)t->field.text;
	struct scan_verdict *v = verdict_of(w, t);
	struct col_dict *dict;
	uint64_t serial;
	int rc = block_reader_dict(s->block, col, &dict, &serial, w->d);

	if (rc < 0)
		return rc;
	if (v)
		v = room_for(s, v, dict);
	if (!v)
		return block_reader_fail(s->block, col, -ENOMEM, w->d);
	*out = v;
	if (v->scan_serial == w->scan->serial && v->dict_serial == serial && v->test == t)
		return 0;
	if (dict->count > 0)
		rc = block_reader_dict_need(s->block, col, 0, w->d);
	if (rc < 0)
		return rc;
	judge(t, dict, s->expr, v);
	v->scan_serial = w->scan->serial;
	v->dict_serial = serial;
	v->test = t;
	return 0;
}

int scan_column_batch(struct scan_work *w, struct span *out)
{
	ASSERT(w->piece->journal);
	w->stats->journal_rows += w->rows_count;
	return snapshot_batch_rows(w->scan->snap, w->piece->segment, &w->scratch->batch, out, w->d);
}
