/*
 * One turn, in the worker. A page of events stays here until every question has its messages of it, over
 * as many turns as that takes: what is made in one turn is bounded by bytes, and the loop sends it before
 * the next is made.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/svc/metrics.h"
#include "proto/wire/json_out.h"
#include "query/api_job.h"
#include "query/live_int.h"

enum {
	/* A page as JSON, escaped at worst. */
	JSON_BYTES = 6 * LIMIT_LIVE_PAGE_BYTES + (1 << 20),
	/* Memory for it that is kept from page to page. */
	JSON_KEPT_BYTES = 1 << 20,
	TEXT_BYTES = 6 * LIMIT_EVENT_BYTES + LIMIT_LIVE_MESSAGE_BYTES + (1 << 20),
	TEXT_KEPT_BYTES = 2 * LIMIT_LIVE_MESSAGE_BYTES,
};

/* Messages of one question while they are made. */
struct maker {
	struct live_turn *turn;
	const struct live_question *question;
	const struct engine_result *from;
	bool shared; /* the events are those of the page, whose JSON is kept */
	unsigned doors;
	struct live_list *made; /* by door */
	uint64_t count;         /* in the text */
	const char *partial;
};

/* ---------------------------------------------------------------- life */

int live_turn_init(struct live_turn *t, struct view *view)
{
	struct engine_err err;

	t->view = view;
	engine_request_init(&t->req);
	t->req.order = ENGINE_ORDER_ARRIVAL;
	t->req.limit = ENGINE_LIMIT_MAX;
	t->req.want_total = false;
	t->req.threads = 1;
	t->req.budget_bytes = LIMIT_LIVE_PAGE_BYTES;
	buf_init(&t->json, JSON_BYTES);
	buf_init(&t->text, TEXT_BYTES);
	t->put = calloc(ENGINE_LIMIT_MAX, sizeof t->put[0]);
	t->scratch = expr_scratch_new();
	if (!t->put || !t->scratch)
		return -ENOMEM;
	return engine_request_check(&t->req, &err);
}

static void close_page(struct live_turn *t)
{
	if (t->page_open)
		engine_result_fini(&t->page);
	t->page_open = false;
	if (t->json.cap > JSON_KEPT_BYTES)
		buf_fini(&t->json);
	if (t->text.cap > TEXT_KEPT_BYTES)
		buf_fini(&t->text);
}

void live_turn_fini(struct live_turn *t)
{
	close_page(t);
	engine_request_fini(&t->req);
	buf_fini(&t->json);
	buf_fini(&t->text);
	free(t->put);
	t->put = NULL;
	expr_scratch_free(&t->scratch);
}

/* ---------------------------------------------------------------- messages */

static int add_message(struct maker *m, uint64_t covered)
{
	struct live_turn *t = m->turn;

	for (unsigned door = 0; door < LIVE_DOORS; door++) {
		struct live_list *list = &m->made[door];
		struct live_message *new;

		if (!(m->doors & 1u << door))
			continue;
		new = live_message_new((enum live_door)door, buf_span(&t->text), m->count, covered);
		if (!new)
			return -ENOMEM;
		t->bytes += new->n;
		if (list->last)
			list->last->next = new;
		else
			list->first = new;
		list->last = new;
	}
	return 0;
}

static int end_message(struct maker *m, uint64_t covered)
{
	struct buf *text = &m->turn->text;
	int rc;

	buf_printf(text, "],\"count\":%" PRIu64 ",\"covered\":", m->count);
	json_out_id(covered, text);
	if (m->partial)
		buf_printf(text, ",\"partial\":\"%s\"", m->partial);
	buf_put_u8(text, '}');
	rc = text->err ? text->err : add_message(m, covered);
	m->count = 0;
	m->partial = NULL;
	return rc;
}

static void begin_message(struct maker *m)
{
	buf_reset(&m->turn->text);
	buf_put_str(&m->turn->text, "{\"type\":\"logs\",\"data\":[");
}

