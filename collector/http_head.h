/*
 * http_head - what the head of a request says about the events it brings: whether it may bring any, what
 * its body is, how it is packed, by what name a resend is known, whose events they are.
 *
 * Thread:  none of its own.
 * Memory:  none; spans point into the request.
 */
#ifndef COLLECTOR_HTTP_HEAD_H
#define COLLECTOR_HTTP_HEAD_H

#include <stdbool.h>

#include "proto/http/http_call.h"
#include "proto/wire/inflate.h"

enum http_head_type {
	HTTP_HEAD_ANY,   /* none, or one that says little: the body tells */
	HTTP_HEAD_JSON,  /* application/json, ...+json */
	HTTP_HEAD_LINES, /* a value on each line */
	HTTP_HEAD_OTHER, /* anything else */
};

struct http_head {
	enum http_head_type type;
	struct span media;         /* the type itself, without its parameters; absent: none */
	enum inflate_kind packing; /* INFLATE_NONE: as it is */
	struct span key;           /* Idempotency-Key; absent: none */
	struct span peer;          /* X-Forwarded-For: the first address; absent: none */
};

/* 0, or ERR_TYPE with *problem filled: another site's page, a coding or a key that is not taken. */
int http_head_read(const struct http_parse_request *req, struct http_head *out,
	struct http_call_problem *problem);

/* Ignoring case. */
bool http_head_is(struct span text, const char *word);

#endif
