/*
 * logfmt - key=value pairs with a blank between, one event a line, as many log tools read them.
 *
 * A value stands bare if it holds no blank, quote, equals sign or hidden character and is not empty; else
 * in double quotes with \" \\ \n \r \t and \uXXXX as in JSON. A key has _ in place of what a bare word
 * cannot hold. Metadata is laid flat: metadata.a.b; lists are JSON in quotes. Nothing drives a terminal.
 *
 * Thread: any. Memory: the caller's buffer. Errors: stick in the buffer.
 */
#ifndef TOOLS_LOGFMT_H
#define TOOLS_LOGFMT_H

#include "proto/base/buf.h"
#include "proto/wire/event.h"

void logfmt_put_key(struct span key, struct buf *out);
void logfmt_put_value(struct span value, struct buf *out);
/* A blank if the line has begun, the key, = and the value; nothing for an absent value. */
void logfmt_put_pair(struct span key, struct span value, struct buf *out);
/* A pair of any msgpack value; a map becomes one for each of its leaves. raw: for JSON on its way. */
void logfmt_put_data(struct span key, struct span msgpack, struct buf *raw, struct buf *out);
/* All of an event without the end of its line. */
void logfmt_put_event(const struct event *ev, struct buf *raw, struct buf *out);

#endif
