/*
 * live - tails: events as they are committed, for clients that stay. By WebSocket (GET /ws/logs) and as
 * server-sent events (GET /api/logs/tail); what is asked is asked as of /api/logs.
 *
 * Work is shared. Tails that ask the same are one question. A turn, LIMIT_LIVE_TURN_MS after the last one
 * at least, reads what was committed since, once; puts every question to each of these events, in memory;
 * writes each event as JSON at most once; joins what a question's tails are to be told into messages, which
 * all of them send from where they stand. All tails that are up to date stand at one position, the id up to
 * which everything was told. A tail that begins in the past (after=ID) is read up to that position by
 * queries of its own, a page whenever its client has taken the last one; one that begins behind it joins
 * where the turn arrives there, for no page crosses its place. So none misses an event, and none has one
 * twice.
 *
 * Slow clients. What is in time waits in the tail's queue as long as that has room; what does not fit is
 * dropped, counted, and the client told (`dropped`) once it has taken the rest. Of the past nothing is
 * dropped.
 *
 * Thread:  the loop's; turns in a thread of their own, so that long queries do not delay them.
 * Memory:  LIMIT_LIVE_*: of messages HELD_BYTES, a turn's, and one page of events as JSON. A turn waits
 *          until there is less than HELD_BYTES, a second of each page; then who is in the way is cut.
 * Errors:  before the first message an answer; later the connection is closed, with a code where it has one.
 */
#ifndef QUERY_LIVE_H
#define QUERY_LIVE_H

#include "query/query.h"

struct live_counts {
	uint64_t opened;
	uint64_t full; /* answered 503 */
	uint64_t turns;
	uint64_t run_ns; /* time in them */
	uint64_t messages;
	uint64_t events;           /* in messages, once for each client */
	uint64_t dropped;          /* the same */
	uint64_t cut;              /* took nothing while memory was short */
	uint64_t silent;           /* did not answer a ping */
	uint64_t broken;           /* sent what is no WebSocket */
	uint64_t too_large;        /* sent too much */
	uint64_t held;             /* bytes of messages now */
	unsigned tails, questions; /* now */
};

int live_open(struct query *q, struct diag *d);
/* Every tail is closed, a WebSocket with code 1001. */
void live_stop(struct query *q);
/* A turn is under way; it ends soon after live_stop. */
bool live_is_busy(const struct query *q);
/* When all tails have gone and no turn is under way. The loop must run once more. */
void live_close(struct query *q);

/* The routes' handlers; arg is the struct query. */
void live_socket(void *arg, struct http_call *call);
void live_stream(void *arg, struct http_call *call);

const struct live_counts *live_counts(const struct query *q);

#endif
