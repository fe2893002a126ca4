#include "collector/door_http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/figures.h"
#include "collector/room.h"
#include "collector/rules.h"
#include "collector/seal.h"
#include "proto/base/check.h"
#include "proto/http/http_server.h"
#include "proto/svc/metrics.h"
#include "proto/svc/version.h"

enum {
	METRICS_PAGE_BYTES = 1 << 20,
	CONNECTIONS = 64,
};

struct door_http {
	struct collector *c;
	struct http_server *server;
};

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

static const struct http_server_route routes[] = {
	{ "/metrics", HTTP_PARSE_GET, on_metrics },
	{ "/healthz", HTTP_PARSE_GET, on_health },
	{ "/readyz", HTTP_PARSE_GET, on_ready },
};

int door_http_open(
	struct collector *c, const struct addr *at, struct door_http **out, struct diag *d)
{
	struct door_http *h = calloc(1, sizeof *h);
	struct http_server_conf conf = { .routes = routes,
		.routes_count = ARRAY_COUNT(routes),
		.arg = h,
		.conns_max = CONNECTIONS };
	int rc;

	if (!h)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the HTTP door");
	h->c = c;
	rc = http_server_open(&c->loop, &c->http_gate, at, &conf, &h->server, d);
	if (rc < 0) {
		free(h);
		return rc;
	}
	*out = h;
	return 0;
}

const struct addr *door_http_addr(const struct door_http *h)
{
	return http_server_addr(h->server);
}

void door_http_close(struct door_http *h)
{
	http_server_close(h->server, NULL, NULL);
	h->server = NULL;
}

void door_http_free(struct door_http **h)
{
	free(*h);
	*h = NULL;
}
