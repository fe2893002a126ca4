/*
 * pool - threads that run queries, each with an engine of its own.
 *
 * A job is run in a worker and then done in the loop, always both in this order and each once; a job
 * that was canceled before its turn is not run, only done. While it runs it may call for the loop, as often
 * as it likes (pool_call): `called` comes before `done`, at least once after the last of the calls.
 *
 * Whoever asks much waits, not those who collect. When jobs wait, a thread that has run for POOL_FAIR_MS
 * without a pause goes on at a priority at which it takes what others leave (POOL_NICE), and so do all
 * that it starts; with no job waiting, it does so after POOL_LONG_MS. As nobody may raise himself again,
 * the thread ends when no job waits, and a new one takes its place: what comes after a pause is as quick
 * as ever.
 *
 * Life:    new, submit..., free when no job is in flight.
 * Thread:  the loop's, but `run`, which a worker calls, and pool_call.
 * Memory:  jobs are the caller's; the engines' scratch memory.
 * Errors:  submit: ERR_LIMIT.
 */
#ifndef QUERY_POOL_H
#define QUERY_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "proto/base/diag.h"
#include "query/engine.h"

enum {
	POOL_FAIR_MS = 20,
	POOL_LONG_MS = 1000,
	POOL_NICE = 15,
};

struct pool_job {
	void (*run)(struct pool_job *job, struct engine *engine);
	void (*called)(struct pool_job *job); /* in the loop; NULL: it never calls */
	void (*done)(struct pool_job *job);
	bool canceled; /* set before `done` if pool_cancel came in time; see there */
	/* Private. */
	struct pool_job *next;
	struct engine *engine; /* while it runs */
	bool calls;
	struct pool_job *next_call;
};

struct pool;

int pool_new(uv_loop_t *loop, unsigned threads, struct pool **out, struct diag *d);
/* Ends the threads; every job must be done. The loop must run once more before its end. */
void pool_free(struct pool **p);

/* ERR_LIMIT: LIMIT_QUERY_QUEUE jobs are waiting already. */
int pool_submit(struct pool *p, struct pool_job *job);
/* For a job that was run before and has more to do: it is not refused. Its owner bounds how many are. */
void pool_resubmit(struct pool *p, struct pool_job *job);
/* From inside `run`, by any thread of its. Whether others wait for a thread. */
bool pool_call(struct pool *p, struct pool_job *job);
/* A waiting job is not run any more, a running one ends soon; `done` comes in both cases. */
void pool_cancel(struct pool *p, struct pool_job *job);

/*
 * An engine that the loop may run until it returns to it, once in each of its turns: of many questions that
 * come together, workers take the others. NULL: jobs are under way.
 */
struct engine *pool_spare_engine(struct pool *p);

/* Jobs that wait for a thread. */
size_t pool_queued(struct pool *p);

#endif
