#include "tools/source_http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "tools/http_client.h"
#include "tools/reply.h"

struct source_http {
	struct source base;
	struct http_client *client;
	struct reply reply;
	struct buf target;
	struct buf body;
};

/* RFC 3986: all but the unreserved characters are encoded. */
static void put_encoded(struct buf *b, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			strchr("-._~", c))
			buf_put_u8(b, c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

static void put_param(struct buf *b, const char *name, const char *value)
{
	buf_put_u8(b, memchr(b->p, '?', b->len) ? '&' : '?');
	buf_put_str(b, name);
	buf_put_u8(b, '=');
	put_encoded(b, value);
}

static void put_target(struct buf *b, const struct source_ask *ask)
{
	buf_reset(b);
	buf_printf(b, "/api/logs?limit=%" PRIu32, ask->limit);
	for (size_t i = 0; i < ask->params_count; i++)
		put_param(b, ask->params[i].name, ask->params[i].value);
	if (ask->order == ENGINE_ORDER_ARRIVAL)
		buf_printf(b, "&after=%" PRIu64 "&wait=%u", ask->after, ask->wait_s);
	else
		buf_printf(b, "&order=%s", ask->order == ENGINE_ORDER_ASC ? "asc" : "desc");
	if (*ask->cursor)
		put_param(b, "cursor", ask->cursor);
	if (!ask->total)
		buf_put_str(b, "&total=none");
}

static int unreachable(struct source_http *s, const struct diag *why, struct diag *d)
{
	return diag_set(d, why->code, http_client_name(s->client), -1,
		"%s: %s. Is astroqueryd running there? --addr names another place, "
		"-D DIR reads a data directory without it",
		why->text, err_text(why->code));
}

/* What the answer's status means, where it is not 200. */
static int refused(struct source_http *s, int status, struct diag *d)
{
	char text[200];

	reply_error(&s->reply, buf_span(&s->body), status, text, sizeof text);
	if (status == 404 || status == 405)
		return diag_set(d, -ENOENT, http_client_name(s->client), -1,
			"%.*s is not answered here: %s; is another program listening there?",
			(int)strcspn((const char *)s->target.p, "?"), (const char *)s->target.p,
			text);
	return diag_set(
		d, status == 400 ? -EINVAL : -EAGAIN, http_client_name(s->client), -1, "%s", text);
}

static int failed(struct source_http *s, const struct diag *why, struct diag *d)
{
	if (http_client_unreachable(s->client))
		return unreachable(s, why, d);
	return diag_set(d, why->code, http_client_name(s->client), -1, "%s: %s", why->text,
		err_text(why->code));
}

/* The body of a 200 of the target, which is complete. */
static int get(struct source_http *s, unsigned wait_s, struct diag *d)
{
	int status, rc;
	struct diag why;

	buf_put_u8(&s->target, 0);
	if (s->target.err)
		return diag_set(d, -EINVAL, "", -1, "the filters are too long");
	rc = http_client_get(s->client, (const char *)s->target.p,
		LIMIT_CLIENT_ANSWER_MS + (int)wait_s * 1000, &s->body, &status, &why);
	if (rc < 0)
		return failed(s, &why, d);
	return status == 200 ? 0 : refused(s, status, d);
}

static int page(
	struct source *base, const struct source_ask *ask, struct source_page *out, struct diag *d)
{
	struct source_http *s = (struct source_http *)base;
	int rc;

	put_target(&s->target, ask);
	rc = get(s, ask->wait_s, d);
	return rc < 0 ? rc : reply_read(&s->reply, buf_span(&s->body), out, d);
}

static int around(struct source *base, const struct source_around *ask, struct source_page *out,
	struct diag *d)
{
	struct source_http *s = (struct source_http *)base;
	int rc;

	buf_reset(&s->target);
	buf_printf(&s->target, "/api/logs/%" PRIu64 "/context?before=%" PRIu32 "&after=%" PRIu32,
		ask->id, ask->before, ask->after);
	if (ask->same)
		put_param(&s->target, "same", ask->same);
	rc = get(s, 0, d);
	return rc < 0 ? rc : reply_read_context(&s->reply, buf_span(&s->body), out, d);
}

static const char *const paths[] = {
	[SOURCE_QUERY] = "/api/query",
	[SOURCE_FIELDS] = "/api/fields",
	[SOURCE_EXPLAIN] = "/api/explain",
	[SOURCE_EXPORT] = "/api/logs/export",
};

static void put_question(struct buf *b, const struct source_question *q)
{
	buf_reset(b);
	buf_put_str(b, paths[q->what]);
	for (size_t i = 0; i < q->params_count; i++)
		put_param(b, q->params[i].name, q->params[i].value);
}

static int ask(
	struct source *base, const struct source_question *q, struct span *out, struct diag *d)
{
	struct source_http *s = (struct source_http *)base;
	int rc;

	put_question(&s->target, q);
	rc = get(s, 0, d);
	return rc < 0 ? rc : reply_read_document(&s->reply, buf_span(&s->body), out, d);
}

static int export(struct source *base, const struct source_question *q, source_put_cb put,
	void *arg, struct diag *d)
{
	struct source_http *s = (struct source_http *)base;
	int status, rc;
	struct diag why;

	put_question(&s->target, q);
	buf_put_u8(&s->target, 0);
	if (s->target.err)
		return diag_set(d, -EINVAL, "", -1, "the filters are too long");
	rc = http_client_stream(s->client, (const char *)s->target.p, LIMIT_CLIENT_ANSWER_MS, put,
		arg, &s->body, &status, &why);
	if (rc < 0)
		return failed(s, &why, d);
	return status == 200 ? 0 : refused(s, status, d);
}

static void close_http(struct source *base)
{
	struct source_http *s = (struct source_http *)base;

	http_client_close(&s->client);
	reply_fini(&s->reply);
	buf_fini(&s->target);
	buf_fini(&s->body);
	free(s);
}

int source_http_open(const char *addr, struct source **out, struct diag *d)
{
	static const struct source_ops ops = { page, around, ask, export, close_http };
	struct source_http *s = calloc(1, sizeof *s);
	int rc;

	if (!s)
		return diag_set(d, -ENOMEM, "", -1, "no memory for a connection");
	s->base.ops = &ops;
	reply_init(&s->reply);
	buf_init(&s->target, LIMIT_CLIENT_HEAD_BYTES);
	buf_init(&s->body, LIMIT_CLIENT_BODY_BYTES);
	rc = http_client_open(addr, SOURCE_HTTP_PORT, &s->client, d);
	if (rc < 0) {
		close_http(&s->base);
		return rc;
	}
	*out = &s->base;
	return 0;
}
