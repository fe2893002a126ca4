/*
 * A lane is what one thread needs to turn a piece into text: the rows it is about, in the order asked
 * for, then some hundred of them at a time as events, each written as soon as its turn comes.
 */
#include "query/export_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/scan_fetch.h"

enum {
	/* Rows fetched at a time. */
	LANE_ROWS = SCAN_FETCH_ROWS,
	/* Texts of these rows where they are of several units; fewer rows when they do not fit. */
	LANE_BYTES = 4 * LIMIT_EVENT_BYTES,
	/* A text so long takes no more, even if rows were fetched for it in vain. */
	LANE_TEXT_BYTES = 2 * EXPORT_PART_BYTES,
	/* Room that a buffer has at first: it is full before it must grow. */
	LANE_SPARE_BYTES = 160 << 10,
};

/* A row to be written, and where it stands among those fetched with it. */
struct place {
	uint32_t unit, row;
	uint32_t at;
};

/* By its key first. */
struct hit {
	struct page_key key;
	struct scan_hit at;
};

struct export_lane {
	struct arena arena;
	struct json_out_memo memo;
	/* Matching rows of a unit, in the order asked for; rows_cap. They stay for its other pieces. */
	struct hit *hits;
	size_t hits_count;
	size_t rows_cap;
	uint64_t hits_run; /* number of the run whose unit it is; 0: none */
	size_t hits_unit;
	struct place places[LANE_ROWS];
	uint32_t rows[LANE_ROWS];
	struct event events[LANE_ROWS]; /* by place */
	const struct event
		*turns[LANE_ROWS]; /* of them, in the order asked for; NULL: not to be read */
};

/* One run of a lane. */
struct run {
	struct export_lane *lane;
	const struct export_run *x;
	struct export_piece *piece;
	struct scan_scratch *scratch;
	const atomic_bool *cancel;
};

struct export_lane *export_lane_new(void)
{
	struct export_lane *l = calloc(1, sizeof *l);

	if (l)
		arena_init(&l->arena, LANE_BYTES);
	return l;
}

void export_lane_free(struct export_lane **l)
{
	if (!*l)
		return;
	arena_fini(&(*l)->arena);
	free((*l)->hits);
	free(*l);
	*l = NULL;
}

/* ---------------------------------------------------------------- rows of a unit */

static int grow(struct export_lane *l, size_t n)
{
	struct hit *hits;

	if (n <= l->rows_cap)
		return 0;
	hits = realloc(l->hits, n * sizeof *hits);
	if (!hits)
		return -ENOMEM;
	l->hits = hits;
	l->rows_cap = n;
	return 0;
}

static int compare_hits(const void *x, const void *y)
{
	const struct hit *a = x, *b = y;

	if (page_key_less(a->key, b->key))
		return -1;
	return page_key_less(b->key, a->key);
}

/* The hits into the lane's. They come by id, which mostly is the order of time, too. */
static void put_in_order(struct run *r, const struct scan_hit *hits, size_t n)
{
	const enum engine_order order = r->x->plan.order;
	struct hit *to = r->lane->hits;
	bool sorted = true;

	for (size_t i = 0; i < n; i++) {
		const struct scan_hit *hit = &hits[order == ENGINE_ORDER_DESC ? n - 1 - i : i];

		to[i] = (struct hit){ page_key(order, hit->time_ns, hit->id), *hit };
		sorted = sorted && (i == 0 || page_key_less(to[i - 1].key, to[i].key));
	}
	if (!sorted)
		qsort(to, n, sizeof *to, compare_hits);
}

bool export_lane_has(
	const struct export_lane *l, const struct export_run *x, const struct export_piece *p)
{
	return l->hits_run == x->number && l->hits_unit == p->unit;
}

/* The matching rows, as lane->hits; none of a unit that cannot be read. */
static int select_unit(struct run *r)
{
	const struct plan_unit *u = &r->x->plan.units[r->piece->unit];
	struct export_lane *l = r->lane;
	const struct scan_hit *hits;
	struct diag d = { .code = 0 };
	size_t n = 0;
	int rc;

	if (export_lane_has(l, r->x, r->piece))
		return 0;
	l->hits_run = 0;
	l->hits_count = 0;
	rc = scan_select(r->x->plan.scan, u->unit, r->scratch, &hits, &n, &r->piece->stats, &d);

	if (rc < 0 && rc != -ENOMEM) {
		exec_damage_add(&r->piece->damage, &d);
		return 0;
	}
	if (rc == 0)
		rc = grow(l, n);
	if (rc < 0)
		return rc;
	r->piece->looked += u->rows_count;
	r->piece->found += n;
	put_in_order(r, hits, n);
	l->hits_count = n;
	l->hits_run = r->x->number;
	l->hits_unit = r->piece->unit;
	return 0;
}

/* ---------------------------------------------------------------- some rows as events */

static int compare_places(const void *x, const void *y)
{
	const struct place *a = x, *b = y;

	if (a->unit != b->unit)
		return a->unit < b->unit ? -1 : 1;
	return (a->row > b->row) - (a->row < b->row);
}

/* Where the n rows from position `at` of the piece are, sorted by unit and row. */
static void find_places(struct run *r, size_t at, size_t n)
{
	struct place *p = r->lane->places;
	const struct export_piece *piece = r->piece;
	bool sorted = true;

	for (size_t i = 0; i < n; i++) {
		p[i].at = (uint32_t)i;
		if (piece->of_page) {
			p[i].unit = r->x->page.hits[at + i].unit;
			p[i].row = r->x->page.hits[at + i].row;
		} else {
			p[i].unit = (uint32_t)piece->unit;
			p[i].row = r->lane->hits[at + i].at.row;
		}
		sorted = sorted && (i == 0 || compare_places(&p[i - 1], &p[i]) < 0);
	}
	if (!sorted)
		qsort(p, n, sizeof *p, compare_places);
}

