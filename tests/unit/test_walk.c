/*
 * Goal: the walker understands every encoding of every value, whole or in pieces, agrees with
 *       msgpack-c on what is valid, and neither believes a claimed count nor walks past the input.
 * Method: a table of encodings; random values packed by msgpack-c, walked whole and split
 *       everywhere, compared with msgpack-c's own tree; the same bytes damaged.
 */
#include "tests/support/check_cmocka.h"

#include <math.h>
#include <msgpack.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "proto/wire/walk.h"

static uint64_t seed = 1;

static uint64_t rnd(void)
{
	uint64_t z = (seed += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(rnd() % n);
}

/* The walker fed in pieces of at most `piece` bytes (0: of random length); used bytes in all. */
static int walk_pieces(struct span s, size_t piece, size_t *out_used)
{
	struct walk w;
	size_t at = 0;
	int rc = WALK_MORE;

	walk_init(&w, 1);
	while (rc == WALK_MORE && at < s.n) {
		size_t n = piece ? piece : 1 + below(9), used = 0;

		n = n < s.n - at ? n : s.n - at;
		rc = walk_feed(&w, s.p + at, n, &used);
		at += rc == 0 || rc == ERR_DEPTH ? used : n;
	}
	*out_used = at;
	return rc == WALK_MORE ? ERR_TRUNCATED : rc;
}

/* Whole and in pieces must tell the same; returns it, and the value's length if it is 0. */
static int walk_all_ways(struct span s, size_t *out_used)
{
	struct rcur c = rcur_of(s.p, s.n);
	int rc = walk_skip(&c);

	*out_used = (size_t)(c.p - s.p);
	for (size_t piece = 0; piece <= 3; piece++) {
		size_t used;
		int again = walk_pieces(s, piece, &used);

		/* Too deep is known at once by the one, at the value's end by the other. */
		if (rc == ERR_DEPTH) {
			assert_true(again < 0);
			continue;
		}
		assert_int_equal(again, rc);
		if (rc == 0)
			assert_int_equal(used, *out_used);
	}
	return rc;
}

static size_t from_hex(const char *hex, uint8_t *dst)
{
	size_t n = 0;

	while (*hex) {
		char two[3] = { hex[0], hex[1], 0 };

		dst[n++] = (uint8_t)strtoul(two, NULL, 16);
		hex += hex[2] == '-' || hex[2] == ' ' ? 3 : 2;
	}
	return n;
}

/* ---- every encoding ---- */

static const struct {
	const char *hex;
	struct walk_value want;
} encodings[] = {
	{ "c0", { .type = WALK_NIL } },
	{ "c2", { .type = WALK_BOOL, .b = false } },
	{ "c3", { .type = WALK_BOOL, .b = true } },
	{ "00", { .type = WALK_UINT, .u = 0 } },
	{ "7f", { .type = WALK_UINT, .u = 127 } },
	{ "cc05", { .type = WALK_UINT, .u = 5 } },
	{ "cd0005", { .type = WALK_UINT, .u = 5 } },
	{ "ce00000005", { .type = WALK_UINT, .u = 5 } },
	{ "cf0000000000000005", { .type = WALK_UINT, .u = 5 } },
	{ "cfffffffffffffffff", { .type = WALK_UINT, .u = UINT64_MAX } },
	{ "d005", { .type = WALK_UINT, .u = 5 } },
	{ "d10005", { .type = WALK_UINT, .u = 5 } },
	{ "d200000005", { .type = WALK_UINT, .u = 5 } },
	{ "d37fffffffffffffff", { .type = WALK_UINT, .u = INT64_MAX } },
	{ "ff", { .type = WALK_INT, .i = -1 } },
	{ "e0", { .type = WALK_INT, .i = -32 } },
	{ "d0ff", { .type = WALK_INT, .i = -1 } },
	{ "d1ffff", { .type = WALK_INT, .i = -1 } },
	{ "d2ffffffff", { .type = WALK_INT, .i = -1 } },
	{ "d38000000000000000", { .type = WALK_INT, .i = INT64_MIN } },
	{ "ca3f000000", { .type = WALK_FLOAT, .f = 0.5, .single = true } },
	{ "cb3fe0000000000000", { .type = WALK_FLOAT, .f = 0.5 } },
	{ "a0", { .type = WALK_STR, .data = { (const uint8_t *)"", 0 } } },
	{ "a161", { .type = WALK_STR, .data = { (const uint8_t *)"a", 1 } } },
	{ "d90161", { .type = WALK_STR, .data = { (const uint8_t *)"a", 1 } } },
	{ "da000161", { .type = WALK_STR, .data = { (const uint8_t *)"a", 1 } } },
	{ "db0000000161", { .type = WALK_STR, .data = { (const uint8_t *)"a", 1 } } },
	{ "c400", { .type = WALK_BIN, .data = { (const uint8_t *)"", 0 } } },
	{ "c401ff", { .type = WALK_BIN, .data = { (const uint8_t *)"\xff", 1 } } },
	{ "c50001ff", { .type = WALK_BIN, .data = { (const uint8_t *)"\xff", 1 } } },
	{ "c600000001ff", { .type = WALK_BIN, .data = { (const uint8_t *)"\xff", 1 } } },
	{ "d4017f", { .type = WALK_EXT, .ext = 1, .data = { (const uint8_t *)"\x7f", 1 } } },
	{ "d5ff0102", { .type = WALK_EXT, .ext = -1, .data = { (const uint8_t *)"\1\2", 2 } } },
	{ "d60001020304",
		{ .type = WALK_EXT, .ext = 0, .data = { (const uint8_t *)"\1\2\3\4", 4 } } },
	{ "c70005", { .type = WALK_EXT, .ext = 5, .data = { (const uint8_t *)"", 0 } } },
	{ "c7017f09", { .type = WALK_EXT, .ext = 127, .data = { (const uint8_t *)"\x09", 1 } } },
	{ "c800018009", { .type = WALK_EXT, .ext = -128, .data = { (const uint8_t *)"\x09", 1 } } },
	{ "c9000000010009",
		{ .type = WALK_EXT, .ext = 0, .data = { (const uint8_t *)"\x09", 1 } } },
	{ "90", { .type = WALK_ARRAY, .count = 0 } },
	{ "9101", { .type = WALK_ARRAY, .count = 1 } },
	{ "dc000101", { .type = WALK_ARRAY, .count = 1 } },
	{ "dd0000000101", { .type = WALK_ARRAY, .count = 1 } },
	{ "80", { .type = WALK_MAP, .count = 0 } },
	{ "81a16101", { .type = WALK_MAP, .count = 1 } },
	{ "de0001a16101", { .type = WALK_MAP, .count = 1 } },
	{ "df00000001a16101", { .type = WALK_MAP, .count = 1 } },
};

static void assert_value(const struct walk_value *got, const struct walk_value *want)
{
	assert_int_equal(got->type, want->type);
	assert_int_equal(got->ext, want->ext);
	assert_int_equal(got->single, want->single);
	assert_int_equal(got->data.p == NULL, want->data.p == NULL);
	assert_true(span_eq(got->data, want->data));
	assert_int_equal(got->u, want->u);
}

/* Method: each encoding alone, with a byte behind it, and cut at every length. */
static void every_encoding(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
		uint8_t bytes[32];
		size_t n = from_hex(encodings[i].hex, bytes), used;
		struct walk_value v;
		struct rcur c;

		bytes[n] = 0xc1;
		assert_int_equal(walk_all_ways(span_of(bytes, n + 1), &used), 0);
		assert_int_equal(used, n);
		c = rcur_of(bytes, n);
		assert_int_equal(walk_read(&c, &v), 0);
		assert_value(&v, &encodings[i].want);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(walk_all_ways(span_of(bytes, cut), &used), ERR_TRUNCATED);
	}
}

