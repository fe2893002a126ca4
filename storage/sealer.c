#include "storage/sealer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/cursor.h"
#include "storage/partition.h"
#include "storage/publish.h"
#include "storage/retain_class.h"
#include "storage/row.h"
#include "storage/sealer_seal.h"
#include "storage/snapshot_int.h"

enum {
	/* sealer_wait looks at the journal so often: while rows are pending, and while none are. */
	LOOK_BUSY_MS = 100,
	LOOK_IDLE_MS = 1000,
	DAYS_FREE = 8,
	DAY_ROWS_MIN = 1024,
};

/* ---- life ---- */

static int open_merge(struct sealer *s, struct diag *d)
{
	const struct sealer_merge_conf conf = {
		.vfs = s->vfs,
		.dir = s->dir,
		.uuid = s->uuid,
		.manifest = s->manifest,
		.reader = s->reader,
		.pool = s->pool,
		.block_rows = SEALER_SEAL_BLOCK_ROWS,
	};

	return sealer_merge_open(&conf, &s->merge, d);
}

static int open_files(struct sealer *s, const struct store_conf *conf, struct diag *d)
{
	struct store_snapshot *snap = NULL;
	int rc = store_reader_open(conf, &s->reader, d);

	if (rc == 0)
		rc = store_reader_snapshot(s->reader, &snap, d);
	if (rc < 0)
		return rc;
	memcpy(s->uuid, snapshot_uuid(snap), sizeof s->uuid);
	store_snapshot_free(&snap);
	s->dir = s->vfs->open_dir(s->vfs->ctx, conf->dir);
	if (s->dir < 0)
		return diag_set(d, s->dir, conf->dir, -1, "open the data directory");
	rc = ctl_open(s->vfs, s->dir, s->uuid, CTL_WRITE, &s->ctl, d);
	if (rc == 0)
		rc = manifest_open(s->vfs, s->dir, s->uuid, s->ctl, &s->manifest, d);
	return rc < 0 ? rc : open_merge(s, d);
}

int sealer_open(const struct sealer_conf *conf, struct sealer **out, struct diag *d)
{
	const struct store_conf *store = conf->store;
	struct store_conf reading = *store;
	struct sealer *s = calloc(1, sizeof *s);
	const struct partition_conf groups = {
		.hour_rows_min = SEALER_SEAL_HOUR_ROWS,
		.day_rows_min = DAY_ROWS_MIN,
		.days_free = DAYS_FREE,
		.block_rows = SEALER_SEAL_BLOCK_ROWS,
	};
	pthread_condattr_t attr;
	int rc;

	if (!s)
		return diag_set(d, -ENOMEM, "", -1, "start the sealer");
	s->vfs = store->vfs ? store->vfs : vfs_real();
	s->seal_rows = store->seal_rows ? store->seal_rows : LIMIT_SEAL_ROWS;
	s->seal_bytes = store->seal_bytes ? store->seal_bytes : LIMIT_SEAL_BYTES;
	s->seal_age_ns = store->seal_age_ns ? store->seal_age_ns : SEALER_AGE_NS;
	s->writer = conf->writer;
	s->classes = conf->classes;
	s->dir = -1;
	buf_init(&s->scratch, SNAPSHOT_BATCH_BYTES_MAX);
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->cond, &attr);
	pthread_condattr_destroy(&attr);
	reading.tail_cache_bytes =
		1; /* rows are read in order, each a few times: no use in keeping them */
	s->pool = publish_pool_new();
	rc = s->pool ? partition_init(&s->part, &groups) : -ENOMEM;
	if (rc < 0)
		diag_set(d, rc, "", -1, "start the sealer");
	else
		rc = open_files(s, &reading, d);
	if (rc < 0)
		sealer_close(&s);
	else
		*out = s;
	return rc;
}

void sealer_close(struct sealer **at)
{
	struct sealer *s = *at;

	if (!s)
		return;
	sealer_merge_close(&s->merge);
	manifest_close(&s->manifest);
	ctl_close(&s->ctl);
	if (s->dir >= 0)
		s->vfs->close(s->vfs->ctx, s->dir);
	store_reader_close(&s->reader);
	publish_pool_free(&s->pool);
	partition_fini(&s->part);
	buf_fini(&s->scratch);
	pthread_cond_destroy(&s->cond);
	pthread_mutex_destroy(&s->lock);
	free(s);
	*at = NULL;
}

/* ---- when ---- */

/* How long ago the first unsealed row came, by its own word: only needed after a start. */
static int64_t age_by_row(struct sealer *s, const struct store_snapshot *snap)
{
	struct event ev;
	struct span rows;
	struct rcur c;
	int64_t age;

	if (snapshot_batch_rows(snap, 0, &s->scratch, &rows, NULL) < 0)
		return s->seal_age_ns;
	c = rcur_of(rows.p, rows.n);
	if (row_get(&c, &ev) < 0)
		return s->seal_age_ns;
	if (__builtin_sub_overflow(clock_wall_ns(), ev.received_ns, &age) || age < 0)
		return 0;
	return age < s->seal_age_ns ? age : s->seal_age_ns;
}

