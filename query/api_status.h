/*
 * api_status - GET /api/status: what the store holds. See query/API.md.
 *
 * Thread:  the loop's; the store is looked at by a worker.
 * Memory:  one struct for each request in flight.
 * Errors:  problem objects.
 */
#ifndef QUERY_API_STATUS_H
#define QUERY_API_STATUS_H

#include "query/query.h"

/* As http_server_route: arg is the query. */
void api_status_get(void *arg, struct http_call *call);

#endif
