/*
 * api_views - /api/views: the saved views, listed, saved and deleted. See views.h.
 *
 * Workers read and write the file, one at a time; nothing of it is kept in memory between two requests.
 *
 * Thread:  the loop's.
 * Errors:  every one is an answer: 400 a name or an address that cannot be one, 403 the page of another site
 *          wants to write, 404 no view of that name, 409 there are too many, 503 the file cannot be read or
 *          written.
 */
#ifndef QUERY_API_VIEWS_H
#define QUERY_API_VIEWS_H

#include "proto/base/diag.h"
#include "proto/http/http_call.h"
#include "query/query.h"

/* Settles where the file is; it need not be there. */
int api_views_open(struct query *q, struct diag *d);
void api_views_close(struct query *q);

void api_views_list(void *arg, struct http_call *call);
void api_views_put(void *arg, struct http_call *call);
void api_views_delete(void *arg, struct http_call *call);

#endif
