/*
 * A step of an export: two lanes that do pieces of work until enough parts are there.
 *
 * A lane that has done a piece takes another one at once, and plans it if it must: none waits for the
 * other but where nothing can be done before that one's piece is.
 */
#include "query/export_int.h"

#include <errno.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "query/helper.h"
#include "storage/scan_fetch.h"

enum {
	NO_UNIT = -1,
	/* Of so many pieces that wait of the other lane's unit it is worth to open the unit again for some. */
	OTHERS_LEAST = 3,
	/* So long lanes wait for parts to be taken: a step less to be begun. */
	PATIENCE_NS = 5000000,
};

struct step {
	struct export_run *x;
	struct engine *e;
	unsigned places;      /* pieces at work, and parts that wait, at most */
	unsigned begun;       /* pieces */
	bool hurry;           /* others wait for the thread */
	unsigned lanes_count; /* at work on a piece */
	/* The unit that a lane's last piece began with, or NO_UNIT. */
	int64_t units[EXEC_THREADS_MAX];
	bool made; /* a part */
	int rc;
};

/* ---------------------------------------------------------------- which piece */

/* How well a piece suits a lane: one that goes on with its unit, else one that is not the other's. */
enum fit { FIT_NONE, FIT_OTHERS, FIT_FREE, FIT_OWN };

static enum fit fit_of(const struct step *s, unsigned lane, const struct export_piece *p)
{
	if (p->state != EXPORT_PIECE_WAITS)
		return FIT_NONE;
	if (p->of_page)
		return FIT_OWN;
	if (export_lane_has(*engine_lane(s->e, lane), s->x, p))
		return FIT_OWN;
	return s->units[!lane] == (int64_t)p->unit ? FIT_OTHERS : FIT_FREE;
}

/* Pieces that are at work or done, each of which has room for a part. */
static unsigned count_begun(const struct step *s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->x->pieces_count; i++)
		n += export_piece_at(s->x, i)->state != EXPORT_PIECE_WAITS;
	return n;
}

/*
 * The first one of those that fit best; of the other lane's unit the last one, which that lane needs last,
 * and only if there is enough to do or that lane is not at work. The last place is kept for the piece
 * that is next in order, before which no part behind it can be taken; the very first one is done in any
 * case, for an earlier step may have had more places.
 */
static struct export_piece *choose(const struct step *s, unsigned lane)
{
	unsigned begun = count_begun(s), waiting[FIT_OWN + 1] = { 0 };
	struct export_piece *best = NULL;
	enum fit best_fit = FIT_NONE;
	bool last_place = begun + 1 >= s->places;

	if (begun >= s->places && export_piece_at(s->x, 0)->state != EXPORT_PIECE_WAITS)
		return NULL;
	for (size_t i = 0; i < s->x->pieces_count; i++) {
		struct export_piece *p = export_piece_at(s->x, i);
		enum fit fit = fit_of(s, lane, p);

		waiting[fit]++;
		if (fit > best_fit || (fit == FIT_OTHERS && fit == best_fit)) {
			best = p;
			best_fit = fit;
		}
		if (fit > FIT_NONE && last_place)
			break;
	}
	if (best_fit == FIT_OTHERS && s->lanes_count > 0 && waiting[FIT_OTHERS] < OTHERS_LEAST)
		return NULL;
	return best;
}

static void plan(struct step *s)
{
	struct export_run *x = s->x;

	export_drop_finished(x);
	while (x->pieces_count < 2 * s->places && export_plan_next(x) == EXPORT_PLANNED_PIECE) {
	}
}

static bool is_over(const struct step *s)
{
	unsigned most = s->hurry ? s->places : s->places * EXPORT_STEP_TURNS;

	return s->rc < 0 || s->begun >= most || atomic_load(engine_cancel_flag(s->e));
}

/* When whoever takes parts as they come has had a moment for the next one. */
static struct timespec patience_end(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += PATIENCE_NS;
	t.tv_sec += t.tv_nsec / CLOCK_NS_PER_SEC;
	t.tv_nsec %= CLOCK_NS_PER_SEC;
	return t;
}

/* Until something may have changed. False: nothing will, or not soon. */
static bool wait_for_change(struct step *s)
{
	struct export_run *x = s->x;
	struct timespec end;

	if (s->lanes_count > 0)
		return pthread_cond_wait(&x->changed, &x->lock) == 0;
	if (!x->on_part || s->hurry || x->pieces_count == 0)
		return false;
	end = patience_end();
	return pthread_cond_timedwait(&x->changed, &x->lock, &end) == 0 || s->lanes_count > 0;
}

/* NULL: nothing is to be done before the end of this step. The lock is held. */
static struct export_piece *next_piece(struct step *s, unsigned lane)
{
	struct export_piece *p = NULL;

	while (!p && !is_over(s)) {
		plan(s);
		p = choose(s, lane);
		if (!p && !wait_for_change(s))
			break;
	}
	return p;
}

/* ---------------------------------------------------------------- its beginning and end */

static void begin_piece(struct step *s, unsigned lane, struct export_piece *p)
{
	struct export_run *x = s->x;

	p->state = EXPORT_PIECE_RUNS;
	if (!p->text.p && x->stock_count > 0) {
		size_t max = p->text.max;

		p->text = x->stock[--x->stock_count];
		p->text.max = max;
	}
	s->units[lane] = p->of_page ? NO_UNIT : (int64_t)p->unit;
	s->lanes_count++;
	s->begun++;
}

