#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/http/ws.h"
#include "query/live_int.h"

enum {
	TAIL_TAG = 0x5441494c,
	NOTE_BYTES = 256,
	CLOSE_BYTES = WS_FRAME_HEAD_BYTES + WS_FRAME_CONTROL_BYTES,
};

static int64_t now_ms(const struct live_tail *t)
{
	return (int64_t)uv_now(&t->live->q->loop);
}

/* ---------------------------------------------------------------- life */

static void link_tail(struct live *l, struct live_tail *t)
{
	struct live_question *q = t->question;

	t->next = l->tails;
	if (l->tails)
		l->tails->prev = t;
	l->tails = t;
	t->qnext = q->tails;
	if (q->tails)
		q->tails->qprev = t;
	q->tails = t;
	l->counts.tails++;
}

static void unlink_tail(struct live *l, struct live_tail *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		l->tails = t->next;
	if (t->next)
		t->next->prev = t->prev;
	if (t->qprev)
		t->qprev->qnext = t->qnext;
	else
		t->question->tails = t->qnext;
	if (t->qnext)
		t->qnext->qprev = t->qprev;
	ASSERT(l->counts.tails > 0);
	l->counts.tails--;
}

static void drop_first(struct live_tail *t)
{
	struct live_message *m = t->queue[t->first];

	ASSERT(t->count > 0);
	t->first = (t->first + 1) % LIMIT_LIVE_QUEUE;
	t->count--;
	t->queue_bytes -= m->n;
	t->sent = 0;
	ASSERT(m->queued > 0);
	if (--m->queued == 0)
		t->live->counts.held -= m->n;
	live_message_unref(&m);
}

void live_tail_free(struct live_tail *t)
{
	ASSERT(!t->call);
	ASSERT(!t->in_turn);
	t->tag = 0;
	free(t);
}

/* Its call is left to the caller. */
static void leave(struct live_tail *t)
{
	struct live *l = t->live;

	t->call = NULL;
	while (t->count > 0)
		drop_first(t);
	buf_fini(&t->own);
	if (t->place == LIVE_HERE) {
		l->here--;
		t->question->here[t->door]--;
	}
	unlink_tail(l, t);
	live_forget(l, t->question);
	t->question = NULL;
	if (!t->in_turn)
		live_tail_free(t);
}

void live_tail_end(struct live_tail *t, bool whole)
{
	struct http_call *call = t->call;
	bool fresh = t->place == LIVE_FRESH;

	CHECK_TAG(t, TAIL_TAG);
	ASSERT(call);
	leave(t);
	http_call_on_gone(call, NULL, NULL);
	/* Nothing was answered: there is nobody to hear it. */
	if (fresh)
		http_call_text(call, 503, NULL, "");
	else
		http_call_end(call, whole);
}

/* ---------------------------------------------------------------- what is its own */

/* A whole frame, or what stands for it; there may be no room, and then it is not said. */
static bool put_own(struct live_tail *t, struct span a, struct span b, struct span c)
{
	if (a.n + b.n + c.n > t->own.max - t->own.len)
		return false;
	buf_put_span(&t->own, a);
	buf_put_span(&t->own, b);
	buf_put_span(&t->own, c);
	return t->own.err == 0;
}

static bool put_control(struct live_tail *t, enum ws_frame_op op, struct span payload)
{
	uint8_t head[WS_FRAME_HEAD_BYTES];

	return put_own(t, span_of(head, ws_frame_head(head, op, payload.n)), payload, SPAN_NONE);
}

/* Where it stands, and what it has missed. */
static bool put_note(struct live_tail *t, uint64_t covered, uint64_t dropped)
{
	struct buf json, head;
	bool done;

	buf_init(&json, NOTE_BYTES);
	buf_init(&head, NOTE_BYTES);
	live_message_note(&json, covered, dropped);
	live_message_open(t->door, json.len, covered, &head);
	done = !json.err && !head.err &&
	       put_own(t, buf_span(&head), buf_span(&json), live_message_close(t->door));
	buf_fini(&json);
	buf_fini(&head);
	if (done)
		t->told = covered;
	return done;
}

/* ---------------------------------------------------------------- sending */

/* True: all of it has left. */
static bool send_own(struct live_tail *t)
{
	struct span left = span_of(t->own.p + t->own_sent, t->own.len - t->own_sent);

	t->own_sent += http_call_send(t->call, left.p, left.n);
	if (t->own_sent < t->own.len)
		return false;
	buf_reset(&t->own);
	t->own_sent = 0;
	return true;
}

