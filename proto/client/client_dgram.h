/*
 * client_dgram - sends frames as UDP datagrams, one whole frame each, many in one call. Nothing is
 * answered, so all that is known is what the kernel took.
 *
 * Datagrams of one size that follow one another may go through the kernel as one train, which it
 * cuts up at the end of its path (UDP_SEGMENT): most of what a datagram costs is paid once a train.
 *
 * Life:    open; for each datagram next, fill, push; flush; close.
 * Thread:  one.
 * Memory:  CLIENT_DGRAM_BATCH buffers of at most LIMIT_DATAGRAM_BYTES, as large as was needed.
 * Errors:  negative with a diag. A datagram that the network refused (nobody listens) is no error
 *          but counted.
 */
#ifndef PROTO_CLIENT_CLIENT_DGRAM_H
#define PROTO_CLIENT_CLIENT_DGRAM_H

#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"

enum {
	/* Datagrams of one call. */
	CLIENT_DGRAM_BATCH = 256,
	/* Datagrams of a train: what the kernel takes at most. */
	CLIENT_DGRAM_TRAIN_MAX = 64,
};

struct client_dgram;

/* train: datagrams that may go as one, 1 .. CLIENT_DGRAM_TRAIN_MAX. */
int client_dgram_open(const char *name, const char *host, const char *port, unsigned train,
	struct client_dgram **out, struct diag *d);
void client_dgram_close(struct client_dgram **g);
/* In a child of fork, instead of close: closes the descriptor and touches nothing else. */
void client_dgram_leave(const struct client_dgram *g);

/* The next datagram's buffer, empty. It may be left unused. */
struct buf *client_dgram_next(struct client_dgram *g);
/* It is filled. Sends when CLIENT_DGRAM_BATCH have come together. */
int client_dgram_push(struct client_dgram *g, struct diag *d);
int client_dgram_flush(struct client_dgram *g, struct diag *d);

/* Datagrams of which the network said that nobody took them (ICMP; the last ones may come too late). */
uint64_t client_dgram_refused(const struct client_dgram *g);

#endif
