/*
 * Goal: every encoding of the public msgpack-test-suite decodes to the value it stands beside.
 * Method: the suite's JSON becomes msgpack by json_in; the value of a case, in its smallest form,
 *         is compared with each encoding that must decode to it. Without the file there are cases
 *         of our own in the same form.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/wire/forward_time.h"
#include "proto/wire/json_in.h"
#include "proto/wire/walk.h"

static const char own_cases[] =
	"{\"own\":["
	"{\"nil\":null,\"msgpack\":[\"c0\"]},"
	"{\"bool\":true,\"msgpack\":[\"c3\"]},"
	"{\"binary\":\"00-ff\",\"msgpack\":[\"c4-02-00-ff\",\"c5-00-02-00-ff\","
	"\"c6-00-00-00-02-00-ff\"]},"
	"{\"number\":-32,\"msgpack\":[\"e0\",\"d0-e0\",\"d1-ff-e0\",\"d2-ff-ff-ff-e0\","
	"\"d3-ff-ff-ff-ff-ff-ff-ff-e0\",\"ca-c2-00-00-00\",\"cb-c0-40-00-00-00-00-00-00\"]},"
	"{\"bignum\":\"18446744073709551615\",\"msgpack\":[\"cf-ff-ff-ff-ff-ff-ff-ff-ff\"]},"
	"{\"string\":\"a\",\"msgpack\":[\"a1-61\",\"d9-01-61\",\"da-00-01-61\"]},"
	"{\"map\":{\"a\":[1]},\"msgpack\":[\"81-a1-61-91-01\",\"de-00-01-a1-61-dc-00-01-01\"]},"
	"{\"timestamp\":[1,999999999],\"msgpack\":[\"d7-ff-ee-6b-27-fc-00-00-00-01\"]},"
	"{\"ext\":[7,\"70\"],\"msgpack\":[\"d4-07-70\",\"c7-01-07-70\"]}]}";

static size_t from_hex(struct span hex, uint8_t *dst)
{
	size_t n = 0;

	for (size_t i = 0; i + 1 < hex.n; i += 3) {
		char two[3] = { (char)hex.p[i], (char)hex.p[i + 1], 0 };

		dst[n++] = (uint8_t)strtoul(two, NULL, 16);
	}
	return n;
}

static double number_of(const struct walk_value *v)
{
	if (v->type == WALK_FLOAT)
		return v->f;
	assert_true(v->type == WALK_UINT || v->type == WALK_INT);
	return v->type == WALK_UINT ? (double)v->u : (double)v->i;
}

/* Both values whole, numbers by value whatever their type. */
static void assert_same(struct rcur *want, struct rcur *got)
{
	struct walk_value a, b;

	assert_int_equal(walk_read(want, &a), 0);
	assert_int_equal(walk_read(got, &b), 0);
	if (a.type == WALK_UINT || a.type == WALK_INT || a.type == WALK_FLOAT) {
		assert_true(number_of(&a) == number_of(&b));
		return;
	}
	assert_int_equal(a.type, b.type);
	assert_true(span_eq(a.data, b.data));
	if (a.type == WALK_BOOL)
		assert_int_equal(a.b, b.b);
	if (a.type != WALK_ARRAY && a.type != WALK_MAP)
		return;
	assert_int_equal(a.count, b.count);
	for (uint64_t i = 0; i < (uint64_t)a.count << (a.type == WALK_MAP); i++)
		assert_same(want, got);
}

static void assert_bignum(struct span want, struct rcur *got)
{
	struct walk_value v;
	char text[32];

	assert_int_equal(walk_read(got, &v), 0);
	if (v.type == WALK_FLOAT)
		snprintf(text, sizeof text, "%.0f", v.f);
	else if (v.type == WALK_UINT)
		snprintf(text, sizeof text, "%llu", (unsigned long long)v.u);
	else
		snprintf(text, sizeof text, "%lld", (long long)v.i);
	assert_true(span_eq(want, span_str(text)));
}

static void assert_binary(struct span want, struct rcur *got)
{
	uint8_t bytes[256];
	struct walk_value v;

	assert_int_equal(walk_read(got, &v), 0);
	assert_int_equal(v.type, WALK_BIN);
	assert_true(span_eq(v.data, span_of(bytes, from_hex(want, bytes))));
}

/* want: [type, hex]. */
static void assert_ext(struct rcur *want, struct rcur *got)
{
	struct walk_value type, hex, v;
	uint8_t bytes[256];

	assert_int_equal(walk_read(want, &type), 0);
	assert_int_equal(walk_read(want, &hex), 0);
	assert_int_equal(walk_read(got, &v), 0);
	assert_int_equal(v.type, WALK_EXT);
	assert_int_equal(v.ext, type.i);
	assert_true(span_eq(v.data, span_of(bytes, from_hex(hex.data, bytes))));
}

