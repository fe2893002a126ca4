#include "collector/parts_ledger.h"

#include <string.h>
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"

/* One message that a frame waits for. */
struct entry {
	struct parts_ledger_frame frame;
	uint64_t seq; /* of what is stored of the frame; 0: nothing */
	uint32_t part;
	uint8_t message;
	bool put; /* the frame's own id is remembered */
};

static_assert(LIMIT_PARTIALS <= 32, "a bit for each message");

/* The entries of one frame. */
struct group {
	struct entry *e;
	size_t count;
};

void parts_ledger_init(struct parts_ledger *l)
{
	*l = (struct parts_ledger){ .settled_bytes = 0 };
	buf_init(&l->entries, LIMIT_PARTIAL_FRAMES * sizeof(struct entry));
}

void parts_ledger_fini(struct parts_ledger *l)
{
	buf_fini(&l->entries);
	l->settled_bytes = 0;
}

/* The seed keeps them apart from the ids of chunks. */
struct store_chunk parts_ledger_id(
	struct store_chunk frame, uint32_t part, enum parts_ledger_kind kind)
{
	uint8_t bytes[8 + 8 + 4];
	struct wcur w = wcur_of(bytes, sizeof bytes);
	XXH128_hash_t h;

	wcur_le64(&w, frame.lo);
	wcur_le64(&w, frame.hi);
	wcur_le32(&w, part);
	ASSERT(w.err == 0);
	h = XXH3_128bits_withSeed(bytes, sizeof bytes, kind);
	return (struct store_chunk){ .lo = h.low64, .hi = h.high64 };
}

/* ---- groups ---- */

static size_t count_of(const struct parts_ledger *l)
{
	return l->entries.len / sizeof(struct entry);
}

/* The frame whose entries begin at `at`; false: there is none. */
static bool group_at(const struct parts_ledger *l, size_t at, struct group *out)
{
	struct entry *all = (struct entry *)l->entries.p;
	size_t end = count_of(l);

	if (at >= end)
		return false;
	*out = (struct group){ .e = all + at };
	while (at + out->count < end && out->e[out->count].frame.ack == out->e->frame.ack)
		out->count++;
	return true;
}

static bool is_of(const struct entry *e, uint32_t messages)
{
	return messages >> e->message & 1;
}

static size_t count_among(const struct group *g, uint32_t messages)
{
	size_t n = 0;

	for (size_t i = 0; i < g->count; i++)
		n += is_of(&g->e[i], messages);
	return n;
}

static bool is_own(const struct group *g, const struct parts_ledger_frame *own)
{
	return own && own->ack == g->e->frame.ack;
}

/* ---- the frame under way ---- */

bool parts_ledger_add(struct parts_ledger *l, const struct parts_ledger_frame *frame, uint32_t part,
	unsigned message)
{
	const struct entry e = { .frame = *frame, .part = part, .message = (uint8_t)message };

	ASSERT(message < LIMIT_PARTIALS);
	if (count_of(l) == LIMIT_PARTIAL_FRAMES)
		return false;
	buf_put(&l->entries, &e, sizeof e);
	if (l->entries.err == 0)
		return true;
	l->entries.err = 0;
	return false;
}

void parts_ledger_abort(struct parts_ledger *l)
{
	l->entries.len = l->settled_bytes;
}

/* ---- what is stored ---- */

static uint32_t ids_of(const struct group *g, uint32_t messages, struct store_chunk *out)
{
	bool put = g->e->put;
	uint32_t n = 0;

	if (!put)
		out[n++] = g->e->frame.id;
	for (size_t i = 0; i < g->count; i++) {
		const struct entry *e = &g->e[i];
		bool stored = is_of(e, messages);

		if (put == stored)
			out[n++] = parts_ledger_id(e->frame.id, e->part,
				stored ? PARTS_LEDGER_STORED : PARTS_LEDGER_OPEN);
	}
	return n;
}

uint32_t parts_ledger_ids(const struct parts_ledger *l, uint32_t messages,
	const struct parts_ledger_frame *own, struct store_chunk *out)
{
	bool own_named = own && own->named;
	struct group g;
	uint32_t n = 0;

	for (size_t at = 0; group_at(l, at, &g); at += g.count) {
		own_named &= !is_own(&g, own);
		if (g.e->frame.named && (is_own(&g, own) || count_among(&g, messages) > 0))
			n += ids_of(&g, messages, out + n);
	}
	if (own_named)
		out[n++] = own->id;
	ASSERT(n <= LIMIT_FRAME_CHUNKS);
	return n;
}

/* Leaves the entries of messages that are still open at *to, and says how many. */
static size_t settle_group(
	const struct group *g, uint32_t messages, bool touched, uint64_t seq, struct entry *to)
{
	size_t n = 0;

	for (size_t i = 0; i < g->count; i++) {
		struct entry e = g->e[i];

		if (is_of(&e, messages))
			continue;
		if (touched && seq > 0) {
			e.put = true;
			e.seq = seq;
		}
		to[n++] = e;
	}
	return n;
}

void parts_ledger_settle(struct parts_ledger *l, uint32_t messages,
	const struct parts_ledger_frame *own, uint64_t seq, parts_ledger_cb cb, void *arg)
{
	struct entry *all = (struct entry *)l->entries.p;
	size_t kept = 0;
	struct group g;

	for (size_t at = 0; group_at(l, at, &g); at += g.count) {
		bool touched = is_own(&g, own) || count_among(&g, messages) > 0;
		const struct entry first = *g.e;
		size_t n = settle_group(&g, messages, touched, seq, all + kept);

		kept += n;
		if (n == 0)
			cb(arg, first.frame.ack, seq > first.seq ? seq : first.seq);
	}
	l->entries.len = l->settled_bytes = kept * sizeof(struct entry);
}

/* ---- asked ---- */

uint32_t parts_ledger_messages(const struct parts_ledger *l, struct store_chunk id)
{
	const struct entry *all = (const struct entry *)l->entries.p;
	uint32_t messages = 0;

	for (size_t i = 0; i < count_of(l); i++) {
		const struct parts_ledger_frame *f = &all[i].frame;

		if (f->named && f->id.lo == id.lo && f->id.hi == id.hi)
			messages |= UINT32_C(1) << all[i].message;
	}
	return messages;
}

bool parts_ledger_waits(const struct parts_ledger *l, uint64_t ack)
{
	const struct entry *all = (const struct entry *)l->entries.p;

	for (size_t i = count_of(l); i > 0; i--) {
		if (all[i - 1].frame.ack == ack)
			return true;
	}
	return false;
}
