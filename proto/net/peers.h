/*
 * peers - what each peer holds and sends, against its share: connections, memory, bytes a second.
 *
 * A peer is an IPv4 address, or the /64 of an IPv6 one, which is one host's or one site's to hand out.
 * A unix socket has none, and no bound. There is no list of peers to fill up: each has a cell in either
 * of two tables, by two hashes of its address with a seed of the process, and it is held to its
 * share when both cells are above it. Two peers in one cell do no harm; that both of a quiet peer's are a
 * flood's happens once in PEERS_CELLS ^ 2 peers, about 67 million.
 *
 * Life:    init, any calls, fini. What enters must leave, with the same address.
 * Thread:  the loop's.
 * Memory:  48 bytes for each of PEERS_CELLS, taken in init.
 */
#ifndef PROTO_NET_PEERS_H
#define PROTO_NET_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/limits.h"
#include "proto/net/addr.h"

enum {
	PEERS_TABLES = 2,
	/* Of each table. */
	PEERS_CELLS = 8192,
};

struct peers_cell;

/* Of one peer; 0: no limit. May be changed at any time. */
struct peers_limits {
	unsigned conns_max;
	size_t held_max;   /* bytes of memory */
	uint64_t rate_max; /* bytes a second, after LIMIT_PEER_BURST_MS of them at once */
};

struct peers {
	struct peers_limits limits;
	uint64_t seed;
	struct peers_cell *cells[PEERS_TABLES];
};

/* -ENOMEM. */
int peers_init(struct peers *p);
void peers_fini(struct peers *p);

/* What a peer may have of something of which so much is free; of the last one only who has none. */
static inline unsigned peers_share(unsigned left)
{
	return left > 0 ? (left - 1) * LIMIT_PEER_RATIO + 1 : 0;
}

/* One connection more, beside fewer than `most`. False, and nothing changed: its share is used up. */
bool peers_enter(struct peers *p, const struct addr *a, unsigned most);
void peers_leave(struct peers *p, const struct addr *a);

/* Memory held for the peer: from `was` bytes to `is`. */
void peers_hold(struct peers *p, const struct addr *a, size_t was, size_t is);
/* Whether `more` bytes are within its share, and it holds no more than `most` with them. */
bool peers_may_hold(const struct peers *p, const struct addr *a, size_t more, size_t most);

/*
 * A stream has sent n bytes: how many milliseconds from `now_ms` on to read nothing of it, 0 most of
 * the time.
 */
unsigned peers_spend(struct peers *p, const struct addr *a, size_t n, int64_t now_ms);
/* A datagram of n bytes: false when it is beyond what the peer may send; it counts for nothing then. */
bool peers_pass(struct peers *p, const struct addr *a, size_t n, int64_t now_ms);

#endif
