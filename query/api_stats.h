/*
 * api_stats - GET /api/logs/stats: how many events there are, of which types, and when.
 *
 * Thread: the loop's; the counting itself in a worker of pool.
 * Memory: one struct a request, its agg_results in the worker, its JSON until it is sent.
 */
#ifndef QUERY_API_STATS_H
#define QUERY_API_STATS_H

#include "query/query.h"

/* The route's handler; arg is the struct query. */
void api_stats_get(void *arg, struct http_call *call);

#endif
