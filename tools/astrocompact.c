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
#include "tools/upkeep_say.h"

enum {
	EXIT_DONE = 0,
	EXIT_SOME_FAILED = 1, /* some segments were left as they are, or there is damage */
	/* 2: OPT_EXIT_USAGE */
	EXIT_CANNOT = 3, /* the store cannot be worked on */
	EXIT_BUSY = 4,   /* another astrocompact does */
	EXIT_MORE = 5,   /* a budget or a signal ended the run with work left */
};

struct run {
	struct conf conf;
	const char *conf_file;
	bool merge;
	bool dry_run;
	bool quiet;
	int64_t budget_ns;    /* 0: none */
	int64_t budget_bytes; /* 0: none */
	struct retain_class_set *classes;
	struct upkeep_say say;
};

static struct run run;
static volatile sig_atomic_t stopping;

/* 10min, or 2G. One letter of k, K, M, G alone is bytes: nobody gives a run months. */
static int set_budget(void *to, const char *value, struct diag *d)
{
	struct run *r = to;
	size_t n = strlen(value);
	bool bytes =
		n > 1 && strchr("kKMG", value[n - 1]) && value[n - 2] >= '0' && value[n - 2] <= '9';
	int rc = bytes ? conf_value_bytes(value, &r->budget_bytes)
		       : when_duration(span_str(value), &r->budget_ns, d);

	if (rc < 0)
		return diag_set(d, rc, "", -1,
			"'%.64s' is not allowed: write a time as in 10min, or bytes as in 2G",
			value);
	return 0;
}

static const struct opt opts[] = {
	{ "data", 'D', "DIR", "directory of the event store", OPT_CONF, .key = CONF_STORE_DATA },
	{ "keep", 'k', "TIME", "retire events older than this, as in 90d; 0: never", OPT_CONF,
		.key = CONF_RETENTION_KEEP },
	{ "max-size", 's', "BYTES", "retire the oldest while the store is larger; 0: no limit",
		OPT_CONF, .key = CONF_RETENTION_SIZE_MAX },
	{ "merge", 'm', NULL, "merge the segments of days that have ended", OPT_FLAG,
		.to = &run.merge },
	{ "budget", 'b', "TIME|BYTES",
		"begin nothing more after this time, as in 10min, or once so many bytes are read "
		"and written, as in 2G; both may be given",
		OPT_CALL, .to = &run, .call = set_budget },
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
		"Exit status: 0 done, 1 some segments had to be left, 2 usage or configuration, 3 "
		"cannot work\non the store, 4 another astrocompact does, 5 ended early with work "
		"left.\n",
	.opts = opts,
	.opts_count = ARRAY_COUNT(opts),
	.conf = &run.conf,
};

static void on_signal(int number)
{
	(void)number;
	stopping = 1;
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
	const struct compact_rules rules = {
		.classes = r->classes,
		.bytes_max = (uint64_t)conf_num(&r->conf, CONF_RETENTION_SIZE_MAX),
	};
	int rc = compact_retain(c, &rules, d);

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
	if (t->failures > 0 || t->over_bytes > 0)
		return EXIT_SOME_FAILED;
	return t->out_of_time ? EXIT_MORE : EXIT_DONE;
}

static int compact_store(struct run *r)
{
	uint64_t bytes = (uint64_t)r->budget_bytes;
	struct compact_conf conf = {
		.dir = conf_text(&r->conf, CONF_STORE_DATA),
		.dry_run = r->dry_run,
		.explain = r->dry_run,
		.now_ns = clock_wall_ns(),
		.deadline_ns = r->budget_ns ? clock_mono_ns() + r->budget_ns : 0,
		.budget_bytes = bytes,
		/* What is read, written and read back of one merge. */
		.merge_bytes = bytes > 0 && bytes / 3 < COMPACT_MERGE_BYTES ? bytes / 3 : 0,
		.stop = &stopping,
		.cb = upkeep_say_note,
		.arg = &r->say,
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
		upkeep_say_classes(&r->say);
		upkeep_say_total(&r->say, &total);
	}
	compact_close(&c);
	if (rc < 0)
		upkeep_say_complain(&r->say, &d);
	return exit_status(rc, &total);
}

/* -1 to go on, else the exit status. */
static int load_conf(struct run *r)
{
	struct diag d = { .text = "" };

	if (!conf_use_load(&r->conf, r->conf_file, program.name))
		return OPT_EXIT_USAGE;
	if (retain_class_new(&r->conf.classes, conf_num(&r->conf, CONF_RETENTION_KEEP), &r->classes,
		    &d) < 0) {
		fprintf(stderr, "astrocompact: %s\n", d.text);
		return OPT_EXIT_USAGE;
	}
	r->say = (struct upkeep_say){
		.data = conf_text(&r->conf, CONF_STORE_DATA),
		.quiet = r->quiet,
		.dry_run = r->dry_run,
	};
	return -1;
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
		status = load_conf(&run);
	if (status < 0) {
		umask(0027);
		catch_signals();
		status = compact_store(&run);
	}
	retain_class_free(&run.classes);
	conf_fini(&run.conf);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = status ? status : EXIT_CANNOT;
	return status;
}
