/*
 * http_origin - whether a request that changes something may come from where it says it comes from.
 *
 * A browser names the page in Origin, even of a plain form, and of a page whose name was rebound to this
 * machine, too. A request of another site's page is not taken; that of a page of this very server is.
 * Programs send no Origin.
 *
 * Thread:  none of its own.
 */
#ifndef PROTO_HTTP_HTTP_ORIGIN_H
#define PROTO_HTTP_HTTP_ORIGIN_H

#include <stdbool.h>

#include "proto/http/http_call.h"

/*
 * It names no page, or one whose server has the name and port that this request was sent to: its own, if
 * that name cannot be rebound, which a server knows that takes requests for its own names only.
 */
bool http_origin_is_own(const struct http_parse_request *req);

/*
 * The same for a server that answers for any name: its own pages are met under an address or as localhost.
 * False: *problem is the answer.
 */
bool http_origin_ok(const struct http_parse_request *req, struct http_call_problem *problem);
/* That answer. */
void http_origin_problem(struct http_call_problem *problem);

#endif
