/*
 * Goal:   what must not be stored is found, what only looks like it is left, and texts without it are
 *         written right, in texts as in every string of msgpack.
 * Method: tables of texts; masks against a naive search of the same places; buffers that are too small.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/check.h"
#include "proto/rule/rule_mask.h"
#include "proto/wire/json_in.h"
#include "proto/wire/pack.h"

enum { ROOM = 64 << 10 };

static struct rule_mask mask;
static struct expr_scratch *scratch;
static struct rule_mask_counts counts;
static uint8_t room[ROOM];

static int setup(void **state)
{
	(void)state;
	scratch = expr_scratch_new();
	counts = (struct rule_mask_counts){ 0 };
	return scratch ? rule_mask_init(&mask) : -1;
}

static int teardown(void **state)
{
	(void)state;
	expr_scratch_free(&scratch);
	rule_mask_fini(&mask);
	return 0;
}

static void pattern(const char *text)
{
	char told[100] = "";
	size_t at = 0;

	if (rule_mask_pattern(&mask, span_str(text), &at, told, sizeof told) != 0)
		fail_msg("%s at %zu: %s", text, at, told);
}

/* The masked text, valid until the next call; what it was if nothing is masked. */
static const char *masked(const char *text)
{
	static char out[ROOM];
	struct wcur w = wcur_of(room, sizeof room);

	if (!rule_mask_text(&mask, span_str(text), SPAN_LIT("***"), &w, scratch, &counts)) {
		assert_ptr_equal(w.p, room);
		return text;
	}
	assert_int_equal(w.err, 0);
	snprintf(out, sizeof out, "%.*s", (int)(w.p - room), (const char *)room);
	return out;
}

static void check(const char *const rows[][2], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *got = masked(rows[i][0]), *want = rows[i][1] ? rows[i][1] : rows[i][0];

		if (strcmp(got, want) != 0)
			fail_msg("%s\nis:     %s\nwanted: %s", rows[i][0], got, want);
	}
}

static void emails(void **state)
{
	static const char *const rows[][2] = {
		{ "anna@example.org", "***" },
		{ "to anna.b-c+news@mail.example.co.uk, bob@x.io.", "to ***, ***." },
		{ "<o'brien@example.com>", "<***>" },
		{ "'anna@example.com'", "'***'" },
		{ "mailto:anna@example.com?subject=x", "mailto:***?subject=x" },
		{ "email=anna@example.com&x=1", "email=***&x=1" },
		{ "/find?q=anna%40example.com&x", "/find?q=***&x" },
		{ "GET /a%20b%40c", NULL },
		{ "\"a\":\"anna@example.com\"", "\"a\":\"***\"" },
		{ "-anna@x.org", "-***" },
		{ "j\xc3\xb6rg@b\xc3\xbc"
		  "cher.de",
			"***" },
		{ "\xe8\xaf\xb7"
		  "anna@example.com\xe3\x80\x82",
			"\xe8\xaf\xb7***\xe3\x80\x82" },
		{ "anna@example.com.", "***." },
		{ "anna@example.com.42 left", "***.42 left" },
		{ "a@b@example.org", "a@***" },
		{ "root@10.0.0.12 root@localhost", NULL },
		{ "@example.com a@ @ @@ %40", NULL },
		{ "a@b..com a@.com a@-.com", NULL },
		{ "user@host.x", NULL },
		{ "x@xn--p1ai.xn--p1ai", "***" },
		{ "a@b.co", "***" },
		{ "git@github.com:a/b.git", "***:a/b.git" },
		{ "anna@example.com,bob@example.com", "***,***" },
		{ "anna@example.com bob@example.com@carl@example.com", "*** ***@***" },
	};

	(void)state;
	mask.kinds = RULE_MASK_EMAIL;
	check(rows, ARRAY_COUNT(rows));
}

