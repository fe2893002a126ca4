#include "collector/http_intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "collector/collector.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/wire/json_out.h"

enum {
	INTAKE_TAG = 0x48544e4b,
	REQUEST_TAG = 0x48545251,
	UNPACKED_BYTES = 64 << 10,
	/* Unpackers that lie idle until the next packed body. */
	SPARES = 2,
	/* What a request may hold while others find no room; see stage_pool_crowded. */
	KEEP_BYTES = 64 << 10,
	ERRORS_BYTES = LIMIT_POST_ERRORS * 512,
	TEXT_BYTES = 320,
};

enum phase { READING, ROOM, COMMIT };

struct http_intake {
	unsigned tag;
	struct collector *c;
	struct http_intake_request *head, *tail; /* in the order of their heads */
	struct http_intake_limits limits;
	struct buf scratch;
	uint8_t *unpacked; /* UNPACKED_BYTES, taken with the first packed body */
	struct inflate *spares[SPARES];
	unsigned spares_count;
	uv_timer_t sweep; /* while a request waits */
	struct http_intake_counts counts;
};

struct http_intake_request {
	unsigned tag;
	struct http_intake *in;
	const struct http_intake_shape *shape;
	struct http_intake_request *prev, *next;
	struct http_call *call;
	struct http_head head;
	struct intake_origin origin;
	enum phase phase;
	int64_t deadline_ms; /* on uv_now's clock; ROOM, COMMIT */
	struct stage stage;
	struct inflate *inflate;
	struct buf whole;
	size_t charged; /* to the stage pool */
	struct http_intake_result result;
	struct buf errors;
	struct commit_ticket ticket;
	uint64_t seq; /* COMMIT: durable with this batch */
	/* A refusal under way. */
	int status;
	char error[TEXT_BYTES], hint[TEXT_BYTES];
	const char *field;
	char host[64];
	struct addr peer; /* of that host */
	_Alignas(16) uint8_t state[];
};

/* ---------------------------------------------------------------- life of a request */

static struct inflate *take_inflate(struct http_intake *in)
{
	struct inflate *z = NULL;

	if (in->spares_count > 0)
		return in->spares[--in->spares_count];
	return inflate_new(&z) < 0 ? NULL : z;
}

static void give_inflate(struct http_intake *in, struct inflate **z)
{
	if (*z && in->spares_count < SPARES)
		in->spares[in->spares_count++] = *z;
	else
		inflate_free(z);
	*z = NULL;
}

static void link_request(struct http_intake *in, struct http_intake_request *r)
{
	r->prev = in->tail;
	if (in->tail)
		in->tail->next = r;
	else
		in->head = r;
	in->tail = r;
	in->counts.open++;
}

static void free_request(struct http_intake_request *r)
{
	struct http_intake *in = r->in;

	CHECK_TAG(r, REQUEST_TAG);
	if (r->shape->fini)
		r->shape->fini(r);
	if (in->c->intake.commit)
		commit_drop(in->c->intake.commit, &r->ticket);
	give_inflate(in, &r->inflate);
	stage_fini(&r->stage);
	stage_hold(&r->stage, r->charged, 0);
	buf_fini(&r->whole);
	buf_fini(&r->errors);
	if (r->prev)
		r->prev->next = r->next;
	else
		in->head = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else
		in->tail = r->prev;
	in->counts.open--;
	r->tag = 0;
	free(r);
}

static void on_gone(void *arg, struct http_call *call)
{
	struct http_intake_request *r = arg;

	CHECK_TAG(r, REQUEST_TAG);
	r->in->counts.broken += r->phase == READING;
	free_request(r);
	http_call_text(call, 503, NULL, "");
}

/* ---------------------------------------------------------------- answers */

static bool is_our_trouble(int status)
{
	return status == 503 || status == 507;
}

static void count_refusal(struct http_intake *in, int status)
{
	in->counts.refused++;
	in->counts.full += is_our_trouble(status);
}

/* The request is gone before the call is: the connection's next one may begin inside it. */
static void answer_refusal(struct http_intake_request *r)
{
	struct http_call *call = r->call;
	char error[TEXT_BYTES], hint[TEXT_BYTES];
	struct http_call_problem p = { .status = r->status,
		.error = error,
		.hint = hint,
		.field = r->field,
		.fields = is_our_trouble(r->status) ? "Retry-After: 1\r\n" : NULL };

	memcpy(error, r->error, sizeof error);
	memcpy(hint, r->hint, sizeof hint);
	count_refusal(r->in, r->status);
	free_request(r);
	http_call_problem(call, &p);
}

