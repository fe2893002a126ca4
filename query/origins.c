#include "query/origins.h"

#include "proto/base/origin.h"
#include "proto/http/http_origin.h"
#include "proto/svc/metrics.h"

/* As listed, not as sent. */
static struct span listed(const struct query *q, const struct http_parse_request *req)
{
	return origin_find(
		conf_text(&q->conf, CONF_QUERY_ORIGINS), http_parse_field(req, "Origin"));
}

bool origins_ok(const struct query *q, const struct http_parse_request *req,
	struct http_call_problem *problem)
{
	if (http_origin_is_own(req) || listed(q, req).p)
		return true;
	metrics_inc(METRICS_QUERY_ORIGINS_WRONG);
	http_origin_problem(problem);
	return false;
}

/* The question before the request proper: which methods and fields that one may have. */
static void put_preflight(struct buf *out)
{
	buf_put_str(out,
		"Access-Control-Allow-Methods: GET, HEAD, POST, PUT, DELETE\r\n"
		"Access-Control-Allow-Headers: Content-Type, Content-Encoding, Idempotency-Key, "
		"Last-Event-ID\r\n"
		"Access-Control-Max-Age: 600\r\n");
}

void origins_put(void *arg, const struct http_parse_request *req, struct buf *out)
{
	const struct query *q = arg;
	struct span origin;

	/* Without CORS an answer is the same for everyone. */
	if (!*conf_text(&q->conf, CONF_QUERY_ORIGINS))
		return;
	buf_put_str(out, "Vary: Origin\r\n");
	origin = listed(q, req);
	if (!origin.p)
		return;
	buf_put_str(out, "Access-Control-Allow-Origin: ");
	buf_put_span(out, origin);
	buf_put_str(out, "\r\nAccess-Control-Expose-Headers: Content-Disposition, Retry-After\r\n");
	if (req->method == HTTP_PARSE_OPTIONS)
		put_preflight(out);
}
