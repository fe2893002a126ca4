/*
 * An aggregation from snapshot to result. A grouping that cubes can answer has its own pass: cells, then the
 * few units that they leave. All others share one pass over the units, in one thread or two, each with
 * tables of its own, joined at the end.
 */
#include "query/agg_int.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "query/engine_int.h"
#include "query/helper.h"
#include "storage/block_pool.h"
#include "storage/footprint.h"

enum {
	/* Units that are done alone before help is called, and left for it to be worth it. */
	ALONE_UNITS = 2,
	/* Groups grow by so much before blocks make room for them. */
	LEND_BYTES = 2 << 20,
	/* What a unit costs for each of its rows, beside what its block holds: arrays of codes and values. */
	ROW_BYTES = 256,
	/* A second thread that needs more ends: what it does faster is not worth the memory. */
	SECOND_BYTES = 20 << 20,
	/* A result of more is not to be beside the groups of another run. */
	LARGE_BYTES = 1 << 20,
};

/*
 * Held by the run that reads units for groups, until its groups and a large result are gone: each may fill the
 * memory that the process has for all, and each has two threads. What cubes answer needs no turn.
 */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t given;
	bool taken;
} turn = { .lock = PTHREAD_MUTEX_INITIALIZER, .given = PTHREAD_COND_INITIALIZER };

/* One run over all groupings. */
struct run {
	struct engine *engine;
	struct store_snapshot *snap;
	const struct engine_request *filter;
	int64_t began_ns, deadline_ns;
	atomic_bool late, canceled, full; /* why it ended early */
	atomic_size_t lent;               /* by the pool of blocks */
	bool has_turn;
};

/* A grouping of it. */
struct grouping {
	struct agg_shape shape;
	struct agg_table table;
	struct agg_result *out;
	bool by_cubes;
};

/* What the threads of one pass share. */
struct pass {
	struct run *run;
	const struct agg_source *source;
	atomic_size_t next;
	atomic_bool stop;
	atomic_size_t
		left_held; /* by the groups of a second thread that has ended before the last unit */
};

struct worker {
	struct pass *pass;
	struct scan_scratch *scratch;
	struct agg_unit *unit;
	struct agg_table **tables;
	uint32_t tables_count;
	struct scan_stats stats;
	struct exec_damage damage;
	uint64_t visited;
	size_t most;       /* bytes that its tables may take */
	size_t unit_bytes; /* what the largest unit so far needed */
	size_t row_bytes;  /* and a row, at most */
	size_t lent;       /* of the run's, for these tables */
	int rc;
};

/* ---------------------------------------------------------------- time */

static bool is_over(struct run *r)
{
	if (atomic_load_explicit(engine_cancel_flag(r->engine), memory_order_relaxed))
		atomic_store(&r->canceled, true);
	else if (r->deadline_ns == INT64_MAX || clock_mono_ns() < r->deadline_ns)
		return false;
	atomic_store(&r->late, true);
	return true;
}

static bool stop_cubes(void *arg)
{
	return is_over(arg);
}

static int64_t deadline_of(const struct engine_request *filter, int64_t now_ns)
{
	int64_t at;

	if (filter->budget_ns <= 0 || __builtin_add_overflow(now_ns, filter->budget_ns, &at))
		return INT64_MAX;
	return at;
}

/* ---------------------------------------------------------------- units */

static bool take_unit(struct worker *w, size_t *out)
{
	struct pass *p = w->pass;

	if (atomic_load(&p->stop))
		return false;
	*out = atomic_fetch_add(&p->next, 1);
	if (*out >= p->source->units_count)
		return false;
	if (!is_over(p->run))
		return true;
	atomic_store(&p->stop, true);
	return false;
}

/* 0: done, or the failure concerns this unit alone and was noted. */
static int do_unit(struct worker *w, size_t i)
{
	const struct agg_source *s = w->pass->source;
	struct diag d = { .code = 0 };
	int rc = agg_unit_take(w->unit, s->scans[s->units[i].scan], s->units[i].unit, w->scratch,
		w->tables, w->tables_count, &w->stats, &d);

	w->visited++;
	if (rc == AGG_FULL) {
		atomic_store(&w->pass->run->full, true);
		atomic_store(&w->pass->stop, true);
		return 0;
	}
	if (rc == 0 || rc == -ENOMEM)
		return rc;
	if (w->stats.damaged_units++ == 0)
		w->stats.damage = d;
	exec_damage_add(&w->damage, &d);
	return 0;
}

