/*
 * toy_values - storage/scan_values.h by whole events: what aggregations do with values is tested over
 * toy_scan, whose units are cut as the test likes. Cubes know nothing here.
 *
 * Values of a unit are told apart only where two of them stand side by side: a table of them holds one
 * value more than once, as storage may. Two units of three tell texts as numbers where they can, one of two
 * has lists and labels.
 */
#include "storage/scan_values.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "storage/col_text_int.h"
#include "storage/scan_cube.h"

/* Rows of a unit; threads keep all this beside their stack. */
enum { ROWS_MAX = 4096, TEXT_BYTES = 96 << 20 };

/* Lives as long as the thread's last question. */
static _Thread_local struct toy {
	uint32_t rows[ROWS_MAX];
	uint32_t codes[ROWS_MAX];
	struct expr_cell cells[ROWS_MAX];
	struct event events[ROWS_MAX];
	uint8_t form_of[ROWS_MAX];
	uint32_t numbers[ROWS_MAX];
	struct span texts[ROWS_MAX];
	struct arena arena;
	struct block_list list;
	struct arena labels; /* of the list */
	bool ready;
} toy;

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void end_thread(void *arg)
{
	struct toy *t = arg;

	arena_fini(&t->arena);
	arena_fini(&t->labels);
	t->ready = false;
}

static void make_key(void)
{
	ASSERT(pthread_key_create(&key, end_thread) == 0);
}

/* The main thread's ends with the process. */
static void get_ready(void)
{
	if (toy.ready)
		return;
	pthread_once(&once, make_key);
	arena_init(&toy.arena, TEXT_BYTES);
	arena_init(&toy.labels, TEXT_BYTES);
	pthread_setspecific(key, &toy);
	toy.ready = true;
}

int scan_rows(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t **out_rows, size_t *out_count, struct scan_stats *stats, struct diag *d)
{
	const struct scan_hit *hits;
	int rc = scan_select(s, unit, scratch, &hits, out_count, stats, d);

	ASSERT(rc != 0 || *out_count <= ROWS_MAX);
	for (size_t i = 0; rc == 0 && i < *out_count; i++)
		toy.rows[i] = hits[i].row;
	*out_rows = toy.rows;
	return rc;
}

static int fetch(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, struct scan_stats *stats, struct diag *d)
{
	get_ready();
	arena_reset(&toy.arena);
	return scan_fetch(s, unit, rows, count, scratch, &toy.arena, toy.events, stats, d);
}

int scan_rows_ints(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, enum expr_field_kind which, int64_t *out,
	struct scan_stats *stats, struct diag *d)
{
	int rc = fetch(s, unit, scratch, rows, count, stats, d);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		const struct event *ev = &toy.events[i];

		out[i] = which == EXPR_FIELD_ID         ? (int64_t)ev->id
			 : which == EXPR_FIELD_TIME     ? ev->time_ns
			 : which == EXPR_FIELD_RECEIVED ? ev->received_ns
							: ev->severity;
	}
	return rc;
}

static bool same(const struct expr_cell *a, const struct expr_cell *b)
{
	return a->kind == EXPR_CELL_TEXT && b->kind == EXPR_CELL_TEXT && span_eq(a->text, b->text);
}

int scan_rows_values(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, const struct expr_field *f, struct scan_values *out,
	struct scan_stats *stats, struct diag *d)
{
	uint32_t n = 0;
	int rc = fetch(s, unit, scratch, rows, count, stats, d);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		expr_cell_of(f, &toy.events[i], &toy.cells[n]);
		if (toy.cells[n].kind == EXPR_CELL_ABSENT)
			toy.codes[i] = 0;
		else if (n > 0 && same(&toy.cells[n], &toy.cells[n - 1]))
			toy.codes[i] = n;
		else
			toy.codes[i] = ++n;
	}
	*out = (struct scan_values){ toy.codes, toy.cells, n };
	return rc;
}

/* The last digits of a text, few enough, as a number; 0: it has none. */
static uint32_t split(struct span text, struct col_text_form *f, uint32_t *number)
{
	uint32_t end = (uint32_t)text.n, n = 0;

	while (end > 0 && !isdigit(text.p[end - 1]))
		end--;
	while (n < end && isdigit(text.p[end - n - 1]))
		n++;
	if (n == 0 || n > COL_TEXT_FORM_DIGITS_MAX || text.n > COL_TEXT_FORM_BYTES_MAX)
		return 0;
	*f = (struct col_text_form){ span_of(text.p, end - n), span_of(text.p + end, text.n - end),
		n };
	*number = 0;
	for (uint32_t i = end - n; i < end; i++)
		*number = *number * 10 + (uint32_t)(text.p[i] - '0');
	return n;
}

/* Forms may stand there more than once. */
static void tell(struct span text, uint32_t at, struct col_text_numbers *out, uint32_t *texts)
{
	struct col_text_form f;

	out->form_of[at] = COL_TEXT_FORM_NONE;
	if (out->forms_count == COL_TEXT_FORMS_MAX || split(text, &f, &out->numbers[at]) == 0) {
		out->numbers[at] = *texts;
		toy.texts[(*texts)++] = text;
		return;
	}
	out->form_of[at] = (uint8_t)out->forms_count;
	for (uint32_t i = 0; i < out->forms_count; i++) {
		const struct col_text_form *x = &out->forms[i];

		if (x->digits == f.digits && span_eq(x->front, f.front) && span_eq(x->back, f.back))
			out->form_of[at] = (uint8_t)i;
	}
	if (out->form_of[at] == out->forms_count)
		out->forms[out->forms_count++] = f;
}

