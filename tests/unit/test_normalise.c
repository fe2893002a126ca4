/*
 * Goal: a record becomes exactly the event that WIRE.md says; what fits no field is kept in the
 *       metadata; every limit and every odd value is flagged and counted; nothing is read or
 *       written out of bounds.
 * Method: records as JSON through json_in, the event as JSON through json_out, text compared.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/normalise.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/wire/canon.h"
#include "proto/wire/json_in.h"
#include "proto/wire/json_out.h"
#include "proto/wire/pack.h"
#include "proto/wire/walk.h"

#define RECEIVED_NS (INT64_C(1795197311) * CLOCK_NS_PER_SEC) /* 2026-11-20T17:55:11Z */
#define FRAME_NS    (INT64_C(1700000000) * CLOCK_NS_PER_SEC) /* 2023-11-14T22:13:20Z */

#define FRAME_TIME "\"timestamp\":\"2023-11-14T22:13:20Z\",\"received\":\"2026-11-20T17:55:11Z\""

static struct normalise *norm;
static struct buf record, out;

static int setup(void **state)
{
	(void)state;
	buf_init(&record, 8 << 20);
	buf_init(&out, 64 << 20);
	return normalise_new(&norm);
}

static int teardown(void **state)
{
	(void)state;
	normalise_free(&norm);
	buf_fini(&record);
	buf_fini(&out);
	return 0;
}

static struct normalise_input input_of(struct span rec)
{
	return (struct normalise_input){
		.record = rec,
		.received_ns = RECEIVED_NS,
		.time_ns = FRAME_NS,
		.has_time = true,
	};
}

static struct normalise_counts counts(void)
{
	struct normalise_counts c;

	normalise_counts(norm, &c);
	return c;
}

static struct span record_of(const char *json)
{
	buf_reset(&record);
	assert_int_equal(json_in_text(span_str(json), 0, &record, NULL), 0);
	return buf_span(&record);
}

/* What the store and all its readers rely on. */
static void assert_sound(const struct event *ev)
{
	struct canon *k;
	struct walk_value v;
	struct rcur c;

	assert_int_equal(ev->id, 0);
	assert_true(ev->severity < EVENT_SEVERITY_COUNT);
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		if (i != EVENT_TEXT_DESCRIPTION)
			assert_true(ev->text[i].n <= LIMIT_FIELD_BYTES);
	}
	if (!ev->metadata.p)
		return;
	c = rcur_of(ev->metadata.p, ev->metadata.n);
	assert_int_equal(walk_read(&c, &v), 0);
	assert_int_equal(v.type, WALK_MAP);
	c = rcur_of(ev->metadata.p, ev->metadata.n);
	assert_int_equal(canon_new(&k), 0);
	assert_int_equal(canon_check(k, &c, 0), 0);
	assert_int_equal(rcur_left(&c), 0);
	canon_free(&k);
}

static const char *event_text(const struct normalise_input *in)
{
	struct event ev;

	assert_int_equal(normalise_event(norm, in, &ev), 0);
	assert_sound(&ev);
	buf_reset(&out);
	ev.id = 1;
	assert_int_equal(json_out_event(&ev, &out), 0);
	buf_put_u8(&out, 0);
	return (const char *)out.p;
}

/* The record's event with FRAME_TIME as its times; `want` is what stands behind them. */
static void expect(const char *json, const char *want)
{
	struct normalise_input in = input_of(record_of(json));
	char text[4096];

	snprintf(text, sizeof text, "{\"id\":1," FRAME_TIME ",%s}", want);
	assert_string_equal(event_text(&in), text);
}

/* The same with the times named too. */
static void expect_times(const char *json, const char *want)
{
	struct normalise_input in = input_of(record_of(json));

	assert_string_equal(event_text(&in), want);
}

/* ---- fields and aliases ---- */

