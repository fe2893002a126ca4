/*
 * A snapshot is (manifest, committed id): the manifest is asked first and the committed id after it, so
 * that what is sealed is never beyond what is committed. Journal files that the walk needs may then be
 * gone because the sealer went on: the manifest is asked again.
 *
 * With a live collector ctl tells the committed id. Without one, or while one is recovering, the journal
 * is read to its end by the rules of recovery, which finds the same end when it comes.
 */
#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/seg_letters.h"
#include "storage/store_reader_int.h"

enum {
	TRIES = 100,
	TRY_PAUSE_US = 200,
	/* Where nobody may ever wake us, we look for ourselves so often. */
	WAIT_SLICE_MS = 200,
	POLL_MS = 20,
};

/* ---- opening ---- */

static int open_files(struct store_reader *r, const struct store_conf *conf, struct diag *d)
{
	struct ctl *ctl = NULL;
	uint64_t cache = conf->tail_cache_bytes ? conf->tail_cache_bytes : LIMIT_TAIL_CACHE_BYTES;
	int rc;

	r->dir = r->vfs->open_dir(r->vfs->ctx, conf->dir);
	if (r->dir < 0)
		return diag_set(d, r->dir, conf->dir, -1, "open the data directory");
	rc = store_format_read(r->vfs, r->dir, &r->format, &r->format_fd, d);
	if (rc < 0)
		return rc;
	/* Without the page the files are asked; a newer one means a newer store. */
	rc = ctl_open(r->vfs, r->dir, r->format.uuid, CTL_READ, &ctl, d);
	if (rc == ERR_TOO_NEW)
		return rc;
	atomic_store(&r->ctl, ctl);
	tail_init(&r->tail, r->vfs, r->dir, r->format.uuid, cache);
	return 0;
}

int store_reader_open(const struct store_conf *conf, struct store_reader **out, struct diag *d)
{
	struct store_reader *r = calloc(1, sizeof *r);
	int rc;

	if (!r)
		return diag_set(d, -ENOMEM, conf->dir, -1, "open the store");
	r->vfs = conf->vfs ? conf->vfs : vfs_real();
	r->past_redact = conf->past_redact;
	r->dir = r->format_fd = -1;
	segment_list_cache_init(&r->segments, r->vfs, -1);
	rc = open_files(r, conf, d);
	r->segments.dir = r->dir;
	if (rc < 0)
		store_reader_close(&r);
	else
		*out = r;
	return rc;
}

void store_reader_close(struct store_reader **rp)
{
	struct store_reader *r = *rp;
	struct ctl *ctl;

	if (!r)
		return;
	store_snapshot_free(&r->last);
	ASSERT(atomic_load(&r->snapshots_count) == 0);
	if (r->tail.vfs)
		tail_fini(&r->tail);
	manifest_close(&r->manifest);
	redact_set_unref(&r->redact);
	segment_list_cache_fini(&r->segments);
	ctl = atomic_load(&r->ctl);
	ctl_close(&ctl);
	if (r->format_fd >= 0)
		r->vfs->close(r->vfs->ctx, r->format_fd);
	if (r->dir >= 0)
		r->vfs->close(r->vfs->ctx, r->dir);
	free(r);
	*rp = NULL;
}

bool store_reader_unused(const struct store_reader *r)
{
	/* One reference is the reader's own. */
	return atomic_load(&r->snapshots_count) == (r->last != NULL) &&
	       (!r->last || atomic_load(&r->last->refs) == 1);
}

/* ---- the newest state ---- */

static struct ctl *get_ctl(struct store_reader *r)
{
	struct ctl *ctl = atomic_load(&r->ctl);

	if (!ctl && ctl_open(r->vfs, r->dir, r->format.uuid, CTL_READ, &ctl, NULL) == 0) {
		atomic_store(&r->ctl, ctl);
		/* The manifest is opened again with it. */
		manifest_close(&r->manifest);
	}
	return ctl;
}

