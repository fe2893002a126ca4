/*
 * Goal: compressed payloads give the entries that were put into them, however they were packed and
 *       wherever reads cut them; what cannot be decompressed costs its rest, is named, and holds no
 *       memory.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/wire/forward.h"
#include "proto/wire/forward_put.h"
#include "tests/support/forward_say.h"
#include "tests/support/pack.h"

static void put_part(struct buf *out, bool zstd, struct span s)
{
	if (zstd)
		pack_zstd(out, s, 0);
	else
		pack_gzip(out, s);
}

/* [tag, payload, {chunk: "c"}] */
static void put_frame(struct buf *out, struct span payload)
{
	struct forward_put_frame f = { .tag = SPAN_LIT("a"), .chunk = SPAN_LIT("c") };

	forward_put_packed(out, &f, payload, 3);
}

static struct buf entries, payload, frame;

static int setup(void **state)
{
	(void)state;
	buf_init(&entries, 64 << 20);
	buf_init(&payload, 64 << 20);
	buf_init(&frame, 64 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&entries);
	buf_fini(&payload);
	buf_fini(&frame);
	return 0;
}

static void begin(void)
{
	buf_reset(&entries);
	buf_reset(&payload);
	buf_reset(&frame);
}

static void put_three(void)
{
	forward_say_put_hex(
		&entries, "92 05 81A17801 92 92 06 81A16D01 81A17802 92 07 81A178A3616263");
}

static const char three[] = "P 'a'\n"
			    "entry 5000000000 81a17801\n"
			    "entry 6000000000 81a17802 meta 81a16d01\n"
			    "entry 7000000000 81a178a3616263\n"
			    "end 3 chunk 'c' size 3\n";

static void one_member_and_many(void **state)
{
	(void)state;
	for (unsigned zstd = 0; zstd < 2; zstd++) {
		begin();
		put_three();
		put_part(&payload, zstd, buf_span(&entries));
		put_frame(&frame, buf_span(&payload));
		forward_say_expect(buf_span(&frame), three);
		/* Each byte in a member of its own: entries straddle all borders. */
		buf_reset(&payload);
		buf_reset(&frame);
		for (size_t i = 0; i < entries.len; i++)
			put_part(&payload, zstd, span_of(entries.p + i, 1));
		put_part(&payload, zstd, span_of(entries.p, 0));
		put_frame(&frame, buf_span(&payload));
		/* And another frame behind it, which is not compressed. */
		put_frame(&frame, buf_span(&entries));
		struct buf want;

		buf_init(&want, 4096);
		buf_put_str(&want, three);
		buf_put(&want, three, sizeof three);
		forward_say_expect(buf_span(&frame), (char *)want.p);
		buf_fini(&want);
	}
}

static void expect_frame(const char *want)
{
	buf_reset(&frame);
	put_frame(&frame, buf_span(&payload));
	forward_say_expect(buf_span(&frame), want);
}

static void what_the_option_says_is_not_believed(void **state)
{
	static const char *const words[] = { "text", "gzip", "zstd", "" };

	(void)state;
	for (unsigned zstd = 0; zstd < 2; zstd++) {
		for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
			begin();
			put_three();
			put_part(&payload, zstd, buf_span(&entries));
			forward_say_put_hex(&frame, "93A161 C4");
			buf_put_u8(&frame, (uint8_t)payload.len);
			buf_put_span(&frame, buf_span(&payload));
			forward_say_put_hex(&frame, "82A56368756E6BA163 AA636F6D70726573736564");
			buf_put_u8(&frame, (uint8_t)(0xa0 + strlen(words[i])));
			buf_put_str(&frame, words[i]);
			buf_put_u8(&frame, 0);
			frame.len--;
			{
				struct buf want;

				buf_init(&want, 4096);
				buf_put(&want, three, sizeof three - strlen(" size 3\n") - 1);
				buf_put(&want, "\n", 2);
				forward_say_expect(buf_span(&frame), (char *)want.p);
				buf_fini(&want);
			}
		}
	}
}

static void what_cannot_be_read_costs_its_rest(void **state)
{
	(void)state;
	for (unsigned zstd = 0; zstd < 2; zstd++) {
		size_t first;

		begin();
		forward_say_put_hex(&entries, "92 05 81A17801");
		put_part(&payload, zstd, buf_span(&entries));
		first = payload.len;
		put_part(&payload, zstd, buf_span(&entries));
		/* The second member is cut at each place. */
		for (size_t n = payload.len - 1; n > first; n--) {
			size_t whole = payload.len;

			payload.len = n;
			buf_reset(&frame);
			put_frame(&frame, buf_span(&payload));
			{
				struct buf out;

				buf_init(&out, 4096);
				forward_say_run(buf_span(&frame), 0, SIZE_MAX, &out);
				assert_non_null(
					strstr((char *)out.p, "entry 5000000000 81a17801\n"));
				assert_non_null(
					strstr((char *)out.p, "chunk 'c' size 3 corrupt 1\n"));
				buf_fini(&out);
			}
			payload.len = whole;
		}
		payload.len = first;
		buf_put_str(&payload, "xyz");
		expect_frame(
			"P 'a'\nentry 5000000000 81a17801\nend 1 chunk 'c' size 3 corrupt 1\n");
		/* The entries end inside an entry. */
		begin();
		forward_say_put_hex(&entries, "92 05 81A17801 92 05 81");
		put_part(&payload, zstd, buf_span(&entries));
		expect_frame(
			"P 'a'\nentry 5000000000 81a17801\nend 1 chunk 'c' size 3 truncated 1\n");
		/* They are none. */
		begin();
		forward_say_put_hex(&entries, "92 05 81A17801 C1 92 05 81A17801");
		put_part(&payload, zstd, buf_span(&entries));
		expect_frame("P 'a'\nentry 5000000000 81a17801\nend 1 chunk 'c' size 3 syntax 1\n");
	}
}

