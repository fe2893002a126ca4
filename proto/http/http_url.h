/*
 * http_url - percent-decoding, and the parameters of a query string.
 *
 * Thread:  none of its own.
 * Memory:  decoded text goes into the caller's arena; an undecoded part is a span into the input.
 * Errors:  ERR_SYNTAX: '%' without two hex digits, or an encoded NUL; -ENOMEM: the arena is full.
 */
#ifndef PROTO_HTTP_HTTP_URL_H
#define PROTO_HTTP_HTTP_URL_H

#include <stdbool.h>

#include "proto/base/arena.h"
#include "proto/base/span.h"

/* plus: '+' is a space, as in a query string. */
int http_url_decode(struct span in, bool plus, struct arena *a, struct span *out);

/*
 * Whether an undecoded path is one that "/a/{x}/b" means: *out_part is what stands for {x}, not empty
 * and without a slash. A pattern without {x} matches nothing.
 */
bool http_url_match(const char *pattern, struct span path, struct span *out_part);

enum { HTTP_URL_END = 1 };

/*
 * The next "name=value" of *rest, both decoded, *rest moved past it; a name without '=' has an empty
 * value, empty parts are skipped. HTTP_URL_END: there is none.
 */
int http_url_param(
	struct span *rest, struct arena *a, struct span *out_name, struct span *out_value);

#endif
