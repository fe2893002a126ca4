/*
 * ackq - the acks that one connection still has to get, in the order of its frames.
 *
 * Life:    init, push and pop, fini. At most LIMIT_ACKS_PENDING wait: ackq_full is looked at before
 *          another frame is read.
 * Thread:  the loop's.
 * Memory:  one buffer that grows to what waited at most, so that a steady flow allocates nothing.
 */
#ifndef COLLECTOR_ACKQ_H
#define COLLECTOR_ACKQ_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"

struct ackq {
	struct buf bytes;
	size_t at; /* first byte of the oldest */
	unsigned count;
	uint64_t pushed; /* ever: the number of the next */
};

/* The number of no batch: the frame waits for more than its batch, see release. */
#define ACKQ_HELD UINT64_MAX

void ackq_init(struct ackq *q);
void ackq_fini(struct ackq *q);

/* The frame with this chunk id (at most LIMIT_CHUNK_BYTES, copied) is safe when `seq` is durable. */
int ackq_push(struct ackq *q, uint64_t seq, struct span chunk);
/* The ack of that number, which is held, goes when `seq` is durable. */
void ackq_release(struct ackq *q, uint64_t number, uint64_t seq);
/* The oldest, if it is safe; the span lives until the next push. */
bool ackq_pop(struct ackq *q, uint64_t durable, struct span *out_chunk);

static inline bool ackq_full(const struct ackq *q)
{
	return q->count >= LIMIT_ACKS_PENDING;
}

#endif
