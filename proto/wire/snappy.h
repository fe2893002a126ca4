/*
 * snappy - decodes the block format of Snappy, which has no frame and no checksum: the length of the
 * text, then literals and copies of what was decoded before.
 *
 * Thread:  none of its own.
 * Memory:  the caller's.
 * Malice:  a length that the input cannot reach is refused before anybody asks for memory; nothing is
 *          read or written outside the two buffers; time grows with the length of the text.
 * Errors:  ERR_TRUNCATED, the input ends too early; ERR_CORRUPT, it is not Snappy: a copy from before the
 *          beginning, more or fewer bytes than were told.
 */
#ifndef PROTO_WIRE_SNAPPY_H
#define PROTO_WIRE_SNAPPY_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/span.h"

/* Bytes of the decoded text, as the input tells. */
int snappy_bytes(struct span in, size_t *out_n);

/* dst has room for exactly the n bytes that snappy_bytes told. After a failure its content is of no worth. */
int snappy_decode(struct span in, uint8_t *dst, size_t n);

#endif
