#include "query/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/http/http_accept.h"
#include "query/web/assets.h"

#define WEB_POLICY                                                                           \
	"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; " \
	"img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "          \
	"frame-ancestors 'none'\r\n"                                                         \
	"Referrer-Policy: no-referrer\r\n"

static int by_name(const void *key, const void *at)
{
	const struct span *name = key;
	const struct assets_file *file = at;
	size_t n = strlen(file->name);
	int rc = memcmp(name->p, file->name, name->n < n ? name->n : n);

	return rc != 0 ? rc : (name->n > n) - (name->n < n);
}

static const struct assets_file *find(struct span name)
{
	return bsearch(&name, assets_files, assets_files_count, sizeof assets_files[0], by_name);
}

static void answer(struct http_call *call, const struct assets_file *file)
{
	const struct http_parse_request *req = http_call_request(call);
	bool gzip = http_accept_gzip(req);
	char fields[640], tag[64];
	struct http_call_head head = {
		.status = 200, .type = file->type, .fields = fields, .cache = "no-cache"
	};
	struct buf body;

	snprintf(tag, sizeof tag, "\"%s%s\"", file->etag, gzip ? "-gz" : "");
	snprintf(fields, sizeof fields, "%sVary: Accept-Encoding\r\nETag: %s\r\n%s", WEB_POLICY,
		tag, gzip ? "Content-Encoding: gzip\r\n" : "");
	buf_init(&body, file->plain_bytes + file->gzip_bytes);
	if (http_accept_has(req, span_str(tag)))
		head.status = 304;
	else if (gzip)
		buf_put(&body, file->gzip, file->gzip_bytes);
	else
		buf_put(&body, file->plain, file->plain_bytes);
	http_call_reply(call, &head, &body);
}

void web_page(void *arg, struct http_call *call)
{
	(void)arg;
	answer(call, find(SPAN_LIT("index.html")));
}

void web_openapi(void *arg, struct http_call *call)
{
	(void)arg;
	answer(call, find(SPAN_LIT("openapi.json")));
}

void web_file(void *arg, struct http_call *call)
{
	const struct assets_file *file = find(http_call_part(call));
	struct http_call_problem p = { .status = 404,
		.error = "no such file",
		.field = "path",
		.hint = "the viewer is at /" };

	(void)arg;
	if (file)
		answer(call, file);
	else
		http_call_problem(call, &p);
}
