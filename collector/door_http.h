/*
 * door_http - the collector's own small HTTP: GET /metrics (Prometheus), /healthz (it runs), /readyz
 * (it takes events and makes them durable: 503 with the reason when it does not).
 *
 * Life:    open, run by the loop, close, free when the loop has run to its end.
 * Thread:  the loop's.
 */
#ifndef COLLECTOR_DOOR_HTTP_H
#define COLLECTOR_DOOR_HTTP_H

#include "collector/collector.h"
#include "proto/base/diag.h"
#include "proto/net/addr.h"

int door_http_open(
	struct collector *c, const struct addr *at, struct door_http **out, struct diag *d);
const struct addr *door_http_addr(const struct door_http *h);
void door_http_close(struct door_http *h);
void door_http_free(struct door_http **h);

#endif