static size_t held_by(const struct worker *w)
{
	size_t held = 0;

	for (uint32_t i = 0; i < w->tables_count; i++)
		held += w->tables[i]->held;
	return held;
}

/* What groups take is not on top of the blocks that are kept warm, but in their place. */
static void make_room(struct worker *w, size_t held)
{
	if (held < w->lent + LEND_BYTES)
		return;
	block_pool_lend(held - w->lent);
	atomic_fetch_add(&w->pass->run->lent, held - w->lent);
	w->lent = held;
}

static size_t rest_of(size_t most, size_t held)
{
	return held < most ? most - held : 0;
}

/* What is left the tables share until the next time; of a thread that has ended, what that one left, too. */
static void share(struct worker *w, size_t held)
{
	size_t left_held = atomic_load(&w->pass->left_held), groups, all;

	if (left_held)
		w->most = rest_of(AGG_BYTES_MAX, left_held);
	groups = rest_of(agg_room_groups(w->most), held) / w->tables_count;
	all = rest_of(w->most, held) / w->tables_count;
	for (uint32_t i = 0; i < w->tables_count; i++) {
		w->tables[i]->max = w->tables[i]->held + groups;
		w->tables[i]->most = w->tables[i]->held + all;
	}
}

static const struct scan_unit *unit_at(const struct pass *p, size_t i)
{
	const struct agg_place *at = &p->source->units[i];

	return scan_unit(p->source->scans[at->scan], at->unit);
}

static void note_unit(struct worker *w, size_t i)
{
	size_t rows = unit_at(w->pass, i)->rows_count;
	size_t bytes = scan_scratch_held(w->scratch) + rows * ROW_BYTES;

	if (bytes > w->unit_bytes)
		w->unit_bytes = bytes;
	if (rows > 0 && bytes / rows > w->row_bytes)
		w->row_bytes = bytes / rows;
}

/* False: there is no unit any more, or it failed. */
static bool work_one(struct worker *w)
{
	size_t i, held;

	if (!take_unit(w, &i))
		return false;
	w->rc = do_unit(w, i);
	note_unit(w, i);
	held = held_by(w);
	make_room(w, held);
	share(w, held);
	if (w->rc < 0)
		atomic_store(&w->pass->stop, true);
	return w->rc >= 0;
}

static void work(struct worker *w, size_t most)
{
	for (size_t n = 0; n < most && work_one(w); n++)
		;
}

/* Gives up what it needs for units. */
static void rest(struct worker *w)
{
	agg_unit_free(&w->unit);
	scan_scratch_rest(w->scratch);
	if (footprint_is_tight())
		scan_scratch_trim(w->scratch);
}

static void work_second(void *arg)
{
	struct worker *w = arg;

	while (held_by(w) + w->unit_bytes <= SECOND_BYTES && work_one(w))
		;
	rest(w);
	atomic_store(&w->pass->left_held, held_by(w));
}

/* ---------------------------------------------------------------- a second thread */

/* Tables of the same shapes for the second thread, which share the memory of the first one's. */
static struct agg_table *twins(struct worker *to, struct worker *from)
{
	struct agg_table *t = calloc(from->tables_count, sizeof *t);

	to->tables = calloc(from->tables_count, sizeof to->tables[0]);
	to->unit = agg_unit_new();
	if (!t || !to->tables || !to->unit) {
		free(t);
		return NULL;
	}
	to->tables_count = from->tables_count;
	from->most /= 2;
	to->most = from->most;
	for (uint32_t i = 0; i < from->tables_count; i++) {
		agg_table_init(&t[i], from->tables[i]->shape, to->most);
		to->tables[i] = &t[i];
	}
	share(from, held_by(from));
	return t;
}

