#include "query/api_relay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/http/http_upstream.h"
#include "proto/svc/logger.h"
#include "query/origins.h"

enum {
	RELAY_TAG = 0x524c4159,
	JOB_TAG = 0x524c4a42,
	FIELDS_BYTES = LIMIT_HTTP_HEAD_BYTES + 256,
};

struct api_relay {
	unsigned tag;
	struct http_upstream *upstream;
	char collector[ADDR_TEXT_BYTES];
	struct api_relay_counts counts;
	bool away; /* as the log last said */
};

/* One request on its way to the collector and back. */
struct job {
	unsigned tag;
	struct api_relay *relay;
	struct http_call *call;
	struct http_upstream_request *request; /* NULL while the body comes */
	struct buf body;
};

static void free_job(struct job *j)
{
	CHECK_TAG(j, JOB_TAG);
	j->relay->counts.held -= j->body.cap;
	buf_fini(&j->body);
	j->tag = 0;
	free(j);
}

static void on_gone(void *arg, struct http_call *call)
{
	struct job *j = arg;

	CHECK_TAG(j, JOB_TAG);
	if (j->request)
		http_upstream_cancel(j->request);
	free_job(j);
	http_call_text(call, 503, NULL, "");
}

/* ---------------------------------------------------------------- the answer */

static void answer_problem(struct job *j, int status, const char *error, const char *hint)
{
	struct http_call_problem p = { .status = status,
		.error = error,
		.hint = hint,
		.fields = status == 503 ? "Retry-After: 1\r\n" : NULL };
	struct http_call *call = j->call;

	free_job(j);
	http_call_problem(call, &p);
}

static void note_state(struct api_relay *relay, int error)
{
	if (error && !relay->away)
		LOGGER(LOGGER_WARNING, "relay", "the collector does not take events",
			LOGGER_STR("collector", relay->collector), LOGGER_ERR(error));
	else if (!error && relay->away)
		LOGGER(LOGGER_NOTICE, "relay", "the collector takes events again",
			LOGGER_STR("collector", relay->collector));
	relay->away = error != 0;
}

static void answer_failure(struct job *j, const struct http_upstream_answer *answer)
{
	static const char again[] =
		"whether the events were stored is not known: send them again with the same "
		"Idempotency-Key, and they are not stored twice";
	char hint[256];

	j->relay->counts.failed++;
	note_state(j->relay, answer->error);
	if (!answer->sent) {
		snprintf(hint, sizeof hint,
			"nothing was stored; is astrocollectd running, with its HTTP at %s? See "
			"collector of [query]",
			j->relay->collector);
		answer_problem(j, 503, "the collector cannot be reached", hint);
	} else if (answer->error == -ETIMEDOUT) {
		answer_problem(j, 504, "the collector did not answer in time", again);
	} else {
		answer_problem(j, 502, "the collector broke off before its answer", again);
	}
}

/* The type is one of ours, whoever it is that answers there. */
static const char *type_of(struct span type)
{
	static const char json[] = "application/json";
	size_t n = sizeof json - 1;

	return type.n >= n && memcmp(type.p, json, n) == 0 ? json : "text/plain; charset=utf-8";
}

static void on_answer(void *arg, const struct http_upstream_answer *answer)
{
	struct job *j = arg;
	struct http_call *call = j->call;
	struct http_call_head head;
	struct buf body;

	CHECK_TAG(j, JOB_TAG);
	j->request = NULL;
	if (answer->error || answer->status < 200 || answer->status > 599) {
		answer_failure(j, answer);
		return;
	}
	note_state(j->relay, 0);
	head = (struct http_call_head){ .status = answer->status,
		.type = type_of(answer->type),
		.fields = answer->status == 503 || answer->status == 507 ? "Retry-After: 1\r\n"
									 : NULL };
	buf_init(&body, LIMIT_RELAY_ANSWER_BYTES);
	buf_put_span(&body, answer->body);
	free_job(j);
	http_call_reply(call, &head, &body);
}

/* ---------------------------------------------------------------- the request */

static void put_field(struct buf *fields, const char *name, struct span value)
{
	if (!value.p)
		return;
	buf_printf(fields, "%s: ", name);
	buf_put_span(fields, value);
	buf_put_str(fields, "\r\n");
}

/* What the collector looks at, and who the client is; nothing else of what the client said. */
static void put_fields(struct http_call *call, struct buf *fields)
{
	static const char *const passed[] = { "Content-Type", "Content-Encoding",
		"Idempotency-Key" };
	const struct http_parse_request *req = http_call_request(call);

	for (size_t i = 0; i < ARRAY_COUNT(passed); i++)
		put_field(fields, passed[i], http_parse_field(req, passed[i]));
	put_field(fields, "X-Forwarded-For", span_str(http_call_peer(call)));
}

