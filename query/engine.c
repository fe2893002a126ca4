#include "query/engine.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "query/engine_int.h"
#include "query/exec.h"
#include "query/export_int.h"
#include "query/helper.h"
#include "query/page.h"
#include "query/plan.h"
#include "storage/footprint.h"
#include "storage/scan_fetch.h"

static_assert((int)ENGINE_COLD == (int)SCAN_COLD, "passed up as it is");

enum {
	ENGINE_TAG = 0x454e4749,
	/* Budgets of time after which even what cannot be divided ends, and at least so long; see exec.c. */
	ENGINE_OVERTIME = 3,
	ENGINE_OVERTIME_NS = 1000000000,
	/* Beside the events' own bytes. */
	ENGINE_TABLE_BYTES = (ENGINE_LIMIT_MAX + 1) * (int)sizeof(struct event) + 4096,
};

struct engine {
	unsigned tag;
	struct scan_scratch *scratch[EXEC_THREADS_MAX];
	struct export_lane *lanes[EXEC_THREADS_MAX];
	struct helper *helper;
	atomic_bool cancel;
};

/* A run while it lasts. */
struct run {
	struct engine *engine;
	const struct engine_request *req;
	struct plan plan;
	struct exec_result exec;
	const struct heap_hit *page; /* hits of the page, in order */
	size_t page_count;
	bool more; /* there are hits behind the page */
	struct engine_result *out;
};

const char *engine_partial_name(enum engine_partial partial)
{
	switch (partial) {
	case ENGINE_WHOLE:
		break;
	case ENGINE_PARTIAL_TIME:
		return "time";
	case ENGINE_PARTIAL_MEMORY:
		return "memory";
	case ENGINE_PARTIAL_CANCELED:
		return "canceled";
	case ENGINE_PARTIAL_DAMAGE:
		return "damage";
	case ENGINE_PARTIAL_GROUPS:
		return "groups";
	case ENGINE_PARTIAL_REGEX:
		return "regex";
	}
	return NULL;
}

/* ---------------------------------------------------------------- life */

struct engine *engine_new(void)
{
	struct engine *e = calloc(1, sizeof *e);

	if (!e)
		return NULL;
	e->tag = ENGINE_TAG;
	atomic_init(&e->cancel, false);
	e->helper = helper_new();
	for (int i = 0; i < EXEC_THREADS_MAX; i++)
		e->scratch[i] = scan_scratch_new();
	if (!e->helper || !e->scratch[0] || !e->scratch[1])
		engine_free(&e);
	return e;
}

void engine_free(struct engine **e)
{
	if (!*e)
		return;
	CHECK_TAG(*e, ENGINE_TAG);
	helper_free(&(*e)->helper);
	for (int i = 0; i < EXEC_THREADS_MAX; i++)
		scan_scratch_free(&(*e)->scratch[i]);
	for (int i = 0; i < EXEC_THREADS_MAX; i++)
		export_lane_free(&(*e)->lanes[i]);
	(*e)->tag = 0;
	free(*e);
	*e = NULL;
}

void engine_cancel(struct engine *e)
{
	CHECK_TAG(e, ENGINE_TAG);
	atomic_store(&e->cancel, true);
}

void engine_uncancel(struct engine *e)
{
	CHECK_TAG(e, ENGINE_TAG);
	atomic_store(&e->cancel, false);
}

void engine_rest(struct engine *e)
{
	CHECK_TAG(e, ENGINE_TAG);
	if (!footprint_is_tight())
		return;
	for (int i = 0; i < EXEC_THREADS_MAX; i++) {
		struct scan_scratch *fresh = scan_scratch_new();

		if (!fresh)
			return;
		scan_scratch_free(&e->scratch[i]);
		e->scratch[i] = fresh;
	}
}

void engine_lower(struct engine *e, int nice)
{
	CHECK_TAG(e, ENGINE_TAG);
	helper_lower(e->helper, nice);
}

void engine_result_fini(struct engine_result *out)
{
	arena_fini(&out->arena);
	out->events = NULL;
	out->count = 0;
}

