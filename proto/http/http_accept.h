/*
 * http_accept - what a client says it takes: Accept-Encoding, and If-None-Match.
 *
 * Thread:  none of its own. Memory: none. Errors: none: what is not well formed asks for nothing.
 */
#ifndef PROTO_HTTP_HTTP_ACCEPT_H
#define PROTO_HTTP_HTTP_ACCEPT_H

#include <stdbool.h>

#include "proto/http/http_parse.h"

/*
 * Whether gzip is what it likes as well as the plain form or better (RFC 9110 section 12.5.3): named, or
 * `*`, with a q that is not 0 and not below that of `identity`. Without the field: no.
 */
bool http_accept_gzip(const struct http_parse_request *req);

/* Whether it has the entity of that tag, which stands in quotes, already: If-None-Match names it, or `*`. */
bool http_accept_has(const struct http_parse_request *req, struct span tag);

#endif
