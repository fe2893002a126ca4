#include "query/helper.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/base/check.h"

enum { HELPER_TAG = 0x48454c50 };

struct helper {
	unsigned tag;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* of the thread */
	pthread_cond_t done; /* of who joins */
	pthread_t thread;
	bool started; /* there is a thread to join */
	/* Under the lock. */
	pid_t tid; /* 0: no thread, or one that has not begun */
	int nice;
	void (*work)(void *arg); /* NULL: nothing to do */
	void *arg;
	bool stop;
};

static void *run(void *arg)
{
	struct helper *h = arg;

	pthread_mutex_lock(&h->lock);
	h->tid = gettid();
	for (;;) {
		while (!h->work && !h->stop)
			pthread_cond_wait(&h->wake, &h->lock);
		if (!h->work)
			break;
		pthread_mutex_unlock(&h->lock);
		h->work(h->arg);
		pthread_mutex_lock(&h->lock);
		h->work = NULL;
		pthread_cond_signal(&h->done);
	}
	h->tid = 0;
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

static void end_thread(struct helper *h)
{
	if (!h->started)
		return;
	pthread_mutex_lock(&h->lock);
	ASSERT(!h->work);
	h->stop = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	h->started = false;
	h->stop = false;
}

struct helper *helper_new(void)
{
	struct helper *h = calloc(1, sizeof *h);

	if (!h)
		return NULL;
	h->tag = HELPER_TAG;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->wake, NULL);
	pthread_cond_init(&h->done, NULL);
	return h;
}

void helper_free(struct helper **hp)
{
	struct helper *h = *hp;

	if (!h)
		return;
	CHECK_TAG(h, HELPER_TAG);
	end_thread(h);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->wake);
	pthread_cond_destroy(&h->done);
	h->tag = 0;
	free(h);
	*hp = NULL;
}

/* A thread of the caller's priority, which a new one has by itself. */
static bool has_thread(struct helper *h)
{
	int nice = getpriority(PRIO_PROCESS, 0);
	bool same;

	pthread_mutex_lock(&h->lock);
	same = h->nice == nice;
	pthread_mutex_unlock(&h->lock);
	if (h->started && same)
		return true;
	end_thread(h);
	h->nice = nice;
	h->started = pthread_create(&h->thread, NULL, run, h) == 0;
	return h->started;
}

bool helper_start(struct helper *h, void (*work)(void *arg), void *arg)
{
	CHECK_TAG(h, HELPER_TAG);
	if (!has_thread(h))
		return false;
	pthread_mutex_lock(&h->lock);
	ASSERT(!h->work);
	h->work = work;
	h->arg = arg;
	pthread_mutex_unlock(&h->lock);
	pthread_cond_signal(&h->wake);
	return true;
}

void helper_join(struct helper *h)
{
	CHECK_TAG(h, HELPER_TAG);
	pthread_mutex_lock(&h->lock);
	while (h->work)
		pthread_cond_wait(&h->done, &h->lock);
	pthread_mutex_unlock(&h->lock);
}

void helper_lower(struct helper *h, int nice)
{
	CHECK_TAG(h, HELPER_TAG);
	pthread_mutex_lock(&h->lock);
	if (h->tid && nice > h->nice) {
		setpriority(PRIO_PROCESS, (id_t)h->tid, nice);
		h->nice = nice;
	}
	pthread_mutex_unlock(&h->lock);
}