struct scan_scratch *engine_scratch(struct engine *e, unsigned thread)
{
	ASSERT(thread < EXEC_THREADS_MAX);
	return e->scratch[thread];
}

struct export_lane **engine_lane(struct engine *e, unsigned thread)
{
	ASSERT(thread < EXEC_THREADS_MAX);
	return &e->lanes[thread];
}

struct helper *engine_helper(const struct engine *e)
{
	return e->helper;
}

const atomic_bool *engine_cancel_flag(const struct engine *e)
{
	return &e->cancel;
}

/* ---------------------------------------------------------------- which hits are the page */

static void choose_page(struct run *r)
{
	const struct exec_result *x = &r->exec;
	size_t n = x->heap.count;

	/* What stands at or behind the horizon may have been overtaken by what was not looked at. */
	while (x->stopped && n > 0 && x->heap.hits[n - 1].key.a >= x->horizon)
		n--;
	n = n > x->skip ? n - x->skip : 0;
	r->page = n ? x->heap.hits + x->skip : NULL;
	r->more = n > r->req->limit;
	r->page_count = r->more ? r->req->limit : n;
}

/* ---------------------------------------------------------------- hits to events */

struct place {
	uint32_t unit, row;
	uint32_t at; /* position on the page */
};

static int compare_places(const void *x, const void *y)
{
	const struct place *a = x, *b = y;

	if (a->unit != b->unit)
		return a->unit < b->unit ? -1 : 1;
	return (a->row > b->row) - (a->row < b->row);
}

/* Without its id an event would be a hole; where keys of the page tell it, and the time, they are not read. */
static uint32_t wanted_of(const struct run *r)
{
	if (r->plan.order == ENGINE_ORDER_ARRIVAL)
		return r->out->wanted | SCAN_FETCH_ID;
	return r->out->wanted & ~(uint32_t)(SCAN_FETCH_ID | SCAN_FETCH_TIME);
}

static void put_event(const struct run *r, const struct event *ev, uint32_t at, struct event *out)
{
	out[at] = *ev;
	if (r->plan.order != ENGINE_ORDER_ARRIVAL)
		page_key_place(r->plan.order, r->page[at].key, &out[at].time_ns, &out[at].id);
}

/* One unit's events of the page; a damaged unit leaves holes (id 0), which are closed later. */
static int fetch_unit(struct run *r, const struct place *places, size_t n, uint32_t *rows,
	struct event *events, struct event *out)
{
	const struct plan_unit *u = &r->plan.units[places[0].unit];
	struct diag d = { .code = 0 };
	int rc;

	for (size_t i = 0; i < n; i++)
		rows[i] = places[i].row;
	rc = scan_fetch_some(r->plan.scan, u->unit, rows, n, wanted_of(r), r->engine->scratch[0],
		&r->out->arena, events, &r->exec.stats, &d);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0) {
		if (r->exec.stats.damaged_units++ == 0)
			r->exec.stats.damage = d;
		exec_damage_add(&r->exec.damage, &d);
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		put_event(r, &events[i], places[i].at, out);
	return 0;
}

static size_t close_holes(struct event *events, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (events[i].id)
			events[kept++] = events[i];
	}
	return kept;
}

/* The first n hits of the page. -ENOMEM: they do not fit the budget. */
static int fetch(struct run *r, size_t n)
{
	struct place *places = calloc(n, sizeof *places);
	uint32_t *rows = calloc(n, sizeof *rows);
	struct event *events = calloc(n, sizeof *events), *out;
	int rc = places && rows && events ? 0 : -ENOMEM;

	out = arena_calloc(&r->out->arena, n, sizeof *out);
	if (!out)
		rc = -ENOMEM;
	for (size_t i = 0; i < n && rc == 0; i++)
		places[i] = (struct place){ r->page[i].unit, r->page[i].row, (uint32_t)i };
	if (rc == 0)
		qsort(places, n, sizeof *places, compare_places);
	for (size_t i = 0, end; i < n && rc == 0; i = end) {
		for (end = i + 1; end < n && places[end].unit == places[i].unit; end++) {
		}
		rc = fetch_unit(r, places + i, end - i, rows, events, out);
	}
	if (rc == 0) {
		r->out->events = out;
		r->out->count = close_holes(out, n);
	}
	free(places);
	free(rows);
	free(events);
	return rc;
}

