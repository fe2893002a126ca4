/*
 * parts_ledger - of one connection: the frames that asked for an ack and brought parts of messages that are not
 * stored yet. It knows what a resend of them is recognised by, and when they may be acknowledged.
 *
 * What is remembered of a frame F (proto/WIRE.md, "Messages in parts"), each id with what it stands for
 * in one record of the journal, so both are durable or neither is:
 *
 *   F             the frame's own id: all of it is stored but the parts that the next say are open
 *   OPEN(F, n)    with F: its part n and those of the same message behind it are not stored with F
 *   STORED(F, n)  with their message, whole or in parts: they are now
 *
 * F is remembered with whatever of it is stored first. Where that is a message, and no other is open,
 * F alone tells it all.
 *
 * Life:    init; add for the messages that a frame leaves open, then settle or abort; ids and settle
 *          whenever some are stored; fini.
 * Thread:  one at a time.
 * Memory:  LIMIT_PARTIAL_FRAMES entries, taken as they are needed.
 */
#ifndef COLLECTOR_PARTS_LEDGER_H
#define COLLECTOR_PARTS_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "storage/store.h"

/* A frame that wants an ack. */
struct parts_ledger_frame {
	bool named; /* it has an id; a frame with an empty chunk has none, and only waits */
	struct store_chunk id;
	uint64_t ack; /* the caller's number for it, which no other frame has */
};

struct parts_ledger {
	struct buf entries;   /* those of one frame side by side */
	size_t settled_bytes; /* of them, what is not of the frame under way */
};

enum parts_ledger_kind {
	PARTS_LEDGER_OPEN = 1, /* numbers on disk */
	PARTS_LEDGER_STORED = 2,
};

/* All of this frame is durable when `seq` is. */
typedef void (*parts_ledger_cb)(void *arg, uint64_t ack, uint64_t seq);

void parts_ledger_init(struct parts_ledger *l);
void parts_ledger_fini(struct parts_ledger *l);

struct store_chunk parts_ledger_id(
	struct store_chunk frame, uint32_t part, enum parts_ledger_kind kind);

/* Part n of the frame under way is its first of that open message. False: there is no room. */
bool parts_ledger_add(struct parts_ledger *l, const struct parts_ledger_frame *frame, uint32_t part,
	unsigned message);
/* The frame under way is dropped. */
void parts_ledger_abort(struct parts_ledger *l);

/*
 * What to remember when these messages (a bit for each) are stored, and all of `own` (may be NULL) but
 * what was added for it: at most LIMIT_FRAME_CHUNKS ids. Returns their number.
 */
uint32_t parts_ledger_ids(const struct parts_ledger *l, uint32_t messages,
	const struct parts_ledger_frame *own, struct store_chunk *out);
/* That is done, in the batch `seq` (0: there was nothing to store). Calls cb for frames that wait no more. */
void parts_ledger_settle(struct parts_ledger *l, uint32_t messages,
	const struct parts_ledger_frame *own, uint64_t seq, parts_ledger_cb cb, void *arg);

/* The messages that the frame of this id waits for. */
uint32_t parts_ledger_messages(const struct parts_ledger *l, struct store_chunk id);
/* Whether the frame of this ack waits for any. */
bool parts_ledger_waits(const struct parts_ledger *l, uint64_t ack);
static inline bool parts_ledger_empty(const struct parts_ledger *l)
{
	return l->entries.len == 0;
}

#endif
