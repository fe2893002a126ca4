/*
 * Goal:   rules do to events what their lines say, in order, within the limits of events; mistakes in them
 *         are told with file, line, rule and key.
 * Method: rules from text, events with metadata from JSON; the largest events; allocations are counted.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/rule/rule.h"
#include "proto/wire/json_in.h"
#include "proto/wire/json_out.h"
#include "proto/wire/pack.h"

static struct conf_rules conf;
static struct rule_run *run;
static struct buf problems, meta, json;
static struct event ev;
static unsigned line;

static uint64_t allocations;

void *__real_malloc(size_t n);
void *__wrap_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
	allocations++;
	return __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
	allocations++;
	return __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
	allocations++;
	return __real_realloc(p, n);
}

static int setup(void **state)
{
	(void)state;
	buf_init(&problems, 1 << 16);
	buf_init(&meta, 2 << 20);
	buf_init(&json, 8 << 20);
	line = 1;
	return rule_run_new(&run);
}

static int teardown(void **state)
{
	(void)state;
	conf_rule_fini(&conf);
	rule_run_free(&run);
	buf_fini(&problems);
	buf_fini(&meta);
	buf_fini(&json);
	return 0;
}

/* One line "key = value" of [rule NAME]. */
static void put(const char *rule, const char *text)
{
	char section[64], key[64], value[256] = "";
	const char *eq = strstr(text, " =");
	struct diag d = { .text = "" };

	assert_non_null(eq);
	snprintf(section, sizeof section, "rule %s", rule);
	snprintf(key, sizeof key, "%.*s", (int)(eq - text), text);
	if (eq[2])
		snprintf(value, sizeof value, "%s", eq + 3);
	if (conf_rule_put(&conf, "a.conf", section, key, value, ++line, &d) < 0)
		fail_msg("%s", d.text);
}

static void use(void)
{
	struct rule_set *set = NULL;

	if (rule_set_new(&conf, 1000, &set, &problems) < 0)
		fail_msg("%.*s", (int)problems.len, (char *)problems.p);
	assert_int_equal(rule_run_use(run, &set), 0);
	assert_null(set);
}

/* A single rule of these lines. */
static void use_rule(const char *const *lines)
{
	conf_rule_fini(&conf);
	for (; *lines; lines++)
		put("r", *lines);
	use();
}

#define RULE(...) use_rule((const char *const[]){ __VA_ARGS__, NULL })

static void event(const char *metadata)
{
	ev = (struct event){ .severity = EVENT_SEVERITY_INFO, .time_ns = 17, .received_ns = 18 };
	ev.text[EVENT_TEXT_SERVICE] = SPAN_LIT("shop");
	ev.text[EVENT_TEXT_DESCRIPTION] = SPAN_LIT("paid by anna@example.com");
	ev.text[EVENT_TEXT_USER_ID] = SPAN_LIT("u7");
	if (!metadata)
		return;
	buf_reset(&meta);
	assert_int_equal(json_in_text(span_str(metadata), 0, &meta, NULL), 0);
	ev.metadata = buf_span(&meta);
}

static void is_metadata(const char *want)
{
	if (!want) {
		assert_null(ev.metadata.p);
		return;
	}
	buf_reset(&json);
	assert_int_equal(json_out_value(ev.metadata, &json), 0);
	buf_put_u8(&json, 0);
	assert_string_equal((char *)json.p, want);
}

static void is_text(enum event_text field, const char *want)
{
	if (!want)
		assert_null(ev.text[field].p);
	else if (!ev.text[field].p || !span_eq(ev.text[field], span_str(want)))
		fail_msg("%s is '%.*s', wanted '%s'", event_text_name(field), (int)ev.text[field].n,
			(const char *)ev.text[field].p, want);
}

static struct rule_counts counts_of(size_t idx)
{
	struct rule_counts c;

	rule_run_counts(run, idx, &c);
	return c;
}

#define STORED()  assert_int_equal(rule_run_event(run, &ev), RULE_STORE)
#define DROPPED() assert_int_equal(rule_run_event(run, &ev), RULE_DROP)

/* ---- what rules do ---- */

