#include "tools/cmd_explain.h"

#include <inttypes.h>
#include <string.h>

#include "proto/base/printable.h"
#include "proto/base/timefmt.h"
#include "proto/wire/json_out.h"
#include "proto/wire/pack.h"
#include "tools/json_pretty.h"
#include "tools/rows.h"
#include "tools/zonetime.h"

enum { LABEL_COLUMNS = 10 };

struct explain {
	struct cmd_run *run;
	struct span document;
	struct buf text;
};

static uint64_t number(struct span map, const char *name)
{
	uint64_t n = 0;

	doc_uint(doc_member(map, name), &n);
	return n;
}

static void begin(struct explain *e, const char *label)
{
	const struct term *t = &e->run->term;

	term_put_style(t, TERM_BOLD, &e->text);
	term_put_cell(t, span_str(label), LABEL_COLUMNS, false, &e->text);
	term_put_style(t, TERM_OFF, &e->text);
}

/* The words as they were typed, then what arguments and flags add. */
static void put_question(struct explain *e)
{
	const struct cmd_args *a = e->run->args;

	begin(e, "question");
	printable_put(span_str(a->words), PRINTABLE_LINE, &e->text);
	for (size_t i = 0; i < a->params_count; i++) {
		const char *name = a->params[i].name;

		/* The range stands below, in the zone in which times are shown. */
		if ((strcmp(name, "q") == 0 && *a->words) || strcmp(name, "start_date") == 0 ||
			strcmp(name, "end_date") == 0)
			continue;
		buf_put_str(&e->text, i || *a->words ? "  " : "");
		buf_put_str(&e->text, name);
		buf_put_u8(&e->text, '=');
		printable_put(span_str(a->params[i].value), PRINTABLE_LINE, &e->text);
	}
	if (!*a->words && a->params_count == 0)
		buf_put_str(&e->text, "(everything)");
	buf_put_u8(&e->text, '\n');
}

static void put_meaning(struct explain *e)
{
	struct span where = doc_text(doc_member(e->document, "where"));

	begin(e, "meaning");
	if (where.n)
		printable_put(where, PRINTABLE_LINE, &e->text);
	else
		buf_put_str(&e->text, "every event");
	buf_put_u8(&e->text, '\n');
}

static bool put_when(struct explain *e, const char *before, const char *name)
{
	struct timefmt t;

	if (timefmt_parse(doc_text(doc_member(e->document, name)), &t) < 0)
		return false;
	buf_put_str(&e->text, before);
	zonetime_put(t.ns, e->run->args->utc, -1, &e->text);
	return true;
}

static void put_range(struct explain *e)
{
	bool from, to;

	begin(e, "time");
	from = put_when(e, "from ", "from");
	to = put_when(e, from ? " to " : "up to ", "to");
	if (!from && !to)
		buf_put_str(&e->text, "any");
	buf_put_u8(&e->text, '\n');
}

static void put_count(struct explain *e, const char *before, uint64_t n, const char *after)
{
	buf_put_str(&e->text, before);
	rows_put_count(n, &e->text);
	buf_put_str(&e->text, after);
}

static void put_plan(struct explain *e)
{
	struct span plan = doc_member(e->document, "plan");

	begin(e, "reads");
	put_count(e, "", number(plan, "blocks_left"), " of ");
	put_count(e, "", number(plan, "blocks_left") + number(plan, "blocks_pruned"), " blocks");
	put_count(e, " with ", number(plan, "rows_left"), " events");
	put_count(e, "; ", number(plan, "segments_opened"), " of ");
	put_count(e, "", number(plan, "segments"), " segments opened");
	if (number(plan, "blocks_whole"))
		put_count(e, "; all events match in ", number(plan, "blocks_whole"), " of them");
	buf_put_u8(&e->text, '\n');
}

/* What each test alone would leave, as an answer about groups. */
static void put_tests(struct explain *e, struct buf *out)
{
	static const char *const columns[] = { "test", "blocks_left", "rows_left", "literal" };
	struct span tests = doc_member(e->document, "tests"), test, literal;
	struct doc_list at = doc_list(tests);

	pack_map_head(out, 3);
	pack_str(out, SPAN_LIT("columns"));
	pack_array_head(out, 4);
	for (size_t i = 0; i < 4; i++)
		pack_str(out, span_str(columns[i]));
	pack_str(out, SPAN_LIT("total"));
	pack_uint(out, doc_count(tests));
	pack_str(out, SPAN_LIT("rows"));
	pack_array_head(out, doc_count(tests));
	while (doc_next(&at, &test)) {
		literal = doc_text(doc_member(test, "literal"));
		pack_array_head(out, 4);
		pack_str(out, doc_text(doc_member(test, "text")));
		pack_uint(out, number(test, "blocks_left"));
		pack_uint(out, number(test, "rows_left"));
		if (literal.p)
			pack_str(out, literal);
		else
			pack_nil(out);
	}
}

static int put_table(struct explain *e, enum show_format format, struct diag *d)
{
	struct buf document;
	struct rows rows;
	int rc;

	buf_init(&document, SIZE_MAX);
	put_tests(e, &document);
	rc = rows_open(&rows, buf_span(&document), 3, d);
	if (rc == 0 && rows.count)
		rows_put(&rows, format, e->run->args->utc, &e->run->term, &e->text);
	buf_fini(&document);
	return rc;
}

static int for_people(struct explain *e, struct diag *d)
{
	put_question(e);
	put_meaning(e);
	put_range(e);
	put_plan(e);
	if (doc_count(doc_member(e->document, "tests")) == 0)
		return 0;
	buf_put_str(&e->text, "\nEach test alone would leave:\n");
	return put_table(e, SHOW_TABLE, d);
}

/* The document itself. */
static int for_programs(struct explain *e, bool pretty)
{
	struct buf json, laid;
	int rc;

	buf_init(&json, SIZE_MAX);
	buf_init(&laid, SIZE_MAX);
	rc = json_out_value(e->document, &json);
	if (pretty)
		json_pretty_put(buf_span(&json), &laid);
	else
		buf_put_span(&laid, buf_span(&json));
	if (e->run->term.tty)
		printable_put(buf_span(&laid), PRINTABLE_JSON, &e->text);
	else
		buf_put_span(&e->text, buf_span(&laid));
	buf_put_u8(&e->text, '\n');
	buf_fini(&json);
	buf_fini(&laid);
	return rc;
}

int cmd_explain_run(struct cmd_run *r, struct diag *d)
{
	const struct cmd_args *a = r->args;
	struct source_question q = {
		.what = SOURCE_EXPLAIN,
		.params = a->params,
		.params_count = a->params_count,
	};
	struct explain e = { .run = r };
	int rc = source_ask(r->source, &q, &e.document, d);

	if (rc < 0)
		return rc;
	buf_init(&e.text, SIZE_MAX);
	if (!a->format_given)
		rc = for_people(&e, d);
	else if (a->format == SHOW_JSON || a->format == SHOW_JSON_PRETTY)
		rc = for_programs(&e, a->format == SHOW_JSON_PRETTY);
	else
		rc = put_table(&e, a->format, d);
	if (rc == 0 && e.text.err)
		rc = diag_set(d, e.text.err, "", -1, "no memory for the answer");
	if (rc == 0)
		cmd_run_text(r, buf_span(&e.text));
	r->shown = 1;
	buf_fini(&e.text);
	return rc;
}
