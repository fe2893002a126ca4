#include "tools/cmd_tail.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "proto/base/limits.h"

struct tail {
	struct cmd_run *run;
	int pause_ms; /* before the next try; 0: the last one went well */
};

static int show_page(struct cmd_run *r, const struct source_page *page, struct diag *d)
{
	for (size_t i = 0; i < page->count; i++) {
		struct span record;
		int rc = cmd_run_record(r, &page->events[i], &record);

		if (rc < 0)
			return diag_set(d, rc, "", -1, "no memory for an event");
		cmd_run_emit(r, record);
	}
	r->shown += page->count;
	return page->count ? cmd_run_reached(r, page->covered, d) : 0;
}

/* Told once, when it begins and when it is over. */
static void lost(struct tail *t, const struct diag *why)
{
	if (t->pause_ms == 0 && !t->run->args->quiet)
		fprintf(stderr, "astroquery: %s%s%s; trying again\n", why->file,
			*why->file ? ": " : "", why->text);
	t->pause_ms = t->pause_ms == 0 ? LIMIT_CLIENT_RETRY_MS_MIN : t->pause_ms * 2;
	if (t->pause_ms > LIMIT_CLIENT_RETRY_MS_MAX)
		t->pause_ms = LIMIT_CLIENT_RETRY_MS_MAX;
	poll(NULL, 0, t->pause_ms);
}

static void found(struct tail *t)
{
	if (t->pause_ms && !t->run->args->quiet)
		fprintf(stderr, "astroquery: connected again\n");
	t->pause_ms = 0;
}

int cmd_tail_run(struct cmd_run *r, struct diag *d)
{
	struct tail t = { .run = r };
	struct source_ask ask = {
		.params = r->args->params,
		.params_count = r->args->params_count,
		.order = ENGINE_ORDER_ARRIVAL,
		.limit = ENGINE_LIMIT_MAX,
		.cursor = "",
		.after = r->covered,
		.wait_s = LIMIT_CLIENT_WAIT_S,
	};

	cmd_run_flush(r);
	while (!sink_is_gone(&r->sink) && !r->sink.err) {
		struct source_page page;
		int rc = source_page(r->source, &ask, &page, d);

		if (rc == -EINVAL)
			return rc;
		if (rc < 0) {
			lost(&t, d);
			continue;
		}
		found(&t);
		cmd_run_note(r, page.lack);
		rc = show_page(r, &page, d);
		if (rc < 0)
			return rc;
		if (page.covered > ask.after)
			ask.after = page.covered;
	}
	return 0;
}
