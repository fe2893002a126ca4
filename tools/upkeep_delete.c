#include "tools/upkeep_delete.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/timefmt.h"
#include "proto/svc/opt.h"
#include "storage/compact_redact.h"
#include "tools/compact_delete.h"

static void print_found(const struct upkeep *u, const struct compact_delete_found *found)
{
	char from[TIMEFMT_BYTES_MAX], to[TIMEFMT_BYTES_MAX];

	if (u->quiet)
		return;
	if (found->count == 0) {
		puts("no event matches; nothing to delete");
		return;
	}
	printf("%" PRIu64 " event%s match%s, from %.*s to %.*s\n", found->count,
		found->count == 1 ? "" : "s", found->count == 1 ? "es" : "",
		(int)timefmt_put(from, found->time_min_ns), from,
		(int)timefmt_put(to, found->time_max_ns), to);
}

static void print_done(
	const struct upkeep *u, int rc, const struct redact_info *info, uint64_t held)
{
	/* That a hold stood against it is said however quiet it is to be: it was asked for and not done. */
	if (held > 0)
		fprintf(stderr,
			"astrocompact: %" PRIu64
			" of them are under legal hold and stay; see 'hold' in "
			"astrolabe.conf(5)\n",
			held);
	if (u->quiet || rc == COMPACT_REDACT_NOTHING)
		return;
	if (u->dry_run)
		printf("would delete %" PRIu64 "\n", info->ids_count);
	else
		printf("deleted %" PRIu64 " (order %" PRIu64
		       "): hidden now, gone from the disk after the next astrocompact\n",
			info->ids_count, info->number);
}

static int order(const struct upkeep *u, const struct idset *ids)
{
	const struct compact_conf conf = {
		.dir = conf_text(&u->conf, CONF_STORE_DATA),
		.dry_run = u->dry_run,
		.now_ns = clock_wall_ns(),
		.lock_wait_ns = UPKEEP_LOCK_WAIT_NS,
		.stop = &u->stop,
	};
	const char *reason = u->reason ? u->reason : u->query;
	struct redact_info info = { 0 };
	struct compact *c = NULL;
	struct diag d = { 0 };
	uint64_t held = 0;
	int rc = compact_open(&conf, &c, &d);

	if (rc == 0)
		rc = compact_redact_order(c, ids, u->classes, span_str(reason), &info, &held, &d);
	compact_close(&c);
	if (rc < 0)
		return upkeep_failed(u, rc, &d);
	print_done(u, rc, &info, held);
	return held > 0 ? UPKEEP_SOME_FAILED : UPKEEP_DONE;
}

static int ask_for_yes(const struct idset *ids)
{
	fprintf(stderr,
		"astrocompact: deleting cannot be undone: add --yes to delete %s, or "
		"--dry-run to look\n",
		ids->count == 1 ? "it" : "them");
	return OPT_EXIT_USAGE;
}

int upkeep_delete(const struct upkeep *u)
{
	struct compact_delete_found found;
	struct diag d = { 0 };
	struct idset ids;
	int rc, status;

	if (upkeep_become_owner(u, NULL) < 0)
		return UPKEEP_CANNOT;
	idset_init(&ids, LIMIT_REDACT_BYTES);
	rc = compact_delete_find(
		conf_text(&u->conf, CONF_STORE_DATA), u->query, &u->stop, &ids, &found, &d);
	if (rc < 0) {
		status = upkeep_failed(u, rc, &d);
		/* What the query says is a matter of usage. */
		if (d.file[0] == '-')
			status = OPT_EXIT_USAGE;
	} else {
		print_found(u, &found);
		if (found.count == 0)
			status = UPKEEP_DONE;
		else
			status = u->yes || u->dry_run ? order(u, &ids) : ask_for_yes(&ids);
	}
	idset_fini(&ids);
	return status;
}