/* want: [seconds, nanoseconds]. Zero means "no time" to us, the far ends are out of our range. */
static void assert_timestamp(struct rcur *want, struct rcur *got)
{
	struct walk_value sec, nsec, v;
	int64_t ns, expected;

	assert_int_equal(walk_read(want, &sec), 0);
	assert_int_equal(walk_read(want, &nsec), 0);
	assert_int_equal(walk_read(got, &v), 0);
	assert_int_equal(v.type, WALK_EXT);
	assert_int_equal(v.ext, -1);
	if (sec.i == 0 || __builtin_mul_overflow(sec.i, CLOCK_NS_PER_SEC, &expected) ||
		__builtin_add_overflow(expected, nsec.i, &expected)) {
		assert_int_equal(forward_time(&v, &ns), ERR_RANGE);
		return;
	}
	assert_int_equal(forward_time(&v, &ns), 0);
	assert_int_equal(ns, expected);
}

static void check_encoding(struct span kind, struct rcur want, struct span hex)
{
	uint8_t bytes[256];
	size_t n = from_hex(hex, bytes);
	struct rcur got = rcur_of(bytes, n), whole = got;
	struct walk_value v;

	assert_int_equal(walk_skip(&whole), 0);
	assert_int_equal(rcur_left(&whole), 0);
	if (span_eq(kind, SPAN_LIT("bignum")) || span_eq(kind, SPAN_LIT("binary"))) {
		assert_int_equal(walk_read(&want, &v), 0);
		kind.n == 6 && kind.p[2] == 'g' ? assert_bignum(v.data, &got)
						: assert_binary(v.data, &got);
	} else if (span_eq(kind, SPAN_LIT("ext")) || span_eq(kind, SPAN_LIT("timestamp"))) {
		assert_int_equal(walk_read(&want, &v), 0);
		assert_int_equal(v.count, 2);
		kind.p[0] == 'e' ? assert_ext(&want, &got) : assert_timestamp(&want, &got);
	} else {
		assert_same(&want, &got);
	}
	assert_int_equal(rcur_left(&got), 0);
}

/* One case: a value under its kind (or two), and its encodings. */
static unsigned check_case(struct rcur *c)
{
	struct span kinds[3], encodings = SPAN_NONE;
	struct rcur values[3], e;
	struct walk_value map, key, list, hex;
	unsigned count = 0;

	assert_int_equal(walk_read(c, &map), 0);
	for (uint32_t i = 0; i < map.count; i++) {
		struct span value;

		assert_int_equal(walk_read(c, &key), 0);
		assert_int_equal(walk_take(c, &value), 0);
		if (span_eq(key.data, SPAN_LIT("msgpack"))) {
			encodings = value;
		} else {
			assert_true(count < 3);
			kinds[count] = key.data;
			values[count++] = rcur_of(value.p, value.n);
		}
	}
	e = rcur_of(encodings.p, encodings.n);
	assert_int_equal(walk_read(&e, &list), 0);
	for (uint32_t i = 0; i < list.count; i++) {
		assert_int_equal(walk_read(&e, &hex), 0);
		for (unsigned k = 0; k < count; k++)
			check_encoding(kinds[k], values[k], hex.data);
	}
	return list.count;
}

static unsigned check_suite(struct span json)
{
	struct walk_value groups, name, cases;
	unsigned encodings = 0;
	struct rcur c;
	struct buf mp;

	buf_init(&mp, 1 << 20);
	assert_int_equal(json_in_text(json, 0, &mp, NULL), 0);
	c = rcur_of(mp.p, mp.len);
	assert_int_equal(walk_read(&c, &groups), 0);
	for (uint32_t g = 0; g < groups.count; g++) {
		assert_int_equal(walk_read(&c, &name), 0);
		assert_int_equal(walk_read(&c, &cases), 0);
		for (uint32_t i = 0; i < cases.count; i++)
			encodings += check_case(&c);
	}
	assert_int_equal(rcur_left(&c), 0);
	buf_fini(&mp);
	return encodings;
}

static void our_own_cases(void **state)
{
	(void)state;
	assert_int_equal(check_suite(span_str(own_cases)), 21);
}

static void the_public_suite(void **state)
{
	const char *shared = getenv("ASTRO_SHARED"), *source = getenv("ASTRO_SOURCE");
	char path[4096];
	struct buf json;
	FILE *f;

	(void)state;
	if (shared)
		snprintf(path, sizeof path, "%s/data/vectors/msgpack-test-suite.json", shared);
	else
		snprintf(path, sizeof path, "%s/../shared/data/vectors/msgpack-test-suite.json",
			source ? source : ".");
	f = fopen(path, "rb");
	if (!f) {
		print_message("# skipped: %s is not here; our own cases ran\n", path);
		return;
	}
	buf_init(&json, 1 << 20);
	assert_int_equal(buf_reserve(&json, 1 << 19), 0);
	json.len = fread(json.p, 1, json.cap, f);
	fclose(f);
	assert_true(check_suite(buf_span(&json)) > 200);
	buf_fini(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_own_cases),
		cmocka_unit_test(the_public_suite),
	};

	return cmocka_run_group_tests_name("walk_suite", tests, NULL, NULL);
}
