/*
 * Goal: whatever frames bring, what is held of messages in parts keeps its limits, comes out as well-formed
 *       records, and each byte of text once.
 * Method: the first byte of the input says what becomes of its frames and when messages are flushed;
 *         the rest is a connection's.
 */
#include "collector/partial.h"
#include "collector/partial_record.h"
#include "proto/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct run {
	struct partial *partial;
	struct inflate_pool pool;
	struct forward forward;
	struct partial_out out;
	uint64_t frame_bytes; /* of text, that the frame under way has brought */
	uint64_t in, out_bytes;
	uint64_t frames;
	unsigned choices;
};

static int take(void *arg, struct span tag, const struct forward_entry *e)
{
	struct rcur c = rcur_of(e->record.p, e->record.n);
	struct run *r = arg;

	ASSERT(walk_skip(&c) == 0);
	ASSERT(rcur_left(&c) == 0);
	ASSERT(tag.n <= LIMIT_TAG_BYTES);
	r->out_bytes += partial_record_read(e->record).log.n;
	return 0;
}

static void release(void *arg, uint64_t ack, uint64_t seq)
{
	const struct run *r = arg;

	ASSERT(ack < r->frames);
	ASSERT(seq <= r->frames);
}

static bool is_known(void *arg, struct store_chunk id, uint64_t *seq)
{
	(void)arg;
	*seq = 0;
	return id.lo & 1;
}

static void put(struct run *r, const struct forward_entry *e)
{
	struct partial_record_marks marks = partial_record_read(e->record);
	struct span tag = r->forward.frame.tag;
	bool joins = r->frames % 7 != r->choices % 8;
	bool held = partial_ends(r->partial, tag, e);

	if (!held && marks.part)
		held = partial_put(r->partial, tag, e, (int64_t)r->frames, joins) == PARTIAL_HELD;
	if (held)
		r->frame_bytes += marks.log.n;
	ASSERT(partial_bytes(r->partial) <= 4 * LIMIT_PARTIAL_BYTES + (256 << 10));
}

static void flush(struct run *r, int64_t now_ms)
{
	while (partial_flush(r->partial, now_ms, &r->out) == PARTIAL_FLUSHED)
		partial_flushed(r->partial, r->frames, release, r);
}

static void settle(struct run *r)
{
	struct parts_ledger_frame own = {
		.named = r->choices & 1, .id = { r->frames, 1 }, .ack = r->frames
	};
	struct store_chunk ids[LIMIT_FRAME_CHUNKS];

	r->frames++;
	ASSERT(partial_settle(r->partial, &own, &r->out) == 0);
	ASSERT(partial_ids(r->partial, &own, ids) <= LIMIT_FRAME_CHUNKS);
	partial_settled(r->partial, &own, r->frames, release, r);
	r->in += r->frame_bytes;
}

static void repeat(struct run *r)
{
	struct store_chunk ids[LIMIT_FRAME_CHUNKS];
	uint64_t seq = 0, before = r->out_bytes;
	uint32_t count;

	ASSERT(partial_repeat(r->partial, (struct store_chunk){ r->frames, 1 }, is_known, &r->out,
		       ids, &count, &seq) == 0);
	ASSERT(count <= LIMIT_FRAME_CHUNKS);
	ASSERT(r->out_bytes - before <= r->frame_bytes);
	r->out_bytes = before;
}

static void end_frame(struct run *r)
{
	switch ((r->choices >> 1 ^ r->frames) % 8) {
	case 0:
		repeat(r);
		break;
	case 1:
		partial_abort(r->partial);
		break;
	case 2:
		partial_give_up(r->partial, (struct store_chunk){ r->frames - 1, 1 });
		flush(r, (int64_t)r->frames);
		settle(r);
		break;
	default:
		settle(r);
	}
	ASSERT(!partial_brought(r->partial));
	r->frame_bytes = 0;
	r->frames++;
}

static void feed(struct run *r, struct rcur in)
{
	struct forward_entry e;
	int kind;

	while ((kind = forward_next(&r->forward, &in, &e)) != FORWARD_MORE && kind >= 0) {
		if (kind == FORWARD_ENTRY)
			put(r, &e);
		if (kind == FORWARD_END)
			end_frame(r);
	}
	partial_abort(r->partial);
	flush(r, INT64_MAX);
	ASSERT(partial_empty(r->partial));
	ASSERT(!partial_holds_any(r->partial));
	ASSERT(r->in == r->out_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct run r = { .frames = 0 };

	if (n == 0 || partial_new(&r.partial) < 0)
		return 0;
	r.choices = data[0];
	r.out = (struct partial_out){ take, take, &r };
	forward_init(&r.forward, &r.pool);
	feed(&r, rcur_of(data + 1, n - 1));
	forward_fini(&r.forward);
	inflate_pool_fini(&r.pool);
	partial_free(&r.partial);
	return 0;
}
