/*
 * Goal: whatever is asked, the answer is that of a naive filter and sort; a walk by cursor gives every
 * event of its first snapshot once, while others arrive and units are cut anew; budgets and damage end
 * in an answer that is right as far as it goes.
 * Method: random events with many equal times, random queries, over toy_scan.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "query/engine.h"
#include "query/heap.h"
#include "tests/support/toy_scan.h"

enum { EVENTS = 1500, QUERIES = 400, WALKS = 60 };

static struct event events[EVENTS];
static uint64_t seed;

static uint32_t rnd(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static const char *const types[] = { "AUTH", "ERROR", "PAYMENT", "" };
static const char *const users[] = { "anna", "bob", "carol" };
static const char *const texts[] = { "Payment declined", "all is well", "DECLINED again", "x" };

static void make_events(void)
{
	for (size_t i = 0; i < EVENTS; i++) {
		struct event *ev = &events[i];

		*ev = (struct event){ .id = i + 1 + i / 100 * 7,
			.time_ns = (int64_t)(i / 4 + rnd(30)) * 1000000 - 100000000,
			.received_ns = (int64_t)rnd(20),
			.severity = (uint8_t)rnd(8) };
		ev->text[EVENT_TEXT_EVENT_TYPE] = span_str(types[rnd(4)]);
		if (rnd(3))
			ev->text[EVENT_TEXT_USER_ID] = span_str(users[rnd(3)]);
		if (rnd(5))
			ev->text[EVENT_TEXT_DESCRIPTION] = span_str(texts[rnd(4)]);
	}
}

static void cut(struct store_snapshot *s, size_t count, size_t longest)
{
	*s = (struct store_snapshot){ .events = events, .events_count = count, .damaged = -1 };
	while (s->cuts[s->units_count] < count) {
		size_t next = s->cuts[s->units_count] + 1 + rnd((uint32_t)longest);

		s->cuts[++s->units_count] = next < count ? next : count;
	}
	assert_true(s->units_count <= TOY_UNITS_MAX);
}

static void param(struct engine_request *r, const char *name, const char *value)
{
	struct engine_err err;

	if (engine_param(r, span_str(name), span_str(value), &err) < 0)
		fail_msg("%s=%s: %s (%s)", name, value, err.error, err.hint);
}

static void number_param(struct engine_request *r, const char *name, uint64_t v)
{
	char text[32];

	snprintf(text, sizeof text, "%llu", (unsigned long long)v);
	param(r, name, text);
}

/* A random question; returns its scan_spec for the naive answer, any-of numbers aside. */
static void ask(struct engine_request *r)
{
	engine_request_init(r);
	for (uint32_t n = rnd(3); n > 0; n--)
		param(r, "event_type", types[rnd(4)]);
	for (uint32_t n = rnd(3); n > 0; n--)
		param(r, "user_id", users[rnd(3)]);
	if (rnd(4) == 0)
		param(r, "search", rnd(2) ? "declined" : "IS");
	for (uint32_t n = rnd(4) ? 0 : 5; n > 0; n--)
		number_param(r, "severity", rnd(8));
	for (uint32_t n = rnd(8) ? 0 : 3; n > 0; n--)
		number_param(r, "id", 1 + rnd(EVENTS));
	if (rnd(3) == 0)
		r->from_ns = (int64_t)rnd(300) * 1000000 - 100000000;
	if (rnd(3) == 0)
		r->to_ns = (int64_t)(100 + rnd(300)) * 1000000 - 100000000;
	if (r->from_ns > r->to_ns)
		r->to_ns = INT64_MAX;
	if (rnd(12) == 0) {
		param(r, "received", "1970-01-01T00:00:00.000000003Z");
		param(r, "received", "1970-01-01T00:00:00.000000007Z");
	}
	if (rnd(12) == 0) {
		param(r, "timestamp", "1970-01-01");
		param(r, "timestamp", "1970-01-01T00:00:00.01Z");
		param(r, "timestamp", "1970-01-01T00:00:00.01Z");
	}
	if (rnd(2))
		param(r, "order", rnd(2) ? "asc" : "desc");
}

