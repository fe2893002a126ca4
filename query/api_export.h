/*
 * api_export - GET /api/logs/export: every event that is meant, streamed. query/API.md has the parameters.
 *
 * An export is made step by step (query/export.h): a worker makes some parts and is free again, the loop
 * gives them to the connection as it takes them, and the next step is made while the last parts leave.
 * A client that reads slowly so holds some parts, and no worker; where memory is short, one part.
 *
 * Thread: the loop's; steps run in workers.
 * Memory: LIMIT_QUERY_EXPORTS at a time, each with the parts of two steps at most.
 */
#ifndef QUERY_API_EXPORT_H
#define QUERY_API_EXPORT_H

#include "proto/http/http_call.h"

/* arg: struct query. */
void api_export_get(void *arg, struct http_call *call);

#endif
