#include "proto/base/sha1.h"

#include <string.h>

#include "proto/base/check.h"

enum {
	BLOCK_BYTES = 64,
	LENGTH_OFF = BLOCK_BYTES - 8, /* of the text's bits, in the last block */
	ROUNDS = 80,
};

static uint32_t turn(uint32_t x, unsigned bits)
{
	return x << bits | x >> (32 - bits);
}

static void schedule(const uint8_t *block, uint32_t w[ROUNDS])
{
	for (int i = 0; i < 16; i++, block += 4)
		w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 |
		       (uint32_t)block[2] << 8 | block[3];
	for (int i = 16; i < ROUNDS; i++)
		w[i] = turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
}

/* f and K of a round. */
static uint32_t mix(int round, uint32_t b, uint32_t c, uint32_t d)
{
	if (round < 20)
		return ((b & c) | (~b & d)) + 0x5a827999;
	if (round < 40)
		return (b ^ c ^ d) + 0x6ed9eba1;
	if (round < 60)
		return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc;
	return (b ^ c ^ d) + 0xca62c1d6;
}

static void take_block(uint32_t h[5], const uint8_t *block)
{
	uint32_t w[ROUNDS], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];

	schedule(block, w);
	for (int i = 0; i < ROUNDS; i++) {
		uint32_t next = turn(a, 5) + mix(i, b, c, d) + e + w[i];

		e = d;
		d = c;
		c = turn(b, 30);
		b = a;
		a = next;
	}
	h[0] += a;
	h[1] += b;
	h[2] += c;
	h[3] += d;
	h[4] += e;
}

/* What is left of the text, a one bit, zeros, and the length: one block or two. */
static void take_end(uint32_t h[5], struct span rest, uint64_t text_bytes)
{
	uint8_t end[2 * BLOCK_BYTES] = { 0 };
	size_t blocks = rest.n < LENGTH_OFF ? 1 : 2;
	uint8_t *length = end + blocks * BLOCK_BYTES - 8;

	ASSERT(rest.n < BLOCK_BYTES);
	if (rest.n)
		memcpy(end, rest.p, rest.n);
	end[rest.n] = 0x80;
	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)(text_bytes * 8 >> (56 - 8 * i));
	for (size_t i = 0; i < blocks; i++)
		take_block(h, end + i * BLOCK_BYTES);
}

void sha1(struct span text, uint8_t out[SHA1_BYTES])
{
	uint32_t h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 };
	size_t whole = text.n / BLOCK_BYTES * BLOCK_BYTES;

	for (size_t at = 0; at < whole; at += BLOCK_BYTES)
		take_block(h, text.p + at);
	take_end(h, span_of(text.n ? text.p + whole : NULL, text.n - whole), text.n);
	for (int i = 0; i < SHA1_BYTES; i++)
		out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}
