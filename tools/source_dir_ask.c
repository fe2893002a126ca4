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
#include "query/fields.h"
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

/* ---- which fields there are, and how a question is understood ---- */

static int run_fields(struct source_dir *s, struct store_snapshot *snap,
	const struct engine_request *req, struct diag *d)
{
	struct fields_result result;
	int rc = fields_run(s->engine, snap, req, &result, d);

	if (rc < 0)
		return rc;
	rc = fields_put(&result, &s->json);
	fields_result_fini(&result);
	return rc;
}

static int run_filter(struct source_dir *s, enum source_what what, const struct engine_request *req,
	struct diag *d)
{
	int rc = ERR_STALE;

	for (int i = 0; i < ENGINE_SNAPSHOTS_MAX && rc == ERR_STALE; i++) {
		struct store_snapshot *snap = NULL;

		buf_reset(&s->json);
		rc = store_reader_snapshot(s->reader, &snap, d);
		if (rc == 0)
			rc = what == SOURCE_FIELDS ? run_fields(s, snap, req, d)
						   : engine_explain(snap, req, &s->json, d);
		store_snapshot_free(&snap);
	}
	return rc;
}

static int ask_filter(struct source_dir *s, const struct source_question *q, struct diag *d)
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
	req.budget_ns = 0;
	rc = rc < 0 ? refused(&err, d) : run_filter(s, q->what, &req, d);
	engine_request_fini(&req);
	return rc;
}

/* ---- all ---- */

int source_dir_ask(
	struct source *base, const struct source_question *q, struct span *out, struct diag *d)
{
	struct source_dir *s = (struct source_dir *)base;
	int rc;

	s->json.max = s->document.max = JSON_BYTES_MAX;
	buf_reset(&s->json);
	buf_reset(&s->document);
	rc = q->what == SOURCE_QUERY ? ask_groups(s, q, d) : ask_filter(s, q, d);
	if (rc < 0)
		return rc;
	rc = json_in_text(buf_span(&s->json), JSON_IN_REPAIR, &s->document, NULL);
	if (rc < 0)
		return diag_set(d, rc, s->dir, -1, "the answer cannot be read");
	*out = buf_span(&s->document);
	return 0;
}