static void put_ids(const struct http_intake_result *n, struct buf *body)
{
	if (n->stored == 0 || n->first_id == 0)
		return;
	if (n->stored == 1) {
		buf_put_str(body, ",\"id\":");
		json_out_id(n->first_id, body);
	}
	buf_put_str(body, ",\"first_id\":");
	json_out_id(n->first_id, body);
	buf_put_str(body, ",\"last_id\":");
	json_out_id(n->first_id + n->stored - 1, body);
}

/* proto/WIRE.md, "HTTP", has it field by field. */
static void put_result(
	const struct http_intake_result *n, struct http_call_head *head, struct buf *body)
{
	bool none = n->stored == 0 && n->rejected > 0 && !n->repeated;

	head->status = none ? 400 : n->stored > 0 && n->rejected == 0 ? 201 : 200;
	buf_printf(body, "{\"status\":\"%s\"",
		none              ? "error"
		: n->rejected > 0 ? "partial"
				  : "success");
	if (none)
		buf_put_str(body, ",\"error\":\"no event could be taken\"");
	buf_printf(body, ",\"stored\":%llu", (unsigned long long)n->stored);
	put_ids(n, body);
	if (n->repeated)
		buf_put_str(body, ",\"repeated\":true");
	if (n->dropped > 0)
		buf_printf(body, ",\"dropped\":%llu", (unsigned long long)n->dropped);
	if (n->rejected > 0)
		buf_printf(
			body, ",\"rejected\":%llu,\"errors\":[", (unsigned long long)n->rejected);
	if (n->rejected > 0) {
		buf_put_span(body, n->errors);
		buf_put_u8(body, ']');
	}
	buf_put_str(body, "}\n");
}

static void answer_result(struct http_intake_request *r)
{
	struct http_call_head head = { .type = "application/json" };
	struct http_call *call = r->call;
	struct buf body;

	buf_init(&body, LIMIT_POST_ANSWER_BYTES);
	r->result.errors = buf_span(&r->errors);
	if (r->shape->answer)
		r->shape->answer(r, &r->result, &head, &body);
	else
		put_result(&r->result, &head, &body);
	if (head.status >= 400)
		count_refusal(r->in, head.status);
	free_request(r);
	http_call_reply(call, &head, &body);
}

int http_intake_refuse(
	struct http_intake_request *r, int status, const char *error, const char *hint)
{
	r->status = status;
	snprintf(r->error, sizeof r->error, "%s", error);
	snprintf(r->hint, sizeof r->hint, "%s", hint ? hint : "");
	return ERR_CANCELED;
}

int http_intake_refuse_field(
	struct http_intake_request *r, const char *field, const char *error, const char *hint)
{
	r->field = field;
	return http_intake_refuse(r, 400, error, hint);
}

/* The stage could not keep what was brought. */
static int refuse_stage(struct http_intake_request *r, int rc, const struct diag *d)
{
	if (rc == -ENOSPC || rc == -EDQUOT)
		return http_intake_refuse(r, 507, "the disk is full", "make room on it");
	if (rc == ERR_BUDGET)
		return http_intake_refuse(r, 503, "no memory for another request in flight",
			"send smaller ones, or raise memory_max of [collector]");
	return http_intake_refuse(
		r, 503, "the events could not be kept", d->text[0] ? d->text : err_text(rc));
}

/* ---------------------------------------------------------------- waiting */

static void on_sweep(uv_timer_t *t)
{
	struct http_intake *in = t->data;
	int64_t now = (int64_t)uv_now(&in->c->loop);
	struct http_intake_request *next;
	bool waits = false;

	CHECK_TAG(in, INTAKE_TAG);
	for (struct http_intake_request *r = in->head; r; r = next) {
		next = r->next;
		waits = waits || r->phase != READING;
		if (r->phase == READING || r->deadline_ms > now)
			continue;
		if (r->phase == ROOM)
			http_intake_refuse(r, 503, "the journal is behind: nothing was stored",
				"send it again in a moment");
		else
			http_intake_refuse(r, 503, "not durable yet, and it may become so later",
				"send it again with the same Idempotency-Key, so that it is not "
				"stored twice");
		answer_refusal(r);
	}
	if (!waits)
		uv_timer_stop(t);
}

static void wait_for(struct http_intake_request *r, enum phase phase, unsigned ms)
{
	struct http_intake *in = r->in;

	r->phase = phase;
	r->deadline_ms = (int64_t)uv_now(&in->c->loop) + ms;
	if (!uv_is_active((uv_handle_t *)&in->sweep))
		uv_timer_start(&in->sweep, on_sweep, LIMIT_SWEEP_MS, LIMIT_SWEEP_MS);
}