static void every_field(void **state)
{
	(void)state;
	expect("{\"event_type\":\"AUTH\",\"severity\":\"notice\",\"entity_type\":\"order\","
	       "\"entity_id\":\"ORD-1\",\"user_id\":\"u\",\"description\":\"d\","
	       "\"ip_address\":\"::1\",\"user_agent\":\"ua\",\"service\":\"s\",\"host\":\"h\","
	       "\"metadata\":{\"a\":{\"b\":[1,null,2.5]}}}",
		"\"event_type\":\"AUTH\",\"severity\":\"notice\",\"entity_type\":\"order\","
		"\"entity_id\":\"ORD-1\",\"user_id\":\"u\",\"description\":\"d\","
		"\"ip_address\":\"::1\",\"user_agent\":\"ua\",\"service\":\"s\",\"host\":\"h\","
		"\"metadata\":{\"a\":{\"b\":[1,null,2.5]}}");
	expect("{}", "\"severity\":\"info\"");
	expect("{\"metadata\":{}}", "\"severity\":\"info\",\"metadata\":{}");
	expect("{\"event_type\":\"\"}", "\"event_type\":\"\",\"severity\":\"info\"");
}

static void aliases(void **state)
{
	(void)state;
	expect("{\"action\":\"A\"}", "\"event_type\":\"A\",\"severity\":\"info\"");
	expect("{\"type\":\"T\"}", "\"event_type\":\"T\",\"severity\":\"info\"");
	expect("{\"level\":\"warn\"}", "\"severity\":\"warning\"");
	expect("{\"message\":\"m\"}", "\"severity\":\"info\",\"description\":\"m\"");
	expect("{\"msg\":\"m\"}", "\"severity\":\"info\",\"description\":\"m\"");
	expect("{\"log\":\"m\"}", "\"severity\":\"info\",\"description\":\"m\"");
	expect("{\"details\":\"m\"}", "\"severity\":\"info\",\"description\":\"m\"");
	expect("{\"details\":{\"k\":1}}", "\"severity\":\"info\",\"metadata\":{\"k\":1}");
}

static void the_preferred_name_wins_and_the_others_are_kept(void **state)
{
	(void)state;
	expect("{\"type\":\"T\",\"action\":\"A\",\"event_type\":\"E\"}",
		"\"event_type\":\"E\",\"severity\":\"info\","
		"\"metadata\":{\"action\":\"A\",\"type\":\"T\"}");
	expect("{\"details\":\"D\",\"log\":\"L\",\"msg\":\"S\",\"message\":\"M\"}",
		"\"severity\":\"info\",\"description\":\"M\","
		"\"metadata\":{\"msg\":\"S\",\"log\":\"L\",\"details\":\"D\"}");
	expect("{\"severity\":\"error\",\"level\":\"info\"}",
		"\"severity\":\"error\",\"metadata\":{\"level\":\"info\"}");
	/* The preferred name is not usable: the next one is taken. */
	expect("{\"event_type\":7,\"type\":\"T\"}",
		"\"event_type\":\"T\",\"severity\":\"info\",\"metadata\":{\"event_type\":7}");
	expect("{\"severity\":\"loud\",\"level\":3}",
		"\"severity\":\"error\",\"metadata\":{\"severity\":\"loud\"}");
}

static void nil_is_absent(void **state)
{
	(void)state;
	expect("{\"user_id\":null,\"message\":null,\"details\":null,\"metadata\":null,"
	       "\"severity\":null,\"event_type\":null,\"x\":null}",
		"\"severity\":\"info\",\"metadata\":{\"x\":null}");
}

static void severities(void **state)
{
	(void)state;
	expect("{\"severity\":0}", "\"severity\":\"emergency\"");
	expect("{\"severity\":7}", "\"severity\":\"debug\"");
	expect("{\"severity\":\"4\"}", "\"severity\":\"warning\"");
	expect("{\"severity\":\"CRITICAL\"}", "\"severity\":\"critical\"");
	expect("{\"level\":30}", "\"severity\":\"info\",\"metadata\":{\"level\":30}");
	expect("{\"level\":-1}", "\"severity\":\"info\",\"metadata\":{\"level\":-1}");
	expect("{\"event_type\":\"ERROR\"}", "\"event_type\":\"ERROR\",\"severity\":\"error\"");
	expect("{\"event_type\":\"ALERT\",\"level\":true}",
		"\"event_type\":\"ALERT\",\"severity\":\"alert\",\"metadata\":{\"level\":true}");
}

