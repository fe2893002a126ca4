/*
 * Goal: whatever is grouped and counted, the answer is that of a plain loop over the events, in the order
 * asked for; budgets, limits and damage end in an answer that is right as far as it says so.
 * Method: random events, random questions as parameters, units cut at random, over toy_scan and toy_values.
 * ASTRO_SEED repeats a run.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "query/agg.h"
#include "tests/support/agg_naive.h"
#include "tests/support/toy_scan.h"

enum { EVENTS = 1200, QUESTIONS = 1500, META_BYTES = 64 };

static struct event events[EVENTS];
static uint8_t metas[EVENTS][META_BYTES];
static const struct event *list[EVENTS];
static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

/* ---------------------------------------------------------------- events */

static size_t put(uint8_t *p, const char *bytes, size_t n)
{
	memcpy(p, bytes, n);
	return n;
}

static size_t put_float(uint8_t *p, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof bits);
	bits = __builtin_bswap64(bits);
	p[0] = 0xcb;
	memcpy(p + 1, &bits, sizeof bits);
	return 9;
}

/* Values of every kind; some numbers are equal in other clothes. */
static size_t put_value(uint8_t *p)
{
	switch (rnd(12)) {
	case 0:
		return put(p, "\xc0", 1);
	case 1:
		return put(p, rnd(2) ? "\xc2" : "\xc3", 1);
	case 2:
		return put(p, "\xa3one", 4);
	case 3:
		return put(p,
			"\xa2"
			"12",
			3);
	case 4:
		return put(p, "\x93\x01\x02\x03", 4);
	case 5:
		return put_float(p, rnd(4));
	case 6:
		return put_float(p, rnd(1000) / 8.0 - 30);
	case 7:
		return put(p, "\xcf\xff\xff\xff\xff\xff\xff\xff\xf0", 9);
	case 8:
		return put(p, "\xd3\x80\x00\x00\x00\x00\x00\x00\x01", 9);
	case 9:
		p[0] = (uint8_t)(0xe0 + rnd(32));
		return 1;
	default:
		p[0] = (uint8_t)rnd(10);
		return 1;
	}
}

static struct span make_meta(uint8_t *p)
{
	size_t n = 0;

	if (rnd(10) == 0)
		return SPAN_NONE;
	n += put(p, "\x82\xa1v", 3);
	n += put_value(p + n);
	n += put(p + n, "\xa1m\x81\xa2ms", 6);
	p[n++] = (uint8_t)rnd(100);
	return span_of(p, n);
}

static void make_events(void)
{
	static const char *const types[] = { "AUTH", "ERROR", "PAYMENT", "auto", "" };
	static const char *const users[] = { "anna", "bob", "carol", "Anton", "u-1", "u-01", "u-10",
		"u-1x", "u-1x2", "7", "07", "u-999999999", "u-1000000000", "u-18446744073709551615",
		"", "user-12", "user-13", "a 1 and 2 words more" };

	for (size_t i = 0; i < EVENTS; i++) {
		struct event *ev = &events[i];

		*ev = (struct event){ .id = i + 1 + i / 100 * 7,
			.time_ns = ((int64_t)(i / 4 + rnd(30)) - 100) * 60 * CLOCK_NS_PER_SEC,
			.received_ns = (int64_t)rnd(20),
			.severity = (uint8_t)rnd(8) };
		if (rnd(200) == 0)
			ev->time_ns = rnd(2) ? INT64_MAX : INT64_MIN;
		ev->text[EVENT_TEXT_EVENT_TYPE] = span_str(types[rnd(5)]);
		if (rnd(3))
			ev->text[EVENT_TEXT_USER_ID] = span_str(users[rnd(ARRAY_COUNT(users))]);
		ev->metadata = make_meta(metas[i]);
		list[i] = ev;
	}
}

static void cut(struct store_snapshot *s, size_t longest)
{
	*s = (struct store_snapshot){ .events = events, .events_count = EVENTS, .damaged = -1 };
	while (s->cuts[s->units_count] < EVENTS) {
		size_t next = s->cuts[s->units_count] + 1 + rnd((uint32_t)longest);

		s->cuts[++s->units_count] = next < EVENTS ? next : EVENTS;
	}
	assert_true(s->units_count <= TOY_UNITS_MAX);
}

