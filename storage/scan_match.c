/*
 * The rows of a block that match: bounds first, then the tree, then deleted rows are left out. An AND
 * asks its cheapest parts first, each on the rows that are left; an OR asks each part on the rows that
 * no earlier one has. Parts that scan_prune decided for the block are not asked.
 */
#include "storage/scan_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/redact.h"
#include "storage/snapshot_int.h"

enum { PARTS_SORTED = 32 };

/* ---- rows under way ---- */

uint8_t *scan_match_take(struct scan_work *w)
{
	struct scan_scratch *s = w->scratch;
	uint8_t **at = &s->spare[s->spare_used];

	ASSERT(s->spare_used < SCAN_SPARE);
	if (!*at)
		*at = malloc(LIMIT_BLOCK_ROWS);
	if (!*at) {
		diag_set(w->d, -ENOMEM, "", -1, "searching a block");
		return NULL;
	}
	s->spare_used++;
	return *at;
}

void scan_match_give(struct scan_work *w)
{
	ASSERT(w->scratch->spare_used > 0);
	w->scratch->spare_used--;
}

/* ---- the tree ---- */

static int keep(struct scan_work *w, uint32_t node, uint8_t *match, uint32_t *left);

static const struct scan_segment *segment_of(const struct scan_work *w)
{
	return &w->scan->segments[w->piece->segment];
}

static bool is_known(
	const struct scan_segment *seg, const uint64_t *bits, uint32_t node, uint32_t block)
{
	return scan_prune_bit(bits + (size_t)node * seg->bits_words, block);
}

bool scan_match_nowhere(const struct scan_work *w, uint32_t node)
{
	const struct scan_segment *seg = segment_of(w);

	return seg->may && !is_known(seg, seg->may, node, w->piece->block);
}

bool scan_match_everywhere(const struct scan_work *w, uint32_t node)
{
	const struct scan_segment *seg = segment_of(w);

	return seg->all && is_known(seg, seg->all, node, w->piece->block);
}

static int cost_of(struct scan_work *w, uint32_t node, unsigned *out)
{
	const struct scan_node *nodes = w->scan->nodes;
	unsigned sum = 0, part;
	int rc = 0;

	if (nodes[node].expr->kind == EXPR_TEST)
		return scan_test_cost(w, node, out);
	for (uint32_t i = node + 1; i < nodes[node].end && rc == 0; i = nodes[i].end) {
		if (scan_match_nowhere(w, i) || scan_match_everywhere(w, i))
			continue;
		rc = cost_of(w, i, &part);
		sum += rc == 0 ? part : 0;
	}
	*out = sum;
	return rc;
}

struct part {
	uint32_t node;
	unsigned cost;
};

/* Parts that are open, the cheapest first; of very many only the first are put in order. */
static int sort_parts(struct scan_work *w, uint32_t node, struct part *parts, uint32_t *out_count,
	uint32_t *out_rest)
{
	const struct scan_node *nodes = w->scan->nodes;
	uint32_t n = 0, i;

	for (i = node + 1; i < nodes[node].end && n < PARTS_SORTED; i = nodes[i].end) {
		struct part x = { .node = i };
		uint32_t at = n;
		int rc;

		if (scan_match_everywhere(w, i))
			continue;
		rc = cost_of(w, i, &x.cost);
		if (rc < 0)
			return rc;
		for (; at > 0 && parts[at - 1].cost > x.cost; at--)
			parts[at] = parts[at - 1];
		parts[at] = x;
		n++;
	}
	*out_count = n;
	*out_rest = i;
	return 0;
}

static int keep_and(struct scan_work *w, uint32_t node, uint8_t *match, uint32_t *left)
{
	const struct scan_node *nodes = w->scan->nodes;
	struct part parts[PARTS_SORTED];
	uint32_t count, rest;
	int rc = sort_parts(w, node, parts, &count, &rest);

	for (uint32_t i = 0; rc == 0 && i<count && * left> 0; i++)
		rc = keep(w, parts[i].node, match, left);
	for (uint32_t i = rest; rc == 0 && i<nodes[node].end && * left> 0; i = nodes[i].end)
		rc = keep(w, i, match, left);
	return rc;
}

/* One part of an OR, on the rows of `open`: those that match it go over to match. */
static int add_part(struct scan_work *w, uint32_t part, uint8_t *open, uint8_t *found,
	uint8_t *match, uint32_t *open_left)
{
	uint32_t left = *open_left;
	int rc;

	memcpy(found, open, w->rows_count);
	rc = keep(w, part, found, &left);
	if (rc < 0 || left == 0)
		return rc;
	match_kernel_or(match, found, w->rows_count);
	match_kernel_without(open, found, w->rows_count);
	*open_left -= left;
	return 0;
}

