/*
 * One test on the rows of a block: numbers as they are, fields with a segment dictionary by codes of
 * which the dictionary's entries say once whether they hold; the rest in scan_test_text and
 * scan_test_meta.
 */
#include "storage/scan_int.h"

#include <errno.h>

#include "proto/base/check.h"

/* By what a column takes to read and a test to decide; what is alike is asked in the tree's order. */
enum cost {
	COST_NOTHING = 0,
	COST_KEY = 5, /* the sidecar knows the blocks that have it; few rows are left then */
	COST_CODES = 10,
	COST_SEVERITY = 12,
	COST_ID = 14,
	COST_TIME = 20,
	COST_RECEIVED = 30,
	COST_SEARCH = 25, /* mostly decided by templates and dictionaries */
	COST_EQUAL = 40,
	COST_META = 50,
	COST_META_SLOW = 60,
	COST_ENTRIES = 70, /* mostly row by row */
	COST_REGEX = 80,
};

static unsigned number_cost(enum expr_field_kind kind)
{
	switch (kind) {
	case EXPR_FIELD_SEVERITY:
		return COST_SEVERITY;
	case EXPR_FIELD_ID:
		return COST_ID;
	case EXPR_FIELD_TIME:
		return COST_TIME;
	default:
		return COST_RECEIVED;
	}
}

int scan_test_cost(struct scan_work *w, uint32_t node, unsigned *out_cost)
{
	const struct expr *t = w->scan->nodes[node].expr;
	enum col_kind kind;
	int rc;

	if (t->field.kind == EXPR_FIELD_META) {
		*out_cost = t->test == EXPR_TEST_EXISTS || t->test == EXPR_TEST_IN ? COST_META
										   : COST_META_SLOW;
		return 0;
	}
	if (t->field.kind != EXPR_FIELD_TEXT) {
		*out_cost = number_cost(t->field.kind);
		return 0;
	}
	rc = block_reader_kind(w->scratch->block, SEG_COL_TEXT + (int)t->field.text, &kind, w->d);
	if (rc < 0)
		return rc;
	if (kind == COL_KIND_CODES)
		*out_cost = COST_CODES;
	else if (scan_is_key(t))
		*out_cost = COST_KEY;
	else if (t->test == EXPR_TEST_CONTAINS)
		*out_cost = COST_SEARCH;
	else if (t->test == EXPR_TEST_REGEX)
		*out_cost = COST_REGEX;
	else
		*out_cost = t->test == EXPR_TEST_ORDER ? COST_ENTRIES : COST_EQUAL;
	return 0;
}

/* ---- numbers ---- */

int scan_test_column(enum expr_field_kind kind)
{
	switch (kind) {
	case EXPR_FIELD_SEVERITY:
		return SEG_COL_SEVERITY;
	case EXPR_FIELD_ID:
		return SEG_COL_ID;
	case EXPR_FIELD_TIME:
		return SEG_COL_TIME;
	default:
		ASSERT(kind == EXPR_FIELD_RECEIVED);
		return SEG_COL_RECEIVED;
	}
}

