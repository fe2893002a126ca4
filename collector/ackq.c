#include "collector/ackq.h"

#include <string.h>

#include "proto/base/check.h"

/* Before the chunk id in the buffer. */
struct head {
	uint64_t seq;
	uint16_t bytes;
};

enum { ENTRY_BYTES_MAX = sizeof(struct head) + LIMIT_CHUNK_BYTES };

void ackq_init(struct ackq *q)
{
	*q = (struct ackq){ 0 };
	/* Twice what can wait: popped entries are cleared away only when room is needed. */
	buf_init(&q->bytes, 2 * (size_t)LIMIT_ACKS_PENDING * ENTRY_BYTES_MAX);
}

void ackq_fini(struct ackq *q)
{
	buf_fini(&q->bytes);
	q->count = 0;
	q->at = 0;
}

static void clear_popped(struct ackq *q)
{
	size_t left = q->bytes.len - q->at;

	memmove(q->bytes.p, q->bytes.p + q->at, left);
	q->bytes.len = left;
	q->at = 0;
}

int ackq_push(struct ackq *q, uint64_t seq, struct span chunk)
{
	struct head h = { .seq = seq, .bytes = (uint16_t)chunk.n };

	ASSERT(chunk.n <= LIMIT_CHUNK_BYTES);
	ASSERT(!ackq_full(q));
	if (q->at > 0 && q->bytes.cap - q->bytes.len < sizeof h + chunk.n)
		clear_popped(q);
	if (buf_reserve(&q->bytes, sizeof h + chunk.n) < 0)
		return q->bytes.err;
	buf_put(&q->bytes, &h, sizeof h);
	buf_put_span(&q->bytes, chunk);
	q->count++;
	q->pushed++;
	return 0;
}

void ackq_release(struct ackq *q, uint64_t number, uint64_t seq)
{
	uint8_t *at = q->bytes.p + q->at;
	struct head h;

	ASSERT(number < q->pushed);
	ASSERT(q->pushed - number <= q->count);
	for (uint64_t n = q->pushed - q->count; n < number; n++) {
		memcpy(&h, at, sizeof h);
		at += sizeof h + h.bytes;
	}
	memcpy(&h, at, sizeof h);
	ASSERT(h.seq == ACKQ_HELD);
	h.seq = seq;
	memcpy(at, &h, sizeof h);
}

bool ackq_pop(struct ackq *q, uint64_t durable, struct span *out_chunk)
{
	struct head h;

	if (q->count == 0)
		return false;
	memcpy(&h, q->bytes.p + q->at, sizeof h);
	if (h.seq > durable)
		return false;
	*out_chunk = span_of(q->bytes.p + q->at + sizeof h, h.bytes);
	q->at += sizeof h + h.bytes;
	ASSERT(q->at <= q->bytes.len);
	if (--q->count == 0) {
		q->bytes.len = 0;
		q->at = 0;
	}
	return true;
}
