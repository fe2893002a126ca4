#include "query/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/svc/metrics.h"
#include "storage/block_pool.h"

enum { POOL_TAG = 0x504f4f4c };

struct list {
	struct pool_job *first, **end;
};

struct worker {
	struct pool *pool;
	struct engine *engine;
	pthread_t thread;
	bool started; /* there is a thread to join */
	pthread_cond_t wake;
	/* Under the pool's lock. */
	bool waits; /* for a job, or is about to, and was not woken for one */
	pid_t tid;
	int64_t busy_ns; /* since when, without a pause; 0: it waits */
	bool lowered;
	bool ended; /* lowered and without work: to be replaced */
};

struct pool {
	unsigned tag;
	pthread_mutex_t lock;
	struct list queue;      /* to run */
	struct list done;       /* to be done by the loop */
	struct pool_job *calls; /* of them that call for it; newest first */
	size_t queued;
	bool stop;
	uv_async_t async;
	uv_timer_t look; /* runs while jobs do */
	uv_check_t turn; /* the end of one */
	int handles;     /* of the three, not closed yet */
	size_t open;     /* jobs that are not done; the loop's */
	bool spared;     /* an engine, in this turn */
	struct worker *workers;
	unsigned workers_count;
	struct worker *last; /* that has done a job; under the lock */
};

