/*
 * Goal: whoever follows events gets each that is meant for it once and in order, from where it began,
 *       whatever is committed meanwhile and whoever else comes and goes: the worker's turns, with the
 *       loop's rules for places, and no connection.
 * Method: random commits, questions and tails, over toy_scan; what each tail was told against a filter of
 *       the array. Then with each allocation of a turn failing.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "query/api_job.h"
#include "query/live_int.h"
#include "query/view.h"
#include "tests/support/alloc_fault.h"
#include "tests/support/toy_scan.h"

enum { EVENTS = 4000, QUESTIONS = 6, TAILS = 12, RUNS = 60, STEPS = 80 };

static struct event events[EVENTS];
static struct store_snapshot snapshot;
static uint64_t seed;

/* ---- what the worker sees of the store ---- */

int view_snapshot(struct view *v, struct store_snapshot **out, struct diag *d)
{
	(void)v;
	(void)d;
	*out = &snapshot;
	return 0;
}

void store_snapshot_free(struct store_snapshot **s)
{
	*s = NULL;
}

/* From here on, when its events are there, a turn's allocations may fail. */
static unsigned failing;
static bool failed;

void api_job_count(const struct engine_result *r)
{
	assert_true(r->count <= ENGINE_LIMIT_MAX);
	if (failing)
		alloc_fault_set(failing);
}

static uint32_t rnd(uint32_t below)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % below;
}

static const char *const types[] = { "AUTH", "ERROR", "PAYMENT", "READ" };
static const char *const texts[] = { "declined", "all is well", "a \"quoted\" text\n", "x" };

static void make_events(void)
{
	static char large[64 << 10];

	memset(large, 'y', sizeof large);
	for (size_t i = 0; i < EVENTS; i++) {
		struct event *ev = &events[i];

		*ev = (struct event){ .id = i ? events[i - 1].id + 1 + (rnd(10) == 0) * rnd(50) : 1,
			.time_ns = (int64_t)(i + rnd(30)) * 1000000,
			.severity = (uint8_t)rnd(8) };
		ev->text[EVENT_TEXT_EVENT_TYPE] = span_str(types[rnd(4)]);
		ev->text[EVENT_TEXT_DESCRIPTION] = span_str(texts[rnd(4)]);
		/* So that pages and messages end by their bytes, too. */
		if (rnd(60) == 0)
			ev->text[EVENT_TEXT_DESCRIPTION] = span_of((uint8_t *)large, sizeof large);
	}
}

static void commit(size_t count)
{
	size_t units = 0;

	snapshot =
		(struct store_snapshot){ .events = events, .events_count = count, .damaged = -1 };
	while (snapshot.cuts[units] < count && units < TOY_UNITS_MAX) {
		size_t next = snapshot.cuts[units] + 1 + rnd(200);

		snapshot.cuts[++units] = next < count ? next : count;
	}
	snapshot.units_count = units;
}

/* ---- questions and tails ---- */

struct tail {
	unsigned question;
	enum live_door door;
	bool here, fresh;
	uint64_t at;
	uint64_t told;  /* up to here by a message */
	size_t next;    /* in events: the first that it may be told of */
	uint64_t count; /* events that it was told of */
};

struct world {
	struct live_turn turn;
	struct engine *engine;
	struct live_question *questions[QUESTIONS];
	struct tail tails[TAILS];
	unsigned tails_count;
	uint64_t position;
	struct expr_scratch *scratch;
};

static void param(struct live_question *q, const char *name, const char *value)
{
	struct engine_err err;

	if (live_question_param(q, span_str(name), span_str(value), &err) < 0)
		fail_msg("%s=%s: %s (%s)", name, value, err.error, err.hint);
}

static struct live_question *random_question(void)
{
	struct live_question *q = live_question_new();
	struct engine_err err;

	assert_non_null(q);
	if (rnd(3))
		param(q, "event_type", types[rnd(4)]);
	if (rnd(3) == 0)
		param(q, "q", rnd(2) ? "severity>=warning" : "event_type=AUTH or severity=alert");
	if (rnd(4) == 0)
		param(q, "search", "well");
	if (rnd(4) == 0)
		param(q, "fields", "severity,id");
	if (live_question_check(q, &err) < 0)
		fail_msg("%s: %s", err.error, err.hint);
	return q;
}