/* Large events: half as many, until they fit. One event always does, or memory is really out. */
static int fetch_page(struct run *r)
{
	size_t n = r->page_count;
	int rc;

	while (n > 0) {
		rc = fetch(r, n);
		if (rc != -ENOMEM)
			return rc;
		if (r->req->warm)
			return ENGINE_COLD;
		arena_fini(&r->out->arena);
		if (n == 1 && !(r->out->wanted & SCAN_FETCH_JSON))
			return -ENOMEM;
		/* Text may be many times as long as what it was made of: whoever writes it finds its end. */
		if (n == 1) {
			r->out->wanted &= ~(uint32_t)SCAN_FETCH_JSON;
			continue;
		}
		n /= 2;
		r->page_count = n;
		r->more = true;
		r->out->partial = ENGINE_PARTIAL_MEMORY;
	}
	return 0;
}

/* ---------------------------------------------------------------- what is said about it */

static void put_partial(struct run *r)
{
	struct engine_result *out = r->out;

	if (out->partial == ENGINE_WHOLE && r->exec.stats.regex_given_up > 0)
		out->partial = ENGINE_PARTIAL_REGEX;
	if (r->exec.damage.count)
		out->partial = ENGINE_PARTIAL_DAMAGE;
	if (r->exec.stopped)
		out->partial = r->exec.canceled ? ENGINE_PARTIAL_CANCELED : ENGINE_PARTIAL_TIME;
}

static void put_total(struct run *r)
{
	const struct engine_place *place = &r->req->place;
	struct engine_result *out = r->out;

	if (place->set) {
		out->total = place->total;
		out->total_known = place->total_known;
		return;
	}
	out->total = r->exec.total;
	out->total_known = r->plan.need_total && !r->exec.stopped && r->exec.damage.count == 0;
}

/*
 * Where the next page goes on: behind the last event, or before the first unit not looked at. False on
 * the last page, and where going on would be going in a circle.
 */
static bool next_key(const struct run *r, struct page_key *out)
{
	if (r->more && r->page_count) {
		*out = r->page[r->page_count - 1].key;
		return true;
	}
	if (!r->exec.stopped || r->exec.heap.count < r->exec.skip || r->exec.horizon == 0)
		return false;
	*out = (struct page_key){ r->exec.horizon - 1, UINT64_MAX };
	return !r->plan.resumed || page_key_less(r->plan.place, *out);
}

/* Units overlap: the first one not looked at may begin before `after`, up to which all is known. */
static void put_covered(struct run *r, uint64_t id)
{
	const struct engine_request *req = r->req;

	if (id > req->upto)
		id = req->upto;
	if (id < req->after && req->after <= r->out->committed)
		id = req->after;
	r->out->covered = id;
}

static void put_next(struct run *r)
{
	struct engine_result *out = r->out;
	struct engine_place place = { .set = true,
		.newest = r->req->place.set ? r->req->place.newest : out->committed,
		.total = out->total_known ? out->total : 0,
		.total_known = out->total_known,
		.now_ns = r->req->now_ns,
		.query_sum = r->req->query_sum };
	struct page_key key;
	bool more = next_key(r, &key);

	if (r->plan.order == ENGINE_ORDER_ARRIVAL) {
		put_covered(r, more ? key.a : out->committed);
		return;
	}
	out->covered = out->committed;
	if (!more || r->req->limit == 0)
		return;
	page_key_place(r->plan.order, key, &place.time_ns, &place.id);
	page_cursor_put(&place, out->next);
}

