#include "tools/upkeep_snapshot.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "storage/backup.h"
#include "storage/verify.h"

enum { FINDING_BYTES = 1024 };

/* A copy within the store would count as part of it. */
static bool is_inside(const char *dir, const char *to)
{
	char store[PATH_MAX], copy[PATH_MAX], parent[PATH_MAX];
	const char *slash = strrchr(to, '/');
	size_t n;

	snprintf(parent, sizeof parent, "%.*s", slash ? (int)(slash - to) : 1, slash ? to : ".");
	if (!realpath(dir, store) || !realpath(*parent ? parent : "/", copy))
		return false; /* whoever uses it will say so */
	n = strlen(store);
	return strncmp(copy, store, n) == 0 && (copy[n] == 0 || copy[n] == '/');
}

static void on_found(void *arg, const struct verify_finding *f)
{
	char text[FINDING_BYTES];

	(void)arg;
	if (f->grade == VERIFY_DAMAGE)
		fprintf(stderr, "astrocompact: %s\n", verify_format(f, text, sizeof text));
}

/* The exit status. */
static int verify(const struct upkeep *u, const char *to)
{
	const struct verify_conf conf = { .dir = to, .found = on_found, .stop = &u->stop };
	struct verify_report report;
	struct diag d = { 0 };
	int rc = verify_run(&conf, &report, &d);

	if (rc < 0)
		return upkeep_failed(u, rc, &d);
	if (report.findings[VERIFY_DAMAGE] == 0)
		return UPKEEP_DONE;
	fprintf(stderr, "astrocompact: the snapshot has %" PRIu64 " damaged parts\n",
		report.findings[VERIFY_DAMAGE]);
	return UPKEEP_SOME_FAILED;
}

static void print_report(const struct upkeep *u, const char *to, const struct backup_report *r)
{
	if (r->missing > 0)
		fprintf(stderr,
			"astrocompact: %" PRIu64 " segments of the store are missing, in the "
			"snapshot too\n",
			r->missing);
	if (u->quiet)
		return;
	printf("snapshot %s: %" PRIu64 " segments with %" PRIu64 " events (%" PRIu64
	       " files of %" PRIu64 " bytes %s), ",
		to, r->segments, r->rows, r->linked_files, r->linked_bytes,
		u->copy ? "copied" : "linked");
	printf("%" PRIu64 " journal files (%" PRIu64 " bytes copied), up to event %" PRIu64 "\n",
		r->journal_files, r->copied_bytes, r->committed);
}

int upkeep_snapshot(const struct upkeep *u, const char *to)
{
	const struct backup_conf conf = {
		.dir = conf_text(&u->conf, CONF_STORE_DATA),
		.to = to,
		.copy = u->copy,
		.stop = &u->stop,
	};
	struct backup_report report;
	struct diag d = { 0 };
	int rc, status;

	if (is_inside(conf.dir, to)) {
		diag_set(&d, -EINVAL, to, -1, "the snapshot must not lie within the store");
		return upkeep_failed(u, d.code, &d);
	}
	if (upkeep_become_owner(u, to) < 0)
		return UPKEEP_CANNOT;
	rc = backup_run(&conf, &report, &d);
	if (rc < 0)
		return upkeep_failed(u, rc, &d);
	print_report(u, to, &report);
	status = u->verify ? verify(u, to) : UPKEEP_DONE;
	return status == UPKEEP_DONE && report.missing > 0 ? UPKEEP_SOME_FAILED : status;
}
