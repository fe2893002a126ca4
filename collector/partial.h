/*
 * partial - messages that Docker cuts into parts, of one connection: the parts until the last is there,
 * then the message they make (proto/WIRE.md, "Messages in parts").
 *
 * Parts belong to one message by their partial_id, and by tag, container and source where there is none
 * (Docker before 19.03, whose last part bears no mark at all). What a frame brings counts once it is
 * complete, for its id comes last: settle, or repeat if it was stored before. A message that breaks a limit,
 * or a part that does not follow the one before, gives its message up: its parts are handed out as they
 * came, those of the frame with it, those before in a flush. So the parts that a frame brings of one
 * message are stored together, with the frame or later: parts_ledger tells which.
 *
 * A frame that brings more than LIMIT_PARTIAL_PARTS parts or LIMIT_PARTIAL_BYTES of them leaves no message
 * open if it has an id. That follows from the frame alone, so a resend of it, whatever came before, needs
 * not more than these to be held until its end.
 *
 * Life:    new, put and ends for the entries of a frame; then repeat, or settle and settled; or
 *          abort; flush and flushed at any time; free.
 * Thread:  one at a time.
 * Memory:  LIMIT_PARTIAL_BYTES of messages, as much of the frame under way, and twice that while a message is
 *          handed out; and the ledger.
 */
#ifndef COLLECTOR_PARTIAL_H
#define COLLECTOR_PARTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/parts_ledger.h"
#include "proto/base/span.h"
#include "proto/wire/forward.h"

enum partial_outcome {
	PARTIAL_HELD = 1, /* it will be handed out; else it is to be stored as it is */
	PARTIAL_FLUSHED,
};

/*
 * Where a whole message goes, and a part by itself. Positive: it is not wanted, which of a whole message
 * says that its parts may be. Negative: stop, and pass it up.
 */
typedef int (*partial_cb)(void *arg, struct span tag, const struct forward_entry *entry);

struct partial_out {
	partial_cb whole, part;
	void *arg;
};

/* Whether an id is remembered, and which batch must be durable for it. */
typedef bool (*partial_known_cb)(void *arg, struct store_chunk id, uint64_t *out_seq);

struct partial;

int partial_new(struct partial **out);
void partial_free(struct partial **at);

/*
 * An entry whose record says partial_message; unless it `joins` no message is begun with it or goes on.
 * PARTIAL_HELD, 0, or -ENOMEM.
 */
int partial_put(struct partial *p, struct span tag, const struct forward_entry *entry,
	int64_t now_ms, bool joins);
/* Whether an entry without that mark ends a message of the old form, and was kept as its last part. */
bool partial_ends(struct partial *p, struct span tag, const struct forward_entry *entry);
/* Whether the frame under way has brought any of either. */
bool partial_brought(const struct partial *p);

/*
 * The frame is complete: hands out what is to be stored with it. settled, when that is safe in the batch
 * `seq` (0: nothing was left to store): forgets it, and what else the frame brought counts from now on.
 * `own`, NULL where no ack is wanted, is the same in both. Where it is not safe: abort.
 */
int partial_settle(
	struct partial *p, const struct parts_ledger_frame *own, const struct partial_out *out);
void partial_settled(struct partial *p, const struct parts_ledger_frame *own, uint64_t seq,
	parts_ledger_cb cb, void *arg);
/*
 * Instead: the frame of this id was stored before. Hands out those of its parts that were not, with what
 * is to be remembered with them (at most LIMIT_FRAME_CHUNKS), and forgets the frame. *seq rises to the
 * batch that must be durable for the others.
 */
int partial_repeat(struct partial *p, struct store_chunk id, partial_known_cb known,
	const struct partial_out *out, struct store_chunk *ids, uint32_t *ids_count, uint64_t *seq);
/* The frame is dropped: so is what it brought. */
void partial_abort(struct partial *p);

/*
 * Hands out, part by part, one message that was given up or is overdue: PARTIAL_FLUSHED; 0: there is
 * none. flushed, when it is safe in the batch `seq`: forgets it.
 */
int partial_flush(struct partial *p, int64_t now_ms, const struct partial_out *out);
void partial_flushed(struct partial *p, uint64_t seq, parts_ledger_cb cb, void *arg);
/* Gives up the messages that the frame of this id waits for; false: there are none. */
bool partial_give_up(struct partial *p, struct store_chunk id);

/* After settle or flush: what is to be remembered with it, at most LIMIT_FRAME_CHUNKS. Their number. */
uint32_t partial_ids(
	const struct partial *p, const struct parts_ledger_frame *own, struct store_chunk *out);

/* Messages open. */
unsigned partial_open(const struct partial *p);
/* Whether the ack of that number waits for some; whether any does. */
bool partial_holds(const struct partial *p, uint64_t ack);
bool partial_holds_any(const struct partial *p);
/* Nothing is open, and the frame under way has brought nothing. */
bool partial_empty(const struct partial *p);
size_t partial_bytes(const struct partial *p);

#endif