static void cards(void **state)
{
	static const char *const rows[][2] = {
		{ "4111111111111111", "***" },
		{ "card 4111 1111 1111 1111 used", "card *** used" },
		{ "4111-1111-1111-1111", "***" },
		{ "pan=378282246310005;", "pan=***;" },
		{ "3782 822463 10005", "***" },
		{ "30569309025904", "***" },
		{ "6011111111111117 5555555555554444", "*** ***" },
		{ "3530111333300000", "***" },
		{ "2223003122003222", "***" },
		{ "4222222222222", "***" },
		{ "6304000000000000", "***" },
		{ "no 12 4111 1111 1111 1111 12", "no 12 *** 12" },
		{ "card_4111111111111111_", "card_***_" },
		{ "\\n4111111111111111", "\\n***" },
		{ "\xe5\x8d\xa1"
		  "4111111111111111",
			"\xe5\x8d\xa1***" },
		/* one digit wrong, of no network, a word, a fraction, a time, groups of no card */
		{ "4111111111111112", NULL },
		{ "1111111111111117", NULL },
		{ "1768176000123", NULL },
		{ "a4111111111111111", NULL },
		{ "4111111111111111b", NULL },
		{ "0.4111111111111111", NULL },
		{ "41 11111111111111", NULL },
		{ "4111  1111 1111 1111", NULL },
		{ "4111 1 111 1111 1111", NULL },
		{ "44111111111111111", NULL },
		{ "41111111111111114111111111111111", NULL },
		{ "2026-11-30 12:31:00 411111111111", NULL },
		{ "411111111111", NULL },
		{ "- - - - - - - - - - - - - - -", NULL },
	};

	(void)state;
	mask.kinds = RULE_MASK_CARD;
	check(rows, ARRAY_COUNT(rows));
}

/* Wherever a number stands, one byte in thirteen is enough to find it. */
static void cards_at_every_place(void **state)
{
	char text[200], want[200];

	(void)state;
	mask.kinds = RULE_MASK_CARD;
	for (int before = 0; before < 40; before++) {
		for (int behind = 0; behind < 20; behind++) {
			snprintf(text, sizeof text, "%.*s.4222222222222,%.*s", before,
				"xx yy-zz..xx yy-zz..xx yy-zz..xx yy-zz..", behind,
				"xx yy-zz..xx yy-zz..");
			snprintf(want, sizeof want, "%.*s.***,%.*s", before,
				"xx yy-zz..xx yy-zz..xx yy-zz..xx yy-zz..", behind,
				"xx yy-zz..xx yy-zz..");
			assert_string_equal(masked(text), want);
		}
	}
}

static void bearers(void **state)
{
	static const char *const rows[][2] = {
		{ "Authorization: Bearer eyJhbGciOi.J9-_x.y==", "Authorization: Bearer ***" },
		{ "bearer abc123", "bearer ***" },
		{ "BEARER  tok~en/1+2=, next", "BEARER  ***, next" },
		{ "q=Bearer%20abc123&x", "q=Bearer%20***&x" },
		{ "bearer:abc123", "bearer:***" },
		{ "Bearer aBcDeFgH", "Bearer ***" },
		{ "Bearer abcdefghijklmnop", "Bearer ***" },
		{ "Bearer a1\nBearer b2", "Bearer ***\nBearer ***" },
		{ "the bearer of bad news", NULL },
		{ "Bearer token expired.", NULL },
		{ "Bearer realm=\"api\"", NULL },
		{ "bearer", NULL },
		{ "bearer ", NULL },
		{ "bearertoken123", NULL },
	};

	(void)state;
	mask.kinds = RULE_MASK_BEARER;
	check(rows, ARRAY_COUNT(rows));
}

static void patterns(void **state)
{
	static const char *const rows[][2] = {
		{ "pin=1234 pin=56", "pin=*** pin=***" },
		{ "no pins", NULL },
		{ "a secret-x b SECRET-y", "a *** b ***" },
		{ "anna@example.com pin=1", "*** pin=***" },
		/* two finders that overlap are one place */
		{ "secret-anna@example.com.", "***." },
		{ "pin=\xff\xfe"
		  "12",
			NULL },
	};

	(void)state;
	mask.kinds = RULE_MASK_EMAIL;
	pattern("pin=\\K\\d+");
	pattern("(?i)secret-\\w");
	check(rows, ARRAY_COUNT(rows));
	assert_int_equal(counts.given_up, 0);
	assert_int_equal(counts.texts, 4);
}

