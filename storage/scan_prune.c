/*
 * What can be known of a tree and the blocks of a segment without reading a page. Each node has two sets
 * of blocks: where some row may match, and where every row does. They are those of its tests, joined:
 * an AND looks at fewer blocks with each of its parts, so what a block was not asked is not known of it,
 * but such a block is in neither set of the AND either.
 */
#include "storage/scan_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"

enum { WORDS_MAX = LIMIT_SEGMENT_BLOCKS / 64 };

static uint64_t *may_of(const struct scan_prune *p, uint32_t node)
{
	return p->may + (size_t)node * p->words;
}

static uint64_t *all_of(const struct scan_prune *p, uint32_t node)
{
	return p->all + (size_t)node * p->words;
}

static bool any(const uint64_t *bits, uint32_t words)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < words; i++)
		all |= bits[i];
	return all != 0;
}

static int ask(struct scan_prune *p, uint32_t node, const uint64_t *wanted);

static bool is_entity_type(const struct expr *x)
{
	return x->kind == EXPR_TEST && !x->negate && x->test == EXPR_TEST_IN &&
	       x->field.kind == EXPR_FIELD_TEXT && x->field.text == EVENT_TEXT_ENTITY_TYPE;
}

static int ask_and(struct scan_prune *p, uint32_t node, const uint64_t *wanted)
{
	const struct scan_node *nodes = p->scan->nodes;
	uint64_t left[WORDS_MAX], *all = all_of(p, node);
	const struct textset *types = NULL;
	int rc = 0;

	memcpy(left, wanted, p->words * sizeof *left);
	for (uint32_t i = node + 1; i < nodes[node].end; i = nodes[i].end) {
		if (is_entity_type(nodes[i].expr))
			types = &nodes[i].expr->texts;
	}
	/* Keys are asked first, so that others ask few blocks. */
	for (int keys = 1; keys >= 0; keys--) {
		for (uint32_t i = node + 1; i < nodes[node].end; i = nodes[i].end) {
			if (scan_is_key(nodes[i].expr) != keys || !any(left, p->words))
				continue;
			p->types = types;
			rc = ask(p, i, left);
			p->types = NULL;
			if (rc < 0)
				return rc;
			memcpy(left, may_of(p, i), p->words * sizeof *left);
		}
	}
	memcpy(may_of(p, node), left, p->words * sizeof *left);
	memcpy(all, left, p->words * sizeof *left);
	for (uint32_t i = node + 1; i < nodes[node].end; i = nodes[i].end) {
		for (uint32_t k = 0; k < p->words; k++)
			all[k] &= all_of(p, i)[k];
	}
	return 0;
}

static int ask_or(struct scan_prune *p, uint32_t node, const uint64_t *wanted)
{
	const struct scan_node *nodes = p->scan->nodes;

	for (uint32_t i = node + 1; i < nodes[node].end; i = nodes[i].end) {
		int rc = ask(p, i, wanted);

		if (rc < 0)
			return rc;
		for (uint32_t k = 0; k < p->words; k++) {
			may_of(p, node)[k] |= may_of(p, i)[k];
			all_of(p, node)[k] |= all_of(p, i)[k];
		}
	}
	return 0;
}

/* Sets may and all of a node, which are clear; blocks that are not wanted stay so. */
static int ask(struct scan_prune *p, uint32_t node, const uint64_t *wanted)
{
	switch (p->scan->nodes[node].expr->kind) {
	case EXPR_TEST:
		return scan_prune_test(p, node, wanted);
	case EXPR_AND:
		return ask_and(p, node, wanted);
	case EXPR_OR:
		return ask_or(p, node, wanted);
	case EXPR_TRUE:
		memcpy(may_of(p, node), wanted, p->words * sizeof *wanted);
		memcpy(all_of(p, node), wanted, p->words * sizeof *wanted);
		return 0;
	default:
		/* A normal tree has no NOT, and FALSE holds nowhere. */
		ASSERT(p->scan->nodes[node].expr->kind == EXPR_FALSE);
		return 0;
	}
}

int scan_prune_init(struct scan_prune *p, const struct scan *s, const struct scan_segment *segment,
	const uint64_t *wanted, struct scan_stats *stats)
{
	uint32_t blocks = seg_reader_info(segment->reader)->blocks_count;
	uint32_t words = (blocks + 63) / 64;
	int rc = -ENOMEM;

	ASSERT(s->nodes_count > 0);
	ASSERT(words <= WORDS_MAX);
	*p = (struct scan_prune){
		.scan = s,
		.segment = segment,
		.reader = segment->reader,
		.stats = stats,
		.blocks_count = blocks,
		.words = words,
		.may = calloc((size_t)s->nodes_count * words, sizeof *p->may),
		.all = calloc((size_t)s->nodes_count * words, sizeof *p->all),
		.rows = calloc(s->nodes_count, sizeof *p->rows),
	};
	if (p->may && p->all && p->rows)
		rc = ask(p, 0, wanted);
	if (rc < 0)
		scan_prune_fini(p);
	return rc;
}

void scan_prune_fini(struct scan_prune *p)
{
	for (uint32_t i = 0; p->rows && i < p->scan->nodes_count; i++)
		free(p->rows[i]);
	free(p->rows);
	free(p->may);
	free(p->all);
	p->rows = NULL;
	p->may = p->all = NULL;
}

/* Parts that decide nothing in this block are left out; of one that is left the count may be known. */
static bool count_joined(
	const struct scan_prune *p, uint32_t node, uint32_t block, uint64_t *out_count)
{
	const struct scan_node *nodes = p->scan->nodes;
	bool and = nodes[node].expr->kind == EXPR_AND;
	uint32_t open = 0, open_count = 0;

	for (uint32_t i = node + 1; i < nodes[node].end; i = nodes[i].end) {
		bool idle = and? scan_prune_bit(all_of(p, i), block)
			       : !scan_prune_bit(may_of(p, i), block);

		if (idle)
			continue;
		open = i;
		open_count++;
	}
	return open_count == 1 && scan_prune_count(p, open, block, out_count);
}

bool scan_prune_count(
	const struct scan_prune *p, uint32_t node, uint32_t block, uint64_t *out_count)
{
	uint64_t rows = seg_reader_block(p->reader, block)->rows_count, n;

	ASSERT(node < p->scan->nodes_count);
	if (!scan_prune_bit(may_of(p, node), block)) {
		*out_count = 0;
		return true;
	}
	if (scan_prune_bit(all_of(p, node), block)) {
		*out_count = rows;
		return true;
	}
	if (p->scan->nodes[node].expr->kind != EXPR_TEST)
		return count_joined(p, node, block, out_count);
	if (!scan_prune_test_count(p, node, block, &n))
		return false;
	ASSERT(n <= rows);
	*out_count = p->scan->nodes[node].expr->negate ? rows - n : n;
	return true;
}