/* ---------------------------------------------------------------- commit */

/* True when it is answered. */
static bool answer_durable(struct http_intake_request *r)
{
	if (r->seq > commit_durable(r->in->c->intake.commit))
		return false;
	r->result.first_id = r->ticket.first_id;
	answer_result(r);
	return true;
}

/* What a request held for its body it needs no more. */
static void end_body(struct http_intake_request *r)
{
	give_inflate(r->in, &r->inflate);
	buf_fini(&r->whole);
}

static void put(struct http_intake_request *r)
{
	struct intake *intake = &r->in->c->intake;
	uint64_t put = commit_stats(intake->commit)->frames;
	struct store_chunk chunk;
	struct diag d = { 0 };
	int rc;

	if (r->head.key.p)
		chunk = intake_chunk(span_str(r->shape->name), r->head.key);
	rc = intake_commit(
		intake, &r->origin, &r->stage, r->head.key.p ? &chunk : NULL, &r->seq, &d);
	if (rc < 0) {
		refuse_stage(r, rc, &d);
		answer_refusal(r);
		return;
	}
	if (commit_stats(intake->commit)->frames > put) {
		commit_watch(intake->commit, &r->ticket);
	} else if (r->result.stored > 0) {
		r->result.repeated = true;
		r->result.stored = 0;
	}
	if (!answer_durable(r))
		wait_for(r, COMMIT, r->in->limits.answer_ms);
}

/* The body is whole. */
static void end(struct http_intake_request *r)
{
	struct collector *c = r->in->c;

	end_body(r);
	if (c->full) {
		http_intake_refuse(r, 507, "the disk is full: nothing is taken", "make room on it");
		answer_refusal(r);
	} else if (commit_room(c->intake.commit)) {
		put(r);
	} else {
		wait_for(r, ROOM, r->in->limits.room_ms);
	}
}

/* ---------------------------------------------------------------- the body */

static int take_whole(struct http_intake_request *r, struct span bytes, bool last)
{
	buf_put_span(&r->whole, bytes);
	if (r->whole.err == ERR_LIMIT)
		return http_intake_refuse(r, 413, "the body is too large", "send it in parts");
	if (r->whole.err)
		return http_intake_refuse(r, 503, "out of memory", NULL);
	return last ? r->shape->take(r, buf_span(&r->whole), true) : 0;
}

static int take_plain(struct http_intake_request *r, struct span bytes, bool last)
{
	if (r->shape->whole_max > 0)
		return take_whole(r, bytes, last);
	return r->shape->take(r, bytes, last);
}

static int refuse_packed(struct http_intake_request *r)
{
	enum inflate_fault why = inflate_fault(r->inflate);
	int status = why == INFLATE_FAULT_MEMORY ? 503 : why == INFLATE_FAULT_SIZE ? 413 : 400;

	return http_intake_refuse(
		r, status, inflate_fault_text(why), "Content-Encoding says how the body is packed");
}

static int take_packed(struct http_intake_request *r, struct span bytes, bool last)
{
	struct rcur from = rcur_of(bytes.p, bytes.n);
	uint8_t *out = r->in->unpacked;
	int rc, taken = 0;

	do {
		struct wcur to = wcur_of(out, UNPACKED_BYTES);

		rc = inflate_next(r->inflate, &from, &to);
		if (rc < 0)
			return refuse_packed(r);
		if (to.p > out)
			taken = take_plain(r, span_of(out, (size_t)(to.p - out)), false);
		if (taken < 0)
			return taken;
	} while (rc == INFLATE_FULL);
	if (!last)
		return 0;
	if (inflate_end(r->inflate) < 0)
		return refuse_packed(r);
	return take_plain(r, SPAN_NONE, true);
}

/* All memory that the request holds beside its events is the pool's too. */
static int charge(struct http_intake_request *r)
{
	struct stage_pool *pool = &r->in->c->intake.pool;
	size_t held = r->whole.cap + (r->shape->held ? r->shape->held(r) : 0);

	if (r->inflate)
		held += inflate_bytes(r->inflate);
	stage_hold(&r->stage, r->charged, held);
	r->charged = held;
	if (held <= KEEP_BYTES || !stage_pool_crowded_by(pool, r->stage.peer))
		return 0;
	pool->refused++;
	return http_intake_refuse(r, 503, "no memory for another large body in flight",
		"send smaller ones, or raise memory_max of [collector]");
}