/* ---------------------------------------------------------------- questions */

static char asked[1000];

static void param(struct agg_request *r, const char *name, const char *value)
{
	struct engine_err err;
	size_t n = strlen(asked);

	snprintf(asked + n, sizeof asked - n, " %s=%s", name, value);
	if (agg_param(r, span_str(name), span_str(value), &err) < 0)
		fail_msg("%s=%s: %s (%s)", name, value, err.error, err.hint);
}

static const char *const fields[] = { "event_type", "user_id", "severity", "metadata.v",
	"metadata.m.ms", "metadata.none", "host", "received", "id", "timestamp" };

static void ask_functions(struct agg_request *r)
{
	static const char *const of_any[] = { "count", "distinct", "min", "max" };
	static const char *const of_numbers[] = { "sum", "avg", "p50", "p99.9", "median", "p0" };
	char text[80];

	for (uint32_t n = rnd(4); n > 0; n--) {
		if (rnd(2))
			snprintf(text, sizeof text, "%s(%s)", of_any[rnd(4)], fields[rnd(10)]);
		else if (rnd(3))
			snprintf(text, sizeof text, "%s(%s)", of_numbers[rnd(6)],
				fields[3 + rnd(3)]);
		else
			snprintf(text, sizeof text, "count, quantile ( metadata.v , 0.%u )",
				rnd(10));
		param(r, "agg", text);
	}
}

static void ask_bucket(struct agg_request *r)
{
	static const char *const widths[] = { "1h", "7m", "1d", "1w", "1s", "90min" };

	if (rnd(3) == 0)
		param(r, "buckets", "10");
	else
		param(r, "bucket", widths[rnd(6)]);
	if (rnd(3) == 0)
		param(r, "tz", rnd(2) ? "+05:30" : "-9");
}

static void ask(struct agg_request *r)
{
	static const char *const orders[] = { "asc", "desc", "group" };
	char number[16];

	asked[0] = 0;
	agg_request_init(r);
	r->filter.threads = 1 + rnd(2);
	for (uint32_t n = rnd(4); n > 0; n--)
		param(r, "by", fields[rnd(n == 3 ? 10 : 7)]);
	ask_functions(r);
	if (rnd(3) == 0)
		ask_bucket(r);
	if (rnd(3) == 0)
		param(r, "order", orders[rnd(3)]);
	snprintf(number, sizeof number, "%u", 1 + rnd(30));
	if (rnd(3) == 0)
		param(r, rnd(2) ? "top" : "limit", number);
	if (rnd(6) == 0)
		param(r, rnd(2) ? "min" : "max", number);
	for (uint32_t n = rnd(4) ? 0 : 3; n > 0; n--)
		param(r, "severity", rnd(2) ? "3" : "info");
	if (rnd(3) == 0)
		param(r, "event_type", "AUTH");
	if (rnd(4) == 0)
		r->filter.from_ns = (int64_t)rnd(300) * 60 * CLOCK_NS_PER_SEC;
	if (rnd(10) == 0)
		r->spec.prefix = SPAN_LIT("a");
}

static void check(struct agg_request *r, const struct agg_result *got, uint64_t began)
{
	const char *wrong = agg_naive_check(list, EVENTS, &r->filter, &r->spec, got);

	if (wrong)
		fail_msg("seed %llu:%s: %s", (unsigned long long)began, asked, wrong);
}

static void any_question(void **state)
{
	const char *env = getenv("ASTRO_SEED");
	struct engine *e = engine_new();
	struct store_snapshot s;

	(void)state;
	seed = env ? strtoull(env, NULL, 10) : 20261130;
	make_events();
	for (int i = 0; i < QUESTIONS; i++) {
		uint64_t began = seed;
		struct agg_request r;
		struct agg_result got;
		struct engine_err err;
		struct diag d;

		cut(&s, rnd(3) ? 60 : 1200);
		ask(&r);
		if (agg_request_check(&r, &err) < 0)
			fail_msg("%s: %s", asked, err.error);
		assert_int_equal(agg_run(e, &s, &r, &got, &d), 0);
		check(&r, &got, began);
		agg_result_fini(&got);
		agg_request_fini(&r);
	}
	engine_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_question),
	};

	return cmocka_run_group_tests_name("agg", tests, NULL, NULL);
}
