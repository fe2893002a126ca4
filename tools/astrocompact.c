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
#include "tools/upkeep_delete.h"
#include "tools/upkeep_rebuild.h"
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
	{ "query", 0, "TEXT", "delete: which events, as in 'user_id=anna event_type=AUTH'",
		OPT_TEXT, .to = &upkeep.query },
	{ "reason", 0, "TEXT", "delete: what to keep on record beside the ids", OPT_TEXT,
		.to = &upkeep.reason },
	{ "yes", 0, NULL, "delete: do it; rebuild-manifest: without segments that are lost",
		OPT_FLAG, .to = &upkeep.yes },
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
		"  delete        hide the events of a query at once, for good at the next upkeep\n"
		"  rebuild-manifest  where both copies of the manifest are damaged\n"
		"Examples:\n"
		"  astrocompact --keep 90d --max-size 10G --merge --dry-run\n"
		"  astrocompact --merge --budget 10min --quiet\n"
		"  astrocompact snapshot /var/lib/astrolabe-monday\n"
		"  astrocompact scrub --budget 2G\n"
		"  astrocompact delete --query 'user_id=anna end_date=2026-10-31' --dry-run\n"
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
		.lock_wait_ns = UPKEEP_LOCK_WAIT_NS,
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

enum {
	FLAG_COPY = 1 << 0,
	FLAG_VERIFY = 1 << 1,
	FLAG_MERGE = 1 << 2,
	FLAG_DRY_RUN = 1 << 3,
	FLAG_RETAIN = 1 << 4,
	FLAG_BUDGET = 1 << 5,
	FLAG_QUERY = 1 << 6,
	FLAG_YES = 1 << 7,
};

struct command {
	const char *name;
	int operands;
	unsigned flags; /* that mean something to it */
	const char *usage;
};

static const struct command commands[] = {
	{ "", 0, FLAG_MERGE | FLAG_DRY_RUN | FLAG_RETAIN | FLAG_BUDGET, "" },
	{ "snapshot", 1, FLAG_COPY | FLAG_VERIFY, "snapshot wants one directory" },
	{ "scrub", 0, FLAG_BUDGET, "scrub takes no operand" },
	{ "rebuild-manifest", 0, FLAG_YES, "rebuild-manifest takes no operand" },
	{ "delete", 0, FLAG_DRY_RUN | FLAG_QUERY | FLAG_YES,
		"delete takes no operand: say --query TEXT" },
};

static unsigned given_flags(const struct upkeep *u)
{
	return (u->copy ? FLAG_COPY : 0) | (u->verify ? FLAG_VERIFY : 0) |
	       (u->merge ? FLAG_MERGE : 0) | (u->dry_run ? FLAG_DRY_RUN : 0) |
	       (given(u, CONF_RETENTION_KEEP) || given(u, CONF_RETENTION_SIZE_MAX) ? FLAG_RETAIN
										   : 0) |
	       (u->budget_ns > 0 || u->budget_bytes > 0 ? FLAG_BUDGET : 0) |
	       (u->query || u->reason ? FLAG_QUERY : 0) | (u->yes ? FLAG_YES : 0);
}

/* Flags that the command would pass over in silence: somebody expects something else of it. */
static const char *stray_flag(const struct upkeep *u, const struct command *c)
{
	static const struct {
		unsigned flag;
		const char *text;
	} strays[] = {
		{ FLAG_COPY, "--copy belongs to snapshot" },
		{ FLAG_VERIFY, "--verify belongs to snapshot; astrodump verify checks a store" },
		{ FLAG_MERGE, "--merge goes without a command" },
		{ FLAG_DRY_RUN, "--dry-run goes without a command, or with delete" },
		{ FLAG_RETAIN, "--keep and --max-size go without a command" },
		{ FLAG_BUDGET, "--budget bounds the run without a command, and scrub; the others "
			       "are done whole or not at all" },
		{ FLAG_QUERY, "--query and --reason belong to delete" },
		{ FLAG_YES, "--yes belongs to delete and rebuild-manifest" },
	};
	unsigned stray = given_flags(u) & ~c->flags;

	for (size_t i = 0; i < ARRAY_COUNT(strays); i++) {
		if (stray & strays[i].flag)
			return strays[i].text;
	}
	return NULL;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int run_command(struct upkeep *u, int argc, char **argv)
{
	const struct command *c = find_command(argc > 0 ? argv[0] : "");

	if (!c)
		return usage("no such command: there are snapshot, scrub, delete and "
			     "rebuild-manifest, and the run without one");
	if (argc != (argc > 0) + c->operands)
		return usage(c->usage);
	if (stray_flag(u, c))
		return usage(stray_flag(u, c));
	if (strcmp(c->name, "delete") == 0 && !u->query)
		return usage("delete wants --query TEXT: which events?");
	umask(0027);
	catch_signals();
	if (strcmp(c->name, "snapshot") == 0)
		return upkeep_snapshot(u, argv[1]);
	if (strcmp(c->name, "scrub") == 0)
		return upkeep_scrub(u);
	if (strcmp(c->name, "rebuild-manifest") == 0)
		return upkeep_rebuild(u);
	return strcmp(c->name, "delete") == 0 ? upkeep_delete(u) : keep_up(u);
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
