/*
 * Goal:   each encoding of the table gives back its column, adversarial ones too; the cheapest one
 *         is chosen; damaged pages end in an error or in values, never outside the arrays.
 * Method: seeded columns of several lengths and shapes through every encoding that applies.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/col.h"
#include "storage/col_bytes.h"
#include "storage/col_pack.h"
#include "storage/col_stream.h"
#include "tests/support/event_gen.h"

enum { PAGE_MAX = 64 << 20 };

static const uint32_t row_counts[] = { 1, 2, 3, 127, 128, 129, 130, 1000, LIMIT_BLOCK_ROWS };

struct columns {
	int64_t ints[LIMIT_BLOCK_ROWS];
	int64_t times[LIMIT_BLOCK_ROWS];
	int64_t changed[LIMIT_BLOCK_ROWS];
	uint16_t codes[LIMIT_BLOCK_ROWS];
	uint32_t lengths[LIMIT_BLOCK_ROWS];
	int64_t got_ints[LIMIT_BLOCK_ROWS];
	uint16_t got_codes[LIMIT_BLOCK_ROWS];
	uint32_t got_lengths[LIMIT_BLOCK_ROWS];
	struct buf bytes;
	struct buf got_bytes;
	struct buf page;
	struct event_gen gen;
};

static int set_up(void **state)
{
	struct columns *c = calloc(1, sizeof *c);

	if (!c)
		return -1;
	buf_init(&c->bytes, COL_BYTES_RAW_MAX);
	buf_init(&c->got_bytes, COL_BYTES_RAW_MAX + 1);
	buf_init(&c->page, PAGE_MAX);
	c->gen.state = 42;
	*state = c;
	return 0;
}

static int tear_down(void **state)
{
	struct columns *c = *state;

	buf_fini(&c->bytes);
	buf_fini(&c->got_bytes);
	buf_fini(&c->page);
	free(c);
	return 0;
}

/* ---- integers ---- */

static int64_t shape_int(struct columns *c, unsigned shape, uint32_t i)
{
	uint64_t r = event_gen_random(&c->gen);

	switch (shape) {
	case 0:
		return 7;
	case 1:
		return (int64_t)i * 3 - 100;
	case 2:
		return (int64_t)r;
	case 3:
		return r & 1 ? INT64_MIN : INT64_MAX;
	case 4:
		return (int64_t)(r % 8);
	case 5:
		return INT64_C(1763640000000000000) + (int64_t)i * 1000000000 +
		       (int64_t)(r % 5) * 1000000000;
	case 6:
		return INT64_C(1763640000123000000) + (int64_t)(r % 100000) * 1000000;
	case 7:
		return i == 500 ? INT64_MAX : -(int64_t)i;
	default:
		return (int64_t)(UINT64_C(0x7ffffffffffffff0) + i);
	}
}

enum { INT_SHAPES = 9 };

static void decodes_to_ints(struct columns *c, unsigned e, const struct col_input *in)
{
	struct col_output out = {
		.rows_count = in->rows_count, .ints = c->got_ints, .times = in->times
	};
	size_t memory;

	assert_int_equal(c->page.err, 0);
	assert_int_equal(col_codec(e)->memory(buf_span(&c->page), in->rows_count, &memory), 0);
	memset(c->got_ints, 0xaa, sizeof c->got_ints);
	assert_int_equal(col_decode(e, COL_KIND_INTS, buf_span(&c->page), &out), 0);
	assert_memory_equal(c->got_ints, in->ints, in->rows_count * sizeof c->ints[0]);
	assert_int_equal(col_decode(e, COL_KIND_CODES, buf_span(&c->page), &out), ERR_CORRUPT);
}

static void try_int_encoding(struct columns *c, unsigned e, const struct col_input *in)
{
	const struct col_codec *codec = col_codec(e);

	if (!codec || codec->kind != COL_KIND_INTS || !codec->encode)
		return;
	if (codec->cost(in) == SIZE_MAX)
		return;
	buf_reset(&c->page);
	codec->encode(in, &c->page);
	assert_true(c->page.len <= codec->cost(in) + in->rows_count / 64 + 8);
	decodes_to_ints(c, e, in);
}

/* Pages as they were written before there were streams. */
static void put_old_differences(struct columns *c, const struct col_input *in, int64_t unit)
{
	for (uint32_t i = 1; i < in->rows_count; i++)
		c->changed[i] = (int64_t)((uint64_t)(in->ints[i] / unit) -
					  (uint64_t)(in->ints[i - 1] / unit));
	col_pack_varint(&c->page, cursor_zigzag(in->ints[0] / unit));
	col_pack_frames_put(c->changed + 1, in->rows_count - 1, &c->page);
}

