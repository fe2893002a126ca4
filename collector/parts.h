/*
 * parts - frames that bring messages in parts, from their end to the journal: what of them is stored with
 * which ids, so that sent again they are stored once, and what is stored of messages that do not become
 * whole (proto/WIRE.md, "Messages in parts").
 *
 * Thread:  the loop's.
 * Memory:  none but the stage's and partial's.
 * Errors:  as intake: after a negative return of end the connection must be closed.
 */
#ifndef COLLECTOR_PARTS_H
#define COLLECTOR_PARTS_H

#include "collector/intake.h"
#include "collector/partial.h"

/* Whose parts they are, and the way they take. */
struct parts {
	struct intake *intake;
	const struct intake_origin *origin;
	struct partial *partial;
	struct stage *stage;     /* of the frame, or empty for a flush */
	parts_ledger_cb release; /* a frame waits for its messages no more */
	void *release_arg;
};

enum {
	PARTS_HELD = 1, /* outcome: its ack, the one of that number, waits until release */
	PARTS_NONE = 2, /* outcome: there is nothing to flush */
};

/* A part that is not kept joins the frame's stage. 0 or positive: done with. */
int parts_store(
	const struct parts *s, struct span tag, const struct forward_entry *entry, struct diag *d);

/*
 * intake_end for a frame that has brought parts; commit_room was true. `ack` is the number that its ack will
 * have. No other connection may hold parts of the same frame (partial_give_up, and a flush).
 */
int parts_end(const struct parts *s, const struct forward *f, uint64_t ack, uint64_t *out_seq,
	struct diag *d);

/*
 * Stores one message that is overdue or was given up, as a frame of its own; commit_room was true.
 * Negative: there is no room for it, it stays.
 */
int parts_flush(const struct parts *s, int64_t now_ms, struct diag *d);

#endif
