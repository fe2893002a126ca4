/*
 * door_forward_int - what the files of door_forward share: the door, its clients, and what becomes of
 * messages in parts (door_forward_parts.c).
 *
 * Thread: the loop's.
 */
#ifndef COLLECTOR_DOOR_FORWARD_INT_H
#define COLLECTOR_DOOR_FORWARD_INT_H

#include "collector/ackq.h"
#include "collector/door_forward.h"
#include "collector/partial.h"
#include "collector/parts.h"
#include "proto/net/conn.h"
#include "proto/wire/forward_put.h"
#include "proto/wire/handshake.h"

enum {
	CLIENT_TAG = 0x434c4e54,
	/* Room for all acks that can wait, so that writing one never meets the cap. */
	CLIENT_OUT_BYTES = LIMIT_ACKS_PENDING * FORWARD_PUT_ACK_JSON_BYTES,
	/* A parser that holds more than this between frames gives it back. */
	CLIENT_KEEP_BYTES = 64 << 10,
};

/* Parts whose connection has ended, and that wait for room to be stored. */
struct orphan {
	struct orphan *next;
	struct partial *parts;
	struct intake_origin origin;
	char host[ADDR_TEXT_BYTES];
};

struct door_forward {
	struct door door;
	uv_timer_t parts_tick;
	struct stage parts_stage; /* of parts that are stored outside of a frame */
	struct orphan *orphans;
	struct collector *c;
	struct listener tcp;
	struct listener local;
	struct conn_set set;
	struct client *waiting; /* clients with acks to come */
	struct door_forward_counts counts;
	bool reading;
	bool finishing;
};

struct client {
	unsigned tag;
	struct door_forward *door;
	struct conn *conn;
	struct client *prev, *next; /* in door->waiting */
	bool listed;
	struct intake_origin origin;
	struct handshake *greeting; /* until it has proved what it knows */
	struct forward forward;
	struct stage stage;
	struct partial *parts; /* while messages in parts are open */
	size_t parts_charged;
	uint64_t bytes_held; /* what had been received when the last frame came whose ack waits */
	bool waits_for_acks; /* it sends nothing before an ack: its parts are not waited for */
	struct ackq acks;
	size_t charged;  /* of the parser's memory, to the stage pool */
	uint64_t frames; /* complete */
	uint64_t acks_sent;
	uint64_t frames_watched; /* `frames` when the deadline of the frame under way was set */
	uint64_t frame_ms;       /* time that frame has been given so far */
	bool in_frame;           /* as of the last look */
	bool eof;
	bool noted_silent;
	bool noted_unread;
	struct addr addr; /* of the peer */
	char peer[ADDR_TEXT_BYTES];
	char host[ADDR_TEXT_BYTES];
};

/* Sends the acks that are due, and waits for the others. */
void door_forward_send_acks(struct client *k);

/* An entry, or a part of a message that is kept for it: 0 or positive, it was taken; or negative. */
int door_forward_parts_entry(struct client *k, const struct forward_entry *entry, struct diag *d);
/* intake_end for a frame that has brought parts, whose ack, if any, is the next one. PARTS_HELD, or as that. */
int door_forward_parts_end(struct client *k, uint64_t *seq, struct diag *d);
/* The connection has ended: what came of frames that are complete is stored all the same. */
void door_forward_parts_orphan(struct client *k);

/* Stores what is overdue; when nothing is read any more, all. */
void door_forward_parts_flush(struct door_forward *f);
/* Stores what connections that have ended left behind, as far as there is room. */
void door_forward_parts_store(struct door_forward *f);
/* Drops it: the collector ends and the journal does not take it. */
void door_forward_parts_free(struct door_forward *f);

#endif
