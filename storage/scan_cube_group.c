#include "storage/scan_cube_group.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"

enum {
	/* With more groups and times than these, lines are not put together. */
	COUNTS_MAX = 1 << 19,
	VERDICTS_MAX = 1 << 16,
	VERDICT_OPEN = 0,
	VERDICT_NO = 1,
	VERDICT_YES = 2,
};

static_assert(COUNTS_MAX * sizeof(uint64_t) + VERDICTS_MAX + sizeof(struct scan_cube_group) <
		      SCAN_CUBE_BYTES,
	"the promise of scan_cube.h");

static const enum event_text texts[SIDX_CUBE_DIMS] = {
	[SIDX_CUBE_EVENT_TYPE] = EVENT_TEXT_EVENT_TYPE,
	[SIDX_CUBE_ENTITY_TYPE] = EVENT_TEXT_ENTITY_TYPE,
	[SIDX_CUBE_SERVICE] = EVENT_TEXT_SERVICE,
};

int scan_cube_group_init(
	struct scan_cube_group *g, const struct scan_cube_ask *ask, unsigned where_dims)
{
	memset(g, 0, sizeof *g);
	g->ask = ask;
	g->where_dims = where_dims;
	g->scratch = ask->where ? expr_scratch_new() : NULL;
	return ask->where && !g->scratch ? -ENOMEM : 0;
}

void scan_cube_group_fini(struct scan_cube_group *g)
{
	if (g->scratch)
		expr_scratch_free(&g->scratch);
	free(g->counts);
	free(g->verdicts);
	memset(g, 0, sizeof *g);
}

/* ---- codes of some dimensions as one number ---- */

/* Distinct numbers that codes of these dimensions make; more than max: max + 1. */
static size_t places_of(const struct sidx_cube *x, unsigned dims, size_t max)
{
	size_t n = 1;

	for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
		if (dims >> d & 1)
			n *= sidx_cube_values(x, (enum sidx_cube_dim)d);
		if (n > max)
			return max + 1;
	}
	return n;
}

static size_t place_of(const struct sidx_cube *x, unsigned dims, const uint32_t *codes)
{
	size_t place = 0;

	for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
		if (dims >> d & 1)
			place = place * sidx_cube_values(x, (enum sidx_cube_dim)d) + codes[d];
	}
	return place;
}

static void codes_of(const struct sidx_cube *x, unsigned dims, size_t place, uint32_t *codes)
{
	for (int d = SIDX_CUBE_DIMS - 1; d >= 0; d--) {
		uint32_t n = sidx_cube_values(x, (enum sidx_cube_dim)d);

		if (!(dims >> d & 1))
			continue;
		codes[d] = (uint32_t)(place % n);
		place /= n;
	}
}

/* ---- which lines are meant ---- */

bool scan_cube_group_is_time(const struct expr *test)
{
	return test->kind == EXPR_TEST && test->test == EXPR_TEST_RANGES && !test->negate &&
	       test->field.kind == EXPR_FIELD_TIME && test->ranges_count == 1;
}

static bool holds(const struct scan_cube_group *g, const struct expr *x, const struct event *ev)
{
	return scan_cube_group_is_time(x) || expr_match(x, ev, g->scratch);
}

static bool matches(
	const struct scan_cube_group *g, const struct sidx_cube *x, const uint32_t *codes)
{
	const struct expr *where = g->ask->where;
	struct event ev = { 0 };
	bool all = true;

	for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
		if (!(g->where_dims >> d & 1))
			continue;
		if (d == SIDX_CUBE_SEVERITY)
			ev.severity = (uint8_t)codes[d];
		else
			ev.text[texts[d]] = sidx_cube_value(x, (enum sidx_cube_dim)d, codes[d]);
	}
	if (where->kind != EXPR_AND)
		return holds(g, where, &ev);
	for (uint32_t i = 0; i < where->args_count && all; i++)
		all = holds(g, where->args[i], &ev);
	return all;
}

/* Each combination of what is tested is decided once, where there are not too many to note them. */
static bool is_meant(
	const struct scan_cube_group *g, const struct sidx_cube *x, const uint32_t *codes)
{
	uint8_t *verdict;

	if (!g->ask->where)
		return true;
	if (!g->verdicts)
		return matches(g, x, codes);
	verdict = &g->verdicts[place_of(x, g->where_dims, codes)];
	if (*verdict == VERDICT_OPEN)
		*verdict = matches(g, x, codes) ? VERDICT_YES : VERDICT_NO;
	return *verdict == VERDICT_YES;
}

static int begin_verdicts(struct scan_cube_group *g, const struct sidx_cube *x)
{
	size_t n = places_of(x, g->where_dims, VERDICTS_MAX);

	if (!g->ask->where)
		return 0;
	if (n > VERDICTS_MAX) {
		free(g->verdicts);
		g->verdicts = NULL;
		g->verdicts_cap = 0;
		return 0;
	}
	if (n > g->verdicts_cap) {
		free(g->verdicts);
		g->verdicts = malloc(n);
		g->verdicts_cap = g->verdicts ? n : 0;
	}
	if (!g->verdicts)
		return -ENOMEM;
	memset(g->verdicts, VERDICT_OPEN, n);
	return 0;
}

/* ---- slots of time ---- */

int64_t scan_cube_group_number(const struct scan_cube_ask *ask, int64_t time_ns)
{
	__int128 off = (__int128)time_ns - ask->bucket_from_ns;

	ASSERT(ask->bucket_ns > 0);
	return (int64_t)(off / ask->bucket_ns - (off % ask->bucket_ns < 0));
}

