/*
 * What of an export is done next.
 *
 * Units stand in the plan by their first key. One that overlaps no other is cut into pieces by the
 * positions of its matching rows: as many as its text is expected to fill, from what the rows so far came
 * to; the last piece has no end, so that a wrong guess costs a further turn and nothing else. Units that
 * overlap are searched together for the first EXPORT_PAGE_ROWS hits that were not written yet, again
 * and again; pieces are then runs of these hits.
 */
#include "query/export_int.h"

#include <errno.h>

#include "proto/base/check.h"

enum {
	/* Units of one piece where few rows match: a cancel is read between them, both lanes get some. */
	PIECE_UNITS_MAX = 32,
	/* An event's text before any was written. */
	EVENT_BYTES_GUESS = 500,
	/* A lane ends at two parts; the last event may make six bytes of one. */
	TEXT_BYTES_MAX = 2 * EXPORT_PART_BYTES + 8 * LIMIT_EVENT_BYTES,
};

/* ---------------------------------------------------------------- limit */

/* Rows that pieces under way may write yet. */
static uint64_t promised(struct export_run *x)
{
	uint64_t n = 0;

	for (size_t i = 0; i < x->pieces_count; i++)
		n += export_piece_at(x, i)->promised;
	return n;
}

/*
 * How many rows a further piece may write that has up to `most`. 0: it must wait until it is known how
 * many those before it have written; or there is nothing left to be written at all.
 */
static uint64_t allowed(struct export_run *x, uint64_t most)
{
	uint64_t before = promised(x), left;

	if (x->req->limit == 0)
		return most;
	ASSERT(x->result.count <= x->req->limit);
	left = x->req->limit - x->result.count;
	if (most <= left && before <= left - most)
		return most;
	return before == 0 ? left : 0;
}

bool export_limit_reached(const struct export_run *x)
{
	return x->req->limit > 0 && x->result.count == x->req->limit;
}

/* ---------------------------------------------------------------- pieces of units */

static struct export_piece *add_piece(struct export_run *x, size_t at, size_t to, uint64_t most)
{
	struct export_piece *p;

	ASSERT(x->pieces_count < EXPORT_PLANNED_MAX);
	p = export_piece_at(x, x->pieces_count++);
	*p = (struct export_piece){ .at = at, .to = to, .most = most, .promised = most };
	buf_init(&p->text, TEXT_BYTES_MAX);
	return p;
}

/* Rows whose text fills a part. */
static size_t rows_of_part(const struct export_run *x)
{
	uint64_t bytes = x->written ? x->written_bytes / x->written + 1 : EVENT_BYTES_GUESS;
	uint64_t rows = EXPORT_PART_BYTES / bytes;

	return rows > 0 ? (size_t)rows : 1;
}

/* Matching rows of a unit, as far as one can tell; without experience, all that there are. */
static size_t rows_expected(const struct export_run *x, size_t unit)
{
	const struct plan_unit *u = &x->plan.units[unit];

	if (u->all || x->looked == 0)
		return u->rows_count;
	return (size_t)((double)u->rows_count * (double)x->found / (double)x->looked);
}

/* Behind the units from x->unit on that overlap no other and make a part together. */
static size_t units_of_part(const struct export_run *x, uint64_t *out_most)
{
	size_t end = x->unit + 1, part = rows_of_part(x), expected = rows_expected(x, x->unit);

	*out_most = x->plan.units[x->unit].rows_count;
	while (end < x->plan.units_count && end - x->unit < PIECE_UNITS_MAX &&
		plan_cluster(&x->plan, end) == end + 1) {
		expected += rows_expected(x, end);
		if (expected > part)
			break;
		*out_most += x->plan.units[end++].rows_count;
	}
	return end;
}

/*
 * Of the unit that is next. The first piece is made before any other is planned, unless all rows match:
 * units cut without experience would be opened once for each of their parts.
 */
static enum export_planned plan_unit_piece(struct export_run *x)
{
	size_t part = rows_of_part(x), end = x->unit + 1;
	/* A little more than a part is a part. */
	bool last = rows_expected(x, x->unit) <= x->unit_at + part + part / 4;
	uint64_t most = part, may;
	struct export_piece *p;

