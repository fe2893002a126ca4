/* The units of a scan, and what is left to decide of each. */
#include "storage/scan_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/limits.h"
#include "storage/redact.h"
#include "storage/snapshot_int.h"

enum { PIECES_MIN = 64, WORDS_MAX = LIMIT_SEGMENT_BLOCKS / 64 };

/* ---- the tree ---- */

static uint32_t count_nodes(const struct expr *x)
{
	uint32_t n = 1;

	for (uint32_t i = 0; i < x->args_count; i++)
		n += count_nodes(x->args[i]);
	return n;
}

static void add_node(struct scan *s, const struct expr *x)
{
	struct scan_node *n = &s->nodes[s->nodes_count++];

	ASSERT(x->kind != EXPR_NOT);
	n->expr = x;
	s->asks_bounds |=
		x->kind == EXPR_FALSE || (x->kind == EXPR_TEST && x->test == EXPR_TEST_RANGES);
	if (x->kind == EXPR_TEST) {
		s->tests_count++;
		s->asks_sidecars |= scan_prune_test_asks(x);
		if (x->test == EXPR_TEST_REGEX && !expr_literal(x, &n->literal))
			n->literal.n = 0;
	}
	for (uint32_t i = 0; i < x->args_count; i++)
		add_node(s, x->args[i]);
	n->end = s->nodes_count;
}

/* Texts of which the tree leaves one value: tests of its root or, if all of them must hold, of its parts. */
static void note_told(struct scan *s)
{
	for (uint32_t i = s->nodes[0].expr->kind == EXPR_AND; i < s->nodes_count;
		i = s->nodes[i].end) {
		const struct expr *t = s->nodes[i].expr;

		if (t->kind == EXPR_TEST && t->test == EXPR_TEST_IN && !t->negate &&
			t->field.kind == EXPR_FIELD_TEXT && t->texts.count == 1)
			s->told[t->field.text] = t->texts.values[0];
	}
}

int scan_plan_init(struct scan *s, const struct scan_spec *spec)
{
	s->spec = *spec;
	if (!spec->where || spec->where->kind == EXPR_TRUE)
		return 0;
	s->nodes = calloc(count_nodes(spec->where), sizeof *s->nodes);
	s->expr = expr_scratch_new();
	if (!s->nodes || !s->expr)
		return -ENOMEM;
	add_node(s, spec->where);
	note_told(s);
	return 0;
}

/* ---- bounds ---- */

/* Whether a test of the root's own can hold between these numbers. */
static bool range_overlaps(
	const struct expr *t, enum expr_field_kind kind, uint64_t lo, uint64_t hi)
{
	if (t->kind != EXPR_TEST || t->test != EXPR_TEST_RANGES || t->field.kind != kind ||
		t->negate)
		return true;
	for (uint32_t i = 0; i < t->ranges_count; i++) {
		if (t->ranges[i].lo <= hi && lo <= t->ranges[i].hi)
			return true;
	}
	return false;
}

static bool tree_overlaps(const struct scan *s, int64_t time_min_ns, int64_t time_max_ns,
	uint64_t id_min, uint64_t id_max)
{
	uint64_t from = expr_time_key(time_min_ns), to = expr_time_key(time_max_ns);
	bool is_and = s->nodes_count > 0 && s->nodes[0].expr->kind == EXPR_AND;

	for (uint32_t i = is_and; i < s->nodes_count; i = s->nodes[i].end) {
		const struct expr *t = s->nodes[i].expr;

		if (!range_overlaps(t, EXPR_FIELD_TIME, from, to) ||
			!range_overlaps(t, EXPR_FIELD_ID, id_min, id_max) || t->kind == EXPR_FALSE)
			return false;
	}
	return true;
}

bool scan_plan_overlaps(const struct scan *s, int64_t time_min_ns, int64_t time_max_ns,
	uint64_t id_min, uint64_t id_max)
{
	const struct scan_spec *spec = &s->spec;

	return time_max_ns >= spec->from_ns && time_min_ns <= spec->to_ns &&
	       id_max >= spec->id_min && id_min <= spec->id_max &&
	       tree_overlaps(s, time_min_ns, time_max_ns, id_min, id_max);
}

static uint32_t open_bounds(const struct scan *s, int64_t time_min_ns, int64_t time_max_ns,
	uint64_t id_min, uint64_t id_max)
{
	const struct scan_spec *spec = &s->spec;
	uint32_t conds = 0;

	if (id_min < spec->id_min || id_max > spec->id_max)
		conds |= SCAN_COND_ID;
	if (time_min_ns < spec->from_ns || time_max_ns > spec->to_ns)
		conds |= SCAN_COND_TIME;
	if (redact_set_any(s->snap ? snapshot_redact(s->snap) : NULL, id_min, id_max))
		conds |= SCAN_COND_SHOWN;
	return conds;
}

/* ---- units ---- */

static struct scan_piece *add_piece(struct scan *s)
{
	if (s->pieces_count == s->pieces_cap) {
		size_t cap = s->pieces_cap ? s->pieces_cap * 2 : PIECES_MIN;
		struct scan_piece *p = realloc(s->pieces, cap * sizeof *p);

		if (!p)
			return NULL;
		s->pieces = p;
		s->pieces_cap = cap;
	}
	memset(&s->pieces[s->pieces_count], 0, sizeof *s->pieces);
	return &s->pieces[s->pieces_count++];
}

