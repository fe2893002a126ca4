/*
 * http_intake - requests that bring events, from head to answer, whatever their shape.
 *
 *	head      may be refused at once: 403, 415 (http_head.h), 503 stopping or the journal fails, 507 the
 *	          disk is full
 *	READING   the body, unpacked, goes to the shape piece by piece; it makes events, which are staged
 *	ROOM      the body is whole, commit has no room: at most LIMIT_POST_ROOM_MS, then 503
 *	COMMIT    one frame, all or nothing; answered when it is durable, or 503 after LIMIT_POST_ANSWER_MS,
 *	          when nobody knows yet whether it is stored
 *
 * The answer, unless the shape makes its own:
 *	201  all events are stored     200  some are, or the key is known and all are already
 *	400  none is                   413 415 503 507  as said
 *
 * A SHAPE is one format of bodies: a struct http_intake_shape and a route in door_http.c. Its functions get
 * the request and call http_intake_event for each event and http_intake_bad for what is none. They return 0,
 * or what http_intake_refuse or another of these functions returned: then the request is over.
 *
 * Life:    the http_intake with the door; a request from http_intake_post to its answer.
 * Thread:  the loop's.
 * Memory:  a request's own is charged to the stage pool, as its staged events are.
 * Errors:  answered to the client; an event that is refused is no error.
 */
#ifndef COLLECTOR_HTTP_INTAKE_H
#define COLLECTOR_HTTP_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/http_head.h"
#include "collector/normalise.h"
#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/http/http_call.h"

struct collector;
struct http_intake;
struct http_intake_request;

/* How it went, for a shape that answers in its own way. */
struct http_intake_result {
	uint64_t stored;   /* events */
	uint64_t rejected; /* that were none, or are beyond a limit */
	uint64_t dropped;  /* by a rule of the configuration */
	uint64_t
		first_id; /* of the stored ones, which have consecutive ids in their order; 0: none */
	bool repeated;    /* the key was known: nothing was stored now */
	struct span errors; /* JSON objects, commas between them: what the first rejected were */
};

struct http_intake_shape {
	const char *name;   /* what keys of resends are told apart by; LIMIT_TAG_BYTES at most */
	size_t state_bytes; /* its own part of each request, zeroed: http_intake_state */
	size_t whole_max;   /* not 0: the body is kept until it is whole, and taken at once */
	bool other_types;   /* takes HTTP_HEAD_OTHER, too; begin looks at them */
	/* Each may be NULL, but for take. The head: parameters. */
	int (*begin)(struct http_intake_request *r);
	/* The next bytes, gone on return; last: no more follow. */
	int (*take)(struct http_intake_request *r, struct span bytes, bool last);
	/* Bytes of memory that its state holds. */
	size_t (*held)(struct http_intake_request *r);
	/* Fills status and body; the type is application/json unless it says otherwise. */
	void (*answer)(struct http_intake_request *r, const struct http_intake_result *result,
		struct http_call_head *head, struct buf *body);
	void (*fini)(struct http_intake_request *r);
};

/* ---- the door's side ---- */

/* Zero means that of limits.h. */
struct http_intake_limits {
	size_t unpacked_max; /* LIMIT_POST_BYTES */
	unsigned room_ms;    /* LIMIT_POST_ROOM_MS */
	unsigned answer_ms;  /* LIMIT_POST_ANSWER_MS */
};

int http_intake_new(struct collector *c, struct http_intake **out);
/* For requests that come from now on. */
void http_intake_retune(struct http_intake *in, const struct http_intake_limits *limits);
/* After the loop has run to its end. */
void http_intake_free(struct http_intake **in);
/* In a handler of a route that streams; shape is static. */
void http_intake_post(
	struct http_intake *in, struct http_call *call, const struct http_intake_shape *shape);
/* As struct door_ops means them. */
void http_intake_durable(struct http_intake *in);
void http_intake_stop_reading(struct http_intake *in);
void http_intake_end_all(struct http_intake *in);
bool http_intake_empty(const struct http_intake *in);
/* A body is on its way. */
bool http_intake_reading(const struct http_intake *in);
/* No request is left; the loop must run once more. */
void http_intake_close(struct http_intake *in);

struct http_intake_counts {
	uint64_t requests; /* whose heads were taken */
	uint64_t refused;  /* with a status of 4xx or 5xx, each of them */
	uint64_t full;     /* of these: no room, no memory, the disk, the journal */
	uint64_t broken;   /* ended before their body did */
	uint64_t open;     /* now */
};
const struct http_intake_counts *http_intake_counts(const struct http_intake *in);

/* ---- the shape's side ---- */

void *http_intake_state(struct http_intake_request *r);
const struct http_parse_request *http_intake_request(const struct http_intake_request *r);
const struct http_head *http_intake_head(const struct http_intake_request *r);
/* As far as it has come: for a shape that tells what became of each event. */
const struct http_intake_result *http_intake_result(const struct http_intake_request *r);
/* For one event as msgpack; whoever calls next has it. At most LIMIT_ENTRY_BYTES. */
struct buf *http_intake_scratch(struct http_intake_request *r);

/* Where in the body: "line" from 1, "index" from 0. */
struct http_intake_place {
	const char *name;
	uint64_t n;
};

/* One event into the stage, or counted as bad: 0. Negative: the request is over. */
int http_intake_event(struct http_intake_request *r, const struct normalise_input *raw,
	struct http_intake_place at);
/* Something that is no event; of the first LIMIT_POST_ERRORS the answer tells. */
void http_intake_bad(struct http_intake_request *r, struct http_intake_place at, const char *why);
/* Nothing is stored, and this is the answer; texts are copied. Returns ERR_CANCELED. */
int http_intake_refuse(
	struct http_intake_request *r, int status, const char *error, const char *hint);
/* The same for a parameter or header. */
int http_intake_refuse_field(
	struct http_intake_request *r, const char *field, const char *error, const char *hint);

#endif