static void ids_may_be_numbers(void **state)
{
	(void)state;
	expect("{\"entity_id\":42,\"user_id\":18446744073709551615}",
		"\"severity\":\"info\",\"entity_id\":\"42\",\"user_id\":\"18446744073709551615\"");
	expect("{\"entity_id\":-9223372036854775808,\"user_id\":0}",
		"\"severity\":\"info\",\"entity_id\":\"-9223372036854775808\",\"user_id\":\"0\"");
	expect("{\"entity_id\":0.1,\"user_id\":1e300}",
		"\"severity\":\"info\",\"entity_id\":\"0.1\",\"user_id\":\"1e+300\"");
	/* Other fields are no numbers. */
	expect("{\"host\":42}", "\"severity\":\"info\",\"metadata\":{\"host\":42}");
}

static void wrong_types_are_kept(void **state)
{
	struct normalise_counts before = counts();

	(void)state;
	expect("{\"entity_id\":true,\"user_id\":[1],\"description\":{\"a\":1},\"metadata\":[2],"
	       "\"details\":5,\"timestamp\":false}",
		"\"severity\":\"info\",\"metadata\":{\"entity_id\":true,\"user_id\":[1],"
		"\"description\":{\"a\":1},\"details\":5,\"timestamp\":false,\"metadata\":[2]}");
	assert_int_equal(counts().fields_moved - before.fields_moved, 6);
	expect("{\"metadata\":\"text\"}",
		"\"severity\":\"info\",\"metadata\":{\"metadata\":\"text\"}");
}

static void defaults_of_the_door(void **state)
{
	struct normalise_input in = input_of(record_of("{}"));

	(void)state;
	in.tag = SPAN_LIT("shop.web.access");
	in.peer = SPAN_LIT("10.0.0.7");
	assert_string_equal(event_text(&in),
		"{\"id\":1," FRAME_TIME ",\"severity\":\"info\",\"service\":\"shop\","
		"\"host\":\"10.0.0.7\"}");
	in.tag = SPAN_LIT("shop");
	in.record = record_of("{\"service\":\"mine\",\"host\":\"\"}");
	assert_string_equal(event_text(&in),
		"{\"id\":1," FRAME_TIME
		",\"severity\":\"info\",\"service\":\"mine\",\"host\":\"\"}");
	in.tag = SPAN_LIT(".x");
	in.peer = SPAN_NONE;
	in.record = record_of("{}");
	assert_string_equal(event_text(&in), "{\"id\":1," FRAME_TIME ",\"severity\":\"info\"}");
}

/* ---- time ---- */

static void the_records_own_time_wins(void **state)
{
	(void)state;
	expect_times("{\"timestamp\":\"2024-08-12T23:59:59.123456789+02:00\"}",
		"{\"id\":1,\"timestamp\":\"2024-08-12T21:59:59.123456789Z\","
		"\"received\":\"2026-11-20T17:55:11Z\",\"severity\":\"info\"}");
	expect_times("{\"timestamp\":1700000000123}",
		"{\"id\":1,\"timestamp\":\"2023-11-14T22:13:20.123Z\","
		"\"received\":\"2026-11-20T17:55:11Z\",\"severity\":\"info\"}");
	expect_times("{\"timestamp\":1700000000.5}",
		"{\"id\":1,\"timestamp\":\"2023-11-14T22:13:20.5Z\","
		"\"received\":\"2026-11-20T17:55:11Z\",\"severity\":\"info\"}");
	expect("{\"timestamp\":\"yesterday\"}",
		"\"severity\":\"info\",\"metadata\":{\"timestamp\":\"yesterday\"}");
	expect("{\"timestamp\":0}", "\"severity\":\"info\",\"metadata\":{\"timestamp\":0}");
	expect("{\"timestamp\":null}", "\"severity\":\"info\"");
}

