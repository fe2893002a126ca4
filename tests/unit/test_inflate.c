/*
 * Goal: gzip, zlib and zstd come out as they went in, in whatever pieces both sides come; what is
 *       damaged, cut, followed by something else, or grows without measure ends with its reason.
 * Method: the libraries' own compressors; every split of small inputs; streams reused without end.
 */
#include "tests/support/check_cmocka.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/wire/inflate.h"
#include "tests/support/pack.h"

/* ---- compressors ---- */

static void put(struct buf *out, enum inflate_kind kind, struct span s)
{
	if (kind == INFLATE_ZSTD)
		pack_zstd(out, s, 0);
	else if (kind == INFLATE_GZIP)
		pack_gzip(out, s);
	else
		pack_zlib(out, s);
}

static const enum inflate_kind kinds[] = { INFLATE_GZIP, INFLATE_ZLIB, INFLATE_ZSTD };

/* ---- running ---- */

static struct inflate *z;
static struct buf packed, plain, got;

static int setup(void **state)
{
	(void)state;
	buf_init(&packed, 64 << 20);
	buf_init(&plain, 64 << 20);
	buf_init(&got, 64 << 20);
	return inflate_new(&z);
}

static int teardown(void **state)
{
	(void)state;
	inflate_free(&z);
	inflate_free(&z);
	buf_fini(&packed);
	buf_fini(&plain);
	buf_fini(&got);
	return 0;
}

/* One piece of input, from memory of its own, through output pieces of `room` bytes into got. */
static int feed(struct span s, size_t room)
{
	uint8_t *copy = malloc(s.n + 1), *to = malloc(room);
	struct rcur in = rcur_of(copy, s.n);
	int rc;

	memcpy(copy, s.p, s.n);
	do {
		struct wcur out = wcur_of(to, room);

		rc = inflate_next(z, &in, &out);
		buf_put(&got, to, (size_t)(out.p - to));
		if (rc == INFLATE_FULL)
			assert_ptr_equal(out.p, out.end);
	} while (rc == INFLATE_FULL);
	if (rc == INFLATE_MORE)
		assert_int_equal(rcur_left(&in), 0);
	free(copy);
	free(to);
	return rc;
}

/* The whole stream: `first` bytes, then pieces of `piece`; the fault it ends with. */
static enum inflate_fault run(enum inflate_kind kind, struct span s, size_t first, size_t piece,
	size_t room, uint64_t max)
{
	int rc = inflate_begin(z, kind, max);

	buf_reset(&got);
	assert_int_equal(rc, 0);
	for (size_t at = 0; at < s.n && rc >= 0;) {
		size_t n = at == 0 && first ? first : piece;

		n = n < s.n - at ? n : s.n - at;
		rc = feed(span_of(s.p + at, n), room);
		at += n;
	}
	if (rc >= 0)
		rc = inflate_end(z);
	assert_true((rc < 0) == (inflate_fault(z) != INFLATE_FAULT_NONE));
	assert_int_equal(got.err, 0);
	return inflate_fault(z);
}

static void expect_plain(enum inflate_kind kind, size_t first, size_t piece, size_t room)
{
	assert_int_equal(
		run(kind, buf_span(&packed), first, piece, room, UINT64_MAX), INFLATE_FAULT_NONE);
	assert_true(span_eq(buf_span(&got), buf_span(&plain)));
	assert_int_equal(inflate_total(z), plain.len);
}

static void expect_fault(enum inflate_kind kind, struct span s, enum inflate_fault why)
{
	assert_int_equal(run(kind, s, 0, SIZE_MAX, 4096, UINT64_MAX), why);
	assert_int_equal(run(kind, s, 0, 1, 7, UINT64_MAX), why);
}

static void put_lines(struct buf *b, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++)
		buf_printf(b, "line %u of user%u: request took %u us\n", i, i * 7919 % 97,
			i * 104729 % 100003);
}

/* ---- tests ---- */

static void every_split_gives_the_same(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
		buf_reset(&packed);
		buf_reset(&plain);
		put_lines(&plain, 0, 40);
		put(&packed, kinds[k], buf_span(&plain));
		for (size_t first = 0; first < packed.len; first++)
			expect_plain(kinds[k], first, SIZE_MAX, 1 << 16);
		expect_plain(kinds[k], 0, 1, 1);
		expect_plain(kinds[k], 0, 1, 1 << 16);
		for (size_t room = 1; room < 64; room++)
			expect_plain(kinds[k], 0, SIZE_MAX, room);
		/* Output that is full exactly at the end. */
		expect_plain(kinds[k], 0, SIZE_MAX, plain.len);
		expect_plain(kinds[k], 0, 1, plain.len);
	}
}

