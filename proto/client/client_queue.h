/*
 * client_queue - events that wait, as frames that are being filled, wait for the link, or are with it.
 *
 * Life:    init, fini. A frame: filled by add, sealed, taken by the link's side, settled.
 * Thread:  none of its own; the caller holds a lock.
 * Memory:  frames of bytes_max together; their number is fixed at init. Emptied buffers are used again,
 *          the last one first, so that a quiet client touches few.
 * Errors:  add: CLIENT_QUEUE_FULL (1), or -ENOMEM; nothing was taken then.
 */
#ifndef PROTO_CLIENT_CLIENT_QUEUE_H
#define PROTO_CLIENT_CLIENT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/client/client_frame.h"

enum { CLIENT_QUEUE_FULL = 1 };

struct client_queue_frame {
	struct client_frame frame; /* first, so that the link's frame is this one */
	uint64_t number;           /* from 1, in the order of their events */
	int64_t born_ns;           /* when its first event came */
	size_t charged;            /* of bytes_max */
	bool in_use;
	struct client_queue_frame *next;
};

struct client_queue_entry {
	int64_t time_ns;
	struct span record; /* a msgpack map */
};

struct client_queue_conf {
	struct span tag; /* of the caller's memory */
	bool acks;       /* frames get chunk ids */
	size_t bytes_max;
	uint32_t frame_events;
	size_t frame_bytes; /* with all around the entries */
	unsigned window;
};

struct client_queue {
	struct client_queue_conf conf;
	char run[CLIENT_RUN_BYTES]; /* what chunk ids begin with */
	struct client_queue_frame *frames;
	size_t frames_count;
	struct client_queue_frame *spare;
	struct client_queue_frame *filling;
	struct client_queue_frame *first; /* sealed */
	struct client_queue_frame *last;
	uint64_t last_number;
	size_t bytes;
	uint64_t events;
};

int client_queue_init(struct client_queue *q, const struct client_queue_conf *conf);
void client_queue_fini(struct client_queue *q);

/* Bytes of so many entries as a frame holds them; and how many bytes of them one frame may hold. */
size_t client_queue_entries_bytes(const struct client_queue_entry *entries, uint32_t count);
size_t client_queue_entries_max(const struct client_queue *q);

/* Entries that go together. */
int client_queue_add(struct client_queue *q, const struct client_queue_entry *entries,
	uint32_t count, int64_t now_ns);
void client_queue_seal(struct client_queue *q);
/* The oldest sealed frame, which is the caller's until it is settled; NULL: none. */
struct client_queue_frame *client_queue_take(struct client_queue *q);
void client_queue_settle(struct client_queue *q, struct client_queue_frame *f);
/* Drops the oldest sealed frame: its events, or 0 where there is none. */
uint32_t client_queue_drop(struct client_queue *q);

/* Number of the oldest frame not settled; 0: there is none. */
uint64_t client_queue_oldest(const struct client_queue *q);

#endif
