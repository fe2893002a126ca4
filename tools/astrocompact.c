/*
 * astrocompact - cron's tool: retires old events, merges small segments, makes lost sidecars again;
 * takes snapshots and scrubs, while both daemons live (astrocompact.8, storage/compact.h).
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/when.h"
#include "proto/svc/conf_use.h"
#include "proto/svc/opt.h"
#include "storage/compact.h"
#include "storage/compact_redact.h"
#include "tools/upkeep.h"
#include "tools/upkeep_say.h"
#include "tools/upkeep_scrub.h"
#include "tools/upkeep_snapshot.h"

static struct upkeep upkeep;

/* 10min, or 2G. One letter of k, K, M, G alone is bytes: nobody gives a run months. */
static int set_budget(void *to, const char *value, struct diag *d)
{
	struct upkeep *u = to;
	size_t n = strlen(value);
	bool bytes =
		n > 1 && strchr("kKMG", value[n - 1]) && value[n - 2] >= '0' && value[n - 2] <= '9';
	int rc = bytes ? conf_value_bytes(value, &u->budget_bytes)
		       : when_duration(span_str(value), &u->budget_ns, d);

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
		.to = &upkeep.merge },
	{ "budget", 'b', "TIME|BYTES",
		"begin nothing more after this time, as in 10min, or once so many bytes are read "
		"and written, as in 2G; both may be given",
		OPT_CALL, .to = &upkeep, .call = set_budget },
	{ "dry-run", 'n', NULL, "say what would be done and why, and change nothing", OPT_FLAG,
		.to = &upkeep.dry_run },
	{ "copy", 0, NULL, "snapshot: copy the segments instead of linking them", OPT_FLAG,
		.to = &upkeep.copy },
	{ "verify", 0, NULL, "snapshot: read every page of it afterwards", OPT_FLAG,
		.to = &upkeep.verify },
	{ "quiet", 'q', NULL, "say nothing but errors", OPT_FLAG, .to = &upkeep.quiet },
	{ "config", 'c', "FILE", "configuration file instead of " CONF_FILE_DEFAULT, OPT_TEXT,
		.to = &upkeep.conf_file },
};

static const struct opt_program program = {
	.name = "astrocompact",
	.operands = "[COMMAND]",
	.about = "Retires old events and merges segments; the daemons may run meanwhile.",
	.more = "Commands:\n"
		"  (none)        retention, --merge if asked, lost sidecars\n"
		"  snapshot DIR  a consistent copy of the store in a new directory, by links\n"
		"  scrub         read old pages and say which are damaged\n"
		"Examples:\n"
		"  astrocompact --keep 90d --max-size 10G --merge --dry-run\n"
		"  astrocompact --merge --budget 10min --quiet\n"
		"  astrocompact snapshot /var/lib/astrolabe-monday\n"
		"  astrocompact scrub --budget 2G\n"
		"Exit status: 0 done, 1 something was left as it is or is damaged, 2 flags or "
		"configuration,\n3 the store cannot be worked on, 4 another astrocompact does, 5 "
		"ended early with work left.\n",
	.opts = opts,
	.opts_count = ARRAY_COUNT(opts),
	.conf = &upkeep.conf,
};

