/*
 * partial - messages that Docker cuts into parts, of one connection: the parts until the last is there,
 * then the message they make (proto/WIRE.md, "Messages in parts").
 *
 * Parts belong to one message by their partial_id, and by tag, container and source where there is none
 * (Docker before 19.03, whose last part bears no mark at all). What is put counts once its frame is
 * complete: settle. A message that breaks a limit, or a part that does not follow the one before, gives
 * its message up: its parts are handed out as they came.
 *
 * Life:    new, put and ends for the entries of a frame, then settle and settled, or abort; flush
 *          and flushed at any time; free.
 * Thread:  one at a time.
 * Memory:  LIMIT_PARTIAL_BYTES of parts, and as much while a message is handed out.
 */
#ifndef COLLECTOR_PARTIAL_H
#define COLLECTOR_PARTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/span.h"
#include "proto/wire/forward.h"

enum partial_outcome {
	PARTIAL_HELD = 1, /* the part is kept; else it is to be stored as it is */
	PARTIAL_FLUSHED,
};

/* What is handed out: a whole message, or one part. Negative: stop, and keep what is not handed out. */
typedef int (*partial_cb)(void *arg, struct span tag, const struct forward_entry *entry);

struct partial;

int partial_new(struct partial **out);
void partial_free(struct partial **at);

/* An entry whose record says partial_message. PARTIAL_HELD, 0, or -ENOMEM. */
int partial_put(
	struct partial *p, struct span tag, const struct forward_entry *entry, int64_t now_ms);
/* Whether an entry without that mark ends a message of the old form, and was kept as its last part. */
bool partial_ends(struct partial *p, struct span tag, const struct forward_entry *entry);

/*
 * The frame is complete: hands out the messages that are, as one entry each. settled, when they are safe:
 * forgets them, and what else the frame brought counts from now on. If not, abort.
 */
int partial_settle(struct partial *p, partial_cb cb, void *arg);
void partial_settled(struct partial *p);
/* The frame is dropped: so are the parts it brought. */
void partial_abort(struct partial *p);
/* Between settle and settled: whether the frame brought a part of a message that is not whole. */
bool partial_unfinished(const struct partial *p);
/* Such a frame asked for an ack: what is open now is waited for only shortly. */
void partial_owe_ack(struct partial *p);

/*
 * Hands out, part by part, one message that was given up or is overdue: PARTIAL_FLUSHED; 0: there is
 * none. flushed, when it is safe: forgets it.
 */
int partial_flush(struct partial *p, int64_t now_ms, partial_cb cb, void *arg);
void partial_flushed(struct partial *p);

/* Messages open; of them, those that an ack waits for. */
unsigned partial_open(const struct partial *p);
unsigned partial_owed(const struct partial *p);
size_t partial_bytes(const struct partial *p);

#endif
