#include <errno.h>
#include <string.h>

#include "proto/base/err.h"
#include "query/export.h"
#include "tools/source_dir_int.h"

/* Parts made before the next is put out. */
enum { PIECES = 2 };

static int make(struct export_request *req, const struct source_question *q, struct diag *d)
{
	struct engine_err err = { .code = 0 };
	int rc = 0;

	for (size_t i = 0; i < q->params_count && rc == 0; i++)
		rc = export_param(
			req, span_str(q->params[i].name), span_str(q->params[i].value), &err);
	if (rc == 0)
		rc = export_request_check(req, &err);
	req->base.budget_ns = 0;
	return rc < 0 ? diag_set(d, -EINVAL, "", -1, "%s: %s", err.field, err.error) : 0;
}

static int put_parts(struct export_run *x, source_put_cb put, void *arg)
{
	struct buf part;
	int rc = 0;

	buf_init(&part, SIZE_MAX);
	while (rc >= 0 && export_take(x, &part)) {
		rc = put(arg, buf_span(&part));
		buf_fini(&part);
		buf_init(&part, SIZE_MAX);
	}
	buf_fini(&part);
	return rc < 0 ? rc : 0;
}

static int run(struct source_dir *s, struct export_run *x, bool csv, source_put_cb put, void *arg,
	struct diag *d)
{
	int rc = 0;

	while (rc == 0 && !export_done(x)) {
		rc = export_step(x, s->engine, PIECES, d);
		if (rc < 0)
			return diag_set(d, rc, s->dir, -1, "the export stopped");
		rc = put_parts(x, put, arg);
	}
	if (rc < 0)
		return diag_set(d, rc, "", -1, "the export was not read to its end");
	/* CSV has no place to say so itself. */
	if (csv && export_result(x)->partial == ENGINE_PARTIAL_DAMAGE)
		return diag_set(d, ERR_CORRUPT, s->dir, -1,
			"some events could not be read: see astrodump verify");
	return 0;
}

static int open_newest(struct source_dir *s, const struct export_request *req,
	struct store_snapshot **snap, struct export_run **out, struct diag *d)
{
	int rc = ERR_STALE;

	for (int i = 0; i < ENGINE_SNAPSHOTS_MAX && rc == ERR_STALE; i++) {
		store_snapshot_free(snap);
		rc = store_reader_snapshot(s->reader, snap, d);
		if (rc == 0)
			rc = export_open(*snap, req, out, d);
	}
	return rc;
}

int source_dir_export(struct source *base, const struct source_question *q, source_put_cb put,
	void *arg, struct diag *d)
{
	struct source_dir *s = (struct source_dir *)base;
	struct store_snapshot *snap = NULL;
	struct export_request req;
	struct export_run *x = NULL;
	int rc;

	export_request_init(&req);
	rc = make(&req, q, d);
	if (rc == 0)
		rc = open_newest(s, &req, &snap, &x, d);
	if (rc == 0)
		rc = run(s, x, req.format == EXPORT_CSV, put, arg, d);
	export_close(&x);
	store_snapshot_free(&snap);
	export_request_fini(&req);
	return rc;
}
