#include "collector/room_watch.h"

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/svc/logger.h"

#define MIB (UINT64_C(1) << 20)

enum {
	LOOK_MS = 1000,
	/* Where room is short, or nearly. */
	LOOK_SHORT_MS = 100,
	/* Another upkeep has the store: it may well be making room. */
	LOCKED_MS = 1000,
	/* How long freed room may take to appear: a reader lets go of files within a second or two. */
	OWED_MS = 10000,
	/* Ages rise and events are sealed: what nothing could be dropped from may change. */
	STUCK_MS = 10000,
};

void room_watch_init(struct room_watch *w, const struct room_watch_conf *conf)
{
	*w = (struct room_watch){ .conf = *conf };
	ASSERT(conf->vfs);
	ASSERT(conf->retain);
}

void room_watch_limits(struct room_watch *w, int64_t soft, int64_t hard)
{
	w->conf.soft = soft;
	w->conf.hard = hard;
	w->pass_at_ms = 0;
}

/* ---- the state ---- */

static uint64_t limit_bytes(int64_t limit, uint64_t total, uint64_t most)
{
	uint64_t bytes;

	if (limit >= 0)
		return (uint64_t)limit;
	bytes = total / 100 * (uint64_t)-limit;
	return bytes < most ? bytes : most;
}

/* What leaves a limit behind, once it was met. */
static uint64_t eased(uint64_t limit)
{
	return limit + limit / 8;
}

static enum room_watch_state judge(const struct room_watch *w)
{
	const struct room_watch_figures *f = &w->figures;
	bool hard = w->state == ROOM_WATCH_HARD, soft = w->state != ROOM_WATCH_AMPLE;

	if (f->free_bytes < (hard ? eased(f->hard_bytes) : f->hard_bytes))
		return ROOM_WATCH_HARD;
	if (f->free_bytes < (soft ? eased(f->soft_bytes) : f->soft_bytes))
		return ROOM_WATCH_SOFT;
	return ROOM_WATCH_AMPLE;
}

static void tell_change(const struct room_watch *w, enum room_watch_state was)
{
	const struct room_watch_figures *f = &w->figures;
	const struct logger_field fields[] = {
		LOGGER_UINT("free_bytes", f->free_bytes),
		LOGGER_UINT("disk_soft", f->soft_bytes),
		LOGGER_UINT("disk_hard", f->hard_bytes),
	};

	if (w->state == ROOM_WATCH_HARD)
		logger_write(NULL, LOGGER_ERROR, "room",
			"the disk is full: nothing is taken or acknowledged until there is room; "
			"delete what else is on it, or lower disk_hard",
			fields, ARRAY_COUNT(fields));
	else if (was == ROOM_WATCH_HARD)
		logger_write(NULL, LOGGER_NOTICE, "room", "there is room again: events are taken",
			fields, ARRAY_COUNT(fields));
	else if (w->state == ROOM_WATCH_SOFT)
		logger_write(NULL, LOGGER_WARNING, "room",
			"the disk is nearly full: the oldest events are retired", fields,
			ARRAY_COUNT(fields));
	else
		logger_write(NULL, LOGGER_NOTICE, "room", "the disk has room again", fields,
			ARRAY_COUNT(fields));
}

static void look_failed(struct room_watch *w, int rc)
{
	w->figures.failures++;
	if (w->blind)
		return;
	w->blind = true;
	LOGGER(LOGGER_ERROR, "room", "cannot tell how full the disk is", LOGGER_ERR(rc));
}

bool room_watch_look(struct room_watch *w)
{
	struct room_watch_figures *f = &w->figures;
	enum room_watch_state was = w->state;
	int rc = w->conf.vfs->space(w->conf.vfs->ctx, w->conf.dir, &f->free_bytes, &f->total_bytes);

	if (rc < 0) {
		look_failed(w, rc);
		return false;
	}
	w->blind = false;
	f->soft_bytes = limit_bytes(w->conf.soft, f->total_bytes, LIMIT_ROOM_SOFT_MIB * MIB);
	f->hard_bytes = limit_bytes(w->conf.hard, f->total_bytes, LIMIT_ROOM_HARD_MIB * MIB);
	w->state = judge(w);
	if (w->state == was)
		return false;
	f->soft_times += was == ROOM_WATCH_AMPLE;
	f->hard_times += w->state == ROOM_WATCH_HARD;
	if (w->state == ROOM_WATCH_AMPLE) {
		f->stuck = false;
		w->owed_free = 0;
		w->pass_at_ms = 0;
	}
	tell_change(w, was);
	return true;
}

unsigned room_watch_rest_ms(const struct room_watch *w)
{
	const struct room_watch_figures *f = &w->figures;
	uint64_t most = f->soft_bytes > f->hard_bytes ? f->soft_bytes : f->hard_bytes;

	return w->state != ROOM_WATCH_AMPLE || f->free_bytes / 2 < most ? LOOK_SHORT_MS : LOOK_MS;
}

/* ---- retention ---- */

bool room_watch_due(const struct room_watch *w, int64_t now_ms)
{
	const struct room_watch_figures *f = &w->figures;

	if (f->free_bytes >= eased(f->soft_bytes) || w->state == ROOM_WATCH_AMPLE)
		return false;
	/* What was freed has come, and was not enough. */
	if (w->owed_free > 0 && f->free_bytes >= w->owed_free)
		return true;
	return now_ms >= w->pass_at_ms;
}

static void pass_failed(struct room_watch *w, int64_t now_ms, const struct diag *d)
{
	if (d->code == ERR_LOCKED) {
		w->pass_at_ms = now_ms + LOCKED_MS;
		return;
	}
	w->figures.failures++;
	w->pass_at_ms = now_ms + STUCK_MS;
	if (w->failing)
		return;
	w->failing = true;
	LOGGER(LOGGER_ERROR, "room", "cannot retire events to make room", LOGGER_DIAG(d));
}

static void pass_in_vain(struct room_watch *w, int64_t now_ms)
{
	w->pass_at_ms = now_ms + STUCK_MS;
	w->owed_free = 0;
	if (w->figures.stuck)
		return;
	w->figures.stuck = true;
	LOGGER(LOGGER_ERROR, "room",
		"the disk is nearly full and no event may be dropped: all that is sealed is held, or "
		"nothing is; make room on the disk",
		LOGGER_UINT("free_bytes", w->figures.free_bytes));
}

void room_watch_pass(struct room_watch *w, int64_t now_ms)
{
	struct room_watch_figures *f = &w->figures;
	uint64_t want = f->soft_bytes + f->soft_bytes / 4;
	struct room_watch_pass done = { 0 };
	struct diag d = { 0 };
	int rc;

	ASSERT(f->free_bytes < want);
	rc = w->conf.retain(w->conf.arg, want - f->free_bytes, &done, &d);
	if (rc < 0) {
		pass_failed(w, now_ms, &d);
		return;
	}
	f->passes++;
	w->failing = false;
	if (done.segments == 0) {
		pass_in_vain(w, now_ms);
		return;
	}
	f->stuck = false;
	f->dropped_segments += done.segments;
	f->dropped_bytes += done.bytes;
	w->owed_free = f->free_bytes + done.bytes / 2;
	w->pass_at_ms = now_ms + OWED_MS;
	LOGGER(LOGGER_WARNING, "room", "retired events to make room",
		LOGGER_UINT("segments", done.segments), LOGGER_UINT("bytes", done.bytes));
}