static bool is_meant(struct world *w, const struct tail *t, const struct event *ev)
{
	const struct expr *where = w->questions[t->question]->req.where;

	expr_scratch_reset(w->scratch);
	return expr_match(where, ev, w->scratch);
}

/* ---- what a tail is told ---- */

/* The JSON inside. */
static struct span payload(const struct live_message *m, enum live_door door)
{
	static const char end[] = "\n\n", begin[] = "{\"type\":\"logs\"";
	const uint8_t *from = memmem(m->bytes, m->n, begin, sizeof begin - 1);
	struct buf head;

	assert_non_null(from);
	buf_init(&head, 128);
	live_message_open(door, m->n - (size_t)(from - m->bytes) - (door == LIVE_STREAM ? 2 : 0),
		m->covered, &head);
	assert_int_equal(head.len, from - m->bytes);
	assert_memory_equal(head.p, m->bytes, head.len);
	buf_fini(&head);
	if (door == LIVE_STREAM)
		assert_memory_equal(m->bytes + m->n - 2, end, 2);
	return span_of(from, m->n - (size_t)(from - m->bytes) - (door == LIVE_STREAM ? 2 : 0));
}

/* The number behind the next `"id":`, which no text of the events has. */
static bool next_id(struct span *s, uint64_t *out)
{
	static const char label[] = "\"id\":";
	const uint8_t *p = memmem(s->p, s->n, label, sizeof label - 1);

	if (!p)
		return false;
	p += sizeof label - 1;
	*out = strtoull((const char *)p, NULL, 10);
	*s = span_of(p, s->n - (size_t)(p - s->p));
	return true;
}

static void hear(struct world *w, struct tail *t, const struct live_message *m)
{
	struct span json = payload(m, t->door);
	uint64_t id, n = 0;

	while (next_id(&json, &id)) {
		while (t->next < EVENTS && !is_meant(w, t, &events[t->next]))
			t->next++;
		assert_true(t->next < EVENTS);
		assert_int_equal(id, events[t->next].id);
		t->next++;
		n++;
	}
	assert_int_equal(n, m->count);
	assert_true(n <= LIMIT_LIVE_EVENTS);
	assert_true(m->covered >= t->told);
	/* Who goes on behind it misses nothing. */
	for (size_t i = t->next; i < EVENTS && events[i].id <= m->covered; i++)
		assert_false(is_meant(w, t, &events[i]));
	t->told = m->covered;
	t->count += n;
}

/* All that is meant for it up to its place was told, and nothing behind it. */
static void assert_told(struct world *w, const struct tail *t)
{
	uint64_t place = t->here ? w->position : t->at;

	for (size_t i = t->next; i < EVENTS && events[i].id <= place; i++)
		assert_false(is_meant(w, t, &events[i]));
	assert_true(t->next == 0 || events[t->next - 1].id <= place || t->count == 0);
	assert_true(t->told <= place);
}

static void free_list(struct live_list *list)
{
	struct live_message *next;

	for (struct live_message *m = list->first; m; m = next) {
		next = m->next;
		live_message_unref(&m);
	}
	*list = (struct live_list){ NULL, NULL };
}

/* ---- turns, as the loop has them ---- */

static unsigned here(const struct world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->tails_count; i++)
		n += w->tails[i].here;
	return n;
}

static void settle(struct world *w)
{
	for (unsigned i = 0; i < w->tails_count; i++) {
		struct tail *t = &w->tails[i];

		if (!t->here && !t->fresh && t->at == w->position)
			t->here = true;
	}
}

static void join(struct world *w)
{
	struct tail *t = &w->tails[w->tails_count];

	if (w->tails_count == TAILS)
		return;
	*t = (struct tail){ .question = rnd(QUESTIONS), .door = rnd(LIVE_DOORS), .fresh = true };
	/* From the beginning, from anywhere, or from now on. */
	t->at = rnd(3) ? events[rnd(EVENTS)].id : rnd(2) ? 0 : UINT64_MAX;
	w->tails_count++;
}

static void leave(struct world *w)
{
	if (w->tails_count == 0 || w->turn.page_open)
		return;
	w->tails[rnd(w->tails_count)] = w->tails[w->tails_count - 1];
	w->tails_count--;
}