static void a_failed_read_is_a_nil_and_sticks(void **state)
{
	struct rcur c = rcur_of("\xc1\x01", 2);
	struct walk_value v;
	struct span s;

	(void)state;
	assert_int_equal(walk_read(&c, &v), ERR_SYNTAX);
	assert_int_equal(v.type, WALK_NIL);
	assert_int_equal(walk_read(&c, &v), ERR_SYNTAX);
	assert_int_equal(walk_skip(&c), ERR_SYNTAX);
	c = rcur_of("\xa5"
		    "abc",
		4);
	assert_int_equal(walk_take(&c, &s), ERR_TRUNCATED);
	assert_int_equal(c.err, 0);
	assert_int_equal(rcur_left(&c), 4);
	assert_int_equal(walk_read(&c, &v), ERR_TRUNCATED);
	assert_int_equal(c.err, ERR_TRUNCATED);
}

static void the_byte_c1_is_refused_where_it_stands(void **state)
{
	size_t used;

	(void)state;
	assert_int_equal(walk_all_ways(SPAN_LIT("\xc1"), &used), ERR_SYNTAX);
	assert_int_equal(walk_all_ways(SPAN_LIT("\x92\x01\xc1"), &used), ERR_SYNTAX);
	assert_int_equal(walk_all_ways(SPAN_LIT("\x81\xc1"), &used), ERR_SYNTAX);
	/* Inside content it is a byte like any other. */
	assert_int_equal(walk_all_ways(SPAN_LIT("\xa1\xc1"), &used), 0);
	assert_int_equal(walk_all_ways(SPAN_LIT("\xcd\xc1\xc1"), &used), 0);
	assert_int_equal(walk_all_ways(SPAN_LIT("\xd4\xc1\xc1"), &used), 0);
}

