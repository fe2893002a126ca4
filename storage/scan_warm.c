/*
 * A scan of what is warm alone is for who must not wait: it reads no page, of a segment or a sidecar, that
 * was not read before, and all of it takes less than a millisecond. So its tree names a key, and asks nothing
 * beside it that sidecars of words answer or that may be slow; the segments are open, and so are their
 * sidecars, whose pages of that key were checked; the blocks left are open and have an index, which names few
 * rows; of rows that are not sealed there are few, decoded.
 */
#include "storage/scan_int.h"

#include "storage/snapshot_int.h"

enum {
	/* A snapshot of more is slow to plan. */
	SEGMENTS_MAX = 64,
	BLOCKS_MAX = 48,
	ROWS_MAX = 128,
	JOURNAL_ROWS_MAX = 512,
};

static bool is_event_type(const struct expr *t)
{
	return t->kind == EXPR_TEST && t->field.kind == EXPR_FIELD_TEXT &&
	       t->field.text == EVENT_TEXT_EVENT_TYPE;
}

bool scan_warm_tree(const struct scan *s)
{
	bool has_key = false;

	if (s->nodes_count == 0 || (s->snap && snapshot_segment_count(s->snap) > SEGMENTS_MAX))
		return false;
	for (uint32_t i = s->nodes[0].expr->kind == EXPR_AND; i < s->nodes_count; i++) {
		const struct expr *t = s->nodes[i].expr;

		if (t->kind != EXPR_TEST)
			return false;
		if (scan_is_key(t))
			has_key = true;
		else if (t->test == EXPR_TEST_REGEX)
			return false;
		else if (scan_prune_test_asks(t) && !is_event_type(t))
			return false;
	}
	return has_key;
}

static bool is_read(const struct expr *t, const struct sidx_entity *x)
{
	for (size_t i = 0; i < t->texts.count; i++) {
		struct span value = t->texts.values[i];

		if (!value.p)
			return false;
		if (t->field.text == EVENT_TEXT_USER_ID ? !sidx_entity_is_read_user(x, value)
							: !sidx_entity_is_read_id(x, value))
			return false;
	}
	return true;
}

bool scan_warm_sidecars(const struct scan *s, const struct seg_reader *r)
{
	const struct sidx_entity *x;

	if (!sidx_set_is_open(r, SIDX_ENTITY))
		return false;
	x = sidx_set_entity(r);
	for (uint32_t i = 0; i < s->nodes_count && x; i++) {
		const struct expr *t = s->nodes[i].expr;

		if (scan_is_key(t) && !is_read(t, x))
			return false;
		if (is_event_type(t) && !sidx_set_is_open(r, SIDX_TYPE))
			return false;
	}
	return x != NULL;
}

static bool is_decoded(const struct scan *s, const struct scan_piece *p)
{
	return snapshot_batch(s->snap, p->segment)->rows != NULL;
}

bool scan_warm_pieces(const struct scan *s)
{
	uint64_t rows = 0, journal_rows = 0;

	if (s->pieces_count > BLOCKS_MAX)
		return false;
	for (size_t i = 0; i < s->pieces_count; i++) {
		struct scan_piece *p = &s->pieces[i];

		if (p->journal && !is_decoded(s, p))
			return false;
		if (p->journal)
			journal_rows += p->unit.rows_count;
		else
			rows += scan_some_count(s, p);
	}
	return rows <= ROWS_MAX && journal_rows <= JOURNAL_ROWS_MAX;
}
