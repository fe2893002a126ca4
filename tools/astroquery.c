/*
 * astroquery - the operators' command line: shows events, counts them, follows them (astroquery.1).
 *
 * This file is the order of things and the exit status; cmd_args says what is wanted, source where
 * answers come from, the cmd_ files how they are fetched, show, rows and sink how they leave.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/svc/opt.h"
#include "tools/cmd_args.h"
#include "tools/cmd_context.h"
#include "tools/cmd_doctor.h"
#include "tools/cmd_explain.h"
#include "tools/cmd_export.h"
#include "tools/cmd_fields.h"
#include "tools/cmd_run.h"
#include "tools/cmd_search.h"
#include "tools/cmd_stats.h"
#include "tools/cmd_tail.h"
#include "tools/huge_heap.h"
#include "tools/source_dir.h"
#include "tools/source_http.h"

enum {
	EXIT_FOUND = 0,
	EXIT_NONE = 1,
	EXIT_NO_ANSWER = 3,
	EXIT_NOT_WHOLE = 4,
};

/* A connection says in its text what to do; for a file the reason is added. */
static int complain(const struct cmd_args *a, const struct diag *d)
{
	char text[DIAG_FILE_BYTES + 2 * DIAG_TEXT_BYTES];

	if (a->complete)
		return EXIT_NO_ANSWER;
	if (a->dir && d->code != -EINVAL)
		fprintf(stderr, "astroquery: %s\n", diag_format(d, text, sizeof text));
	else
		fprintf(stderr, "astroquery: %s%s%s\n", d->file, *d->file ? ": " : "", d->text);
	return d->code == -EINVAL ? OPT_EXIT_USAGE : EXIT_NO_ANSWER;
}

/* A text that looks like a pattern was searched for by the letter. */
static bool looks_like_pattern(const struct cmd_args *a)
{
	for (size_t i = 0; i < a->given.texts_count; i++) {
		if (!a->given.texts[i].regex && strpbrk(a->given.texts[i].value, "*|\\[^$"))
			return true;
	}
	return false;
}

/* What a reader should know beside the events; none of it is worth a line with --quiet. */
static void remark(const struct cmd_run *r)
{
	const struct cmd_args *a = r->args;

	if (a->quiet || a->follow || a->complete)
		return;
	if (r->shown == 0 && r->term.tty)
		fprintf(stderr, "-- no events --\n");
	if (r->shown == 0 && looks_like_pattern(a))
		fprintf(stderr,
			"-- --grep takes the text as it is; --regex takes a regular expression --\n");
	if (!a->lines_given && r->total_known && r->total > r->shown && !r->sink.gone &&
		a->cmd == CMD_SEARCH)
		fprintf(stderr,
			"-- the newest %" PRIu64 " of %" PRIu64
			" events; -n all shows every one --\n",
			r->shown, r->total);
}

static int run_command(struct cmd_run *r, struct diag *d)
{
	const struct cmd_args *a = r->args;

	switch (a->cmd) {
	case CMD_STATS:
	case CMD_TOP:
		return cmd_stats_run(r, d);
	case CMD_FIELDS:
		return cmd_fields_run(r, d);
	case CMD_EXPLAIN:
		return cmd_explain_run(r, d);
	case CMD_EXPORT:
		return cmd_export_run(r, d);
	default:
		return a->before || a->after ? cmd_context_run(r, d) : cmd_search_run(r, d);
	}
}

/* Behind the last event, as journalctl has it. */
static void show_cursor(struct cmd_run *r)
{
	char cursor[CURSOR_FILE_TEXT_BYTES], line[CURSOR_FILE_TEXT_BYTES + 16];
	int n;

	cursor_file_print(r->covered, cursor);
	n = snprintf(line, sizeof line, "-- cursor: %s\n", cursor);
	cmd_run_text(r, span_of(line, (size_t)n));
}

static int run(struct cmd_run *r)
{
	const struct cmd_args *a = r->args;
	struct diag d = { .text = "" };
	int rc = 0, status;

	if (a->cursor_file)
		rc = cursor_file_open(a->cursor_file, &r->place, &d);
	if (rc == 0)
		rc = run_command(r, &d);
	if (rc == 0)
		cmd_run_begin(r);
	if (rc == 0 && a->follow)
		rc = cmd_tail_run(r, &d);
	if (rc == 0 && a->show_cursor)
		show_cursor(r);
	status = r->shown ? EXIT_FOUND : EXIT_NONE;
	if (*r->lack)
		status = EXIT_NOT_WHOLE;
	/* Before any remark: the pager may still have the screen. */
	if (cmd_run_fini(r) < 0) {
		fprintf(stderr, "astroquery: what was found could not all be written\n");
		status = EXIT_NOT_WHOLE;
	}
	if (rc < 0)
		return complain(a, &d);
	if (*r->lack)
		fprintf(stderr, "astroquery: %s\n", r->lack);
	remark(r);
	return status;
}

static int run_doctor(struct cmd_run *r)
{
	struct diag d = { .text = "" };
	bool failed, warned;
	int rc = cmd_doctor_run(r, &failed, &warned, &d);

	if (cmd_run_fini(r) < 0)
		return EXIT_NOT_WHOLE;
	if (rc < 0)
		return complain(r->args, &d);
	return failed ? EXIT_NOT_WHOLE : warned ? EXIT_NONE : EXIT_FOUND;
}

/*
 * The source stays open: all that it holds is memory, mappings and descriptors, which the end of the
 * process gives back at once.
 */
static int run_with_source(struct cmd_run *r, const struct cmd_args *a)
{
	struct source *source = NULL;
	struct diag d;
	int rc;

	rc = a->dir ? source_dir_open(a->dir, &source, &d) : source_http_open(a->addr, &source, &d);
	if (rc < 0) {
		/* An address that cannot be read is a slip of the hand. */
		int status = complain(a, &d);

		return rc == ERR_SYNTAX && !a->dir ? OPT_EXIT_USAGE : status;
	}
	if (a->dir)
		huge_heap_begin();
	cmd_run_init(r, a, source);
	return run(r);
}

int main(int argc, char **argv)
{
	static struct cmd_args args;
	static struct cmd_run r;
	int status = cmd_args_read(&args, argc, argv);

	if (status < 0 && args.cmd == CMD_DOCTOR) {
		cmd_run_init(&r, &args, NULL);
		status = run_doctor(&r);
	} else if (status < 0) {
		status = run_with_source(&r, &args);
	}
	cmd_args_fini(&args);
	return status;
}