static void touching_places_are_one(void **state)
{
	(void)state;
	pattern("\\d");
	assert_string_equal(masked("a123b4"), "a***b***");
}

static void what_is_given_up_is_masked_whole(void **state)
{
	char text[4000];

	(void)state;
	pattern("(a+)+$");
	memset(text, 'a', sizeof text - 2);
	text[sizeof text - 2] = 'b';
	text[sizeof text - 1] = 0;
	assert_string_equal(masked(text), "***");
	assert_int_equal(counts.given_up, 1);
}

static void too_many_places_are_masked_whole(void **state)
{
	static char text[3 * (LIMIT_RULE_PLACES + 3)];

	(void)state;
	pattern("\\d");
	for (size_t i = 0; i < LIMIT_RULE_PLACES; i++)
		memcpy(text + 2 * i, "1,", 2);
	assert_int_equal(strlen(masked(text)), 4 * LIMIT_RULE_PLACES);
	assert_int_equal(counts.given_up, 0);
	memcpy(text + 2 * LIMIT_RULE_PLACES, "2", 2);
	assert_string_equal(masked(text), "***");
	assert_int_equal(counts.given_up, 1);
}

/* ---- values ---- */

static void value(struct buf *b, const char *json)
{
	struct json_in_error err;

	buf_reset(b);
	if (json_in_text(span_str(json), 0, b, &err) < 0)
		fail_msg("%s", json);
}

static void check_value(const char *json, const char *want)
{
	struct buf in, out;
	struct wcur w;
	bool done;

	buf_init(&in, ROOM);
	buf_init(&out, ROOM);
	value(&in, json);
	/* Exactly the room it may need. */
	w = wcur_of(room, in.len + 64 + PACK_HEAD_BYTES_MAX);
	done = rule_mask_value(&mask, buf_span(&in), SPAN_LIT("***"), &w, scratch, &counts);
	assert_int_equal(done, want != NULL);
	if (done) {
		assert_int_equal(w.err, 0);
		value(&in, want);
		assert_int_equal(w.p - room, in.len);
		assert_memory_equal(room, in.p, in.len);
	} else {
		assert_ptr_equal(w.p, room);
	}
	buf_fini(&in);
	buf_fini(&out);
}

static void strings_of_values(void **state)
{
	(void)state;
	mask.kinds = RULE_MASK_EMAIL | RULE_MASK_CARD;
	check_value("{\"a\":\"x\",\"n\":1}", NULL);
	check_value("{\"a\":\"to anna@example.com\",\"n\":1}", "{\"a\":\"to ***\",\"n\":1}");
	check_value(
		"{\"a\":[1,{\"b\":[\"anna@x.org\",null,\"y\"]},\"4111111111111111\"],\"z\":true}",
		"{\"a\":[1,{\"b\":[\"***\",null,\"y\"]},\"***\"],\"z\":true}");
	/* Keys stay: two of them must not become one. */
	check_value("{\"anna@x.org\":\"bob@x.org\",\"m\":{\"carl@x.org\":\"a@b\"}}",
		"{\"anna@x.org\":\"***\",\"m\":{\"carl@x.org\":\"a@b\"}}");
	check_value("{\"anna@x.org\":1,\"m\":{\"4111111111111111\":2}}", NULL);
	check_value("{\"a\":\"4111111111111111\",\"b\":\"bob@x.org\",\"c\":{}}",
		"{\"a\":\"***\",\"b\":\"***\",\"c\":{}}");
	assert_int_equal(counts.texts, 6);
}

