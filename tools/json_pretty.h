/*
 * json_pretty - JSON with its members on lines of their own.
 *
 * Thread: any. Memory: the caller's buffer. Errors: stick in the buffer.
 */
#ifndef TOOLS_JSON_PRETTY_H
#define TOOLS_JSON_PRETTY_H

#include "proto/base/buf.h"
#include "proto/base/span.h"

/* json is well formed and has no blanks outside its strings; no line end is put after it. */
void json_pretty_put(struct span json, struct buf *out);

#endif
