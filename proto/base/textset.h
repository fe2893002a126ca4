/*
 * textset - some values, to ask of a text whether it is one of them, to the byte.
 *
 * Life:    init, has..., fini.
 * Thread:  nothing changes after init.
 * Memory:  a table of spans; their bytes stay with the caller.
 * Errors:  init: -ENOMEM.
 */
#ifndef PROTO_BASE_TEXTSET_H
#define PROTO_BASE_TEXTSET_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/base/span.h"

/* Values sorted, absent first; the spans' bytes stay with the caller. */
struct textset {
	struct span *values;
	size_t count;
};

int textset_init(struct textset *s, const struct span *values, size_t count);
void textset_fini(struct textset *s);
/* An absent value is in the set only if the set was given an absent one. */
bool textset_has(const struct textset *s, struct span value);

#endif