static int64_t begin_of(const struct scan_cube_ask *ask, int64_t number)
{
	__int128 t = (__int128)number * ask->bucket_ns + ask->bucket_from_ns;

	return t < INT64_MIN ? INT64_MIN : (int64_t)t;
}

static void begin_slots(struct scan_cube_group *g, const struct scan_cube_run *r)
{
	int64_t before = 0;

	g->slots_count = 0;
	if (g->ask->bucket_ns == 0) {
		memset(g->slots, 0, sizeof g->slots);
		g->slot_times[0] = 0;
		g->slots_count = 1;
		return;
	}
	for (uint32_t i = r->first; i < r->next; i++) {
		int64_t from = r->table->buckets[i], number;

		number = scan_cube_group_number(g->ask, from > r->lo_ns ? from : r->lo_ns);
		if (g->slots_count == 0 || number != before)
			g->slot_times[g->slots_count++] = begin_of(g->ask, number);
		before = number;
		g->slots[i] = (uint16_t)(g->slots_count - 1);
	}
}

/* ---- cells ---- */

struct emit {
	struct scan_cube_group *group;
	const struct scan_cube_run *run;
	scan_cube_cb cb;
	void *arg;
	bool totals; /* a line's total is its only count */
	bool joined; /* lines of one group are put together; else each line is told alone */
};

static int emit(const struct emit *e, const uint32_t *codes, int64_t time_ns, uint64_t rows)
{
	struct scan_cube_cell cell = { .time_ns = time_ns, .rows = rows };

	for (int d = 0; d < SIDX_CUBE_DIMS; d++) {
		if (!(e->group->ask->by >> d & 1))
			continue;
		if (d == SIDX_CUBE_SEVERITY)
			cell.severity = (uint8_t)codes[d];
		else
			cell.text[d] =
				sidx_cube_value(e->run->cube, (enum sidx_cube_dim)d, codes[d]);
	}
	e->group->rows += rows;
	return e->cb(e->arg, &cell);
}

/* The counts of one group, by slot. */
static int emit_slots(const struct emit *e, const uint32_t *codes, const uint64_t *counts)
{
	int rc = 0;

	for (uint32_t k = 0; k < e->group->slots_count && rc == 0; k++) {
		if (counts[k] > 0)
			rc = emit(e, codes, e->group->slot_times[k], counts[k]);
	}
	return rc;
}

static int emit_groups(const struct emit *e, size_t groups)
{
	struct scan_cube_group *g = e->group;
	int rc = 0;

	for (size_t i = 0; i < groups && rc == 0; i++) {
		uint32_t codes[SIDX_CUBE_DIMS] = { 0 };

		codes_of(e->run->cube, g->ask->by, i, codes);
		rc = emit_slots(e, codes, g->counts + i * g->slots_count);
	}
	return rc;
}

/* A line's rows, added to counts by slot. */
static void add_line(
	const struct emit *e, struct sidx_cube_walk *w, uint64_t total, uint64_t *counts)
{
	struct scan_cube_group *g = e->group;
	uint32_t k;

	if (e->totals) {
		counts[0] += total;
		return;
	}
	k = sidx_cube_next(w, g->line_buckets, g->line_rows);
	for (uint32_t i = 0; i < k; i++) {
		uint32_t bucket = g->line_buckets[i];

		if (bucket >= e->run->first && bucket < e->run->next)
			counts[g->slots[bucket]] += g->line_rows[i];
	}
}

static int add_lines(const struct emit *e)
{
	const struct sidx_cube_table *t = e->run->table;
	struct scan_cube_group *g = e->group;
	struct sidx_cube_walk w = sidx_cube_begin(t);
	int rc = 0;

	for (uint32_t i = 0; i < t->combos_count && rc == 0; i++) {
		uint32_t codes[SIDX_CUBE_DIMS];
		uint64_t *counts = g->counts;

		sidx_cube_combo(t, i, codes);
		if (!is_meant(g, e->run->cube, codes)) {
			if (!e->totals)
				sidx_cube_next(&w, g->line_buckets, g->line_rows);
			continue;
		}
		if (e->joined)
			counts += place_of(e->run->cube, g->ask->by, codes) * g->slots_count;
		add_line(e, &w, sidx_cube_total(t, i), counts);
		if (e->joined)
			continue;
		rc = emit_slots(e, codes, counts);
		memset(counts, 0, g->slots_count * sizeof *counts);
	}
	return rc;
}

/* Room for so many counts, all zero. */
static int begin_counts(struct scan_cube_group *g, size_t n)
{
	if (n > g->counts_cap) {
		free(g->counts);
		g->counts = malloc(n * sizeof *g->counts);
		g->counts_cap = g->counts ? n : 0;
	}
	if (!g->counts)
		return -ENOMEM;
	memset(g->counts, 0, n * sizeof *g->counts);
	return 0;
}

int scan_cube_group_run(
	struct scan_cube_group *g, const struct scan_cube_run *r, scan_cube_cb cb, void *arg)
{
	struct emit e = { .group = g, .run = r, .cb = cb, .arg = arg };
	size_t groups = places_of(r->cube, g->ask->by, COUNTS_MAX);
	int rc = begin_verdicts(g, r->cube);

	ASSERT(r->first < r->next);
	ASSERT(((g->ask->by | g->where_dims) & ~r->table->dims) == 0);
	begin_slots(g, r);
	e.totals = g->slots_count == 1 && r->first == 0 && r->next == r->table->buckets_count;
	e.joined = g->ask->by != r->table->dims && groups <= COUNTS_MAX / g->slots_count;
	if (rc == 0)
		rc = begin_counts(g, (e.joined ? groups : 1) * g->slots_count);
	if (rc == 0)
		rc = add_lines(&e);
	return rc == 0 && e.joined ? emit_groups(&e, groups) : rc;
}
