/*
 * What sidecars and zone maps say of one test. A sidecar names the blocks that may hold something; what
 * is missing, stale or does not add up says nothing. Zone maps of texts are cut to a few bytes.
 */
#include "storage/scan_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/seg_letters.h"

enum { WORDS_MAX = LIMIT_SEGMENT_BLOCKS / 64 };

/* Of the rows of a block. */
enum answer { NONE, SOME, ALL };

/* ---- sidecars: which blocks ---- */

/*
 * True: `found` has the blocks of any of the entities. Where the test is negated the types beside it
 * do not narrow what it excludes.
 */
static bool find_entities(
	struct scan_prune *p, const struct expr *t, const struct sidx_entity *x, uint64_t *found)
{
	const struct textset *types = t->negate ? NULL : p->types, *ids = &t->texts;

	for (size_t i = 0; i < ids->count; i++) {
		for (size_t k = 0; types && k < types->count; k++) {
			int rc = p->scan->spec.warm ? sidx_entity_find_read(x, types->values[k],
							      ids->values[i], found)
						    : sidx_entity_find(x, types->values[k],
							      ids->values[i], found, NULL);

			p->cold |= rc == SIDX_ENTITY_COLD;
			if (rc != 0)
				return false;
		}
		if (!types && sidx_entity_find_id(x, ids->values[i], found, NULL) != 0)
			return false;
	}
	return true;
}

static bool find_users(const struct textset *users, const struct sidx_entity *x, uint64_t *found)
{
	for (size_t i = 0; i < users->count; i++) {
		if (sidx_entity_find_user(x, users->values[i], found, NULL) != 0)
			return false;
	}
	return true;
}

static bool is_text(const struct expr *t, enum event_text text)
{
	return t->field.kind == EXPR_FIELD_TEXT && t->field.text == text;
}

static bool asks_entity(const struct expr *t)
{
	return t->test == EXPR_TEST_IN &&
	       (is_text(t, EVENT_TEXT_ENTITY_ID) || is_text(t, EVENT_TEXT_USER_ID));
}

/* Words are those of descriptions, and of metadata: strings and keys. */
static bool asks_words(const struct expr *t)
{
	if (t->field.kind == EXPR_FIELD_META)
		return true;
	return is_text(t, EVENT_TEXT_DESCRIPTION) && t->test != EXPR_TEST_EXISTS &&
	       t->test != EXPR_TEST_ORDER;
}

bool scan_prune_test_asks(const struct expr *t)
{
	return is_text(t, EVENT_TEXT_EVENT_TYPE) || asks_entity(t) || asks_words(t);
}

static void narrow(uint64_t *may, const uint64_t *found, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++)
		may[i] &= found[i];
}

static void by_entity(struct scan_prune *p, const struct expr *t, uint64_t *may)
{
	const struct sidx_entity *x;
	uint64_t found[WORDS_MAX] = { 0 };
	bool known;

	if (!asks_entity(t))
		return;
	x = sidx_set_entity(p->reader);
	known = x != NULL;
	if (known && t->field.text == EVENT_TEXT_ENTITY_ID)
		known = find_entities(p, t, x, found);
	else if (known)
		known = find_users(&t->texts, x, found);
	if (known)
		narrow(may, found, p->words);
	else
		p->stats->sidecars_bypassed++;
}

/* A value that only a string equals: no number, and no word that stands for something else. */
static bool is_string(const struct expr_value *v)
{
	return v->quoted ||
	       (v->number.kind == EXPR_NUMBER_NONE && !span_eq(v->text, SPAN_LIT("true")) &&
		       !span_eq(v->text, SPAN_LIT("false")) && !span_eq(v->text, SPAN_LIT("null")));
}

