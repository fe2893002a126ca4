/*
 * commit_journal - the journal thread: takes every batch that is closed, appends them all, syncs
 * once, and says up to which number they are durable.
 *
 * When something fails, everything since the last sync is forgotten by the store and appended again.
 * The batches before the one that failed go first, by themselves, so that a batch the disk has no
 * room for does not hold up those that fit.
 */
#include "collector/commit_int.h"

#include <inttypes.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/svc/logger.h"

enum { RETRY_FIRST_MS = 100 };

/* ---------------------------------------------------------------- one try */

static int append_rows(struct commit *c, struct commit_slot *s, struct diag *d)
{
	struct store_batch b = { .rows = s->rows,
		.rows_bytes = s->rows_bytes,
		.rows_count = s->rows_count,
		.time_min_ns = s->time_min_ns,
		.time_max_ns = s->time_max_ns,
		.chunks = s->chunks,
		.chunks_count = s->chunks_count };

	s->first_id = store_writer_next(c->conf.writer);
	return store_writer_append(c->conf.writer, &b, d);
}

/* A frame on disk becomes a row of batches, of which the last one carries its chunk id. */
static int append_spill(struct commit *c, struct commit_slot *s, struct diag *d)
{
	struct store_batch b;
	int rc;

	spill_rewind(s->spill);
	s->first_id = store_writer_next(c->conf.writer);
	for (;;) {
		rc = spill_get(s->spill, c->spill_rows, COMMIT_SLOT_BYTES, &b, d);
		if (rc <= 0)
			break;
		if (!b.more) {
			b.chunks = s->chunks;
			b.chunks_count = s->chunks_count;
		}
		rc = store_writer_append(c->conf.writer, &b, d);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		atomic_store(&c->fatal, true);
	return rc;
}

static int sync_all(struct commit *c, struct diag *d)
{
	int64_t began = clock_mono_ns();
	uint64_t committed;
	int rc = store_writer_commit(c->conf.writer, &committed, d);

	atomic_fetch_add_explicit(
		&c->sync_ns, (uint64_t)(clock_mono_ns() - began), memory_order_relaxed);
	atomic_fetch_add_explicit(&c->syncs, 1, memory_order_relaxed);
	if (rc == 0)
		atomic_store_explicit(&c->last_id, committed, memory_order_relaxed);
	return rc;
}

/* Appends the batches first..last and syncs. *out_failed is the one that could not be appended, or last. */
static int try_store(
	struct commit *c, uint64_t first, uint64_t last, uint64_t *out_failed, struct diag *d)
{
	for (uint64_t n = first; n <= last; n++) {
		struct commit_slot *s = commit_slot(c, n);
		int rc;

		ASSERT(s->number == n);
		rc = s->spill ? append_spill(c, s, d) : append_rows(c, s, d);
		if (rc < 0) {
			*out_failed = n;
			return rc;
		}
	}
	*out_failed = last;
	return sync_all(c, d);
}

/* ---------------------------------------------------------------- trying again */

static void report_failure(struct commit *c, const struct diag *d)
{
	atomic_fetch_add_explicit(&c->failures, 1, memory_order_relaxed);
	if (atomic_exchange(&c->failing, true))
		return;
	LOGGER(LOGGER_ERROR, "journal",
		"cannot make events durable; nothing is acknowledged until it works again",
		LOGGER_DIAG(d));
}

static void report_success(struct commit *c, int64_t since_ns)
{
	if (!atomic_exchange(&c->failing, false))
		return;
	LOGGER(LOGGER_NOTICE, "journal", "works again; everything that waited is stored",
		LOGGER_NS("seconds", clock_mono_ns() - since_ns));
}

/* False when the process wants to end instead. */
static bool pause_before(struct commit *c, unsigned tries)
{
	unsigned ms = RETRY_FIRST_MS;
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	for (unsigned i = 1; i < tries && ms < LIMIT_COMMIT_RETRY_MS; i++)
		ms *= 2;
	if (ms > LIMIT_COMMIT_RETRY_MS)
		ms = LIMIT_COMMIT_RETRY_MS;
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&c->lock);
	while (!c->stop && tries > 0) {
		if (pthread_cond_timedwait(&c->changed, &c->lock, &until) != 0)
			break;
	}
	stop = c->stop;
	pthread_mutex_unlock(&c->lock);
	return !stop;
}

/* A fresh journal file, or nothing half-appended in the old one. False when the process ends. */
static bool restart(struct commit *c, unsigned *tries, struct diag *d)
{
	for (;;) {
		/* The spare is ready in most cases: the first try needs no pause. */
		if (!pause_before(c, *tries))
			return false;
		++*tries;
		if (store_writer_restart(c->conf.writer, d) == 0)
			return true;
		report_failure(c, d);
	}
}

static void publish(struct commit *c, uint64_t first, uint64_t last)
{
	for (uint64_t n = first; n <= last; n++)
		spill_close(&commit_slot(c, n)->spill);
	atomic_store_explicit(&c->durable, last, memory_order_release);
	pthread_mutex_lock(&c->lock);
	/* Before the loop is woken: seeing the thread idle, it hands over what it holds. */
	atomic_store(&c->idle, c->closed == last);
	pthread_mutex_unlock(&c->lock);
	uv_async_send(&c->wake);
}

/* True when all are durable; false when the process ends, or must. */
static bool store_all(struct commit *c, uint64_t first, uint64_t last)
{
	int64_t began = clock_mono_ns();
	uint64_t upto = last, failed;
	unsigned tries = 0;
	struct diag d;

	while (first <= last) {
		if (try_store(c, first, upto, &failed, &d) == 0) {
			/* Before the loop is woken: what is durable is no longer failing. */
			if (upto == last)
				report_success(c, began);
			publish(c, first, upto);
			first = upto + 1;
			upto = last;
			continue;
		}
		report_failure(c, &d);
		if (atomic_load(&c->fatal))
			return false;
		if (!restart(c, &tries, &d))
			return false;
		upto = failed > first ? failed - 1 : failed;
	}
	return true;
}

/* ---------------------------------------------------------------- the thread */

/* The number of the last batch closed; `done` itself when the process ends. */
static uint64_t wait_for_work(struct commit *c, uint64_t done)
{
	uint64_t closed;

	pthread_mutex_lock(&c->lock);
	while (c->closed == done && !c->stop)
		pthread_cond_wait(&c->changed, &c->lock);
	closed = c->closed;
	atomic_store(&c->idle, false);
	pthread_mutex_unlock(&c->lock);
	return closed;
}

void *commit_journal_run(void *arg)
{
	struct commit *c = arg;
	uint64_t done = 0, last;

	pthread_setname_np(pthread_self(), "journal");
	while ((last = wait_for_work(c, done)) > done) {
		if (!store_all(c, done + 1, last))
			break;
		done = last;
	}
	if (atomic_load(&c->fatal))
		uv_async_send(&c->wake);
	return NULL;
}
