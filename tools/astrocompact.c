/*
 * astrocompact - cron's tool: retires old events, merges small segments, makes lost sidecars again,
 * while both daemons live (astrocompact.8, storage/compact.h).
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/when.h"
#include "proto/svc/conf_use.h"
#include "proto/svc/opt.h"
#include "storage/compact.h"

enum {
	EXIT_DONE = 0,
	EXIT_SOME_FAILED = 1, /* some segments were left as they are */
	EXIT_CANNOT = 3,      /* the store cannot be worked on */
	EXIT_BUSY = 4,        /* another astrocompact does */

	ERROR_BYTES = DIAG_FILE_BYTES + 2 * DIAG_TEXT_BYTES,
};

struct run {
	struct conf conf;
	const char *conf_file;
	bool merge;
	bool dry_run;
	bool quiet;
	int64_t budget_ns; /* 0: none */
};

static struct run run;
static volatile sig_atomic_t stopping;

static int set_budget(void *to, const char *value, struct diag *d)
{
	return when_duration(span_str(value), to, d);
}

static const struct opt opts[] = {
	{ "data", 'D', "DIR", "directory of the event store", OPT_CONF, .key = CONF_STORE_DATA },
	{ "keep", 'k', "TIME", "retire events older than this, as in 90d; 0: never", OPT_CONF,
		.key = CONF_RETENTION_KEEP },
	{ "max-size", 's', "BYTES", "retire the oldest while the store is larger; 0: no limit",
		OPT_CONF, .key = CONF_RETENTION_SIZE_MAX },
	{ "merge", 'm', NULL, "merge the segments of days that have ended", OPT_FLAG,
		.to = &run.merge },
	{ "budget", 'b', "TIME", "begin nothing more after this time, as in 10min", OPT_CALL,
		.to = &run.budget_ns, .call = set_budget },
	{ "dry-run", 'n', NULL, "say what would be done and why, and change nothing", OPT_FLAG,
		.to = &run.dry_run },
	{ "quiet", 'q', NULL, "say nothing but errors", OPT_FLAG, .to = &run.quiet },
	{ "config", 'c', "FILE", "configuration file instead of " CONF_FILE_DEFAULT, OPT_TEXT,
		.to = &run.conf_file },
};

static const struct opt_program program = {
	.name = "astrocompact",
	.operands = "",
	.about = "Retires old events and merges segments; the daemons may run meanwhile.",
	.more = "Examples:\n"
		"  astrocompact --keep 90d --max-size 10G --merge --dry-run\n"
		"  astrocompact --merge --budget 10min --quiet\n"
		"Exit status: 0 done, 1 some segments had to be left, 2 usage, 3 cannot work on the "
		"store,\n4 another astrocompact does.\n",
	.opts = opts,
	.opts_count = ARRAY_COUNT(opts),
	.conf = &run.conf,
};

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
}

/* ---- what the operator sees ---- */

static void complain(const struct run *r, const struct diag *d)
{
	char text[ERROR_BYTES];

	/* Files of the store are named from its directory on: say which. */
	if (d->file[0] != '/')
		fprintf(stderr, "astrocompact: in %s:\n", conf_text(&r->conf, CONF_STORE_DATA));
	fprintf(stderr, "astrocompact: %s\n", diag_format(d, text, sizeof text));
}

static const char *verb(const struct compact_note *note)
{
	static const char *const verbs[][2] = {
		[COMPACT_DROPPED] = { "dropped", "would drop" },
		[COMPACT_KEPT] = { "kept", "would keep" },
		[COMPACT_MERGED] = { "merged", "would merge" },
		[COMPACT_MADE] = { "made", "would make" },
		[COMPACT_SIDECAR] = { "rebuilt", "would rebuild" },
		[COMPACT_LEFTOVER] = { "removed", "would remove" },
		[COMPACT_FAILED] = { "left", "left" },
	};

	return verbs[note->what][note->dry_run];
}

static void on_note(void *arg, const struct compact_note *note)
{
	const struct run *r = arg;

	if (note->diag)
		complain(r, note->diag);
	if (r->quiet)
		return;
	printf("%s %s", verb(note), note->path);
	if (note->seg && note->what != COMPACT_SIDECAR)
		printf(" (%" PRIu64 " events, %" PRIu64 " bytes)", note->seg->rows_count,
			note->bytes);
	printf(": %s\n", note->why);
}