static void event_time_in_a_record(void **state)
{
	struct normalise_input in;

	(void)state;
	buf_reset(&record);
	pack_map_head(&record, 2);
	pack_str(&record, SPAN_LIT("timestamp"));
	buf_put(&record, "\xd7\x00\x65\x53\xf1\x00\x07\x5b\xcd\x15", 10);
	pack_str(&record, SPAN_LIT("seen"));
	buf_put(&record, "\xd7\x00\x65\x53\xf1\x00\x00\x00\x00\x00", 10);
	in = input_of(buf_span(&record));
	assert_string_equal(event_text(&in),
		"{\"id\":1,\"timestamp\":\"2023-11-14T22:13:20.123456789Z\","
		"\"received\":\"2026-11-20T17:55:11Z\",\"severity\":\"info\","
		"\"metadata\":{\"seen\":\"2023-11-14T22:13:20Z\"}}");
}

static void arrival_stands_in_and_is_flagged(void **state)
{
	struct normalise_input in = input_of(record_of("{}"));
	struct normalise_counts before = counts();

	(void)state;
	in.has_time = false;
	assert_string_equal(event_text(&in),
		"{\"id\":1,\"timestamp\":\"2026-11-20T17:55:11Z\","
		"\"received\":\"2026-11-20T17:55:11Z\",\"severity\":\"info\","
		"\"flags\":[\"time_arrival\"]}");
	assert_int_equal(counts().time_arrival - before.time_arrival, 1);
}

static void odd_clocks_are_flagged_and_kept(void **state)
{
	struct normalise_counts before = counts();

	(void)state;
	expect_times("{\"timestamp\":\"1970-01-01T00:00:00Z\"}",
		"{\"id\":1,\"timestamp\":\"1970-01-01T00:00:00Z\","
		"\"received\":\"2026-11-20T17:55:11Z\",\"severity\":\"info\","
		"\"flags\":[\"time_odd\"]}");
	expect_times("{\"timestamp\":\"2262-04-11T23:47:16Z\"}",
		"{\"id\":1,\"timestamp\":\"2262-04-11T23:47:16Z\","
		"\"received\":\"2026-11-20T17:55:11Z\",\"severity\":\"info\","
		"\"flags\":[\"time_odd\"]}");
	expect_times("{\"timestamp\":\"1677-09-21T00:12:44Z\"}",
		"{\"id\":1,\"timestamp\":\"1677-09-21T00:12:44Z\","
		"\"received\":\"2026-11-20T17:55:11Z\",\"severity\":\"info\","
		"\"flags\":[\"time_odd\"]}");
	assert_int_equal(counts().time_odd - before.time_odd, 3);
	/* A day ahead is only wrong. */
	expect_times("{\"timestamp\":\"2026-11-21T17:55:11Z\"}",
		"{\"id\":1,\"timestamp\":\"2026-11-21T17:55:11Z\","
		"\"received\":\"2026-11-20T17:55:11Z\",\"severity\":\"info\"}");
}

/* ---- metadata ---- */

static void sources_are_merged(void **state)
{
	(void)state;
	expect("{\"x\":1,\"metadata\":{\"m\":2},\"details\":{\"d\":3},\"y\":{\"z\":4}}",
		"\"severity\":\"info\",\"metadata\":{\"x\":1,\"y\":{\"z\":4},\"d\":3,\"m\":2}");
	/* The same value twice is one value. */
	expect("{\"x\":1,\"metadata\":{\"x\":1}}", "\"severity\":\"info\",\"metadata\":{\"x\":1}");
}

static void a_lost_key_is_displaced(void **state)
{
	struct normalise_counts before = counts();

	(void)state;
	expect("{\"x\":1,\"metadata\":{\"x\":2}}",
		"\"severity\":\"info\",\"metadata\":{\"x\":2,\"_displaced\":{\"x\":1}}");
	expect("{\"x\":1,\"details\":{\"x\":2}}",
		"\"severity\":\"info\",\"metadata\":{\"x\":2,\"_displaced\":{\"x\":1}}");
	expect("{\"level\":30,\"metadata\":{\"level\":2}}",
		"\"severity\":\"info\",\"metadata\":{\"level\":2,\"_displaced\":{\"level\":30}}");
	assert_int_equal(counts().values_displaced - before.values_displaced, 3);
	/* An event that went through a collector before. */
	expect("{\"x\":1,\"metadata\":{\"_displaced\":{\"x\":0},\"x\":2}}",
		"\"severity\":\"info\",\"metadata\":{\"x\":2,"
		"\"_displaced\":{\"x\":1,\"_displaced\":{\"x\":0}}}");
	/* Without a loser it is a key like any other. */
	expect("{\"metadata\":{\"_displaced\":{\"x\":0}}}",
		"\"severity\":\"info\",\"metadata\":{\"_displaced\":{\"x\":0}}");
	/* Three claims on one key: the only case in which a value goes, and it is flagged. */
	expect("{\"x\":1,\"details\":{\"x\":2},\"metadata\":{\"x\":3}}",
		"\"severity\":\"info\",\"metadata\":{\"x\":3,\"_displaced\":{\"x\":2}},"
		"\"flags\":[\"cut\"]");
}