static void try_old_encodings(struct columns *c, const struct col_input *in, bool is_ms)
{
	buf_reset(&c->page);
	col_pack_frames_put(in->ints, in->rows_count, &c->page);
	decodes_to_ints(c, COL_INT, in);
	buf_reset(&c->page);
	put_old_differences(c, in, 1);
	decodes_to_ints(c, COL_DELTA, in);
	if (is_ms) {
		buf_reset(&c->page);
		buf_put_u8(&c->page, 2);
		put_old_differences(c, in, 1000000);
		decodes_to_ints(c, COL_TIME, in);
	}
	if (!in->times)
		return;
	for (uint32_t i = 0; i < in->rows_count; i++)
		c->changed[i] = (int64_t)((uint64_t)in->ints[i] - (uint64_t)in->times[i]);
	buf_reset(&c->page);
	col_pack_frames_put(c->changed, in->rows_count, &c->page);
	decodes_to_ints(c, COL_TIME_REL, in);
}

static void an_old_sequence(void **state)
{
	struct columns *c = *state;
	struct col_input in = { .rows_count = 1000, .ints = c->ints };

	for (uint32_t i = 0; i < in.rows_count; i++)
		c->ints[i] = shape_int(c, 1, i);
	buf_reset(&c->page);
	col_pack_varint(&c->page, cursor_zigzag(-100));
	col_pack_varint(&c->page, cursor_zigzag(3));
	decodes_to_ints(c, COL_SEQ, &in);
}

static void ints(void **state)
{
	struct columns *c = *state;

	for (size_t n = 0; n < sizeof row_counts / sizeof row_counts[0]; n++) {
		for (unsigned shape = 0; shape < INT_SHAPES; shape++) {
			struct col_input in = { .rows_count = row_counts[n],
				.ints = c->ints,
				.times = shape % 2 ? c->times : NULL };

			for (uint32_t i = 0; i < in.rows_count; i++) {
				c->ints[i] = shape_int(c, shape, i);
				c->times[i] = shape_int(c, (shape + n) % INT_SHAPES, i);
			}
			for (unsigned e = 0; e < COL_ENCODING_COUNT; e++)
				try_int_encoding(c, e, &in);
			try_old_encodings(c, &in, shape == 6);
		}
	}
}

static enum col_encoding choice(struct columns *c, unsigned shape, const int64_t *times)
{
	struct col_input in = { .rows_count = 1000, .ints = c->ints, .times = times };

	for (uint32_t i = 0; i < in.rows_count; i++)
		c->ints[i] = shape_int(c, shape, i);
	buf_reset(&c->page);
	return col_encode(COL_KIND_INTS, &in, &c->page);
}

/* A value that follows the time of its row costs what it differs by, any other its own stream. */
static void the_cheapest_is_taken(void **state)
{
	struct columns *c = *state;
	struct col_stream_maker maker;
	struct col_input in = {
		.rows_count = 1000, .ints = c->ints, .times = c->times, .maker = &maker
	};

	assert_int_equal(choice(c, 0, NULL), COL_STREAM);
	assert_true(c->page.len <= 2);
	assert_int_equal(choice(c, 5, NULL), COL_STREAM);
	assert_true(c->page.len < 1000);
	for (uint32_t i = 0; i < 1000; i++)
		c->times[i] = shape_int(c, 2, i);
	assert_int_equal(choice(c, 2, c->times), COL_STREAM);
	memcpy(c->times, c->ints, sizeof c->times);
	for (uint32_t i = 0; i < 1000; i++)
		c->ints[i] = (int64_t)((uint64_t)c->times[i] + i * i % 7);
	buf_reset(&c->page);
	col_stream_maker_init(&maker, 0);
	assert_int_equal(col_encode(COL_KIND_INTS, &in, &c->page), COL_STREAM_REL);
	col_stream_maker_fini(&maker);
	decodes_to_ints(c, COL_STREAM_REL, &in);
	assert_true(col_is_relative(COL_STREAM_REL));
	assert_true(col_is_relative(COL_TIME_REL));
	assert_false(col_is_relative(COL_STREAM));
}

/* ---- codes ---- */

