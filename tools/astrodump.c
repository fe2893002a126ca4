/*
 * astrodump - prints any file of a store section by section, damaged ones too, and verifies a whole
 * store (astrodump.1).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/printable.h"
#include "proto/svc/opt.h"
#include "proto/wire/json_out.h"
#include "storage/dump.h"
#include "storage/verify.h"

enum {
	EXIT_CLEAN = 0,
	EXIT_DAMAGE = 1,
	EXIT_CANNOT = 3,

	LINE_BYTES = 8 * LIMIT_EVENT_BYTES,
	ERROR_BYTES = DIAG_FILE_BYTES + 2 * DIAG_TEXT_BYTES,
	PROGRESS_NS = 200 * 1000 * 1000,
};

struct run {
	bool rows;
	bool pages;
	bool quiet;
	bool terminal; /* stdout: text from events must not move its cursor */
	bool progress; /* stderr is a terminal */
	int64_t progress_ns;
	struct buf line;
	struct buf safe;
};

static struct run run;
static volatile sig_atomic_t stopping;

static const struct opt opts[] = {
	{ "rows", 'r', NULL, "events of segments and journal files as JSON, a line each", OPT_FLAG,
		.to = &run.rows },
	{ "pages", 'p', NULL, "every page of a segment, not only the damaged ones", OPT_FLAG,
		.to = &run.pages },
	{ "quiet", 'q', NULL, "only what is damaged", OPT_FLAG, .to = &run.quiet },
};

static const struct opt_program program = {
	.name = "astrodump",
	.operands = "FILE... | verify DIR",
	.about = "Prints files of an event store section by section, damaged ones too, or checks a "
		 "whole store.",
	.more = "Examples:\n"
		"  astrodump verify /var/lib/astrolabe\n"
		"  astrodump --rows seg/2026-11-20/13.default.1-262144.0.seg | jq .\n"
		"Exit status: 0 clean, 1 damage found, 2 usage, 3 cannot read.\n",
	.opts = opts,
	.opts_count = ARRAY_COUNT(opts),
};

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

static void complain(const struct diag *d)
{
	char text[ERROR_BYTES];

	fprintf(stderr, "astrodump: %s\n", diag_format(d, text, sizeof text));
}

/* Files of the store are named from its directory on: say which. */
static void complain_of(const char *store, const struct diag *d)
{
	if (d->file[0] != '/' && strcmp(d->file, store) != 0)
		fprintf(stderr, "astrodump: in %s:\n", store);
	complain(d);
}

/* ---- files ---- */

static int on_section(void *arg, const struct dump_section *s)
{
	const struct run *r = arg;
	FILE *to = r->rows ? stderr : stdout;

	/* Beside rows, which may be piped on, only damage is told. */
	if (s->code == 0 && (r->rows || r->quiet))
		return 0;
	fprintf(to, "%-10s", s->name);
	if (s->bytes > 0)
		fprintf(to, " at %" PRIu64 "+%" PRIu64, s->off, s->bytes);
	if (s->block >= 0)
		fprintf(to, " block %" PRId64, s->block);
	if (s->column)
		fprintf(to, " column %s", s->column);
	if (s->text[0])
		fprintf(to, " %s", s->text);
	if (s->code < 0)
		fprintf(to, " DAMAGED: %s (%s)", s->why, err_name(s->code));
	putc('\n', to);
	return stopping ? ERR_CANCELED : 0;
}

static int on_row(void *arg, const struct event *ev)
{
	struct run *r = arg;
	const struct buf *out = &r->line;
	int rc;

	buf_reset(&r->line);
	rc = json_out_event(ev, &r->line);
	if (rc < 0) {
		fprintf(stderr, "astrodump: event %" PRIu64 " as JSON: %s\n", ev->id, err_text(rc));
		return 0;
	}
	if (r->terminal) {
		buf_reset(&r->safe);
		printable_put(buf_span(&r->line), PRINTABLE_JSON, &r->safe);
		out = &r->safe;
	}
	fwrite(out->p, 1, out->len, stdout);
	putchar('\n');
	return stopping || ferror(stdout) ? ERR_CANCELED : 0;
}

