/*
 * admit - who may use a door: its allow-list of networks, the shares of peers (peers.h), and how often
 * it said no, by reason. A listener and a datagram socket ask it by themselves where they are given one.
 *
 * Life:    zeroed memory lets everyone in. Thread: the loop's. Memory: of the caller.
 */
#ifndef PROTO_NET_ADMIT_H
#define PROTO_NET_ADMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/cidr.h"
#include "proto/net/addr.h"

struct peers;

enum admit_reason {
	ADMIT_NETWORK,     /* in no network of the allow-list */
	ADMIT_CONNECTIONS, /* the peer has its share of connections */
	ADMIT_RATE,        /* a datagram beyond what the peer may send */
	ADMIT_REASON_COUNT,
};

struct admit {
	struct cidr_list allow; /* none: every network */
	struct peers *peers;    /* for datagrams; NULL: no share is kept */
	uint64_t refused[ADMIT_REASON_COUNT];
};

/* False: counted; the connection is to be closed at once. Unix sockets are of every network. */
bool admit_network(struct admit *a, const struct addr *peer);
/* False: counted; the datagram is to be dropped. now_ms: the loop's time. */
bool admit_dgram(struct admit *a, const struct addr *peer, size_t n, int64_t now_ms);

#endif