static void members_one_after_another_are_one_stream(void **state)
{
	static const enum inflate_kind both[] = { INFLATE_GZIP, INFLATE_ZSTD };

	(void)state;
	for (size_t k = 0; k < ARRAY_COUNT(both); k++) {
		buf_reset(&packed);
		buf_reset(&plain);
		for (unsigned i = 0; i < 5; i++) {
			struct span part;
			size_t was = plain.len;

			/* The third is empty. */
			put_lines(&plain, i * 100, i == 2 ? 0 : 10);
			part = span_of(plain.p + was, plain.len - was);
			put(&packed, both[k], part);
		}
		if (both[k] == INFLATE_ZSTD)
			buf_put(&packed, "\x5a\x2a\x4d\x18\x03\x00\x00\x00xyz",
				11); /* to be skipped */
		for (size_t first = 0; first < packed.len; first++)
			expect_plain(both[k], first, SIZE_MAX, 1 << 16);
		expect_plain(both[k], 0, 1, 3);
	}
}

static void gzip_heads_with_all_their_parts(void **state)
{
	z_stream c = { 0 };
	gz_header head = { 0 };
	char name[] = "a name", note[] = "a comment";
	Bytef extra[] = "extra";
	uint8_t out[512];

	(void)state;
	buf_reset(&plain);
	buf_put_str(&plain, "text");
	deflateInit2(&c, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
	head.name = (Bytef *)name;
	head.comment = (Bytef *)note;
	head.extra = extra;
	head.extra_len = 5;
	head.hcrc = 1;
	deflateSetHeader(&c, &head);
	c.next_in = plain.p;
	c.avail_in = (uInt)plain.len;
	c.next_out = out;
	c.avail_out = sizeof out;
	assert_int_equal(deflate(&c, Z_FINISH), Z_STREAM_END);
	buf_reset(&packed);
	buf_put(&packed, out, sizeof out - c.avail_out);
	deflateEnd(&c);
	expect_plain(INFLATE_GZIP, 0, SIZE_MAX, 64);
	expect_plain(INFLATE_GZIP, 0, 1, 64);
}

static void what_is_cut_is_truncated(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
		buf_reset(&packed);
		buf_reset(&plain);
		put_lines(&plain, 0, 20);
		put(&packed, kinds[k], buf_span(&plain));
		for (size_t n = 0; n < packed.len; n++)
			expect_fault(kinds[k], span_of(packed.p, n), INFLATE_FAULT_TRUNCATED);
		if (kinds[k] == INFLATE_ZLIB)
			continue;
		/* In the second member. */
		put(&packed, kinds[k], buf_span(&plain));
		for (size_t n = packed.len / 2 + 1; n < packed.len; n++)
			expect_fault(kinds[k], span_of(packed.p, n), INFLATE_FAULT_TRUNCATED);
	}
}

static void what_follows_has_to_be_a_member(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
		static const char *const tails[] = { "x", "\x1fx", "\x28\xb5\x2fx", "\x5a\x2ax",
			"{}" };

		for (size_t t = 0; t < ARRAY_COUNT(tails); t++) {
			buf_reset(&packed);
			buf_reset(&plain);
			put_lines(&plain, 0, 5);
			put(&packed, kinds[k], buf_span(&plain));
			buf_put_str(&packed, tails[t]);
			expect_fault(kinds[k], buf_span(&packed), INFLATE_FAULT_TRAILING);
			/* All of the member was handed out. */
			assert_true(span_eq(buf_span(&got), buf_span(&plain)));
		}
	}
}

static void damage_is_found(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
		buf_reset(&packed);
		buf_reset(&plain);
		put_lines(&plain, 0, 20);
		put(&packed, kinds[k], buf_span(&plain));
		for (size_t at = 0; at < packed.len; at++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				enum inflate_fault why;

				packed.p[at] ^= (uint8_t)(1u << bit);
				why = run(kinds[k], buf_span(&packed), 0, SIZE_MAX, 4096, 1 << 20);
				/* A flag, the time or the system in gzip's head change no byte. */
				if (why == INFLATE_FAULT_NONE)
					assert_true(span_eq(buf_span(&got), buf_span(&plain)));
				packed.p[at] ^= (uint8_t)(1u << bit);
			}
		}
		packed.p[packed.len - 1] ^=
			1; /* in every kind a part of the checksum, or of the length */
		expect_fault(kinds[k], buf_span(&packed), INFLATE_FAULT_CORRUPT);
	}
	expect_fault(INFLATE_GZIP, SPAN_LIT("no gzip"), INFLATE_FAULT_CORRUPT);
	expect_fault(INFLATE_ZLIB, SPAN_LIT("no zlib"), INFLATE_FAULT_CORRUPT);
	expect_fault(INFLATE_ZSTD, SPAN_LIT("no zstd"), INFLATE_FAULT_CORRUPT);
	/* Forms of zstd's past. */
	expect_fault(INFLATE_ZSTD, SPAN_LIT("\x27\xb5\x2f\xfd...."), INFLATE_FAULT_CORRUPT);
}

