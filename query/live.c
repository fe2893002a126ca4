#include "query/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/http/http_url.h"
#include "proto/http/ws.h"
#include "proto/svc/logger.h"
#include "query/live_int.h"
#include "query/origins.h"

enum {
	LIVE_TAG = 0x4c495645,
	SWEEP_MS = 250,
	/* A store that cannot be read is looked at again so soon. */
	RETRY_MS = 1000,
	/* Who took nothing for so long may be cut where memory is short. */
	CUT_MS = 1000,
	PARAMS_BYTES = 2 * LIMIT_HTTP_LINE_BYTES,
	DIAG_BYTES = 600,
};

static int64_t now_ms(const struct live *l)
{
	return (int64_t)uv_now(&l->q->loop);
}

/* ---------------------------------------------------------------- questions */

struct live_question *live_share(struct live *l, struct live_question **question)
{
	struct live_question *new = *question;

	*question = NULL;
	for (struct live_question *q = l->questions; q; q = q->next) {
		if (!span_eq(buf_span(&q->key), buf_span(&new->key)))
			continue;
		live_question_free(&new);
		return q;
	}
	new->next = l->questions;
	if (l->questions)
		l->questions->prev = new;
	l->questions = new;
	l->counts.questions++;
	return new;
}

void live_forget(struct live *l, struct live_question *q)
{
	if (q->tails || q->in_page || l->busy)
		return;
	if (q->prev)
		q->prev->next = q->next;
	else
		l->questions = q->next;
	if (q->next)
		q->next->prev = q->prev;
	l->counts.questions--;
	live_question_free(&q);
}

static void forget_unasked(struct live *l)
{
	struct live_question *next;

	for (struct live_question *q = l->questions; q; q = next) {
		next = q->next;
		live_forget(l, q);
	}
}

/* ---------------------------------------------------------------- places */

/* Where a tail stands that is not with the others, by the place it has reached. */
static void settle(struct live *l, struct live_tail *t)
{
	ASSERT(t->place != LIVE_HERE);
	if (t->at != l->position) {
		t->place = t->at < l->position ? LIVE_BEHIND : LIVE_AHEAD;
		return;
	}
	t->place = LIVE_HERE;
	if (t->question->here[LIVE_SOCKET] + t->question->here[LIVE_STREAM] == 0)
		t->question->told = l->position;
	t->question->here[t->door]++;
	l->here++;
}

/* The position has moved to where some wait; or the store is another one, which ends earlier. */
static void settle_ahead(struct live *l, uint64_t committed)
{
	for (struct live_tail *t = l->tails; t; t = t->next) {
		if (t->place != LIVE_AHEAD)
			continue;
		if (t->at > committed)
			t->at = committed;
		settle(l, t);
	}
}

/* ---------------------------------------------------------------- telling */

static void free_list(struct live_list *list)
{
	struct live_message *next;

	for (struct live_message *m = list->first; m; m = next) {
		next = m->next;
		live_message_unref(&m);
	}
	*list = (struct live_list){ NULL, NULL };
}

/* In their order to each of them: a tail may end inside. */
static void tell(struct live_question *q, enum live_door door)
{
	struct live_tail *next;

	for (struct live_tail *t = q->tails; t; t = next) {
		next = t->qnext;
		if (t->place != LIVE_HERE || t->door != door)
			continue;
		for (struct live_message *m = q->made[door].first; m && t->call; m = m->next)
			live_tail_push(t, m, false);
	}
}

static void tell_page(struct live *l, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++) {
		struct live_question *q = l->turn.questions[i];

		q->told = l->turn.covered;
		for (unsigned door = 0; door < LIVE_DOORS; door++) {
			tell(q, (enum live_door)door);
			free_list(&q->made[door]);
		}
	}
}

static bool is_short(const struct live *l)
{
	return l->counts.held > LIMIT_LIVE_HELD_BYTES;
}