static void growth_and_windows_have_limits(void **state)
{
	enum { BOMB_BYTES = 40 << 20 };
	uint8_t *zeroes = calloc(1, BOMB_BYTES);
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	for (unsigned zstd = 0; zstd < 2; zstd++) {
		begin();
		/* An entry whose record is a str of 40 MiB of zeroes. */
		forward_say_put_hex(&entries, "92 05 DB02800000");
		buf_put(&entries, zeroes, BOMB_BYTES);
		put_part(&payload, zstd, buf_span(&entries));
		buf_reset(&frame);
		put_frame(&frame, buf_span(&payload));
		forward_say_run(buf_span(&frame), 0, SIZE_MAX, &out);
		assert_string_equal((char *)out.p, "P 'a'\nend 0 chunk 'c' size 3 bomb 1\n");
	}
	begin();
	put_three();
	pack_zstd(&payload, buf_span(&entries), LIMIT_INFLATE_WINDOW_LOG + 1);
	expect_frame("P 'a'\nend 0 chunk 'c' size 3 window 1\n");
	buf_fini(&out);
	free(zeroes);
}

static void a_payload_has_a_length(void **state)
{
	/* Members of random bytes in one str each: little growth, much of it. */
	enum { PART_BYTES = 16 << 20 };
	struct inflate_pool pool = { 0 };
	struct forward f;
	struct forward_entry e;
	struct rcur c;
	uint8_t *noise = malloc(PART_BYTES);
	uint32_t x = 1;
	int rc;

	(void)state;
	for (size_t i = 0; i < PART_BYTES; i++) {
		x = x * 1664525u + 1013904223u;
		noise[i] = (uint8_t)(x >> 28); /* four bits of eight */
	}
	memcpy(noise, "\xdb\x00\xff\xff\xfb", 5);
	begin();
	pack_zstd(&payload, span_of(noise, PART_BYTES), 0);
	forward_init(&f, &pool);
	forward_say_put_hex(&frame, "93A161C6FFFFFFFF");
	c = rcur_of(frame.p, frame.len);
	assert_int_equal(forward_next(&f, &c, &e), FORWARD_BEGIN);
	for (unsigned i = 0; i <= LIMIT_PAYLOAD_BYTES / PART_BYTES; i++) {
		c = rcur_of(payload.p, payload.len);
		rc = forward_next(&f, &c, &e);
		assert_int_equal(rc, FORWARD_MORE);
		assert_int_equal(
			f.frame.dropped[FORWARD_DROP_BOMB], i == LIMIT_PAYLOAD_BYTES / PART_BYTES);
		assert_true(forward_bytes(&f) <= FORWARD_BYTES_MAX + INFLATE_BYTES_MAX);
	}
	assert_null(f.inflate);
	forward_fini(&f);
	inflate_pool_fini(&pool);
	free(noise);
}

static void idle_connections_hold_nothing(void **state)
{
	enum { PARSERS = 4 };
	struct inflate_pool pool = { 0 };
	struct forward f[PARSERS];
	struct forward_entry e;
	struct rcur c;
	size_t half;

	(void)state;
	begin();
	put_three();
	pack_gzip(&payload, buf_span(&entries));
	put_frame(&frame, buf_span(&payload));
	half = 20; /* in the payload */
	for (unsigned i = 0; i < PARSERS; i++) {
		forward_init(&f[i], &pool);
		c = rcur_of(frame.p, half);
		assert_int_equal(forward_next(&f[i], &c, &e), FORWARD_BEGIN);
		assert_int_equal(forward_next(&f[i], &c, &e), FORWARD_MORE);
		assert_non_null(f[i].inflate);
		assert_true(forward_bytes(&f[i]) >= inflate_bytes(f[i].inflate));
	}
	for (unsigned i = 0; i + 1 < PARSERS; i++) {
		c = rcur_of(frame.p + half, frame.len - half);
		while (forward_next(&f[i], &c, &e) != FORWARD_END)
			assert_ptr_equal(f[i].frame.tag.p, f[i].tag);
		assert_null(f[i].inflate);
	}
	assert_int_equal(pool.spares_count, LIMIT_INFLATE_SPARES);
	/* Given up half-way. */
	forward_reset(&f[PARSERS - 1]);
	assert_null(f[PARSERS - 1].inflate);
	assert_int_equal(pool.spares_count, LIMIT_INFLATE_SPARES);
	assert_true(inflate_pool_bytes(&pool) <=
		    LIMIT_INFLATE_PIECE_BYTES + LIMIT_INFLATE_SPARES * LIMIT_INFLATE_SPARE_BYTES);
	for (unsigned i = 0; i < PARSERS; i++)
		forward_fini(&f[i]);
	inflate_pool_fini(&pool);
	assert_int_equal(inflate_pool_bytes(&pool), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_member_and_many),
		cmocka_unit_test(what_the_option_says_is_not_believed),
		cmocka_unit_test(what_cannot_be_read_costs_its_rest),
		cmocka_unit_test(growth_and_windows_have_limits),
		cmocka_unit_test(a_payload_has_a_length),
		cmocka_unit_test(idle_connections_hold_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
