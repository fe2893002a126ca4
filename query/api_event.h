/*
 * api_event - GET /api/logs/{id} and GET /api/logs/{id}/context: one event, and what is around it.
 *
 * Thread:  the loop's; the query itself in a worker of pool.
 * Memory:  one struct a request, its context_result in the worker, its JSON until it is sent.
 */
#ifndef QUERY_API_EVENT_H
#define QUERY_API_EVENT_H

#include "query/query.h"

/* The routes' handlers; arg is the struct query. */
void api_event_get(void *arg, struct http_call *call);
void api_event_context(void *arg, struct http_call *call);

#endif