/* Messages fill their memory: those who took nothing for longest, and for so long, have had their time. */
static void make_room(struct live *l, int64_t stuck_for_ms)
{
	while (is_short(l)) {
		int64_t since = now_ms(l) - stuck_for_ms;
		struct live_tail *slowest = NULL;

		for (struct live_tail *t = l->tails; t; t = t->next) {
			if (t->count && t->stuck_ms && t->stuck_ms <= since) {
				slowest = t;
				since = t->stuck_ms;
			}
		}
		if (!slowest)
			return;
		l->counts.cut++;
		live_tail_end(slowest, false);
	}
}

/* ---------------------------------------------------------------- after a turn */

static void after_entry(struct live *l, struct live_entry *e)
{
	struct live_tail *t = e->tail;
	struct live_message *next;

	if (t->call && e->done) {
		t->at = e->at;
		if (e->stuck && t->budget_ns < conf_num(&l->q->conf, CONF_QUERY_TIME_MAX))
			t->budget_ns *= 2;
		settle(l, t);
		if (e->fresh)
			live_tail_open(t);
		for (struct live_message *m = e->made.first; m && t->call; m = next) {
			next = m->next;
			live_tail_push(t, m, true);
		}
	}
	free_list(&e->made);
	t->in_turn = false;
	if (!t->call)
		live_tail_free(t);
}

static void after_past(struct live *l)
{
	struct live_turn *turn = &l->turn;

	l->position = turn->position;
	for (unsigned i = 0; i < turn->entries_count; i++)
		after_entry(l, &turn->entries[i]);
	settle_ahead(l, turn->committed);
	make_room(l, CUT_MS);
}

/* Its questions may be forgotten from now on; what nobody was told of it is. */
static void end_page(struct live *l)
{
	for (unsigned i = 0; i < l->turn.questions_count; i++) {
		struct live_question *q = l->turn.questions[i];

		q->in_page = false;
		for (unsigned door = 0; door < LIVE_DOORS; door++)
			free_list(&q->made[door]);
	}
	l->turn.questions_count = 0;
	l->short_ms = 0;
}

static void after_page(struct live *l, unsigned from)
{
	struct live_turn *turn = &l->turn;

	tell_page(l, from, turn->next);
	make_room(l, CUT_MS);
	if (turn->page_open)
		return;
	l->position = turn->position;
	end_page(l);
	/* There is more than one page of it: no rest. */
	if (l->position < turn->committed)
		l->page_ms = now_ms(l);
	settle_ahead(l, turn->committed);
}

/* Some were told of the page, others were not: all go on by themselves from what they have. */
static void give_up_page(struct live *l)
{
	struct live_tail *next;

	for (struct live_tail *t = l->tails; t; t = next) {
		next = t->next;
		if (t->place == LIVE_HERE)
			live_tail_close(t, WS_FRAME_TRY_LATER, "out of memory");
	}
}

static void refuse_fresh(struct live *l)
{
	char text[DIAG_BYTES];
	const char *hint = diag_format(&l->turn.why, text, sizeof text);

	for (unsigned i = 0; i < l->turn.entries_count; i++) {
		struct live_entry *e = &l->turn.entries[i];
		struct live_tail *t = e->tail;

		free_list(&e->made);
		if (t->call && e->fresh)
			live_tail_refuse(t, "the store cannot be read", hint);
		t->in_turn = false;
		if (!t->call)
			live_tail_free(t);
	}
}

static void after_failure(struct live *l)
{
	if (l->turn.kind == LIVE_TURN_PAST)
		refuse_fresh(l);
	else if (l->turn.page_lost)
		give_up_page(l);
	end_page(l);
	l->not_before_ms = now_ms(l) + RETRY_MS;
}