static void on_body(void *arg, struct http_call *call, struct span piece, bool whole)
{
	struct http_intake_request *r = arg;
	int rc;

	(void)call;
	CHECK_TAG(r, REQUEST_TAG);
	r->origin.received_ns = clock_wall_ns();
	rc = r->inflate ? take_packed(r, piece, whole) : take_plain(r, piece, whole);
	if (rc == 0)
		rc = charge(r);
	if (rc < 0)
		answer_refusal(r);
	else if (whole)
		end(r);
}

/* ---------------------------------------------------------------- the head */

/* False: there is no point in reading the body; *p says why. */
static bool may_begin(const struct collector *c, struct http_call_problem *p)
{
	*p = (struct http_call_problem){ .status = 503, .fields = "Retry-After: 1\r\n" };
	if (c->stop) {
		p->error = "the collector is stopping";
		p->hint = "try again in a moment";
	} else if (c->full) {
		p->status = 507;
		p->error = "the disk is full: nothing is taken";
		p->hint = "make room on it, or lower disk_hard; it goes on by itself";
	} else if (commit_failing(c->intake.commit)) {
		p->error = "events cannot be made durable";
		p->hint = "the log of astrocollectd says why; try again in a moment";
	} else {
		return true;
	}
	return false;
}

static struct http_intake_request *new_request(
	struct http_intake *in, struct http_call *call, const struct http_intake_shape *shape)
{
	struct http_intake_request *r = calloc(1, sizeof *r + shape->state_bytes);

	if (!r)
		return NULL;
	r->tag = REQUEST_TAG;
	r->in = in;
	r->shape = shape;
	r->call = call;
	stage_init(&r->stage, &in->c->intake.pool);
	buf_init(&r->whole, shape->whole_max);
	buf_init(&r->errors, ERRORS_BYTES);
	return r;
}

static void set_origin(struct http_intake_request *r)
{
	struct span peer = r->head.peer.p ? r->head.peer : span_str(http_call_peer(r->call));

	ASSERT(peer.n < sizeof r->host);
	memcpy(r->host, peer.p, peer.n);
	if (addr_from_host(r->host, &r->peer))
		r->stage.peer = &r->peer;
	r->origin = (struct intake_origin){ .door = INTAKE_HTTP,
		.host = span_of(r->host, peer.n),
		.received_ns = clock_wall_ns() };
}

static int begin_packed(struct http_intake_request *r)
{
	struct http_intake *in = r->in;

	if (r->head.packing == INFLATE_NONE)
		return 0;
	if (!in->unpacked)
		in->unpacked = malloc(UNPACKED_BYTES);
	r->inflate = take_inflate(in);
	if (!in->unpacked || !r->inflate ||
		inflate_begin(r->inflate, r->head.packing, in->limits.unpacked_max) < 0)
		return http_intake_refuse(r, 503, "out of memory", NULL);
	return 0;
}

static void refuse_head(struct http_intake *in, struct http_call *call, struct http_call_problem *p)
{
	count_refusal(in, p->status);
	http_call_problem(call, p);
}

void http_intake_post(
	struct http_intake *in, struct http_call *call, const struct http_intake_shape *shape)
{
	struct http_call_problem p;
	struct http_intake_request *r;
	struct http_head head;
	int rc;

	CHECK_TAG(in, INTAKE_TAG);
	in->counts.requests++;
	rc = http_head_read(http_call_request(call), &head, &p);
	if (rc == 0 && head.type == HTTP_HEAD_OTHER && !shape->other_types) {
		p = (struct http_call_problem){ .status = 415,
			.error = "a type of body that is not taken",
			.field = "Content-Type",
			.hint = "send application/json or application/x-ndjson" };
		rc = ERR_TYPE;
	}
	if (rc < 0 || !may_begin(in->c, &p)) {
		refuse_head(in, call, &p);
		return;
	}
	r = new_request(in, call, shape);
	if (!r) {
		p = (struct http_call_problem){ .status = 503, .error = "out of memory" };
		refuse_head(in, call, &p);
		return;
	}
	link_request(in, r);
	r->head = head;
	set_origin(r);
	rc = begin_packed(r);
	if (rc == 0 && shape->begin)
		rc = shape->begin(r);
	if (rc < 0) {
		answer_refusal(r);
		return;
	}
	http_call_on_gone(call, on_gone, r);
	http_call_read(call, on_body, r);
}

/* ---------------------------------------------------------------- the shape's side */

void *http_intake_state(struct http_intake_request *r)
{
	CHECK_TAG(r, REQUEST_TAG);
	return r->state;
}