static int join(struct worker *w, struct agg_table *twin, struct grouping *const *groupings)
{
	int rc = 0;

	w->most = AGG_BYTES_MAX;
	atomic_store(&w->pass->left_held, 0);
	for (uint32_t i = 0; i < w->tables_count; i++) {
		struct agg_table *t = w->tables[i];

		/* A group that one of them had no room for may be in the other one, too small. */
		groupings[i]->out->approximate_groups = t->ungrouped || twin[i].ungrouped;
		/* Those that are not joined yet are to find room, too. */
		share(w, held_by(w));
		if (rc == 0)
			rc = agg_table_join(t, &twin[i]);
		agg_table_fini(&twin[i]);
	}
	return rc;
}

/* Whether a second thread has enough to do, and room to do it in. */
static bool is_worth_two(const struct worker *w)
{
	const struct pass *p = w->pass;
	size_t next = atomic_load(&p->next), count = p->source->units_count;
	uint32_t rows_max = 0;

	if (p->run->filter->threads <= 1 || atomic_load(&p->stop) || count < next + ALONE_UNITS)
		return false;
	for (size_t i = next; i < count; i++) {
		uint32_t rows = unit_at(p, i)->rows_count;

		rows_max = rows > rows_max ? rows : rows_max;
	}
	return held_by(w) + w->row_bytes * rows_max <= SECOND_BYTES;
}

static void work_together(struct worker *w, unsigned *out_threads, struct agg_table **out_twins)
{
	struct helper *helper = engine_helper(w->pass->run->engine);

	*out_threads = 1;
	*out_twins = NULL;
	work(&w[0], ALONE_UNITS);
	if (is_worth_two(w))
		*out_twins = twins(&w[1], &w[0]);
	if (*out_twins && helper_start(helper, work_second, &w[1])) {
		work(&w[0], SIZE_MAX);
		helper_join(helper);
		*out_threads = 2;
		return;
	}
	work(&w[0], SIZE_MAX);
}

/* ---------------------------------------------------------------- a pass */

static void tell(struct agg_result *out, const struct agg_source *s, const struct worker *w,
	unsigned threads)
{
	struct exec_damage damage = { .count = 0 };

	for (uint64_t i = 0; i < s->stats.damaged_units; i++)
		exec_damage_add(&damage, &s->stats.damage);
	for (int t = 0; t < EXEC_THREADS_MAX; t++) {
		for (size_t i = 0; i < w[t].damage.count; i++)
			exec_damage_add(&damage, &w[t].damage.first[i < ENGINE_DAMAGE_MAX ? i : 0]);
		exec_stats_add(&out->stats.scan, &w[t].stats);
		out->stats.units_visited += w[t].visited;
	}
	exec_stats_add(&out->stats.scan, &s->stats);
	out->stats.units_total = s->units_count;
	out->stats.threads = threads;
	out->damage_count = damage.count;
	memcpy(out->damage, damage.first, sizeof out->damage);
}

/* The source's units into the tables of these groupings. */
static int run_pass(struct run *r, const struct agg_source *s, struct grouping *const *groupings,
	uint32_t count)
{
	struct pass pass = { .run = r, .source = s };
	struct worker w[EXEC_THREADS_MAX] = {
		{ .pass = &pass,
			.scratch = engine_scratch(r->engine, 0),
			.tables_count = count,
			.most = AGG_BYTES_MAX },
		{ .pass = &pass, .scratch = engine_scratch(r->engine, 1) },
	};
	struct agg_table *tables[LIMIT_QUERY_GROUPINGS], *twin;
	unsigned threads;
	int rc;

	ASSERT(count <= LIMIT_QUERY_GROUPINGS);
	for (uint32_t i = 0; i < count; i++)
		tables[i] = &groupings[i]->table;
	w[0].tables = tables;
	w[0].unit = agg_unit_new();
	if (!w[0].unit)
		return -ENOMEM;
	share(&w[0], held_by(&w[0]));
	work_together(w, &threads, &twin);
	rest(&w[0]);
	rest(&w[1]);
	block_pool_look();
	rc = w[0].rc < 0 ? w[0].rc : w[1].rc;
	if (twin && join(&w[0], twin, groupings) < 0)
		rc = -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		tell(groupings[i]->out, s, w, threads);
	free(twin);
	free(w[1].tables);
	return rc;
}