/* ---- depth ---- */

static void depth_is_limited_and_the_end_still_found(void **state)
{
	uint8_t bytes[4 * LIMIT_WALK_DEPTH + 4];
	size_t used;

	(void)state;
	for (unsigned extra = 0; extra < 2 * LIMIT_WALK_DEPTH; extra++) {
		size_t n = LIMIT_WALK_DEPTH + extra;

		memset(bytes, 0x91, n);
		bytes[n - 1] = 0x90;
		bytes[n] = 0x07;
		assert_int_equal(
			walk_all_ways(span_of(bytes, n + 1), &used), extra ? ERR_DEPTH : 0);
		assert_int_equal(
			walk_pieces(span_of(bytes, n + 1), 1, &used), extra ? ERR_DEPTH : 0);
		assert_int_equal(used, n);
	}
}

/* Method: beyond the limit, wide containers with values before, between and behind them. */
static void a_deep_value_ends_where_it_should(void **state)
{
	struct buf b;
	size_t used, n;

	(void)state;
	buf_init(&b, 4096);
	for (unsigned i = 0; i < LIMIT_WALK_DEPTH; i++)
		buf_put(&b, "\x92\x01", 2);
	buf_put(&b, "\x93\x90\x82\x01\x92\x01\x91\x05\x02\xa1z\x80", 12);
	n = b.len;
	buf_put(&b, "\x09", 1);
	assert_int_equal(walk_pieces(buf_span(&b), 1, &used), ERR_DEPTH);
	assert_int_equal(used, n);
	assert_int_equal(walk_pieces(buf_span(&b), 7, &used), ERR_DEPTH);
	assert_int_equal(walk_pieces(span_of(b.p, n - 1), 3, &used), ERR_TRUNCATED);
	buf_fini(&b);
}

/* ---- absurd claims ---- */

static void claimed_counts_cost_nothing(void **state)
{
	static const char *const claims[] = {
		"ddffffffff",
		"dfffffffff",
		"dbffffffff",
		"c6ffffffff",
		"c9ffffffff00",
		"dd0400000001",
		"df7fffffff0102",
		"dcffff01",
		"deffff0102",
	};
	uint8_t bytes[16];
	size_t used;

	(void)state;
	for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
		size_t n = from_hex(claims[i], bytes);
		struct walk_value v;
		struct rcur c = rcur_of(bytes, n);

		assert_int_equal(walk_all_ways(span_of(bytes, n), &used), ERR_TRUNCATED);
		if (walk_read(&c, &v) == 0)
			assert_true(v.type == WALK_ARRAY || v.type == WALK_MAP);
	}
}

/* Method: below the depth limit map32 heads claim 2^33 values each; the sum must not wrap. */
static void counts_that_add_up_too_far_are_refused(void **state)
{
	struct walk w;
	uint8_t heads[LIMIT_WALK_DEPTH + 1];
	size_t used;
	int rc;

	(void)state;
	memset(heads, 0x91, sizeof heads);
	walk_init(&w, 1);
	assert_int_equal(walk_feed(&w, heads, sizeof heads, &used), WALK_MORE);
	w.loose = UINT64_MAX - 5;
	rc = walk_feed(&w, "\xdf\xff\xff\xff\xff", 5, &used);
	assert_int_equal(rc, ERR_LIMIT);
}

