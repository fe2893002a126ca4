/*
 * waiters - requests that wait for something to be committed.
 *
 * A thread sleeps on the store's futex as long as anybody waits, and otherwise looks once a second
 * whether the store can be read, so that /readyz knows without a query. What it learns it tells the
 * loop, which wakes the waiters that had seen less. Under steady ingest wakes are WAITERS_REST_MS apart
 * at least: a follower sees an event within milliseconds and costs little while thousands arrive.
 *
 * Life:    new, add and remove..., free when nobody waits.
 * Thread:  the loop's; wake callbacks too.
 * Memory:  waiters are the caller's.
 * Errors:  add: ERR_LIMIT.
 */
#ifndef QUERY_WAITERS_H
#define QUERY_WAITERS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/base/diag.h"
#include "query/view.h"

struct waiter {
	uint64_t seen; /* wake when more than this is committed */
	/* Called once, after which the waiter is not waiting. timed_out: nothing came in time. */
	void (*wake)(struct waiter *w, bool timed_out);
	bool own; /* no client's: is not counted, and never refused */
	/* Private. */
	struct waiter *prev, *next;
	int64_t until_ms;
	bool waiting;
};

struct waiters;

int waiters_new(uv_loop_t *loop, struct view *view, struct waiters **out, struct diag *d);
/* The loop must run once more before its end. */
void waiters_free(struct waiters **w);

/* ERR_LIMIT: LIMIT_QUERY_WAITERS wait already. wake comes later, never from inside. */
int waiters_add(struct waiters *ws, struct waiter *w, unsigned timeout_ms);
/* Without a wake. Idempotent. */
void waiters_remove(struct waiters *ws, struct waiter *w);
/* Everybody is told that the time is over. */
void waiters_dismiss(struct waiters *ws);

/* Of clients. */
unsigned waiters_count(const struct waiters *ws);

#endif
