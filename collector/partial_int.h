/*
 * partial_int - what partial.c and partial_repeat.c share: the messages that are open, the frame under way, and
 * parts as they lie in memory.
 */
#ifndef COLLECTOR_PARTIAL_INT_H
#define COLLECTOR_PARTIAL_INT_H

#include <string.h>
#include <xxhash.h>

#include "collector/partial.h"
#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/base/cursor.h"

/* Number of a part that has none: what ends a message of the old form. It is always stored with its frame. */
#define PARTIAL_NO_NUMBER UINT32_MAX

/* Before each part where it is kept: then its tag and its record. */
struct partial_part {
	XXH128_hash_t name; /* of its message */
	int64_t time_ns;
	uint32_t tag_bytes;
	uint32_t record_bytes;
	uint32_t number; /* of the parts of its frame */
	bool has_time;
};

/* One message. */
struct partial_message {
	bool used;
	bool old; /* of the form without ids */
	bool whole;
	bool lost; /* given up */
	bool owed; /* an ack waits for it */
	XXH128_hash_t name;
	int64_t due_ms;
	int64_t put_ms; /* when its last part came */
	struct buf parts;
	unsigned count;
	size_t settled_bytes; /* of frames that are complete */
	unsigned settled_count;
};

struct partial {
	struct partial_message messages[LIMIT_PARTIALS];
	size_t bytes; /* of all parts of messages */
	unsigned open;
	unsigned open_old;
	struct parts_ledger ledger;
	uint32_t storing; /* messages that were handed out, a bit for each */
	struct buf joined;

	/* The frame under way. */
	struct buf alone; /* its parts that belong to no message kept here */
	uint32_t numbers; /* its parts so far that can belong to one */
	size_t number_bytes;
	bool ended; /* it ended a message of the old form */
	bool large; /* it brings more than can be held of it */
};

static inline bool partial_next_part(
	struct rcur *c, struct partial_part *part, struct span *tag, struct forward_entry *entry)
{
	struct span head;

	if (rcur_left(c) == 0)
		return false;
	head = rcur_bytes(c, sizeof *part);
	memcpy(part, head.p, sizeof *part);
	*tag = rcur_bytes(c, part->tag_bytes);
	*entry = (struct forward_entry){ .record = rcur_bytes(c, part->record_bytes),
		.time_ns = part->time_ns,
		.has_time = part->has_time };
	ASSERT(c->err == 0);
	return true;
}

/* What the frame under way has brought of a message. */
static inline struct rcur partial_new_parts(const struct partial_message *m)
{
	return rcur_of(m->parts.p + m->settled_bytes, m->parts.len - m->settled_bytes);
}

#endif