static void decodes_to_codes(struct columns *c, unsigned e, uint32_t rows)
{
	struct col_output out = { .rows_count = rows, .codes = c->got_codes };

	assert_int_equal(c->page.err, 0);
	memset(c->got_codes, 0xaa, sizeof c->got_codes);
	assert_int_equal(col_decode(e, COL_KIND_CODES, buf_span(&c->page), &out), 0);
	assert_memory_equal(c->codes, c->got_codes, rows * sizeof c->codes[0]);
}

static void try_old_codes(struct columns *c, uint32_t rows)
{
	size_t bytes = col_pack_bytes(rows, 16);
	bool same = true;

	buf_reset(&c->page);
	buf_put_u8(&c->page, 16);
	assert_int_equal(buf_reserve(&c->page, bytes), 0);
	col_pack_put16(c->codes, rows, 16, c->page.p + c->page.len);
	c->page.len += bytes;
	decodes_to_codes(c, COL_CODES, rows);
	for (uint32_t i = 0; i < rows; i++)
		same = same && c->codes[i] == c->codes[0];
	if (!same)
		return;
	buf_reset(&c->page);
	col_pack_varint(&c->page, c->codes[0]);
	decodes_to_codes(c, COL_CODE_SAME, rows);
}

static void codes(void **state)
{
	struct columns *c = *state;

	for (size_t n = 0; n < sizeof row_counts / sizeof row_counts[0]; n++) {
		for (unsigned top = 0; top <= UINT16_MAX; top = top * 2 + 1) {
			struct col_input in = { .rows_count = row_counts[n], .codes = c->codes };
			enum col_encoding e;

			for (uint32_t i = 0; i < in.rows_count; i++)
				c->codes[i] = (uint16_t)(event_gen_random(&c->gen) % (top + 1));
			buf_reset(&c->page);
			e = col_encode(COL_KIND_CODES, &in, &c->page);
			assert_int_equal(e, COL_CODE_STREAM);
			decodes_to_codes(c, e, in.rows_count);
			try_old_codes(c, in.rows_count);
		}
	}
}

/* ---- bytes ---- */

static void put_value(struct columns *c, uint32_t row, unsigned shape)
{
	uint64_t r = event_gen_random(&c->gen);
	size_t n = shape == 0               ? 0
		   : shape == 1             ? r % 30
		   : shape == 2             ? (row % 1000 == 0) * 65536
		   : shape == 3 && row == 1 ? LIMIT_EVENT_BYTES - 1
					    : 8;

	c->lengths[row] = 0;
	if (shape == 4 || (shape == 1 && r % 11 == 0))
		return;
	c->lengths[row] = (uint32_t)n + 1;
	for (size_t i = 0; i < n; i++)
		buf_put_u8(
			&c->bytes, (uint8_t)(shape == 1 ? event_gen_random(&c->gen) : 'a' + i % 7));
}

enum { BYTES_SHAPES = 6 };

static void round_trip_bytes(struct columns *c, uint32_t rows, int level)
{
	struct col_input in = { .rows_count = rows,
		.lengths = c->lengths,
		.bytes = c->bytes.p,
		.compress_level = level };
	struct col_output out = {
		.rows_count = rows, .lengths = c->got_lengths, .bytes = &c->got_bytes
	};
	const struct col_codec *codec = col_codec(COL_BYTES);
	size_t memory;

	buf_reset(&c->page);
	assert_int_equal(col_encode(COL_KIND_BYTES, &in, &c->page), COL_BYTES);
	assert_int_equal(c->page.err, 0);
	assert_int_equal(codec->memory(buf_span(&c->page), rows, &memory), 0);
	assert_int_equal(memory, c->bytes.len);
	assert_int_equal(col_decode(COL_BYTES, COL_KIND_BYTES, buf_span(&c->page), &out), 0);
	assert_memory_equal(c->lengths, c->got_lengths, rows * sizeof c->lengths[0]);
	assert_int_equal(c->bytes.len, c->got_bytes.len);
	assert_memory_equal(c->bytes.p, c->got_bytes.p, c->bytes.len);
}

/* Every chunk by itself says the same as the whole. */
static void chunks_agree(struct columns *c, uint32_t rows)
{
	static struct col_bytes_chunk room[COL_BYTES_CHUNKS_MAX];
	struct col_bytes b;
	struct buf scratch;
	size_t at = 0;

	buf_init(&scratch, COL_BYTES_CHUNK_MAX + 1);
	assert_int_equal(col_bytes_open(buf_span(&c->page), rows, c->got_lengths, room, &b), 0);
	for (uint32_t i = 0; i < b.chunks_count; i++) {
		struct span raw;

		assert_int_equal(col_bytes_chunk(&b, i, &scratch, &raw), 0);
		assert_int_equal(raw.n, b.chunks[i].raw_bytes);
		assert_memory_equal(raw.p, c->bytes.p + at, raw.n);
		assert_int_equal(col_bytes_find(&b, b.chunks[i].row), i);
		assert_int_equal(
			col_bytes_find(&b, b.chunks[i].row + b.chunks[i].rows_count - 1), i);
		at += raw.n;
	}
	assert_int_equal(at, c->bytes.len);
	buf_fini(&scratch);
}