static void repeated_keys_the_last_one(void **state)
{
	struct normalise_counts before = counts();

	(void)state;
	expect("{\"user_id\":\"a\",\"user_id\":\"b\"}", "\"severity\":\"info\",\"user_id\":\"b\"");
	expect("{\"x\":1,\"x\":2}", "\"severity\":\"info\",\"metadata\":{\"x\":2}");
	expect("{\"metadata\":{\"a\":1,\"b\":2,\"a\":3}}",
		"\"severity\":\"info\",\"metadata\":{\"b\":2,\"a\":3}");
	expect("{\"metadata\":{\"o\":[{\"a\":1,\"a\":{\"q\":1,\"q\":2}}]}}",
		"\"severity\":\"info\",\"metadata\":{\"o\":[{\"a\":{\"q\":2}}]}");
	expect("{\"x\":{\"a\":1,\"a\":2},\"metadata\":{\"a\":1,\"a\":2}}",
		"\"severity\":\"info\",\"metadata\":{\"x\":{\"a\":2},\"a\":2}");
	assert_int_equal(counts().keys_repeated - before.keys_repeated, 7);
}

static void keys_that_are_no_text_are_dropped(void **state)
{
	struct normalise_counts before = counts();
	struct normalise_input in;

	(void)state;
	buf_reset(&record);
	/* {1: 2, [3]: {4: 5}, bin "log": "m", "metadata": {nil: 1, bin "k": {6: 7, "n": 8}}} */
	buf_put(&record,
		"\x84\x01\x02\x91\x03\x81\x04\x05\xc4\x03log\xa1m\xa8metadata\x82\xc0\x01\xc4\x01k"
		"\x82\x06\x07\xa1n\x08",
		37);
	in = input_of(buf_span(&record));
	assert_string_equal(event_text(&in),
		"{\"id\":1," FRAME_TIME ",\"severity\":\"info\",\"description\":\"m\","
		"\"metadata\":{\"k\":{\"n\":8}}}");
	assert_int_equal(counts().keys_dropped - before.keys_dropped, 4);
}

static void fluent_bit_extras(void **state)
{
	struct normalise_input in = input_of(record_of("{\"log\":\"m\",\"metadata\":{\"a\":1}}"));

	(void)state;
	in.metadata = SPAN_LIT("\x81\xa1p\x02");
	in.group = SPAN_LIT("\x81\xa1q\x03");
	assert_string_equal(event_text(&in),
		"{\"id\":1," FRAME_TIME ",\"severity\":\"info\",\"description\":\"m\","
		"\"metadata\":{\"_fluent_metadata\":{\"p\":2},\"_fluent_group\":{\"q\":3},\"a\":1}}");
}

static void bytes_are_kept_as_they_are(void **state)
{
	struct normalise_input in;
	struct event ev;

	(void)state;
	buf_reset(&record);
	/* Invalid UTF-8, NUL bytes, bin for text. */
	buf_put(&record, "\x83\xa3log\xc4\x03\x00\xff\x00\xa4host\xa2\xc3(\xa1z\xa1\xff", 22);
	in = input_of(buf_span(&record));
	assert_int_equal(normalise_event(norm, &in, &ev), 0);
	assert_true(span_eq(ev.text[EVENT_TEXT_DESCRIPTION], SPAN_LIT("\x00\xff\x00")));
	assert_true(span_eq(ev.text[EVENT_TEXT_HOST], SPAN_LIT("\xc3(")));
	assert_true(span_eq(ev.metadata, SPAN_LIT("\x81\xa1z\xa1\xff")));
}