static bool send_first(struct live_tail *t)
{
	struct live_message *m = t->queue[t->first];

	t->sent += http_call_send(t->call, m->bytes + t->sent, m->n - t->sent);
	if (t->sent < m->n)
		return false;
	t->told = m->covered;
	t->stuck_ms = 0;
	t->live->counts.messages++;
	t->live->counts.events += m->count;
	drop_first(t);
	return true;
}

/* Everything as far as the socket takes it. The tail may end inside: true. */
static bool pump(struct live_tail *t)
{
	bool sent = true;

	while (sent) {
		if (t->own.len && (t->own_sent || t->sent == 0)) {
			sent = send_own(t);
		} else if (t->closing && t->sent == 0) {
			live_tail_end(t, true);
			return true;
		} else if (t->count > 0) {
			sent = send_first(t);
		} else if (t->dropped && put_note(t, t->question->told, t->dropped)) {
			t->dropped = 0;
		} else {
			break;
		}
		t->told_ms = now_ms(t);
	}
	if (sent)
		t->stuck_ms = 0;
	else if (!t->stuck_ms)
		t->stuck_ms = now_ms(t);
	return false;
}

/* One may always wait behind the one that leaves, if there is memory for it. */
static bool has_room(const struct live_tail *t, const struct live_message *m)
{
	/* Once something was dropped, all is until the client has taken what it has. */
	if (t->dropped || t->closing)
		return false;
	if (t->count == 0)
		return true;
	if (t->count == LIMIT_LIVE_QUEUE || t->live->counts.held > LIMIT_LIVE_HELD_BYTES)
		return false;
	return t->count == 1 || t->queue_bytes + m->n <= LIMIT_LIVE_QUEUE_BYTES;
}

void live_tail_push(struct live_tail *t, struct live_message *m, bool keep)
{
	ASSERT(!keep || t->count < LIMIT_LIVE_QUEUE);
	if (!keep && !has_room(t, m)) {
		t->dropped += m->count;
		t->live->counts.dropped += m->count;
		return;
	}
	if (m->queued++ == 0)
		t->live->counts.held += m->n;
	m->refs++;
	t->queue[(t->first + t->count++) % LIMIT_LIVE_QUEUE] = m;
	t->queue_bytes += m->n;
	if (t->count == 1 || !t->stuck_ms)
		pump(t);
}

bool live_tail_is_idle(const struct live_tail *t)
{
	return t->count == 0 && t->own.len == 0 && !t->closing;
}

/* ---------------------------------------------------------------- what clients say */

void live_tail_close(struct live_tail *t, enum ws_frame_code code, const char *reason)
{
	uint8_t payload[WS_FRAME_CONTROL_BYTES] = { (uint8_t)(code >> 8), (uint8_t)code };
	size_t n = strlen(reason);

	ASSERT(n <= sizeof payload - 2);
	if (t->closing)
		return;
	t->closing = true;
	if (t->door == LIVE_SOCKET) {
		struct span said = span_of(payload, code == WS_FRAME_NO_CODE ? 0 : n + 2);

		memcpy(payload + 2, reason, n);
		/* Where there is no room, what else was to be said matters no more. */
		if (!put_control(t, WS_FRAME_CLOSE, said) && t->own_sent == 0) {
			buf_reset(&t->own);
			put_control(t, WS_FRAME_CLOSE, said);
		}
	}
	pump(t);
}

static void on_broken(struct live_tail *t)
{
	struct live_counts *n = &t->live->counts;

	if (t->frame.code == WS_FRAME_TOO_LARGE || t->frame.code == WS_FRAME_POLICY)
		n->too_large++;
	else
		n->broken++;
	live_tail_close(t, t->frame.code, t->frame.reason);
}

/* A frame of the client. False: nothing more is read. */
static bool on_frame(struct live_tail *t, const struct ws_frame_seen *seen)
{
	switch (seen->op) {
	case WS_FRAME_PING:
		put_control(t, WS_FRAME_PONG, seen->control);
		break;
	case WS_FRAME_CLOSE:
		live_tail_close(t, (enum ws_frame_code)seen->code, "");
		return false;
	case WS_FRAME_CONTINUE:
	case WS_FRAME_TEXT:
	case WS_FRAME_BINARY:
	case WS_FRAME_PONG:
		break;
	}
	return true;
}

static void on_read(void *arg, struct http_call *call, struct span bytes)
{
	struct live_tail *t = arg;
	struct ws_frame_seen seen;
	size_t took;
	int rc = 0;

	CHECK_TAG(t, TAIL_TAG);
	ASSERT(t->call == call);
	t->heard_ms = now_ms(t);
	if (t->door != LIVE_SOCKET || t->closing)
		return;
	while (bytes.n && rc == 0) {
		rc = ws_frame_next(&t->frame, bytes.p, bytes.n, &took, &seen);
		bytes = span_of(bytes.p + took, bytes.n - took);
		if (rc == 0 && !on_frame(t, &seen))
			return;
	}
	if (rc < 0)
		on_broken(t);
	else
		pump(t);
}