static int dump_file(struct run *r, const char *path)
{
	const struct dump_walker walker = {
		.section = on_section,
		.row = r->rows ? on_row : NULL,
		.arg = r,
		.pages = r->pages,
	};
	struct dump_result result;
	struct diag d = { 0 };
	char *real = realpath(path, NULL);
	int rc;

	if (!real) {
		diag_set(&d, -errno, path, -1, "open the file");
		complain(&d);
		return EXIT_CANNOT;
	}
	rc = dump_walk(vfs_real(), AT_FDCWD, real, &walker, &result, &d);
	free(real);
	if (rc == -EISDIR)
		diag_set(&d, rc, path, -1, "print the file; 'astrodump verify DIR' checks a store");
	if (rc < 0 && rc != ERR_CANCELED)
		complain(&d);
	if (rc < 0)
		return EXIT_CANNOT;
	if (!r->rows && !r->quiet)
		printf("%s: %s file, %" PRIu64 " sections, %" PRIu64 " damaged\n", path,
			dump_kind_name(result.kind), result.sections, result.damaged);
	return result.damaged > 0 ? EXIT_DAMAGE : EXIT_CLEAN;
}

/* The worst of all: a file that cannot be read beats a damaged one. */
static int dump_files(struct run *r, char **paths, int count)
{
	int worst = EXIT_CLEAN;

	for (int i = 0; i < count && !stopping; i++) {
		int status;

		if (count > 1 && !r->rows && !r->quiet)
			printf("%s%s:\n", i > 0 ? "\n" : "", paths[i]);
		status = dump_file(r, paths[i]);
		worst = status > worst ? status : worst;
	}
	return worst;
}

/* ---- a store ---- */

static void wipe_progress(const struct run *r)
{
	if (r->progress)
		fputs("\r\033[K", stderr);
}

static void on_finding(void *arg, const struct verify_finding *f)
{
	const struct run *r = arg;
	char text[ERROR_BYTES];

	if (r->quiet && f->grade != VERIFY_DAMAGE)
		return;
	wipe_progress(r);
	printf("%s\n", verify_format(f, text, sizeof text));
	fflush(stdout);
}

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct run *r = arg;
	int64_t now = clock_mono_ns();

	if (!r->progress || now - r->progress_ns < PROGRESS_NS)
		return;
	r->progress_ns = now;
	fprintf(stderr, "\r\033[Kastrodump: %" PRIu64 " of %" PRIu64 " MiB", done >> 20,
		(total > done ? total : done) >> 20);
	fflush(stderr);
}

static int verify_store(struct run *r, const char *path)
{
	const struct verify_conf conf = {
		.dir = path,
		.found = on_finding,
		.progress = on_progress,
		.arg = r,
		.stop = &stopping,
	};
	struct verify_report report;
	struct diag d = { 0 };
	int rc = verify_run(&conf, &report, &d);

	wipe_progress(r);
	if (rc < 0) {
		complain_of(path, &d);
		return EXIT_CANNOT;
	}
	if (!r->quiet)
		printf("%s: %" PRIu64 " segments with %" PRIu64 " blocks and %" PRIu64
		       " events, %" PRIu64 " sidecars, %" PRIu64 " journal files with %" PRIu64
		       " records and %" PRIu64 " unsealed events, last event %" PRIu64 "; %" PRIu64
		       " damaged, %" PRIu64 " notes\n",
			path, report.segments, report.blocks, report.rows, report.sidecars,
			report.journal_files, report.journal_records, report.journal_rows,
			report.id_last, report.findings[VERIFY_DAMAGE],
			report.findings[VERIFY_NOTE]);
	return report.findings[VERIFY_DAMAGE] > 0 ? EXIT_DAMAGE : EXIT_CLEAN;
}

/* ---- start ---- */

static int usage(const char *what)
{
	fprintf(stderr, "astrodump: %s; see astrodump --help\n", what);
	return OPT_EXIT_USAGE;
}

static int work(struct run *r, char **operands, int count)
{
	if (count == 0)
		return usage("name a file, or say: verify DIR");
	if (strcmp(operands[0], "verify") != 0)
		return dump_files(r, operands, count);
	if (count != 2)
		return usage("verify takes one data directory");
	return verify_store(r, operands[1]);
}

int main(int argc, char **argv)
{
	struct sigaction stop = { .sa_handler = on_signal };
	int first, status = opt_start(&program, argc, argv, &first);

	if (status >= 0)
		return status;
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	run.terminal = isatty(STDOUT_FILENO);
	run.progress = isatty(STDERR_FILENO);
	buf_init(&run.line, LINE_BYTES);
	buf_init(&run.safe, LINE_BYTES);
	status = work(&run, argv + first, argc - first);
	buf_fini(&run.line);
	buf_fini(&run.safe);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = EXIT_CANNOT;
	return status;
}
