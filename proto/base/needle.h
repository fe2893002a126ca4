/*
 * needle - bytes to look for in texts, ASCII case ignored, other bytes exact.
 *
 * Life:    init copies what it needs; find...; fini.
 * Thread:  nothing changes after init.
 * Memory:  the needle's bytes.
 * Errors:  init: -ENOMEM.
 */
#ifndef PROTO_BASE_NEEDLE_H
#define PROTO_BASE_NEEDLE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/span.h"

/*
 * Bytes to look for. Two of them, rare ones by their nature, are compared at sixteen places at once;
 * only where both are found are the others looked at.
 */
struct needle {
	uint8_t *lower; /* letters A-Z in lower case */
	size_t n;       /* 0: nothing is looked for */
	size_t at[2];   /* offsets of the two rare bytes */
	uint8_t byte[2];
	uint8_t fold[2]; /* 0x20 where the byte is a letter: or-ed to the text before comparing */
};

int needle_init(struct needle *x, struct span needle);
void needle_fini(struct needle *x);
/* Offset of the first occurrence in text at or after `from`, SIZE_MAX: none. */
size_t needle_find(const struct needle *x, struct span text, size_t from);

#endif