static void put_stats(struct run *r, int64_t began_ns)
{
	struct engine_stats *s = &r->out->stats;

	exec_stats_add(&s->scan, &r->exec.stats);
	s->units_total = r->plan.units_count;
	s->units_visited = r->exec.visited;
	s->units_counted = r->exec.counted;
	s->threads = r->exec.threads;
	s->us = (uint64_t)(clock_mono_ns() - began_ns) / 1000;
	r->out->damage_count = r->exec.damage.count;
	memcpy(r->out->damage, r->exec.damage.first, sizeof r->out->damage);
}

/* ---------------------------------------------------------------- run */

static int64_t deadline_of(const struct engine_request *req, int64_t now_ns, int64_t times)
{
	int64_t at;

	if (req->budget_ns <= 0 || __builtin_mul_overflow(req->budget_ns, times, &at) ||
		__builtin_add_overflow(now_ns, at, &at))
		return INT64_MAX;
	return at;
}

/* However short the budget, a walk gets on where the machine does anything at all. */
static int64_t overtime_of(const struct engine_request *req, int64_t now_ns)
{
	int64_t at = deadline_of(req, now_ns, ENGINE_OVERTIME), least;

	if (__builtin_add_overflow(now_ns, ENGINE_OVERTIME_NS, &least))
		return INT64_MAX;
	return at > least ? at : least;
}

/* Segments that could not even be opened, and gaps of the journal, have no unit that could say so. */
static void add_plan_damage(struct run *r)
{
	const struct scan_stats *opened = &r->out->stats.scan;

	for (uint64_t i = 0; i < opened->damaged_units; i++)
		exec_damage_add(&r->exec.damage, &opened->damage);
}

static int run_plan(struct run *r, int64_t began_ns, struct diag *d)
{
	const struct exec_conf conf = { .scratch = { r->engine->scratch[0], r->engine->scratch[1] },
		.threads = r->req->warm ? 1 : r->req->threads,
		.helper = r->engine->helper,
		.cancel = &r->engine->cancel,
		.deadline_ns = deadline_of(r->req, began_ns, 1),
		.overtime_ns = overtime_of(r->req, began_ns),
		.offset = r->req->offset,
		.limit = r->req->limit };
	int rc = exec_run(&r->plan, &conf, &r->exec);

	if (rc == ERR_BUDGET)
		return diag_set(d, rc, "", -1, "the offset is too deep; go on by cursor instead");
	if (rc < 0)
		return diag_set(d, rc, "", -1, "cannot run the query");
	add_plan_damage(r);
	choose_page(r);
	if (r->req->warm && r->page_count > ENGINE_WARM_ROWS)
		return ENGINE_COLD;
	rc = fetch_page(r);
	if (rc < 0)
		return diag_set(d, rc, "", -1, "cannot hold the events of the page");
	return rc;
}

static size_t memory_of(const struct engine_request *req)
{
	return req->warm ? ENGINE_WARM_BYTES : req->budget_bytes + ENGINE_TABLE_BYTES;
}

int engine_run(struct engine *e, struct store_snapshot *snap, const struct engine_request *req,
	struct engine_result *out, struct diag *d)
{
	int64_t began_ns = clock_mono_ns();
	struct run r = { .engine = e, .req = req, .out = out };
	int rc;

	CHECK_TAG(e, ENGINE_TAG);
	ASSERT(req->limit <= ENGINE_LIMIT_MAX);
	*out = (struct engine_result){ .committed = store_snapshot_committed(snap),
		.wanted = req->wanted };
	/* An offset is counted through. */
	if (req->warm && req->offset > 0)
		return ENGINE_COLD;
	arena_init(&out->arena, memory_of(req));
	rc = plan_make(req, snap, &r.plan, &out->stats.scan, d);
	if (rc != 0)
		return rc;
	rc = run_plan(&r, began_ns, d);
	if (rc == 0) {
		put_partial(&r);
		put_total(&r);
		put_next(&r);
		put_stats(&r, began_ns);
	}
	exec_result_fini(&r.exec);
	scan_scratch_rest(e->scratch[0]);
	plan_free(&r.plan);
	if (rc != 0)
		engine_result_fini(out);
	return rc;
}
