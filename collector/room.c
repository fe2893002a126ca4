#include "collector/room.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"

enum { ROOM_TAG = 0x524f4f4d };

struct room {
	unsigned tag;
	struct room_conf conf;
	struct room_watch watch; /* the thread's */
	pthread_t thread;
	uv_async_t async;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;                         /* under the lock */
	bool again;                        /* under the lock: new limits, look at once */
	int64_t soft, hard;                /* under the lock: the limits that shall hold */
	struct room_watch_figures figures; /* under the lock: as of the last look */
	_Atomic int state;
};

static int64_t now_ms(void)
{
	return clock_mono_ns() / CLOCK_NS_PER_MS;
}

static void publish(struct room *r, bool changed)
{
	pthread_mutex_lock(&r->lock);
	r->figures = r->watch.figures;
	pthread_mutex_unlock(&r->lock);
	atomic_store_explicit(&r->state, (int)r->watch.state, memory_order_release);
	if (changed)
		uv_async_send(&r->async);
}

/* The state is told before a pass, which may take a while. */
static void look(struct room *r)
{
	publish(r, room_watch_look(&r->watch));
	if (!room_watch_due(&r->watch, now_ms()))
		return;
	room_watch_pass(&r->watch, now_ms());
	publish(r, room_watch_look(&r->watch));
}

/* False: the end. */
static bool rest(struct room *r)
{
	unsigned ms = room_watch_rest_ms(&r->watch);
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&r->lock);
	while (!r->stop && !r->again) {
		if (pthread_cond_timedwait(&r->wake, &r->lock, &until) != 0)
			break;
	}
	if (r->again)
		room_watch_limits(&r->watch, r->soft, r->hard);
	r->again = false;
	stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return !stop;
}

static void *run(void *arg)
{
	struct room *r = arg;

	pthread_setname_np(pthread_self(), "room");
	while (rest(r))
		look(r);
	return NULL;
}

static void on_async(uv_async_t *async)
{
	struct room *r = async->data;

	CHECK_TAG(r, ROOM_TAG);
	r->conf.changed(r->conf.arg);
}

static void init_sync(struct room *r)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &attr);
	pthread_condattr_destroy(&attr);
}

int room_open(const struct room_conf *conf, struct room **out, struct diag *d)
{
	struct room *r = calloc(1, sizeof *r);
	int rc;

	if (!r)
		return diag_set(d, -ENOMEM, "", -1, "no memory to watch the disk");
	r->tag = ROOM_TAG;
	r->conf = *conf;
	room_watch_init(&r->watch, &conf->watch);
	init_sync(r);
	rc = uv_async_init(conf->loop, &r->async, on_async);
	if (rc < 0) {
		free(r);
		return diag_set(d, rc, "", -1, "cannot watch the disk");
	}
	r->async.data = r;
	publish(r, room_watch_look(&r->watch));
	rc = -pthread_create(&r->thread, NULL, run, r);
	/* Start-up ends here, and the process with it: the handle needs no closing. */
	if (rc < 0)
		return diag_set(d, rc, "", -1, "cannot start the thread that watches the disk");
	*out = r;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct room *r = h->data;

	CHECK_TAG(r, ROOM_TAG);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	r->tag = 0;
	free(r);
}

void room_close(struct room **at)
{
	struct room *r = *at;

	if (!r)
		return;
	*at = NULL;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	pthread_join(r->thread, NULL);
	uv_close((uv_handle_t *)&r->async, on_closed);
}

void room_limits(struct room *r, int64_t soft, int64_t hard)
{
	pthread_mutex_lock(&r->lock);
	r->soft = soft;
	r->hard = hard;
	r->again = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

enum room_watch_state room_state(const struct room *r)
{
	return (enum room_watch_state)atomic_load_explicit(&r->state, memory_order_acquire);
}

void room_figures(struct room *r, struct room_watch_figures *out)
{
	pthread_mutex_lock(&r->lock);
	*out = r->figures;
	pthread_mutex_unlock(&r->lock);
}