/* The event as JSON, all of it: written when it is wanted for the first time. */
static int put_shared(struct maker *m, size_t i)
{
	struct live_turn *t = m->turn;
	size_t at = t->json.len;
	int rc = 0;

	ASSERT(i < ENGINE_LIMIT_MAX);
	if (!t->put[i].n) {
		rc = json_out_event(&m->from->events[i], &t->json);
		if (rc < 0)
			return rc;
		t->put[i] = (struct live_put){ at, t->json.len - at };
	}
	buf_put(&t->text, t->json.p + t->put[i].at, t->put[i].n);
	return 0;
}

static int put_event(struct maker *m, size_t i)
{
	struct buf *text = &m->turn->text;
	const struct event *ev = &m->from->events[i];
	int rc;

	if (m->count == 0)
		begin_message(m);
	else
		buf_put_u8(text, ',');
	if (m->question->fields.count)
		rc = columns_json(&m->question->fields, ev, text);
	else
		rc = m->shared ? put_shared(m, i) : json_out_event(ev, text);
	if (rc < 0)
		return rc;
	m->count++;
	if (m->count < LIMIT_LIVE_EVENTS && text->len < LIMIT_LIVE_MESSAGE_BYTES)
		return text->err;
	return end_message(m, ev->id);
}

/* What is left, or to be told although there is no event. */
static int end_messages(struct maker *m, uint64_t covered)
{
	if (m->count == 0 && !m->partial)
		return 0;
	if (m->count == 0)
		begin_message(m);
	return end_message(m, covered);
}

/* ---------------------------------------------------------------- the past */

static const char *partial_of(const struct engine_result *r)
{
	if (r->partial == ENGINE_PARTIAL_DAMAGE || r->partial == ENGINE_PARTIAL_REGEX)
		return engine_partial_name(r->partial);
	return NULL;
}

static int put_past(struct live_turn *t, struct live_entry *e, const struct engine_result *r)
{
	struct live_list made[LIVE_DOORS] = { { NULL, NULL } };
	struct maker m = { .turn = t,
		.question = e->question,
		.from = r,
		.doors = 1u << e->door,
		.made = made,
		.partial = partial_of(r) };
	int rc = 0;

	for (size_t i = 0; i < r->count && rc == 0; i++)
		rc = put_event(&m, i);
	if (rc == 0)
		rc = end_messages(&m, r->covered);
	e->made = made[e->door];
	return rc;
}

/* A page of what lies between the tail and the position. */
static int read_past(struct live_turn *t, struct live_entry *e, struct engine *engine,
	struct store_snapshot *snap)
{
	struct engine_request req = e->question->req;
	struct engine_result r;
	int rc;

	req.after = e->at;
	req.upto = t->position;
	req.budget_ns = e->budget_ns;
	rc = engine_run(engine, snap, &req, &r, &t->why);
	if (rc < 0)
		return rc;
	api_job_count(&r);
	rc = put_past(t, e, &r);
	e->stuck = r.covered <= e->at && r.count == 0;
	if (r.covered > e->at)
		e->at = r.covered;
	engine_result_fini(&r);
	return rc;
}

static int do_entry(struct live_turn *t, struct live_entry *e, struct engine *engine,
	struct store_snapshot *snap)
{
	int rc = 0;

	if (e->fresh && !e->has_at)
		e->at = t->committed;
	/* What was seen in another store than this one is not here. */
	if (e->at > t->committed)
		e->at = t->committed;
	if (!e->fresh && e->at < t->position)
		rc = read_past(t, e, engine, snap);
	e->done = rc == 0;
	return rc;
}

static int do_past(struct live_turn *t, struct engine *engine, struct store_snapshot *snap)
{
	int64_t until_ns = clock_mono_ns() + LIMIT_LIVE_PAST_MS * CLOCK_NS_PER_MS;
	int rc = 0;

	if (t->alone || t->position > t->committed)
		t->position = t->committed;
	for (unsigned i = 0; i < t->entries_count && rc == 0; i++) {
		struct live_entry *e = &t->entries[i];

		/* Whoever is new is answered at once. */
		if (!e->fresh &&
			(t->bytes > LIMIT_LIVE_TURN_BYTES || (i > 0 && clock_mono_ns() > until_ns)))
			continue;
		rc = do_entry(t, e, engine, snap);
	}
	return rc;
}

