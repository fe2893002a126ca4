/*
 * api_logs - GET /api/logs: parameters, the query in a worker, the answer; long polls.
 *
 *	parsed -> queued -> run -> answered
 *	             ^        |
 *	             +- waits <   nothing yet, `wait` not over: until something is committed
 *
 * Thread:  the loop's; the query itself in a worker of pool.
 * Memory:  one struct a request, its engine_result in the worker, its JSON until it is sent.
 */
#ifndef QUERY_API_LOGS_H
#define QUERY_API_LOGS_H

#include "query/query.h"

/* The route's handler; arg is the struct query. */
void api_logs_get(void *arg, struct http_call *call);

#endif
