/*
 * Goal: Snappy blocks decode to what was encoded, whoever encoded them; what is none is refused without a
 *       read or write outside the buffers.
 * Method: blocks by hand for each kind of element, random programs of elements against a model, every
 *         prefix and every changed byte of a block.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/wire/snappy.h"

/* Both buffers are allocations of exactly their size. */
static int decode(struct span in, uint8_t **out, size_t *out_n)
{
	uint8_t *copy = malloc(in.n ? in.n : 1);
	int rc;

	assert_non_null(copy);
	if (in.n)
		memcpy(copy, in.p, in.n);
	*out = NULL;
	rc = snappy_bytes(span_of(copy, in.n), out_n);
	if (rc == 0) {
		*out = malloc(*out_n ? *out_n : 1);
		assert_non_null(*out);
		rc = snappy_decode(span_of(copy, in.n), *out, *out_n);
	}
	free(copy);
	return rc;
}

static void assert_decodes(struct span in, struct span want)
{
	uint8_t *out;
	size_t n;

	assert_int_equal(decode(in, &out, &n), 0);
	assert_int_equal(n, want.n);
	assert_memory_equal(out, want.p, n);
	free(out);
}

static void assert_refused(struct span in, int code)
{
	uint8_t *out;
	size_t n;

	assert_int_equal(decode(in, &out, &n), code);
	free(out);
}

#define DECODES(in, want) assert_decodes(SPAN_LIT(in), SPAN_LIT(want))
#define REFUSED(in, code) assert_refused(SPAN_LIT(in), code)

static void each_kind_of_element_is_read(void **state)
{
	(void)state;
	DECODES("\x00", "");
	DECODES("\x03\x08"
		"abc",
		"abc");
	/* The length in one byte behind the tag. */
	DECODES("\x05\xf0\x04hello", "hello");
	/* Two bytes, and a copy with an offset of 11 bits. */
	DECODES("\x0a\xf4\x03\x00xyzw\x09\x04", "xyzwxyzwxy");
	/* A copy that overlaps itself. */
	DECODES("\x0b\x00"
		"a\x19\x01",
		"aaaaaaaaaaa");
	/* Offsets of 16 and 32 bits. */
	DECODES("\x06\x08"
		"abc\x0a\x03\x00",
		"abcabc");
	DECODES("\x06\x08"
		"abc\x0b\x03\x00\x00\x00",
		"abcabc");
}

static void what_is_no_block_is_refused(void **state)
{
	(void)state;
	REFUSED("", ERR_TRUNCATED);
	REFUSED("\x80", ERR_TRUNCATED);
	REFUSED("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ERR_CORRUPT);
	/* A gigabyte out of six bytes. */
	REFUSED("\x80\x80\x80\x80\x04\x00", ERR_CORRUPT);
	REFUSED("\x03\x08"
		"ab",
		ERR_TRUNCATED);
	REFUSED("\x03\x04"
		"ab",
		ERR_TRUNCATED);
	REFUSED("\x01\x04"
		"ab",
		ERR_CORRUPT);
	/* From before the beginning, and from nowhere. */
	REFUSED("\x05\x00"
		"a\x01\x02",
		ERR_CORRUPT);
	REFUSED("\x05\x00"
		"a\x01\x00",
		ERR_CORRUPT);
	REFUSED("\x03\x00"
		"a\x01\x01",
		ERR_CORRUPT);
}

/* From the description of the format: the 27 bytes of one Loki push. */
static void a_push_of_promtail_is_read(void **state)
{
	static const char push[] =
		"\x0a\x19\x0a\x07{a=\"b\"}\x12\x0e\x0a\x08\x08\x80\xe2\xcf\xaa\x06"
		"\x10\x05\x12\x02hi";
	char block[2 + sizeof push - 1];

	(void)state;
	assert_int_equal(sizeof push - 1, 27);
	block[0] = 27;
	block[1] = (26 << 2);
	memcpy(block + 2, push, 27);
	assert_decodes(span_of(block, 29), span_of(push, 27));
}

static uint64_t seed = 1;

static unsigned below(unsigned n)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ (z >> 31)) % n);
}

enum { TEXT_MAX = 4096, BLOCK_MAX = 8192 };

struct program {
	uint8_t text[TEXT_MAX + 64];
	size_t text_n;
	uint8_t block[BLOCK_MAX];
	size_t block_n;
};

static void put_literal(struct program *p)
{
	size_t n = 1 + below(below(4) ? 20 : 100);

	if (n <= 60) {
		p->block[p->block_n++] = (uint8_t)((n - 1) << 2);
	} else {
		p->block[p->block_n++] = 60 << 2;
		p->block[p->block_n++] = (uint8_t)(n - 1);
	}
	for (; n > 0; n--)
		p->block[p->block_n++] = p->text[p->text_n++] = (uint8_t)below(256);
}

static void put_copy(struct program *p)
{
	unsigned offset = 1 + below((unsigned)p->text_n), n = 4 + below(8);

	if (offset < 2048 && below(2)) {
		p->block[p->block_n++] = (uint8_t)(1 | (n - 4) << 2 | offset >> 8 << 5);
		p->block[p->block_n++] = (uint8_t)offset;
	} else {
		n = 1 + below(64);
		p->block[p->block_n++] = (uint8_t)(2 | (n - 1) << 2);
		p->block[p->block_n++] = (uint8_t)offset;
		p->block[p->block_n++] = (uint8_t)(offset >> 8);
	}
	for (; n > 0; n--, p->text_n++)
		p->text[p->text_n] = p->text[p->text_n - offset];
}

static void make(struct program *p)
{
	unsigned elements = 1 + below(40);
	uint8_t body[BLOCK_MAX];
	size_t head = 0, n;

	p->text_n = p->block_n = 0;
	while (elements-- > 0 && p->text_n < TEXT_MAX - 128) {
		if (p->text_n == 0 || below(2))
			put_literal(p);
		else
			put_copy(p);
	}
	memcpy(body, p->block, p->block_n);
	n = p->text_n;
	for (; n >= 0x80; n >>= 7)
		p->block[head++] = (uint8_t)(n | 0x80);
	p->block[head++] = (uint8_t)n;
	memcpy(p->block + head, body, p->block_n);
	p->block_n += head;
}

static void random_blocks_mean_what_they_say(void **state)
{
	static struct program p;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		make(&p);
		assert_decodes(span_of(p.block, p.block_n), span_of(p.text, p.text_n));
		/* Cut anywhere it is none; changed anywhere it is some other, or none. */
		for (int k = 0; k < 8; k++) {
			size_t cut = below((unsigned)p.block_n);
			uint8_t *out;
			size_t n;

			assert_true(decode(span_of(p.block, cut), &out, &n) < 0);
			free(out);
			p.block[cut] ^= (uint8_t)(1 + below(255));
			decode(span_of(p.block, p.block_n), &out, &n);
			free(out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_element_is_read),
		cmocka_unit_test(what_is_no_block_is_refused),
		cmocka_unit_test(a_push_of_promtail_is_read),
		cmocka_unit_test(random_blocks_mean_what_they_say),
	};

	return cmocka_run_group_tests_name("snappy", tests, NULL, NULL);
}
