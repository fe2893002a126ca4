/*
 * A seal reads its rows at least twice: once to count what falls into which hour, then once for each
 * pass. A pass writes as many segments at a time as memory and descriptors allow; rows of one hour, the
 * usual case, need one. All segments of all passes become visible by one change at the end.
 */
#include "storage/sealer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "storage/partition.h"
#include "storage/publish.h"
#include "storage/recover.h"
#include "storage/retain_class.h"
#include "storage/row.h"
#include "storage/snapshot_int.h"

enum {
	/* Segments written at a time: each holds a descriptor. */
	PASS_SEGMENTS_MAX = 16,
	/* sealer_wait looks at the journal so often: while rows are pending, and while none are. */
	LOOK_BUSY_MS = 100,
	LOOK_IDLE_MS = 1000,
	/* An hour with so many rows of one seal gets a segment of its own. */
	HOUR_ROWS_MIN = 1 << 20,
	/* Beyond the fullest days a day with fewer rows gets none. */
	DAYS_FREE = 8,
	DAY_ROWS_MIN = 1024,
	GROUP_NOT_NOW = -1,
	NODE_SHIFT = 48,
};

struct sealer {
	const struct vfs *vfs;
	uint64_t seal_rows;
	uint64_t seal_bytes;
	int64_t seal_age_ns;
	struct store_writer *writer;
	const struct retain_class_set *classes;
	struct store_reader *reader;
	int dir;
	uint8_t uuid[16];
	struct ctl *ctl;
	struct manifest *manifest;
	struct sealer_merge *merge;
	struct partition part;
	struct buf scratch;

	uint64_t pending_rows;
	uint64_t pending_bytes;
	uint64_t oldest_id;     /* first unsealed row, 0: none ... */
	int64_t oldest_mono_ns; /* ... and since when */
	bool dated;             /* oldest_mono_ns was set before */
	uint64_t seen_id;       /* committed when that was looked at */
	bool failed;            /* the last step did: the wait is for its own sake */

	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool woken; /* under the lock */
};

