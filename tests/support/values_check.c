#include "tests/support/values_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/scan_values.h"

static bool same_number(struct expr_number a, struct expr_number b)
{
	/* Bit for bit: not a number is itself. */
	return a.kind == b.kind && (a.kind == EXPR_NUMBER_NONE || a.u == b.u);
}

static bool same(const struct expr_cell *a, const struct expr_cell *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case EXPR_CELL_BOOL:
		return a->truth == b->truth;
	case EXPR_CELL_NUMBER:
		return same_number(a->number, b->number);
	case EXPR_CELL_TEXT:
	case EXPR_CELL_OTHER:
		return a->text.p && span_eq(a->text, b->text);
	default:
		return true;
	}
}

static int check_values(const struct values_check *v, const struct expr_field *f,
	struct scan_stats *stats, struct diag *d)
{
	struct scan_values x;
	int rc = scan_rows_values(v->scan, v->unit, v->scratch, v->rows, v->count, f, &x, stats, d);

	for (size_t i = 0; i < v->count && rc == 0; i++) {
		struct expr_cell want, absent = { .kind = EXPR_CELL_ABSENT };

		if (x.codes[i] > x.cells_count)
			return VALUES_CHECK_WRONG;
		expr_cell_of(f, &v->events[i], &want);
		if (!same(x.codes[i] ? &x.cells[x.codes[i] - 1] : &absent, &want))
			return VALUES_CHECK_WRONG;
	}
	return rc;
}

/* Of a place among ids, written out; false: it is absent. */
static bool text_of(const struct scan_ids *x, uint32_t code, char *told, struct span *out)
{
	const struct col_text_numbers *n = &x->values;
	const struct col_text_form *f;
	int length;

	if (code == 0)
		return false;
	if (n->form_of[code - 1] == COL_TEXT_FORM_NONE) {
		*out = n->texts[n->numbers[code - 1]];
		return true;
	}
	ASSERT(n->form_of[code - 1] < n->forms_count);
	f = &n->forms[n->form_of[code - 1]];
	length = sprintf(told, "%.*s%0*u%.*s", (int)f->front.n, (const char *)f->front.p,
		(int)f->digits, n->numbers[code - 1], (int)f->back.n, (const char *)f->back.p);
	ASSERT((size_t)length == f->front.n + f->digits + f->back.n);
	*out = span_of(told, (size_t)length);
	return true;
}

static int check_ids(const struct values_check *v, const struct expr_field *f,
	struct scan_stats *stats, struct diag *d)
{
	struct scan_ids x;
	int rc = scan_rows_ids(v->scan, v->unit, v->scratch, v->rows, v->count, f, &x, stats, d);

	if (rc == SCAN_VALUES_NOT)
		return 0;
	for (size_t i = 0; i < v->count && rc == 0; i++) {
		char told[COL_TEXT_FORM_BYTES_MAX + 1];
		struct span want = v->events[i].text[f->text], got = SPAN_NONE;

		if (x.codes[i] > x.count)
			return VALUES_CHECK_WRONG;
		if (text_of(&x, x.codes[i], told, &got) != (want.p != NULL) || !span_eq(got, want))
			return VALUES_CHECK_WRONG;
	}
	return rc;
}

static int check_numbers(const struct values_check *v, const struct expr_field *f,
	struct scan_stats *stats, struct diag *d)
{
	struct expr_number *x = calloc(v->count + 1, sizeof *x);
	int rc;

	ASSERT(x);
	rc = scan_rows_numbers(v->scan, v->unit, v->scratch, v->rows, v->count, f, x, stats, d);
	for (size_t i = 0; i < v->count && rc == 0; i++) {
		struct expr_cell want;

		expr_cell_of(f, &v->events[i], &want);
		if (want.kind != EXPR_CELL_NUMBER)
			want.number.kind = EXPR_NUMBER_NONE;
		rc = same_number(x[i], want.number) ? 0 : VALUES_CHECK_WRONG;
	}
	free(x);
	return rc;
}

static int64_t int_of(const struct event *ev, enum expr_field_kind kind)
{
	switch (kind) {
	case EXPR_FIELD_ID:
		return (int64_t)ev->id;
	case EXPR_FIELD_TIME:
		return ev->time_ns;
	case EXPR_FIELD_RECEIVED:
		return ev->received_ns;
	default:
		return ev->severity;
	}
}

static int check_ints(const struct values_check *v, const struct expr_field *f,
	struct scan_stats *stats, struct diag *d)
{
	int64_t *x = calloc(v->count + 1, sizeof *x);
	int rc;

	ASSERT(x);
	rc = scan_rows_ints(v->scan, v->unit, v->scratch, v->rows, v->count, f->kind, x, stats, d);
	for (size_t i = 0; i < v->count && rc == 0; i++)
		rc = x[i] == int_of(&v->events[i], f->kind) ? 0 : VALUES_CHECK_WRONG;
	free(x);
	return rc;
}

int values_check_field(const struct values_check *v, const struct expr_field *f, struct diag *d)
{
	struct scan_stats stats = { 0 };
	int rc = check_values(v, f, &stats, d);

	if (rc == 0)
		rc = check_ids(v, f, &stats, d);
	if (rc == 0)
		rc = check_numbers(v, f, &stats, d);
	if (rc == 0 && f->kind != EXPR_FIELD_TEXT && f->kind != EXPR_FIELD_META)
		rc = check_ints(v, f, &stats, d);
	return rc;
}
