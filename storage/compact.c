#include "storage/compact_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/leftover.h"
#include "storage/recover.h"
#include "storage/snapshot_int.h"

#define LOCK_NAME "compact.lock"

enum { LOCK_PAUSE_MS = 20 };

/* ---- what all passes use ---- */

bool compact_stopped(const struct compact *c)
{
	return c->conf.stop && *c->conf.stop;
}

bool compact_over(struct compact *c)
{
	bool late = c->conf.deadline_ns && clock_mono_ns() >= c->conf.deadline_ns;
	bool spent = c->conf.budget_bytes && c->total.spent_bytes >= c->conf.budget_bytes;

	if (late || spent || compact_stopped(c))
		c->total.out_of_time = true;
	return c->total.out_of_time;
}

static void tell(struct compact *c, struct compact_note *note)
{
	note->dry_run = c->conf.dry_run;
	if (c->conf.cb)
		c->conf.cb(c->conf.arg, note);
}

/* What a step cost, by what it says it did: whatever was made was written and read back. */
static uint64_t cost_of(enum compact_what what, uint64_t bytes)
{
	switch (what) {
	case COMPACT_MERGED:
		return bytes;
	case COMPACT_MADE:
	case COMPACT_SIDECAR:
	case COMPACT_PURGED:
		return bytes < UINT64_MAX / 2 ? 2 * bytes : bytes;
	default:
		return 0;
	}
}

void compact_tell(struct compact *c, enum compact_what what, const struct manifest_segment *seg,
	const char *path, uint64_t bytes, const char *why)
{
	char seg_path[MANIFEST_PATH_BYTES];
	struct compact_note note = {
		.what = what,
		.seg = seg,
		.path = path,
		.bytes = bytes,
		.why = why,
	};

	if (!path)
		note.path = manifest_segment_path(seg, seg_path);
	c->total.spent_bytes += cost_of(what, bytes);
	tell(c, &note);
}

/* The collector merges too, and drops what is short of room: what is gone by now is no failure. */
static bool is_gone(struct compact *c, const struct diag *why)
{
	const struct manifest_segment *live;
	char path[MANIFEST_PATH_BYTES];
	size_t n;

	if (why->code == ERR_STALE)
		return true;
	if (why->code != -ENOENT || manifest_refresh(c->manifest, NULL) < 0)
		return false;
	live = manifest_segments(c->manifest, &n);
	for (size_t i = 0; i < n; i++) {
		if (strcmp(manifest_segment_path(&live[i], path), why->file) == 0)
			return false;
	}
	return true;
}

void compact_tell_failure(
	struct compact *c, const struct manifest_segment *seg, const struct diag *why)
{
	char path[MANIFEST_PATH_BYTES];
	struct compact_note note = {
		.what = COMPACT_FAILED,
		.seg = seg,
		.path = manifest_segment_path(seg, path),
		.bytes = seg->file_bytes,
		.why = "left as it is",
		.diag = why,
	};

	if (is_gone(c, why))
		return;
	c->total.failures++;
	tell(c, &note);
}

bool compact_fatal(int rc)
{
	return rc != ERR_CORRUPT && rc != ERR_TRUNCATED && rc != ERR_STALE && rc != ERR_LIMIT &&
	       rc != ERR_TOO_NEW && rc != -ENOENT;
}

int compact_skip(struct compact *c, uint64_t no)
{
	uint64_t *skip = realloc(c->skip, (c->skip_count + 1) * sizeof *skip);

	if (!skip)
		return -ENOMEM;
	c->skip = skip;
	skip[c->skip_count++] = no;
	return 0;
}

bool compact_skipped(const struct compact *c, uint64_t no)
{
	for (size_t i = 0; i < c->skip_count; i++) {
		if (c->skip[i] == no)
			return true;
	}
	return false;
}

int compact_live(
	struct compact *c, struct manifest_segment **out, size_t *out_count, struct diag *d)
{
	const struct manifest_segment *live;
	size_t n;
	int rc = manifest_refresh(c->manifest, d);

	if (rc < 0)
		return rc;
	live = manifest_segments(c->manifest, &n);
	*out = NULL;
	*out_count = n;
	if (n == 0)
		return 0;
	*out = malloc(n * sizeof **out);
	if (!*out)
		return diag_set(d, -ENOMEM, "manifest", -1, "copy the list of segments");
	memcpy(*out, live, n * sizeof **out);
	return 0;
}

/* ---- life ---- */

