#include "query/api_views.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/http/http_url.h"
#include "proto/svc/logger.h"
#include "proto/svc/metrics.h"
#include "proto/wire/json_in.h"
#include "proto/wire/walk.h"
#include "query/api_job.h"
#include "query/origins.h"
#include "query/views.h"

enum {
	/* A name, percent-decoded: of the path, which is part of the request line. */
	NAME_ARENA_BYTES = LIMIT_HTTP_LINE_BYTES,
	PATH_BYTES = 4200,
};

struct api_views {
	uv_mutex_t lock; /* of the file */
	char dir[PATH_BYTES];
	char name[256];
};

struct ask {
	struct api_job base;
	int (*act)(struct ask *a, struct views *v);
	bool writes;
	struct arena arena;
	struct span name;
	struct buf body; /* the request's, as msgpack */
	struct span address;
	int64_t now_ns;
};

/* ---------------------------------------------------------------- the worker's part */

static const struct http_call_problem full = { .status = 409,
	.error = "there are too many saved views",
	.hint = "delete one that nobody needs" };
static const struct http_call_problem none = { .status = 404,
	.error = "there is no saved view of that name",
	.field = "name",
	.hint = "/api/views lists them" };

static int list(struct ask *a, struct views *v)
{
	buf_put_str(&a->base.body, "{\"status\":\"success\",\"views\":");
	views_print(v, &a->base.body);
	buf_put_str(&a->base.body, "}\n");
	return 0;
}

static int put(struct ask *a, struct views *v)
{
	const struct views_one one = { a->name, a->address, a->now_ns };

	if (views_put(v, &one) == VIEWS_FULL) {
		a->base.problem = full;
		return 0;
	}
	buf_put_str(&a->base.body, "{\"status\":\"success\",\"view\":");
	views_print_one(&one, &a->base.body);
	buf_put_str(&a->base.body, "}\n");
	return 1;
}

static int drop(struct ask *a, struct views *v)
{
	if (views_remove(v, a->name) == VIEWS_NONE) {
		a->base.problem = none;
		return 0;
	}
	buf_put_str(&a->base.body, "{\"status\":\"success\"}\n");
	return 1;
}

static int act_on(
	struct ask *a, const struct api_views *at, int dir, struct views *v, struct diag *d)
{
	const struct vfs *vfs = vfs_real();
	int lock = a->writes ? views_lock(vfs, dir, at->name, d) : -1, rc;

	if (a->writes && lock < 0)
		return lock;
	rc = views_load(vfs, dir, at->name, v, d);
	if (rc == 0) {
		rc = a->act(a, v);
		if (rc > 0)
			rc = views_save(vfs, dir, at->name, v, d);
		views_fini(v);
	}
	if (lock >= 0)
		vfs->close(vfs->ctx, lock);
	return rc;
}

static int act(struct ask *a, const struct api_views *at, struct diag *d)
{
	const struct vfs *vfs = vfs_real();
	int dir = vfs->open_dir(vfs->ctx, at->dir), rc;
	struct views *v = malloc(sizeof *v);

	if (dir < 0 || !v) {
		rc = dir < 0 ? dir : -ENOMEM;
		diag_set(d, rc, at->dir, -1, "open the directory of the saved views");
	} else {
		rc = act_on(a, at, dir, v, d);
	}
	free(v);
	if (dir >= 0)
		vfs->close(vfs->ctx, dir);
	return rc;
}

static void explain(struct api_job *j, const struct diag *d)
{
	static const char hint[] = "[query] views names the file; its directory must be there, and "
				   "writable for this daemon";

	metrics_inc(METRICS_QUERY_VIEWS_FAILED);
	LOGGER(LOGGER_ERROR, "views", "the saved views cannot be read or written", LOGGER_DIAG(d),
		LOGGER_STR("hint", hint));
	snprintf(j->problem_text, sizeof j->problem_text, "%s: %s; %s", err_name(d->code), d->text,
		hint);
	j->problem = (struct http_call_problem){ .status = 503,
		.error = "the saved views cannot be read or written",
		.hint = j->problem_text };
}

static int run(struct api_job *j, struct engine *engine, struct store_snapshot *snap)
{
	struct ask *a = (struct ask *)j;
	struct api_views *at = j->q->views;
	struct diag d;
	int rc;

	(void)engine;
	(void)snap;
	uv_mutex_lock(&at->lock);
	rc = act(a, at, &d);
	uv_mutex_unlock(&at->lock);
	if (rc < 0)
		explain(j, &d);
	return j->body.err;
}

static void fini(struct api_job *j)
{
	struct ask *a = (struct ask *)j;

	buf_fini(&a->body);
	arena_fini(&a->arena);
}

/* ---------------------------------------------------------------- the request */

static int no_params(struct api_job *j, struct span name, struct span value, struct engine_err *err)
{
	(void)j;
	(void)value;
	*err = (struct engine_err){ .code = ERR_UNKNOWN,
		.error = "saved views have no parameters",
		.hint = "a view is named in the path, its address in the body" };
	snprintf(err->field, sizeof err->field, "%.*s", (int)name.n, (const char *)name.p);
	return err->code;
}

