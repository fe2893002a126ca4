/*
 * Goal: what was packed in any pieces is unpacked by zlib to the same bytes; a part can be read before the
 * end; a full buffer is told.
 * Method: texts of many lengths and kinds, cut at random, read back by zlib itself.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "proto/base/err.h"
#include "proto/wire/gzip_out.h"

enum { TEXT_BYTES = 300000 };

static uint8_t *make_text(unsigned seed)
{
	uint8_t *p = malloc(TEXT_BYTES);

	srand(seed);
	for (size_t i = 0; i < TEXT_BYTES; i++)
		p[i] = seed % 2 ? (uint8_t)rand()
				: (uint8_t)("event_type "[(i + (size_t)rand() % 3) % 11]);
	return p;
}

/* Bytes that come out of so much of the stream; *out_ended: its end was reached and held. */
static size_t unpack(const struct buf *in, uint8_t *to, size_t cap, bool *out_ended)
{
	z_stream z = {
		.next_in = in->p, .avail_in = (uInt)in->len, .next_out = to, .avail_out = (uInt)cap
	};
	int rc;

	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	rc = inflate(&z, Z_SYNC_FLUSH);
	assert_true(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
	*out_ended = rc == Z_STREAM_END && z.avail_in == 0;
	inflateEnd(&z);
	return cap - z.avail_out;
}

static void any_pieces(void **state)
{
	uint8_t *back = malloc(TEXT_BYTES + 1);

	(void)state;
	for (unsigned seed = 0; seed < 20; seed++) {
		uint8_t *text = make_text(seed);
		struct gzip_out *g = gzip_out_new();
		struct buf out;
		size_t at = 0;
		bool ended;

		buf_init(&out, 1 << 20);
		while (at < TEXT_BYTES) {
			size_t n = (size_t)rand() % (seed % 3 ? 100000 : 900);
			bool part = rand() % 3 == 0;

			n = n < TEXT_BYTES - at ? n : TEXT_BYTES - at;
			assert_int_equal(gzip_out_put(g, span_of(text + at, n),
						 part ? GZIP_OUT_PART : GZIP_OUT_MORE, &out),
				0);
			at += n;
			if (part && rand() % 8 == 0) {
				assert_int_equal(unpack(&out, back, TEXT_BYTES + 1, &ended), at);
				assert_false(ended);
				assert_memory_equal(back, text, at);
			}
		}
		assert_int_equal(gzip_out_put(g, SPAN_NONE, GZIP_OUT_END, &out), 0);
		assert_int_equal(unpack(&out, back, TEXT_BYTES + 1, &ended), TEXT_BYTES);
		assert_true(ended);
		assert_memory_equal(back, text, TEXT_BYTES);
		if (seed % 2 == 0)
			assert_true(out.len < TEXT_BYTES / 2);
		gzip_out_free(&g);
		buf_fini(&out);
		free(text);
	}
	free(back);
}

static void nothing_at_all(void **state)
{
	struct buf out;
	uint8_t back[1];
	bool ended;

	(void)state;
	buf_init(&out, 1 << 16);
	assert_int_equal(gzip_out_whole(SPAN_NONE, &out), 0);
	assert_int_equal(unpack(&out, back, 1, &ended), 0);
	assert_true(ended);
	buf_fini(&out);
}

static void no_room(void **state)
{
	uint8_t *text = make_text(1);
	struct buf out;

	(void)state;
	buf_init(&out, 1000);
	assert_int_equal(gzip_out_whole(span_of(text, TEXT_BYTES), &out), ERR_LIMIT);
	assert_int_equal(out.err, ERR_LIMIT);
	buf_fini(&out);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_pieces),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