static int try_lock(struct compact *c)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * CLOCK_NS_PER_MS };
	int64_t until = clock_mono_ns() + c->conf.lock_wait_ns;
	int rc = c->vfs->lock(c->vfs->ctx, c->lock_fd, true, false);

	while (rc == ERR_LOCKED && clock_mono_ns() < until && !compact_stopped(c)) {
		nanosleep(&pause, NULL);
		rc = c->vfs->lock(c->vfs->ctx, c->lock_fd, true, false);
	}
	return rc;
}

static int take_lock(struct compact *c, struct diag *d)
{
	int rc;

	c->lock_fd = c->vfs->open(c->vfs->ctx, c->dir, LOCK_NAME, O_RDWR | O_CREAT, 0640);
	if (c->lock_fd < 0)
		return diag_set(d, c->lock_fd, LOCK_NAME, -1, "open the lock of astrocompact");
	rc = try_lock(c);
	if (rc == ERR_LOCKED)
		return diag_set(d, rc, LOCK_NAME, -1,
			"another astrocompact, or a merge, works on this store; wait");
	return rc < 0 ? diag_set(d, rc, LOCK_NAME, -1, "lock the store for maintenance") : 0;
}

static int open_store(struct compact *c, struct diag *d)
{
	const struct store_conf conf = {
		.vfs = c->vfs,
		.dir = c->conf.dir,
		.tail_cache_bytes = 1,
		.past_redact = c->conf.past_redact,
	};
	struct store_snapshot *snap = NULL;
	int rc = store_reader_open(&conf, &c->reader, d);

	if (rc == 0)
		rc = store_reader_snapshot(c->reader, &snap, d);
	if (rc < 0)
		return rc;
	memcpy(c->uuid, snapshot_uuid(snap), sizeof c->uuid);
	store_snapshot_free(&snap);
	c->dir = c->vfs->open_dir(c->vfs->ctx, c->conf.dir);
	return c->dir < 0 ? diag_set(d, c->dir, c->conf.dir, -1, "open the data directory") : 0;
}

static int open_manifest(struct compact *c, struct diag *d)
{
	enum ctl_mode mode = c->conf.dry_run ? CTL_READ : CTL_WRITE;
	int rc = ctl_open(c->vfs, c->dir, c->uuid, mode, &c->ctl, d);

	if (rc < 0 && !c->conf.dry_run)
		return rc;
	return manifest_open(c->vfs, c->dir, c->uuid, c->ctl, &c->manifest, d);
}

static void on_leftover(void *arg, const char *path, uint64_t bytes)
{
	struct compact *c = arg;

	c->total.leftovers++;
	compact_tell(c, COMPACT_LEFTOVER, NULL, path, bytes, "left by a run that was killed");
}

static int clear_leftovers(struct compact *c, struct diag *d)
{
	uint64_t swept = 0;
	int rc = manifest_lock(c->manifest, d);

	if (rc < 0)
		return rc;
	rc = leftover_clear(c->vfs, c->dir, c->manifest, on_leftover, c, d);
	manifest_unlock(c->manifest);
	if (rc == 0)
		rc = recover_sweep(c->vfs, c->dir, RECOVER_TMP_COMPACT, &swept, d);
	c->total.leftovers += swept;
	return rc;
}

int compact_open(const struct compact_conf *conf, struct compact **out, struct diag *d)
{
	struct compact *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return diag_set(d, -ENOMEM, "", -1, "begin maintenance");
	c->conf = *conf;
	c->vfs = conf->vfs ? conf->vfs : vfs_real();
	c->dir = -1;
	c->lock_fd = -1;
	rc = open_store(c, d);
	if (rc == 0 && !conf->dry_run)
		rc = take_lock(c, d);
	if (rc == 0)
		rc = open_manifest(c, d);
	if (rc == 0 && !conf->dry_run)
		rc = clear_leftovers(c, d);
	if (rc < 0)
		compact_close(&c);
	else
		*out = c;
	return rc;
}

void compact_close(struct compact **at)
{
	struct compact *c = *at;

	if (!c)
		return;
	manifest_close(&c->manifest);
	ctl_close(&c->ctl);
	store_reader_close(&c->reader);
	if (c->lock_fd >= 0)
		c->vfs->close(c->vfs->ctx, c->lock_fd);
	if (c->dir >= 0)
		c->vfs->close(c->vfs->ctx, c->dir);
	free(c->skip);
	free(c);
	*at = NULL;
}

const struct compact_total *compact_total(struct compact *c)
{
	size_t n;
	const struct manifest_segment *live;

	manifest_refresh(c->manifest, NULL);
	live = manifest_segments(c->manifest, &n);
	c->total.live_segments = n;
	c->total.live_bytes = 0;
	for (size_t i = 0; i < n; i++)
		c->total.live_bytes += live[i].file_bytes;
	return &c->total;
}
