/*
 * http_bulk - POST /_bulk and /{index}/_bulk, as the clients of Elasticsearch send it: an action and a
 * document on each two lines (proto/wire/es_bulk.h), documents of the Elastic Common Schema or of our own
 * names (proto/wire/ecs.h).
 *
 * `create` and `index` store an event; `update` and `delete` are answered as failed, for events do not
 * change. Each action has its item in the answer, 201 when its event is durable. A document that is bad
 * fails its own action; a line that should be an action and is none ends the request with 400, for nobody
 * knows then which line is what.
 */
#ifndef COLLECTOR_HTTP_BULK_H
#define COLLECTOR_HTTP_BULK_H

#include "collector/http_intake.h"

extern const struct http_intake_shape http_bulk_shape;

/* What their clients look for in the answers of Elasticsearch: a header line. */
#define HTTP_BULK_PRODUCT "X-Elastic-Product: Elasticsearch\r\n"

#endif
