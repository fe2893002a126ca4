#include "collector/door_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/figures.h"
#include "collector/http_alerts.h"
#include "collector/http_bulk.h"
#include "collector/http_es.h"
#include "collector/http_intake.h"
#include "collector/http_jsonline.h"
#include "collector/http_logs.h"
#include "collector/http_loki.h"
#include "collector/room.h"
#include "collector/rules.h"
#include "collector/seal.h"
#include "proto/base/check.h"
#include "proto/http/http_server.h"
#include "proto/svc/metrics.h"
#include "proto/svc/version.h"

enum { METRICS_PAGE_BYTES = 1 << 20 };

struct door_http {
	struct door door;
	struct collector *c;
	struct http_server *server;
	struct http_intake *intake;
	uint64_t looks; /* at the end, while bodies were on their way */
	bool ending;    /* nobody is waited for any more */
};

/* ---------------------------------------------------------------- pages */

static void on_metrics(void *arg, struct http_call *call)
{
	static const struct http_call_head head = { .status = 200, .type = METRICS_CONTENT_TYPE };
	struct door_http *h = arg;
	struct buf page;

	figures_refresh(h->c);
	buf_init(&page, METRICS_PAGE_BYTES);
	metrics_print(&page, METRICS_GROUP_COLLECTOR | METRICS_GROUP_STORE | METRICS_GROUP_PROCESS);
	rules_print(h->c, &page);
	http_call_reply(call, &head, &page);
	buf_fini(&page);
}

static void on_health(void *arg, struct http_call *call)
{
	char text[128];

	(void)arg;
	snprintf(text, sizeof text, "{\"status\":\"success\",\"version\":\"%s\"}\n", version_text);
	http_call_text(call, 200, "application/json", text);
}

/* Ready is who takes events, though it be not for long. */
static const char *ready_text(struct collector *c)
{
	struct room_watch_figures room;

	room_figures(c->room, &room);
	if (!room.stuck)
		return "{\"status\":\"success\"}\n";
	return "{\"status\":\"success\",\"warning\":\"the disk is nearly full and no event may be "
	       "dropped\",\"hint\":\"make room on it, or end a hold\"}\n";
}

static void on_ready(void *arg, struct http_call *call)
{
	struct collector *c = ((struct door_http *)arg)->c;
	struct http_call_problem p = { .status = 503 };

	if (c->stop) {
		p.error = "the collector is stopping";
		p.hint = "try again in a moment";
	} else if (c->full) {
		p.error = "the disk is full: nothing is taken";
		p.hint = "make room on it, or lower disk_hard; it goes on by itself";
	} else if (commit_failing(c->intake.commit)) {
		p.error = "events cannot be made durable";
		p.hint = "the log of astrocollectd says why; nothing is acknowledged meanwhile";
	} else {
		http_call_text(call, 200, "application/json", ready_text(c));
		return;
	}
	http_call_problem(call, &p);
}

/* ---------------------------------------------------------------- events */

static void on_logs(void *arg, struct http_call *call)
{
	http_intake_post(((struct door_http *)arg)->intake, call, &http_logs_shape);
}

static void on_jsonline(void *arg, struct http_call *call)
{
	http_intake_post(((struct door_http *)arg)->intake, call, &http_jsonline_shape);
}

static void on_alerts(void *arg, struct http_call *call)
{
	http_intake_post(((struct door_http *)arg)->intake, call, &http_alerts_shape);
}

static void on_bulk(void *arg, struct http_call *call)
{
	http_intake_post(((struct door_http *)arg)->intake, call, &http_bulk_shape);
}

static void on_loki(void *arg, struct http_call *call)
{
	http_intake_post(((struct door_http *)arg)->intake, call, &http_loki_shape);
}

/* Of a shape: its bodies are taken as they come. */
#define EVENTS(path, handle)                                                                 \
	{                                                                                    \
		path, HTTP_PARSE_POST, handle, .body_max = LIMIT_POST_BYTES, .streams = true \
	}

/* Under the path that clients of Elasticsearch have as their base. */
#define ES_BULK(base)                                                    \
	EVENTS(base "/_bulk", on_bulk), EVENTS(base "/_bulk/", on_bulk), \
		EVENTS(base "/{index}/_bulk", on_bulk)
#define ES_PAGE(base, path, handle)               \
	{                                         \
		base path, HTTP_PARSE_GET, handle \
	}
#define ES_THING(path)                                                                       \
	{                                                                                    \
		path, HTTP_PARSE_GET | HTTP_PARSE_PUT | HTTP_PARSE_POST | HTTP_PARSE_DELETE, \
			http_es_thing, .body_max = LIMIT_ES_THING_BYTES, .streams = true     \
	}
