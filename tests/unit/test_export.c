/*
 * Goal: an export has every event that is meant, once, in the order asked for, whatever its units and
 * their overlaps; whole texts in each format; it ends at its limit, goes on after a part, tells damage,
 * and stops when it is canceled. The same whether parts are taken between steps or while they are made.
 * Method: random events with many equal times, over toy_scan, against a naive filter and sort.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/wire/json_in.h"
#include "proto/wire/json_out.h"
#include "query/export.h"
#include "tests/support/toy_scan.h"

enum { EVENTS = 40000, ROUNDS = 40 };

static struct event events[EVENTS];
static const struct event *want[EVENTS];
static char long_text[400];
static struct engine *engine;
static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

/* spread: how far times of neighbours lie apart; 0: sorted by time, too. */
static void make_events(uint32_t spread)
{
	static const char *const types[] = { "AUTH", "ERROR", "PAYMENT", "=RARE\"," };

	memset(long_text, 'x', sizeof long_text);
	for (size_t i = 0; i < EVENTS; i++) {
		struct event *ev = &events[i];

		*ev = (struct event){ .id = i + 1 + i / 100 * 7,
			.time_ns = (int64_t)(i / 4 + rnd(spread + 1)) * 1000000,
			.severity = (uint8_t)rnd(8) };
		ev->text[EVENT_TEXT_EVENT_TYPE] = span_str(types[rnd(50) ? rnd(3) : 3]);
		ev->text[EVENT_TEXT_DESCRIPTION] = span_of(long_text, rnd(sizeof long_text));
	}
}

static void cut(struct store_snapshot *s, size_t count, uint32_t longest)
{
	*s = (struct store_snapshot){ .events = events, .events_count = count, .damaged = -1 };
	while (s->cuts[s->units_count] < count) {
		size_t next = s->cuts[s->units_count] + 1 + rnd(longest);

		if (s->units_count == TOY_UNITS_MAX - 1)
			next = count;
		s->cuts[++s->units_count] = next < count ? next : count;
	}
}

static void param(struct export_request *r, const char *name, const char *value)
{
	struct engine_err err;

	if (export_param(r, span_str(name), span_str(value), &err) < 0)
		fail_msg("%s=%s: %s (%s)", name, value, err.error, err.hint);
}

static void check(struct export_request *r)
{
	struct engine_err err;

	if (export_request_check(r, &err) < 0)
		fail_msg("%s: %s", err.field, err.error);
}

/* ---- the naive answer ---- */

static enum engine_order sort_order;

static int compare(const void *x, const void *y)
{
	const struct event *a = *(const struct event *const *)x;
	const struct event *b = *(const struct event *const *)y;
	int c = (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);

	if (c == 0 || sort_order == ENGINE_ORDER_ARRIVAL)
		c = (a->id > b->id) - (a->id < b->id);
	return sort_order == ENGINE_ORDER_DESC ? -c : c;
}

static size_t naive(enum engine_order order, const char *type, size_t count, size_t limit)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (!type || span_eq(events[i].text[EVENT_TEXT_EVENT_TYPE], span_str(type)))
			want[n++] = &events[i];
	}
	sort_order = order;
	qsort(want, n, sizeof want[0], compare);
	return limit && limit < n ? limit : n;
}

/* ---- the export ---- */

/* A part into the buffer; its memory may come back. */
static void keep_part(struct export_run *x, struct buf *part, struct buf *all)
{
	assert_true(part->len > 0);
	assert_true(part->len < EXPORT_PART_BYTES + (1 << 20));
	buf_put_span(all, buf_span(part));
	/* What comes back is overwritten: nothing of it may be seen again. */
	memset(part->p, '#', part->cap);
	if (rnd(3))
		export_give_back(x, part);
	assert_true(!part->p || part->len > 0);
	buf_fini(part);
}

/* Steps, then parts, by one thread. */
static void take_between_steps(struct export_run *x, struct buf *all)
{
	struct buf part;
	struct diag d;

	while (!export_done(x)) {
		assert_int_equal(export_step(x, engine, 1 + rnd(EXPORT_PIECES_MAX), &d), 0);
		/* Not always all: what is left counts as a piece of the next step. */
		while (rnd(8) && export_take(x, &part))
			keep_part(x, &part, all);
	}
}

/* One thread makes steps while another one takes parts. */
struct stepper {
	struct export_run *x;
	sem_t news; /* a part, or the end of a step */
	bool hurry;
	int rc;
};

static bool on_part(void *arg)
{
	struct stepper *s = arg;

	sem_post(&s->news);
	return !s->hurry;
}