static void send_on(struct job *j)
{
	const struct http_parse_request *req = http_call_request(j->call);
	struct span target = req->path;
	struct buf fields;

	if (req->query.p)
		target.n += 1 + req->query.n;
	buf_init(&fields, FIELDS_BYTES);
	put_fields(j->call, &fields);
	if (!fields.err)
		j->request = http_upstream_post(j->relay->upstream, target, buf_span(&fields),
			buf_span(&j->body), on_answer, j);
	buf_fini(&fields);
	if (!j->request)
		answer_problem(j, 503, "no connection to the collector can be made",
			"there is no memory or no descriptor left; try again in a moment");
}

static void on_body(void *arg, struct http_call *call, struct span piece, bool whole)
{
	struct job *j = arg;
	struct api_relay_counts *n;
	size_t was;

	(void)call;
	CHECK_TAG(j, JOB_TAG);
	n = &j->relay->counts;
	was = j->body.cap;
	if (n->held - was + j->body.len + piece.n > LIMIT_RELAY_HELD_BYTES) {
		n->full++;
		answer_problem(j, 503, "too many bytes are on their way to the collector",
			"try again in a moment, or send to astrocollectd itself");
		return;
	}
	buf_put_span(&j->body, piece);
	n->held += j->body.cap - was;
	if (j->body.err)
		answer_problem(j, 503, "out of memory", "try again in a moment");
	else if (whole)
		send_on(j);
}

static struct job *new_job(struct api_relay *relay, struct http_call *call)
{
	struct job *j = calloc(1, sizeof *j);

	if (!j)
		return NULL;
	j->tag = JOB_TAG;
	j->relay = relay;
	j->call = call;
	buf_init(&j->body, LIMIT_RELAY_BODY_BYTES);
	return j;
}

/* A length that was told is taken at once: the buffer need not grow. */
static void reserve(struct job *j)
{
	const struct http_parse_request *req = http_call_request(j->call);

	if (req->length == 0 || j->relay->counts.held + req->length > LIMIT_RELAY_HELD_BYTES)
		return;
	buf_reserve(&j->body, req->length);
	j->relay->counts.held += j->body.cap;
}

void api_relay_post(void *arg, struct http_call *call)
{
	struct query *q = arg;
	struct http_call_problem p = { .status = 503, .fields = "Retry-After: 1\r\n" };
	struct job *j = NULL;

	if (!origins_ok(q, http_call_request(call), &p)) {
		http_call_problem(call, &p);
		return;
	}
	if (q->stopping) {
		p.error = "the query daemon is stopping";
		p.hint = "try again in a moment";
	} else if (!q->relay) {
		p.error = "no collector is configured here";
		p.hint = "send to astrocollectd itself, or set collector of [query]";
		p.fields = NULL;
	} else {
		q->relay->counts.requests++;
		j = new_job(q->relay, call);
		p.error = "out of memory";
	}
	if (!j) {
		http_call_problem(call, &p);
		return;
	}
	reserve(j);
	http_call_on_gone(call, on_gone, j);
	http_call_read(call, on_body, j);
}

/* ---------------------------------------------------------------- life */

int api_relay_addr(const struct query *q, struct addr *out, struct diag *d)
{
	struct conf_addr at;
	char text[CONF_ADDR_HOST_BYTES + 16];

	if (!conf_addr(&q->conf, CONF_QUERY_COLLECTOR, &at))
		return API_RELAY_NONE;
	snprintf(text, sizeof text, strchr(at.host, ':') ? "[%s]:%u" : "%s:%u", at.host, at.port);
	return addr_parse(text, out, d);
}

int api_relay_open(struct query *q, struct diag *d)
{
	struct http_upstream_conf conf = { .connect_ms = LIMIT_RELAY_CONNECT_MS,
		.answer_ms = LIMIT_RELAY_ANSWER_MS,
		.answer_max = LIMIT_RELAY_ANSWER_BYTES };
	struct api_relay *relay;
	int rc = api_relay_addr(q, &conf.to, d);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	relay = calloc(1, sizeof *relay);
	if (!relay)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the relay");
	relay->tag = RELAY_TAG;
	addr_text(&conf.to, relay->collector);
	rc = http_upstream_new(&q->loop, &conf, &relay->upstream, d);
	if (rc < 0) {
		free(relay);
		return rc;
	}
	q->relay = relay;
	return 0;
}

void api_relay_retune(struct query *q, unsigned connect_ms, unsigned answer_ms)
{
	CHECK_TAG(q->relay, RELAY_TAG);
	http_upstream_retune(q->relay->upstream, connect_ms ? connect_ms : LIMIT_RELAY_CONNECT_MS,
		answer_ms ? answer_ms : LIMIT_RELAY_ANSWER_MS);
}

void api_relay_close(struct query *q)
{
	struct api_relay *relay = q->relay;

	if (!relay)
		return;
	CHECK_TAG(relay, RELAY_TAG);
	ASSERT(relay->counts.held == 0);
	http_upstream_close(&relay->upstream);
	relay->tag = 0;
	free(relay);
	q->relay = NULL;
}

const struct api_relay_counts *api_relay_counts(const struct query *q)
{
	return q->relay ? &q->relay->counts : NULL;
}