static void list_init(struct list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void list_add(struct list *l, struct pool_job *job)
{
	job->next = NULL;
	*l->end = job;
	l->end = &job->next;
}

static struct pool_job *list_take(struct list *l)
{
	struct pool_job *job = l->first;

	if (!job)
		return NULL;
	l->first = job->next;
	if (!l->first)
		l->end = &l->first;
	return job;
}

/* ---------------------------------------------------------------- calls; the lock is held */

static void add_call(struct pool *p, struct pool_job *job)
{
	job->calls = true;
	job->next_call = p->calls;
	p->calls = job;
}

static void remove_call(struct pool *p, struct pool_job *job)
{
	struct pool_job **at = &p->calls;

	while (*at != job)
		at = &(*at)->next_call;
	*at = job->next_call;
	job->calls = false;
}

bool pool_call(struct pool *p, struct pool_job *job)
{
	bool first, others;

	pthread_mutex_lock(&p->lock);
	first = !job->calls;
	others = p->queue.first != NULL;
	if (first)
		add_call(p, job);
	pthread_mutex_unlock(&p->lock);
	if (first)
		uv_async_send(&p->async);
	return others;
}

/* ---------------------------------------------------------------- workers */

/* The next job, ready to run; NULL at the end of the pool or of this thread. The lock is held. */
static struct pool_job *next_job(struct worker *w)
{
	struct pool *p = w->pool;
	struct pool_job *job;

	while (!p->queue.first && !p->stop && !w->lowered) {
		w->busy_ns = 0;
		w->waits = true;
		pthread_cond_wait(&w->wake, &p->lock);
	}
	w->waits = false;
	job = list_take(&p->queue);
	if (!job)
		return NULL;
	p->queued--;
	if (w->busy_ns == 0)
		w->busy_ns = clock_mono_ns();
	job->engine = w->engine;
	engine_uncancel(w->engine);
	return job;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct pool *p = w->pool;
	struct pool_job *job;

	pthread_mutex_lock(&p->lock);
	w->tid = gettid();
	while ((job = next_job(w))) {
		bool canceled = job->canceled;

		pthread_mutex_unlock(&p->lock);
		if (!canceled) {
			job->run(job, w->engine);
			engine_rest(w->engine);
		}
		pthread_mutex_lock(&p->lock);
		/* From here on a cancel of this job does not reach the engine's next one. */
		job->engine = NULL;
		list_add(&p->done, job);
		w->waits = !p->queue.first && !w->lowered;
		p->last = w;
		/* Whom this wakes must not find the lock taken. */
		pthread_mutex_unlock(&p->lock);
		uv_async_send(&p->async);
		pthread_mutex_lock(&p->lock);
	}
	w->busy_ns = 0;
	w->waits = false;
	w->ended = true;
	uv_async_send(&p->async);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int start_thread(struct worker *w)
{
	int rc;

	ASSERT(!w->started);
	w->lowered = false;
	w->ended = false;
	w->waits = true;
	rc = pthread_create(&w->thread, NULL, work, w);
	w->started = rc == 0;
	return -rc;
}

static void end_thread(struct worker *w)
{
	if (w->started)
		pthread_join(w->thread, NULL);
	w->started = false;
}

static bool wake(struct worker *w)
{
	if (!w || !w->waits)
		return false;
	w->waits = false;
	pthread_cond_signal(&w->wake);
	return true;
}

/*
 * The worker that was busy last, if it waits: jobs one after another are mostly one worker's, whose memory is
 * warm, and that of others stays untouched. The lock is held.
 */
static void wake_worker(struct pool *p)
{
	bool woken = wake(p->last);

	for (unsigned i = 0; i < p->workers_count && !woken; i++)
		woken = wake(&p->workers[i]);
}

/* ---------------------------------------------------------------- fairness; the loop's side */

/* Lowers who has been busy for long. Whether anybody is busy. The lock is held. */
static bool lower_workers(struct pool *p)
{
	int64_t patience_ms = p->queue.first ? POOL_FAIR_MS : POOL_LONG_MS;
	int64_t since_ns = clock_mono_ns() - patience_ms * CLOCK_NS_PER_MS;
	bool busy = false;

	for (unsigned i = 0; i < p->workers_count; i++) {
		struct worker *w = &p->workers[i];

		busy |= w->busy_ns != 0;
		if (w->lowered || w->busy_ns == 0 || w->busy_ns > since_ns)
			continue;
		setpriority(PRIO_PROCESS, (id_t)w->tid, POOL_NICE);
		engine_lower(w->engine, POOL_NICE);
		w->lowered = true;
		metrics_inc(METRICS_QUERY_LOWERED);
	}
	return busy;
}

/* Where a new thread cannot be had now, the timer tries again. */
static void replace_workers(struct pool *p)
{
	for (unsigned i = 0; i < p->workers_count; i++) {
		struct worker *w = &p->workers[i];
		bool ended;

		pthread_mutex_lock(&p->lock);
		ended = w->ended && !p->stop;
		pthread_mutex_unlock(&p->lock);
		if (!ended)
			continue;
		end_thread(w);
		if (start_thread(w) < 0)
			w->ended = true;
	}
}

static void on_look(uv_timer_t *timer)
{
	struct pool *p = timer->data;

	CHECK_TAG(p, POOL_TAG);
	replace_workers(p);
	pthread_mutex_lock(&p->lock);
	if (!lower_workers(p) && !p->queue.first)
		uv_timer_stop(timer);
	pthread_mutex_unlock(&p->lock);
	/* Long work in one piece, a sort or a join, looks at nothing itself. */
	block_pool_look();
}

/* ---------------------------------------------------------------- the loop's side */

/* The next job that calls, or else that is to be done: *out_called tells which. */
static struct pool_job *next_for_loop(struct pool *p, bool *out_called)
{
	struct pool_job *job;

	pthread_mutex_lock(&p->lock);
	job = p->calls;
	*out_called = job != NULL;
	if (job)
		remove_call(p, job);
	else
		job = list_take(&p->done);
	pthread_mutex_unlock(&p->lock);
	return job;
}

static void on_async(uv_async_t *async)
{
	struct pool *p = async->data;
	struct pool_job *job;
	bool called;

	CHECK_TAG(p, POOL_TAG);
	while ((job = next_for_loop(p, &called))) {
		if (called) {
			job->called(job);
			continue;
		}
		p->open--;
		job->done(job);
	}
	replace_workers(p);
}

static int submit(struct pool *p, struct pool_job *job, size_t queue_max)
{
	int rc = 0;

	CHECK_TAG(p, POOL_TAG);
	job->canceled = job->calls = false;
	job->engine = NULL;
	pthread_mutex_lock(&p->lock);
	ASSERT(!p->stop);
	if (p->queued >= queue_max) {
		rc = ERR_LIMIT;
	} else {
		list_add(&p->queue, job);
		p->queued++;
		wake_worker(p);
	}
	pthread_mutex_unlock(&p->lock);
	p->open += rc == 0;
	if (!uv_is_active((uv_handle_t *)&p->look))
		uv_timer_start(&p->look, on_look, POOL_FAIR_MS, POOL_FAIR_MS / 2);
	return rc;
}

int pool_submit(struct pool *p, struct pool_job *job)
{
	return submit(p, job, LIMIT_QUERY_QUEUE);
}

void pool_resubmit(struct pool *p, struct pool_job *job)
{
	int rc = submit(p, job, SIZE_MAX);

	ASSERT(rc == 0);
}

void pool_cancel(struct pool *p, struct pool_job *job)
{
	CHECK_TAG(p, POOL_TAG);
	pthread_mutex_lock(&p->lock);
	job->canceled = true;
	if (job->engine)
		engine_cancel(job->engine);
	pthread_mutex_unlock(&p->lock);
}

static void on_turn(uv_check_t *turn)
{
	struct pool *p = turn->data;

	p->spared = false;
}

/* With no job under way, all that workers did with their engines was done before the last one's end. */
struct engine *pool_spare_engine(struct pool *p)
{
	CHECK_TAG(p, POOL_TAG);
	if (p->open > 0 || p->spared)
		return NULL;
	p->spared = true;
	engine_uncancel(p->workers[0].engine);
	return p->workers[0].engine;
}

size_t pool_queued(struct pool *p)
{
	size_t n;

	pthread_mutex_lock(&p->lock);
	n = p->queued;
	pthread_mutex_unlock(&p->lock);
	return n;
}

/* ---------------------------------------------------------------- life */

static void on_closed(uv_handle_t *h)
{
	struct pool *p = h->data;

	if (--p->handles > 0)
		return;
	pthread_mutex_destroy(&p->lock);
	p->tag = 0;
	free(p->workers);
	free(p);
}

static int start_worker(struct pool *p)
{
	struct worker *w = &p->workers[p->workers_count];
	int rc;

	w->pool = p;
	w->engine = engine_new();
	if (!w->engine)
		return -ENOMEM;
	pthread_cond_init(&w->wake, NULL);
	rc = start_thread(w);
	if (rc == 0) {
		p->workers_count++;
		return 0;
	}
	pthread_cond_destroy(&w->wake);
	engine_free(&w->engine);
	return rc;
}

int pool_new(uv_loop_t *loop, unsigned threads, struct pool **out, struct diag *d)
{
	struct pool *p = calloc(1, sizeof *p);
	int rc = 0;

	ASSERT(threads > 0);
	if (p)
		p->workers = calloc(threads, sizeof p->workers[0]);
	if (!p || !p->workers) {
		free(p);
		return diag_set(d, -ENOMEM, "", -1, "no memory for the query threads");
	}
	p->tag = POOL_TAG;
	pthread_mutex_init(&p->lock, NULL);
	list_init(&p->queue);
	list_init(&p->done);
	uv_async_init(loop, &p->async, on_async);
	uv_timer_init(loop, &p->look);
	uv_check_init(loop, &p->turn);
	p->async.data = p->look.data = p->turn.data = p;
	p->handles = 3;
	uv_check_start(&p->turn, on_turn);
	/* It keeps no loop alive. */
	uv_unref((uv_handle_t *)&p->turn);
	for (unsigned i = 0; i < threads && rc == 0; i++)
		rc = start_worker(p);
	if (rc < 0) {
		pool_free(&p);
		return diag_set(d, rc, "", -1, "cannot start the query threads");
	}
	*out = p;
	return 0;
}

void pool_free(struct pool **pp)
{
	struct pool *p = *pp;

	if (!p)
		return;
	CHECK_TAG(p, POOL_TAG);
	pthread_mutex_lock(&p->lock);
	ASSERT(!p->queue.first);
	p->stop = true;
	for (unsigned i = 0; i < p->workers_count; i++)
		pthread_cond_signal(&p->workers[i].wake);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->workers_count; i++) {
		end_thread(&p->workers[i]);
		pthread_cond_destroy(&p->workers[i].wake);
		engine_free(&p->workers[i].engine);
	}
	ASSERT(!p->done.first);
	uv_close((uv_handle_t *)&p->async, on_closed);
	uv_close((uv_handle_t *)&p->look, on_closed);
	uv_close((uv_handle_t *)&p->turn, on_closed);
	*pp = NULL;
}