#define ES(base)                                                                                  \
	ES_BULK(base), ES_PAGE(base, "/", http_es_info),                                          \
		ES_PAGE(base, "/_license", http_es_license),                                      \
		ES_PAGE(base, "/_xpack", http_es_xpack),                                          \
		ES_PAGE(base, "/_cluster/health", http_es_health),                                \
		ES_PAGE(base, "/_cat/health", http_es_cat_health),                                \
		ES_THING(base "/_ilm/policy/{name}"), ES_THING(base "/_template/{name}"),         \
		ES_THING(base "/_index_template/{name}"),                                         \
		ES_THING(base "/_component_template/{name}"),                                     \
		ES_THING(base "/_data_stream/{name}"), ES_THING(base "/_ingest/pipeline/{name}"), \
		ES_THING(base "/_alias/{name}")

static const struct http_server_route routes[] = {
	{ "/metrics", HTTP_PARSE_GET, on_metrics },
	{ "/healthz", HTTP_PARSE_GET, on_health },
	{ "/readyz", HTTP_PARSE_GET, on_ready },
	EVENTS("/api/logs", on_logs),
	EVENTS("/api/alerts", on_alerts),
	EVENTS("/insert/jsonline", on_jsonline),
	EVENTS("/loki/api/v1/push", on_loki),
	EVENTS("/insert/loki/api/v1/push", on_loki),
	{ "/ready", HTTP_PARSE_GET, on_ready },
	{ "/insert/loki/ready", HTTP_PARSE_GET, on_ready },
	ES(""),
	ES("/elasticsearch"),
	ES_PAGE("/elasticsearch", "", http_es_info),
	ES("/insert/elasticsearch"),
	ES_PAGE("/insert/elasticsearch", "", http_es_info),
};

/* ---------------------------------------------------------------- as a door */

static struct door_http *of(struct door *d)
{
	return (struct door_http *)d;
}

static void durable(struct door *d)
{
	http_intake_durable(of(d)->intake);
}

/* A request under way is waited for, though nothing of it came just now. */
static uint64_t bytes_in(struct door *d)
{
	of(d)->looks += http_intake_reading(of(d)->intake);
	return http_server_counters(of(d)->server)->bytes_in + of(d)->looks;
}

static void stop_reading(struct door *d)
{
	http_intake_stop_reading(of(d)->intake);
}

static void end_all(struct door *d)
{
	of(d)->ending = true;
	http_intake_end_all(of(d)->intake);
}

/* Not before the last answers are with the kernel. /readyz is answered to the end. */
static bool empty(struct door *d)
{
	return http_intake_empty(of(d)->intake) &&
	       (of(d)->ending || http_server_counters(of(d)->server)->held_bytes == 0);
}

static void close_door(struct door *d)
{
	http_server_close(of(d)->server, NULL, NULL);
	http_intake_close(of(d)->intake);
}

static void free_door(struct door *d)
{
	http_intake_free(&of(d)->intake);
	free(of(d));
}

static const struct door_ops ops = { .durable = durable,
	.bytes_in = bytes_in,
	.stop_reading = stop_reading,
	.end_all = end_all,
	.empty = empty,
	.close = close_door,
	.free = free_door };

/* ---------------------------------------------------------------- life */

int door_http_open(
	struct collector *c, const struct addr *at, struct door_http **out, struct diag *d)
{
	struct door_http *h = calloc(1, sizeof *h);
	struct http_server_conf conf = { .routes = routes,
		.routes_count = ARRAY_COUNT(routes),
		.arg = h,
		.conns_max = LIMIT_POST_CONNS };
	int rc;

	if (!h || http_intake_new(c, &h->intake) < 0) {
		free(h);
		return diag_set(d, -ENOMEM, "", -1, "no memory for the HTTP door");
	}
	h->door.ops = &ops;
	h->c = c;
	conf.admit = &c->admit[INTAKE_HTTP];
	rc = http_server_open(&c->loop, &c->http_gate, at, &conf, &h->server, d);
	if (rc < 0) {
		http_intake_close(h->intake);
		return rc; /* the process ends, and the memory with it */
	}
	door_put(&c->doors, &h->door);
	*out = h;
	return 0;
}

const struct addr *door_http_addr(const struct door_http *h)
{
	return http_server_addr(h->server);
}

void door_http_counts(const struct door_http *h, struct door_http_counts *out)
{
	const struct http_server_counters *n = http_server_counters(h->server);

	*out = (struct door_http_counts){ .intake = *http_intake_counts(h->intake),
		.conns_open = n->conns_open,
		.conns_refused = n->conns_refused,
		.malformed = n->malformed,
		.too_large = n->too_large,
		.timeouts = n->timeouts,
		.bytes_in = n->bytes_in };
}
