#include "query/api.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/svc/metrics.h"
#include "proto/svc/version.h"
#include "query/api_event.h"
#include "query/api_explain.h"
#include "query/api_export.h"
#include "query/api_fields.h"
#include "query/api_logs.h"
#include "query/api_query.h"
#include "query/api_relay.h"
#include "query/api_stats.h"
#include "query/api_status.h"
#include "query/api_views.h"
#include "query/live.h"
#include "query/origins.h"
#include "query/web.h"
#include "storage/footprint.h"

enum {
	METRICS_PAGE_BYTES = 1 << 20,
	STATE_TEXT_BYTES = 600,
};

/* ---------------------------------------------------------------- small pages */

static void on_health(void *arg, struct http_call *call)
{
	char text[128];

	(void)arg;
	snprintf(text, sizeof text, "{\"status\":\"success\",\"version\":\"%s\"}\n", version_text);
	http_call_text(call, 200, "application/json", text);
}

static void on_ready(void *arg, struct http_call *call)
{
	struct query *q = arg;
	char text[STATE_TEXT_BYTES];
	struct diag why;
	struct http_call_problem p = { .status = 503, .fields = "Retry-After: 1\r\n" };

	if (q->stopping) {
		p.error = "the query daemon is stopping";
		p.hint = "try again in a moment";
	} else if (view_state(q->view, &why) < 0) {
		p.error = "the store cannot be read";
		p.hint = diag_format(&why, text, sizeof text);
	} else {
		http_call_text(call, 200, "application/json", "{\"status\":\"success\"}\n");
		return;
	}
	http_call_problem(call, &p);
}

/* ---------------------------------------------------------------- metrics */

static void refresh_http(const struct http_server_counters *n)
{
	metrics_set(METRICS_QUERY_REQUESTS, (int64_t)n->requests);
	for (int i = 2; i <= 5; i++)
		metrics_set(METRICS_QUERY_REPLIES_2XX + (i - 2), (int64_t)n->replies[i]);
	metrics_set(METRICS_QUERY_CONNECTIONS, (int64_t)n->conns_open);
	metrics_set(METRICS_QUERY_ACCEPTED, (int64_t)n->conns_total);
	metrics_set(METRICS_QUERY_REFUSED, (int64_t)n->conns_refused);
	metrics_set(METRICS_QUERY_MALFORMED, (int64_t)n->malformed);
	metrics_set(METRICS_QUERY_TOO_LARGE, (int64_t)n->too_large);
	metrics_set(METRICS_QUERY_TIMEOUTS, (int64_t)n->timeouts);
	metrics_set(METRICS_QUERY_HOSTS_WRONG, (int64_t)n->hosts_wrong);
	metrics_set(METRICS_QUERY_GONE, (int64_t)n->gone);
	metrics_set(METRICS_QUERY_SHED, (int64_t)n->shed);
	metrics_set(METRICS_QUERY_BYTES_IN, (int64_t)n->bytes_in);
	metrics_set(METRICS_QUERY_BYTES_OUT, (int64_t)n->bytes_out);
	metrics_set(METRICS_QUERY_HELD_BYTES, (int64_t)n->held_bytes);
}

static void refresh_relay(const struct api_relay_counts *n)
{
	if (!n)
		return;
	metrics_set(METRICS_QUERY_RELAYS, (int64_t)n->requests);
	metrics_set(METRICS_QUERY_RELAY_FAILED, (int64_t)n->failed);
	metrics_set(METRICS_QUERY_RELAY_FULL, (int64_t)n->full);
	metrics_set(METRICS_QUERY_RELAY_HELD, (int64_t)n->held);
}

static void refresh_live(const struct live_counts *n)
{
	metrics_set(METRICS_QUERY_TAILS, n->tails);
	metrics_set(METRICS_QUERY_TAILS_TOTAL, (int64_t)n->opened);
	metrics_set(METRICS_QUERY_TAILS_FULL, (int64_t)n->full);
	metrics_set(METRICS_QUERY_TAIL_QUESTIONS, n->questions);
	metrics_set(METRICS_QUERY_TAIL_TURNS, (int64_t)n->turns);
	metrics_set(METRICS_QUERY_TAIL_RUN_NS, (int64_t)n->run_ns);
	metrics_set(METRICS_QUERY_TAIL_MESSAGES, (int64_t)n->messages);
	metrics_set(METRICS_QUERY_TAIL_EVENTS, (int64_t)n->events);
	metrics_set(METRICS_QUERY_TAIL_DROPPED, (int64_t)n->dropped);
	metrics_set(METRICS_QUERY_TAIL_CUT, (int64_t)n->cut);
	metrics_set(METRICS_QUERY_TAIL_SILENT, (int64_t)n->silent);
	metrics_set(METRICS_QUERY_TAIL_BROKEN, (int64_t)n->broken);
	metrics_set(METRICS_QUERY_TAIL_TOO_LARGE, (int64_t)n->too_large);
	metrics_set(METRICS_QUERY_TAIL_HELD, (int64_t)n->held);
}

static void refresh_store(void)
{
	struct store_reader_costs n;

	store_reader_costs(&n);
	metrics_set(METRICS_QUERY_JOURNAL_DECODED, (int64_t)n.rows_decoded);
	metrics_set(METRICS_QUERY_SEGMENTS_CLOSED, (int64_t)n.segments_closed);
	metrics_set(METRICS_QUERY_LETTERS_UNNOTED, (int64_t)n.letters_unnoted);
}

static void refresh_memory(void)
{
	struct footprint_use n;

	footprint_use(&n);
	metrics_set(METRICS_QUERY_OWN_BYTES, (int64_t)n.own_bytes);
	metrics_set(METRICS_QUERY_TRIMS, (int64_t)n.trims);
	metrics_set(METRICS_QUERY_OVER, (int64_t)n.overs);
}

