/*
 * Lists: the rows of a block that have one code, and labels of their texts in other columns. Together the
 * lists of all codes take no more than the codes themselves.
 */
#include <errno.h>
#include <string.h>
#include "storage/block_reader_int.h"
#include "storage/match_kernel.h"

/* Of one column. */
struct block_labels {
	struct block_labels *next;
	const struct block_list *list;
	const struct col_text_labels *labels; /* NULL: the column has none */
	const uint32_t *of;                   /* the list's rows */
};

/* Some rows' codes: those that are wanted are added to the list. */
static uint32_t add_rows(
	uint16_t *rows, const uint16_t *codes, uint32_t first, uint32_t count, uint16_t code)
{
	uint8_t match[BLOCK_READER_SOME];
	uint32_t some[BLOCK_READER_SOME], n;

	memset(match, 1, count);
	match_kernel_equal(codes, count, code, match);
	n = match_kernel_list(match, count, some);
	for (uint32_t i = 0; i < n; i++)
		rows[i] = (uint16_t)(first + some[i]);
	return n;
}

static int make_list(
	struct block_reader *b, int col, uint16_t code, struct block_list **out, struct diag *d)
{
	uint16_t *rows = arena_alloc(&b->work.lent, b->rows_count * sizeof *rows);
	struct block_list *list = arena_calloc(&b->tables, 1, sizeof *list);
	int rc = rows && list ? 0 : block_reader_fail(b, col, -ENOMEM, d);
	uint16_t codes[BLOCK_READER_SOME];

	for (uint32_t first = 0, n; first < b->rows_count && rc == 0; first += n) {
		n = b->rows_count - first < BLOCK_READER_SOME ? b->rows_count - first
							      : BLOCK_READER_SOME;
		rc = block_reader_codes_to(b, col, first, n, codes, d);
		if (rc == 0)
			list->count += add_rows(rows + list->count, codes, first, n, code);
	}
	if (rc < 0)
		return rc;
	list->code = code;
	list->rows = arena_dup(&b->tables, rows, list->count * sizeof *rows);
	*out = list;
	return list->rows ? 0 : block_reader_fail(b, col, -ENOMEM, d);
}

int block_reader_list(struct block_reader *b, int col, uint16_t code, const struct block_list **out,
	struct diag *d)
{
	struct block_column *c;
	struct block_list *list;
	int rc;

	block_reader_begin(b);
	rc = block_reader_open(b, col, &c, d);
	if (rc < 0)
		return rc;
	for (list = c->lists; list && list->code != code;)
		list = list->next;
	if (!list) {
		rc = make_list(b, col, code, &list, d);
		if (rc < 0)
			return rc;
		list->next = c->lists;
		c->lists = list;
	}
	*out = list;
	return 0;
}

static int make_labels(struct block_reader *b, const struct block_list *list, int col,
	struct block_labels **out, struct diag *d)
{
	uint32_t *of = arena_alloc(&b->work.lent, list->count * sizeof *of);
	struct block_labels *l = arena_calloc(&b->tables, 1, sizeof *l);
	struct block_column *c;
	int rc = block_reader_open_text(b, col, &c, d);

	if (rc < 0)
		return rc;
	rc = l && of ? 0 : -ENOMEM;
	if (rc == 0)
		rc = col_text_labels(&c->text, list->rows, list->count, of, &l->labels);
	if (rc == 0) {
		l->of = arena_dup(&b->tables, of, list->count * sizeof *of);
		rc = l->of ? 0 : -ENOMEM;
	}
	if (rc < 0)
		return block_reader_fail(b, col, rc, d);
	if (rc == COL_TEXT_LABELS_NOT)
		l->labels = NULL;
	l->list = list;
	*out = l;
	return 0;
}

int block_reader_list_labels(struct block_reader *b, const struct block_list *list, int col,
	const uint32_t **out, const struct col_text_labels **labels, struct diag *d)
{
	struct block_column *c;
	struct block_labels *l;
	int rc;

	block_reader_begin(b);
	rc = block_reader_open(b, col, &c, d);
	if (rc < 0)
		return rc;
	for (l = c->labels; l && l->list != list;)
		l = l->next;
	if (!l) {
		rc = make_labels(b, list, col, &l, d);
		if (rc < 0)
			return rc;
		l->next = c->labels;
		c->labels = l;
	}
	*out = l->of;
	*labels = l->labels;
	return l->labels ? 0 : BLOCK_READER_LABELS_NOT;
}