const struct http_parse_request *http_intake_request(const struct http_intake_request *r)
{
	return http_call_request(r->call);
}

const struct http_head *http_intake_head(const struct http_intake_request *r)
{
	return &r->head;
}

const struct http_intake_result *http_intake_result(const struct http_intake_request *r)
{
	return &r->result;
}

struct buf *http_intake_scratch(struct http_intake_request *r)
{
	return &r->in->scratch;
}

int http_intake_event(struct http_intake_request *r, const struct normalise_input *raw,
	struct http_intake_place at)
{
	struct intake *intake = &r->in->c->intake;
	uint64_t limits = intake->counts.rejected[INTAKE_REJECT_LIMITS];
	struct diag d = { 0 };
	int rc = intake_event(intake, &r->origin, raw, &r->stage, &d);

	if (rc == 0) {
		r->result.stored++;
		return 0;
	}
	if (rc < 0)
		return refuse_stage(r, rc, &d);
	if (rc != INTAKE_REJECTED)
		r->result.dropped++;
	else if (intake->counts.rejected[INTAKE_REJECT_LIMITS] > limits)
		http_intake_bad(r, at, "the event is beyond a limit of size or of fields");
	else
		http_intake_bad(r, at, "the event cannot be read");
	return 0;
}

void http_intake_bad(struct http_intake_request *r, struct http_intake_place at, const char *why)
{
	if (++r->result.rejected > LIMIT_POST_ERRORS)
		return;
	buf_printf(&r->errors, "%s{\"%s\":%llu,\"error\":", r->errors.len ? "," : "", at.name,
		(unsigned long long)at.n);
	json_out_string(span_str(why), &r->errors);
	buf_put_u8(&r->errors, '}');
}

/* ---------------------------------------------------------------- the door's side */

void http_intake_retune(struct http_intake *in, const struct http_intake_limits *limits)
{
	struct http_intake_limits *l = &in->limits;

	*l = *limits;
	if (l->unpacked_max == 0)
		l->unpacked_max = LIMIT_POST_BYTES;
	if (l->room_ms == 0)
		l->room_ms = LIMIT_POST_ROOM_MS;
	if (l->answer_ms == 0)
		l->answer_ms = LIMIT_POST_ANSWER_MS;
}

int http_intake_new(struct collector *c, struct http_intake **out)
{
	static const struct http_intake_limits standard = { 0 };
	struct http_intake *in = calloc(1, sizeof *in);

	if (!in)
		return -ENOMEM;
	in->tag = INTAKE_TAG;
	in->c = c;
	http_intake_retune(in, &standard);
	buf_init(&in->scratch, LIMIT_ENTRY_BYTES);
	uv_timer_init(&c->loop, &in->sweep);
	in->sweep.data = in;
	*out = in;
	return 0;
}

void http_intake_free(struct http_intake **at)
{
	struct http_intake *in = *at;

	if (!in)
		return;
	ASSERT(!in->head);
	while (in->spares_count > 0)
		inflate_free(&in->spares[--in->spares_count]);
	free(in->unpacked);
	buf_fini(&in->scratch);
	in->tag = 0;
	free(in);
	*at = NULL;
}

void http_intake_durable(struct http_intake *in)
{
	struct http_intake_request *next;

	for (struct http_intake_request *r = in->head; r; r = next) {
		next = r->next;
		if (r->phase == COMMIT)
			answer_durable(r);
		else if (r->phase == ROOM && !in->c->full && commit_room(in->c->intake.commit))
			put(r);
	}
}

static void refuse_all(struct http_intake *in, bool reading_only)
{
	struct http_intake_request *next;

	for (struct http_intake_request *r = in->head; r; r = next) {
		next = r->next;
		if (reading_only && r->phase != READING)
			continue;
		http_intake_refuse(r, 503, "the collector is stopping",
			"send it again in a moment, with the same Idempotency-Key if it had one");
		answer_refusal(r);
	}
}

void http_intake_stop_reading(struct http_intake *in)
{
	refuse_all(in, true);
}

void http_intake_end_all(struct http_intake *in)
{
	refuse_all(in, false);
}

bool http_intake_empty(const struct http_intake *in)
{
	return !in->head;
}

bool http_intake_reading(const struct http_intake *in)
{
	for (const struct http_intake_request *r = in->head; r; r = r->next) {
		if (r->phase == READING)
			return true;
	}
	return false;
}

void http_intake_close(struct http_intake *in)
{
	uv_close((uv_handle_t *)&in->sweep, NULL);
}

const struct http_intake_counts *http_intake_counts(const struct http_intake *in)
{
	return &in->counts;
}
