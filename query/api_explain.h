/*
 * api_explain - how a question is understood, and what of the store would have to be read for it.
 *
 * Thread: the loop's. Memory: the answer. Errors: answered.
 */
#ifndef QUERY_API_EXPLAIN_H
#define QUERY_API_EXPLAIN_H

#include "proto/http/http_call.h"

/* GET /api/explain: the parameters of /api/logs. */
void api_explain_get(void *arg, struct http_call *call);

#endif
