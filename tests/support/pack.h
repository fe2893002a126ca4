/*
 * pack - what senders compress with: appends to a buffer, whose cap must allow it.
 */
#ifndef TESTS_SUPPORT_PACK_H
#define TESTS_SUPPORT_PACK_H

#include "proto/base/buf.h"
#include "proto/base/span.h"

void pack_gzip(struct buf *out, struct span s);
void pack_zlib(struct buf *out, struct span s);
/* window_log: 0, or a frame of unknown length that names this window. With a checksum. */
void pack_zstd(struct buf *out, struct span s, int window_log);

#endif