/* ---------------------------------------------------------------- groupings */

static int add_all(struct run *r, struct agg_source *s, struct diag *d)
{
	return agg_source_add(s, r->snap, r->filter, r->filter->from_ns, r->filter->to_ns, NULL, d);
}

/* The width of a bucket where the spec leaves it open. */
static int choose_bucket(struct run *r, const struct agg_spec *spec, struct agg_source *all,
	int64_t *out, struct diag *d)
{
	int64_t from, to;
	int rc = 0;

	*out = spec->bucket_ns;
	if (!spec->bucket || spec->bucket_ns)
		return 0;
	if (all->scans_count == 0)
		rc = add_all(r, all, d);
	if (rc < 0)
		return rc;
	if (!agg_source_range(all, r->filter, &from, &to))
		from = to = 0;
	*out = agg_bucket_auto(from, to, spec->buckets, spec->zone_ns);
	return 0;
}

static int open_grouping(struct run *r, const struct agg_spec *spec, struct agg_source *all,
	struct grouping *g, struct diag *d)
{
	int64_t bucket_ns;
	int rc = choose_bucket(r, spec, all, &bucket_ns, d);

	if (rc < 0)
		return rc;
	agg_shape_make(spec, bucket_ns, &g->shape);
	agg_table_init(&g->table, &g->shape, AGG_BYTES_MAX);
	g->out->bucket_ns = bucket_ns;
	return 0;
}

/* SCAN_CUBE_NOT: not this one. */
static int run_cubes(struct run *r, struct grouping *g, struct diag *d)
{
	struct agg_source s = { .scans_count = 0 };
	int rc = agg_source_cubes(
		&s, r->snap, r->filter, &g->table, stop_cubes, r, &g->out->cube_rows, d);

	if (rc == 0) {
		g->by_cubes = true;
		rc = run_pass(r, &s, &g, 1);
	}
	agg_source_fini(&s);
	return rc;
}

/* False: the time was over first. */
static bool take_turn(struct run *r)
{
	const struct timespec until = { .tv_sec = (time_t)(r->deadline_ns / CLOCK_NS_PER_SEC),
		.tv_nsec = (long)(r->deadline_ns % CLOCK_NS_PER_SEC) };
	int rc = 0;

	/* A condition: the thread sanitizer knows no lock of a mutex by the steady clock. */
	pthread_mutex_lock(&turn.lock);
	while (turn.taken && rc == 0)
		rc = r->deadline_ns == INT64_MAX ? pthread_cond_wait(&turn.given, &turn.lock)
						 : pthread_cond_clockwait(&turn.given, &turn.lock,
							   CLOCK_MONOTONIC, &until);
	r->has_turn = !turn.taken;
	turn.taken = true;
	pthread_mutex_unlock(&turn.lock);
	if (!r->has_turn)
		atomic_store(&r->late, true);
	return r->has_turn;
}

static void give_turn(void)
{
	pthread_mutex_lock(&turn.lock);
	ASSERT(turn.taken);
	turn.taken = false;
	pthread_cond_signal(&turn.given);
	pthread_mutex_unlock(&turn.lock);
}

static int run_groupings(struct run *r, const struct agg_spec *const *specs, struct grouping *g,
	uint32_t count, struct agg_source *all, struct diag *d)
{
	struct grouping *shared[LIMIT_QUERY_GROUPINGS];
	uint32_t shared_count = 0;
	int rc = 0;

	for (uint32_t i = 0; i < count && rc == 0; i++) {
		rc = open_grouping(r, specs[i], all, &g[i], d);
		if (rc == 0)
			rc = run_cubes(r, &g[i], d);
		if (rc != SCAN_CUBE_NOT)
			continue;
		shared[shared_count++] = &g[i];
		rc = 0;
	}
	if (rc < 0 || shared_count == 0)
		return rc;
	if (all->scans_count == 0)
		rc = add_all(r, all, d);
	if (rc < 0 || !take_turn(r))
		return rc;
	return run_pass(r, all, shared, shared_count);
}

/* ---------------------------------------------------------------- results */

