/*
 * Who may miss what: the thread waits from the smallest `seen` of all waiters. A waiter that comes while
 * it waits from a larger one has seen less than somebody else, so less than view_committed says, and is
 * woken by the loop at once. So nobody waits on a commit that is already known.
 */
#include "query/waiters.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

enum {
	WAITERS_TAG = 0x57414954,
	WAITERS_REST_MS = 2,
	/* The thread looks up so often for its end. */
	WAITERS_TURN_MS = 200,
	WAITERS_PROBE_MS = 1000,
	WAITERS_GRAIN_MS = 50,
};

struct waiters {
	unsigned tag;
	struct view *view;
	uv_loop_t *loop;
	struct waiter *first;
	unsigned count;
	uv_async_t async;
	uv_timer_t timer;
	unsigned handles_open;
	/* Shared with the thread, under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool started, stop;
	bool wanted;       /* somebody waits */
	uint64_t seen_min; /* from here */
};

/* ---------------------------------------------------------------- the thread */

static void pause_ms(long ms)
{
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* Sleeps until somebody waits (true, with where from), the end, or the time of a probe. */
static bool await_work(struct waiters *ws, uint64_t *out_seen, bool *out_stop)
{
	struct timespec until;
	bool wanted;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WAITERS_PROBE_MS / 1000;
	pthread_mutex_lock(&ws->lock);
	while (!ws->stop && !ws->wanted) {
		if (pthread_cond_timedwait(&ws->wake, &ws->lock, &until) == ETIMEDOUT)
			break;
	}
	wanted = ws->wanted;
	*out_seen = ws->seen_min;
	*out_stop = ws->stop;
	pthread_mutex_unlock(&ws->lock);
	return wanted;
}

/* Refreshes view_committed and view_state. */
static void look(struct waiters *ws)
{
	struct store_snapshot *snap = NULL;

	if (view_snapshot(ws->view, &snap, NULL) == 0)
		store_snapshot_free(&snap);
}

static void *watch(void *arg)
{
	struct waiters *ws = arg;
	bool stop = false;
	uint64_t seen;

	while (!stop) {
		bool wanted = await_work(ws, &seen, &stop);

		if (stop)
			break;
		if (!wanted) {
			look(ws);
			continue;
		}
		if (view_wait(ws->view, seen, WAITERS_TURN_MS) < 0)
			pause_ms(WAITERS_TURN_MS);
		look(ws);
		if (view_committed(ws->view) > seen) {
			uv_async_send(&ws->async);
			pause_ms(WAITERS_REST_MS);
		}
	}
	return NULL;
}

/* ---------------------------------------------------------------- the loop's side */

static void tell_thread(struct waiters *ws)
{
	uint64_t min = UINT64_MAX;

	for (struct waiter *w = ws->first; w; w = w->next) {
		if (w->seen < min)
			min = w->seen;
	}
	pthread_mutex_lock(&ws->lock);
	ws->wanted = ws->first != NULL;
	ws->seen_min = min;
	pthread_cond_signal(&ws->wake);
	pthread_mutex_unlock(&ws->lock);
}

static void unlink_waiter(struct waiters *ws, struct waiter *w)
{
	ASSERT(w->waiting);
	if (w->prev)
		w->prev->next = w->next;
	else
		ws->first = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->waiting = false;
	ws->count -= !w->own;
}

/* Wakes those for whom `due` holds. A wake may add the same waiter again: it is not met twice. */
static void wake_due(struct waiters *ws, uint64_t committed, int64_t now_ms)
{
	struct waiter *woken = NULL, *next;

	for (struct waiter *w = ws->first; w; w = next) {
		next = w->next;
		if (w->seen >= committed && w->until_ms > now_ms)
			continue;
		unlink_waiter(ws, w);
		w->next = woken;
		woken = w;
	}
	if (!woken)
		return;
	tell_thread(ws);
	for (; woken; woken = next) {
		next = woken->next;
		woken->wake(woken, woken->seen >= committed);
	}
}

static void on_async(uv_async_t *async)
{
	struct waiters *ws = async->data;

	CHECK_TAG(ws, WAITERS_TAG);
	wake_due(ws, view_committed(ws->view), (int64_t)uv_now(ws->loop));
}

static void on_timer(uv_timer_t *timer)
{
	struct waiters *ws = timer->data;

	CHECK_TAG(ws, WAITERS_TAG);
	wake_due(ws, 0, (int64_t)uv_now(ws->loop));
	if (!ws->first)
		uv_timer_stop(timer);
}

int waiters_add(struct waiters *ws, struct waiter *w, unsigned timeout_ms)
{
	CHECK_TAG(ws, WAITERS_TAG);
	ASSERT(!w->waiting);
	if (!w->own && ws->count >= LIMIT_QUERY_WAITERS)
		return ERR_LIMIT;
	w->until_ms = (int64_t)uv_now(ws->loop) + timeout_ms;
	w->prev = NULL;
	w->next = ws->first;
	if (ws->first)
		ws->first->prev = w;
	ws->first = w;
	w->waiting = true;
	ws->count += !w->own;
	if (!uv_is_active((uv_handle_t *)&ws->timer))
		uv_timer_start(&ws->timer, on_timer, WAITERS_GRAIN_MS, WAITERS_GRAIN_MS);
	tell_thread(ws);
	if (view_committed(ws->view) > w->seen)
		uv_async_send(&ws->async);
	return 0;
}

void waiters_remove(struct waiters *ws, struct waiter *w)
{
	CHECK_TAG(ws, WAITERS_TAG);
	if (!w->waiting)
		return;
	unlink_waiter(ws, w);
	tell_thread(ws);
}

void waiters_dismiss(struct waiters *ws)
{
	CHECK_TAG(ws, WAITERS_TAG);
	wake_due(ws, 0, INT64_MAX);
}

unsigned waiters_count(const struct waiters *ws)
{
	return ws->count;
}

/* ---------------------------------------------------------------- life */

int waiters_new(uv_loop_t *loop, struct view *view, struct waiters **out, struct diag *d)
{
	struct waiters *ws = calloc(1, sizeof *ws);
	pthread_condattr_t attr;
	int rc;

	if (!ws)
		return diag_set(d, -ENOMEM, "", -1, "no memory to wait for events");
	ws->tag = WAITERS_TAG;
	ws->view = view;
	ws->loop = loop;
	pthread_mutex_init(&ws->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ws->wake, &attr);
	pthread_condattr_destroy(&attr);
	uv_async_init(loop, &ws->async, on_async);
	uv_timer_init(loop, &ws->timer);
	ws->async.data = ws->timer.data = ws;
	ws->handles_open = 2;
	rc = pthread_create(&ws->thread, NULL, watch, ws);
	ws->started = rc == 0;
	if (rc != 0) {
		waiters_free(&ws);
		return diag_set(d, -rc, "", -1, "cannot start the thread that waits for events");
	}
	*out = ws;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct waiters *ws = h->data;

	if (--ws->handles_open > 0)
		return;
	pthread_mutex_destroy(&ws->lock);
	pthread_cond_destroy(&ws->wake);
	ws->tag = 0;
	free(ws);
}

void waiters_free(struct waiters **pp)
{
	struct waiters *ws = *pp;

	if (!ws)
		return;
	CHECK_TAG(ws, WAITERS_TAG);
	ASSERT(!ws->first);
	pthread_mutex_lock(&ws->lock);
	ws->stop = true;
	pthread_cond_signal(&ws->wake);
	pthread_mutex_unlock(&ws->lock);
	if (ws->started)
		pthread_join(ws->thread, NULL);
	uv_close((uv_handle_t *)&ws->async, on_closed);
	uv_close((uv_handle_t *)&ws->timer, on_closed);
	*pp = NULL;
}