static bool is_live(const struct store_reader *r, const struct ctl *ctl)
{
	return ctl && ctl_starts(ctl) % 2 == 0 && r->vfs->locked(r->vfs->ctx, r->format_fd) == 1;
}

/*
 * The deletions that go with the manifest. One is done, and no longer loaded, only after a change
 * that took its rows out: where no change came while they were read, all that matter were there.
 */
static int load_redact(struct store_reader *r, struct diag *d)
{
	int rc = 1;

	while (rc == 1) {
		struct redact_set *set = NULL;

		rc = redact_set_load(r->vfs, r->dir, r->format.uuid, &set, d);
		if (rc < 0 && !r->past_redact)
			return rc;
		redact_set_unref(&r->redact);
		r->redact = set;
		rc = manifest_refresh(r->manifest, d);
	}
	return rc;
}

/* 1: changed or first asked. */
static int refresh_manifest(struct store_reader *r, struct ctl *ctl, struct diag *d)
{
	bool first = !r->manifest;
	int rc = first ? manifest_open(r->vfs, r->dir, r->format.uuid, ctl, &r->manifest, d)
		       : manifest_refresh(r->manifest, d);

	if (rc < 0 || (rc == 0 && !first))
		return rc;
	rc = load_redact(r, d);
	/* Without the deletions there is no snapshot: the next try begins with them again. */
	if (rc < 0)
		manifest_close(&r->manifest);
	return rc < 0 ? rc : 1;
}

/* The last id that is in segments, or the one before the first of this node. */
static uint64_t sealed_of(const struct store_reader *r)
{
	uint64_t none = (uint64_t)r->format.node << 48;
	uint64_t sealed = manifest_sealed(r->manifest);

	return sealed > none ? sealed : none;
}

/* Where the journal ends now. */
static int find_end(struct store_reader *r, const struct ctl *ctl, bool live,
	struct ctl_commit *out, struct diag *d)
{
	struct ctl_commit known = { 0 };
	int rc = ctl ? ctl_commit(ctl, &known) : ERR_STALE;

	if (live && rc == 0) {
		*out = known;
		return 0;
	}
	return tail_find_end(&r->tail, sealed_of(r), rc == 0 ? &known : NULL,
		rc == 0 && ctl_ended(ctl, &known), out, d);
}

static bool unchanged(const struct store_reader *r, const struct ctl *ctl, bool live, int refreshed)
{
	struct ctl_commit now;

	if (!r->last || refreshed != 0 || live != r->last_live)
		return false;
	if (ctl && ctl_starts(ctl) != r->last_starts)
		return false;
	/* With no collector nothing is appended. */
	if (!live)
		return true;
	return ctl_commit(ctl, &now) == 0 && now.id <= r->last->committed;
}

static int build(struct store_reader *r, uint64_t committed, bool new_segments,
	struct store_snapshot **out, struct diag *d)
{
	size_t n = tail_count(&r->tail), segs_count;
	const struct manifest_segment *segs = manifest_segments(r->manifest, &segs_count);
	struct store_snapshot *s = calloc(1, sizeof *s + n * sizeof s->batches[0]);
	int rc = 0;

	if (!s)
		return diag_set(d, -ENOMEM, "", -1, "make a snapshot");
	if (r->last && !new_segments)
		s->segments = segment_list_ref(r->last->segments);
	else
		rc = segment_list_new(&r->segments, segs, segs_count,
			r->last ? r->last->segments : NULL, &s->segments);
	if (rc < 0) {
		free(s);
		return diag_set(d, rc, "", -1, "make a snapshot");
	}
	atomic_init(&s->refs, 1);
	s->reader = r;
	s->redact = redact_set_ref(r->redact);
	s->sealed = sealed_of(r);
	s->committed = committed > s->sealed ? committed : s->sealed;
	s->changes = manifest_changes(r->manifest);
	s->damage = r->tail.damage;
	s->batches_count = n;
	tail_ref(&r->tail, s->batches);
	atomic_fetch_add(&r->snapshots_count, 1);
	*out = s;
	return 0;
}

