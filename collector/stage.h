/*
 * stage - the rows of one frame while it arrives: in memory up to LIMIT_STAGE_BYTES, then in a file
 * below DATA/tmp (storage/spill.h). A frame is stored as a whole or not at all, so nothing of it goes
 * to the journal before its end is there.
 *
 * Life:    the pool once; a stage per connection: init, put..., then taken by commit_put or dropped,
 *          any number of times; fini.
 * Thread:  the loop's.
 * Memory:  charged to the pool, with what connections hold otherwise (stage_charge); a stage takes a
 *          buffer with its first row and gives it back with the frame, so idle connections hold none.
 *          Above bytes_max rows go to disk early, and what cannot is refused. Where the pool knows
 *          peers, so it is above a peer's share: peer_memory_max, and LIMIT_PEER_RATIO times what is
 *          free, so that one flood leaves an eighth to others.
 * Errors:  ERR_BUDGET, the pool's memory is used up; ERR_LIMIT, its disk is; or the errno of the disk.
 *          After an error only stage_drop may follow.
 */
#ifndef COLLECTOR_STAGE_H
#define COLLECTOR_STAGE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/base/limits.h"
#include "proto/net/peers.h"
#include "proto/wire/event.h"
#include "storage/spill.h"

struct stage_pool {
	struct peers *peers; /* whose shares of the memory count; NULL: nobody's */
	struct spill_pool spills;
	size_t bytes; /* held now */
	size_t bytes_max;
	uint64_t spilled; /* frames that went to disk */
	uint64_t refused; /* frames that found no room */
	struct buf spares[LIMIT_STAGE_SPARES];
	unsigned spares_count;
};

struct stage {
	struct stage_pool *pool;
	const struct addr *peer; /* who pays for it; NULL after init: nobody */
	struct buf rows;         /* those not in the spill */
	uint32_t rows_count;
	int64_t time_min_ns; /* of them */
	int64_t time_max_ns;
	uint64_t total; /* rows of the frame, all told */
	struct spill *spill;
};

enum {
	STAGE_TOO_LARGE =
		1, /* outcome: the event is larger than LIMIT_EVENT_BYTES, it is not taken */
};

/* dir: DATA, open for the pool's life. */
void stage_pool_init(struct stage_pool *p, int dir, size_t bytes_max, uint64_t disk_max);
void stage_pool_fini(struct stage_pool *p);
/* Accounts memory that a connection holds beside its stage: from `was` bytes to `is`. */
static inline void stage_charge(struct stage_pool *p, size_t was, size_t is)
{
	p->bytes += is - was;
}
/* The same, and that peer (NULL: none) pays for it. */
static inline void stage_pool_hold(
	struct stage_pool *p, const struct addr *peer, size_t was, size_t is)
{
	stage_charge(p, was, is);
	if (p->peers && peer)
		peers_hold(p->peers, peer, was, is);
}
static inline void stage_hold(const struct stage *s, size_t was, size_t is)
{
	stage_pool_hold(s->pool, s->peer, was, is);
}
static inline bool stage_pool_full(const struct stage_pool *p)
{
	return p->bytes > p->bytes_max;
}

/* Large frames in flight end here, so that small ones find room beside them. */
static inline bool stage_pool_crowded(const struct stage_pool *p)
{
	return p->bytes > p->bytes_max - p->bytes_max / 8;
}

/* Whether that peer may hold so many bytes more, with what it holds. */
bool stage_pool_may_hold(const struct stage_pool *p, const struct addr *peer, size_t more);
/* Large frames of that peer end: there is little room, or it holds more than its share. */
static inline bool stage_pool_crowded_by(const struct stage_pool *p, const struct addr *peer)
{
	return stage_pool_crowded(p) || !stage_pool_may_hold(p, peer, 0);
}

void stage_init(struct stage *s, struct stage_pool *p);
void stage_fini(struct stage *s);

/* The event's bytes are copied. STAGE_TOO_LARGE, or negative with the diag filled. */
int stage_put(struct stage *s, const struct event *ev, struct diag *d);
/* Before commit_put: a frame that has begun to spill is spilled to its end. */
int stage_complete(struct stage *s, struct diag *d);
/* Forgets the frame; ready for the next one. */
void stage_drop(struct stage *s);

#endif
