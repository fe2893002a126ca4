/*
 * api_fields - GET /api/fields: which fields there are; GET /api/fields/{name}/values: what stands there.
 *
 * Thread: the loop's; the listing itself in a worker of pool.
 * Memory: one struct a request, its result in the worker, its JSON until it is sent.
 */
#ifndef QUERY_API_FIELDS_H
#define QUERY_API_FIELDS_H

#include "query/query.h"

/* The routes' handlers; arg is the struct query. */
void api_fields_get(void *arg, struct http_call *call);
void api_fields_values(void *arg, struct http_call *call);

#endif
