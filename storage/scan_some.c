/*
 * The rows of a block that match, where a test of a key names them: an entity or a user, for whose
 * like the block was asked so often that it has an index. They are few. The other tests are asked of
 * these alone, as a list, and nothing goes through all rows of the block.
 */
#include "storage/scan_int.h"

#include "proto/base/check.h"
#include "storage/block_pool.h"
#include "storage/redact.h"
#include "storage/snapshot_int.h"

enum { NO_KEY = UINT32_MAX };

static_assert((int)BLOCK_READER_EQUAL_ROWS <= (int)SCAN_SOME, "what a key finds is few rows");

/* Of a tree whose parts must all hold and can be asked row by row: a test of a key, or NO_KEY. */
static uint32_t find_key(const struct scan_work *w)
{
	const struct scan_node *nodes = w->scan->nodes;
	uint32_t key = NO_KEY;

	if (nodes[0].expr->kind != EXPR_AND)
		return scan_is_key(nodes[0].expr) ? 0 : NO_KEY;
	for (uint32_t i = 1; i < nodes[0].end; i = nodes[i].end) {
		const struct expr *t = nodes[i].expr;

		if (scan_match_everywhere(w, i))
			continue;
		if (t->kind != EXPR_TEST || t->field.kind == EXPR_FIELD_META)
			return NO_KEY;
		if (key == NO_KEY && scan_is_key(t))
			key = i;
	}
	return key;
}

/* Those stay that hold. */
static uint32_t keep(uint32_t *rows, uint32_t count, const uint8_t *holds)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (holds[i])
			rows[n++] = rows[i];
	}
	return n;
}

static int keep_tests(struct scan_work *w, uint32_t key, uint32_t *rows, uint32_t *count)
{
	const struct scan_node *nodes = w->scan->nodes;
	uint8_t holds[SCAN_SOME];
	int rc = 0;

	for (uint32_t i = 1; i<nodes[0].end && * count> 0 && rc == 0; i = nodes[i].end) {
		if (i == key || scan_match_everywhere(w, i))
			continue;
		rc = scan_test_rows(w, i, rows, *count, holds);
		if (rc == 0)
			*count = keep(rows, *count, holds);
	}
	return rc;
}

static bool is_within(const struct scan_work *w, uint32_t cond, int64_t v)
{
	const struct scan_spec *spec = &w->scan->spec;

	if (cond == SCAN_COND_TIME)
		return v >= spec->from_ns && v <= spec->to_ns;
	if (cond == SCAN_COND_ID)
		return (uint64_t)v >= spec->id_min && (uint64_t)v <= spec->id_max;
	ASSERT(cond == SCAN_COND_SHOWN);
	return !redact_set_has(snapshot_redact(w->scan->snap), (uint64_t)v);
}

static int keep_bound(struct scan_work *w, uint32_t cond, uint32_t *rows, uint32_t *count)
{
	int col = cond == SCAN_COND_TIME ? SEG_COL_TIME : SEG_COL_ID, rc;
	uint8_t holds[SCAN_SOME];
	int64_t v[SCAN_SOME];

	if (!(w->piece->conds & cond) || *count == 0)
		return 0;
	rc = block_reader_ints_at(w->scratch->block, col, rows, *count, v, w->d);
	for (uint32_t i = 0; i < *count && rc == 0; i++)
		holds[i] = is_within(w, cond, v[i]);
	if (rc == 0)
		*count = keep(rows, *count, holds);
	return rc;
}

int scan_some_block(struct scan_work *w, uint32_t *out_count)
{
	uint32_t *rows = w->scratch->rows, key, count;
	const struct expr *t;
	int rc;

	if (!(w->piece->conds & SCAN_COND_WHERE))
		return 1;
	key = find_key(w);
	if (key == NO_KEY)
		return 1;
	scan_column_enter(w);
	t = w->scan->nodes[key].expr;
	rc = block_reader_equal_rows(w->scratch->block, SEG_COL_TEXT + (int)t->field.text,
		&t->texts, rows, &count, w->d);
	if (rc != 0)
		return rc;
	rc = keep_tests(w, key, rows, &count);
	for (uint32_t cond = SCAN_COND_ID; cond <= SCAN_COND_SHOWN && rc == 0; cond <<= 1)
		rc = cond == SCAN_COND_WHERE ? 0 : keep_bound(w, cond, rows, &count);
	*out_count = count;
	return rc;
}

uint32_t scan_some_count(const struct scan *s, struct scan_piece *p)
{
	const struct scan_work w = { .scan = s, .piece = p };
	const struct expr *t;
	uint32_t key;

	ASSERT(!p->journal);
	key = p->conds & SCAN_COND_WHERE ? find_key(&w) : NO_KEY;
	if (key == NO_KEY)
		return UINT32_MAX;
	t = s->nodes[key].expr;
	return block_pool_count(s->segments[p->segment].reader, p->block,
		SEG_COL_TEXT + (int)t->field.text, &t->texts);
}
