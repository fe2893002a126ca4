#include "collector/seal.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/svc/logger.h"
#include "storage/sealer.h"

enum {
	SEAL_TAG = 0x5345414c,
	WAIT_MS = 1000,
	RETRY_LAST_MS = 30000,
	/* Of the thread alone: sealing takes what the other threads leave of the processors. */
	SEAL_NICE = 10,
	/* At the end a failing seal is not worth more than this. */
	FINISH_TRIES = 2,
	/* Allocations of this size are mapped, so that freed ones leave no hole in the heap. */
	BIG_BYTES = 256 << 10,
};

struct seal {
	unsigned tag;
	struct seal_conf conf;
	struct sealer *sealer; /* the thread's, but for wake */
	pthread_t thread;
	uv_async_t done;
	pthread_mutex_t lock;
	pthread_cond_t ending;
	struct seal_counts counts; /* under the lock */
	_Atomic bool failing;
	_Atomic bool stop;
	_Atomic bool seal_all;
	_Atomic bool all; /* how it ended */
	bool told;
};

static void note_pending(struct seal *s)
{
	pthread_mutex_lock(&s->lock);
	s->counts.pending_rows = sealer_pending_rows(s->sealer);
	s->counts.pending_bytes = sealer_pending_bytes(s->sealer);
	pthread_mutex_unlock(&s->lock);
}

static void note_done(struct seal *s, const struct sealer_report *r)
{
	pthread_mutex_lock(&s->lock);
	s->counts.seals++;
	s->counts.rows += r->rows_count;
	s->counts.segments += r->segments_count;
	s->counts.raw_bytes += r->raw_bytes;
	s->counts.file_bytes += r->file_bytes;
	s->counts.sealed_id = r->sealed_id;
	s->counts.lost_ids += r->lost_ids;
	s->counts.took_ns += r->took_ns;
	pthread_mutex_unlock(&s->lock);
	if (r->lost_ids > 0)
		LOGGER(LOGGER_ERROR, "seal", "unreadable events in the journal were stepped over",
			LOGGER_UINT("events", r->lost_ids), LOGGER_DIAG(&r->damage));
	LOGGER(LOGGER_INFO, "seal", "sealed", LOGGER_UINT("events", r->rows_count),
		LOGGER_UINT("segments", r->segments_count), LOGGER_UINT("bytes", r->file_bytes),
		LOGGER_UINT("through", r->sealed_id), LOGGER_NS("seconds", r->took_ns));
	if (atomic_exchange(&s->failing, false))
		LOGGER(LOGGER_NOTICE, "seal", "works again");
}

static void note_failure(struct seal *s, const struct diag *d)
{
	pthread_mutex_lock(&s->lock);
	s->counts.failures++;
	pthread_mutex_unlock(&s->lock);
	if (atomic_exchange(&s->failing, true))
		return;
	LOGGER(LOGGER_ERROR, "seal",
		"cannot make segments; events stay in the journal until it works again",
		LOGGER_DIAG(d));
}

static void note_merge(struct seal *s, const struct sealer_merge_report *r)
{
	pthread_mutex_lock(&s->lock);
	s->counts.merges++;
	s->counts.merged_segments += r->segments_before;
	s->counts.merge_took_ns += r->took_ns;
	pthread_mutex_unlock(&s->lock);
	LOGGER(LOGGER_INFO, "seal", "merged", LOGGER_UINT("segments", r->segments_before),
		LOGGER_UINT("into", r->segments_after), LOGGER_UINT("events", r->rows_count),
		LOGGER_UINT("bytes", r->bytes_after), LOGGER_NS("seconds", r->took_ns));
}

static void note_merge_failure(struct seal *s, const struct diag *d)
{
	pthread_mutex_lock(&s->lock);
	s->counts.merge_failures++;
	pthread_mutex_unlock(&s->lock);
	LOGGER(LOGGER_WARNING, "seal", "cannot merge small segments; they stay as they are",
		LOGGER_DIAG(d));
}

/* True: merging goes on, or may. */
static bool tidy(struct seal *s)
{
	struct sealer_merge_report report = { 0 };
	struct diag d = { 0 };
	int rc = sealer_tidy(s->sealer, &report, &d);

	if (rc < 0)
		note_merge_failure(s, &d);
	else if (rc == SEALER_MERGE_DONE)
		note_merge(s, &report);
	return rc > 0;
}

