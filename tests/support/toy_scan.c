#include "tests/support/toy_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/scan_fetch.h"

struct scan {
	struct store_snapshot *snap;
	struct scan_spec spec;
	struct scan_unit units[TOY_UNITS_MAX];
	size_t from[TOY_UNITS_MAX];
	size_t units_count;
};

struct scan_scratch {
	struct scan_hit *hits;
	size_t cap;
};

void scan_spec_init(struct scan_spec *spec)
{
	*spec = (struct scan_spec){
		.from_ns = INT64_MIN, .to_ns = INT64_MAX, .id_max = UINT64_MAX
	};
}

bool toy_scan_matches(const struct scan_spec *s, const struct event *ev)
{
	struct expr_scratch *x = expr_scratch_new();
	bool matches;

	ASSERT(x);
	matches = ev->time_ns >= s->from_ns && ev->time_ns <= s->to_ns && ev->id >= s->id_min &&
		  ev->id <= s->id_max && (!s->where || expr_match(s->where, ev, x));
	expr_scratch_free(&x);
	return matches;
}

uint64_t store_snapshot_committed(const struct store_snapshot *s)
{
	return s->events_count ? s->events[s->events_count - 1].id : 0;
}

struct scan_scratch *scan_scratch_new(void)
{
	return calloc(1, sizeof(struct scan_scratch));
}

void scan_scratch_free(struct scan_scratch **s)
{
	if (*s)
		free((*s)->hits);
	free(*s);
	*s = NULL;
}

void scan_scratch_rest(struct scan_scratch *s)
{
	(void)s;
}

void scan_scratch_trim(struct scan_scratch *s)
{
	(void)s;
}

size_t scan_scratch_held(const struct scan_scratch *s)
{
	(void)s;
	return 0;
}

static void add_unit(struct scan *s, size_t from, size_t end)
{
	struct scan_unit *u = &s->units[s->units_count];
	bool some = false;

	*u = (struct scan_unit){ .time_min_ns = INT64_MAX, .time_max_ns = INT64_MIN, .all = true };
	for (size_t i = from; i < end; i++) {
		const struct event *ev = &s->snap->events[i];
		bool hit = toy_scan_matches(&s->spec, ev);

		some |= hit;
		u->all = u->all && hit;
		if (ev->time_ns < u->time_min_ns)
			u->time_min_ns = ev->time_ns;
		if (ev->time_ns > u->time_max_ns)
			u->time_max_ns = ev->time_ns;
	}
	if (!some)
		return;
	u->rows_count = (uint32_t)(end - from);
	u->id_min = s->snap->events[from].id;
	u->id_max = s->snap->events[end - 1].id;
	s->from[s->units_count++] = from;
}

int scan_open(struct store_snapshot *snap, const struct scan_spec *spec, struct scan **out,
	struct scan_stats *stats, struct diag *d)
{
	struct scan *s;

	(void)d;
	if (spec->warm && snap->cold)
		return SCAN_COLD;
	s = calloc(1, sizeof *s);
	ASSERT(s);
	s->snap = snap;
	s->spec = *spec;
	stats->blocks_total += snap->units_count;
	for (size_t i = 0; i < snap->units_count; i++)
		add_unit(s, snap->cuts[i], snap->cuts[i + 1]);
	stats->blocks_pruned += snap->units_count - s->units_count;
	*out = s;
	return 0;
}

void scan_close(struct scan **s)
{
	free(*s);
	*s = NULL;
}

size_t scan_unit_count(const struct scan *s)
{
	return s->units_count;
}

const struct scan_unit *scan_unit(const struct scan *s, size_t unit)
{
	ASSERT(unit < s->units_count);
	return &s->units[unit];
}

static int read_unit(const struct scan *s, size_t unit, struct scan_stats *stats, struct diag *d)
{
	if (s->snap->unit_cost_ns)
		clock_fake(clock_wall_ns(), clock_mono_ns() + s->snap->unit_cost_ns);
	stats->blocks_read++;
	if (s->snap->damaged >= 0 && s->from[unit] == s->snap->cuts[s->snap->damaged])
		return diag_set(d, ERR_CORRUPT, "toy", (int64_t)unit, "block %zu", unit);
	return 0;
}

int scan_count(const struct scan *s, size_t unit, struct scan_scratch *scratch, uint64_t *out_count,
	struct scan_stats *stats, struct diag *d)
{
	int rc = read_unit(s, unit, stats, d);

	(void)scratch;
	__atomic_fetch_add(&s->snap->counts, 1, __ATOMIC_RELAXED);
	if (rc < 0)
		return rc;
	*out_count = 0;
	for (size_t i = 0; i < s->units[unit].rows_count; i++)
		*out_count += toy_scan_matches(&s->spec, &s->snap->events[s->from[unit] + i]);
	return 0;
}

int scan_select(const struct scan *s, size_t unit, struct scan_scratch *scratch,
	const struct scan_hit **out_hits, size_t *out_count, struct scan_stats *stats,
	struct diag *d)
{
	int rc = read_unit(s, unit, stats, d);
	size_t n = 0, rows = s->units[unit].rows_count;

	__atomic_fetch_add(&s->snap->selects, 1, __ATOMIC_RELAXED);
	if (rc < 0)
		return rc;
	scratch->hits = realloc(scratch->hits, (rows + 1) * sizeof *scratch->hits);
	ASSERT(scratch->hits);
	for (size_t i = 0; i < rows; i++) {
		const struct event *ev = &s->snap->events[s->from[unit] + i];

		if (toy_scan_matches(&s->spec, ev))
			scratch->hits[n++] = (struct scan_hit){ ev->time_ns, ev->id, (uint32_t)i };
	}
	*out_hits = scratch->hits;
	*out_count = n;
	return 0;
}

static int copy_span(struct arena *a, struct span *s)
{
	if (s->p)
		s->p = arena_dup(a, s->p, s->n);
	else
		return 0;
	return s->p ? 0 : -ENOMEM;
}

static void drop_unwanted(uint32_t wanted, struct event *ev)
{
	/* The toy makes no text of metadata. */
	ASSERT(!(wanted & SCAN_FETCH_JSON) || !ev->metadata.p);
	ev->id = wanted & SCAN_FETCH_ID ? ev->id : 0;
	for (int t = 0; t < EVENT_TEXT_COUNT; t++) {
		if (!(wanted & (unsigned)SCAN_FETCH_TEXT << t))
			ev->text[t] = SPAN_NONE;
	}
}

int scan_fetch_some(const struct scan *s, size_t unit, const uint32_t *rows, size_t count,
	uint32_t wanted, struct scan_scratch *scratch, struct arena *arena, struct event *out,
	struct scan_stats *stats, struct diag *d)
{
	int rc = 0;

	(void)scratch;
	(void)stats;
	(void)d;
	for (size_t i = 0; i < count && rc == 0; i++) {
		ASSERT(i == 0 || rows[i] > rows[i - 1]);
		out[i] = s->snap->events[s->from[unit] + rows[i]];
		drop_unwanted(wanted, &out[i]);
		for (int t = 0; t < EVENT_TEXT_COUNT && arena && rc == 0; t++)
			rc = copy_span(arena, &out[i].text[t]);
	}
	return rc;
}

int scan_fetch(const struct scan *s, size_t unit, const uint32_t *rows, size_t count,
	struct scan_scratch *scratch, struct arena *arena, struct event *out,
	struct scan_stats *stats, struct diag *d)
{
	return scan_fetch_some(s, unit, rows, count, SCAN_FETCH_ALL, scratch, arena, out, stats, d);
}