static void no_rules(void **state)
{
	(void)state;
	event("{\"a\":1}");
	STORED();
	use();
	STORED();
	assert_int_equal(rule_run_rules(run), 0);
	assert_ptr_equal(ev.metadata.p, meta.p);
}

static void fields_are_set(void **state)
{
	(void)state;
	RULE("event_type = AUTH", "severity = notice", "host = \"a b\"",
		"user_id =", "user_agent = \"\"");
	event(NULL);
	STORED();
	is_text(EVENT_TEXT_EVENT_TYPE, "AUTH");
	is_text(EVENT_TEXT_HOST, "a b");
	is_text(EVENT_TEXT_USER_ID, NULL);
	is_text(EVENT_TEXT_USER_AGENT, "");
	assert_int_equal(ev.severity, EVENT_SEVERITY_NOTICE);
	assert_int_equal(counts_of(0).matched, 1);
}

static void only_what_matches(void **state)
{
	(void)state;
	RULE("match = service = shop and metadata.n > 5", "match = user_id = root",
		"event_type = X");
	event("{\"n\":5}");
	STORED();
	is_text(EVENT_TEXT_EVENT_TYPE, NULL);
	event("{\"n\":6}");
	STORED();
	is_text(EVENT_TEXT_EVENT_TYPE, "X");
	event("{\"n\":5}");
	ev.text[EVENT_TEXT_USER_ID] = SPAN_LIT("root");
	STORED();
	is_text(EVENT_TEXT_EVENT_TYPE, "X");
	assert_int_equal(counts_of(0).matched, 2);
}

static void rules_follow_each_other(void **state)
{
	(void)state;
	put("one", "match = service = shop");
	put("one", "service = store");
	put("two", "match = service = store");
	put("two", "copy = service -> metadata.was");
	put("three", "match = metadata.was = store");
	put("three", "drop = yes");
	put("four", "event_type = NEVER");
	use();
	event(NULL);
	DROPPED();
	assert_int_equal(counts_of(2).dropped, 1);
	assert_int_equal(counts_of(3).matched, 0);
	event(NULL);
	ev.text[EVENT_TEXT_SERVICE] = SPAN_LIT("x");
	STORED();
	is_text(EVENT_TEXT_EVENT_TYPE, "NEVER");
}