/* 0: `found` has the blocks of all values; SIDX_WORD_UNKNOWN; or a failure. */
static int find_values(const struct scan_prune *p, const struct expr *t, uint64_t *found)
{
	const struct sidx_entity *entity = sidx_set_entity(p->reader);
	const struct sidx_word *word = sidx_set_word(p->reader);
	int rc = 0;

	for (uint32_t i = 0; i < t->values_count && rc == 0; i++) {
		const struct expr_value *v = &t->values[i];

		if (t->field.kind == EXPR_FIELD_META && !is_string(v))
			return SIDX_WORD_UNKNOWN;
		rc = sidx_word_find(word, entity, v->text, found, NULL);
	}
	return rc;
}

static const struct needle *needle_of(const struct scan_node *n)
{
	return n->expr->test == EXPR_TEST_REGEX ? &n->literal : &n->expr->needle;
}

static int find_needle(const struct scan_prune *p, uint32_t node, uint64_t *found)
{
	const struct needle *x = needle_of(&p->scan->nodes[node]);

	if (x->n == 0)
		return SIDX_WORD_UNKNOWN;
	return sidx_word_find_part(sidx_set_word(p->reader), sidx_set_entity(p->reader),
		span_of(x->lower, x->n), found, NULL);
}

static void ask_words(struct scan_prune *p, int rc, const uint64_t *found, uint64_t *may)
{
	if (rc == 0)
		narrow(may, found, p->words);
	else if (rc < 0)
		p->stats->sidecars_bypassed++;
}

static void by_words(struct scan_prune *p, uint32_t node, uint64_t *may)
{
	const struct expr *t = p->scan->nodes[node].expr;
	uint64_t found[WORDS_MAX] = { 0 }, keys[WORDS_MAX] = { 0 };
	int rc = SIDX_WORD_UNKNOWN;

	if (!asks_words(t))
		return;
	if (!sidx_set_word(p->reader)) {
		p->stats->sidecars_bypassed++;
		return;
	}
	if (t->test == EXPR_TEST_IN)
		rc = find_values(p, t, found);
	else if (t->test == EXPR_TEST_CONTAINS || t->test == EXPR_TEST_REGEX)
		rc = find_needle(p, node, found);
	ask_words(p, rc, found, may);
	/* Of a path, its last key is a string of the map. */
	if (t->field.kind != EXPR_FIELD_META || t->field.keys_count == 0)
		return;
	rc = sidx_word_find(sidx_set_word(p->reader), sidx_set_entity(p->reader),
		t->field.keys[t->field.keys_count - 1], keys, NULL);
	ask_words(p, rc, keys, may);
}

/* What was noted of blocks that were searched before. */
static void by_letters(const struct scan_prune *p, uint32_t node, uint64_t *may)
{
	const struct scan_node *n = &p->scan->nodes[node];
	const struct expr *t = n->expr;

	if (!is_text(t, EVENT_TEXT_DESCRIPTION) ||
		(t->test != EXPR_TEST_CONTAINS && t->test != EXPR_TEST_REGEX))
		return;
	for (uint32_t i = 0; i < p->blocks_count; i++) {
		if (scan_prune_bit(may, i) && !seg_letters_may_have(p->reader, i, needle_of(n)))
			may[i / 64] &= ~(UINT64_C(1) << i % 64);
	}
}

/* ---- sidecars: rows of event types ---- */

static int add_rows(const struct sidx_type *x, size_t type, uint32_t *rows)
{
	struct sidx_type_block *blocks;
	struct sidx_type_entry e;

	sidx_type_entry(x, type, &e);
	blocks = malloc((e.blocks_count + 1) * sizeof *blocks);
	if (!blocks)
		return -ENOMEM;
	sidx_type_blocks(x, type, blocks);
	for (uint32_t k = 0; k < e.blocks_count; k++)
		rows[blocks[k].block] += blocks[k].rows_count;
	free(blocks);
	return 0;
}