/* ---------------------------------------------------------------- the present */

static int open_page(struct live_turn *t, struct engine *engine, struct store_snapshot *snap)
{
	int rc;

	ASSERT(!t->page_open);
	t->next = 0;
	/* The store is another one. */
	if (t->position > t->committed)
		t->position = t->committed;
	t->req.after = t->position;
	t->req.upto = t->bound;
	rc = engine_run(engine, snap, &t->req, &t->page, &t->why);
	if (rc < 0)
		return rc;
	api_job_count(&t->page);
	t->covered = t->page.covered;
	t->page_open = true;
	buf_reset(&t->json);
	memset(t->put, 0, ENGINE_LIMIT_MAX * sizeof t->put[0]);
	return 0;
}

static bool is_meant(const struct live_question *q, const struct event *ev, struct expr_scratch *s)
{
	return ev->time_ns >= q->req.from_ns && ev->time_ns <= q->req.to_ns &&
	       (q->req.where->kind == EXPR_TRUE || expr_match(q->req.where, ev, s));
}

static int ask(struct live_turn *t, struct live_question *q)
{
	struct maker m = { .turn = t,
		.question = q,
		.from = &t->page,
		.shared = true,
		.doors = q->doors,
		.made = q->made,
		.partial = partial_of(&t->page) };
	int rc = 0;

	if (!q->doors)
		return 0;
	expr_scratch_reset(t->scratch);
	for (size_t i = 0; i < t->page.count && rc == 0; i++) {
		if (is_meant(q, &t->page.events[i], t->scratch))
			rc = put_event(&m, i);
	}
	if (expr_scratch_given_up(t->scratch) && !m.partial)
		m.partial = engine_partial_name(ENGINE_PARTIAL_REGEX);
	metrics_add(METRICS_QUERY_REGEX_GIVEN_UP, (int64_t)expr_scratch_given_up(t->scratch));
	return rc < 0 ? rc : end_messages(&m, t->page.covered);
}

/* -ENOMEM of one question would be that of the next one: the page is given up, nothing of it is told. */
static int do_page(struct live_turn *t)
{
	int rc = 0;

	while (rc == 0 && t->next < t->questions_count && t->bytes <= LIMIT_LIVE_TURN_BYTES) {
		rc = ask(t, t->questions[t->next]);
		t->next++;
	}
	if (rc == 0 && t->next < t->questions_count)
		return 0;
	if (rc == 0)
		t->position = t->covered;
	t->page_lost = rc < 0;
	close_page(t);
	return rc;
}

/* ---------------------------------------------------------------- face */

static int look(struct live_turn *t, struct engine *engine)
{
	struct store_snapshot *snap = NULL;
	int rc = view_snapshot(t->view, &snap, &t->why);

	if (rc < 0)
		return rc;
	t->committed = store_snapshot_committed(snap);
	rc = t->kind == LIVE_TURN_PAST ? do_past(t, engine, snap) : open_page(t, engine, snap);
	store_snapshot_free(&snap);
	return rc;
}

void live_turn_run(struct pool_job *job, struct engine *engine)
{
	struct live_turn *t = (struct live_turn *)((char *)job - offsetof(struct live_turn, job));
	int64_t began_ns = clock_mono_ns();

	t->rc = 0;
	t->bytes = 0;
	t->page_lost = false;
	if (t->kind == LIVE_TURN_PAST || !t->page_open) {
		t->rc = ERR_STALE;
		for (int i = 0; i < ENGINE_SNAPSHOTS_MAX && t->rc == ERR_STALE; i++)
			t->rc = look(t, engine);
	}
	if (t->rc == 0 && t->kind == LIVE_TURN_PAGE)
		t->rc = do_page(t);
	t->run_ns = clock_mono_ns() - began_ns;
}
