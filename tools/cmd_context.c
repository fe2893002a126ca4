/*
 * The matches are noted first, by time and id alone. In the order of the output each is then shown with
 * those of its neighbours that were not shown yet. One neighbour more than was asked for tells whether
 * something was left out between two groups.
 */
#include "tools/cmd_context.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/err.h"
#include "storage/idset.h"

enum { SHOWN_BYTES_MAX = 256 << 20 };

struct context {
	struct cmd_run *run;
	struct buf matches;  /* ids, in the order of the output */
	struct idset wanted; /* the same */
	struct idset shown;
};

static uint64_t *matches(const struct context *c, size_t *out_count)
{
	*out_count = c->matches.len / sizeof(uint64_t);
	return (uint64_t *)(void *)c->matches.p;
}

static int too_many(struct diag *d)
{
	return diag_set(d, ERR_LIMIT, "", -1, "too many events match: ask for fewer with -n");
}

/* ---- the matches ---- */

static int find(struct context *c, enum engine_order order, uint64_t wanted, struct diag *d)
{
	const struct cmd_args *a = c->run->args;
	char cursor[ENGINE_CURSOR_BYTES] = "";
	struct source_ask ask = {
		.params = a->params,
		.params_count = a->params_count,
		.order = order,
		.cursor = cursor,
		.total = !a->lines_given && !a->quiet,
	};
	uint64_t taken = 0;
	struct source_page page;

	do {
		uint64_t left = wanted - taken;
		int rc;

		ask.limit = left == 0                 ? 1
			    : left < ENGINE_LIMIT_MAX ? (uint32_t)left
						      : ENGINE_LIMIT_MAX;
		rc = source_page(c->run->source, &ask, &page, d);
		if (rc < 0)
			return rc;
		if (taken == 0) {
			c->run->total = page.total;
			c->run->total_known = page.total_known;
			c->run->covered = page.covered;
		}
		ask.total = false;
		cmd_run_note(c->run, page.lack);
		for (size_t i = 0; i < page.count && taken < wanted; i++, taken++) {
			uint64_t id = page.events[i].id;

			buf_put(&c->matches, &id, sizeof id);
			if (idset_add(&c->wanted, id) < 0)
				return too_many(d);
		}
		memcpy(cursor, page.next, sizeof cursor);
	} while (*cursor && taken < wanted);
	c->run->shown = taken;
	return c->matches.err ? too_many(d) : 0;
}

static void turn(struct context *c)
{
	size_t count;
	uint64_t *ids = matches(c, &count);

	for (size_t i = 0; i < count / 2; i++) {
		uint64_t swap = ids[i];

		ids[i] = ids[count - 1 - i];
		ids[count - 1 - i] = swap;
	}
}

/* ---- groups ---- */

static bool is_text(enum show_format format)
{
	return format == SHOW_SHORT || format == SHOW_SHORT_ISO || format == SHOW_VERBOSE ||
	       format == SHOW_CAT;
}

/* What was asked for stands out from what lies around it. */
static int show(struct context *c, const struct event *ev, struct diag *d)
{
	struct cmd_run *r = c->run;
	enum show_format format = r->args->format;
	struct span record;
	int rc;

	if (idset_add(&c->shown, ev->id) < 0)
		return too_many(d);
	rc = cmd_run_record(r, ev, &record);
	if (rc < 0)
		return diag_set(d, rc, "", -1, "no memory for an event");
	if (format == SHOW_SHORT || format == SHOW_SHORT_ISO)
		cmd_run_text(r, idset_has(&c->wanted, ev->id) ? SPAN_LIT("> ") : SPAN_LIT("  "));
	cmd_run_emit(r, record);
	return 0;
}

static size_t find_self(const struct source_page *page, uint64_t id)
{
	size_t i = 0;

	while (i < page->count && page->events[i].id != id)
		i++;
	return i;
}

/* Whether the group goes on from one that was shown: from the event before it, or from one in it. */
static bool is_joined(const struct context *c, const struct source_page *page, size_t first)
{
	for (size_t i = first ? first - 1 : 0; i < page->count; i++) {
		if (idset_has(&c->shown, page->events[i].id))
			return true;
	}
	return false;
}

/* An event that has nothing to share stands alone. */
static int ask_around(struct context *c, uint64_t id, struct source_page *page, struct diag *d)
{
	const struct cmd_args *a = c->run->args;
	struct source_around ask = {
		.id = id,
		.before = (uint32_t)a->before + 1,
		.after = (uint32_t)a->after,
		.same = a->same,
	};
	int rc = source_around(c->run->source, &ask, page, d);

	if (rc != -EINVAL || !a->same)
		return rc;
	ask = (struct source_around){ .id = id };
	return source_around(c->run->source, &ask, page, d);
}

static int show_group(struct context *c, uint64_t id, struct diag *d)
{
	const struct cmd_args *a = c->run->args;
	struct source_page page;
	size_t self, first;
	int rc = ask_around(c, id, &page, d);

	if (rc == -ENOENT)
		return 0; /* deleted meanwhile */
	if (rc < 0)
		return rc;
	cmd_run_note(c->run, page.lack);
	self = find_self(&page, id);
	first = self > (size_t)a->before ? self - (size_t)a->before : 0;
	if (c->shown.count && is_text(a->format) && !is_joined(c, &page, first))
		cmd_run_text(c->run, SPAN_LIT("--\n"));
	for (size_t i = first; i < page.count && rc == 0; i++) {
		if (!idset_has(&c->shown, page.events[i].id))
			rc = show(c, &page.events[i], d);
	}
	return rc;
}

int cmd_context_run(struct cmd_run *r, struct diag *d)
{
	const struct cmd_args *a = r->args;
	bool newest = !a->oldest && (a->reverse || a->lines != CMD_ARGS_ALL);
	struct context c = { .run = r };
	const uint64_t *ids;
	size_t count;
	int rc;

	buf_init(&c.matches, SIZE_MAX);
	idset_init(&c.wanted, SHOWN_BYTES_MAX);
	idset_init(&c.shown, SHOWN_BYTES_MAX);
	rc = find(&c, newest ? ENGINE_ORDER_DESC : ENGINE_ORDER_ASC, a->lines, d);
	if (rc == 0 && newest != a->reverse)
		turn(&c);
	ids = matches(&c, &count);
	for (size_t i = 0; i < count && rc == 0 && !cmd_run_is_gone(r); i++)
		rc = show_group(&c, ids[i], d);
	buf_fini(&c.matches);
	idset_fini(&c.wanted);
	idset_fini(&c.shown);
	return rc;
}