static void values_are_moved(void **state)
{
	static const struct {
		const char *line, *metadata, *after;
		enum event_text field;
		const char *text;
	} rows[] = {
		{ "map = metadata.uid -> user_id", "{\"uid\":\"u9\",\"a\":1}", "{\"a\":1}",
			EVENT_TEXT_USER_ID, "u9" },
		{ "copy = metadata.uid -> user_id", "{\"uid\":\"u9\",\"a\":1}",
			"{\"uid\":\"u9\",\"a\":1}", EVENT_TEXT_USER_ID, "u9" },
		{ "map = metadata.uid -> user_id", "{\"uid\":12}", NULL, EVENT_TEXT_USER_ID, "12" },
		{ "map = metadata.uid -> user_id", "{\"uid\":-3}", NULL, EVENT_TEXT_USER_ID, "-3" },
		{ "map = metadata.uid -> user_id", "{\"uid\":12.0}", NULL, EVENT_TEXT_USER_ID,
			"12" },
		{ "map = metadata.uid -> user_id", "{\"uid\":0.5}", NULL, EVENT_TEXT_USER_ID,
			"0.5" },
		{ "map = metadata.uid -> host", "{\"uid\":true}", NULL, EVENT_TEXT_HOST, "true" },
		/* absent, null, and what is no text: nothing happens */
		{ "map = metadata.uid -> user_id", "{\"a\":1}", "{\"a\":1}", EVENT_TEXT_USER_ID,
			"u7" },
		{ "map = metadata.uid -> user_id", "{\"uid\":null}", "{\"uid\":null}",
			EVENT_TEXT_USER_ID, "u7" },
		{ "map = metadata.uid -> user_id", "{\"uid\":[1]}", "{\"uid\":[1]}",
			EVENT_TEXT_USER_ID, "u7" },
		{ "map = metadata.a.b.c -> user_id", "{\"a\":{\"b\":{\"c\":\"x\"},\"d\":1}}",
			"{\"a\":{\"d\":1}}", EVENT_TEXT_USER_ID, "x" },
		{ "map = metadata.a.b.c -> user_id", "{\"z\":0,\"a\":{\"b\":{\"c\":\"x\"}}}",
			"{\"z\":0}", EVENT_TEXT_USER_ID, "x" },
		{ "map = metadata.\"a.b\" -> user_id", "{\"a.b\":\"x\"}", NULL, EVENT_TEXT_USER_ID,
			"x" },
		{ "map = user_id -> metadata.uid", "{\"a\":1}", "{\"a\":1,\"uid\":\"u7\"}",
			EVENT_TEXT_USER_ID, NULL },
		{ "copy = user_id -> metadata.uid", NULL, "{\"uid\":\"u7\"}", EVENT_TEXT_USER_ID,
			"u7" },
		{ "map = user_id -> metadata.a.b.c", "{\"a\":{\"x\":1}}",
			"{\"a\":{\"x\":1,\"b\":{\"c\":\"u7\"}}}", EVENT_TEXT_USER_ID, NULL },
		{ "map = user_id -> metadata.a.b.c", NULL, "{\"a\":{\"b\":{\"c\":\"u7\"}}}",
			EVENT_TEXT_USER_ID, NULL },
		{ "map = user_id -> metadata.a.b", "{\"a\":1}", "{\"a\":1}", EVENT_TEXT_USER_ID,
			"u7" },
		{ "map = user_id -> metadata.a", "{\"a\":{\"x\":1},\"b\":2}",
			"{\"a\":\"u7\",\"b\":2}", EVENT_TEXT_USER_ID, NULL },
		{ "map = user_id -> entity_id", NULL, NULL, EVENT_TEXT_ENTITY_ID, "u7" },
		{ "map = metadata.a -> metadata.b", "{\"a\":{\"x\":[1,2]},\"b\":0,\"c\":3}",
			"{\"b\":{\"x\":[1,2]},\"c\":3}", EVENT_TEXT_USER_ID, "u7" },
		{ "map = metadata.a.x -> metadata.b", "{\"a\":{\"x\":[1,2]},\"c\":3}",
			"{\"c\":3,\"b\":[1,2]}", EVENT_TEXT_USER_ID, "u7" },
		/* maps and lists do not come to lie deeper */
		{ "map = metadata.a -> metadata.b.c", "{\"a\":[1]}", "{\"a\":[1]}",
			EVENT_TEXT_USER_ID, "u7" },
		{ "map = metadata.a -> metadata.b.c", "{\"a\":1.5}", "{\"b\":{\"c\":1.5}}",
			EVENT_TEXT_USER_ID, "u7" },
		{ "copy = severity -> metadata.level", NULL, "{\"level\":\"info\"}",
			EVENT_TEXT_USER_ID, "u7" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		RULE(rows[i].line);
		event(rows[i].metadata);
		STORED();
		is_metadata(rows[i].after);
		is_text(rows[i].field, rows[i].text);
	}
	/* Those that fitted nowhere were counted. */
	assert_int_equal(counts_of(0).unmapped, 3);
}

static void severity_is_read(void **state)
{
	(void)state;
	RULE("map = metadata.level -> severity");
	event("{\"level\":\"WARN\"}");
	STORED();
	assert_int_equal(ev.severity, EVENT_SEVERITY_WARNING);
	is_metadata(NULL);
	event("{\"level\":3}");
	STORED();
	assert_int_equal(ev.severity, EVENT_SEVERITY_ERROR);
	event("{\"level\":30}");
	STORED();
	assert_int_equal(ev.severity, EVENT_SEVERITY_INFO);
	is_metadata("{\"level\":30}");
}

/* Lines in their order, on both buffers of a slot in turn. */
static void many_moves(void **state)
{
	(void)state;
	RULE("map = metadata.a -> user_id", "copy = user_id -> metadata.b",
		"copy = user_id -> entity_id", "map = metadata.c -> user_id",
		"copy = metadata.b -> metadata.d.e", "user_agent = x",
		"map = user_agent -> metadata.f", "map = description -> metadata.text",
		"map = metadata.text -> description", "mask = email");
	for (int i = 0; i < 3; i++) {
		event("{\"a\":\"A\",\"c\":\"C\"}");
		STORED();
		is_text(EVENT_TEXT_USER_ID, "C");
		is_text(EVENT_TEXT_ENTITY_ID, "A");
		is_text(EVENT_TEXT_USER_AGENT, NULL);
		is_text(EVENT_TEXT_DESCRIPTION, "paid by ***");
		is_metadata("{\"b\":\"A\",\"d\":{\"e\":\"A\"},\"f\":\"x\"}");
	}
}

static void class_is_chosen(void **state)
{
	(void)state;
	RULE("class = audit");
	event(NULL);
	STORED();
	is_metadata("{\"_class\":\"audit\"}");
	assert_int_equal(ev.flags, EVENT_FLAG_CLASS);
	event("{\"_class\":{\"mine\":1},\"a\":2}");
	STORED();
	is_metadata("{\"_class\":\"audit\",\"a\":2}");
}

static void masks(void **state)
{
	(void)state;
	RULE("match = service = shop", "mask = email, card", "mask_pattern = pin=\\K\\d+");
	event("{\"a\":{\"to\":[\"bob@x.org\",\"pin=12\"]},\"n\":4}");
	STORED();
	is_text(EVENT_TEXT_DESCRIPTION, "paid by ***");
	is_metadata("{\"a\":{\"to\":[\"***\",\"pin=***\"]},\"n\":4}");
	assert_int_equal(counts_of(0).masked, 3);
	RULE("mask = email", "mask_in = user_id, host", "mask_with = [gone]");
	event("{\"a\":\"bob@x.org\"}");
	ev.text[EVENT_TEXT_USER_ID] = SPAN_LIT("bob@x.org");
	STORED();
	is_text(EVENT_TEXT_DESCRIPTION, "paid by anna@example.com");
	is_text(EVENT_TEXT_USER_ID, "[gone]");
	is_metadata("{\"a\":\"bob@x.org\"}");
	RULE("mask = email", "mask_with =");
	event(NULL);
	STORED();
	is_text(EVENT_TEXT_DESCRIPTION, "paid by ");
}

/* ---- fail closed ---- */

static void what_takes_too_long(void **state)
{
	static char text[4000];

	(void)state;
	memset(text, 'a', sizeof text - 2);
	text[sizeof text - 2] = 'b';
	RULE("match = metadata.x =~ \"^(a+)+$\"", "event_type = X", "mask = email");
	event("{\"x\":\"aaa\"}");
	STORED();
	is_text(EVENT_TEXT_EVENT_TYPE, "X");
	event(NULL);
	buf_reset(&meta);
	pack_map_head(&meta, 1);
	pack_str(&meta, SPAN_LIT("x"));
	pack_str(&meta, span_str(text));
	ev.metadata = buf_span(&meta);
	STORED();
	is_text(EVENT_TEXT_EVENT_TYPE, NULL);
	is_text(EVENT_TEXT_DESCRIPTION, "paid by ***");
	assert_int_equal(counts_of(0).given_up, 1);
	assert_int_equal(counts_of(0).matched, 1);
}

/* So many bytes for which the expression below tries all ways: each doubles them. */
static void hard_event(unsigned n)
{
	char text[64] = "{\"x\":\"";

	memset(text + 6, 'a', n);
	strcpy(text + 6 + n, "b\"}");
	event(text);
}

/* What a flood of hard texts has taken from an expression comes back in the end. */
static void steps_come_back(void **state)
{
	uint64_t given_up;

	(void)state;
	RULE("match = metadata.x =~ \"^(a+)+$\"", "event_type = X");
	hard_event(14);
	STORED();
	assert_int_equal(counts_of(0).given_up, 0);
	for (int i = 0; i < 12; i++) {
		hard_event(40);
		STORED();
	}
	assert_int_equal(counts_of(0).given_up, 12);
	hard_event(14);
	STORED();
	assert_int_equal(counts_of(0).given_up, 13);
	event("{\"x\":\"z\"}");
	for (int i = 0; i < LIMIT_RULE_REGEX_EVENTS; i++)
		STORED();
	given_up = counts_of(0).given_up;
	hard_event(14);
	STORED();
	assert_int_equal(counts_of(0).given_up, given_up);
}

/* ---- samples ---- */

static unsigned stored_of(const char *part, unsigned n, unsigned stride)
{
	char text[32];
	unsigned stored = 0;

	RULE(part);
	for (unsigned i = 0; i < n; i++) {
		snprintf(text, sizeof text, "{\"n\":%u}", i * stride);
		event(text);
		stored += rule_run_event(run, &ev) == RULE_STORE;
	}
	assert_int_equal(counts_of(0).dropped, n - stored);
	return stored;
}

static void a_part_is_stored(void **state)
{
	unsigned n = stored_of("sample = 1/10", 20000, 1);

	(void)state;
	assert_in_range(n, 1800, 2200);
	teardown(NULL);
	setup(NULL);
	n = stored_of("sample = 2 / 3", 20000, 7);
	assert_in_range(n, 13000, 13700);
}

/* What is sent again fares alike, whenever it comes. */
static void samples_repeat(void **state)
{
	char text[32];

	(void)state;
	RULE("sample = 1/3");
	for (unsigned i = 0; i < 500; i++) {
		enum rule_outcome first;

		snprintf(text, sizeof text, "{\"n\":%u}", i);
		event(text);
		first = rule_run_event(run, &ev);
		event(text);
		ev.received_ns = 99 + i;
		ev.id = i;
		assert_int_equal(rule_run_event(run, &ev), first);
		event(text);
		ev.flags = EVENT_FLAG_TIME_ARRIVAL;
		first = rule_run_event(run, &ev);
		event(text);
		ev.flags = EVENT_FLAG_TIME_ARRIVAL;
		ev.time_ns = ev.received_ns = 99 + i;
		assert_int_equal(rule_run_event(run, &ev), first);
	}
}

/* Two rules that sample do not choose the same events. */
static void samples_are_independent(void **state)
{
	char text[32];
	unsigned stored = 0;

	(void)state;
	put("a", "sample = 1/2");
	put("b", "sample = 1/2");
	use();
	for (unsigned i = 0; i < 10000; i++) {
		snprintf(text, sizeof text, "{\"n\":%u}", i);
		event(text);
		stored += rule_run_event(run, &ev) == RULE_STORE;
	}
	assert_in_range(stored, 2200, 2800);
}

/* ---- limits ---- */

/* An event of n bytes in all: e-mail addresses in its description, or in its metadata. */
static void large_event(size_t n, bool in_metadata)
{
	static const char unit[] = "a@b.co ";
	struct buf text;

	event(NULL);
	memset(ev.text, 0, sizeof ev.text);
	buf_init(&text, 2 << 20);
	while (text.len + sizeof unit <= n - 16)
		buf_put(&text, unit, sizeof unit - 1);
	buf_reset(&meta);
	if (in_metadata) {
		pack_map_head(&meta, 1);
		pack_str(&meta, SPAN_LIT("a"));
		pack_str(&meta, buf_span(&text));
		ev.metadata = buf_span(&meta);
	} else {
		buf_put_span(&meta, buf_span(&text));
		ev.text[EVENT_TEXT_DESCRIPTION] = buf_span(&meta);
	}
	buf_fini(&text);
}

static void masks_never_exceed_an_event(void **state)
{
	(void)state;
	RULE("mask = email", "mask_with = [an e-mail address that was here]");
	for (int in_metadata = 0; in_metadata < 2; in_metadata++) {
		/* Few enough of them to be masked one by one. */
		large_event(LIMIT_RULE_PLACES * 7 / 2, in_metadata);
		STORED();
		assert_int_equal(ev.flags, 0);
		assert_true(event_bytes(&ev) > LIMIT_RULE_PLACES * 7);
		large_event(LIMIT_RULE_PLACES * 7, in_metadata);
		ev.text[EVENT_TEXT_HOST] =
			span_of(calloc(1, LIMIT_EVENT_BYTES - 40000), LIMIT_EVENT_BYTES - 40000);
		STORED();
		assert_int_equal(ev.flags, EVENT_FLAG_CUT);
		assert_true(event_bytes(&ev) < LIMIT_EVENT_BYTES);
		free((void *)(uintptr_t)ev.text[EVENT_TEXT_HOST].p);
	}
	assert_int_equal(counts_of(0).given_up, 0);
	/* Too many: all of it goes. */
	large_event(LIMIT_EVENT_BYTES, false);
	STORED();
	is_text(EVENT_TEXT_DESCRIPTION, "[an e-mail address that was here]");
	assert_int_equal(counts_of(0).given_up, 1);
}

static void moves_never_exceed_an_event(void **state)
{
	(void)state;
	RULE("copy = description -> metadata.a");
	large_event(LIMIT_EVENT_BYTES * 3 / 4, false);
	STORED();
	is_metadata(NULL);
	assert_int_equal(counts_of(0).unmapped, 1);
	RULE("map = description -> metadata.a", "map = metadata.a -> description");
	large_event(LIMIT_EVENT_BYTES * 3 / 4, false);
	STORED();
	is_metadata(NULL);
	assert_true(ev.text[EVENT_TEXT_DESCRIPTION].n > LIMIT_EVENT_BYTES * 3 / 4 - 100);
	assert_int_equal(counts_of(0).unmapped, 1);
}

/* A text that is too long for its field stays whole where it was. */
static void long_fields_are_cut(void **state)
{
	size_t n;

	(void)state;
	RULE("map = metadata.a -> user_id");
	large_event(20000, true);
	n = ev.metadata.n;
	STORED();
	assert_int_equal(ev.text[EVENT_TEXT_USER_ID].n, LIMIT_FIELD_BYTES);
	assert_int_equal(ev.metadata.n, n);
	assert_int_equal(ev.flags, EVENT_FLAG_CUT);
	RULE("mask = email", "mask_in = user_id", "mask_with = [an e-mail address that was here]");
	event(NULL);
	large_event(8000, false);
	ev.text[EVENT_TEXT_USER_ID] = ev.text[EVENT_TEXT_DESCRIPTION];
	STORED();
	assert_true(ev.text[EVENT_TEXT_USER_ID].n < 8000);
	assert_int_equal(ev.flags, EVENT_FLAG_CUT);
}

static void full_maps_take_no_pair(void **state)
{
	char key[16];

	(void)state;
	RULE("copy = user_id -> metadata.uid", "class = x");
	event(NULL);
	buf_reset(&meta);
	pack_map_head(&meta, LIMIT_MAP_PAIRS);
	for (int i = 0; i < LIMIT_MAP_PAIRS; i++) {
		snprintf(key, sizeof key, "k%d", i);
		pack_str(&meta, span_str(key));
		pack_uint(&meta, 1);
	}
	ev.metadata = buf_span(&meta);
	STORED();
	assert_ptr_equal(ev.metadata.p, meta.p);
	assert_int_equal(ev.flags, 0);
	assert_int_equal(counts_of(0).unmapped, 2);
}

static void nothing_is_allocated(void **state)
{
	uint64_t before;

	(void)state;
	RULE("match = description =~ \"a(n+)a\" and metadata.to = *", "mask = email, card, bearer",
		"mask_pattern = pin=\\K\\d+", "copy = user_id -> metadata.uid", "class = x",
		"sample = 999999999/1000000000");
	event("{\"to\":\"bob@x.org pin=12\"}");
	STORED();
	before = allocations;
	for (int i = 0; i < 100; i++) {
		event("{\"to\":\"bob@x.org pin=12\"}");
		STORED();
	}
	assert_int_equal(allocations - before, 0);
	assert_int_equal(counts_of(0).matched, 101);
}

/* ---- sets ---- */

static void counts_go_on(void **state)
{
	struct rule_counts c;

	(void)state;
	put("a", "event_type = X");
	put("b", "match = event_type = X");
	put("b", "drop = yes");
	use();
	event(NULL);
	DROPPED();
	conf_rule_fini(&conf);
	put("c", "host = x");
	put("b", "drop = yes");
	use();
	event(NULL);
	DROPPED();
	assert_int_equal(rule_run_rules(run), 2);
	assert_string_equal(rule_run_counts(run, 0, &c), "c");
	assert_int_equal(c.matched, 1);
	assert_string_equal(rule_run_counts(run, 1, &c), "b");
	assert_int_equal(c.dropped, 2);
	conf_rule_fini(&conf);
	use();
	event(NULL);
	STORED();
}

static void mistakes_are_told(void **state)
{
	static const struct {
		const char *lines[3], *told;
		int rc;
	} rows[] = {
		{ { "match = service =", "drop = yes" },
			"a.conf:2: [rule r] match: column 10: ", ERR_SYNTAX },
		{ { "match = servce = a", "drop = yes" }, "did you mean", ERR_UNKNOWN },
		{ { "match = user_id =~ \"(\"", "drop = yes" }, "a.conf:2: [rule r] match: column",
			ERR_SYNTAX },
		{ { "match = user_id = a" }, "a.conf:2: [rule r] match: the rule does nothing",
			ERR_SYNTAX },
		{ { "drop = no" }, "drop: 'no' is not allowed: write yes", ERR_SYNTAX },
		{ { "severity = bad", "drop = yes" }, "a.conf:2: [rule r] severity: 'bad'",
			ERR_SYNTAX },
		{ { "drop = yes", "host = a" }, "a.conf:2: [rule r] drop: what is dropped",
			ERR_SYNTAX },
		{ { "sample = 1/0" }, "sample: 1/0 is not allowed", ERR_RANGE },
		{ { "sample = 3/3" }, "sample: 3/3 is not allowed", ERR_RANGE },
		{ { "sample = 0/3" }, "sample: 0/3 is not allowed", ERR_RANGE },
		{ { "sample = 1/1000000001" }, "sample: 1/1000000001 is not allowed", ERR_RANGE },
		{ { "sample = 10%" }, "write a part as in 1/10", ERR_SYNTAX },
		{ { "sample = 1/10x" }, "write a part as in 1/10", ERR_SYNTAX },
		{ { "sample = -1/10" }, "write a part as in 1/10", ERR_SYNTAX },
		{ { "map = metadata.a" }, "map: write FROM -> TO", ERR_SYNTAX },
		{ { "map = metadata.a -> usr_id" },
			"map: 'usr_id' is not allowed: a text field of an event, severity, or "
			"metadata.KEY; did you mean 'user_id'?",
			ERR_UNKNOWN },
		{ { "map = id -> metadata.a" }, "map: 'id' is not allowed", ERR_RANGE },
		{ { "copy = severity -> severity" }, "one of both is the other", ERR_RANGE },
		{ { "map = severity -> host" }, "write copy", ERR_RANGE },
		{ { "map = metadata.a.b -> metadata.a" }, "one of both is the other, or a part",
			ERR_RANGE },
		{ { "class = " }, "write the name of a section [class NAME]", ERR_SYNTAX },
		{ { "mask = email, phone" }, "mask: 'phone' is not allowed: email, card or bearer",
			ERR_UNKNOWN },
		{ { "mask_pattern = a(" }, "mask_pattern: column 3: ", ERR_SYNTAX },
		{ { "mask_pattern = " }, "write a regular expression", ERR_SYNTAX },
		{ { "mask = card", "mask_in = id" },
			"a.conf:3: [rule r] mask_in: 'id' is not allowed", ERR_UNKNOWN },
		{ { "mask_in = host", "host = x" },
			"mask_in: there is no mask that it could belong to", ERR_SYNTAX },
		{ { "mask = card",
			  "mask_with = 12345678901234567890123456789012345678901234567890123456789012345" },
			"mask_with: longer than 64 bytes", ERR_RANGE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
		struct rule_set *set = NULL;
		int rc;

		teardown(NULL);
		setup(NULL);
		for (size_t l = 0; l < 3 && rows[i].lines[l]; l++)
			put("r", rows[i].lines[l]);
		rc = rule_set_new(&conf, 0, &set, &problems);
		buf_put_u8(&problems, 0);
		if (rc != rows[i].rc || !strstr((char *)problems.p, rows[i].told))
			fail_msg("%d, told: %s\nnot:  %s", rc, (char *)problems.p, rows[i].told);
		assert_null(set);
	}
}

/* All of them, not the first alone. */
static void every_mistake_is_told(void **state)
{
	struct rule_set *set = NULL;

	(void)state;
	put("a", "sample = 2");
	put("b", "host = x");
	put("c", "mask = x");
	put("c", "class = ");
	assert_true(rule_set_new(&conf, 0, &set, &problems) < 0);
	buf_put_u8(&problems, 0);
	assert_non_null(strstr((char *)problems.p, "a.conf:2: [rule a] sample"));
	assert_non_null(strstr((char *)problems.p, "a.conf:4: [rule c] mask"));
	assert_non_null(strstr((char *)problems.p, "a.conf:5: [rule c] class"));
	assert_null(strstr((char *)problems.p, "[rule b]"));
}

/* As many parts as a path may have, and one more. */
static void paths_have_a_limit(void **state)
{
	struct rule_set *set = NULL;
	char text[8 * LIMIT_RULE_KEYS];

	(void)state;
	for (int more = 0; more <= 1; more++) {
		strcpy(text, "copy = host -> metadata");
		for (int i = 0; i < LIMIT_RULE_KEYS + more; i++)
			strcat(text, ".k");
		put(more ? "b" : "a", text);
		assert_int_equal(rule_set_new(&conf, 0, &set, &problems), more ? ERR_RANGE : 0);
		rule_set_free(&set);
	}
	buf_put_u8(&problems, 0);
	assert_non_null(strstr((char *)problems.p, "[rule b] copy: 'metadata.k.k"));
}

static void patterns_have_a_limit(void **state)
{
	struct rule_set *set = NULL;

	(void)state;
	for (int i = 0; i <= LIMIT_RULE_PATTERNS; i++)
		put("a", "mask_pattern = a");
	assert_int_equal(rule_set_new(&conf, 0, &set, &problems), ERR_LIMIT);
	buf_put_u8(&problems, 0);
	assert_non_null(strstr((char *)problems.p, "a.conf:10: [rule a] mask_pattern: a rule has"));
}

/* A rule of one such line beside what makes it whole. */
static int one_line(const char *text)
{
	struct rule_set *set = NULL;
	int rc;

	teardown(NULL);
	setup(NULL);
	put("a", "mask = card");
	put("a", text);
	rc = rule_set_new(&conf, 0, &set, &problems);
	rule_set_free(&set);
	return rc;
}

static void values_have_limits(void **state)
{
	char text[200];

	(void)state;
	for (int more = 0; more <= 1; more++) {
		snprintf(text, sizeof text, "mask_with = %0*d", LIMIT_RULE_WITH_BYTES + more, 7);
		assert_int_equal(one_line(text), more ? ERR_RANGE : 0);
		snprintf(text, sizeof text, "sample = 1/%d", LIMIT_RULE_SAMPLE + more);
		assert_int_equal(one_line(text), more ? ERR_RANGE : 0);
		snprintf(text, sizeof text, "class = %0*d", LIMIT_CLASS_BYTES - 1 + more, 7);
		assert_int_equal(one_line(text), more ? ERR_SYNTAX : 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_rules),
		TEST(fields_are_set),
		TEST(only_what_matches),
		TEST(rules_follow_each_other),
		TEST(values_are_moved),
		TEST(severity_is_read),
		TEST(many_moves),
		TEST(class_is_chosen),
		TEST(masks),
		TEST(what_takes_too_long),
		TEST(steps_come_back),
		TEST(a_part_is_stored),
		TEST(samples_repeat),
		TEST(samples_are_independent),
		TEST(masks_never_exceed_an_event),
		TEST(moves_never_exceed_an_event),
		TEST(long_fields_are_cut),
		TEST(full_maps_take_no_pair),
		TEST(nothing_is_allocated),
		TEST(counts_go_on),
		TEST(mistakes_are_told),
		TEST(every_mistake_is_told),
		TEST(paths_have_a_limit),
		TEST(patterns_have_a_limit),
		TEST(values_have_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