/* Several values asked for are walked as one. */
static void several_values(void **state)
{
	struct walk w;
	size_t used;

	(void)state;
	walk_init(&w, 3);
	assert_int_equal(walk_feed(&w, "\x01\x92\x01", 3, &used), WALK_MORE);
	assert_int_equal(walk_feed(&w, "\x02\xa1", 2, &used), WALK_MORE);
	assert_int_equal(walk_feed(&w, "z\x05", 2, &used), 0);
	assert_int_equal(used, 1);
}

/* ---- msgpack-c as the oracle ---- */

static void pack_random(msgpack_packer *pk, unsigned depth);

static void pack_blob(msgpack_packer *pk, unsigned kind)
{
	static const uint32_t lengths[] = { 0, 1, 5, 31, 32, 255, 256, 700 };
	uint32_t n = lengths[below(8)];
	char bytes[700];

	memset(bytes, (int)below(256), sizeof bytes);
	if (kind == 0) {
		msgpack_pack_str(pk, n);
		msgpack_pack_str_body(pk, bytes, n);
	} else if (kind == 1) {
		msgpack_pack_bin(pk, n);
		msgpack_pack_bin_body(pk, bytes, n);
	} else {
		msgpack_pack_ext(pk, n, (int8_t)below(256));
		msgpack_pack_ext_body(pk, bytes, n);
	}
}

static void pack_number(msgpack_packer *pk)
{
	uint64_t v = rnd() >> below(64);

	switch (below(4)) {
	case 0:
		msgpack_pack_uint64(pk, v);
		break;
	case 1:
		msgpack_pack_int64(pk, (int64_t)(0 - v));
		break;
	case 2:
		msgpack_pack_float(pk, (float)below(1000) / 7);
		break;
	default:
		msgpack_pack_double(pk, (double)v / 3);
		break;
	}
}

static void pack_container(msgpack_packer *pk, unsigned depth)
{
	size_t n = below(8) ? below(6) : below(40);

	if (below(2)) {
		msgpack_pack_array(pk, n);
		for (size_t i = 0; i < n; i++)
			pack_random(pk, depth + 1);
	} else {
		msgpack_pack_map(pk, n);
		for (size_t i = 0; i < 2 * n; i++)
			pack_random(pk, depth + 1);
	}
}

static void pack_random(msgpack_packer *pk, unsigned depth)
{
	unsigned pick = below(depth < 6 ? 10 : 7);

	if (pick < 3)
		pack_number(pk);
	else if (pick < 6)
		pack_blob(pk, pick - 3);
	else if (pick == 6)
		below(2)   ? msgpack_pack_nil(pk)
		: below(2) ? msgpack_pack_true(pk)
			   : msgpack_pack_false(pk);
	else
		pack_container(pk, depth);
}

static void assert_bytes(struct span got, const char *p, size_t n)
{
	assert_int_equal(got.n, n);
	assert_memory_equal(got.p, p, n);
}

static void assert_scalar(const struct walk_value *v, const msgpack_object *o)
{
	static const enum walk_type types[] = {
		[MSGPACK_OBJECT_NIL] = WALK_NIL,
		[MSGPACK_OBJECT_BOOLEAN] = WALK_BOOL,
		[MSGPACK_OBJECT_POSITIVE_INTEGER] = WALK_UINT,
		[MSGPACK_OBJECT_NEGATIVE_INTEGER] = WALK_INT,
		[MSGPACK_OBJECT_FLOAT32] = WALK_FLOAT,
		[MSGPACK_OBJECT_FLOAT64] = WALK_FLOAT,
		[MSGPACK_OBJECT_STR] = WALK_STR,
		[MSGPACK_OBJECT_BIN] = WALK_BIN,
		[MSGPACK_OBJECT_EXT] = WALK_EXT,
		[MSGPACK_OBJECT_ARRAY] = WALK_ARRAY,
		[MSGPACK_OBJECT_MAP] = WALK_MAP,
	};

	assert_int_equal(v->type, types[o->type]);
	if (v->type == WALK_BOOL)
		assert_int_equal(v->b, o->via.boolean);
	if (v->type == WALK_UINT)
		assert_true(v->u == o->via.u64);
	if (v->type == WALK_INT)
		assert_true(v->i == o->via.i64);
	if (v->type == WALK_FLOAT)
		assert_memory_equal(&v->f, &o->via.f64, sizeof v->f);
	if (v->type == WALK_STR)
		assert_bytes(v->data, o->via.str.ptr, o->via.str.size);
	if (v->type == WALK_BIN)
		assert_bytes(v->data, o->via.bin.ptr, o->via.bin.size);
	if (v->type == WALK_EXT) {
		assert_int_equal(v->ext, o->via.ext.type);
		assert_bytes(v->data, o->via.ext.ptr, o->via.ext.size);
	}
}