static int step(struct seal *s, bool force)
{
	struct sealer_report report = { 0 };
	struct diag d = { 0 };
	int rc = sealer_step(s->sealer, force, &report, &d);

	if (rc < 0)
		note_failure(s, &d);
	else if (rc == SEALER_DONE)
		note_done(s, &report);
	note_pending(s);
	return rc;
}

static bool finish(struct seal *s)
{
	unsigned failures = 0;
	int rc;

	do {
		rc = step(s, true);
		failures += rc < 0;
	} while (rc == SEALER_DONE || (rc < 0 && failures < FINISH_TRIES));
	return rc == SEALER_IDLE;
}

/* After a failure something is due all the time, so that sealer_wait would not wait. */
static void rest(struct seal *s, int ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	pthread_mutex_lock(&s->lock);
	while (!atomic_load(&s->stop)) {
		if (pthread_cond_timedwait(&s->ending, &s->lock, &until) != 0)
			break;
	}
	pthread_mutex_unlock(&s->lock);
}

static void *run(void *arg)
{
	struct seal *s = arg;
	int pause_ms = WAIT_MS;

	pthread_setname_np(pthread_self(), "sealer");
	/* What waits in a socket's buffer cannot wait long; what is in the journal can. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), SEAL_NICE);
	while (!atomic_load(&s->stop)) {
		int rc = step(s, false);

		if (rc == SEALER_IDLE) {
			if (!tidy(s))
				sealer_wait(s->sealer, WAIT_MS);
		} else if (rc < 0) {
			rest(s, pause_ms);
			pause_ms = pause_ms < RETRY_LAST_MS / 2 ? 2 * pause_ms : RETRY_LAST_MS;
			continue;
		}
		pause_ms = WAIT_MS;
	}
	atomic_store(&s->all, atomic_load(&s->seal_all) && finish(s));
	uv_async_send(&s->done);
	return NULL;
}

static void on_done(uv_async_t *done)
{
	struct seal *s = done->data;

	CHECK_TAG(s, SEAL_TAG);
	if (s->told)
		return;
	s->told = true;
	s->conf.finished(s->conf.arg, atomic_load(&s->all));
}

static void init_sync(struct seal *s)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->ending, &attr);
	pthread_condattr_destroy(&attr);
}

int seal_open(const struct seal_conf *conf, struct seal **out, struct diag *d)
{
	const struct sealer_conf sealer = {
		.store = conf->store, .writer = conf->writer, .classes = conf->classes
	};
	struct seal *s = calloc(1, sizeof *s);
	int rc;

	/* Blocks and what encodes them come and go: their memory is to go back when they do. */
	mallopt(M_MMAP_THRESHOLD, BIG_BYTES);
	if (!s)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the sealer");
	s->tag = SEAL_TAG;
	s->conf = *conf;
	s->conf.store = NULL; /* only open needed it */
	rc = sealer_open(&sealer, &s->sealer, d);
	if (rc < 0) {
		free(s);
		return rc;
	}
	init_sync(s);
	rc = uv_async_init(conf->loop, &s->done, on_done);
	s->done.data = s;
	if (rc == 0)
		rc = -pthread_create(&s->thread, NULL, run, s);
	if (rc < 0) {
		/* Start-up ends here, and the process with it: the handle needs no closing. */
		sealer_close(&s->sealer);
		return diag_set(d, rc, "", -1, "cannot start the sealer thread");
	}
	*out = s;
	return 0;
}

void seal_finish(struct seal *s, bool all)
{
	atomic_store(&s->seal_all, all);
	pthread_mutex_lock(&s->lock);
	atomic_store(&s->stop, true);
	pthread_cond_signal(&s->ending);
	pthread_mutex_unlock(&s->lock);
	sealer_wake(s->sealer);
}

static void on_closed(uv_handle_t *h)
{
	struct seal *s = h->data;

	CHECK_TAG(s, SEAL_TAG);
	pthread_cond_destroy(&s->ending);
	pthread_mutex_destroy(&s->lock);
	s->tag = 0;
	free(s);
}

void seal_close(struct seal **at)
{
	struct seal *s = *at;

	if (!s)
		return;
	*at = NULL;
	pthread_join(s->thread, NULL);
	sealer_close(&s->sealer);
	uv_close((uv_handle_t *)&s->done, on_closed);
}

void seal_counts(struct seal *s, struct seal_counts *out)
{
	pthread_mutex_lock(&s->lock);
	*out = s->counts;
	pthread_mutex_unlock(&s->lock);
}

bool seal_failing(struct seal *s)
{
	return atomic_load(&s->failing);
}