static void *make_steps(void *arg)
{
	struct stepper *s = arg;
	struct diag d;

	for (unsigned i = 0; s->rc == 0 && !export_done(s->x); i++) {
		s->rc = export_step(s->x, engine, 1 + i * 5 % EXPORT_PIECES_MAX, &d);
		sem_post(&s->news);
	}
	return NULL;
}

static void take_meanwhile(struct export_run *x, struct buf *all)
{
	struct stepper s = { .x = x, .hurry = rnd(2) };
	pthread_t thread;
	struct buf part;

	sem_init(&s.news, 0, 0);
	export_on_part(x, on_part, &s);
	assert_int_equal(pthread_create(&thread, NULL, make_steps, &s), 0);
	while (!export_done(x)) {
		sem_wait(&s.news);
		while (rnd(8) && export_take(x, &part))
			keep_part(x, &part, all);
	}
	pthread_join(thread, NULL);
	sem_destroy(&s.news);
	assert_int_equal(s.rc, 0);
}

/* All of it into one buffer. */
static void export_all(struct store_snapshot *snap, const struct export_request *r, struct buf *all,
	struct engine_result *out)
{
	struct export_run *x;
	struct buf part;
	struct diag d;

	buf_reset(all);
	assert_int_equal(export_open(snap, r, &x, &d), 0);
	if (rnd(2))
		take_meanwhile(x, all);
	else
		take_between_steps(x, all);
	assert_false(export_take(x, &part));
	*out = *export_result(x);
	export_close(&x);
	assert_null(x);
	assert_int_equal(all->err, 0);
}

static void assert_lines(struct span text, size_t n, bool json)
{
	struct buf line;

	buf_init(&line, 1 << 20);
	for (size_t i = 0; i < n; i++) {
		buf_reset(&line);
		if (json)
			buf_put_u8(&line, i ? ',' : ' ');
		json_out_event(want[i], &line);
		if (!json)
			buf_put_u8(&line, '\n');
		assert_true(text.n >= line.len);
		if (memcmp(text.p, line.p, line.len) != 0)
			fail_msg("line %zu of %zu is not event %llu", i, n,
				(unsigned long long)want[i]->id);
		text = span_of(text.p + line.len, text.n - line.len);
	}
	if (json)
		assert_memory_equal(text.p, "],\"count\":", 10);
	else
		assert_int_equal(text.n, 0);
	buf_fini(&line);
}

static void every_event_once_in_order(void **state)
{
	static const char *const orders[] = { "desc", "asc", "arrival" };
	static const uint32_t spreads[] = { 0, 3, 500, 20000 };
	struct store_snapshot snap;
	struct buf all;

	(void)state;
	buf_init(&all, 64 << 20);
	for (int round = 0; round < ROUNDS; round++) {
		const char *type = rnd(2) ? rnd(2) ? "PAYMENT" : "=RARE\"," : NULL;
		int order = (int)rnd(3);
		size_t count = 1 + rnd(EVENTS), limit = rnd(3) ? 0 : 1 + rnd(EVENTS), n;
		struct export_request r;
		struct engine_result result;
		char text[32];
		bool json = rnd(4) == 0;

		make_events(spreads[rnd(4)]);
		cut(&snap, count, 1 + rnd(rnd(2) ? 300 : 9000));
		export_request_init(&r);
		param(&r, "order", orders[order]);
		if (type)
			param(&r, "event_type", type);
		snprintf(text, sizeof text, "%zu", limit);
		if (limit)
			param(&r, "limit", text);
		if (json)
			param(&r, "format", "json");
		r.base.threads = 1 + rnd(2);
		check(&r);
		n = naive((enum engine_order)order, type, count, limit);
		export_all(&snap, &r, &all, &result);
		assert_int_equal(result.count, n);
		assert_int_equal(result.partial, ENGINE_WHOLE);
		if (json) {
			static const char head[] = "{\"status\":\"success\",\"logs\":[";
			size_t skip = sizeof head - 1;

			assert_memory_equal(all.p, head, skip);
			assert_lines(span_of(all.p + skip, all.len - skip), n, true);
		} else {
			assert_lines(buf_span(&all), n, false);
		}
		export_request_fini(&r);
	}
	buf_fini(&all);
}

static void after_an_id(void **state)
{
	struct store_snapshot snap;
	struct export_request r;
	struct engine_result result;
	struct engine_err err;
	struct buf all;
	size_t n = 0;

	(void)state;
	buf_init(&all, 64 << 20);
	make_events(20);
	cut(&snap, 2000, 100);
	export_request_init(&r);
	param(&r, "after", "1500");
	check(&r);
	for (size_t i = 0; i < 2000; i++)
		if (events[i].id > 1500)
			want[n++] = &events[i];
	export_all(&snap, &r, &all, &result);
	assert_lines(buf_span(&all), n, false);
	assert_int_equal(result.covered, events[1999].id);
	param(&r, "order", "asc");
	assert_true(export_request_check(&r, &err) < 0);
	assert_string_equal(err.field, "order");
	export_request_fini(&r);
	buf_fini(&all);
}