static void on_metrics(void *arg, struct http_call *call)
{
	static const struct http_call_head head = { .status = 200, .type = METRICS_CONTENT_TYPE };
	struct query *q = arg;
	struct diag why;
	struct buf page;

	refresh_http(http_server_counters(q->server));
	refresh_relay(api_relay_counts(q));
	refresh_live(live_counts(q));
	refresh_store();
	refresh_memory();
	metrics_set(METRICS_QUERY_EXPORTS_OPEN, (int64_t)q->exports);
	metrics_set(METRICS_QUERY_QUEUED, (int64_t)pool_queued(q->pool));
	metrics_set(METRICS_QUERY_WAITING, waiters_count(q->waiters));
	metrics_set(METRICS_QUERY_COMMITTED, (int64_t)view_committed(q->view));
	metrics_set(METRICS_QUERY_READY, view_state(q->view, &why) == 0);
	buf_init(&page, METRICS_PAGE_BYTES);
	metrics_print(&page, METRICS_GROUP_QUERY | METRICS_GROUP_PROCESS);
	http_call_reply(call, &head, &page);
}

/* ---------------------------------------------------------------- hosts */

/* An address cannot be rebound to another one, a name can: of names only ours are taken. */
static bool is_address(struct span host)
{
	if (host.n == 0 || host.p[0] == '[')
		return true;
	for (size_t i = 0; i < host.n; i++) {
		if ((host.p[i] < '0' || host.p[i] > '9') && host.p[i] != '.')
			return false;
	}
	return true;
}

static bool same_name(struct span host, const char *name, size_t n)
{
	return host.n == n && strncasecmp((const char *)host.p, name, n) == 0;
}

static bool host_ok(void *arg, struct span host)
{
	const struct query *q = arg;
	const char *names = conf_text(&q->conf, CONF_QUERY_HOSTS);

	if (is_address(host) || same_name(host, "localhost", 9))
		return true;
	while (*names) {
		size_t n = strcspn(names, " ,");

		if (n > 0 && same_name(host, names, n))
			return true;
		names += n + (names[n] != 0);
	}
	return false;
}

/* ---------------------------------------------------------------- the table */

#define RELAYED(path)                                                                      \
	{                                                                                  \
		path, HTTP_PARSE_POST, api_relay_post, .body_max = LIMIT_RELAY_BODY_BYTES, \
						       .streams = true                     \
	}

static const struct http_server_route routes[] = {
	{ "/", HTTP_PARSE_GET, web_page },
	{ "/live", HTTP_PARSE_GET, web_page },
	{ "/stats", HTTP_PARSE_GET, web_page },
	{ "/notifications", HTTP_PARSE_GET, web_page },
	{ "/thoughts", HTTP_PARSE_GET, web_page },
	{ "/status", HTTP_PARSE_GET, web_page },
	{ "/web/{file}", HTTP_PARSE_GET, web_file },
	{ "/api/logs", HTTP_PARSE_GET, api_logs_get },
	RELAYED("/api/logs"),
	RELAYED("/api/alerts"),
	{ "/api/logs/stats", HTTP_PARSE_GET, api_stats_get },
	{ "/api/logs/export", HTTP_PARSE_GET, api_export_get },
	{ "/api/logs/tail", HTTP_PARSE_GET, live_stream },
	{ "/ws/logs", HTTP_PARSE_GET, live_socket },
	{ "/api/logs/{id}", HTTP_PARSE_GET, api_event_get },
	{ "/api/logs/{id}/context", HTTP_PARSE_GET, api_event_context },
	{ "/api/fields", HTTP_PARSE_GET, api_fields_get },
	{ "/api/status", HTTP_PARSE_GET, api_status_get },
	{ "/api/fields/{name}/values", HTTP_PARSE_GET, api_fields_values },
	{ "/api/query", HTTP_PARSE_GET, api_query_get },
	{ "/api/explain", HTTP_PARSE_GET, api_explain_get },
	{ "/api/views", HTTP_PARSE_GET, api_views_list },
	{ "/api/views/{name}", HTTP_PARSE_PUT, api_views_put, .body_max = LIMIT_VIEW_BODY_BYTES },
	{ "/api/views/{name}", HTTP_PARSE_DELETE, api_views_delete },
	{ "/api/openapi.json", HTTP_PARSE_GET, web_openapi },
	{ "/healthz", HTTP_PARSE_GET, on_health },
	{ "/readyz", HTTP_PARSE_GET, on_ready },
	{ "/metrics", HTTP_PARSE_GET, on_metrics },
};

static unsigned milliseconds(const struct conf *conf, enum conf_key key)
{
	int64_t ms = conf_num(conf, key) / CLOCK_NS_PER_MS;

	ASSERT(ms >= 0);
	return ms > INT32_MAX ? INT32_MAX : (unsigned)ms;
}

void api_settings(struct query *q)
{
	unsigned conns = (unsigned)conf_num(&q->conf, CONF_QUERY_CONNECTIONS_MAX);

	http_server_retune(q->server, conns < q->gate.open_max ? conns : q->gate.open_max,
		milliseconds(&q->conf, CONF_QUERY_HEADER_TIMEOUT),
		milliseconds(&q->conf, CONF_QUERY_IDLE_TIMEOUT));
}

int api_open(struct query *q, const struct addr *at, struct diag *d)
{
	const struct http_server_conf conf = { .routes = routes,
		.routes_count = ARRAY_COUNT(routes),
		.arg = q,
		.host_ok = host_ok,
		.put_fields = origins_put };
	int rc = http_server_open(&q->loop, &q->gate, at, &conf, &q->server, d);

	if (rc == 0)
		api_settings(q);
	return rc;
}
