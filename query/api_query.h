/*
 * api_query - GET /api/query: aggregations.
 *
 * Thread: the loop's; the aggregation itself in a worker of pool.
 * Memory: one struct a request, its agg_result in the worker, its JSON until it is sent.
 */
#ifndef QUERY_API_QUERY_H
#define QUERY_API_QUERY_H

#include "query/query.h"

/* The route's handler; arg is the struct query. */
void api_query_get(void *arg, struct http_call *call);

#endif
