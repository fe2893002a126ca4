/*
 * protobuf - reads the fields of a Protocol Buffers message, one after another, from bytes nobody vouches
 * for. A field of bytes may hold a message, which is read in the same way.
 *
 * Thread: none. Memory: none; spans point into the input. Groups, which nobody sends, are refused.
 */
#ifndef PROTO_WIRE_PROTOBUF_INT_H
#define PROTO_WIRE_PROTOBUF_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/cursor.h"
#include "proto/base/err.h"

enum protobuf_wire {
	PROTOBUF_VARINT = 0,
	PROTOBUF_FIXED64 = 1,
	PROTOBUF_BYTES = 2,
	PROTOBUF_FIXED32 = 5,
};

struct protobuf_field {
	uint32_t number;
	enum protobuf_wire wire;
	uint64_t value;    /* of those that are no bytes */
	struct span bytes; /* present, though it may be empty, where wire is PROTOBUF_BYTES */
};

enum {
	PROTOBUF_FIELD = 1, /* outcome: there is one */
};

/*
 * 0: the message has ended. PROTOBUF_FIELD: the next field is in *out. ERR_TRUNCATED, ERR_CORRUPT,
 * ERR_SYNTAX: it is no message.
 */
static inline int protobuf_next(struct rcur *c, struct protobuf_field *out)
{
	uint64_t key;

	if (!c->err && rcur_left(c) == 0)
		return 0;
	key = rcur_varint(c);
	*out = (struct protobuf_field){ .number = (uint32_t)(key >> 3),
		.wire = (enum protobuf_wire)(key & 7) };
	if (c->err == 0 && (key >> 3 == 0 || key >> 3 > 0x1fffffff))
		return ERR_SYNTAX;
	switch (out->wire) {
	case PROTOBUF_VARINT:
		out->value = rcur_varint(c);
		break;
	case PROTOBUF_FIXED64:
		out->value = rcur_le64(c);
		break;
	case PROTOBUF_BYTES:
		out->bytes = rcur_varbytes(c);
		break;
	case PROTOBUF_FIXED32:
		out->value = rcur_le32(c);
		break;
	default:
		return c->err ? c->err : ERR_SYNTAX;
	}
	return c->err ? c->err : PROTOBUF_FIELD;
}

static inline bool protobuf_is(
	const struct protobuf_field *f, uint32_t number, enum protobuf_wire wire)
{
	return f->number == number && f->wire == wire;
}

#endif