static void on_signal(int number)
{
	(void)number;
	upkeep.stop = 1;
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

/* ---- without a command: the upkeep of every night ---- */

static int work(const struct upkeep *u, struct compact *c, struct diag *d)
{
	const struct compact_rules rules = {
		.classes = u->classes,
		.bytes_max = (uint64_t)conf_num(&u->conf, CONF_RETENTION_SIZE_MAX),
	};
	int rc = compact_retain(c, &rules, d);

	if (rc == 0)
		rc = compact_redact_purge(c, d);
	if (rc == 0 && u->merge)
		rc = compact_merge(c, d);
	if (rc == 0)
		rc = compact_sidecars(c, d);
	return rc;
}

static int status_of(const struct compact_total *t)
{
	if (t->failures > 0 || t->over_bytes > 0)
		return UPKEEP_SOME_FAILED;
	return t->out_of_time ? UPKEEP_MORE : UPKEEP_DONE;
}

static int keep_up(struct upkeep *u)
{
	uint64_t bytes = (uint64_t)u->budget_bytes;
	const struct compact_conf conf = {
		.dir = conf_text(&u->conf, CONF_STORE_DATA),
		.dry_run = u->dry_run,
		.explain = u->dry_run,
		.now_ns = clock_wall_ns(),
		.deadline_ns = upkeep_deadline(u),
		.budget_bytes = bytes,
		/* What is read, written and read back of one merge. */
		.merge_bytes = bytes > 0 && bytes / 3 < COMPACT_MERGE_BYTES ? bytes / 3 : 0,
		.stop = &u->stop,
		.cb = upkeep_say_note,
		.arg = &u->say,
	};
	struct compact_total total;
	struct compact *c = NULL;
	struct diag d = { 0 };
	int rc;

	if (upkeep_become_owner(u, NULL) < 0)
		return UPKEEP_CANNOT;
	rc = compact_open(&conf, &c, &d);
	if (rc < 0)
		return upkeep_failed(u, rc, &d);
	rc = work(u, c, &d);
	total = *compact_total(c);
	upkeep_say_classes(&u->say);
	upkeep_say_total(&u->say, &total);
	compact_close(&c);
	return rc < 0 ? upkeep_failed(u, rc, &d) : status_of(&total);
}

/* ---- commands ---- */

static int usage(const char *text)
{
	fprintf(stderr, "astrocompact: %s\nSee 'astrocompact --help'.\n", text);
	return OPT_EXIT_USAGE;
}

static bool given(const struct upkeep *u, enum conf_key key)
{
	return u->conf.values[key].source == CONF_FROM_FLAG;
}

/* Flags that the command would pass over in silence: somebody expects something else of it. */
static const char *stray_flag(const struct upkeep *u, bool snapshot, bool scrub)
{
	if (!snapshot && u->copy)
		return "--copy belongs to snapshot";
	if (!snapshot && u->verify)
		return "--verify belongs to snapshot; astrodump verify checks a store";
	if ((snapshot || scrub) && u->merge)
		return "--merge goes without a command";
	if ((snapshot || scrub) && u->dry_run)
		return "--dry-run goes without a command";
	if ((snapshot || scrub) &&
		(given(u, CONF_RETENTION_KEEP) || given(u, CONF_RETENTION_SIZE_MAX)))
		return "--keep and --max-size go without a command";
	if (snapshot && (u->budget_ns > 0 || u->budget_bytes > 0))
		return "--budget is nothing for a snapshot: it is whole or it is none";
	return NULL;
}

static int run_command(struct upkeep *u, int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "";
	bool snapshot = strcmp(name, "snapshot") == 0, scrub = strcmp(name, "scrub") == 0;
	const char *stray = stray_flag(u, snapshot, scrub);

	if (argc > 0 && !snapshot && !scrub)
		return usage("no such command: there are snapshot and scrub, and the run without "
			     "one");
	if (argc != (snapshot ? 2 : scrub ? 1 : 0))
		return usage(snapshot ? "snapshot wants one directory" : "scrub takes no operand");
	if (stray)
		return usage(stray);
	umask(0027);
	catch_signals();
	if (snapshot)
		return upkeep_snapshot(u, argv[1]);
	return scrub ? upkeep_scrub(u) : keep_up(u);
}

/* False: it cannot be used, which was said. */
static bool load_conf(struct upkeep *u)
{
	struct diag d = { .text = "" };

	if (!conf_use_load(&u->conf, u->conf_file, program.name))
		return false;
	u->say = (struct upkeep_say){
		.data = conf_text(&u->conf, CONF_STORE_DATA),
		.quiet = u->quiet,
		.dry_run = u->dry_run,
	};
	if (retain_class_new(&u->conf.classes, conf_num(&u->conf, CONF_RETENTION_KEEP), &u->classes,
		    &d) == 0)
		return true;
	fprintf(stderr, "astrocompact: %s\n", d.text);
	return false;
}

int main(int argc, char **argv)
{
	struct upkeep *u = &upkeep;
	int first, status;

	if (conf_init(&u->conf) < 0) {
		fprintf(stderr, "astrocompact: %s\n", err_text(-ENOMEM));
		return UPKEEP_CANNOT;
	}
	status = opt_start(&program, argc, argv, &first);
	if (status < 0)
		status = load_conf(u) ? run_command(u, argc - first, argv + first) : OPT_EXIT_USAGE;
	retain_class_free(&u->classes);
	conf_fini(&u->conf);
	if (fflush(stdout) != 0 || ferror(stdout))
		status = status ? status : UPKEEP_CANNOT;
	return status;
}
