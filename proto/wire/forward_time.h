/*
 * forward_time - the instant that a msgpack value means, by section 4 of the Forward protocol.
 *
 *   integer, float   seconds since 1970; from 1e11 on milliseconds, from 1e14 microseconds, from
 *                    1e17 nanoseconds. A float of seconds or milliseconds is rounded to
 *                    microseconds: of today's times it holds no more.
 *   ext type 0       EventTime, u32 seconds and u32 nanoseconds, as fixext8 or ext8
 *   ext type -1      msgpack's own timestamp of 4, 8 or 12 bytes
 *
 * Thread: none of its own. Memory: none.
 * Errors: ERR_TYPE, no type that can be a time. ERR_RANGE: zero seconds, which clients send for "I
 *         do not know"; 1e9 nanoseconds or more; beyond what 64 bits of nanoseconds hold.
 */
#ifndef PROTO_WIRE_FORWARD_TIME_H
#define PROTO_WIRE_FORWARD_TIME_H

#include "proto/wire/walk.h"

int forward_time(const struct walk_value *v, int64_t *out_ns);

#endif