static void bytes(void **state)
{
	struct columns *c = *state;

	for (size_t n = 0; n < sizeof row_counts / sizeof row_counts[0]; n++) {
		for (unsigned shape = 0; shape < BYTES_SHAPES; shape++) {
			uint32_t rows = row_counts[n];

			buf_reset(&c->bytes);
			buf_reserve(&c->bytes, 1);
			for (uint32_t i = 0; i < rows; i++)
				put_value(c, i, shape);
			assert_int_equal(c->bytes.err, 0);
			round_trip_bytes(c, rows, shape == 2 ? 3 : 0);
			chunks_agree(c, rows);
		}
	}
}

/* ---- damage ---- */

/* Any outcome is right that stays inside the arrays: a sanitizer looks on. */
static void damage(void **state)
{
	struct columns *c = *state;
	uint32_t rows = 200;

	for (unsigned e = 0; e < COL_ENCODING_COUNT + 2; e++) {
		for (unsigned round = 0; round < 3000; round++) {
			struct col_output out = { .rows_count = rows,
				.ints = c->got_ints,
				.times = round % 2 ? c->times : NULL,
				.codes = c->got_codes,
				.lengths = c->got_lengths,
				.bytes = &c->got_bytes };
			size_t n = event_gen_below(&c->gen, 300);
			uint8_t *p = malloc(n + 1);
			const struct col_codec *codec = col_codec(e);

			assert_non_null(p);
			for (size_t i = 0; i < n; i++)
				p[i] = (uint8_t)(event_gen_random(&c->gen) >>
						 event_gen_below(&c->gen, 8));
			if (codec && codec->decode)
				(void)codec->decode(span_of(p, n), &out);
			else
				assert_int_equal(col_decode(e, COL_KIND_INTS, span_of(p, n), &out),
					ERR_CORRUPT);
			free(p);
		}
	}
}

static void bounds_are_kept(void **state)
{
	struct columns *c = *state;
	struct col_output out = { .rows_count = 5, .ints = c->got_ints, .codes = c->got_codes };
	size_t memory;

	assert_null(col_codec(0));
	assert_null(col_codec(COL_DICT));
	assert_null(col_codec(COL_ENCODING_COUNT));
	/* A width of 17 bits, a code above the greatest, a unit nobody has, bytes left over. */
	assert_int_equal(col_dict_codes_decode(SPAN_LIT("\x11........."), &out), ERR_CORRUPT);
	assert_int_equal(col_dict_same_decode(SPAN_LIT("\x80\x80\x04"), &out), ERR_CORRUPT);
	assert_int_equal(col_time_decode(SPAN_LIT("\x04\x00"), &out), ERR_CORRUPT);
	assert_int_equal(col_int_seq_decode(SPAN_LIT("\x00\x00\x00"), &out), ERR_CORRUPT);
	/* Times relative to none; codes of 17 bits; bytes left over. */
	assert_int_equal(col_time_rel_decode(SPAN_LIT("\x00\x00"), &out), ERR_CORRUPT);
	assert_int_equal(col_stream_page_rel_decode(SPAN_LIT("\x00\x00"), &out), ERR_CORRUPT);
	assert_int_equal(
		col_stream_page_codes_decode(SPAN_LIT("\x00\x80\x80\x08"), &out), ERR_CORRUPT);
	assert_int_equal(col_stream_page_decode(SPAN_LIT("\x00\x00\x00"), &out), ERR_CORRUPT);
	/* A claim of 2^63 bytes allocates nothing. */
	assert_int_equal(
		col_bytes_memory(SPAN_LIT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), 5, &memory),
		ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ints),
		cmocka_unit_test(an_old_sequence),
		cmocka_unit_test(the_cheapest_is_taken),
		cmocka_unit_test(codes),
		cmocka_unit_test(bytes),
		cmocka_unit_test(damage),
		cmocka_unit_test(bounds_are_kept),
	};

	return cmocka_run_group_tests_name("col", tests, set_up, tear_down);
}