static void pause_between(void)
{
	struct timespec t = { .tv_nsec = TRY_PAUSE_US * CLOCK_NS_PER_US };

	nanosleep(&t, NULL);
}

/* One try. ERR_STALE: files went while we read. */
static int renew(struct store_reader *r, bool *segments_changed, struct diag *d)
{
	struct ctl *ctl = get_ctl(r);
	uint64_t starts = ctl ? ctl_starts(ctl) : 0;
	bool live = is_live(r, ctl);
	struct store_snapshot *s = NULL;
	struct ctl_commit end;
	int rc = refresh_manifest(r, ctl, d);

	if (rc < 0)
		return rc;
	*segments_changed |= rc == 1;
	if (unchanged(r, ctl, live, *segments_changed))
		return 0;
	/* Another collector may have cut what we have read behind the last commit of the one before. */
	if (starts != r->last_starts || live != r->last_live)
		tail_reset(&r->tail);
	rc = find_end(r, ctl, live, &end, d);
	if (rc == 0)
		rc = tail_advance(&r->tail, sealed_of(r), &end, d);
	if (rc == 0)
		rc = build(r, end.id, *segments_changed, &s, d);
	if (rc < 0)
		return rc;
	store_snapshot_free(&r->last);
	r->last = s;
	r->last_live = live;
	r->last_starts = starts;
	return 0;
}

int store_reader_snapshot(struct store_reader *r, struct store_snapshot **out, struct diag *d)
{
	bool segments_changed = false;
	int rc = ERR_STALE;

	for (int try = 0; try < TRIES && rc == ERR_STALE; try++) {
		if (try > 0)
			pause_between();
		rc = renew(r, &segments_changed, d);
	}
	if (rc < 0)
		return rc;
	*out = store_snapshot_ref(r->last);
	return 0;
}

int store_reader_same(struct store_reader *r, struct store_snapshot **out)
{
	struct ctl *ctl = atomic_load(&r->ctl);

	if (!ctl || !r->manifest || !manifest_is_newest(r->manifest) ||
		!unchanged(r, ctl, is_live(r, ctl), 0))
		return 1;
	*out = store_snapshot_ref(r->last);
	return 0;
}

/* ---- waiting ---- */

static bool beyond(const struct ctl *ctl, uint64_t committed)
{
	struct ctl_commit now;

	return ctl && ctl_starts(ctl) % 2 == 0 && ctl_commit(ctl, &now) == 0 && now.id > committed;
}

int store_reader_wait(struct store_reader *r, uint64_t committed, int timeout_ms)
{
	int64_t until = clock_mono_ns() + timeout_ms * CLOCK_NS_PER_MS;

	for (;;) {
		struct ctl *ctl = atomic_load(&r->ctl);
		uint32_t word = ctl ? ctl_word(ctl) : 0;
		int64_t left_ms = (until - clock_mono_ns()) / CLOCK_NS_PER_MS;

		if (beyond(ctl, committed))
			return 1;
		if (left_ms <= 0)
			return 0;
		if (ctl) {
			ctl_wait(ctl, word, left_ms < WAIT_SLICE_MS ? (int)left_ms : WAIT_SLICE_MS);
		} else {
			struct timespec t = { .tv_nsec = POLL_MS * CLOCK_NS_PER_MS };

			nanosleep(&t, NULL);
		}
	}
}

/* ---- limits ---- */

void store_reader_costs(struct store_reader_costs *out)
{
	struct seg_letters_use letters;

	seg_letters_use(&letters);
	out->segments_closed = segment_list_closed();
	out->letters_unnoted = letters.unnoted_count;
	out->rows_decoded = tail_decoded();
}