/* ---- limits ---- */

static void pack_text_of(const char *key, char c, uint32_t n)
{
	pack_str(&record, span_str(key));
	pack_str_head(&record, n);
	for (uint32_t i = 0; i < n; i++)
		buf_put_u8(&record, (uint8_t)c);
}

static void a_long_field_is_cut_and_kept_whole(void **state)
{
	struct normalise_counts before = counts();
	struct normalise_input in;
	struct event ev;

	(void)state;
	buf_reset(&record);
	pack_map_head(&record, 3);
	pack_text_of("user_agent", 'u', LIMIT_FIELD_BYTES + 1);
	pack_text_of("host", 'h', LIMIT_FIELD_BYTES);
	pack_text_of("description", 'd', 5 * LIMIT_FIELD_BYTES);
	in = input_of(buf_span(&record));
	assert_int_equal(normalise_event(norm, &in, &ev), 0);
	assert_sound(&ev);
	assert_int_equal(ev.text[EVENT_TEXT_USER_AGENT].n, LIMIT_FIELD_BYTES);
	assert_int_equal(ev.text[EVENT_TEXT_HOST].n, LIMIT_FIELD_BYTES);
	assert_int_equal(ev.text[EVENT_TEXT_DESCRIPTION].n, 5 * LIMIT_FIELD_BYTES);
	assert_int_equal(ev.flags, EVENT_FLAG_CUT);
	assert_int_equal(ev.metadata.n, 1 + 11 + 3 + LIMIT_FIELD_BYTES + 1);
	assert_int_equal(counts().fields_cut - before.fields_cut, 1);
	/* A cut does not split a character. */
	buf_reset(&record);
	pack_map_head(&record, 1);
	pack_str(&record, SPAN_LIT("host"));
	pack_str_head(&record, LIMIT_FIELD_BYTES + 1);
	for (int i = 0; i < LIMIT_FIELD_BYTES - 1; i++)
		buf_put_u8(&record, 'h');
	buf_put(&record, "\xc3\xa9", 2);
	in = input_of(buf_span(&record));
	assert_int_equal(normalise_event(norm, &in, &ev), 0);
	assert_int_equal(ev.text[EVENT_TEXT_HOST].n, LIMIT_FIELD_BYTES - 1);
}

/* A map of n different keys. */
static void pack_keys(uint32_t n, char first)
{
	pack_map_head(&record, n);
	for (uint32_t i = 0; i < n; i++) {
		char key[16];

		snprintf(key, sizeof key, "%c%u", first, i);
		pack_str(&record, span_str(key));
		pack_uint(&record, i);
	}
}

static int result_of_record(struct event *ev)
{
	struct normalise_input in = input_of(buf_span(&record));
	int rc = normalise_event(norm, &in, ev);

	if (rc == 0)
		assert_sound(ev);
	return rc;
}

static void pairs_limit(void **state)
{
	struct event ev;

	(void)state;
	for (uint32_t over = 0; over < 2; over++) {
		buf_reset(&record);
		pack_keys(LIMIT_MAP_PAIRS + over, 'k');
		assert_int_equal(result_of_record(&ev), over ? ERR_LIMIT : 0);
		buf_reset(&record);
		pack_map_head(&record, 1);
		pack_str(&record, SPAN_LIT("metadata"));
		pack_keys(LIMIT_MAP_PAIRS + over, 'k');
		assert_int_equal(result_of_record(&ev), over ? ERR_LIMIT : 0);
		/* Each map is small enough, the merged one is not. */
		buf_reset(&record);
		pack_map_head(&record, 2);
		pack_str(&record, SPAN_LIT("metadata"));
		pack_keys(LIMIT_MAP_PAIRS / 2, 'k');
		pack_str(&record, SPAN_LIT("details"));
		pack_keys(LIMIT_MAP_PAIRS / 2 + over, 'd');
		assert_int_equal(result_of_record(&ev), over ? ERR_LIMIT : 0);
	}
	/* Many equal keys, through the table of hashes. */
	buf_reset(&record);
	pack_map_head(&record, 3);
	pack_str(&record, SPAN_LIT("metadata"));
	pack_keys(LIMIT_MAP_PAIRS, 'k');
	pack_str(&record, SPAN_LIT("details"));
	pack_keys(LIMIT_MAP_PAIRS, 'k');
	pack_str(&record, SPAN_LIT("k7"));
	pack_uint(&record, 7);
	assert_int_equal(result_of_record(&ev), 0);
	assert_int_equal(ev.flags, 0);
}