static bool one_of(const struct engine_numbers *t, int64_t v)
{
	for (size_t i = 0; t && i < t->count; i++) {
		if (t->values[i] == v)
			return true;
	}
	return !t;
}

static bool some_text(const struct engine_texts *t, struct span v)
{
	for (size_t i = 0; t && i < t->count; i++) {
		if (v.p && span_eq(t->values[i], v))
			return true;
	}
	return !t;
}

static bool contains(struct span text, struct span word)
{
	for (size_t i = 0; word.n && text.p && i + word.n <= text.n; i++) {
		if (strncasecmp((const char *)text.p + i, (const char *)word.p, word.n) == 0)
			return true;
	}
	return word.n == 0;
}

static bool wanted(const struct engine_request *r, const struct event *ev)
{
	bool all = ev->time_ns >= r->from_ns && ev->time_ns <= r->to_ns &&
		   (!r->severity_mask || r->severity_mask >> ev->severity & 1) &&
		   contains(ev->text[EVENT_TEXT_DESCRIPTION], r->search);

	for (int i = 0; i < EVENT_TEXT_COUNT && all; i++)
		all = some_text(r->text[i], ev->text[i]);
	return all && one_of(r->ids, (int64_t)ev->id) && one_of(r->times, ev->time_ns) &&
	       one_of(r->received, ev->received_ns) &&
	       (r->order != ENGINE_ORDER_ARRIVAL || ev->id > r->after);
}

static enum engine_order sort_order;

static int compare(const void *x, const void *y)
{
	const struct event *a = *(const struct event *const *)x,
			   *b = *(const struct event *const *)y;
	int c = (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);

	if (c == 0 || sort_order == ENGINE_ORDER_ARRIVAL)
		c = (a->id > b->id) - (a->id < b->id);
	return sort_order == ENGINE_ORDER_DESC ? -c : c;
}

static size_t naive(const struct engine_request *r, size_t count, const struct event **out)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (wanted(r, &events[i]))
			out[n++] = &events[i];
	}
	sort_order = r->order;
	qsort(out, n, sizeof *out, compare);
	return n;
}

static void assert_same(const struct event *got, const struct event *want)
{
	assert_int_equal(got->id, want->id);
	assert_int_equal(got->time_ns, want->time_ns);
	for (int i = 0; i < EVENT_TEXT_COUNT; i++) {
		assert_int_equal(got->text[i].p == NULL, want->text[i].p == NULL);
		assert_true(span_eq(got->text[i], want->text[i]));
	}
}

static void check(struct engine_request *r)
{
	struct engine_err err;

	if (engine_request_check(r, &err) < 0)
		fail_msg("%s: %s", err.field, err.error);
}

static void random_pages(void **state)
{
	static const struct event *want[EVENTS];
	struct engine *e = engine_new();
	struct store_snapshot snap;

	(void)state;
	for (int q = 0; q < QUERIES; q++) {
		struct engine_request r;
		struct engine_result got;
		size_t n, offset;

		cut(&snap, 1 + rnd(EVENTS), 1 + rnd(60) + EVENTS / 100);
		ask(&r);
		number_param(&r, "limit", 1 + rnd(rnd(2) ? 10 : 1000));
		if (rnd(2))
			number_param(&r, "offset", rnd(rnd(2) ? 20 : EVENTS));
		check(&r);
		n = naive(&r, snap.events_count, want);
		assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
		assert_true(got.total_known);
		assert_int_equal(got.total, n);
		assert_int_equal(got.partial, ENGINE_WHOLE);
		offset = r.offset < n ? (size_t)r.offset : n;
		assert_int_equal(got.count, n - offset < r.limit ? n - offset : r.limit);
		for (size_t i = 0; i < got.count; i++)
			assert_same(&got.events[i], want[offset + i]);
		assert_int_equal(got.next[0] != 0, offset + got.count < n);
		engine_result_fini(&got);
		engine_request_fini(&r);
	}
	engine_free(&e);
}