static void on_drained(void *arg, struct http_call *call)
{
	struct live_tail *t = arg;
	struct live *l = t->live;

	CHECK_TAG(t, TAIL_TAG);
	ASSERT(t->call == call);
	if (pump(t))
		return;
	if (l->turn.page_open || (t->place == LIVE_BEHIND && live_tail_is_idle(t)))
		live_schedule(l);
}

static void on_gone(void *arg, struct http_call *call)
{
	struct live_tail *t = arg;
	struct live *l = t->live;

	CHECK_TAG(t, TAIL_TAG);
	ASSERT(t->call == call);
	live_tail_end(t, false);
	live_schedule(l);
}

/* ---------------------------------------------------------------- beginning and end */

struct live_tail *live_tail_new(struct live *l, struct http_call *call, enum live_door door,
	struct live_question **question)
{
	struct live_tail *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->tag = TAIL_TAG;
	t->live = l;
	t->call = call;
	t->door = door;
	t->at = (*question)->after;
	t->has_at = (*question)->has_after;
	t->budget_ns = LIMIT_LIVE_PAST_MS * CLOCK_NS_PER_MS;
	t->heard_ms = t->told_ms = now_ms(t);
	buf_init(&t->own, LIMIT_LIVE_OWN_BYTES);
	t->question = live_share(l, question);
	link_tail(l, t);
	http_call_on_gone(call, on_gone, t);
	return t;
}

void live_tail_open(struct live_tail *t)
{
	static const struct http_call_ops ops = { on_read, on_drained };
	char fields[WS_FIELDS_BYTES];
	const struct http_call_head socket = { .status = 101, .fields = fields };
	const struct http_call_head stream = {
		.status = 200, .type = "text/event-stream", .fields = "X-Accel-Buffering: no\r\n"
	};

	ASSERT(t->place != LIVE_FRESH);
	ASSERT(t->in_turn);
	t->live->counts.opened++;
	if (t->door == LIVE_SOCKET)
		ws_fields(http_call_request(t->call), fields);
	put_note(t, t->at, 0);
	http_call_take_over(t->call, t->door == LIVE_SOCKET ? &socket : &stream, &ops, t);
	if (t->call)
		pump(t);
}

void live_tail_refuse(struct live_tail *t, const char *error, const char *hint)
{
	const struct http_call_problem p = {
		.status = 503, .error = error, .hint = hint, .fields = "Retry-After: 1\r\n"
	};
	struct http_call *call = t->call;

	ASSERT(t->place == LIVE_FRESH);
	leave(t);
	http_call_on_gone(call, NULL, NULL);
	http_call_problem(call, &p);
}

/* ---------------------------------------------------------------- from time to time */

/* A sign of life, which moves the place from which the client would go on. */
static void say_hello(struct live_tail *t)
{
	bool moved = t->place == LIVE_HERE && t->question->told > t->told;
	char text[NOTE_BYTES] = ":\n\n";

	if (t->door == LIVE_SOCKET) {
		if (moved)
			put_note(t, t->question->told, 0);
		put_control(t, WS_FRAME_PING, SPAN_NONE);
		return;
	}
	if (moved) {
		t->told = t->question->told;
		snprintf(text, sizeof text, ":\nid: %" PRIu64 "\n\n", t->told);
	}
	put_own(t, span_str(text), SPAN_NONE, SPAN_NONE);
}

void live_tail_look(struct live_tail *t, int64_t now)
{
	int64_t idle_ms = conf_num(&t->live->q->conf, CONF_QUERY_IDLE_TIMEOUT) / CLOCK_NS_PER_MS;
	int64_t ping_ms = idle_ms / 3 < LIMIT_LIVE_PING_MS ? idle_ms / 3 : LIMIT_LIVE_PING_MS;

	if (t->place == LIVE_FRESH || t->stuck_ms)
		return;
	if (t->door == LIVE_SOCKET && now - t->heard_ms > idle_ms) {
		t->live->counts.silent++;
		live_tail_end(t, false);
		return;
	}
	if (now - (t->door == LIVE_SOCKET ? t->heard_ms : t->told_ms) < ping_ms ||
		now - t->asked_ms < ping_ms)
		return;
	t->asked_ms = now;
	say_hello(t);
	pump(t);
}