static void growth_has_a_measure(void **state)
{
	static uint8_t zeroes[40 << 20];

	(void)state;
	for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
		buf_reset(&packed);
		put(&packed, kinds[k], span_of(zeroes, sizeof zeroes));
		assert_int_equal(run(kinds[k], buf_span(&packed), 0, SIZE_MAX, 1 << 16, UINT64_MAX),
			INFLATE_FAULT_RATIO);
		/* All input may be inside already, so the bound is of all that came. */
		assert_in_range(got.len, LIMIT_INFLATE_FREE_BYTES,
			LIMIT_INFLATE_FREE_BYTES + LIMIT_INFLATE_RATIO * (packed.len + 1) +
				(1 << 16));
		/* The same shrinks as much, but is little. */
		buf_reset(&packed);
		put(&packed, kinds[k], span_of(zeroes, LIMIT_INFLATE_FREE_BYTES));
		assert_int_equal(run(kinds[k], buf_span(&packed), 0, SIZE_MAX, 1 << 16, UINT64_MAX),
			INFLATE_FAULT_NONE);
		assert_int_equal(got.len, LIMIT_INFLATE_FREE_BYTES);
	}
}

static void a_stream_may_be_so_long(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_COUNT(kinds); k++) {
		buf_reset(&packed);
		buf_reset(&plain);
		put_lines(&plain, 0, 1000);
		put(&packed, kinds[k], buf_span(&plain));
		assert_int_equal(run(kinds[k], buf_span(&packed), 0, SIZE_MAX, 512, plain.len),
			INFLATE_FAULT_NONE);
		assert_int_equal(run(kinds[k], buf_span(&packed), 0, SIZE_MAX, 512, plain.len - 1),
			INFLATE_FAULT_SIZE);
		assert_int_equal(
			run(kinds[k], buf_span(&packed), 0, 1, 512, 2000), INFLATE_FAULT_SIZE);
		assert_in_range(got.len, 2001, 2512);
	}
}

static void windows_have_a_limit(void **state)
{
	(void)state;
	buf_reset(&plain);
	put_lines(&plain, 0, 1000);
	buf_reset(&packed);
	pack_zstd(&packed, buf_span(&plain), LIMIT_INFLATE_WINDOW_LOG);
	expect_plain(INFLATE_ZSTD, 0, SIZE_MAX, 4096);
	assert_in_range(inflate_bytes(z), 1 << LIMIT_INFLATE_WINDOW_LOG,
		(1 << LIMIT_INFLATE_WINDOW_LOG) + (1 << 20));
	buf_reset(&packed);
	pack_zstd(&packed, buf_span(&plain), LIMIT_INFLATE_WINDOW_LOG + 1);
	expect_fault(INFLATE_ZSTD, buf_span(&packed), INFLATE_FAULT_WINDOW);
}

static void one_state_for_all_that_come(void **state)
{
	size_t held;

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		enum inflate_kind kind = kinds[i % 3];

		buf_reset(&packed);
		buf_reset(&plain);
		put_lines(&plain, i, 100);
		put(&packed, kind, buf_span(&plain));
		/* Streams left half-way, and ones that failed, are nothing to the next. */
		if (i % 2)
			run(kind, span_of(packed.p, packed.len / 2), 0, SIZE_MAX, 100, UINT64_MAX);
		if (i % 5 == 0)
			run(kind, SPAN_LIT("bad"), 0, SIZE_MAX, 100, UINT64_MAX);
		expect_plain(kind, 0, SIZE_MAX, 4096);
		if (i == 2)
			held = inflate_bytes(z);
		if (i > 2)
			assert_int_equal(inflate_bytes(z), held);
	}
}

static void kinds_are_told_by_their_first_bytes(void **state)
{
	(void)state;
	assert_int_equal(inflate_detect(SPAN_LIT("\x1f\x8b\x08\x00")), INFLATE_GZIP);
	assert_int_equal(inflate_detect(SPAN_LIT("\x28\xb5\x2f\xfd")), INFLATE_ZSTD);
	assert_int_equal(inflate_detect(SPAN_LIT("\x1f\x8b")), INFLATE_GZIP);
	assert_int_equal(inflate_detect(SPAN_LIT("\x28\xb5\x2f")), INFLATE_NONE);
	assert_int_equal(inflate_detect(SPAN_LIT("\x92\xd7\x00\x00")), INFLATE_NONE);
	assert_int_equal(inflate_detect(SPAN_LIT("")), INFLATE_NONE);
	for (int i = 0; i < INFLATE_FAULT_COUNT; i++) {
		assert_true(strlen(inflate_fault_label((enum inflate_fault)i)) > 0);
		assert_true(strlen(inflate_fault_text((enum inflate_fault)i)) > 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_split_gives_the_same),
		cmocka_unit_test(members_one_after_another_are_one_stream),
		cmocka_unit_test(gzip_heads_with_all_their_parts),
		cmocka_unit_test(what_is_cut_is_truncated),
		cmocka_unit_test(what_follows_has_to_be_a_member),
		cmocka_unit_test(damage_is_found),
		cmocka_unit_test(growth_has_a_measure),
		cmocka_unit_test(a_stream_may_be_so_long),
		cmocka_unit_test(windows_have_a_limit),
		cmocka_unit_test(one_state_for_all_that_come),
		cmocka_unit_test(kinds_are_told_by_their_first_bytes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