static enum engine_partial partial_of(const struct run *r, const struct grouping *g)
{
	if (atomic_load(&r->late))
		return atomic_load(&r->canceled) ? ENGINE_PARTIAL_CANCELED : ENGINE_PARTIAL_TIME;
	if (atomic_load(&r->full))
		return ENGINE_PARTIAL_MEMORY;
	if (g->table.ungrouped)
		return ENGINE_PARTIAL_GROUPS;
	if (g->out->damage_count)
		return ENGINE_PARTIAL_DAMAGE;
	return g->out->stats.scan.regex_given_up ? ENGINE_PARTIAL_REGEX : ENGINE_WHOLE;
}

/* Nothing is added any more. A total is there even when nothing matched. */
static int close_table(struct agg_table *t)
{
	static const struct agg_key none;
	const struct agg_spec *spec = t->shape->spec;
	uint32_t group;
	int rc = 0;

	if (spec->by_count == 0 && !spec->bucket)
		rc = agg_table_group(t, &none, &group);
	agg_table_close(t);
	/* What it gave up is not to be beside the rows of the answer. */
	block_pool_look();
	return rc;
}

static int finish(struct run *r, struct grouping *g)
{
	struct agg_result *out = g->out;
	int rc = close_table(&g->table);

	if (rc < 0)
		return rc;
	out->total = g->table.total;
	out->ungrouped = g->table.ungrouped;
	out->partial = partial_of(r, g);
	return agg_pick(&g->table, r->filter, out);
}

static void init_results(struct agg_result *out, uint32_t count, const struct store_snapshot *snap)
{
	for (uint32_t i = 0; i < count; i++) {
		out[i] = (struct agg_result){ .committed = store_snapshot_committed(snap) };
		arena_init(&out[i].arena, LIMIT_QUERY_GROUPS_BYTES);
	}
}

/* Of several results none does: whoever asks so may ask more before they are gone. */
static bool keeps_turn(const struct agg_result *out, uint32_t count, int rc)
{
	return rc >= 0 && count == 1 && arena_held(&out->arena) > LARGE_BYTES;
}

int agg_run_all(struct engine *e, struct store_snapshot *snap, const struct engine_request *filter,
	const struct agg_spec *const *specs, uint32_t specs_count, struct agg_result *out,
	struct diag *d)
{
	struct run r = { .engine = e, .snap = snap, .filter = filter, .began_ns = clock_mono_ns() };
	struct grouping g[LIMIT_QUERY_GROUPINGS] = { { .out = NULL } };
	struct agg_source all = { .scans_count = 0 };
	int rc;

	ASSERT(specs_count > 0);
	ASSERT(specs_count <= LIMIT_QUERY_GROUPINGS);
	r.deadline_ns = deadline_of(filter, r.began_ns);
	init_results(out, specs_count, snap);
	for (uint32_t i = 0; i < specs_count; i++)
		g[i].out = &out[i];
	rc = run_groupings(&r, specs, g, specs_count, &all, d);
	for (uint32_t i = 0; i < specs_count && rc == 0; i++)
		rc = finish(&r, &g[i]);
	if (rc == -ENOMEM)
		diag_set(d, rc, "", -1, "no memory for the groups of an aggregation");
	for (uint32_t i = 0; i < specs_count; i++) {
		agg_table_fini(&g[i].table);
		if (rc < 0)
			agg_result_fini(&out[i]);
	}
	agg_source_fini(&all);
	block_pool_return(atomic_load(&r.lent));
	if (r.has_turn && keeps_turn(out, specs_count, rc))
		out->has_turn = true;
	else if (r.has_turn)
		give_turn();
	return rc < 0 ? rc : 0;
}

int agg_run(struct engine *e, struct store_snapshot *snap, const struct agg_request *req,
	struct agg_result *out, struct diag *d)
{
	const struct agg_spec *spec = &req->spec;

	return agg_run_all(e, snap, &req->filter, &spec, 1, out, d);
}

void agg_result_fini(struct agg_result *out)
{
	arena_fini(&out->arena);
	out->cells = NULL;
	out->rows_count = 0;
	if (out->has_turn)
		give_turn();
	out->has_turn = false;
}
