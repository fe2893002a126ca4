#include "tools/source_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "tools/source_dir_int.h"

/* One parameter; numbers of ours cannot be refused, the user's words were checked before. */
static int put(struct engine_request *req, const char *name, const char *value, struct diag *d)
{
	struct engine_err err;
	int rc = engine_param(req, span_str(name), span_str(value), &err);

	return rc < 0 ? diag_set(d, -EINVAL, "", -1, "%s: %s", name, err.error) : 0;
}

static int put_number(struct engine_request *req, const char *name, uint64_t v, struct diag *d)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, v);
	return put(req, name, text, d);
}

static int make_request(struct engine_request *req, const struct source_ask *ask, struct diag *d)
{
	struct engine_err err;
	int rc = put_number(req, "limit", ask->limit, d);

	for (size_t i = 0; i < ask->params_count && rc == 0; i++)
		rc = put(req, ask->params[i].name, ask->params[i].value, d);
	if (rc == 0 && ask->order == ENGINE_ORDER_ARRIVAL)
		rc = put_number(req, "after", ask->after, d);
	else if (rc == 0)
		rc = put(req, "order", ask->order == ENGINE_ORDER_ASC ? "asc" : "desc", d);
	if (rc == 0 && *ask->cursor)
		rc = put(req, "cursor", ask->cursor, d);
	if (rc == 0 && !ask->total)
		rc = put(req, "total", "none", d);
	if (rc < 0)
		return rc;
	if (engine_request_check(req, &err) < 0)
		return diag_set(d, -EINVAL, "", -1, "%s: %s", err.field, err.error);
	/* Nobody else waits for this program. */
	req->budget_ns = 0;
	return 0;
}

static void drop_result(struct source_dir *s)
{
	if (s->has_result)
		engine_result_fini(&s->result);
	s->has_result = false;
	if (s->has_context)
		context_result_fini(&s->context);
	s->has_context = false;
}

/* The newest snapshot, asked once. */
static int run_once(struct source_dir *s, const struct engine_request *req, struct diag *d)
{
	struct store_snapshot *snap = NULL;
	int rc;

	rc = store_reader_snapshot(s->reader, &snap, d);
	if (rc < 0)
		return rc;
	rc = engine_run(s->engine, snap, req, &s->result, d);
	s->has_result = rc == 0;
	store_snapshot_free(&snap);
	return rc;
}

static int run(struct source_dir *s, const struct engine_request *req, struct diag *d)
{
	int rc = ERR_STALE;

	drop_result(s);
	for (int i = 0; i < ENGINE_SNAPSHOTS_MAX && rc == ERR_STALE; i++)
		rc = run_once(s, req, d);
	return rc;
}

/* Again and again until there is something or the time is over. */
static int run_and_wait(
	struct source_dir *s, const struct engine_request *req, unsigned wait_s, struct diag *d)
{
	int64_t end = clock_mono_ns() + (int64_t)wait_s * CLOCK_NS_PER_SEC;

	for (;;) {
		int rc = run(s, req, d);
		int64_t left = (end - clock_mono_ns()) / CLOCK_NS_PER_MS;

		if (rc < 0 || s->result.count || left <= 0)
			return rc;
		rc = store_reader_wait(s->reader, s->result.committed, (int)left);
		if (rc < 0)
			return diag_set(d, rc, s->dir, -1, "cannot wait for events");
	}
}

static void tell_lack(const struct engine_result *r, struct source_page *out)
{
	if (r->damage_count)
		snprintf(out->lack, sizeof out->lack,
			"%zu damaged part%s could not be read, first %.120s; see astrodump verify",
			r->damage_count, r->damage_count == 1 ? "" : "s", r->damage[0].file);
	else if (r->partial == ENGINE_PARTIAL_DAMAGE || r->partial == ENGINE_PARTIAL_CANCELED)
		snprintf(out->lack, sizeof out->lack, "the answer is not complete (%s)",
			engine_partial_name(r->partial));
}

static int page(
	struct source *base, const struct source_ask *ask, struct source_page *out, struct diag *d)
{
	struct source_dir *s = (struct source_dir *)base;
	struct engine_request req;
	int rc;

	engine_request_init(&req);
	rc = make_request(&req, ask, d);
	if (rc == 0)
		rc = run_and_wait(s, &req, ask->wait_s, d);
	engine_request_fini(&req);
	if (rc < 0)
		return rc;
	*out = (struct source_page){
		.events = s->result.events,
		.count = s->result.count,
		.total = s->result.total,
		.total_known = s->result.total_known,
		.covered = s->result.covered,
	};
	out->more = s->result.partial == ENGINE_PARTIAL_TIME ||
		    s->result.partial == ENGINE_PARTIAL_MEMORY;
	snprintf(out->next, sizeof out->next, "%s", s->result.next);
	tell_lack(&s->result, out);
	return 0;
}