/* All pairs that three largest maps can bring together: of equal keys they are one map that fits. */
static void metadata_pairs_limit(void **state)
{
	struct event ev;
	char key[8];

	(void)state;
	static_assert(3 * LIMIT_MAP_PAIRS - 2 < LIMIT_METADATA_PAIRS, "all of them are looked at");
	for (unsigned other = 0; other <= 1; other++) {
		buf_reset(&record);
		pack_map_head(&record, LIMIT_MAP_PAIRS);
		pack_str(&record, SPAN_LIT("metadata"));
		pack_keys(LIMIT_MAP_PAIRS, 'k');
		pack_str(&record, SPAN_LIT("details"));
		pack_keys(LIMIT_MAP_PAIRS, other ? 'd' : 'k');
		for (unsigned i = 0; i < LIMIT_MAP_PAIRS - 2; i++) {
			snprintf(key, sizeof key, "%c%u", other ? 'e' : 'k', i);
			pack_str(&record, span_str(key));
			pack_uint(&record, i);
		}
		assert_int_equal(result_of_record(&ev), other ? ERR_LIMIT : 0);
	}
}

static void depth_limit(void **state)
{
	struct event ev;

	(void)state;
	for (unsigned over = 0; over < 2; over++) {
		buf_reset(&record);
		buf_put(&record, "\x81\xa1x", 3);
		for (unsigned i = 0; i < LIMIT_DEPTH - 2 + over; i++)
			buf_put_u8(&record, 0x91);
		buf_put_u8(&record, 0x80);
		assert_int_equal(result_of_record(&ev), over ? ERR_DEPTH : 0);
		buf_reset(&record);
		buf_put(&record, "\x81\xa8metadata", 10);
		for (unsigned i = 0; i < LIMIT_DEPTH - 2 + over; i++)
			buf_put(&record, "\x81\xa1y", 3);
		buf_put_u8(&record, 0x90);
		assert_int_equal(result_of_record(&ev), over ? ERR_DEPTH : 0);
	}
	/* One level more only because it is displaced. */
	buf_reset(&record);
	buf_put(&record, "\x82\xa1x", 3);
	for (unsigned i = 0; i < LIMIT_DEPTH - 2; i++)
		buf_put_u8(&record, 0x91);
	buf_put(&record, "\x80\xa8metadata\x81\xa1x\x01", 14);
	assert_int_equal(result_of_record(&ev), ERR_DEPTH);
}

static void event_limit(void **state)
{
	struct event ev;

	(void)state;
	buf_reset(&record);
	pack_map_head(&record, 2);
	pack_text_of("x", 'x', LIMIT_EVENT_BYTES / 2);
	pack_text_of("y", 'y', LIMIT_EVENT_BYTES / 2);
	assert_int_equal(result_of_record(&ev), ERR_LIMIT);
	buf_reset(&record);
	pack_map_head(&record, 1);
	pack_text_of("x", 'x', LIMIT_EVENT_BYTES - 8);
	assert_int_equal(result_of_record(&ev), 0);
}

static void what_is_no_record(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		int want;
	} bad[] = {
		{ "\x90", 1, ERR_TYPE },
		{ "\x05", 1, ERR_TYPE },
		{ "", 0, ERR_TRUNCATED },
		{ "\x81\xa1x", 3, ERR_TRUNCATED },
		{ "\x81\xa1x\xc1", 4, ERR_SYNTAX },
		{ "\x81\xa1x\x91\xc1", 5, ERR_SYNTAX },
		{ "\x81\xc1", 2, ERR_SYNTAX },
		{ "\xdf\xff\xff\xff\xff", 5, ERR_LIMIT },
		{ "\x81\xa8metadata\xde\x01", 12, ERR_TRUNCATED },
	};
	struct event ev;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		buf_reset(&record);
		buf_put(&record, bad[i].bytes, bad[i].n);
		assert_int_equal(result_of_record(&ev), bad[i].want);
	}
}