/* Heads shrink with their texts; a bin is a text, too. */
static void heads_of_texts(void **state)
{
	static const uint8_t bin[] = { 0x91, 0xc4, 9, 'a', 'n', 'n', 'a', '@', 'x', '.', 'o', 'r' };
	static const uint8_t want[] = { 0x91, 0xc4, 3, '*', '*', '*' };
	struct wcur w = wcur_of(room, sizeof room);
	char json[700], masked_json[700];

	(void)state;
	mask.kinds = RULE_MASK_EMAIL;
	assert_true(rule_mask_value(
		&mask, span_of(bin, sizeof bin), SPAN_LIT("***"), &w, scratch, &counts));
	assert_int_equal(w.p - room, sizeof want);
	assert_memory_equal(room, want, sizeof want);
	for (int n = 1; n < 600; n += 7) {
		snprintf(json, sizeof json, "[\"%.*s anna@example.com\",7]", n,
			"................................................................"
			"................................................................"
			"................................................................"
			"................................................................"
			"................................................................");
		snprintf(masked_json, sizeof masked_json, "[\"%.*s ***\",7]", n,
			"................................................................"
			"................................................................"
			"................................................................"
			"................................................................"
			"................................................................");
		check_value(json, masked_json);
	}
}

/* With nothing in place of what is masked, a value never needs more room than it had. */
static void no_room(void **state)
{
	static const char text[] = "a@b.co a@b.co";
	struct wcur w = wcur_of(room, sizeof text - 1);
	struct buf in;

	(void)state;
	mask.kinds = RULE_MASK_EMAIL;
	assert_true(rule_mask_text(
		&mask, SPAN_LIT(text), SPAN_LIT("[an e-mail address]"), &w, scratch, &counts));
	assert_true(w.err != 0);
	w = wcur_of(room, sizeof text - 1);
	assert_true(rule_mask_text(&mask, SPAN_LIT(text), SPAN_NONE, &w, scratch, &counts));
	assert_int_equal(w.err, 0);
	assert_int_equal(w.p - room, 1);
	buf_init(&in, ROOM);
	value(&in, "{\"a\":\"a@b.co\",\"b\":[\"a@b.co\",\"x\"]}");
	for (size_t n = 0; n < in.len + 100; n++) {
		w = wcur_of(room, n);
		assert_true(rule_mask_value(&mask, buf_span(&in), SPAN_LIT("[an e-mail address]"),
				    &w, scratch, &counts) ||
			    n < in.len);
		w = wcur_of(room, in.len + PACK_HEAD_BYTES_MAX);
		assert_true(rule_mask_value(&mask, buf_span(&in), SPAN_NONE, &w, scratch, &counts));
		assert_int_equal(w.err, 0);
	}
	buf_fini(&in);
}

static void no_msgpack(void **state)
{
	static const uint8_t cut[] = { 0x82, 0xa1, 'a', 0xa6, 'a', '@', 'b', '.', 'c', 'o', 0xa1,
		'b', 0xd9, 200, 'a', '@', 'b', '.', 'c', 'o' };
	static const uint8_t want[] = { 0x82, 0xa1, 'a', 0xa3, '*', '*', '*', 0xa1, 'b', 0xd9, 200,
		'a', '@', 'b', '.', 'c', 'o' };
	struct wcur w = wcur_of(room, sizeof room);

	(void)state;
	mask.kinds = RULE_MASK_EMAIL;
	assert_true(rule_mask_value(
		&mask, span_of(cut, sizeof cut), SPAN_LIT("***"), &w, scratch, &counts));
	assert_int_equal(w.p - room, sizeof want);
	assert_memory_equal(room, want, sizeof want);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(emails),
		TEST(cards),
		TEST(cards_at_every_place),
		TEST(bearers),
		TEST(patterns),
		TEST(touching_places_are_one),
		TEST(what_is_given_up_is_masked_whole),
		TEST(too_many_places_are_masked_whole),
		TEST(strings_of_values),
		TEST(heads_of_texts),
		TEST(no_room),
		TEST(no_msgpack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
