/*
 * Lists of rows and their labels, of units whose only condition is one code of a column.
 */
#include "proto/base/check.h"
#include "storage/scan_int.h"
#include "storage/scan_values.h"

/* Of the rows of a block, one in so many is worth a list. */
enum { LIST_PART = 16 };

/* The code that the one test wants. SCAN_VALUES_NOT: it is none of codes, or it wants several. */
static int wanted_code(struct scan_work *w, int col, uint16_t *out)
{
	const struct scan_verdict *v;
	enum col_kind kind;
	int rc = block_reader_kind(w->scratch->block, col, &kind, w->d);

	if (rc == 0 && kind == COL_KIND_CODES)
		rc = scan_column_verdict(w, 0, &v);
	if (rc < 0)
		return rc;
	if (kind != COL_KIND_CODES || v->wanted_count != 1)
		return SCAN_VALUES_NOT;
	*out = v->wanted_code;
	return 0;
}

static bool is_one_test(const struct scan_work *w)
{
	const struct scan_piece *p = w->piece;
	const struct expr *x;

	if (!w->reader || p->conds != SCAN_COND_WHERE || !p->counted ||
		p->count < w->rows_count / LIST_PART)
		return false;
	x = w->scan->nodes[0].expr;
	return x->kind == EXPR_TEST && x->field.kind == EXPR_FIELD_TEXT;
}

/* Texts in pages of their own; others have no labels. SCAN_VALUES_NOT: it is not. */
static int check_field(struct scan_work *w, const struct expr_field *f)
{
	enum col_kind kind;
	int rc;

	if (f->kind != EXPR_FIELD_TEXT)
		return SCAN_VALUES_NOT;
	rc = block_reader_kind(w->scratch->block, SEG_COL_TEXT + (int)f->text, &kind, w->d);
	return rc == 0 && kind != COL_KIND_TEXT ? SCAN_VALUES_NOT : rc;
}

int scan_list(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const struct expr_field *const *fields, uint32_t fields_count,
	const struct block_list **out, struct scan_stats *stats, struct diag *d)
{
	struct scan_work w = scan_select_work(s, unit, scratch, stats, d);
	uint16_t code;
	int col, rc = 0;

	if (!is_one_test(&w))
		return SCAN_VALUES_NOT;
	scan_column_enter(&w);
	for (uint32_t i = 0; i < fields_count && rc == 0; i++)
		rc = check_field(&w, fields[i]);
	col = SEG_COL_TEXT + (int)s->nodes[0].expr->field.text;
	if (rc == 0)
		rc = wanted_code(&w, col, &code);
	return rc == 0 ? block_reader_list(scratch->block, col, code, out, d) : rc;
}

int scan_list_labels(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const struct block_list *list, const struct expr_field *f, const uint32_t **out,
	const struct col_text_labels **labels, struct scan_stats *stats, struct diag *d)
{
	struct scan_work w = scan_select_work(s, unit, scratch, stats, d);
	int rc;

	ASSERT(block_reader_is_at(scratch->block, w.reader, w.piece->block));
	scan_column_enter(&w);
	rc = block_reader_list_labels(
		scratch->block, list, SEG_COL_TEXT + (int)f->text, out, labels, d);
	return rc == BLOCK_READER_LABELS_NOT ? SCAN_VALUES_NOT : rc;
}
