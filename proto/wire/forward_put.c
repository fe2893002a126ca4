/*
 * msgpack-c packs: it appends to the buffer through a callback. What is copied whole (records,
 * entries) goes in as it is.
 */
#include "proto/wire/forward_put.h"

#include <endian.h>
#include <msgpack.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"

enum { EXT_EVENT_TIME = 0 };

static int put_cb(void *arg, const char *p, size_t n)
{
	struct buf *b = arg;

	buf_put(b, p, n);
	return b->err;
}

static void put_text(msgpack_packer *pk, struct span s)
{
	ASSERT(s.n <= UINT32_MAX);
	msgpack_pack_str(pk, s.n);
	msgpack_pack_str_body(pk, s.p, s.n);
}

/* EventTime, or nil for a time it cannot hold: then the time of arrival is taken. */
static void put_time(struct buf *b, int64_t time_ns)
{
	uint8_t bytes[10] = { 0xd7, EXT_EVENT_TIME };
	int64_t sec = time_ns / CLOCK_NS_PER_SEC;
	uint32_t be;

	/* The last two seconds of u32 mark groups. */
	if (sec < 1 || sec >= UINT32_MAX - 1) {
		buf_put_u8(b, 0xc0);
		return;
	}
	be = htobe32((uint32_t)sec);
	memcpy(bytes + 2, &be, sizeof be);
	be = htobe32((uint32_t)(time_ns % CLOCK_NS_PER_SEC));
	memcpy(bytes + 6, &be, sizeof be);
	buf_put(b, bytes, sizeof bytes);
}

size_t forward_put_ack(uint8_t dst[FORWARD_PUT_ACK_BYTES], struct span chunk)
{
	struct buf b = { .p = dst, .cap = FORWARD_PUT_ACK_BYTES, .max = FORWARD_PUT_ACK_BYTES };
	msgpack_packer pk;

	ASSERT(chunk.n <= LIMIT_CHUNK_BYTES);
	msgpack_packer_init(&pk, &b, put_cb);
	msgpack_pack_map(&pk, 1);
	put_text(&pk, SPAN_LIT("ack"));
	put_text(&pk, chunk);
	/* It fits, so the buffer never asked for memory of its own. */
	ASSERT(b.err == 0);
	ASSERT(b.p == dst);
	return b.len;
}

size_t forward_put_ack_json(uint8_t dst[FORWARD_PUT_ACK_JSON_BYTES], struct span chunk)
{
	struct buf b = {
		.p = dst, .cap = FORWARD_PUT_ACK_JSON_BYTES, .max = FORWARD_PUT_ACK_JSON_BYTES
	};

	ASSERT(chunk.n <= LIMIT_CHUNK_BYTES);
	buf_put_str(&b, "{\"ack\":\"");
	for (size_t i = 0; i < chunk.n; i++) {
		static const char hex[] = "0123456789abcdef";
		uint8_t c = chunk.p[i];

		if (c < 0x20) {
			buf_put_str(&b, "\\u00");
			buf_put_u8(&b, (uint8_t)hex[c >> 4]);
			buf_put_u8(&b, (uint8_t)hex[c & 15]);
			continue;
		}
		if (c == '"' || c == '\\')
			buf_put_u8(&b, '\\');
		buf_put_u8(&b, c);
	}
	buf_put_str(&b, "\"}");
	ASSERT(b.err == 0);
	ASSERT(b.p == dst);
	return b.len;
}

void forward_put_entry(struct buf *b, int64_t time_ns, struct span record)
{
	buf_put_u8(b, 0x92);
	put_time(b, time_ns);
	buf_put_span(b, record);
}

/* {"size": count, "chunk": id}, what there is of it. */
static void put_options(msgpack_packer *pk, const struct forward_put_frame *f, uint32_t count)
{
	msgpack_pack_map(pk, f->chunk.p ? 2 : 1);
	put_text(pk, SPAN_LIT("size"));
	msgpack_pack_uint32(pk, count);
	if (f->chunk.p) {
		put_text(pk, SPAN_LIT("chunk"));
		put_text(pk, f->chunk);
	}
}

void forward_put_message(
	struct buf *b, const struct forward_put_frame *f, int64_t time_ns, struct span record)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, b, put_cb);
	msgpack_pack_array(&pk, 4);
	put_text(&pk, f->tag);
	put_time(b, time_ns);
	buf_put_span(b, record);
	put_options(&pk, f, 1);
}

void forward_put_forward(
	struct buf *b, const struct forward_put_frame *f, struct span entries, uint32_t count)
{
	msgpack_packer pk;

	msgpack_packer_init(&pk, b, put_cb);
	msgpack_pack_array(&pk, 3);
	put_text(&pk, f->tag);
	msgpack_pack_array(&pk, count);
	buf_put_span(b, entries);
	put_options(&pk, f, count);
}

void forward_put_packed(
	struct buf *b, const struct forward_put_frame *f, struct span entries, uint32_t count)
{
	msgpack_packer pk;

	ASSERT(entries.n <= UINT32_MAX);
	msgpack_packer_init(&pk, b, put_cb);
	msgpack_pack_array(&pk, 3);
	put_text(&pk, f->tag);
	msgpack_pack_bin(&pk, entries.n);
	msgpack_pack_bin_body(&pk, entries.p, entries.n);
	put_options(&pk, f, count);
}
