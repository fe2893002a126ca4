/* Goal: what was written is read back; nothing is read or written past the end; the first error sticks. */
#include "tests/support/check_cmocka.h"

#include <string.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"

static void fixed_numbers_have_their_byte_order(void **state)
{
	static const uint8_t want[] = { 1, 2, 1, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1, 1, 2, 1, 2, 3,
		4, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t bytes[sizeof want];
	struct wcur w = wcur_of(bytes, sizeof bytes);
	struct rcur r = rcur_of(want, sizeof want);

	(void)state;
	wcur_u8(&w, 1);
	wcur_le16(&w, 0x0102);
	wcur_le32(&w, 0x01020304);
	wcur_le64(&w, 0x0102030405060708);
	wcur_be16(&w, 0x0102);
	wcur_be32(&w, 0x01020304);
	wcur_be64(&w, 0x0102030405060708);
	assert_int_equal(w.err, 0);
	assert_ptr_equal(w.p, w.end);
	assert_memory_equal(bytes, want, sizeof want);
	assert_int_equal(rcur_u8(&r), 1);
	assert_int_equal(rcur_le16(&r), 0x0102);
	assert_int_equal(rcur_le32(&r), 0x01020304);
	assert_int_equal(rcur_le64(&r), 0x0102030405060708);
	assert_int_equal(rcur_be16(&r), 0x0102);
	assert_int_equal(rcur_be32(&r), 0x01020304);
	assert_int_equal(rcur_be64(&r), 0x0102030405060708);
	assert_int_equal(rcur_left(&r), 0);
	assert_int_equal(r.err, 0);
}

static void varints_round_trip(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit <= 64; bit++)
		for (int d = -1; d <= 1; d++) {
			uint64_t v = (bit < 64 ? UINT64_C(1) << bit : 0) + (uint64_t)d;
			uint8_t bytes[CURSOR_VARINT_BYTES_MAX];
			struct wcur w = wcur_of(bytes, sizeof bytes);
			struct rcur r;

			wcur_varint(&w, v);
			assert_int_equal(w.err, 0);
			r = rcur_of(bytes, (size_t)(w.p - bytes));
			assert_int_equal(rcur_varint(&r), v);
			assert_int_equal(r.err, 0);
			assert_int_equal(rcur_left(&r), 0);
			r = rcur_of(bytes, (size_t)(w.p - bytes) - 1);
			assert_int_equal(rcur_varint(&r), 0);
			assert_int_equal(r.err, ERR_TRUNCATED);
			assert_int_equal(cursor_zigzag(cursor_unzigzag(v)), v);
		}
}

static void bad_varints_are_damage(void **state)
{
	static const struct {
		struct span bytes;
		int err;
	} cases[] = {
		{ SPAN_LIT("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), 0 },
		{ SPAN_LIT("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02"), ERR_CORRUPT },
		{ SPAN_LIT("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01"), ERR_CORRUPT },
		{ SPAN_LIT("\x80\x80"), ERR_TRUNCATED },
		{ SPAN_LIT(""), ERR_TRUNCATED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct rcur r = rcur_of(cases[i].bytes.p, cases[i].bytes.n);

		rcur_varint(&r);
		assert_int_equal(r.err, cases[i].err);
	}
}

static void the_first_error_sticks(void **state)
{
	uint8_t bytes[4] = { 1, 2, 3, 4 };
	struct rcur r = rcur_of(bytes, sizeof bytes);
	struct wcur w = wcur_of(bytes, 2);

	(void)state;
	assert_int_equal(rcur_le64(&r), 0);
	assert_int_equal(r.err, ERR_TRUNCATED);
	assert_int_equal(rcur_u8(&r), 0);
	assert_int_equal(rcur_left(&r), 0);
	assert_null(rcur_bytes(&r, 0).p);
	r.err = 0;
	assert_null(rcur_bytes(&r, SIZE_MAX).p);
	wcur_le32(&w, 9);
	assert_int_equal(w.err, ERR_LIMIT);
	wcur_u8(&w, 9);
	assert_int_equal(bytes[0], 1);
	assert_null(wcur_room(&w, SIZE_MAX));
	r = rcur_of(NULL, 0);
	assert_int_equal(rcur_left(&r), 0);
	assert_int_equal(rcur_u8(&r), 0);
	assert_int_equal(r.err, ERR_TRUNCATED);
}

static void counted_bytes(void **state)
{
	static const uint8_t good[] = { 3, 'a', 'b', 'c', 0 };
	static const uint8_t huge[] = { 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1 };
	struct rcur r = rcur_of(good, sizeof good);
	struct span s;

	(void)state;
	assert_true(span_eq(rcur_varbytes(&r), SPAN_LIT("abc")));
	s = rcur_varbytes(&r);
	assert_non_null(s.p);
	assert_int_equal(s.n, 0);
	r = rcur_of(good, 3);
	assert_null(rcur_varbytes(&r).p);
	assert_int_equal(r.err, ERR_TRUNCATED);
	r = rcur_of(huge, sizeof huge);
	assert_null(rcur_varbytes(&r).p);
	assert_int_equal(r.err, ERR_TRUNCATED);
}

static void zigzag_keeps_small_values_small(void **state)
{
	static const int64_t in[] = { 0, -1, 1, -2, INT64_MAX, INT64_MIN };
	static const uint64_t out[] = { 0, 1, 2, 3, UINT64_MAX - 1, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(in); i++) {
		assert_int_equal(cursor_zigzag(in[i]), out[i]);
		assert_int_equal(cursor_unzigzag(out[i]), in[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_numbers_have_their_byte_order),
		cmocka_unit_test(varints_round_trip),
		cmocka_unit_test(bad_varints_are_damage),
		cmocka_unit_test(the_first_error_sticks),
		cmocka_unit_test(counted_bytes),
		cmocka_unit_test(zigzag_keeps_small_values_small),
	};

	return cmocka_run_group_tests_name("cursor", tests, NULL, NULL);
}
