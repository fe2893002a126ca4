/*
 * The engine's results become the very JSON that astroqueryd answers, and are read as such: both sources
 * say the same by what they are made of.
 */
#include <errno.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/wire/json_in.h"
#include "query/agg.h"
#include "query/agg_answer.h"
#include "tools/source_dir_int.h"

enum { JSON_BYTES_MAX = LIMIT_CLIENT_BODY_BYTES };

static int refused(const struct engine_err *err, struct diag *d)
{
	return diag_set(d, -EINVAL, "", -1, "%s%s%s%s%s%s", err->field, *err->field ? ": " : "",
		err->error, *err->hint ? " (" : "", err->hint, *err->hint ? ")" : "");
}

/* ---- groups ---- */

static int make_groups(struct agg_request *req, const struct source_question *q, struct diag *d)
{
	struct engine_err err = { .code = 0 };
	int rc = 0;

	for (size_t i = 0; i < q->params_count && rc == 0; i++)
		rc = agg_param(
			req, span_str(q->params[i].name), span_str(q->params[i].value), &err);
	if (rc == 0)
		rc = agg_request_check(req, &err);
	/* Nobody else waits for this program. */
	req->filter.budget_ns = 0;
	return rc < 0 ? refused(&err, d) : 0;
}

static int run_groups(
	struct source_dir *s, const struct agg_request *req, struct agg_result *out, struct diag *d)
{
	int rc = ERR_STALE;

	for (int i = 0; i < ENGINE_SNAPSHOTS_MAX && rc == ERR_STALE; i++) {
		struct store_snapshot *snap = NULL;

		rc = store_reader_snapshot(s->reader, &snap, d);
		if (rc == 0)
			rc = agg_run(s->engine, snap, req, out, d);
		store_snapshot_free(&snap);
	}
	return rc;
}

static int ask_groups(struct source_dir *s, const struct source_question *q, struct diag *d)
{
	struct agg_request req;
	struct agg_result result;
	int rc;

	agg_request_init(&req);
	rc = make_groups(&req, q, d);
	if (rc == 0)
		rc = run_groups(s, &req, &result, d);
	if (rc == 0) {
		rc = agg_answer_put(&result, &s->json);
		agg_result_fini(&result);
		if (rc < 0)
			diag_set(d, rc, "", -1, "the answer is too large: ask for fewer groups");
	}
	agg_request_fini(&req);
	return rc;
}

/* ---- how a question is understood ---- */

static int explain(struct source_dir *s, const struct engine_request *req, struct diag *d)
{
	int rc = ERR_STALE;

	for (int i = 0; i < ENGINE_SNAPSHOTS_MAX && rc == ERR_STALE; i++) {
		struct store_snapshot *snap = NULL;

		rc = store_reader_snapshot(s->reader, &snap, d);
		if (rc == 0)
			rc = engine_explain(snap, req, &s->json, d);
		store_snapshot_free(&snap);
	}
	return rc;
}

static int ask_explain(struct source_dir *s, const struct source_question *q, struct diag *d)
{
	struct engine_err err = { .code = 0 };
	struct engine_request req;
	int rc = 0;

	engine_request_init(&req);
	for (size_t i = 0; i < q->params_count && rc == 0; i++)
		rc = engine_param(
			&req, span_str(q->params[i].name), span_str(q->params[i].value), &err);
	if (rc == 0)
		rc = engine_request_check(&req, &err);
	rc = rc < 0 ? refused(&err, d) : explain(s, &req, d);
	engine_request_fini(&req);
	return rc;
}

/* ---- all ---- */

int source_dir_ask(
	struct source *base, const struct source_question *q, struct span *out, struct diag *d)
{
	struct source_dir *s = (struct source_dir *)base;
	int rc = -ENOENT;

	s->json.max = s->document.max = JSON_BYTES_MAX;
	buf_reset(&s->json);
	buf_reset(&s->document);
	if (q->what == SOURCE_QUERY)
		rc = ask_groups(s, q, d);
	else if (q->what == SOURCE_EXPLAIN)
		rc = ask_explain(s, q, d);
	if (rc < 0)
		return rc;
	rc = json_in_text(buf_span(&s->json), JSON_IN_REPAIR, &s->document, NULL);
	if (rc < 0)
		return diag_set(d, rc, s->dir, -1, "the answer cannot be read");
	*out = buf_span(&s->document);
	return 0;
}