static int keep_or(struct scan_work *w, uint32_t node, uint8_t *match, uint32_t *left)
{
	const struct scan_node *nodes = w->scan->nodes;
	uint8_t *open = scan_match_take(w), *found = open ? scan_match_take(w) : NULL;
	uint32_t open_left = *left;
	int rc = found ? 0 : -ENOMEM;

	if (found) {
		memcpy(open, match, w->rows_count);
		memset(match, 0, w->rows_count);
	}
	for (uint32_t i = node + 1; i < nodes[node].end && rc == 0 && open_left > 0;
		i = nodes[i].end) {
		if (!scan_match_nowhere(w, i))
			rc = add_part(w, i, open, found, match, &open_left);
	}
	*left -= open_left;
	if (found)
		scan_match_give(w);
	if (open)
		scan_match_give(w);
	return rc;
}

/* Of the rows of match, *left in number, those stay for which the node holds. */
static int keep(struct scan_work *w, uint32_t node, uint8_t *match, uint32_t *left)
{
	const struct expr *x = w->scan->nodes[node].expr;
	int rc;

	if (scan_match_everywhere(w, node) || x->kind == EXPR_TRUE)
		return 0;
	if (scan_match_nowhere(w, node) || x->kind == EXPR_FALSE) {
		memset(match, 0, w->rows_count);
		*left = 0;
		return 0;
	}
	if (x->kind == EXPR_AND)
		return keep_and(w, node, match, left);
	if (x->kind == EXPR_OR)
		return keep_or(w, node, match, left);
	rc = scan_test_keep(w, node, match, *left);
	*left = match_kernel_count(match, w->rows_count);
	return rc;
}

/* ---- bounds, and deleted rows ---- */

static int keep_bound(struct scan_work *w, uint32_t cond, uint32_t *left)
{
	const struct scan_spec *spec = &w->scan->spec;
	bool by_id = cond == SCAN_COND_ID;
	uint64_t least = by_id ? spec->id_min : (uint64_t)spec->from_ns;
	uint64_t most = by_id ? spec->id_max : (uint64_t)spec->to_ns;
	const int64_t *v;
	int rc;

	if (!(w->piece->conds & cond) || *left == 0)
		return 0;
	rc = block_reader_ints(w->scratch->block, by_id ? SEG_COL_ID : SEG_COL_TIME, &v, w->d);
	if (rc < 0)
		return rc;
	match_kernel_range(v, w->rows_count, least, most - least, false, w->scratch->match);
	*left = match_kernel_count(w->scratch->match, w->rows_count);
	return 0;
}

static int keep_shown(struct scan_work *w, uint32_t *left)
{
	const struct redact_set *redact;
	uint32_t *rows = w->scratch->rows, count;
	int64_t v[SCAN_SOME];
	int rc = 0;

	if (!(w->piece->conds & SCAN_COND_SHOWN) || *left == 0)
		return 0;
	redact = snapshot_redact(w->scan->snap);
	count = match_kernel_list(w->scratch->match, w->rows_count, rows);
	for (uint32_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < SCAN_SOME ? count - at : SCAN_SOME;
		rc = block_reader_ints_at(w->scratch->block, SEG_COL_ID, rows + at, n, v, w->d);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			w->scratch->match[rows[at + i]] = !redact_set_has(redact, (uint64_t)v[i]);
	}
	*left = match_kernel_count(w->scratch->match, w->rows_count);
	return rc;
}

int scan_match_block(struct scan_work *w, uint32_t *out_count)
{
	uint32_t left = w->rows_count;
	int rc;

	ASSERT(w->rows_count <= LIMIT_BLOCK_ROWS);
	ASSERT(w->scratch->spare_used == 0);
	scan_column_enter(w);
	memset(w->scratch->match, 1, w->rows_count);
	rc = keep_bound(w, SCAN_COND_ID, &left);
	if (rc == 0)
		rc = keep_bound(w, SCAN_COND_TIME, &left);
	if (rc == 0 && left > 0 && w->piece->conds & SCAN_COND_WHERE)
		rc = keep(w, 0, w->scratch->match, &left);
	if (rc == 0)
		rc = keep_shown(w, &left);
	ASSERT(left <= w->rows_count);
	*out_count = left;
	return rc;
}
