/*
 * The newest N have to be asked for newest first, and are shown oldest first: their records go through
 * a stack. All events, and newest first, come in the order in which they are shown and are streamed.
 */
#include "tools/cmd_search.h"

#include <string.h>

#include "proto/base/err.h"
#include "tools/reverse.h"

struct walk {
	struct cmd_run *run;
	struct reverse *stack; /* NULL: emit at once */
	struct source_ask ask;
	uint64_t wanted;
	uint64_t taken;
};

static int take(struct walk *w, const struct event *ev, struct diag *d)
{
	struct cmd_run *r = w->run;
	struct span record;
	int rc = cmd_run_record(r, ev, &record);

	if (rc == 0 && w->stack)
		rc = reverse_push(w->stack, record);
	else if (rc == 0)
		cmd_run_emit(r, record);
	w->taken++;
	progress_tell(&r->progress, w->taken, r->total_known ? r->total : 0, r->sink.bytes);
	return rc < 0 ? diag_set(d, rc, "", -1,
				"no room for the events: ask for fewer with -n, "
				"or set TMPDIR to a roomier place")
		      : 0;
}

static int take_page(struct walk *w, const struct source_page *page, struct diag *d)
{
	int rc = 0;

	for (size_t i = 0; i < page->count && w->taken < w->wanted && rc == 0; i++)
		rc = take(w, &page->events[i], d);
	return rc;
}

static uint32_t page_limit(const struct walk *w)
{
	uint64_t left = w->wanted - w->taken;

	return left == 0 ? 1 : left < ENGINE_LIMIT_MAX ? (uint32_t)left : ENGINE_LIMIT_MAX;
}

/* What only the first page of a walk says. */
static void learn(struct cmd_run *r, const struct source_page *page)
{
	r->total = page->total;
	r->total_known = page->total_known;
	r->covered = page->covered;
}

static int walk(struct walk *w, struct diag *d)
{
	char cursor[ENGINE_CURSOR_BYTES] = "";
	bool first = true;

	w->ask.cursor = cursor;
	do {
		struct source_page page;
		int rc;

		w->ask.limit = page_limit(w);
		rc = source_page(w->run->source, &w->ask, &page, d);
		if (rc < 0)
			return rc;
		if (first)
			learn(w->run, &page);
		first = false;
		w->ask.total = false;
		cmd_run_note(w->run, page.lack);
		rc = take_page(w, &page, d);
		if (rc < 0)
			return rc;
		memcpy(cursor, page.next, sizeof cursor);
	} while (*cursor && w->taken < w->wanted && !cmd_run_is_gone(w->run));
	return 0;
}

static int emit_stack(struct cmd_run *r, struct reverse *stack, struct diag *d)
{
	struct span record;
	int rc;

	do {
		rc = reverse_pop(stack, &record);
		if (rc == 0)
			cmd_run_emit(r, record);
	} while (rc == 0 && !cmd_run_is_gone(r));
	return rc < 0 ? diag_set(d, rc, "", -1, "the temporary file cannot be read back") : 0;
}

static int by_time(struct cmd_run *r, struct diag *d)
{
	const struct cmd_args *a = r->args;
	bool newest = !a->oldest && (a->reverse || a->lines != CMD_ARGS_ALL);
	bool turned = newest != a->reverse;
	struct reverse stack;
	struct walk w = {
		.run = r,
		.stack = turned ? &stack : NULL,
		.wanted = a->lines,
		.ask = {
			.params = a->params,
			.params_count = a->params_count,
			.order = newest ? ENGINE_ORDER_DESC : ENGINE_ORDER_ASC,
			/* For the remark that there is more, and for a share that is done. */
			.total = !a->quiet && !a->follow && (!a->lines_given || r->progress.on),
		},
	};
	int rc;

	reverse_init(&stack, 0);
	rc = walk(&w, d);
	if (rc == 0 && turned)
		rc = emit_stack(r, &stack, d);
	r->shown += w.taken;
	reverse_fini(&stack);
	return rc;
}

/* From a place on, each page made safe before the place behind it is written. */
static int by_arrival(struct cmd_run *r, struct diag *d)
{
	const struct cmd_args *a = r->args;
	struct walk w = {
		.run = r,
		.wanted = a->lines,
		.ask = {
			.params = a->params,
			.params_count = a->params_count,
			.order = ENGINE_ORDER_ARRIVAL,
			.cursor = "",
			.after = r->place.found ? r->place.id : a->after_id,
		},
	};
	struct source_page page;
	int rc = 0;

	r->covered = w.ask.after;
	do {
		uint64_t reached;

		w.ask.limit = page_limit(&w);
		rc = source_page(r->source, &w.ask, &page, d);
		if (rc < 0)
			break;
		cmd_run_note(r, page.lack);
		rc = take_page(&w, &page, d);
		if (rc < 0)
			break;
		/* What a limit cut off has not been shown. */
		reached = w.taken < w.wanted || page.count == 0 ? page.covered
								: page.events[page.count - 1].id;
		if (w.wanted > 0)
			rc = cmd_run_reached(r, reached, d);
		w.ask.after = r->covered;
	} while (rc == 0 && w.taken < w.wanted && !cmd_run_is_gone(r) &&
		 (page.more || page.count == w.ask.limit));
	r->shown += w.taken;
	return rc;
}

int cmd_search_run(struct cmd_run *r, struct diag *d)
{
	return r->args->by_arrival ? by_arrival(r, d) : by_time(r, d);
}
