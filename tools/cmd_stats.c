#include "tools/cmd_stats.h"

#include <inttypes.h>
#include <stdio.h>

#include "tools/ask.h"
#include "tools/cmd_overview.h"
#include "tools/histogram.h"
#include "tools/rows.h"

/* Pieces between commas outside parentheses and quotes. */
static size_t pieces(const char *list)
{
	size_t n = 1, depth = 0;
	bool quoted = false;

	for (; *list; list++) {
		quoted ^= *list == '"';
		if (quoted)
			continue;
		if (*list == '(')
			depth++;
		else if (*list == ')' && depth)
			depth--;
		else if (*list == ',' && depth == 0)
			n++;
	}
	return n;
}

static void make(struct ask *q, const struct cmd_run *r, const char *by)
{
	const struct cmd_args *a = r->args;
	int64_t top = a->top ? a->top : a->cmd == CMD_TOP ? CMD_ARGS_TOP_DEFAULT : 0;

	ask_init(q, a);
	if (by)
		ask_add(q, "by", by);
	if (a->agg)
		ask_add(q, "agg", a->agg);
	if (a->bucket || a->histogram)
		ask_add_buckets(q, a->bucket ? a->bucket : "auto",
			a->histogram ? histogram_bars_max(&r->term) : 0);
	if (top)
		ask_add_top(q, top);
}

static bool is_drawn(const struct cmd_args *a)
{
	return a->histogram && (!a->format_given || a->format == SHOW_TABLE);
}

/* A drawn histogram is coloured by severity where nothing else was asked for. */
static const char *fields_of(const struct cmd_run *r)
{
	const struct cmd_args *a = r->args;

	if (is_drawn(a) && !a->by && !a->agg && r->term.colour)
		return "severity";
	return a->by;
}

static void remark(const struct cmd_run *r, const struct rows *rows, bool drawn)
{
	if (r->args->quiet)
		return;
	if (rows->groups > rows->count && !drawn)
		fprintf(stderr, "-- %" PRIu32 " of %" PRIu64 " groups; --top N shows more --\n",
			rows->count, rows->groups);
	if (rows->rough)
		fprintf(stderr, "-- ~ marks estimates: there are too many different values --\n");
}

int cmd_stats_run(struct cmd_run *r, struct diag *d)
{
	const struct cmd_args *a = r->args;
	const char *by = fields_of(r);
	struct span document;
	struct ask q;
	struct rows rows;
	struct buf text;
	int rc;

	if (a->cmd == CMD_STATS && !by && !a->bucket && !a->agg && !a->histogram)
		return cmd_overview_run(r, d);
	make(&q, r, by);
	rc = ask_run(&q, r->source, &document, d);
	if (rc == 0)
		rc = rows_open(&rows, document, a->agg ? pieces(a->agg) : 1, d);
	if (rc < 0)
		return rc;
	buf_init(&text, SIZE_MAX);
	if (is_drawn(a))
		rc = histogram_put(&rows, a->utc, &r->term, &text, d);
	else if (rows.count)
		rows_put(&rows, a->format_given ? a->format : SHOW_TABLE, a->utc, &r->term, &text);
	if (rc == 0 && text.err)
		rc = diag_set(d, text.err, "", -1, "no memory for the rows");
	if (rc == 0)
		cmd_run_text(r, buf_span(&text));
	buf_fini(&text);
	r->shown = rows.total ? rows.count : 0;
	cmd_run_note_answer(r, document);
	if (rc == 0)
		cmd_run_flush(r);
	if (rc == 0 && rows.total)
		remark(r, &rows, is_drawn(a));
	return rc;
}