/* p NULL: there is no tree. */
static int add_block(struct scan *s, uint32_t block, const struct scan_prune *p)
{
	struct scan_segment *seg = &s->segments[s->segments_count - 1];
	const struct seg_block *b = seg_reader_block(seg->reader, block);
	uint32_t conds = open_bounds(s, b->time_min_ns, b->time_max_ns, b->id_min, b->id_max);
	struct scan_piece *piece = add_piece(s);

	if (!piece)
		return -ENOMEM;
	piece->count = b->rows_count;
	piece->counted = conds == 0 && (!p || scan_prune_count(p, 0, block, &piece->count));
	if (p && !scan_prune_bit(p->all, block))
		conds |= SCAN_COND_WHERE;
	piece->conds = conds;
	piece->segment = (uint32_t)s->segments_count - 1;
	piece->block = block;
	piece->unit = (struct scan_unit){
		.time_min_ns = b->time_min_ns,
		.time_max_ns = b->time_max_ns,
		.id_min = b->id_min,
		.id_max = b->id_max,
		.rows_count = b->rows_count,
		.all = conds == 0,
	};
	return 0;
}

/* What is known is kept for the evaluation of its blocks, as long as there is room for it. */
static void keep_bits(struct scan *s, struct scan_prune *p)
{
	struct scan_segment *seg = &s->segments[s->segments_count - 1];
	size_t bytes = 2 * sizeof *p->may * s->nodes_count * p->words;

	if (bytes > SCAN_BITS_BYTES - s->bits_bytes)
		return;
	s->bits_bytes += bytes;
	seg->bits_words = p->words;
	seg->may = p->may;
	seg->all = p->all;
	p->may = p->all = NULL;
}

/* All rows are within the bounds, so that no block need be looked at. */
static bool within_bounds(const struct scan *s, const struct seg_reader *r)
{
	const struct scan_spec *spec = &s->spec;
	const struct seg_info *i = seg_reader_info(r);

	return !s->asks_bounds && i->time_min_ns >= spec->from_ns &&
	       i->time_max_ns <= spec->to_ns && i->id_min >= spec->id_min &&
	       i->id_max <= spec->id_max;
}

static uint32_t bounded_blocks(const struct scan *s, const struct seg_reader *r, uint64_t *out)
{
	bool all = within_bounds(s, r);
	uint32_t n = 0;

	for (uint32_t i = 0; i < seg_reader_info(r)->blocks_count; i++) {
		const struct seg_block *b = seg_reader_block(r, i);

		if (!all && !scan_plan_overlaps(
				    s, b->time_min_ns, b->time_max_ns, b->id_min, b->id_max))
			continue;
		out[i / 64] |= UINT64_C(1) << i % 64;
		n++;
	}
	return n;
}

static int add_blocks(struct scan *s, const uint64_t *wanted, const struct scan_prune *p)
{
	const struct seg_reader *r = s->segments[s->segments_count - 1].reader;
	const uint64_t *blocks = p ? p->may : wanted;
	int rc = 0;

	for (uint32_t i = 0; i < seg_reader_info(r)->blocks_count && rc == 0; i++) {
		if (scan_prune_bit(blocks, i))
			rc = add_block(s, i, p);
	}
	return rc;
}

int scan_plan_segment(struct scan *s, const struct seg_reader *r, size_t snapshot_idx,
	struct scan_stats *stats, struct diag *d)
{
	struct scan_segment *seg = &s->segments[s->segments_count++];
	uint64_t wanted[WORDS_MAX] = { 0 };
	size_t before = s->pieces_count;
	struct scan_prune p;
	int rc = 0;

	*seg = (struct scan_segment){ .reader = r, .snapshot_idx = snapshot_idx };
	if (s->spec.warm && !scan_warm_sidecars(s, r))
		return SCAN_COLD;
	if (bounded_blocks(s, r, wanted) > 0 && s->nodes_count == 0) {
		rc = add_blocks(s, wanted, NULL);
	} else if (s->nodes_count > 0) {
		rc = scan_prune_init(&p, s, seg, wanted, stats);
		if (rc == 0) {
			rc = p.cold ? SCAN_COLD : add_blocks(s, wanted, &p);
			keep_bits(s, &p);
			scan_prune_fini(&p);
		}
	}
	stats->blocks_pruned += seg_reader_info(r)->blocks_count - (s->pieces_count - before);
	return rc < 0 ? diag_set(d, rc, seg_reader_name(r), -1, "planning a scan") : rc;
}

int scan_plan_batch(struct scan *s, size_t snapshot_idx, struct diag *d)
{
	const struct snapshot_batch *b = snapshot_batch(s->snap, snapshot_idx);
	struct scan_piece *p;

	if (!scan_plan_overlaps(s, b->time_min_ns, b->time_max_ns, b->id_min, b->id_max))
		return 0;
	p = add_piece(s);
	if (!p)
		return diag_set(d, -ENOMEM, "", -1, "planning a scan");
	p->journal = true;
	p->segment = (uint32_t)snapshot_idx;
	p->conds = open_bounds(s, b->time_min_ns, b->time_max_ns, b->id_min, b->id_max);
	if (s->nodes_count > 0)
		p->conds |= SCAN_COND_WHERE;
	p->counted = p->conds == 0;
	p->count = b->rows_count;
	p->unit = (struct scan_unit){
		.time_min_ns = b->time_min_ns,
		.time_max_ns = b->time_max_ns,
		.id_min = b->id_min,
		.id_max = b->id_max,
		.rows_count = b->rows_count,
		.all = p->conds == 0,
	};
	return 0;
}
