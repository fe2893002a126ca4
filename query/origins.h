/*
 * origins - which web pages may use the API: this server's own, and those of [query] origins (CORS).
 *
 * Thread:  the loop's.
 */
#ifndef QUERY_ORIGINS_H
#define QUERY_ORIGINS_H

#include "query/query.h"

/*
 * For a request that changes something or that a browser sends anywhere without asking first, as a
 * WebSocket's. True: of a program, of a page of this server, or of one that is listed; false: *problem is
 * the answer. The Host was looked at by the server before.
 */
bool origins_ok(const struct query *q, const struct http_parse_request *req,
	struct http_call_problem *problem);

/* As http_server_conf.put_fields, with the query's context: what lets a listed page read the answer. */
void origins_put(void *arg, const struct http_parse_request *req, struct buf *out);

#endif