/* Where the search told id and time of each row, they need not be read again. */
static uint32_t wanted(const struct run *r)
{
	const uint32_t told = SCAN_FETCH_ID | SCAN_FETCH_TIME;

	return r->piece->of_page ? r->x->wanted : r->x->wanted & ~told;
}

static void fill_in(struct run *r, size_t at, size_t n)
{
	struct export_lane *l = r->lane;

	for (size_t i = 0; i < n && !r->piece->of_page; i++) {
		const struct scan_hit *hit = &l->hits[at + l->places[i].at].at;

		l->events[i].id = hit->id;
		l->events[i].time_ns = hit->time_ns;
	}
}

/* Places [from, end) are of one unit; alone, they need no copy. */
static int fetch_unit(struct run *r, size_t from, size_t end, bool alone)
{
	struct export_lane *l = r->lane;
	const struct plan_unit *u = &r->x->plan.units[l->places[from].unit];
	struct scan_stats *stats = &r->piece->stats;
	struct diag d = { .code = 0 };
	int rc;

	for (size_t i = from; i < end; i++)
		l->rows[i - from] = l->places[i].row;
	rc = scan_fetch_some(r->x->plan.scan, u->unit, l->rows, end - from, wanted(r), r->scratch,
		alone ? NULL : &l->arena, l->events + from, stats, &d);
	if (rc == -ENOMEM)
		return rc;
	if (rc < 0)
		exec_damage_add(&r->piece->damage, &d);
	for (size_t i = from; i < end; i++)
		l->turns[l->places[i].at] = rc == 0 ? &l->events[i] : NULL;
	return 0;
}

static int fetch(struct run *r, size_t at, size_t n)
{
	struct export_lane *l = r->lane;
	int rc = 0;

	arena_reset(&l->arena);
	find_places(r, at, n);
	for (size_t i = 0, end; i < n && rc == 0; i = end) {
		for (end = i + 1; end < n && l->places[end].unit == l->places[i].unit; end++) {
		}
		rc = fetch_unit(r, i, end, end - i == n);
	}
	if (rc == 0)
		fill_in(r, at, n);
	return rc;
}

/* *n rows from `at`, or fewer where all together are too large. */
static int fetch_some(struct run *r, size_t at, size_t *n)
{
	int rc = fetch(r, at, *n);

	while (rc == -ENOMEM && *n > 1) {
		*n /= 2;
		rc = fetch(r, at, *n);
	}
	return rc;
}

/* *n fetched events, or as many as the text has room for. */
static int write_events(struct run *r, size_t *n)
{
	struct export_piece *p = r->piece;

	for (size_t i = 0; i < *n; i++) {
		const struct event *ev = r->lane->turns[i];
		int rc;

		if (p->text.len >= LANE_TEXT_BYTES) {
			*n = i;
			break;
		}
		if (!ev)
			continue;
		rc = export_put_event(r->x, ev, &r->lane->memo, &p->text);
		if (rc < 0)
			return rc;
		p->rows++;
	}
	return 0;
}

/* ---------------------------------------------------------------- a piece */

static bool canceled(const struct run *r)
{
	return atomic_load_explicit(r->cancel, memory_order_relaxed);
}

static bool is_full(const struct export_piece *p)
{
	return p->most == 0 || p->text.len >= EXPORT_PART_BYTES;
}

/* Rows from the piece's place up to `to`. */
static int write_rows(struct run *r, size_t to)
{
	struct export_piece *p = r->piece;
	int rc = 0;

	while (rc == 0 && p->at < to && !is_full(p)) {
		/* In equal shares. */
		size_t shares = (to - p->at + LANE_ROWS - 1) / LANE_ROWS;
		size_t n = (to - p->at + shares - 1) / shares;

		if (canceled(r))
			return -ECANCELED;
		if (n > p->most)
			n = (size_t)p->most;
		rc = fetch_some(r, p->at, &n);
		if (rc == 0)
			rc = write_events(r, &n);
		p->at += n;
		p->most -= n;
	}
	return rc;
}

static int write_page(struct run *r)
{
	struct export_piece *p = r->piece;
	int rc = write_rows(r, p->to);

	p->done = p->at == p->to || p->most == 0;
	return rc;
}

static int write_unit(struct run *r)
{
	struct export_piece *p = r->piece;
	size_t to;
	int rc = canceled(r) ? -ECANCELED : select_unit(r);

	if (rc < 0)
		return rc;
	to = r->lane->hits_count < p->to ? r->lane->hits_count : p->to;
	rc = write_rows(r, to);
	if (p->at < to)
		return rc;
	p->unit++;
	p->at = 0;
	return rc;
}

static int write_units(struct run *r)
{
	struct export_piece *p = r->piece;
	int rc = 0;

	while (rc == 0 && p->unit < p->unit_end && !is_full(p))
		rc = write_unit(r);
	p->done = p->unit == p->unit_end || p->most == 0;
	return rc;
}

static int work(struct run *r)
{
	int rc = buf_reserve(&r->piece->text, EXPORT_PART_BYTES + LANE_SPARE_BYTES);

	if (rc < 0)
		return rc;
	return r->piece->of_page ? write_page(r) : write_units(r);
}

void export_lane_run(struct export_lane *l, const struct export_run *x, struct export_piece *p,
	struct scan_scratch *scratch, const atomic_bool *cancel)
{
	struct run r = { l, x, p, scratch, cancel };

	p->rc = work(&r);
	arena_reset(&l->arena);
}
