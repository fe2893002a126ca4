/*
 * api_relay - POST /api/logs and POST /api/alerts: handed on to the collector as they came, and its answer
 * handed back, so that one base URL serves both directions.
 *
 * Thread:  the loop's.
 * Memory:  a body of at most LIMIT_RELAY_BODY_BYTES, all together LIMIT_RELAY_HELD_BYTES: beyond, 503.
 * Errors:  503 the collector is away or not configured; 502 it broke off, or answered no HTTP; 504 it took
 *          longer than LIMIT_RELAY_ANSWER_MS. Nothing is sent twice: whether to send again is the client's to
 *          decide, with an Idempotency-Key at no risk.
 */
#ifndef QUERY_API_RELAY_H
#define QUERY_API_RELAY_H

#include "proto/base/diag.h"
#include "proto/http/http_call.h"
#include "proto/net/addr.h"
#include "query/query.h"

struct api_relay_counts {
	uint64_t requests;
	uint64_t failed; /* that the collector did not answer */
	uint64_t full;   /* refused: too many bytes in flight */
	uint64_t held;   /* bytes in flight now */
};

/* Where the collector's HTTP is, by the configuration. API_RELAY_NONE: nowhere. */
enum { API_RELAY_NONE = 1 };
int api_relay_addr(const struct query *q, struct addr *out, struct diag *d);
/* By the configuration; without [query] collector every request is answered 503. */
int api_relay_open(struct query *q, struct diag *d);
/* For requests that come from now on. Zero means that of limits.h. */
void api_relay_retune(struct query *q, unsigned connect_ms, unsigned answer_ms);
/* After the server is closed. */
void api_relay_close(struct query *q);
/* NULL: none is open. */
const struct api_relay_counts *api_relay_counts(const struct query *q);

/* The routes' handler; they stream. */
void api_relay_post(void *arg, struct http_call *call);

#endif