static void on_done(struct pool_job *job)
{
	struct live *l = (struct live *)((char *)job - offsetof(struct live, turn.job));
	struct live_turn *turn = &l->turn;

	CHECK_TAG(l, LIVE_TAG);
	ASSERT(l->busy);
	l->busy = false;
	l->counts.turns++;
	l->counts.run_ns += (uint64_t)turn->run_ns;
	if (turn->rc < 0 || job->canceled)
		after_failure(l);
	else if (turn->kind == LIVE_TURN_PAST)
		after_past(l);
	else
		after_page(l, turn->from);
	forget_unasked(l);
	live_schedule(l);
}

/* ---------------------------------------------------------------- before a turn */

static void submit(struct live *l, enum live_turn_kind kind)
{
	ASSERT(!l->busy);
	l->turn.kind = kind;
	l->turn.position = l->position;
	l->turn.from = l->turn.page_open ? l->turn.next : 0;
	l->turn.alone = l->here == 0;
	l->past_last = kind == LIVE_TURN_PAST;
	l->busy = true;
	pool_resubmit(l->pool, &l->turn.job);
}

/* Where nobody is at the position, those ahead of it find theirs with the others. */
static bool wants_past(const struct live *l, const struct live_tail *t)
{
	if (t->place == LIVE_AHEAD)
		return l->here == 0;
	return t->place == LIVE_BEHIND && live_tail_is_idle(t) && !is_short(l);
}

/* Those who want a place, or the next page of the past. */
static unsigned list_entries(struct live *l)
{
	struct live_turn *turn = &l->turn;

	turn->entries_count = 0;
	for (struct live_tail *t = l->tails; t; t = t->next) {
		bool fresh = t->place == LIVE_FRESH;

		if (!fresh && !wants_past(l, t))
			continue;
		ASSERT(turn->entries_count < LIMIT_LIVE_TAILS);
		turn->entries[turn->entries_count++] = (struct live_entry){ .tail = t,
			.question = t->question,
			.door = t->door,
			.fresh = fresh,
			.has_at = t->has_at,
			.at = t->at,
			.budget_ns = t->budget_ns };
	}
	return turn->entries_count;
}

static void begin_past(struct live *l)
{
	for (unsigned i = 0; i < l->turn.entries_count; i++)
		l->turn.entries[i].tail->in_turn = true;
	submit(l, LIVE_TURN_PAST);
}

static void begin_page(struct live *l)
{
	struct live_turn *turn = &l->turn;

	turn->questions_count = 0;
	turn->bound = UINT64_MAX;
	for (struct live_question *q = l->questions; q; q = q->next) {
		q->doors = (q->here[LIVE_SOCKET] ? 1u << LIVE_SOCKET : 0) |
			   (q->here[LIVE_STREAM] ? 1u << LIVE_STREAM : 0);
		if (!q->doors)
			continue;
		q->in_page = true;
		turn->questions[turn->questions_count++] = q;
	}
	for (struct live_tail *t = l->tails; t; t = t->next) {
		if (t->place == LIVE_AHEAD && t->at < turn->bound)
			turn->bound = t->at;
	}
	l->page_ms = now_ms(l) + LIMIT_LIVE_TURN_MS;
	submit(l, LIVE_TURN_PAGE);
}

static void on_due(uv_timer_t *t)
{
	live_schedule(t->data);
}

static void on_wake(struct waiter *w, bool timed_out)
{
	struct live *l = (struct live *)((char *)w - offsetof(struct live, waiter));

	(void)timed_out;
	live_schedule(l);
}

/* Until a time comes, or something is committed. */
static void rest(struct live *l, int64_t until_ms)
{
	int64_t now = now_ms(l);

	if (until_ms > now) {
		uv_timer_start(&l->due, on_due, (uint64_t)(until_ms - now), 0);
	} else if (!l->waiter.waiting && l->here > 0) {
		l->waiter.seen = l->position;
		waiters_add(l->q->waiters, &l->waiter, RETRY_MS);
	}
}

/*
 * What questions have still to be told of the page waits for memory: those who are quick take theirs
 * meanwhile. In one page it waits for CUT_MS in all, then for nobody.
 */
