#include "tools/upkeep_scrub.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/base/clock.h"
#include "proto/base/timefmt.h"
#include "storage/scrub.h"

enum { FINDING_BYTES = 1024 };

/* Told however quiet it is to be: this is what it runs for. */
static void on_found(void *arg, const struct verify_finding *f)
{
	char text[FINDING_BYTES];

	(void)arg;
	fprintf(stderr, "astrocompact: %s\n", verify_format(f, text, sizeof text));
}

/* One line of name=value, for people and scripts alike. */
static void print_report(const struct upkeep *u, const struct scrub_report *r)
{
	char when[TIMEFMT_BYTES_MAX];

	if (r->state_lost)
		fprintf(stderr,
			"astrocompact: what was remembered of earlier scrubs is lost: all begins "
			"anew\n");
	if (u->quiet)
		return;
	printf("scrub: segments=%" PRIu64 " pages=%" PRIu64 " sidecars=%" PRIu64 " bytes=%" PRIu64
	       " damages=%" PRIu64 " live=%" PRIu64 " left=%" PRIu64 " oldest=",
		r->segments, r->pages, r->sidecars, r->bytes, r->damages, r->live_segments,
		r->left_segments);
	if (r->oldest_ns == 0 || r->oldest_ns == INT64_MAX)
		puts(r->oldest_ns == 0 ? "never" : "none");
	else
		printf("%.*s\n", (int)timefmt_put(when, r->oldest_ns), when);
}

int upkeep_scrub(const struct upkeep *u)
{
	const struct scrub_conf conf = {
		.dir = conf_text(&u->conf, CONF_STORE_DATA),
		.now_ns = clock_wall_ns(),
		.deadline_ns = upkeep_deadline(u),
		.budget_bytes = (uint64_t)u->budget_bytes,
		.stop = &u->stop,
		.found = on_found,
	};
	struct scrub_report report;
	struct diag d = { 0 };
	int rc;

	if (upkeep_become_owner(u, NULL) < 0)
		return UPKEEP_CANNOT;
	rc = scrub_run(&conf, &report, &d);
	if (rc < 0)
		return upkeep_failed(u, rc, &d);
	print_report(u, &report);
	if (report.damages > 0)
		return UPKEEP_SOME_FAILED;
	return report.left_segments > 0 ? UPKEEP_MORE : UPKEEP_DONE;
}