/* One page of a walk; adds the ids to seen. Returns false after the last one. */
static bool page(struct engine *e, struct store_snapshot *snap, uint64_t walk, char *cursor,
	const struct event **want, size_t *at, size_t n)
{
	struct engine_request r;
	struct engine_result got;
	bool more;

	seed = walk;
	ask(&r);
	seed = walk * 31 + *at + 1;
	number_param(&r, "limit", 1 + rnd(50));
	if (*cursor)
		param(&r, "cursor", cursor);
	check(&r);
	assert_int_equal(engine_run(e, snap, &r, &got, NULL), 0);
	assert_true(got.total_known);
	assert_int_equal(got.total, n);
	for (size_t i = 0; i < got.count; i++) {
		assert_true(*at < n);
		assert_same(&got.events[i], want[(*at)++]);
	}
	more = got.next[0] != 0;
	strcpy(cursor, got.next);
	engine_result_fini(&got);
	engine_request_fini(&r);
	return more;
}

static void walks_while_events_arrive(void **state)
{
	static const struct event *want[EVENTS];
	struct engine *e = engine_new();

	(void)state;
	for (uint64_t w = 1; w <= WALKS; w++) {
		char cursor[ENGINE_CURSOR_BYTES] = "";
		struct store_snapshot snap;
		struct engine_request r;
		size_t have, at = 0, n;

		seed = w * 977;
		have = 200 + rnd(EVENTS - 200);
		seed = w;
		ask(&r);
		n = naive(&r, have, want);
		engine_request_fini(&r);
		do {
			cut(&snap, have, 40);
			have += have < EVENTS ? 1 + rnd((uint32_t)(EVENTS - have)) % 20 : 0;
		} while (page(e, &snap, w, cursor, want, &at, n));
		assert_int_equal(at, n);
	}
	engine_free(&e);
}

static void follows_in_order_of_arrival(void **state)
{
	struct engine *e = engine_new();
	struct store_snapshot snap;
	uint64_t after = 0;
	size_t have = 1, at = 0;

	(void)state;
	while (at < EVENTS) {
		struct engine_request r;
		struct engine_result got;

		cut(&snap, have, 40);
		engine_request_init(&r);
		number_param(&r, "after", after);
		number_param(&r, "limit", 1 + rnd(100));
		param(&r, "total", "none");
		/* Every other page has an end of its own, which may be before the first event. */
		if (rnd(2))
			r.upto = events[at + rnd(50) < EVENTS ? at + rnd(50) : EVENTS - 1].id;
		if (r.upto < after)
			r.upto = after;
		check(&r);
		assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
		assert_false(got.total_known);
		assert_int_equal(got.next[0], 0);
		for (size_t i = 0; i < got.count; i++)
			assert_same(&got.events[i], &events[at++]);
		assert_true(got.covered >= after);
		assert_true(got.covered <= r.upto);
		after = got.covered;
		assert_int_equal(at ? events[at - 1].id : 0, after);
		have = have + rnd(50) < EVENTS ? have + rnd(50) : EVENTS;
		engine_result_fini(&got);
		engine_request_fini(&r);
	}
	engine_free(&e);
}

/* The same: it never goes back, nor tells an event twice. */
static void time_runs_out_for_a_follower(void **state)
{
	struct engine *e = engine_new();
	struct store_snapshot snap;
	uint64_t after = 0;
	size_t at = 0;
	unsigned cut_short = 0;

	(void)state;
	clock_fake(0, 1000000);
	cut(&snap, EVENTS, 20);
	snap.unit_cost_ns = 1000;
	while (at < EVENTS) {
		struct engine_request r;
		struct engine_result got;

		engine_request_init(&r);
		number_param(&r, "after", after);
		number_param(&r, "limit", 1000);
		r.budget_ns = 5500;
		check(&r);
		assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
		for (size_t i = 0; i < got.count; i++)
			assert_same(&got.events[i], &events[at++]);
		assert_true(got.covered > after);
		cut_short += got.partial == ENGINE_PARTIAL_TIME;
		after = got.covered;
		engine_result_fini(&got);
		engine_request_fini(&r);
	}
	clock_real();
	assert_true(cut_short > 3);
	engine_free(&e);
}

