/*
 * astroquery - the operators' command line: shows events, or follows them (astroquery.1).
 *
 * This file is the order of things and the exit status; cmd_args says what is wanted, source where
 * events come from, cmd_search and cmd_tail how they are fetched, show and sink how they leave.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "proto/base/err.h"
#include "proto/svc/opt.h"
#include "tools/cmd_args.h"
#include "tools/cmd_run.h"
#include "tools/cmd_search.h"
#include "tools/cmd_tail.h"
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

	if (a->dir && d->code != -EINVAL)
		fprintf(stderr, "astroquery: %s\n", diag_format(d, text, sizeof text));
	else
		fprintf(stderr, "astroquery: %s%s%s\n", d->file, *d->file ? ": " : "", d->text);
	return d->code == -EINVAL ? OPT_EXIT_USAGE : EXIT_NO_ANSWER;
}

/* What a reader should know beside the events; none of it is worth a line with --quiet. */
static void remark(const struct cmd_run *r)
{
	const struct cmd_args *a = r->args;

	if (a->quiet || a->follow)
		return;
	if (r->shown == 0 && r->terminal)
		fprintf(stderr, "-- no events --\n");
	if (!a->lines_given && r->total_known && r->total > r->shown && !r->sink.gone)
		fprintf(stderr,
			"-- the newest %" PRIu64 " of %" PRIu64
			" events; -n all shows every one --\n",
			r->shown, r->total);
}

static int run(struct cmd_run *r)
{
	struct diag d = { .text = "" };
	int rc = cmd_search_run(r, &d), status;

	if (rc == 0)
		cmd_run_begin(r);
	if (rc == 0 && r->args->follow)
		rc = cmd_tail_run(r, &d);
	status = r->shown ? EXIT_FOUND : EXIT_NONE;
	if (*r->lack)
		status = EXIT_NOT_WHOLE;
	/* Before any remark: the pager may still have the screen. */
	if (cmd_run_fini(r) < 0) {
		fprintf(stderr, "astroquery: what was found could not all be written\n");
		status = EXIT_NOT_WHOLE;
	}
	if (rc < 0)
		return complain(r->args, &d);
	if (*r->lack)
		fprintf(stderr, "astroquery: %s\n", r->lack);
	remark(r);
	return status;
}

int main(int argc, char **argv)
{
	struct source *source = NULL;
	struct cmd_args args;
	struct cmd_run r;
	struct diag d;
	int status = cmd_args_read(&args, argc, argv), rc;

	if (status >= 0) {
		cmd_args_fini(&args);
		return status;
	}
	rc = args.dir ? source_dir_open(args.dir, &source, &d)
		      : source_http_open(args.addr, &source, &d);
	if (rc < 0) {
		/* An address that cannot be read is a slip of the hand. */
		status = complain(&args, &d);
		status = rc == ERR_SYNTAX && !args.dir ? OPT_EXIT_USAGE : status;
	} else {
		cmd_run_init(&r, &args, source);
		status = run(&r);
	}
	source_close(&source);
	cmd_args_fini(&args);
	return status;
}
