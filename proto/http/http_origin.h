/*
 * http_origin - whether a request that changes something may come from where it says it comes from.
 *
 * A browser names the page in Origin, even of a plain form, and of a page whose name was rebound to this
 * machine, too. A request of another site's page is not taken; that of a page of this very server is, met
 * under an address or as localhost. Programs send no Origin.
 *
 * Thread:  none of its own.
 */
#ifndef PROTO_HTTP_HTTP_ORIGIN_H
#define PROTO_HTTP_HTTP_ORIGIN_H

#include <stdbool.h>

#include "proto/http/http_call.h"

/* False: *problem is the answer. */
bool http_origin_ok(const struct http_parse_request *req, struct http_call_problem *problem);

#endif
