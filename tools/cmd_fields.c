#include "tools/cmd_fields.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/base/printable.h"
#include "proto/base/utf8.h"
#include "proto/wire/pack.h"
#include "tools/ask.h"
#include "tools/rows.h"

enum {
	VALUES_DEFAULT = 50,
	VALUES_COMPLETED = 200,
	COMPLETE_SECONDS = 1,
};

_Noreturn static void give_up(int signal)
{
	(void)signal;
	_exit(3);
}

/* Whoever presses Tab does not wait: without an answer in time there is none. */
static void limit_time(void)
{
	signal(SIGALRM, give_up);
	alarm(COMPLETE_SECONDS);
}

/* A word that can be typed: not empty, and nothing hidden in it. */
static bool is_typed(struct span word)
{
	for (size_t i = 0; i < word.n;) {
		uint32_t cp;

		i += utf8_next(word.p + i, word.n - i, &cp);
		if (printable_hidden(cp) || cp == UTF8_REPLACEMENT)
			return false;
	}
	return word.n > 0;
}

static void put_names(struct cmd_run *r, const struct rows *rows)
{
	struct span cells[ROWS_COLUMNS_MAX];
	struct doc_list at = doc_list(rows->list);
	struct buf text;

	buf_init(&text, 1 << 20);
	while (rows_next(rows, &at, cells)) {
		buf_reset(&text);
		if (!doc_is_null(cells[0]))
			rows_put_cell(rows, 0, cells[0], true, &text);
		if (!is_typed(buf_span(&text)))
			continue;
		buf_put_u8(&text, '\n');
		cmd_run_text(r, buf_span(&text));
	}
	buf_fini(&text);
}

static int put_rows(struct cmd_run *r, const struct rows *rows, struct diag *d)
{
	const struct cmd_args *a = r->args;
	struct buf text;
	int rc = 0;

	if (a->complete) {
		put_names(r, rows);
		return 0;
	}
	buf_init(&text, SIZE_MAX);
	rows_put(rows, a->format_given ? a->format : SHOW_TABLE, a->utc, &r->term, &text);
	if (text.err)
		rc = diag_set(d, text.err, "", -1, "no memory for the rows");
	else if (rows->count)
		cmd_run_text(r, buf_span(&text));
	buf_fini(&text);
	return rc;
}

static int values(struct cmd_run *r, struct diag *d)
{
	const struct cmd_args *a = r->args;
	struct span document;
	struct rows rows;
	struct ask q;
	int rc;

	ask_init(&q, a);
	ask_add(&q, "by", a->field);
	ask_add_top(&q, a->top ? a->top : a->complete ? VALUES_COMPLETED : VALUES_DEFAULT);
	rc = ask_run(&q, r->source, &document, d);
	if (rc == 0)
		rc = rows_open(&rows, document, 1, d);
	if (rc == 0)
		rc = put_rows(r, &rows, d);
	if (rc < 0)
		return rc;
	cmd_run_note_answer(r, document);
	r->shown = rows.total ? rows.count : 0;
	cmd_run_flush(r);
	if (rows.groups > rows.count && !a->quiet && !a->complete)
		fprintf(stderr, "-- %" PRIu32 " of %" PRIu64 " values; --top N shows more --\n",
			rows.count, rows.groups);
	return 0;
}

/* "text, number" of a list of words. */
static void put_kinds(struct span kinds, struct buf *out)
{
	struct doc_list at = doc_list(kinds);
	struct span kind;
	bool first = true;

	while (doc_next(&at, &kind)) {
		buf_put_str(out, first ? "" : ", ");
		buf_put_span(out, doc_text(kind));
		first = false;
	}
}

/* The list as an answer about groups, which all formats know. */
static void put_document(struct span list, uint64_t total, struct buf *out)
{
	struct doc_list at = doc_list(list);
	struct span field;
	struct buf kinds;

	buf_init(&kinds, 1 << 12);
	pack_map_head(out, 3);
	pack_str(out, SPAN_LIT("columns"));
	pack_array_head(out, 3);
	pack_str(out, SPAN_LIT("field"));
	pack_str(out, SPAN_LIT("kinds"));
	pack_str(out, SPAN_LIT("events"));
	pack_str(out, SPAN_LIT("total"));
	pack_uint(out, total);
	pack_str(out, SPAN_LIT("rows"));
	pack_array_head(out, doc_count(list));
	while (doc_next(&at, &field)) {
		uint64_t events = 0;

		buf_reset(&kinds);
		put_kinds(doc_member(field, "kinds"), &kinds);
		doc_uint(doc_member(field, "events"), &events);
		pack_array_head(out, 3);
		pack_str(out, doc_text(doc_member(field, "name")));
		pack_str(out, buf_span(&kinds));
		pack_uint(out, events);
	}
	buf_fini(&kinds);
}

static void remark(const struct cmd_run *r, uint64_t looked_at, uint64_t total)
{
	if (looked_at < total && !r->args->quiet && !r->args->complete)
		fprintf(stderr, "-- of the newest %" PRIu64 " of %" PRIu64 " events --\n",
			looked_at, total);
}

static int names(struct cmd_run *r, struct diag *d)
{
	struct source_question q = {
		.what = SOURCE_FIELDS,
		.params = r->args->params,
		.params_count = r->args->params_count,
	};
	uint64_t looked_at = 0, total = 0;
	struct span document;
	struct buf rows_document;
	struct rows rows;
	int rc = source_ask(r->source, &q, &document, d);

	if (rc < 0)
		return rc;
	doc_uint(doc_member(document, "events"), &looked_at);
	doc_uint(doc_member(document, "total"), &total);
	buf_init(&rows_document, SIZE_MAX);
	put_document(doc_member(document, "fields"), looked_at, &rows_document);
	rc = rows_open(&rows, buf_span(&rows_document), 1, d);
	if (rc == 0)
		rc = put_rows(r, &rows, d);
	if (rc == 0) {
		cmd_run_note_answer(r, document);
		r->shown = looked_at ? rows.count : 0;
		cmd_run_flush(r);
		remark(r, looked_at, total);
	}
	buf_fini(&rows_document);
	return rc;
}

int cmd_fields_run(struct cmd_run *r, struct diag *d)
{
	if (r->args->complete)
		limit_time();
	return r->args->field ? values(r, d) : names(r, d);
}