static void assert_tree(struct rcur *c, const msgpack_object *o)
{
	struct walk_value v;

	assert_int_equal(walk_read(c, &v), 0);
	assert_scalar(&v, o);
	if (v.type == WALK_ARRAY) {
		assert_int_equal(v.count, o->via.array.size);
		for (uint32_t i = 0; i < v.count; i++)
			assert_tree(c, &o->via.array.ptr[i]);
	} else if (v.type == WALK_MAP) {
		assert_int_equal(v.count, o->via.map.size);
		for (uint32_t i = 0; i < v.count; i++) {
			assert_tree(c, &o->via.map.ptr[i].key);
			assert_tree(c, &o->via.map.ptr[i].val);
		}
	}
}

/* True if the oracle may be asked: it reserves memory for any count that a head claims. */
static bool safe_for_oracle(struct span s)
{
	struct rcur c = rcur_of(s.p, s.n);
	struct walk_value v;

	while (rcur_left(&c) > 0) {
		if (walk_read(&c, &v) < 0)
			return false;
		if ((v.type == WALK_ARRAY || v.type == WALK_MAP) && v.count > s.n)
			return false;
	}
	return true;
}

/* The same verdict, and if it is "valid" the same length and tree. */
static void compare_with_oracle(struct span s)
{
	size_t used, off = 0;
	int rc = walk_all_ways(s, &used);
	msgpack_unpack_return got;
	msgpack_unpacked result;
	struct rcur c;

	if (rc == ERR_DEPTH || (rc < 0 && !safe_for_oracle(s)))
		return;
	msgpack_unpacked_init(&result);
	got = msgpack_unpack_next(&result, (const char *)s.p, s.n, &off);
	if (got == MSGPACK_UNPACK_NOMEM_ERROR) {
		/* Nested deeper than its own limit of 32; ours is 64. */
	} else if (rc == 0) {
		assert_true(got == MSGPACK_UNPACK_SUCCESS || got == MSGPACK_UNPACK_EXTRA_BYTES);
		assert_int_equal(off, used);
		c = rcur_of(s.p, used);
		assert_tree(&c, &result.data);
		assert_int_equal(rcur_left(&c), 0);
	} else {
		assert_int_equal(got,
			rc == ERR_SYNTAX ? MSGPACK_UNPACK_PARSE_ERROR : MSGPACK_UNPACK_CONTINUE);
	}
	msgpack_unpacked_destroy(&result);
}

enum { RANDOM_VALUES = 400, DAMAGES = 40 };

static void agrees_with_msgpack_c(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RANDOM_VALUES; i++) {
		msgpack_sbuffer sb;
		msgpack_packer pk;

		seed = i;
		msgpack_sbuffer_init(&sb);
		msgpack_packer_init(&pk, &sb, msgpack_sbuffer_write);
		pack_container(&pk, 0);
		compare_with_oracle(span_of(sb.data, sb.size));
		for (unsigned d = 0; d < DAMAGES && sb.size < 4000; d++) {
			size_t at = below((uint32_t)sb.size);
			char was = sb.data[at];

			sb.data[at] = (char)below(256);
			compare_with_oracle(span_of(sb.data, sb.size));
			compare_with_oracle(span_of(sb.data, below((uint32_t)sb.size)));
			sb.data[at] = was;
		}
		msgpack_sbuffer_destroy(&sb);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_encoding),
		cmocka_unit_test(a_failed_read_is_a_nil_and_sticks),
		cmocka_unit_test(the_byte_c1_is_refused_where_it_stands),
		cmocka_unit_test(depth_is_limited_and_the_end_still_found),
		cmocka_unit_test(a_deep_value_ends_where_it_should),
		cmocka_unit_test(claimed_counts_cost_nothing),
		cmocka_unit_test(counts_that_add_up_too_far_are_refused),
		cmocka_unit_test(several_values),
		cmocka_unit_test(agrees_with_msgpack_c),
	};

	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
