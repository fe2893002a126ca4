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

static void put_target(struct buf *b, const struct source_ask *ask)
{
	buf_reset(b);
	buf_printf(b, "/api/logs?limit=%" PRIu32, ask->limit);
	for (size_t i = 0; i < ask->params_count; i++) {
		buf_printf(b, "&%s=", ask->params[i].name);
		put_encoded(b, ask->params[i].value);
	}
	if (ask->order == ENGINE_ORDER_ARRIVAL)
		buf_printf(b, "&after=%" PRIu64 "&wait=%u", ask->after, ask->wait_s);
	else
		buf_printf(b, "&order=%s", ask->order == ENGINE_ORDER_ASC ? "asc" : "desc");
	if (*ask->cursor) {
		buf_put_str(b, "&cursor=");
		put_encoded(b, ask->cursor);
	}
	if (!ask->total)
		buf_put_str(b, "&total=none");
	buf_put_u8(b, 0);
}

static int unreachable(struct source_http *s, const struct diag *why, struct diag *d)
{
	return diag_set(d, why->code, http_client_name(s->client), -1,
		"%s: %s. Is astroqueryd running there? --addr names another place, "
		"-D DIR reads a data directory without it",
		why->text, err_text(why->code));
}

static int page(
	struct source *base, const struct source_ask *ask, struct source_page *out, struct diag *d)
{
	struct source_http *s = (struct source_http *)base;
	int timeout_ms = LIMIT_CLIENT_ANSWER_MS + (int)ask->wait_s * 1000, status, rc;
	struct diag why;
	char text[200];

	put_target(&s->target, ask);
	if (s->target.err)
		return diag_set(d, -EINVAL, "", -1, "the filters are too long");
	rc = http_client_get(
		s->client, (const char *)s->target.p, timeout_ms, &s->body, &status, &why);
	if (rc < 0 && http_client_unreachable(s->client))
		return unreachable(s, &why, d);
	if (rc < 0)
		return diag_set(
			d, rc, http_client_name(s->client), -1, "%s: %s", why.text, err_text(rc));
	if (status == 200)
		return reply_read(&s->reply, buf_span(&s->body), out, d);
	reply_error(&s->reply, buf_span(&s->body), status, text, sizeof text);
	if (status == 404)
		return diag_set(d, -ENOENT, http_client_name(s->client), -1,
			"no /api/logs here: %s; is another program listening there?", text);
	return diag_set(
		d, status == 400 ? -EINVAL : -EAGAIN, http_client_name(s->client), -1, "%s", text);
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
	static const struct source_ops ops = { page, close_http };
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
