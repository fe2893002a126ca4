#include "tools/upkeep_rebuild.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/base/clock.h"
#include "storage/manifest_rebuild.h"

enum { WHY_BYTES = DIAG_FILE_BYTES + 2 * DIAG_TEXT_BYTES };

/* What cannot be read is told however quiet it is to be: those events are gone. */
static void on_left_out(
	void *arg, const char *path, enum manifest_rebuild_verdict verdict, const struct diag *why)
{
	static const char *const text[] = {
		[MANIFEST_REBUILD_MERGED] = "its events are in another segment",
		[MANIFEST_REBUILD_UNFINISHED] = "of a change that was not finished",
	};
	const struct upkeep *u = arg;
	char reason[WHY_BYTES];

	if (verdict == MANIFEST_REBUILD_UNREADABLE)
		fprintf(stderr, "astrocompact: %s: left out: %s\n", path,
			diag_format(why, reason, sizeof reason));
	else if (!u->quiet)
		printf("%s: left out: %s\n", path, text[verdict]);
}

int upkeep_rebuild(const struct upkeep *u)
{
	const struct manifest_rebuild_conf conf = {
		.dir = conf_text(&u->conf, CONF_STORE_DATA),
		.now_ns = clock_wall_ns(),
		.lossy = u->yes,
		.left_out = on_left_out,
		.arg = (void *)(uintptr_t)u,
	};
	struct manifest_rebuild_report report;
	struct diag d = { 0 };
	int rc;

	if (upkeep_become_owner(u, NULL) < 0)
		return UPKEEP_CANNOT;
	rc = manifest_rebuild(&conf, &report, &d);
	if (rc < 0) {
		rc = upkeep_failed(u, rc, &d);
		if (report.left_out[MANIFEST_REBUILD_UNREADABLE] > 0 && !u->yes)
			fprintf(stderr, "astrocompact: restore them from a copy, or say --yes to "
					"go on without them\n");
		return rc;
	}
	if (rc == MANIFEST_REBUILD_SOUND) {
		fprintf(stderr, "astrocompact: the manifest can be read; nothing was done\n");
		return UPKEEP_DONE;
	}
	if (!u->quiet)
		printf("rebuild: segments=%" PRIu64 " events=%" PRIu64 " sealed=%" PRIu64
		       " merged=%" PRIu64 " unfinished=%" PRIu64 " unreadable=%" PRIu64 "\n",
			report.segments_count, report.rows_count, report.sealed_id,
			report.left_out[MANIFEST_REBUILD_MERGED],
			report.left_out[MANIFEST_REBUILD_UNFINISHED],
			report.left_out[MANIFEST_REBUILD_UNREADABLE]);
	return report.left_out[MANIFEST_REBUILD_UNREADABLE] > 0 ? UPKEEP_SOME_FAILED : UPKEEP_DONE;
}