int scan_rows_ids(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, const struct expr_field *f, struct scan_ids *out,
	struct scan_stats *stats, struct diag *d)
{
	uint32_t texts = 0;
	int rc;

	if (f->kind != EXPR_FIELD_TEXT || unit % 3 == 0)
		return SCAN_VALUES_NOT;
	rc = fetch(s, unit, scratch, rows, count, stats, d);
	*out = (struct scan_ids){ .codes = toy.codes,
		.values = { .form_of = toy.form_of, .numbers = toy.numbers, .texts = toy.texts } };
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct span text = toy.events[i].text[f->text];

		toy.codes[i] = text.p ? ++out->count : 0;
		if (text.p)
			tell(text, out->count - 1, &out->values, &texts);
	}
	return rc;
}

/* ---------------------------------------------------------------- lists */

int scan_list(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const struct expr_field *const *fields, uint32_t fields_count,
	const struct block_list **out, struct scan_stats *stats, struct diag *d)
{
	struct scan_stats unused = { 0 };
	const struct scan_hit *hits;
	size_t count;
	uint16_t *rows;
	int rc;

	(void)stats;
	if (unit % 2 == 0)
		return SCAN_VALUES_NOT;
	for (uint32_t i = 0; i < fields_count; i++)
		ASSERT(fields[i]->kind == EXPR_FIELD_TEXT);
	rc = scan_select(s, unit, scratch, &hits, &count, &unused, d);
	if (rc < 0)
		return rc;
	get_ready();
	arena_reset(&toy.labels);
	rows = arena_alloc(&toy.labels, count * sizeof *rows + 1);
	for (size_t i = 0; i < count; i++)
		rows[i] = (uint16_t)hits[i].row;
	toy.list = (struct block_list){ .rows = rows, .count = (uint32_t)count };
	*out = &toy.list;
	return 0;
}

/* A byte more: an empty text has an address too. */
static struct span copy(struct span text)
{
	uint8_t *p = arena_alloc(&toy.labels, text.n + 1);

	if (text.n)
		memcpy(p, text.p, text.n);
	return span_of(p, text.n);
}

/* The texts of the events fetched last, which go to the memory of labels. */
static void tell_all(enum event_text field, struct col_text_numbers *n)
{
	uint32_t texts = 0;

	for (uint32_t i = 0; i < toy.list.count; i++) {
		struct span text = toy.events[i].text[field];

		n->form_of[i] = COL_TEXT_FORM_ABSENT;
		if (text.p)
			tell(copy(text), i, n, &texts);
	}
	n->texts = arena_dup(&toy.labels, toy.texts, (texts + 1) * sizeof *toy.texts);
}

int scan_list_labels(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const struct block_list *list, const struct expr_field *f, const uint32_t **out,
	const struct col_text_labels **labels, struct scan_stats *stats, struct diag *d)
{
	struct col_text_numbers n = { .form_of = toy.form_of, .numbers = toy.numbers };
	uint32_t *of = arena_alloc(&toy.labels, (list->count + 1) * sizeof *of);
	struct col_text_labels *l = arena_alloc(&toy.labels, sizeof *l);
	int rc;

	ASSERT(list == &toy.list);
	for (uint32_t i = 0; i < list->count; i++)
		toy.rows[i] = list->rows[i];
	rc = fetch(s, unit, scratch, toy.rows, list->count, stats, d);
	if (rc < 0)
		return rc;
	tell_all(f->text, &n);
	rc = col_text_label_texts(&n, list->count, &toy.labels, l, of);
	*out = of;
	*labels = l;
	return rc == COL_TEXT_LABELS_NOT ? SCAN_VALUES_NOT : rc;
}

int scan_rows_numbers(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const uint32_t *rows, size_t count, const struct expr_field *f, struct expr_number *out,
	struct scan_stats *stats, struct diag *d)
{
	int rc = fetch(s, unit, scratch, rows, count, stats, d);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct expr_cell c;

		expr_cell_of(f, &toy.events[i], &c);
		out[i] = c.kind == EXPR_CELL_NUMBER
				 ? c.number
				 : (struct expr_number){ .kind = EXPR_NUMBER_NONE };
	}
	return rc;
}

/* ---------------------------------------------------------------- no cubes */

void scan_cube_ask_init(struct scan_cube_ask *ask)
{
	*ask = (struct scan_cube_ask){ .to_ns = 0 };
}

int scan_cube_open(struct store_snapshot *snap, const struct scan_cube_ask *ask,
	struct scan_cube **out, struct diag *d)
{
	(void)snap;
	(void)ask;
	(void)out;
	(void)d;
	return SCAN_CUBE_NOT;
}

void scan_cube_close(struct scan_cube **c)
{
	(void)c;
	UNREACHABLE();
}

int scan_cube_next(struct scan_cube *c, scan_cube_cb cb, void *arg, struct diag *d)
{
	(void)c;
	(void)cb;
	(void)arg;
	(void)d;
	UNREACHABLE();
}

size_t scan_cube_rests(const struct scan_cube *c, struct scan_cube_rest *out)
{
	(void)c;
	(void)out;
	UNREACHABLE();
}

uint64_t scan_cube_rows(const struct scan_cube *c)
{
	(void)c;
	UNREACHABLE();
}

uint64_t scan_cube_given_up(const struct scan_cube *c)
{
	(void)c;
	UNREACHABLE();
}