static int add_types(
	const struct scan_prune *p, const struct expr *t, const struct sidx_type *x, uint32_t *rows)
{
	int rc = 0;

	if (t->test == EXPR_TEST_IN) {
		for (size_t i = 0; i < t->texts.count && rc == 0; i++) {
			int at = sidx_type_find(x, t->texts.values[i]);

			rc = at >= 0 ? add_rows(x, (size_t)at, rows) : 0;
		}
		return rc;
	}
	for (size_t i = 0; i < sidx_type_count(x) && rc == 0; i++) {
		struct sidx_type_entry e;

		sidx_type_entry(x, i, &e);
		if (expr_test_text(t, e.name, p->scan->expr))
			rc = add_rows(x, i, rows);
	}
	return rc;
}

/* A sidecar that counts more rows than a block has is not believed. */
static bool is_plausible(const struct scan_prune *p, const uint32_t *rows)
{
	for (uint32_t i = 0; i < p->blocks_count; i++) {
		if (rows[i] > seg_reader_block(p->reader, i)->rows_count)
			return false;
	}
	return true;
}

static int count_types(struct scan_prune *p, uint32_t node)
{
	const struct expr *t = p->scan->nodes[node].expr;
	const struct sidx_type *x;
	uint32_t *rows;
	int rc;

	if (!is_text(t, EVENT_TEXT_EVENT_TYPE))
		return 0;
	x = sidx_set_type(p->reader);
	if (!x) {
		p->stats->sidecars_bypassed++;
		return 0;
	}
	if (!sidx_type_complete(x))
		return 0;
	rows = calloc(p->blocks_count + 1, sizeof *rows);
	rc = rows ? add_types(p, t, x, rows) : -ENOMEM;
	if (rc == 0 && is_plausible(p, rows)) {
		p->rows[node] = rows;
		return 0;
	}
	free(rows);
	p->stats->sidecars_bypassed += rc == 0;
	return rc;
}

/* ---- zone maps ---- */

static struct span prefix(struct span s)
{
	return s.n > SEG_LAYOUT_PREFIX_BYTES ? span_of(s.p, SEG_LAYOUT_PREFIX_BYTES) : s;
}

/* All values are the same and not cut. */
static bool is_constant(const struct seg_zone *z)
{
	return z->min_n < SEG_LAYOUT_PREFIX_BYTES &&
	       span_eq(span_of(z->min, z->min_n), span_of(z->max, z->max_n));
}

static bool may_equal(const struct seg_zone *z, struct span value)
{
	value = prefix(value);
	return span_cmp(value, span_of(z->min, z->min_n)) >= 0 &&
	       span_cmp(value, span_of(z->max, z->max_n)) <= 0;
}

static bool may_be_one(const struct seg_zone *z, const struct textset *set)
{
	for (size_t i = 0; i < set->count; i++) {
		if (may_equal(z, set->values[i]))
			return true;
	}
	return false;
}

/* By bytes; what compares numbers is not told by a zone map. The least value is z->min or longer. */
static bool may_be_ordered(const struct seg_zone *z, const struct expr *t)
{
	const struct expr_value *v = &t->values[0];
	struct span min = span_of(z->min, z->min_n), max = span_of(z->max, z->max_n);

	if (v->number.kind != EXPR_NUMBER_NONE)
		return true;
	switch (t->order) {
	case EXPR_LT:
		return span_cmp(min, v->text) < 0;
	case EXPR_LE:
		return span_cmp(min, v->text) <= 0;
	default:
		return span_cmp(max, prefix(v->text)) >= 0;
	}
}

static enum answer text_zone(const struct scan_prune *p, const struct expr *t,
	const struct seg_zone *z, uint32_t rows_count)
{
	bool everywhere = z->present_count == rows_count;
	bool possible = true;

	if (z->present_count == 0)
		return NONE;
	if (t->test == EXPR_TEST_EXISTS)
		return everywhere ? ALL : SOME;
	if (t->test == EXPR_TEST_IN)
		possible = may_be_one(z, &t->texts);
	else if (t->test == EXPR_TEST_ORDER)
		possible = may_be_ordered(z, t);
	if (!possible)
		return NONE;
	if (!is_constant(z))
		return SOME;
	if (!expr_test_text(t, span_of(z->min, z->min_n), p->scan->expr))
		return NONE;
	return everywhere ? ALL : SOME;
}