	if (x->looked == 0 && !x->plan.units[x->unit].all && x->pieces_count > 0)
		return EXPORT_PLANNED_WAIT;
	if (last)
		most = x->plan.units[x->unit].rows_count;
	if (last && x->unit_at == 0)
		end = units_of_part(x, &most);
	may = allowed(x, most);
	if (may == 0)
		return EXPORT_PLANNED_WAIT;
	p = add_piece(x, x->unit_at, last ? SIZE_MAX : x->unit_at + part, may);
	p->unit = x->unit;
	p->unit_end = end;
	x->unit_at = last ? 0 : x->unit_at + part;
	if (last)
		x->unit = end;
	return EXPORT_PLANNED_PIECE;
}

/* ---------------------------------------------------------------- pieces of pages */

static void begin_pages(struct export_run *x, size_t end)
{
	x->page_end = end;
	x->page_last = false;
	x->page_plan = x->plan;
	x->page_plan.units = x->plan.units + x->unit;
	x->page_plan.units_count = end - x->unit;
	x->page_plan.need_total = false;
}

static void end_pages(struct export_run *x)
{
	x->unit = x->page_end;
	x->page_end = 0;
	heap_fini(&x->page);
	x->page_at = 0;
}

static enum export_planned plan_page_piece(struct export_run *x)
{
	size_t part = rows_of_part(x), left = x->page.count - x->page_at;
	size_t n = left < part + part / 4 ? left : part;
	uint64_t may = allowed(x, n);

	if (may == 0)
		return EXPORT_PLANNED_WAIT;
	add_piece(x, x->page_at, x->page_at + n, may)->of_page = true;
	x->page_at += n;
	return EXPORT_PLANNED_PIECE;
}

/* Hits [page_at, count) of the page are in no piece yet. */
static enum export_planned plan_in_pages(struct export_run *x)
{
	if (x->page_at < x->page.count)
		return plan_page_piece(x);
	return x->pieces_count > 0 ? EXPORT_PLANNED_WAIT : EXPORT_PLANNED_PAGE;
}

static void take_page(struct export_run *x, struct exec_result *r)
{
	exec_stats_add(&x->result.stats.scan, &r->stats);
	x->result.stats.units_visited += r->visited;
	export_add_damage(x, &r->damage);
	heap_fini(&x->page);
	x->page = r->heap;
	x->page_at = 0;
	x->page_last = x->page.count <= EXPORT_PAGE_ROWS;
	for (size_t i = 0; i < x->page.count; i++)
		x->page.hits[i].unit += (uint32_t)x->unit;
	if (x->page.count) {
		x->page_plan.resumed = true;
		x->page_plan.place = x->page.hits[x->page.count - 1].key;
	}
}

int export_plan_page(struct export_run *x, struct engine *e, struct diag *d)
{
	const struct exec_conf conf = { .scratch = { engine_scratch(e, 0), engine_scratch(e, 1) },
		.threads = x->req->base.threads,
		.helper = engine_helper(e),
		.cancel = engine_cancel_flag(e),
		.deadline_ns = INT64_MAX,
		.overtime_ns = INT64_MAX,
		.limit = EXPORT_PAGE_ROWS };
	struct exec_result r;
	int rc = exec_run(&x->page_plan, &conf, &r);

	if (rc == 0 && r.stopped) {
		exec_result_fini(&r);
		rc = -ECANCELED;
	}
	if (rc < 0)
		return diag_set(d, rc, "", -1, "cannot put the events in order");
	pthread_mutex_lock(&x->lock);
	take_page(x, &r);
	pthread_mutex_unlock(&x->lock);
	return 0;
}

/* ---------------------------------------------------------------- what is next */

bool export_planned_all(const struct export_run *x)
{
	return export_limit_reached(x) || (x->unit == x->plan.units_count && !x->page_end);
}

enum export_planned export_plan_next(struct export_run *x)
{
	size_t end;

	if (x->page_end && x->page_last && x->page_at == x->page.count && x->pieces_count == 0)
		end_pages(x);
	if (export_planned_all(x))
		return EXPORT_PLANNED_END;
	if (!x->page_end) {
		end = x->unit_at ? x->unit + 1 : plan_cluster(&x->plan, x->unit);
		if (end == x->unit + 1)
			return plan_unit_piece(x);
		begin_pages(x, end);
	}
	return plan_in_pages(x);
}