static uint32_t below(uint64_t *r, size_t n)
{
	*r = *r * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)((*r >> 33) % n);
}

/* A name, now and then with a byte changed, taken away or added. */
static void put_name(struct buf *b, uint64_t *r)
{
	static const char *const names[] = { "event_type", "action", "type", "entity_type",
		"entity_id", "user_id", "description", "message", "msg", "log", "details",
		"ip_address", "user_agent", "service", "host", "severity", "level", "timestamp",
		"metadata" };
	char name[32];
	size_t n;

	snprintf(name, sizeof name, "%s", names[below(r, ARRAY_COUNT(names))]);
	n = strlen(name);
	switch (below(r, 8)) {
	case 0:
		name[below(r, n)] ^= 1;
		break;
	case 1:
		n--;
		break;
	case 2:
		name[n++] = 'x';
		break;
	default:
		break;
	}
	pack_str(b, span_of(name, n));
}

/* The order of keys in earlier records is a help, and must not be more: an event has no memory. */
static void what_came_before_does_not_matter(void **state)
{
	uint64_t r = 20261120;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		struct normalise *fresh = NULL;
		struct normalise_input in;
		uint32_t pairs = below(&r, 14);
		struct event a, b;
		uint8_t *exact;
		size_t n;

		buf_reset(&record);
		pack_map_head(&record, pairs);
		while (pairs-- > 0) {
			put_name(&record, &r);
			pack_str(&record, span_of("a value of some length", below(&r, 22)));
		}
		n = record.len;
		exact = malloc(n); /* so that a sanitizer sees a read beyond it */
		assert_non_null(exact);
		memcpy(exact, record.p, n);
		in = input_of(span_of(exact, n));
		assert_int_equal(normalise_new(&fresh), 0);
		assert_int_equal(normalise_event(fresh, &in, &a), 0);
		assert_int_equal(normalise_event(norm, &in, &b), 0);
		for (int i = 0; i < EVENT_TEXT_COUNT; i++)
			assert_true(span_eq(a.text[i], b.text[i]));
		assert_true(span_eq(a.metadata, b.metadata));
		assert_int_equal(a.severity, b.severity);
		assert_int_equal(a.time_ns, b.time_ns);
		normalise_free(&fresh);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field),
		cmocka_unit_test(aliases),
		cmocka_unit_test(the_preferred_name_wins_and_the_others_are_kept),
		cmocka_unit_test(nil_is_absent),
		cmocka_unit_test(severities),
		cmocka_unit_test(ids_may_be_numbers),
		cmocka_unit_test(wrong_types_are_kept),
		cmocka_unit_test(defaults_of_the_door),
		cmocka_unit_test(the_records_own_time_wins),
		cmocka_unit_test(event_time_in_a_record),
		cmocka_unit_test(arrival_stands_in_and_is_flagged),
		cmocka_unit_test(odd_clocks_are_flagged_and_kept),
		cmocka_unit_test(sources_are_merged),
		cmocka_unit_test(a_lost_key_is_displaced),
		cmocka_unit_test(repeated_keys_the_last_one),
		cmocka_unit_test(keys_that_are_no_text_are_dropped),
		cmocka_unit_test(fluent_bit_extras),
		cmocka_unit_test(bytes_are_kept_as_they_are),
		cmocka_unit_test(a_long_field_is_cut_and_kept_whole),
		cmocka_unit_test(pairs_limit),
		cmocka_unit_test(metadata_pairs_limit),
		cmocka_unit_test(depth_limit),
		cmocka_unit_test(event_limit),
		cmocka_unit_test(what_is_no_record),
		cmocka_unit_test(what_came_before_does_not_matter),
	};

	return cmocka_run_group_tests_name("normalise", tests, setup, teardown);
}