/* A walk in which each page runs out of time after a few units still gives everything once. */
static void time_runs_out(void **state)
{
	static const struct event *want[EVENTS];
	struct engine *e = engine_new();
	char cursor[ENGINE_CURSOR_BYTES] = "";
	struct store_snapshot snap;
	size_t n, at = 0;
	unsigned cut_short = 0;
	bool more = true;

	(void)state;
	clock_fake(0, 1000000);
	cut(&snap, EVENTS, 20);
	snap.unit_cost_ns = 1000;
	while (more) {
		struct engine_request r;
		struct engine_result got;

		engine_request_init(&r);
		param(&r, "user_id", "anna");
		r.budget_ns = 5500;
		if (*cursor)
			param(&r, "cursor", cursor);
		check(&r);
		n = naive(&r, EVENTS, want);
		assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
		for (size_t i = 0; i < got.count; i++)
			assert_same(&got.events[i], want[at++]);
		if (got.partial == ENGINE_PARTIAL_TIME) {
			cut_short++;
			assert_false(got.total_known);
			assert_true(got.next[0]);
		}
		more = got.next[0] != 0;
		strcpy(cursor, got.next);
		engine_result_fini(&got);
		engine_request_fini(&r);
	}
	assert_int_equal(at, n);
	assert_true(cut_short > 2);
	clock_real();
	engine_free(&e);
}

/* One page of units that all begin at one time; cursor is where it begins, then where the next one does. */
static void run_alike(struct store_snapshot *snap, char *cursor, struct engine_result *out)
{
	struct engine *e = engine_new();
	struct engine_request r;

	clock_fake(0, 1000000);
	engine_request_init(&r);
	if (*cursor)
		param(&r, "cursor", cursor);
	r.budget_ns = CLOCK_NS_PER_MS;
	check(&r);
	assert_int_equal(engine_run(e, snap, &r, out, NULL), 0);
	strcpy(cursor, out->next);
	engine_result_fini(out);
	engine_request_fini(&r);
	engine_free(&e);
}

/* No cursor stands between them: they have overtime, a second at least, which ends too. */
static void units_of_one_time_have_overtime(void **state)
{
	enum { COUNT = 10 };
	static struct event alike[COUNT];
	struct store_snapshot snap = {
		.events = alike, .events_count = COUNT, .units_count = COUNT, .damaged = -1
	};
	char cursor[ENGINE_CURSOR_BYTES] = "";
	struct engine_result got;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		alike[i] = (struct event){ .id = i + 1, .time_ns = 1 };
		snap.cuts[i + 1] = i + 1;
	}
	snap.unit_cost_ns = 90 * CLOCK_NS_PER_MS;
	run_alike(&snap, cursor, &got);
	assert_int_equal(got.partial, ENGINE_WHOLE);
	assert_int_equal(got.total, COUNT);
	assert_int_equal(cursor[0], 0);
	/* Too much for that: it is said, and no cursor leads in a circle. */
	snap.unit_cost_ns = 300 * CLOCK_NS_PER_MS;
	for (int page = 0; page < 2; page++) {
		run_alike(&snap, cursor, &got);
		assert_int_equal(got.partial, ENGINE_PARTIAL_TIME);
		assert_int_equal(cursor[0] == 0, page);
	}
	clock_real();
}

static void memory_runs_out(void **state)
{
	struct engine *e = engine_new();
	struct store_snapshot snap;
	struct engine_request r;
	struct engine_result got;
	static const struct event *want[EVENTS];
	static uint8_t big[100000];
	struct event was = events[EVENTS - 3];

	(void)state;
	events[EVENTS - 3].text[EVENT_TEXT_USER_AGENT] = span_of(big, sizeof big);
	cut(&snap, EVENTS, 20);
	engine_request_init(&r);
	r.budget_bytes = 1;
	r.limit = ENGINE_LIMIT_MAX;
	check(&r);
	naive(&r, EVENTS, want);
	assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
	assert_int_equal(got.partial, ENGINE_PARTIAL_MEMORY);
	assert_true(got.count > 0);
	assert_true(got.count < ENGINE_LIMIT_MAX);
	assert_true(got.next[0]);
	assert_int_equal(got.total, EVENTS);
	for (size_t i = 0; i < got.count; i++)
		assert_same(&got.events[i], want[i]);
	engine_result_fini(&got);
	engine_request_fini(&r);
	engine_free(&e);
	events[EVENTS - 3] = was;
}