/* NULL: refused, and so answered. */
static struct ask *begin(struct query *q, struct http_call *call,
	int (*action)(struct ask *a, struct views *v), bool writes)
{
	static const struct api_job_kind kind = {
		.bytes = sizeof(struct ask), .run = run, .fini = fini, .storeless = true
	};
	struct http_call_problem p;
	struct ask *a;

	if (writes && !origins_ok(q, http_call_request(call), &p)) {
		http_call_problem(call, &p);
		return NULL;
	}
	a = api_job_new(q, call, &kind);
	if (!a)
		return NULL;
	a->act = action;
	a->writes = writes;
	a->now_ns = clock_wall_ns();
	arena_init(&a->arena, NAME_ARENA_BYTES);
	buf_init(&a->body, 2 * LIMIT_VIEW_BODY_BYTES);
	return api_job_params(&a->base, no_params) == 0 ? a : NULL;
}

static bool refuse(struct ask *a, const char *error, const char *field, const char *hint)
{
	const struct http_call_problem p = {
		.status = 400, .error = error, .field = field, .hint = hint
	};

	api_job_problem(&a->base, &p);
	return false;
}

/* False: refused, and the ask is gone. */
static bool take_name(struct ask *a)
{
	const char *fault;

	if (http_url_decode(http_call_part(a->base.call), false, &a->arena, &a->name) < 0)
		return refuse(a, "the name is not well formed", "name", "percent-encode it as %XX");
	fault = views_name_fault(a->name);
	return !fault || refuse(a, "this cannot be the name of a view", "name", fault);
}

static bool bad_body(struct ask *a, const char *why)
{
	return refuse(a, "expected a body like {\"address\":\"/?q=error\"}", "body", why);
}

static bool take_address(struct ask *a)
{
	struct json_in_error e;
	struct walk_value map, key, value;
	struct rcur c;
	const char *fault;
	char text[160];

	if (json_in_text(http_call_request(a->base.call)->body, 0, &a->body, &e) < 0)
		return bad_body(a, json_in_explain(&e, text, sizeof text));
	c = rcur_of(a->body.p, a->body.len);
	if (walk_read(&c, &map) < 0 || map.type != WALK_MAP || map.count != 1)
		return bad_body(a, "it is not an object with one member");
	if (walk_read(&c, &key) < 0 || !span_eq(key.data, SPAN_LIT("address")))
		return bad_body(a, "the member is not `address`");
	if (walk_read(&c, &value) < 0 || value.type != WALK_STR)
		return bad_body(a, "`address` is no text");
	a->address = value.data;
	fault = views_address_fault(a->address);
	return !fault || refuse(a, "this cannot be the address of a view", "address", fault);
}

void api_views_list(void *arg, struct http_call *call)
{
	struct ask *a = begin(arg, call, list, false);

	if (a)
		api_job_start(&a->base);
}

void api_views_put(void *arg, struct http_call *call)
{
	struct ask *a = begin(arg, call, put, true);

	if (a && take_name(a) && take_address(a))
		api_job_start(&a->base);
}

void api_views_delete(void *arg, struct http_call *call)
{
	struct ask *a = begin(arg, call, drop, true);

	if (a && take_name(a))
		api_job_start(&a->base);
}

/* ---------------------------------------------------------------- where it is */

/* "/var/lib/astrolabe/" and what it is called whoever names it: beside it, not in it. */
static void beside(const char *data, char path[PATH_BYTES])
{
	char real[PATH_MAX];
	size_t n;

	snprintf(path, PATH_BYTES, "%s", realpath(data, real) ? real : data);
	n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		path[--n] = 0;
	snprintf(path + n, PATH_BYTES - n, ".views.json");
}

static void find_path(const struct conf *conf, char path[PATH_BYTES])
{
	const char *given = conf_text(conf, CONF_QUERY_VIEWS);
	const char *state = getenv("STATE_DIRECTORY");

	if (*given)
		snprintf(path, PATH_BYTES, "%s", given);
	else if (state && *state)
		/* Of several the first. */
		snprintf(path, PATH_BYTES, "%.*s/views.json", (int)strcspn(state, ":"), state);
	else
		beside(conf_text(conf, CONF_STORE_DATA), path);
}

int api_views_open(struct query *q, struct diag *d)
{
	struct api_views *v = calloc(1, sizeof *v);
	char path[PATH_BYTES];
	const char *slash;

	if (!v)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the saved views");
	find_path(&q->conf, path);
	slash = strrchr(path, '/');
	snprintf(v->dir, sizeof v->dir, "%.*s", slash > path ? (int)(slash - path) : 1,
		slash ? path : ".");
	if ((size_t)snprintf(v->name, sizeof v->name, "%s", slash ? slash + 1 : path) >=
			sizeof v->name ||
		!v->name[0]) {
		free(v);
		return diag_set(d, ERR_SYNTAX, path, -1,
			"cannot be the file of saved views: see views of [query]");
	}
	uv_mutex_init(&v->lock);
	q->views = v;
	return 0;
}

void api_views_close(struct query *q)
{
	if (!q->views)
		return;
	uv_mutex_destroy(&q->views->lock);
	free(q->views);
	q->views = NULL;
}