static void formats_with_columns(void **state)
{
	struct store_snapshot snap;
	struct export_request r;
	struct engine_result result;
	struct buf all;

	(void)state;
	buf_init(&all, 1 << 20);
	make_events(0);
	events[0].text[EVENT_TEXT_EVENT_TYPE] = SPAN_LIT("=1+1");
	events[1].text[EVENT_TEXT_EVENT_TYPE] = SPAN_NONE;
	cut(&snap, 2, 100);
	export_request_init(&r);
	param(&r, "columns", "event_type,id");
	param(&r, "columns", "metadata.a");
	param(&r, "format", "csv");
	check(&r);
	export_all(&snap, &r, &all, &result);
	buf_put_u8(&all, 0);
	assert_string_equal((char *)all.p, "event_type,id,metadata.a\r\n'=1+1,1,\r\n,2,\r\n");
	r.format = EXPORT_NDJSON;
	export_all(&snap, &r, &all, &result);
	buf_put_u8(&all, 0);
	assert_string_equal((char *)all.p, "{\"event_type\":\"=1+1\",\"id\":1}\n{\"id\":2}\n");
	export_request_fini(&r);
	buf_fini(&all);
}

/* Nothing matches: still a header, an empty array, or nothing. */
static void nothing_at_all(void **state)
{
	static const char *const formats[] = { "ndjson", "json", "csv" };
	static const char *const texts[] = { "", "{\"status\":\"success\",\"logs\":[],\"count\":0,",
		"id,timestamp,received,event_type," };
	struct store_snapshot snap;
	struct buf all;

	(void)state;
	buf_init(&all, 1 << 20);
	make_events(5);
	for (int i = 0; i < 6; i++) {
		struct export_request r;
		struct engine_result result;

		cut(&snap, i < 3 ? 0 : 1000, 100);
		export_request_init(&r);
		param(&r, "event_type", "NONE");
		param(&r, "format", formats[i % 3]);
		check(&r);
		export_all(&snap, &r, &all, &result);
		assert_int_equal(result.count, 0);
		assert_true(all.len >= strlen(texts[i % 3]));
		assert_memory_equal(all.p ? (char *)all.p : "", texts[i % 3], strlen(texts[i % 3]));
		export_request_fini(&r);
	}
	buf_fini(&all);
}

/* What cannot be read is missing, the rest is there, and the end says so, once. */
static void damage_is_told_at_the_end(void **state)
{
	static const char last[] = "{\"status\":\"partial\",\"count\":29000,\"partial\":\"damage\","
				   "\"damage\":[{\"file\":\"toy\",\"offset\":1,";
	struct store_snapshot snap = { .events = events, .events_count = 30000, .damaged = 1 };
	struct buf all;

	(void)state;
	buf_init(&all, 64 << 20);
	for (int order = 0; order < 2; order++) {
		struct export_request r;
		struct engine_result result;
		const uint8_t *at;

		make_events(20000);
		for (size_t i = 0; i <= 30; i++)
			snap.cuts[i] = i * 1000;
		snap.units_count = 30;
		export_request_init(&r);
		param(&r, "order", order ? "asc" : "arrival");
		check(&r);
		export_all(&snap, &r, &all, &result);
		assert_int_equal(result.partial, ENGINE_PARTIAL_DAMAGE);
		assert_int_equal(result.count, 29000);
		assert_int_equal(result.damage_count, 1);
		at = memmem(all.p, all.len, last, sizeof last - 1);
		assert_non_null(at);
		assert_ptr_equal(
			memchr(at, '\n', all.len - (size_t)(at - all.p)), all.p + all.len - 1);
		export_request_fini(&r);
	}
	buf_fini(&all);
}

static void a_cancel_ends_it(void **state)
{
	struct store_snapshot snap;
	struct export_request r;
	struct export_run *x;
	struct buf part;
	struct diag d;

	(void)state;
	make_events(20000);
	cut(&snap, EVENTS, 900);
	export_request_init(&r);
	param(&r, "order", "asc");
	check(&r);
	assert_int_equal(export_open(&snap, &r, &x, &d), 0);
	assert_int_equal(export_step(x, engine, 2, &d), 0);
	assert_true(export_take(x, &part));
	buf_fini(&part);
	engine_cancel(engine);
	assert_int_equal(export_step(x, engine, 2, &d), -ECANCELED);
	engine_uncancel(engine);
	/* Half way, with parts that nobody took. */
	export_close(&x);
	export_request_fini(&r);
}