static void go_on(struct live *l)
{
	if (is_short(l) && !l->short_ms)
		l->short_ms = now_ms(l);
	if (is_short(l) && now_ms(l) < l->short_ms + CUT_MS) {
		rest(l, l->short_ms + CUT_MS);
		return;
	}
	make_room(l, 0);
	submit(l, LIVE_TURN_PAGE);
}

void live_schedule(struct live *l)
{
	bool news = l->here > 0 && view_committed(l->q->view) != l->position;
	int64_t now = now_ms(l);

	if (l->busy || l->stopping)
		return;
	if (l->turn.page_open)
		go_on(l);
	else if (now < l->not_before_ms)
		rest(l, l->not_before_ms);
	else if (list_entries(l) && !(news && now >= l->page_ms && l->past_last))
		begin_past(l);
	else if (news && now >= l->page_ms)
		begin_page(l);
	else
		rest(l, news ? l->page_ms : 0);
}

/* ---------------------------------------------------------------- requests */

static int take_params(struct span rest, struct live_question *question, struct engine_err *err)
{
	struct span name, value;
	struct arena arena;
	int rc;

	arena_init(&arena, PARAMS_BYTES);
	while ((rc = http_url_param(&rest, &arena, &name, &value)) == 0) {
		rc = live_question_param(question, name, value, err);
		if (rc < 0)
			break;
	}
	arena_fini(&arena);
	if (rc < 0 && !err->code)
		*err = (struct engine_err){ .code = rc,
			.error = "the query string is not well formed",
			.hint = "percent-encode as %XX, and send no NUL" };
	return rc < 0 ? rc : live_question_check(question, err);
}

/* A browser that comes back says where it was; the address still has the place of its beginning. */
static int take_last_id(const struct http_parse_request *req, struct live_question *question,
	struct engine_err *err)
{
	struct span id = http_parse_field(req, "Last-Event-ID");
	uint64_t at = 0;

	if (!id.n)
		return 0;
	for (size_t i = 0; i < id.n; i++) {
		if (id.p[i] < '0' || id.p[i] > '9' || __builtin_mul_overflow(at, 10, &at) ||
			__builtin_add_overflow(at, id.p[i] - '0', &at)) {
			*err = (struct engine_err){ .code = ERR_SYNTAX,
				.field = "Last-Event-ID",
				.error = "is not an id that was given here" };
			return err->code;
		}
	}
	question->after = at;
	question->has_after = true;
	return 0;
}

static void refuse(struct http_call *call, const struct engine_err *err)
{
	const struct http_call_problem p = { .status = 400,
		.error = err->error,
		.field = err->field[0] ? err->field : NULL,
		.position = err->position,
		.hint = err->hint[0] ? err->hint : NULL };

	http_call_problem(call, &p);
}

static void refuse_busy(struct http_call *call, const char *error)
{
	const struct http_call_problem p = { .status = 503,
		.error = error,
		.hint = "try again in a moment",
		.fields = "Retry-After: 1\r\n" };

	http_call_problem(call, &p);
}

static void on_sweep(uv_timer_t *timer)
{
	struct live *l = timer->data;
	struct live_tail *next;

	CHECK_TAG(l, LIVE_TAG);
	for (struct live_tail *t = l->tails; t; t = next) {
		next = t->next;
		live_tail_look(t, now_ms(l));
	}
	make_room(l, CUT_MS);
	live_schedule(l);
	if (!l->tails)
		uv_timer_stop(timer);
}