static uint32_t rows_of_severities(const struct seg_block *b, uint8_t mask)
{
	uint32_t n = 0;

	for (int i = 0; i < EVENT_SEVERITY_COUNT; i++)
		n += mask >> i & 1 ? b->severity_rows[i] : 0;
	return n;
}

static enum answer by_count(uint32_t n, uint32_t rows_count)
{
	return n == 0 ? NONE : n == rows_count ? ALL : SOME;
}

static enum answer number_zone(const struct expr *t, const struct seg_block *b)
{
	uint64_t lo = b->id_min, hi = b->id_max;
	enum answer a = NONE;

	if (t->field.kind == EXPR_FIELD_TIME) {
		lo = expr_time_key(b->time_min_ns);
		hi = expr_time_key(b->time_max_ns);
	} else if (t->field.kind == EXPR_FIELD_RECEIVED) {
		lo = expr_time_key(b->received_min_ns);
		hi = expr_time_key(b->received_max_ns);
	}
	for (uint32_t i = 0; i < t->ranges_count; i++) {
		const struct expr_range *r = &t->ranges[i];

		if (r->lo <= lo && hi <= r->hi)
			return ALL;
		if (r->lo <= hi && lo <= r->hi)
			a = SOME;
	}
	return a;
}

static enum answer zone(const struct scan_prune *p, uint32_t node, uint32_t block)
{
	const struct seg_block *b = seg_reader_block(p->reader, block);
	const struct expr *t = p->scan->nodes[node].expr;

	if (p->rows[node])
		return by_count(p->rows[node][block], b->rows_count);
	switch (t->field.kind) {
	case EXPR_FIELD_TEXT:
		return text_zone(p, t, &b->text[t->field.text], b->rows_count);
	case EXPR_FIELD_META:
		return SOME;
	default:
		/* Every event has these. */
		if (t->test == EXPR_TEST_EXISTS)
			return ALL;
		if (t->test == EXPR_TEST_SEVERITY)
			return by_count(rows_of_severities(b, t->severity_mask), b->rows_count);
		return number_zone(t, b);
	}
}

/* ---- the whole ---- */

int scan_prune_test(struct scan_prune *p, uint32_t node, const uint64_t *wanted)
{
	const struct expr *t = p->scan->nodes[node].expr;
	uint64_t *may = p->may + (size_t)node * p->words, *all = p->all + (size_t)node * p->words;
	int rc = 0;

	memcpy(may, wanted, p->words * sizeof *may);
	if (p->scan->asks_sidecars) {
		by_entity(p, t, may);
		by_words(p, node, may);
		by_letters(p, node, may);
		rc = count_types(p, node);
	}
	for (uint32_t i = 0; i < p->blocks_count && rc == 0; i++) {
		uint64_t bit = UINT64_C(1) << i % 64;
		enum answer a;

		if (!(may[i / 64] & bit))
			continue;
		a = zone(p, node, i);
		if (a == NONE)
			may[i / 64] &= ~bit;
		else if (a == ALL)
			all[i / 64] |= bit;
	}
	for (uint32_t i = 0; i < p->words && t->negate; i++) {
		uint64_t none = wanted[i] & ~may[i];

		may[i] = wanted[i] & ~all[i];
		all[i] = none;
	}
	return rc;
}

bool scan_prune_test_count(
	const struct scan_prune *p, uint32_t node, uint32_t block, uint64_t *out_count)
{
	const struct seg_block *b = seg_reader_block(p->reader, block);
	const struct expr *t = p->scan->nodes[node].expr;

	if (p->rows[node])
		*out_count = p->rows[node][block];
	else if (t->test == EXPR_TEST_SEVERITY)
		*out_count = rows_of_severities(b, t->severity_mask);
	else if (t->test == EXPR_TEST_EXISTS && t->field.kind == EXPR_FIELD_TEXT)
		*out_count = b->text[t->field.text].present_count;
	else
		return false;
	return true;
}