static void a_damaged_unit(void **state)
{
	struct engine *e = engine_new();
	struct store_snapshot snap;
	struct engine_request r;
	struct engine_result got;
	size_t lost;

	(void)state;
	cut(&snap, EVENTS, 20);
	snap.damaged = (int64_t)snap.units_count / 2;
	lost = snap.cuts[snap.damaged + 1] - snap.cuts[snap.damaged];
	engine_request_init(&r);
	param(&r, "order", "asc");
	r.limit = ENGINE_LIMIT_MAX;
	check(&r);
	assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
	assert_int_equal(got.partial, ENGINE_PARTIAL_DAMAGE);
	assert_int_equal(got.damage_count, 1);
	assert_int_equal(got.damage[0].code, ERR_CORRUPT);
	assert_false(got.total_known);
	assert_true(got.total >= EVENTS - lost);
	assert_int_equal(got.count, ENGINE_LIMIT_MAX);
	for (size_t i = 1; i < got.count; i++)
		assert_true(got.events[i - 1].time_ns <= got.events[i].time_ns);
	engine_result_fini(&got);
	engine_request_fini(&r);
	engine_free(&e);
}

static void a_cancel(void **state)
{
	struct engine *e = engine_new();
	struct store_snapshot snap;
	struct engine_request r;
	struct engine_result got;

	(void)state;
	cut(&snap, EVENTS, 20);
	engine_request_init(&r);
	param(&r, "user_id", "bob");
	check(&r);
	engine_cancel(e);
	assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
	assert_int_equal(got.partial, ENGINE_PARTIAL_CANCELED);
	assert_true(snap.selects + snap.counts <= 1);
	engine_result_fini(&got);
	engine_uncancel(e);
	assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
	assert_int_equal(got.partial, ENGINE_WHOLE);
	engine_result_fini(&got);
	engine_request_fini(&r);
	engine_free(&e);
}

/* The newest page of many events looks into the newest units only; the others are counted unread. */
static void stops_early(void **state)
{
	struct engine *e = engine_new();
	struct store_snapshot snap;
	struct engine_request r;
	struct engine_result got;

	(void)state;
	cut(&snap, EVENTS, 10);
	engine_request_init(&r);
	number_param(&r, "limit", 10);
	check(&r);
	assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
	assert_int_equal(got.total, EVENTS);
	assert_true(snap.selects < snap.units_count / 4);
	assert_int_equal(snap.counts, 0);
	engine_result_fini(&got);
	engine_request_fini(&r);
	engine_free(&e);
}

static void an_offset_too_deep(void **state)
{
	struct engine *e = engine_new();
	struct store_snapshot snap;
	struct engine_request r;
	struct engine_result got;
	struct diag d;

	(void)state;
	cut(&snap, 10, 5);
	events[0].time_ns += 1000000000;
	engine_request_init(&r);
	number_param(&r, "offset", 1000000000000);
	check(&r);
	assert_int_equal(engine_run(e, &snap, &r, &got, &d), 0);
	assert_int_equal(got.count, 0);
	assert_int_equal(got.total, 10);
	engine_result_fini(&got);
	param(&r, "search", "nothing has this");
	check(&r);
	assert_int_equal(engine_run(e, &snap, &r, &got, &d), 0);
	assert_int_equal(got.total, 0);
	engine_result_fini(&got);
	engine_request_fini(&r);
	events[0].time_ns -= 1000000000;
	engine_free(&e);
}

/* What an offset may cost in memory is bounded. */
static void an_offset_out_of_budget(void **state)
{
	struct engine *e = engine_new();
	struct store_snapshot snap;
	struct engine_request r;
	struct engine_result got;
	struct diag d;

	(void)state;
	clock_fake(0, 1000000);
	cut(&snap, EVENTS, 20);
	snap.unit_cost_ns = 1000;
	engine_request_init(&r);
	param(&r, "user_id", "anna");
	number_param(&r, "offset", 1000000000000);
	r.budget_ns = 5500;
	check(&r);
	assert_int_equal(engine_run(e, &snap, &r, &got, &d), ERR_BUDGET);
	assert_non_null(strstr(d.text, "cursor"));
	engine_request_fini(&r);
	clock_real();
	engine_free(&e);
}

