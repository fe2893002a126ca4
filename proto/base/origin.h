/*
 * origin - web origins, as a browser names them in Origin, and lists of them.
 *
 *	https://console.example.org http://localhost:3000
 *
 * A scheme, "://", a host and a port unless it is the scheme's own; no path. `null`, which a browser says of
 * a page without an origin, is none; nor is there a sign for all of them. ASCII case does not count.
 *
 * Thread:  none of its own.
 * Memory:  none; what is returned points into the list.
 * Errors:  ERR_SYNTAX with a diag that says what is allowed; its file is "".
 */
#ifndef PROTO_BASE_ORIGIN_H
#define PROTO_BASE_ORIGIN_H

#include <stdbool.h>

#include "proto/base/diag.h"
#include "proto/base/span.h"

/* Words, with blanks or commas between; an empty list is one. */
int origin_check(const char *list, struct diag *d);

/* The member of a checked list that equals it, as it stands there; absent: none does. */
struct span origin_find(const char *list, struct span origin);

#endif