static void measure(struct sealer *s, const struct store_snapshot *snap)
{
	size_t n = snapshot_batch_count(snap);
	uint64_t oldest = n ? snapshot_batch(snap, 0)->id_min : 0;

	s->seen_id = snapshot_committed(snap);
	s->pending_rows = 0;
	s->pending_bytes = 0;
	for (size_t i = 0; i < n; i++) {
		s->pending_rows += snapshot_batch(snap, i)->rows_count;
		s->pending_bytes += snapshot_batch(snap, i)->rows_bytes;
	}
	if (oldest == s->oldest_id)
		return;
	s->oldest_id = oldest;
	s->oldest_mono_ns = clock_mono_ns();
	if (n && !s->dated)
		s->oldest_mono_ns -= age_by_row(s, snap);
	s->dated = true;
}

static bool is_due(const struct sealer *s, const struct store_snapshot *snap, bool force)
{
	bool any = s->pending_rows > 0;

	/* Ids that nobody can read any more hold the journal's files for nothing. */
	if (!any)
		return snapshot_committed(snap) > snapshot_sealed(snap);
	return force || s->pending_rows >= s->seal_rows || s->pending_bytes >= s->seal_bytes ||
	       clock_mono_ns() - s->oldest_mono_ns >= s->seal_age_ns;
}

/* ---- steps ---- */

/* The journal's own housekeeping; what fails here is tried again, and costs no event meanwhile. */
static void tend_journal(struct sealer *s)
{
	if (!s->writer)
		return;
	if (store_writer_retire(s->writer, manifest_sealed(s->manifest), NULL) == -ENOSPC &&
		store_writer_yield(s->writer, NULL) == 1)
		store_writer_retire(s->writer, manifest_sealed(s->manifest), NULL);
	store_writer_prepare(s->writer, NULL);
}

/*
 * A change whose writing failed may stand in the manifest all the same. Unless that is settled, and
 * readers told, before the rows are chosen, they would be sealed twice.
 */
static int settle(struct sealer *s, struct diag *d)
{
	int rc;

	if (!s->failed)
		return 0;
	rc = manifest_lock(s->manifest, d);
	if (rc < 0)
		return rc;
	rc = manifest_repair(s->manifest, d);
	manifest_unlock(s->manifest);
	return rc;
}

static int try_step(struct sealer *s, bool force, struct sealer_report *out, struct diag *d)
{
	struct store_snapshot *snap = NULL;
	int rc = settle(s, d);

	if (rc == 0)
		rc = store_reader_snapshot(s->reader, &snap, d);
	s->failed = rc < 0;
	if (rc < 0)
		return rc;
	measure(s, snap);
	if (is_due(s, snap, force)) {
		rc = sealer_seal_once(s, snap, out, d);
		s->failed = rc < 0;
		rc = rc < 0 ? rc : SEALER_DONE;
	} else {
		rc = SEALER_IDLE;
	}
	store_snapshot_free(&snap);
	return rc;
}

int sealer_step(struct sealer *s, bool force, struct sealer_report *out, struct diag *d)
{
	int rc = try_step(s, force, out, d);

	if (rc == -ENOSPC && s->writer && store_writer_yield(s->writer, NULL) == 1)
		rc = try_step(s, force, out, d);
	if (rc >= 0)
		tend_journal(s);
	return rc;
}

int sealer_tidy(struct sealer *s, struct sealer_merge_report *out, struct diag *d)
{
	return sealer_merge_step(s->merge, out, d);
}

uint64_t sealer_pending_rows(const struct sealer *s)
{
	return s->pending_rows;
}

uint64_t sealer_pending_bytes(const struct sealer *s)
{
	return s->pending_bytes;
}

/* ---- waiting ---- */

/* Enough for a seal by number of rows, as far as ctl tells. */
static bool many_pending(const struct sealer *s, bool *out_any)
{
	struct ctl_commit c;

	*out_any = s->pending_rows > 0;
	if (s->failed || ctl_commit(s->ctl, &c) < 0 || c.id <= s->seen_id)
		return false;
	*out_any = true;
	return c.id - s->seen_id + s->pending_rows >= s->seal_rows;
}

void sealer_wait(struct sealer *s, int timeout_ms)
{
	int64_t end_ns = clock_mono_ns() + timeout_ms * CLOCK_NS_PER_MS;
	bool any;

	pthread_mutex_lock(&s->lock);
	while (!s->woken && !many_pending(s, &any)) {
		int64_t look_ns =
			clock_mono_ns() + (any ? LOOK_BUSY_MS : LOOK_IDLE_MS) * CLOCK_NS_PER_MS;
		int64_t until_ns = look_ns < end_ns ? look_ns : end_ns;
		struct timespec ts = {
			.tv_sec = until_ns / CLOCK_NS_PER_SEC,
			.tv_nsec = until_ns % CLOCK_NS_PER_SEC,
		};

		if (pthread_cond_timedwait(&s->cond, &s->lock, &ts) == ETIMEDOUT &&
			until_ns == end_ns)
			break;
	}
	s->woken = false;
	pthread_mutex_unlock(&s->lock);
}

void sealer_wake(struct sealer *s)
{
	pthread_mutex_lock(&s->lock);
	s->woken = true;
	pthread_cond_signal(&s->cond);
	pthread_mutex_unlock(&s->lock);
}
