#include "storage/row.h"

#include "proto/base/check.h"
#include "proto/base/limits.h"

enum {
	ROW_HEAD_BYTES = 4 + 8 + 8 + 1 + 1 + 2,
	ROW_PRESENT_METADATA = 1 << 15,
	ROW_PRESENT_TEXTS = (1 << EVENT_TEXT_COUNT) - 1,
};

static_assert(EVENT_TEXT_COUNT < 15, "the present bits of a row are 16");

size_t row_bound(const struct event *ev)
{
	size_t n = ROW_HEAD_BYTES + ev->metadata.n + CURSOR_VARINT_BYTES_MAX;

	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		n += ev->text[i].n + CURSOR_VARINT_BYTES_MAX;
	return n;
}

static uint16_t present_bits(const struct event *ev)
{
	unsigned bits = ev->metadata.p ? ROW_PRESENT_METADATA : 0;

	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		if (ev->text[i].p)
			bits |= 1u << i;
	}
	return (uint16_t)bits;
}

static void put_lengths(struct wcur *w, const struct event *ev)
{
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		if (ev->text[i].p)
			wcur_varint(w, ev->text[i].n);
	}
	if (ev->metadata.p)
		wcur_varint(w, ev->metadata.n);
}

int row_put(struct buf *b, const struct event *ev)
{
	size_t bound = row_bound(ev);
	struct wcur w;
	uint8_t *start;
	uint32_t bytes;

	ASSERT(ev->severity < EVENT_SEVERITY_COUNT);
	if (bound > LIMIT_EVENT_BYTES)
		return ERR_LIMIT;
	if (buf_reserve(b, bound) < 0) {
		int rc = b->err;

		b->err = 0;
		return rc;
	}
	start = b->p + b->len;
	w = wcur_of(start + sizeof bytes, bound - sizeof bytes);
	wcur_le64(&w, (uint64_t)ev->time_ns);
	wcur_le64(&w, (uint64_t)ev->received_ns);
	wcur_u8(&w, ev->severity);
	wcur_u8(&w, ev->flags);
	wcur_le16(&w, present_bits(ev));
	put_lengths(&w, ev);
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		wcur_bytes(&w, ev->text[i].p, ev->text[i].n);
	wcur_bytes(&w, ev->metadata.p, ev->metadata.n);
	ASSERT(w.err == 0);
	bytes = htole32((uint32_t)(w.p - start - sizeof bytes));
	memcpy(start, &bytes, sizeof bytes);
	b->len += (size_t)(w.p - start);
	return 0;
}

static int fail(struct rcur *c, int err)
{
	if (!c->err)
		c->err = err;
	return c->err;
}

int row_get(struct rcur *c, struct event *ev)
{
	uint32_t bytes = rcur_le32(c);
	struct span body = rcur_bytes(c, bytes);
	size_t lengths[EVENT_TEXT_COUNT + 1] = { 0 };
	unsigned present;
	struct rcur r;

	if (c->err)
		return c->err;
	r = rcur_of(body.p, body.n);
	ev->time_ns = (int64_t)rcur_le64(&r);
	ev->received_ns = (int64_t)rcur_le64(&r);
	ev->severity = rcur_u8(&r);
	ev->flags = rcur_u8(&r);
	present = rcur_le16(&r);
	if (r.err || ev->severity >= EVENT_SEVERITY_COUNT ||
		(present & ~(unsigned)(ROW_PRESENT_TEXTS | ROW_PRESENT_METADATA)))
		return fail(c, ERR_CORRUPT);
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		lengths[i] = present >> i & 1 ? (size_t)rcur_varint(&r) : 0;
	if (present & ROW_PRESENT_METADATA)
		lengths[EVENT_TEXT_COUNT] = (size_t)rcur_varint(&r);
	for (int i = 0; i < EVENT_TEXT_COUNT; i++)
		ev->text[i] = present >> i & 1 ? rcur_bytes(&r, lengths[i]) : SPAN_NONE;
	ev->metadata = present & ROW_PRESENT_METADATA ? rcur_bytes(&r, lengths[EVENT_TEXT_COUNT])
						      : SPAN_NONE;
	if (r.err || rcur_left(&r) != 0)
		return fail(c, ERR_CORRUPT);
	return 0;
}
