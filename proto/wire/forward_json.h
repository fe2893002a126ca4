/*
 * forward_json - the frames of a JSON connection, for forward alone: the same frames, entries and
 * options as in msgpack, each value of them found by its brackets and quotes, and then read.
 *
 * So one value that is no good JSON costs itself, unlike what stands between values. A value that
 * straddles reads is gathered as text; nothing is looked at twice but to convert it.
 *
 * Memory: of struct forward: carry for the text of one value, converted for an entry or record.
 */
#ifndef PROTO_WIRE_FORWARD_JSON_H
#define PROTO_WIRE_FORWARD_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/cursor.h"

struct forward;
struct forward_entry;

struct forward_json {
	int at;
	uint32_t element; /* of the frame's array: the one that comes */
	bool first;       /* of the entries: none has come, the array may end */
	/* The value under way. */
	bool midway, in_text, escaped, over;
	uint64_t depth;
};

/* One step of the machine, as forward.c's own: 0 to go on, an enum forward_kind, or negative. */
int forward_json_step(struct forward *f, struct rcur *in, struct forward_entry *entry);
/* Between frames. */
bool forward_json_idle(const struct forward_json *j);

#endif