static void print_total(const struct run *r, const struct compact_total *t)
{
	if (r->quiet)
		return;
	printf("%s%" PRIu64 " segments dropped (%" PRIu64 " events, %" PRIu64 " bytes), ",
		r->dry_run ? "dry run: " : "", t->dropped_segments, t->dropped_rows,
		t->dropped_bytes);
	printf("%" PRIu64 " merged into %" PRIu64 " (%" PRIu64 " to %" PRIu64 " bytes), ",
		t->merged_segments, t->made_segments, t->merged_bytes, t->made_bytes);
	printf("%" PRIu64 " sidecars rebuilt, %" PRIu64 " left as they are; ", t->sidecars,
		t->failures);
	printf("%" PRIu64 " segments of %" PRIu64 " bytes live%s\n", t->live_segments,
		t->live_bytes,
		t->out_of_time ? "; stopped early, the rest is for the next run" : "");
}

/* ---- start ---- */

/*
 * Files that root makes in the store the query daemon could not read: root takes the rights of the
 * store's owner first.
 */
static int become_owner(const char *dir, struct diag *d)
{
	struct stat st;

	if (geteuid() != 0 || stat(dir, &st) < 0 || st.st_uid == 0)
		return 0; /* a directory that is not there is complained of later */
	if (setgroups(0, NULL) < 0 || setgid(st.st_gid) < 0 || setuid(st.st_uid) < 0)
		return diag_set(d, -errno, dir, -1, "take the rights of the store's owner");
	return 0;
}

static void catch_signals(void)
{
	struct sigaction stop = { .sa_handler = on_signal };
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGHUP, &stop, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGXFSZ, &ignore, NULL);
}

/* ---- work ---- */

static int work(const struct run *r, struct compact *c, struct diag *d)
{
	int rc = compact_retain(c, conf_num(&r->conf, CONF_RETENTION_KEEP),
		(uint64_t)conf_num(&r->conf, CONF_RETENTION_SIZE_MAX), d);

	if (rc == 0 && r->merge)
		rc = compact_merge(c, d);
	if (rc == 0)
		rc = compact_sidecars(c, d);
	return rc;
}

static int exit_status(int rc, const struct compact_total *t)
{
	if (rc == ERR_LOCKED)
		return EXIT_BUSY;
	if (rc < 0)
		return EXIT_CANNOT;
	return t->failures > 0 ? EXIT_SOME_FAILED : EXIT_DONE;
}

static int compact_store(struct run *r)
{
	struct compact_conf conf = {
		.dir = conf_text(&r->conf, CONF_STORE_DATA),
		.dry_run = r->dry_run,
		.explain = r->dry_run,
		.now_ns = clock_wall_ns(),
		.deadline_ns = r->budget_ns ? clock_mono_ns() + r->budget_ns : 0,
		.stop = &stopping,
		.cb = on_note,
		.arg = r,
	};
	struct compact_total total = { 0 };
	struct compact *c = NULL;
	struct diag d = { 0 };
	int rc = become_owner(conf.dir, &d);

	if (rc == 0)
		rc = compact_open(&conf, &c, &d);
	if (rc == 0) {
		rc = work(r, c, &d);
		total = *compact_total(c);
		print_total(r, &total);
	}
	compact_close(&c);
	if (rc < 0)
		complain(r, &d);
	return exit_status(rc, &total);
}

int main(int argc, char **argv)
{
	int first, status;

	if (conf_init(&run.conf) < 0) {
		fprintf(stderr, "astrocompact: %s\n", err_text(-ENOMEM));
		return EXIT_CANNOT;
	}
	status = opt_start(&program, argc, argv, &first);
	if (status < 0)
		status =
			conf_use_load(&run.conf, run.conf_file, program.name) ? -1 : OPT_EXIT_USAGE;
	if (status < 0) {
		umask(0027);
		catch_signals();
		status = compact_store(&run);
	}
	conf_fini(&run.conf);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = status ? status : EXIT_CANNOT;
	return status;
}