static bool in_ranges(const struct expr *t, uint64_t key)
{
	uint32_t lo = 0, hi = t->ranges_count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (t->ranges[mid].hi < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < t->ranges_count && t->ranges[lo].lo <= key;
}

/* The test itself, negation aside. */
static bool number_holds(const struct expr *t, int64_t v)
{
	if (t->test == EXPR_TEST_SEVERITY)
		return t->severity_mask >> v & 1;
	return in_ranges(t, t->field.kind == EXPR_FIELD_ID ? (uint64_t)v : expr_time_key(v));
}

static int keep_whole(struct scan_work *w, const struct expr *t, uint8_t *match)
{
	const int64_t *v;
	int rc = block_reader_ints(w->scratch->block, scan_test_column(t->field.kind), &v, w->d);

	if (rc < 0)
		return rc;
	if (t->test == EXPR_TEST_SEVERITY) {
		uint8_t mask = t->negate ? (uint8_t)~t->severity_mask : t->severity_mask;

		match_kernel_mask(v, w->rows_count, mask, match);
	} else if (t->ranges_count == 1) {
		/* A time's key is the time with its sign turned over: so is what is taken off. */
		uint64_t lo = t->ranges[0].lo;
		uint64_t least = t->field.kind == EXPR_FIELD_ID ? lo : lo ^ UINT64_C(1) << 63;

		match_kernel_range(v, w->rows_count, least, t->ranges[0].hi - lo, t->negate, match);
	} else {
		for (uint32_t i = 0; i < w->rows_count; i++)
			match[i] &= (uint8_t)(number_holds(t, v[i]) != t->negate);
	}
	return 0;
}

static int number_rows(struct scan_work *w, const struct expr *t, const uint32_t *rows,
	uint32_t count, uint8_t *holds)
{
	int64_t v[SCAN_SOME];
	int rc;

	ASSERT(count <= SCAN_SOME);
	/* Every event has these fields. */
	if (t->test == EXPR_TEST_EXISTS) {
		memset(holds, !t->negate, count);
		return 0;
	}
	rc = block_reader_ints_at(
		w->scratch->block, scan_test_column(t->field.kind), rows, count, v, w->d);
	for (uint32_t i = 0; i < count && rc == 0; i++)
		holds[i] = number_holds(t, v[i]) != t->negate;
	return rc;
}

static int keep_some(struct scan_work *w, const struct expr *t, uint8_t *match)
{
	uint32_t *rows = w->scratch->rows;
	uint32_t count = match_kernel_list(match, w->rows_count, rows);
	uint8_t holds[SCAN_SOME];
	int rc = 0;

	for (uint32_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < SCAN_SOME ? count - at : SCAN_SOME;
		rc = number_rows(w, t, rows + at, n, holds);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			match[rows[at + i]] = holds[i];
	}
	return rc;
}

static int keep_numbers(struct scan_work *w, const struct expr *t, uint8_t *match, uint32_t left)
{
	if (t->test == EXPR_TEST_EXISTS) {
		if (t->negate)
			memset(match, 0, w->rows_count);
		return 0;
	}
	return left < w->rows_count / SCAN_FEW ? keep_some(w, t, match) : keep_whole(w, t, match);
}

/* ---- codes ---- */

/* Rows of rare types stand in the sidecar. 1: it lists all that are wanted in this block. */
static int keep_rare_types(struct scan_work *w, const struct expr *t, uint8_t *match)
{
	uint32_t rows[SIDX_TYPE_RARE_ROWS];
	const struct sidx_type *x;

	if (t->test != EXPR_TEST_IN || t->negate)
		return 0;
	x = sidx_set_type(w->scan->segments[w->piece->segment].reader);
	if (!x || !sidx_type_complete(x))
		return 0;
	for (size_t i = 0; i < t->texts.count; i++) {
		int at = sidx_type_find(x, t->texts.values[i]);
		struct sidx_type_entry e = { .rare = true };

		if (at >= 0)
			sidx_type_entry(x, (size_t)at, &e);
		if (!e.rare)
			return 0;
	}
	for (size_t i = 0; i < t->texts.count; i++) {
		int at = sidx_type_find(x, t->texts.values[i]);
		uint32_t n = 0;

		if (at >= 0)
			n = sidx_type_rows(x, (size_t)at, w->piece->block, rows);
		/* Marked with 2, so that what was ruled out before stays so. */
		for (uint32_t k = 0; k < n; k++)
			match[rows[k]] |= rows[k] < w->rows_count ? 2 : 0;
	}
	for (uint32_t i = 0; i < w->rows_count; i++)
		match[i] = match[i] == 3;
	return 1;
}

static int keep_some_codes(
	struct scan_work *w, int col, const struct scan_verdict *v, uint8_t *match)
{
	uint32_t *rows = w->scratch->rows;
	uint32_t count = match_kernel_list(match, w->rows_count, rows);
	uint16_t codes[SCAN_SOME];
	int rc = 0;

	for (uint32_t at = 0, n; at < count && rc == 0; at += n) {
		n = count - at < SCAN_SOME ? count - at : SCAN_SOME;
		rc = block_reader_codes_at(w->scratch->block, col, rows + at, n, codes, w->d);
		for (uint32_t i = 0; i < n && rc == 0; i++)
			match[rows[at + i]] = v->wanted[codes[i]];
	}
	return rc;
}

static int keep_codes(struct scan_work *w, uint32_t node, uint8_t *match, uint32_t left)
{
	const struct expr *t = w->scan->nodes[node].expr;
	int col = SEG_COL_TEXT + (int)t->field.text, rc = 0;
	const struct scan_verdict *v;
	const uint16_t *codes;

	if (t->field.text == EVENT_TEXT_EVENT_TYPE)
		rc = keep_rare_types(w, t, match);
	if (rc == 1)
		return 0;
	rc = scan_column_verdict(w, node, &v);
	if (rc < 0)
		return rc;
	if (v->wanted_count == 0) {
		memset(match, 0, w->rows_count);
		return 0;
	}
	if (left < w->rows_count / SCAN_FEW)
		return keep_some_codes(w, col, v, match);
	rc = block_reader_codes(w->scratch->block, col, &codes, w->d);
	if (rc < 0)
		return rc;
	if (v->wanted_count == 1)
		match_kernel_equal(codes, w->rows_count, v->wanted_code, match);
	else
		match_kernel_table(codes, w->rows_count, v->wanted, v->count, match);
	return 0;
}

/* ---- all ---- */

static int keep_others(struct scan_work *w, uint32_t node, uint8_t *match)
{
	if (w->scan->nodes[node].expr->field.kind == EXPR_FIELD_META)
		return scan_test_meta_keep(w, node, match);
	return scan_test_text_keep(w, node, match);
}

int scan_test_keep(struct scan_work *w, uint32_t node, uint8_t *match, uint32_t left)
{
	const struct expr *t = w->scan->nodes[node].expr;
	enum col_kind kind = COL_KIND_TEXT;
	uint8_t *found;
	int rc = 0;

	ASSERT(t->kind == EXPR_TEST);
	if (t->field.kind != EXPR_FIELD_TEXT && t->field.kind != EXPR_FIELD_META)
		return keep_numbers(w, t, match, left);
	if (t->field.kind == EXPR_FIELD_TEXT)
		rc = block_reader_kind(
			w->scratch->block, SEG_COL_TEXT + (int)t->field.text, &kind, w->d);
	if (rc < 0)
		return rc;
	if (kind == COL_KIND_CODES)
		return keep_codes(w, node, match, left);
	if (!t->negate)
		return keep_others(w, node, match);
	found = scan_match_take(w);
	if (!found)
		return -ENOMEM;
	memcpy(found, match, w->rows_count);
	rc = keep_others(w, node, found);
	if (rc == 0)
		match_kernel_without(match, found, w->rows_count);
	scan_match_give(w);
	return rc;
}

/* Texts as they are: a dictionary has more entries than these are rows. */
int scan_test_rows(
	struct scan_work *w, uint32_t node, const uint32_t *rows, uint32_t count, uint8_t *holds)
{
	const struct expr *t = w->scan->nodes[node].expr;
	int rc;

	ASSERT(t->kind == EXPR_TEST);
	ASSERT(t->field.kind != EXPR_FIELD_META);
	if (t->field.kind != EXPR_FIELD_TEXT)
		return number_rows(w, t, rows, count, holds);
	rc = scan_test_text_rows(w, t, rows, count, holds);
	for (uint32_t i = 0; i < count && rc == 0; i++)
		holds[i] ^= t->negate;
	return rc;
}