/* As deep as LIMIT_QUERY_HITS_BYTES allow, and one deeper: nothing is skipped, the time is over at once. */
static void the_deepest_offset(void **state)
{
	const uint64_t most = LIMIT_QUERY_HITS_BYTES / sizeof(struct heap_hit) - 1 - 10;
	struct engine *e = engine_new();
	struct store_snapshot snap;
	struct engine_result got;
	struct diag d;

	(void)state;
	clock_fake(0, 1000000);
	cut(&snap, EVENTS, 20);
	snap.unit_cost_ns = 1000;
	for (int over = 0; over < 2; over++) {
		struct engine_request r;

		engine_request_init(&r);
		param(&r, "user_id", "anna");
		number_param(&r, "limit", 10);
		number_param(&r, "offset", most + (uint64_t)over + EVENTS);
		r.budget_ns = 1;
		check(&r);
		/* What the first unit had is passed over. */
		r.offset -= EVENTS;
		assert_int_equal(engine_run(e, &snap, &r, &got, &d), over ? ERR_BUDGET : 0);
		if (!over) {
			assert_int_equal(got.partial, ENGINE_PARTIAL_TIME);
			engine_result_fini(&got);
		}
		engine_request_fini(&r);
	}
	clock_real();
	engine_free(&e);
}

/* A request as it comes is bounded: a page of LIMIT_QUERY_PAGE_BYTES, LIMIT_QUERY_MS of time. */
static void a_page_has_so_many_bytes(void **state)
{
	enum { ROWS = 64, EACH = LIMIT_QUERY_PAGE_BYTES / ROWS };
	static uint8_t text[EACH];
	static struct event large[ROWS + 2];
	struct engine *e = engine_new();
	struct store_snapshot snap;
	char cursor[ENGINE_CURSOR_BYTES] = "";
	size_t seen = 0, pages = 0;

	(void)state;
	for (size_t i = 0; i < ROWS + 2; i++) {
		large[i] = (struct event){ .id = i + 1, .time_ns = (int64_t)i };
		large[i].text[EVENT_TEXT_DESCRIPTION] = span_of(text, sizeof text);
	}
	snap = (struct store_snapshot){ .events = large,
		.events_count = ROWS + 2,
		.cuts = { 0, ROWS + 2 },
		.units_count = 1,
		.damaged = -1 };
	do {
		struct engine_request r;
		struct engine_result got;

		engine_request_init(&r);
		number_param(&r, "limit", LIMIT_QUERY_ROWS);
		if (*cursor)
			param(&r, "cursor", cursor);
		check(&r);
		assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
		assert_true(got.count > 0);
		assert_true(got.count * EACH <= LIMIT_QUERY_PAGE_BYTES + EACH);
		seen += got.count;
		assert_int_equal(
			got.partial, seen < ROWS + 2 ? ENGINE_PARTIAL_MEMORY : ENGINE_WHOLE);
		strcpy(cursor, got.next);
		pages++;
		engine_result_fini(&got);
		engine_request_fini(&r);
	} while (*cursor);
	assert_int_equal(seen, ROWS + 2);
	assert_true(pages > 1);
	engine_free(&e);
}

static void a_query_has_so_much_time(void **state)
{
	struct engine *e = engine_new();
	struct store_snapshot snap;
	struct engine_request r;
	struct engine_result got;

	(void)state;
	clock_fake(0, 1000000);
	cut(&snap, EVENTS, 20);
	assert_true(snap.units_count > 40);
	for (int over = 0; over < 2; over++) {
		snap.unit_cost_ns = LIMIT_QUERY_MS * CLOCK_NS_PER_MS /
				    (over ? 20 : 10 * (int64_t)snap.units_count);
		engine_request_init(&r);
		param(&r, "user_id", "anna");
		number_param(&r, "limit", LIMIT_QUERY_ROWS);
		check(&r);
		assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
		assert_int_equal(got.partial, over ? ENGINE_PARTIAL_TIME : ENGINE_WHOLE);
		assert_int_equal(got.total_known, !over);
		engine_result_fini(&got);
		engine_request_fini(&r);
	}
	clock_real();
	engine_free(&e);
}