static void place_fresh(struct tail *t, uint64_t at)
{
	t->fresh = false;
	t->at = t->told = at;
	for (t->next = 0; t->next < EVENTS && events[t->next].id <= at; t->next++) {
	}
}

static void run(struct world *w, enum live_turn_kind kind)
{
	w->turn.kind = kind;
	w->turn.position = w->position;
	w->turn.from = w->turn.page_open ? w->turn.next : 0;
	w->turn.alone = here(w) == 0;
	live_turn_run(&w->turn.job, w->engine);
	if (failing)
		failed = alloc_fault_end();
}

static unsigned list_past(struct world *w, unsigned *of)
{
	struct live_turn *turn = &w->turn;

	turn->entries_count = 0;
	for (unsigned i = 0; i < w->tails_count; i++) {
		struct tail *t = &w->tails[i];
		bool wants = t->fresh || (!t->here && (t->at < w->position || here(w) == 0));

		if (!wants)
			continue;
		of[turn->entries_count] = i;
		turn->entries[turn->entries_count++] =
			(struct live_entry){ .question = w->questions[t->question],
				.door = t->door,
				.fresh = t->fresh,
				.has_at = t->at != UINT64_MAX,
				.at = t->at };
	}
	return turn->entries_count;
}

static void past(struct world *w)
{
	unsigned of[TAILS];

	if (w->turn.page_open || list_past(w, of) == 0)
		return;
	run(w, LIVE_TURN_PAST);
	if (w->turn.rc == 0)
		w->position = w->turn.position;
	for (unsigned i = 0; i < w->turn.entries_count; i++) {
		struct live_entry *e = &w->turn.entries[i];
		struct tail *t = &w->tails[of[i]];

		if (w->turn.rc == 0 && e->done) {
			if (t->fresh)
				place_fresh(t, e->at);
			for (struct live_message *m = e->made.first; m; m = m->next)
				hear(w, t, m);
			assert_true(e->fresh || e->at <= w->position);
			t->at = e->at;
		}
		free_list(&e->made);
	}
	settle(w);
}

static void begin_page(struct world *w)
{
	struct live_turn *turn = &w->turn;

	turn->questions_count = 0;
	turn->bound = UINT64_MAX;
	for (unsigned q = 0; q < QUESTIONS; q++) {
		w->questions[q]->doors = 0;
		for (unsigned i = 0; i < w->tails_count; i++) {
			if (w->tails[i].here && w->tails[i].question == q)
				w->questions[q]->doors |= 1u << w->tails[i].door;
		}
		if (w->questions[q]->doors)
			turn->questions[turn->questions_count++] = w->questions[q];
	}
	for (unsigned i = 0; i < w->tails_count; i++) {
		const struct tail *t = &w->tails[i];

		if (!t->here && !t->fresh && t->at > w->position && t->at < turn->bound)
			turn->bound = t->at;
	}
}

static void tell(struct world *w, struct live_question *q)
{
	for (unsigned door = 0; door < LIVE_DOORS; door++) {
		for (unsigned i = 0; i < w->tails_count; i++) {
			struct tail *t = &w->tails[i];

			if (!t->here || w->questions[t->question] != q || t->door != door)
				continue;
			for (struct live_message *m = q->made[door].first; m; m = m->next)
				hear(w, t, m);
		}
		free_list(&q->made[door]);
	}
}

static void page(struct world *w)
{
	if (!w->turn.page_open) {
		begin_page(w);
		if (here(w) == 0 || w->position == store_snapshot_committed(&snapshot))
			return;
	}
	run(w, LIVE_TURN_PAGE);
	for (unsigned i = w->turn.from; i < w->turn.next && w->turn.rc == 0; i++)
		tell(w, w->turn.questions[i]);
	if (w->turn.rc == 0 && !w->turn.page_open) {
		assert_true(w->turn.position <= w->turn.bound);
		w->position = w->turn.position;
	}
	settle(w);
}

/* ---- life ---- */

static void open_world(struct world *w)
{
	memset(w, 0, sizeof *w);
	assert_int_equal(live_turn_init(&w->turn, NULL), 0);
	w->engine = engine_new();
	w->scratch = expr_scratch_new();
	assert_non_null(w->engine);
	assert_non_null(w->scratch);
	for (unsigned i = 0; i < QUESTIONS; i++)
		w->questions[i] = random_question();
}