/* Nobody need take parts: a step ends when there are so many, and as many of it as it may make. */
static void a_step_is_bounded(void **state)
{
	struct store_snapshot snap;
	struct export_request r;
	struct export_run *x;
	struct buf part;
	struct diag d;
	size_t bytes, all, n;

	(void)state;
	make_events(0);
	cut(&snap, EVENTS, 9000);
	export_request_init(&r);
	r.base.threads = 2;
	check(&r);
	assert_int_equal(export_open(&snap, &r, &x, &d), 0);
	assert_int_equal(export_waiting(x, &bytes), 0);
	assert_int_equal(bytes, 0);
	assert_int_equal(export_step(x, engine, 3, &d), 0);
	n = export_waiting(x, &bytes);
	assert_in_range(n, 1, 3);
	assert_true(bytes < 3 * (EXPORT_PART_BYTES + (1 << 20)));
	/* Another step adds nothing. */
	assert_int_equal(export_step(x, engine, 3, &d), 0);
	assert_int_equal(export_waiting(x, &all), n);
	assert_int_equal(all, bytes);
	for (all = 0; export_take(x, &part); n--) {
		all += part.len;
		buf_fini(&part);
	}
	assert_int_equal(n, 0);
	assert_int_equal(export_waiting(x, &n), 0);
	assert_int_equal(all + n, bytes);
	/* With fewer places than before nothing is made while there is a part to take, else the next one. */
	assert_int_equal(export_step(x, engine, EXPORT_PIECES_MAX, &d), 0);
	while ((n = export_waiting(x, &bytes)) > 0) {
		assert_int_equal(export_step(x, engine, 1, &d), 0);
		assert_int_equal(export_waiting(x, &all), n);
		assert_int_equal(all, bytes);
		assert_true(export_take(x, &part));
		buf_fini(&part);
	}
	assert_int_equal(export_step(x, engine, 1, &d), 0);
	assert_true(export_waiting(x, &bytes) > 0);
	export_close(&x);
	export_request_fini(&r);
}

static void what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *name, *value, *error;
	} cases[] = {
		{ "format", "xml", "neither ndjson, json nor csv: \"xml\"" },
		{ "order", "up", "neither arrival, asc nor desc: \"up\"" },
		{ "limit", "0", "not a number from 1 to 2^64 - 1: \"0\"" },
		{ "limit", "", "not a number from 1 to 2^64 - 1: \"\"" },
		{ "limit", "18446744073709551616",
			"not a number from 1 to 2^64 - 1: \"18446744073709551616\"" },
		{ "columns", "id,hsot", "no such field: \"hsot\"" },
		{ "columns", "id,,host", "an empty name: \"\"" },
		{ "fields", "metadata.", "an empty name: \"metadata.\"" },
		{ "cursor", "x", "an export has no pages" },
		{ "offset", "1", "an export has no pages" },
		{ "wait", "1", "an export has no pages" },
		{ "evnt_type", "x", "no such parameter" },
	};
	struct engine_err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
		struct export_request r;

		export_request_init(&r);
		assert_true(export_param(&r, span_str(cases[i].name), span_str(cases[i].value),
				    &err) < 0);
		assert_string_equal(err.field, cases[i].name);
		assert_string_equal(err.error, cases[i].error);
		export_request_fini(&r);
	}
	for (size_t i = 0; i < 3; i++) {
		static const char *const once[][2] = { { "format", "csv" }, { "order", "asc" },
			{ "limit", "7" } };
		struct export_request r;

		export_request_init(&r);
		param(&r, once[i][0], once[i][1]);
		assert_true(export_param(&r, span_str(once[i][0]), span_str(once[i][1]), &err) < 0);
		assert_string_equal(err.error, "given twice");
		export_request_fini(&r);
	}
}

static int set_up(void **state)
{
	(void)state;
	seed = 4;
	engine = engine_new();
	return engine ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	engine_free(&engine);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_event_once_in_order),
		cmocka_unit_test(after_an_id),
		cmocka_unit_test(formats_with_columns),
		cmocka_unit_test(nothing_at_all),
		cmocka_unit_test(damage_is_told_at_the_end),
		cmocka_unit_test(a_cancel_ends_it),
		cmocka_unit_test(a_step_is_bounded),
		cmocka_unit_test(what_is_wrong_is_named),
	};

	return cmocka_run_group_tests_name("export", tests, set_up, tear_down);
}
