/*
 * Goal: no bytes make forward read outside them or keep more than it may, and where the reads cut
 *       the input changes nothing of what is handed out.
 * Method: the first byte of the input says how large the pieces of the second run are; what both
 *         runs hand out is summed up in a hash, and the hashes are compared.
 */
#include <stdbool.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/wire/forward.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct inflate_pool pool;

/* How much comes out of a compressed payload before its damage is found depends on the pieces. */
static bool damaged;

static uint64_t add(uint64_t h, uint64_t v)
{
	h = (h ^ v) * UINT64_C(0x9fb21c651e98df25);
	return h ^ (h >> 31);
}

static uint64_t add_span(uint64_t h, struct span s)
{
	h = add(h, s.p ? s.n + 1 : 0);
	for (size_t i = 0; i < s.n; i++)
		h = add(h, s.p[i]);
	return h;
}

static uint64_t add_entry(uint64_t h, const struct forward_entry *e)
{
	struct rcur c = rcur_of(e->record.p, e->record.n);

	ASSERT(walk_skip(&c) == 0);
	ASSERT(rcur_left(&c) == 0);
	h = add_span(add_span(add_span(h, e->record), e->metadata), e->group);
	return add(h, e->has_time ? (uint64_t)e->time_ns : 0);
}

static uint64_t add_frame(uint64_t h, const struct forward_frame *f)
{
	ASSERT(f->tag.n <= LIMIT_TAG_BYTES);
	ASSERT(f->chunk.n <= LIMIT_CHUNK_BYTES);
	h = add_span(add_span(h, f->tag), f->chunk);
	h = add(add(h, f->entries), f->size_hint);
	for (int i = 0; i < FORWARD_DROP_COUNT; i++)
		h = add(h, f->dropped[i]);
	return add(h, f->mode);
}

static uint64_t add_kind(
	uint64_t h, int kind, const struct forward *f, const struct forward_entry *e)
{
	h = add(h, kind < 0 ? 100 + f->fault : (uint64_t)kind);
	if (kind == FORWARD_ENTRY)
		h = add_entry(h, e);
	if (kind == FORWARD_END)
		h = add_frame(h, &f->frame);
	return h;
}

/* Input in pieces, each in memory of its own. */
static uint64_t run(const uint8_t *p, size_t n, size_t piece, bool datagram)
{
	struct forward f;
	uint64_t h = 1;
	int kind = FORWARD_MORE;

	forward_init(&f, &pool);
	if (datagram)
		forward_datagram(&f);
	for (size_t at = 0; at < n && kind == FORWARD_MORE; at += piece) {
		size_t take = piece < n - at ? piece : n - at;
		uint8_t *copy = malloc(take);
		struct rcur in = rcur_of(copy, take);
		struct forward_entry e;

		ASSERT(copy);
		memcpy(copy, p + at, take);
		do {
			kind = forward_next(&f, &in, &e);
			if (kind != FORWARD_MORE)
				h = add_kind(h, kind, &f, &e);
			damaged |= f.frame.dropped[FORWARD_DROP_CORRUPT] > 0;
		} while (kind > FORWARD_MORE && !(datagram && kind >= FORWARD_END));
		free(copy);
		ASSERT(forward_bytes(&f) <= FORWARD_BYTES_MAX + INFLATE_BYTES_MAX);
	}
	h = add(h, f.fault);
	forward_fini(&f);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint64_t whole, parts;

	if (n < 2)
		return 0;
	damaged = false;
	/* What other protocol the first bytes look like depends on how many there are. */
	whole = run(data + 1, n - 1, n, false);
	parts = run(data + 1, n - 1, 1 + data[0] % 32, false);
	if (!damaged && ((data[1] >= 0x90 && data[1] <= 0x9f) || data[1] == 0xc0 || data[1] == '['))
		ASSERT(parts == whole);
	run(data + 1, n - 1, n, true);
	return 0;
}