static void begin(struct live *l, struct http_call *call, enum live_door door)
{
	const struct http_parse_request *req = http_call_request(call);
	struct live_question *question = live_question_new();
	struct engine_err err = { .code = 0 };

	if (!question) {
		refuse_busy(call, "out of memory");
		return;
	}
	if (take_params(req->query, question, &err) < 0 ||
		(door == LIVE_STREAM && take_last_id(req, question, &err) < 0))
		refuse(call, &err);
	else if (!live_tail_new(l, call, door, &question))
		refuse_busy(call, "out of memory");
	live_question_free(&question);
	if (l->tails && !uv_is_active((uv_handle_t *)&l->sweep))
		uv_timer_start(&l->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
	live_schedule(l);
}

/* True: there is no place for one more, and that was the answer. */
static bool is_full(struct live *l, struct http_call *call)
{
	if (!l->stopping && l->counts.tails < LIMIT_LIVE_TAILS)
		return false;
	l->counts.full += !l->stopping;
	refuse_busy(call,
		l->stopping ? "the query daemon is stopping" : "too many live tails are open");
	return true;
}

void live_socket(void *arg, struct http_call *call)
{
	const struct http_parse_request *req = http_call_request(call);
	struct query *q = arg;
	struct http_call_problem p;

	if (!ws_wanted(req, &p) || !origins_ok(q, req, &p))
		http_call_problem(call, &p);
	else if (!is_full(q->live, call))
		begin(q->live, call, LIVE_SOCKET);
}

/* Of a stream that has not begun, and has no length. */
static void reply_head(struct http_call *call)
{
	const struct http_call_head head = { .status = 200, .type = "text/event-stream" };

	http_call_begin(call, &head, NULL, NULL);
	http_call_end(call, true);
}

void live_stream(void *arg, struct http_call *call)
{
	struct query *q = arg;

	if (http_call_request(call)->method == HTTP_PARSE_HEAD)
		reply_head(call);
	else if (!is_full(q->live, call))
		begin(q->live, call, LIVE_STREAM);
}

/* ---------------------------------------------------------------- life */

const struct live_counts *live_counts(const struct query *q)
{
	return &q->live->counts;
}

bool live_is_busy(const struct query *q)
{
	return q->live->busy;
}

static void init_timer(struct live *l, uv_timer_t *timer)
{
	uv_timer_init(&l->q->loop, timer);
	timer->data = l;
	l->handles++;
}

int live_open(struct query *q, struct diag *d)
{
	struct live *l = calloc(1, sizeof *l);
	int rc = l ? live_turn_init(&l->turn, q->view) : -ENOMEM;

	if (rc == 0)
		rc = pool_new(&q->loop, 1, &l->pool, d);
	if (rc < 0) {
		if (l)
			live_turn_fini(&l->turn);
		free(l);
		return diag_set(d, rc, "", -1, "cannot start live tails");
	}
	l->tag = LIVE_TAG;
	l->q = q;
	l->turn.job.run = live_turn_run;
	l->turn.job.done = on_done;
	l->waiter.wake = on_wake;
	l->waiter.own = true;
	init_timer(l, &l->due);
	init_timer(l, &l->sweep);
	q->live = l;
	return 0;
}

void live_stop(struct query *q)
{
	struct live *l = q->live;
	struct live_tail *next;

	l->stopping = true;
	for (struct live_tail *t = l->tails; t; t = next) {
		next = t->next;
		if (t->place == LIVE_FRESH)
			live_tail_refuse(
				t, "the query daemon is stopping", "try again in a moment");
		else
			live_tail_close(t, WS_FRAME_AWAY, "the server is stopping");
	}
	waiters_remove(q->waiters, &l->waiter);
	uv_timer_stop(&l->due);
	if (l->busy)
		pool_cancel(l->pool, &l->turn.job);
}

static void on_closed(uv_handle_t *h)
{
	struct live *l = h->data;

	if (--l->handles > 0)
		return;
	l->tag = 0;
	free(l);
}

void live_close(struct query *q)
{
	struct live *l = q->live;

	CHECK_TAG(l, LIVE_TAG);
	ASSERT(!l->tails);
	ASSERT(!l->busy);
	end_page(l);
	forget_unasked(l);
	ASSERT(!l->questions);
	pool_free(&l->pool);
	live_turn_fini(&l->turn);
	uv_close((uv_handle_t *)&l->due, on_closed);
	uv_close((uv_handle_t *)&l->sweep, on_closed);
	q->live = NULL;
}