static void close_world(struct world *w)
{
	for (unsigned i = 0; i < QUESTIONS; i++) {
		for (unsigned door = 0; door < LIVE_DOORS; door++)
			free_list(&w->questions[i]->made[door]);
		live_question_free(&w->questions[i]);
	}
	expr_scratch_free(&w->scratch);
	live_turn_fini(&w->turn);
	engine_free(&w->engine);
}

static struct world world;

static void each_tail_is_told_all_once(void **state)
{
	(void)state;
	for (unsigned r = 0; r < RUNS; r++) {
		uint64_t heard = 0;
		size_t committed = 1 + rnd(200);

		seed = r;
		open_world(&world);
		for (unsigned step = 0; step < STEPS; step++) {
			committed += rnd(3) ? rnd(10) : rnd(150);
			commit(committed < EVENTS ? committed : EVENTS);
			if (rnd(3) == 0)
				join(&world);
			if (rnd(12) == 0)
				leave(&world);
			if (rnd(2))
				past(&world);
			page(&world);
			for (unsigned i = 0; i < world.tails_count && !world.turn.page_open; i++) {
				if (!world.tails[i].fresh)
					assert_told(&world, &world.tails[i]);
			}
		}
		for (unsigned i = 0; i < world.tails_count; i++)
			heard += world.tails[i].count;
		assert_true(heard > 0);
		close_world(&world);
	}
}

/* Nothing of the page is known to have been told to those at the position: they are let go. */
static void after_failure(struct world *w)
{
	unsigned kept = 0;

	assert_int_equal(w->turn.rc, -ENOMEM);
	for (unsigned i = 0; i < w->tails_count; i++) {
		if (!w->turn.page_lost || !w->tails[i].here)
			w->tails[kept++] = w->tails[i];
	}
	w->tails_count = kept;
	for (unsigned i = 0; i < w->turn.questions_count; i++) {
		for (unsigned door = 0; door < LIVE_DOORS; door++)
			free_list(&w->turn.questions[i]->made[door]);
	}
	w->turn.questions_count = 0;
}

/* A page with the nth allocation of its messages failing; false: they had fewer. */
static bool fail_at(unsigned nth)
{
	open_world(&world);
	commit(300);
	while (world.tails_count < TAILS)
		join(&world);
	past(&world);
	commit(900);
	failing = nth;
	page(&world);
	failing = 0;
	assert_int_equal(world.turn.page_lost, failed);
	if (world.turn.rc < 0)
		after_failure(&world);
	for (unsigned step = 0; step < STEPS; step++) {
		past(&world);
		page(&world);
	}
	for (unsigned i = 0; i < world.tails_count; i++)
		assert_told(&world, &world.tails[i]);
	assert_int_equal(world.position, store_snapshot_committed(&snapshot));
	close_world(&world);
	return failed;
}

static void a_turn_without_memory_loses_no_place(void **state)
{
	unsigned nth = 1;

	(void)state;
	seed = 7;
	while (fail_at(nth))
		nth++;
	assert_true(nth > 5);
}

/* A unit that cannot be read costs its own events, and the message that would have had them says so. */
static void damage_is_told(void **state)
{
	struct tail *t = &world.tails[0];
	struct live_question *q;
	struct span json;

	(void)state;
	seed = 3;
	open_world(&world);
	commit(1);
	q = world.questions[0];
	*t = (struct tail){ .question = 0, .fresh = true, .at = UINT64_MAX };
	world.tails_count = 1;
	past(&world);
	assert_true(t->here);
	commit(40);
	snapshot.damaged = 0;
	begin_page(&world);
	run(&world, LIVE_TURN_PAGE);
	assert_int_equal(world.turn.rc, 0);
	assert_non_null(q->made[t->door].last);
	json = payload(q->made[t->door].last, t->door);
	assert_non_null(memmem(json.p, json.n, "\"partial\":\"damage\"", 18));
	assert_int_equal(world.turn.position, events[39].id);
	close_world(&world);
}

static int setup(void **state)
{
	(void)state;
	seed = 1;
	make_events();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_tail_is_told_all_once),
		cmocka_unit_test(a_turn_without_memory_loses_no_place),
		cmocka_unit_test(damage_is_told),
	};

	return cmocka_run_group_tests_name("live_model", tests, setup, NULL);
}