/* One seal: the first batches_count batches of a snapshot. */
struct seal {
	struct sealer *s;
	struct store_snapshot *snap;
	struct publish *publish;
	size_t batches_count;
	bool *unreadable; /* batches that are stepped over */
	uint64_t end_id;
	uint64_t rows_written;
	int groups[LIMIT_SEAL_SEGMENTS]; /* of publish, by group of the partition */
	struct sealer_report report;
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
		.hour_rows_min = HOUR_ROWS_MIN,
		.day_rows_min = DAY_ROWS_MIN,
		.days_free = DAYS_FREE,
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
	rc = partition_init(&s->part, &groups);
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

/* ---- one seal ---- */

/* The oldest batches, up to the size of one seal; at least one if there is any. */
static void choose_range(struct seal *seal)
{
	const struct sealer *s = seal->s;
	size_t n = snapshot_batch_count(seal->snap), i = 0;
	uint64_t rows = 0, bytes = 0;

	for (; i < n && rows < s->seal_rows && bytes < s->seal_bytes; i++) {
		rows += snapshot_batch(seal->snap, i)->rows_count;
		bytes += snapshot_batch(seal->snap, i)->rows_bytes;
	}
	seal->batches_count = i;
	seal->end_id =
		i < n ? snapshot_batch(seal->snap, i - 1)->id_max : snapshot_committed(seal->snap);
}

/* Keeps the damaged journal file for a person to look at. A name outside journal/ is none of ours. */
static void quarantine(const struct sealer *s, const char *file)
{
	if (strncmp(file, "journal/", 8) == 0)
		recover_quarantine(s->vfs, s->dir, file, true, NULL);
}

static void note_lost(struct seal *seal, uint64_t count, const struct diag *why)
{
	seal->report.lost_ids += count;
	quarantine(seal->s, why->file);
	if (seal->report.damage.code == 0)
		seal->report.damage = *why;
}

/* Ids that no batch has, in damaged records. A step to another node's ids is no gap. */
static void note_gaps(struct seal *seal)
{
	const struct snapshot_damage *damage = snapshot_damage(seal->snap);
	uint64_t next = snapshot_sealed(seal->snap) + 1;

	if (damage->lost_ids == 0)
		return;
	for (size_t i = 0; i <= seal->batches_count; i++) {
		bool end = i == seal->batches_count;
		uint64_t id = end ? seal->end_id + 1 : snapshot_batch(seal->snap, i)->id_min;

		if (id > next && id >> NODE_SHIFT == next >> NODE_SHIFT)
			note_lost(seal, id - next, &damage->first);
		if (!end)
			next = snapshot_batch(seal->snap, i)->id_max + 1;
	}
}

/* Calls row for each event of a batch, in order of their ids. */
static int each_row(struct seal *seal, size_t batch,
	int (*row)(struct seal *, struct event *, size_t bytes, struct diag *), struct diag *d)
{
	const struct snapshot_batch *b = snapshot_batch(seal->snap, batch);
	struct span rows;
	struct rcur c;
	int rc = snapshot_batch_rows(seal->snap, batch, &seal->s->scratch, &rows, d);

	if (rc < 0)
		return rc;
	c = rcur_of(rows.p, rows.n);
	for (uint32_t i = 0; i < b->rows_count && rc == 0; i++) {
		size_t left = rcur_left(&c);
		struct event ev;

		rc = row_get(&c, &ev);
		if (rc < 0)
			return diag_set(d, ERR_CORRUPT, "journal", -1, "row of an unsealed batch");
		ev.id = b->id_min + i;
		rc = row(seal, &ev, left - rcur_left(&c), d);
	}
	return rc;
}

static int count_row(struct seal *seal, struct event *ev, size_t bytes, struct diag *d)
{
	int rc = partition_count(
		&seal->s->part, retain_class_of(seal->s->classes, ev), ev->time_ns, bytes);

	if (rc < 0)
		return diag_set(d, rc, "", -1, "count the rows of a seal");
	seal->report.rows_count++;
	seal->report.raw_bytes += bytes;
	return 0;
}

static int count_rows(struct seal *seal, struct diag *d)
{
	partition_reset(&seal->s->part);
	for (size_t i = 0; i < seal->batches_count; i++) {
		uint64_t before = seal->report.rows_count;
		struct diag why = { 0 };
		int rc = each_row(seal, i, count_row, &why);

		if (rc == ERR_CORRUPT && seal->report.rows_count == before) {
			seal->unreadable[i] = true;
			note_lost(seal, snapshot_batch(seal->snap, i)->rows_count, &why);
		} else if (rc < 0) {
			if (d)
				*d = why;
			return rc;
		}
	}
	return partition_plan(&seal->s->part) < 0
		       ? diag_set(d, -ENOMEM, "", -1, "plan the segments of a seal")
		       : 0;
}

static const char *class_name(const struct sealer *s, unsigned class_idx)
{
	return retain_class_name(s->classes, class_idx);
}

/* Begins the segments of a pass, groups first..next-1. */
static int begin_pass(struct seal *seal, unsigned first, unsigned next, struct diag *d)
{
	for (unsigned i = first; i < next; i++) {
		const struct partition_group *g = &seal->s->part.groups[i];
		const struct publish_place place = {
			.class_name = class_name(seal->s, g->class_idx),
			.day = g->day,
			.hour = g->hour,
		};
		unsigned group;
		int rc = publish_begin(seal->publish, &place, &group, d);

		if (rc < 0)
			return rc;
		seal->groups[i] = (int)group;
	}
	return 0;
}

static int write_row(struct seal *seal, struct event *ev, size_t bytes, struct diag *d)
{
	int group = seal->groups[partition_of(
		&seal->s->part, retain_class_of(seal->s->classes, ev), ev->time_ns)];

	(void)bytes;
	if (group == GROUP_NOT_NOW)
		return 0;
	seal->rows_written++;
	return publish_append(seal->publish, (unsigned)group, ev, d);
}

static int write_pass(struct seal *seal, unsigned first, unsigned next, struct diag *d)
{
	int rc = 0;

	for (size_t i = 0; i < seal->batches_count && rc == 0; i++) {
		if (!seal->unreadable[i])
			rc = each_row(seal, i, write_row, d);
	}
	for (unsigned i = first; i < next && rc == 0; i++) {
		rc = publish_finish(seal->publish, (unsigned)seal->groups[i], d);
		seal->groups[i] = GROUP_NOT_NOW;
	}
	return rc;
}

/* The least a failed write to a full LIMIT_SEGMENTS costs is all the work: look before. */
static int check_room(const struct sealer *s, struct diag *d)
{
	size_t live;
	int rc = manifest_refresh(s->manifest, d);

	if (rc < 0)
		return rc;
	manifest_segments(s->manifest, &live);
	if (live + s->part.groups_count <= LIMIT_SEGMENTS)
		return 0;
	return diag_set(d, ERR_LIMIT, "manifest", -1,
		"seal beside %zu live segments: run astrocompact --merge", live);
}

static int write_segments(struct seal *seal, struct diag *d)
{
	const struct sealer *s = seal->s;
	const struct publish_conf conf = {
		.vfs = s->vfs,
		.dir = s->dir,
		.uuid = s->uuid,
		.manifest = s->manifest,
		.prefix = RECOVER_TMP_SEAL,
		.created_ns = clock_wall_ns(),
	};
	unsigned first = 0;
	int rc = check_room(s, d);

	if (rc == 0)
		rc = publish_open(&conf, &seal->publish, d);
	for (unsigned i = 0; i < LIMIT_SEAL_SEGMENTS; i++)
		seal->groups[i] = GROUP_NOT_NOW;
	while (rc == 0 && first < s->part.groups_count) {
		unsigned next =
			partition_pass(&s->part, first, PASS_SEGMENTS_MAX, SEALER_PASS_BYTES);

		rc = begin_pass(seal, first, next, d);
		if (rc == 0)
			rc = write_pass(seal, first, next, d);
		first = next;
	}
	if (rc < 0)
		return rc;
	if (seal->rows_written != seal->report.rows_count)
		return diag_set(d, ERR_CORRUPT, "journal", -1,
			"the journal gave other rows when it was read again");
	return publish_commit(seal->publish, NULL, 0, seal->end_id, d);
}

static void fill_report(struct seal *seal, int64_t started_ns)
{
	struct sealer_report *r = &seal->report;

	r->segments_count = (uint32_t)publish_count(seal->publish);
	for (size_t i = 0; i < publish_count(seal->publish); i++)
		r->file_bytes += publish_segment(seal->publish, i)->file_bytes;
	r->sealed_id = seal->end_id;
	r->took_ns = clock_mono_ns() - started_ns;
}

static int seal_once(
	struct sealer *s, struct store_snapshot *snap, struct sealer_report *out, struct diag *d)
{
	struct seal seal = { .s = s, .snap = snap };
	int64_t started_ns = clock_mono_ns();
	int rc;

	choose_range(&seal);
	seal.unreadable = calloc(seal.batches_count + 1, sizeof *seal.unreadable);
	if (!seal.unreadable)
		return diag_set(d, -ENOMEM, "", -1, "begin a seal");
	note_gaps(&seal);
	rc = count_rows(&seal, d);
	if (rc == 0)
		rc = write_segments(&seal, d);
	if (rc == 0) {
		fill_report(&seal, started_ns);
		ASSERT(seal.report.sealed_id >= snapshot_sealed(snap));
		if (out)
			*out = seal.report;
	}
	publish_close(&seal.publish);
	free(seal.unreadable);
	return rc;
}

/* ---- steps ---- */

/* The journal's own housekeeping; what fails here is tried again, and costs no event meanwhile. */
static void tend_journal(struct sealer *s)
{
	if (!s->writer)
		return;
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
		rc = seal_once(s, snap, out, d);
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