static int set_up(void **state)
{
	(void)state;
	seed = 20261120;
	make_events();
	return 0;
}

/* A warm request: the same answer, or nothing was done; and no answer that takes long to make. */
static void warm_or_not_at_all(void **state)
{
	struct engine *e = engine_new();
	struct store_snapshot snap;
	unsigned answered = 0;

	(void)state;
	for (int q = 0; q < QUERIES; q++) {
		struct engine_result got, want;
		struct engine_request r;
		int rc;

		cut(&snap, 1 + rnd(EVENTS), 1 + rnd(60) + EVENTS / 100);
		snap.cold = rnd(4) == 0;
		ask(&r);
		number_param(&r, "limit", 1 + rnd(2 * ENGINE_WARM_ROWS));
		if (rnd(8) == 0)
			number_param(&r, "offset", 1 + rnd(20));
		check(&r);
		assert_int_equal(engine_run(e, &snap, &r, &want, NULL), 0);
		r.warm = true;
		rc = engine_run(e, &snap, &r, &got, NULL);
		assert_int_equal(rc, (snap.cold && want.stats.scan.blocks_total > 0) || r.offset ||
						     want.count > ENGINE_WARM_ROWS
					     ? ENGINE_COLD
					     : 0);
		if (rc == 0) {
			assert_int_equal(got.count, want.count);
			assert_int_equal(got.total, want.total);
			assert_string_equal(got.next, want.next);
			for (size_t i = 0; i < got.count; i++)
				assert_same(&got.events[i], &want.events[i]);
			engine_result_fini(&got);
			answered++;
		}
		engine_result_fini(&want);
		engine_request_fini(&r);
	}
	assert_true(answered > QUERIES / 4);
	engine_free(&e);
}

static void warm_answers_are_small(void **state)
{
	static uint8_t text[ENGINE_WARM_BYTES / 4];
	struct engine *e = engine_new();
	struct store_snapshot snap;
	struct engine_request r;
	struct engine_result got;

	(void)state;
	cut(&snap, 5, 2);
	for (int i = 0; i < 5; i++)
		events[i].text[EVENT_TEXT_USER_AGENT] = span_of(text, sizeof text);
	engine_request_init(&r);
	check(&r);
	r.warm = true;
	r.budget_bytes = 1 << 20;
	assert_int_equal(engine_run(e, &snap, &r, &got, NULL), ENGINE_COLD);
	r.warm = false;
	assert_int_equal(engine_run(e, &snap, &r, &got, NULL), 0);
	assert_int_equal(got.count, 5);
	engine_result_fini(&got);
	for (int i = 0; i < 5; i++)
		events[i].text[EVENT_TEXT_USER_AGENT] = SPAN_NONE;
	engine_request_fini(&r);
	engine_free(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_pages),
		cmocka_unit_test(walks_while_events_arrive),
		cmocka_unit_test(follows_in_order_of_arrival),
		cmocka_unit_test(time_runs_out_for_a_follower),
		cmocka_unit_test(time_runs_out),
		cmocka_unit_test(units_of_one_time_have_overtime),
		cmocka_unit_test(memory_runs_out),
		cmocka_unit_test(warm_or_not_at_all),
		cmocka_unit_test(warm_answers_are_small),
		cmocka_unit_test(a_damaged_unit),
		cmocka_unit_test(a_cancel),
		cmocka_unit_test(stops_early),
		cmocka_unit_test(an_offset_too_deep),
		cmocka_unit_test(an_offset_out_of_budget),
		cmocka_unit_test(the_deepest_offset),
		cmocka_unit_test(a_page_has_so_many_bytes),
		cmocka_unit_test(a_query_has_so_much_time),
	};

	return cmocka_run_group_tests_name("engine", tests, set_up, NULL);
}