/* What the lane has found out goes into the result and into experience. */
static void gather(struct export_run *x, struct export_piece *p)
{
	exec_stats_add(&x->result.stats.scan, &p->stats);
	export_add_damage(x, &p->damage);
	x->result.count += p->rows;
	x->written += p->rows;
	x->written_bytes += p->rows ? p->text.len : 0;
	x->looked += p->looked;
	x->found += p->found;
	p->rows = p->looked = p->found = 0;
	p->stats = (struct scan_stats){ .damaged_units = 0 };
	p->damage.count = 0;
}

/* Whether there is a part to be taken now. */
static bool end_piece(struct step *s, struct export_piece *p)
{
	struct export_run *x = s->x;

	gather(x, p);
	s->lanes_count--;
	if (p->rc < 0) {
		s->rc = p->rc;
		x->failed = true;
	} else {
		p->state = p->done ? EXPORT_PIECE_DONE : EXPORT_PIECE_FULL;
		p->promised = p->done ? 0 : p->most;
	}
	s->made = s->made || p->text.len > 0;
	export_drop_finished(x);
	pthread_cond_broadcast(&x->changed);
	return !x->failed && x->pieces_count > 0 && export_piece_is_ready(export_piece_at(x, 0));
}

/* ---------------------------------------------------------------- lanes */

/* There is a part to take. The lock is held, but not while it is told. */
static void tell(struct step *s)
{
	struct export_run *x = s->x;
	bool hurry;

	if (!x->on_part)
		return;
	pthread_mutex_unlock(&x->lock);
	hurry = !x->on_part(x->on_part_arg);
	pthread_mutex_lock(&x->lock);
	s->hurry = s->hurry || hurry;
}

static void run_lane(struct step *s, unsigned lane)
{
	struct export_run *x = s->x;
	struct export_piece *p;

	pthread_mutex_lock(&x->lock);
	while ((p = next_piece(s, lane))) {
		begin_piece(s, lane, p);
		pthread_mutex_unlock(&x->lock);
		export_lane_run(*engine_lane(s->e, lane), x, p, engine_scratch(s->e, lane),
			engine_cancel_flag(s->e));
		pthread_mutex_lock(&x->lock);
		if (end_piece(s, p))
			tell(s);
	}
	pthread_mutex_unlock(&x->lock);
}

static void run_second(void *arg)
{
	run_lane(arg, 1);
}

/* There is work for a second lane, or will be. */
static bool wants_helper(struct step *s)
{
	struct export_run *x = s->x;
	size_t n = 0;
	bool wants;

	pthread_mutex_lock(&x->lock);
	plan(s);
	for (size_t i = 0; i < x->pieces_count; i++)
		n += export_piece_at(x, i)->state == EXPORT_PIECE_WAITS;
	wants = s->places > 1 && (n > 1 || !export_planned_all(x));
	if (wants)
		x->result.stats.threads = 2;
	pthread_mutex_unlock(&x->lock);
	return wants;
}

static void run_lanes(struct step *s)
{
	struct helper *helper = engine_helper(s->e);
	bool helped = s->x->req->base.threads > 1 && wants_helper(s) &&
		      helper_start(helper, run_second, s);

	run_lane(s, 0);
	if (helped)
		helper_join(helper);
	/* The next part may be made by another engine, which goes on with the same blocks. */
	for (unsigned i = 0; i < EXEC_THREADS_MAX; i++)
		scan_scratch_rest(engine_scratch(s->e, i));
}

static int open_lanes(struct engine *e)
{
	for (unsigned i = 0; i < EXEC_THREADS_MAX; i++) {
		struct export_lane **lane = engine_lane(e, i);

		if (!*lane)
			*lane = export_lane_new();
		if (!*lane)
			return -ENOMEM;
	}
	return 0;
}

/* ---------------------------------------------------------------- a step */

/* A step of fewer parts needs less. */
static void trim_stock(struct export_run *x, unsigned pieces)
{
	pthread_mutex_lock(&x->lock);
	while (x->stock_count > pieces)
		buf_fini(&x->stock[--x->stock_count]);
	pthread_mutex_unlock(&x->lock);
}

/* What can be done without anything being taken first; a piece is planned if there is none. */
static enum export_planned look(struct export_run *x)
{
	enum export_planned planned = EXPORT_PLANNED_WAIT;

	pthread_mutex_lock(&x->lock);
	export_drop_finished(x);
	if (x->pieces_count == 0)
		planned = export_plan_next(x);
	if (x->pieces_count > 0 && export_piece_at(x, 0)->state == EXPORT_PIECE_WAITS)
		planned = EXPORT_PLANNED_PIECE;
	pthread_mutex_unlock(&x->lock);
	return planned;
}

int export_step(struct export_run *x, struct engine *e, unsigned pieces, struct diag *d)
{
	struct step s = { .x = x, .e = e, .places = pieces, .units = { NO_UNIT, NO_UNIT } };
	enum export_planned planned;
	int rc = open_lanes(e);

	ASSERT(pieces >= 1);
	ASSERT(pieces <= EXPORT_PIECES_MAX);
	if (rc < 0)
		return diag_set(d, rc, "", -1, "cannot write the events");
	trim_stock(x, pieces);
	/* Units without a match leave nothing to take: go on until something is there, or all is done. */
	do {
		if (atomic_load(engine_cancel_flag(e)))
			return diag_set(d, -ECANCELED, "", -1, "the export was given up");
		s.begun = 0;
		run_lanes(&s);
		if (s.rc < 0)
			return diag_set(d, s.rc, "", -1, "cannot write the events");
		planned = s.made ? EXPORT_PLANNED_WAIT : look(x);
		if (planned == EXPORT_PLANNED_PAGE)
			rc = export_plan_page(x, e, d);
	} while (rc == 0 && (planned == EXPORT_PLANNED_PIECE || planned == EXPORT_PLANNED_PAGE));
	return rc;
}