/* ---- the events around one ---- */

static int context_once(
	struct source_dir *s, const struct context_request *req, int *out_found, struct diag *d)
{
	struct store_snapshot *snap = NULL;
	int rc = store_reader_snapshot(s->reader, &snap, d);

	if (rc < 0)
		return rc;
	rc = context_run(s->engine, snap, req, &s->context, d);
	s->has_context = rc >= 0;
	*out_found = rc;
	store_snapshot_free(&snap);
	return rc < 0 ? rc : 0;
}

static int put_same(struct context_request *req, const char *same, struct diag *d)
{
	struct engine_err err;
	int rc = same ? context_param(req, SPAN_LIT("same"), span_str(same), &err) : 0;

	return rc < 0 ? diag_set(d, -EINVAL, "", -1, "same: %s", err.error) : 0;
}

/* The three lists of the result, one behind the other. */
static int join(struct source_dir *s, struct source_page *out, struct diag *d)
{
	const struct engine_result *parts[] = { &s->context.before, &s->context.event,
		&s->context.after };
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
		count += parts[i]->count;
	if (count > s->events_cap) {
		struct event *more = reallocarray(s->events, count, sizeof *more);

		if (!more)
			return diag_set(d, -ENOMEM, s->dir, -1, "no memory for the events");
		s->events = more;
		s->events_cap = count;
	}
	*out = (struct source_page){ .events = s->events };
	for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
		if (parts[i]->count)
			memcpy(s->events + out->count, parts[i]->events,
				parts[i]->count * sizeof *s->events);
		out->count += parts[i]->count;
		tell_lack(parts[i], out);
	}
	return 0;
}

static int around(struct source *base, const struct source_around *ask, struct source_page *out,
	struct diag *d)
{
	struct source_dir *s = (struct source_dir *)base;
	struct context_request req;
	int rc, found = 0;

	drop_result(s);
	context_request_init(&req, ask->id);
	req.before = ask->before;
	req.after = ask->after;
	req.budget_ns = 0;
	rc = put_same(&req, ask->same, d);
	if (rc < 0)
		return rc;
	rc = ERR_STALE;
	for (int i = 0; i < ENGINE_SNAPSHOTS_MAX && rc == ERR_STALE; i++) {
		drop_result(s);
		rc = context_once(s, &req, &found, d);
	}
	if (rc < 0)
		return rc;
	if (found == CONTEXT_NO_EVENT)
		return diag_set(d, -ENOENT, "", -1, "no such event");
	if (found == CONTEXT_NO_TEXT)
		return diag_set(d, -EINVAL, "", -1, "the event has none of these fields");
	if (found == CONTEXT_LONG_TEXT)
		return diag_set(d, ERR_LIMIT, "", -1,
			"the texts that are to be the same are too long to ask for");
	return join(s, out, d);
}

static void close_dir(struct source *base)
{
	struct source_dir *s = (struct source_dir *)base;

	drop_result(s);
	free(s->events);
	buf_fini(&s->json);
	buf_fini(&s->document);
	engine_free(&s->engine);
	store_reader_close(&s->reader);
	free(s);
}

/* Says what to do where a slip of the hand or a missing right is likely. */
static int explain(int rc, const char *dir, struct diag *d)
{
	if (rc == -ENOENT || rc == -ENOTDIR || rc == ERR_NOT_A_STORE)
		return diag_set(d, rc, dir, -1,
			"cannot be read as a data directory; give the one of astrocollectd --data");
	if (rc == -EACCES || rc == -EPERM)
		return diag_set(d, rc, dir, -1,
			"may not be read; become a member of its group, or ask astroqueryd by --addr");
	if (rc == ERR_TOO_NEW)
		return diag_set(d, rc, dir, -1,
			"cannot be read by this version; install the newer one, or ask its "
			"astroqueryd by --addr");
	return rc;
}

int source_dir_open(const char *dir, struct source **out, struct diag *d)
{
	static const struct source_ops ops = { page, around, source_dir_ask, source_dir_export,
		close_dir };
	struct store_conf conf = { .dir = dir };
	struct source_dir *s = calloc(1, sizeof *s);
	int rc;

	if (!s)
		return diag_set(d, -ENOMEM, dir, -1, "no memory for a reader");
	s->base.ops = &ops;
	s->dir = dir;
	s->engine = engine_new();
	rc = s->engine ? store_reader_open(&conf, &s->reader, d)
		       : diag_set(d, -ENOMEM, dir, -1, "no memory for the engine");
	if (rc < 0) {
		close_dir(&s->base);
		return explain(rc, dir, d);
	}
	*out = &s->base;
	return 0;
}
