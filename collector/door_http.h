/*
 * door_http - events by HTTP: one route for each shape of bodies (http_intake.h says what a shape is; a
 * new one is a file, and a line here). And the collector's own pages: GET /metrics (Prometheus), /healthz
 * (it runs), /readyz (it takes events and makes them durable: 503 with the reason when it does not).
 *
 * Life:    open, put into the list of doors, run by the loop, close, free when the loop has run to its end.
 * Thread:  the loop's.
 */
#ifndef COLLECTOR_DOOR_HTTP_H
#define COLLECTOR_DOOR_HTTP_H

#include "collector/collector.h"
#include "collector/http_intake.h"
#include "proto/base/diag.h"
#include "proto/net/addr.h"

int door_http_open(
	struct collector *c, const struct addr *at, struct door_http **out, struct diag *d);
const struct addr *door_http_addr(const struct door_http *h);

struct door_http_counts {
	struct http_intake_counts intake;
	uint64_t conns_open;
	uint64_t conns_refused; /* LIMIT_POST_CONNS was reached */
	uint64_t malformed;     /* requests that were no HTTP */
	uint64_t too_large;     /* heads and bodies */
	uint64_t timeouts;
	uint64_t bytes_in;
};
void door_http_counts(const struct door_http *h, struct door_http_counts *out);

#endif
