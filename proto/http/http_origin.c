#include "proto/http/http_origin.h"

#include <string.h>
#include <strings.h>

static bool begins(struct span s, const char *with)
{
	size_t n = strlen(with);

	return s.n >= n && strncasecmp((const char *)s.p, with, n) == 0;
}

/* "localhost:9000", "127.0.0.1", "[::1]:9000": what nobody can rebind. */
static bool is_fixed(struct span host)
{
	const uint8_t *colon;

	if (begins(host, "["))
		return true;
	colon = host.n ? memchr(host.p, ':', host.n) : NULL;
	if (colon)
		host.n = (size_t)(colon - host.p);
	if (host.n == 9 && begins(host, "localhost"))
		return true;
	for (size_t i = 0; i < host.n; i++) {
		if ((host.p[i] < '0' || host.p[i] > '9') && host.p[i] != '.')
			return false;
	}
	return host.n > 0;
}

bool http_origin_is_own(const struct http_parse_request *req)
{
	struct span origin = http_parse_field(req, "Origin");
	struct span site = http_parse_field(req, "Sec-Fetch-Site");
	size_t scheme = begins(origin, "http://") ? 7 : begins(origin, "https://") ? 8 : 0;

	if (site.n == 10 && begins(site, "cross-site"))
		return false;
	if (!origin.p)
		return true;
	if (scheme == 0 || req->host.n == 0)
		return false;
	return origin.n - scheme == req->host.n &&
	       strncasecmp((const char *)origin.p + scheme, (const char *)req->host.p,
		       req->host.n) == 0;
}

void http_origin_problem(struct http_call_problem *problem)
{
	*problem = (struct http_call_problem){ .status = 403,
		.error = "a page of another site may not do this",
		.field = "Origin",
		.hint = "send it from a program, or from a page of this server" };
}

bool http_origin_ok(const struct http_parse_request *req, struct http_call_problem *problem)
{
	bool named = http_parse_field(req, "Origin").p != NULL;

	if (http_origin_is_own(req) && (!named || is_fixed(req->host)))
		return true;
	http_origin_problem(problem);
	return false;
}
