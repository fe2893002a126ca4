/*
 * Units stand in the plan by their first key. One that overlaps no other is cut into pieces by the
 * positions of its matching rows: as many as its text is expected to fill, from what the rows so far came
 * to; the last piece has no end, so that a wrong guess costs a further step and nothing else. Units that
 * overlap are searched together for the first EXPORT_PAGE_ROWS hits that were not written yet, again
 * and again; pieces are then runs of these hits.
 */
#include "query/export_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "query/answer.h"
#include "query/helper.h"
#include "storage/scan_fetch.h"

enum {
	/* Units of one piece where few rows match: a cancel is read between them, both lanes get some. */
	EXPORT_UNITS_MAX = 32,
	/* An event's text before any was written. */
	EXPORT_EVENT_BYTES_GUESS = 500,
	/* Memory given back that is larger was of an uncommon part. */
	EXPORT_STOCK_BYTES = 2 * EXPORT_PART_BYTES,
	/* A lane ends at two parts; the last event may make six bytes of one. */
	EXPORT_TEXT_BYTES_MAX = 2 * EXPORT_PART_BYTES + 8 * LIMIT_EVENT_BYTES,
};

/* ---------------------------------------------------------------- damage */

static void add_damage(struct export_run *x, const struct exec_damage *damage)
{
	struct engine_result *r = &x->result;

	for (size_t i = 0; i < damage->count; i++) {
		const struct diag *d = &damage->first[i < ENGINE_DAMAGE_MAX ? i : 0];
		bool known = false;

		/* Units that overlap are asked again for each page. */
		for (size_t k = 0; k < r->damage_count && k < ENGINE_DAMAGE_MAX; k++)
			known = known || (r->damage[k].off == d->off &&
						 strcmp(r->damage[k].file, d->file) == 0);
		if (known)
			continue;
		if (r->damage_count < ENGINE_DAMAGE_MAX)
			r->damage[r->damage_count] = *d;
		r->damage_count++;
	}
}

/* ---------------------------------------------------------------- life */

static uint64_t next_number(void)
{
	static _Atomic uint64_t last;

	return atomic_fetch_add(&last, 1) + 1;
}

int export_open(struct store_snapshot *snap, const struct export_request *req,
	struct export_run **out, struct diag *d)
{
	struct export_run *x = calloc(1, sizeof *x);
	struct engine_request plan_req = req->base;
	struct exec_damage opened = { .count = 0 };
	int rc;

	if (!x)
		return diag_set(d, -ENOMEM, "", -1, "cannot begin the export");
	x->number = next_number();
	x->snap = snap;
	x->req = req;
	x->wanted = req->format == EXPORT_CSV && !req->columns.count ? SCAN_FETCH_ALL
								     : answer_wanted(&req->columns);
	x->began_ns = clock_mono_ns();
	x->head_due = x->first_row_due = x->tail_due = true;
	x->result.committed = x->result.covered = store_snapshot_committed(snap);
	x->result.stats.threads = 1;
	plan_req.want_total = false;
	rc = plan_make(&plan_req, snap, &x->plan, &x->result.stats.scan, d);
	if (rc < 0) {
		free(x);
		return rc;
	}
	x->result.stats.units_total = x->plan.units_count;
	/* Segments that could not be opened at all have no unit that would say so. */
	for (uint64_t i = 0; i < x->result.stats.scan.damaged_units; i++)
		exec_damage_add(&opened, &x->result.stats.scan.damage);
	add_damage(x, &opened);
	*out = x;
	return 0;
}

void export_close(struct export_run **at)
{
	struct export_run *x = *at;

	if (!x)
		return;
	for (size_t i = 0; i < x->pieces_count; i++)
		buf_fini(&x->pieces[i].text);
	for (size_t i = 0; i < x->stock_count; i++)
		buf_fini(&x->stock[i]);
	heap_fini(&x->page);
	plan_free(&x->plan);
	free(x);
	*at = NULL;
}

bool export_done(const struct export_run *x)
{
	return x->done;
}

const struct engine_result *export_result(const struct export_run *x)
{
	return &x->result;
}

/* ---------------------------------------------------------------- limit */

/* Rows that pieces under way may write yet. */
static uint64_t promised(const struct export_run *x)
{
	uint64_t n = 0;

	for (size_t i = 0; i < x->pieces_count; i++)
		n += x->pieces[i].done ? 0 : x->pieces[i].most;
	return n;
}

/*
 * How many rows a further piece may write that has up to `most`. 0: it must wait until it is known how
 * many those before it have written; or there is nothing left to be written at all.
 */
static uint64_t allowed(const struct export_run *x, uint64_t most)
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

static bool limit_reached(const struct export_run *x)
{
	return x->req->limit > 0 && x->result.count == x->req->limit;
}

/* ---------------------------------------------------------------- planning */

static struct export_piece *add_piece(struct export_run *x, size_t at, size_t to, uint64_t most)
{
	struct export_piece *p = &x->pieces[x->pieces_count++];

	ASSERT(x->pieces_count <= EXPORT_PIECES_MAX);
	*p = (struct export_piece){ .at = at, .to = to, .most = most };
	buf_init(&p->text, EXPORT_TEXT_BYTES_MAX);
	return p;
}

/* Rows whose text fills a part. */
static size_t rows_of_part(const struct export_run *x)
{
	uint64_t bytes = x->written ? x->written_bytes / x->written + 1 : EXPORT_EVENT_BYTES_GUESS;
	uint64_t rows = EXPORT_PART_BYTES / bytes;

	return rows > 0 ? (size_t)rows : 1;
}

/* Matching rows of a unit, as far as one can tell; without experience, as many as make a part. */
static size_t rows_expected(const struct export_run *x, size_t unit)
{
	const struct plan_unit *u = &x->plan.units[unit];

	if (u->all)
		return u->rows_count;
	if (x->looked == 0)
		return rows_of_part(x);
	return (size_t)((double)u->rows_count * (double)x->found / (double)x->looked);
}

/* Behind the units from x->unit on that overlap no other and make a part together. */
static size_t units_of_part(const struct export_run *x, uint64_t *out_most)
{
	size_t end = x->unit + 1, part = rows_of_part(x), expected = rows_expected(x, x->unit);

	*out_most = x->plan.units[x->unit].rows_count;
	while (end < x->plan.units_count && end - x->unit < EXPORT_UNITS_MAX &&
		plan_cluster(&x->plan, end) == end + 1) {
		expected += rows_expected(x, end);
		if (expected > part)
			break;
		*out_most += x->plan.units[end++].rows_count;
	}
	return end;
}

/* True: a piece of the unit that is next was added. */
static bool plan_unit_piece(struct export_run *x)
{
	size_t part = rows_of_part(x), end = x->unit + 1;
	/* A little more than a part is a part. */
	bool last = rows_expected(x, x->unit) <= x->unit_at + part + part / 4;
	uint64_t most = part, may;
	struct export_piece *p;

	if (last)
		most = x->plan.units[x->unit].rows_count;
	if (last && x->unit_at == 0)
		end = units_of_part(x, &most);
	may = allowed(x, most);
	if (may == 0)
		return false;
	p = add_piece(x, x->unit_at, last ? SIZE_MAX : x->unit_at + part, may);
	p->unit = x->unit;
	p->unit_end = end;
	x->unit_at = last ? 0 : x->unit_at + part;
	if (last)
		x->unit = end;
	return true;
}

static bool plan_page_piece(struct export_run *x)
{
	size_t part = rows_of_part(x), left = x->page.count - x->page_at;
	size_t n = left < part + part / 4 ? left : part;
	uint64_t may = allowed(x, n);

	if (may == 0)
		return false;
	add_piece(x, x->page_at, x->page_at + n, may)->of_page = true;
	x->page_at += n;
	return true;
}

/* ---------------------------------------------------------------- pages */

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

/* The next hits of the units that overlap, in order. */
static int next_page(struct export_run *x, struct engine *e, struct diag *d)
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
	exec_stats_add(&x->result.stats.scan, &r.stats);
	x->result.stats.units_visited += r.visited;
	add_damage(x, &r.damage);
	heap_fini(&x->page);
	x->page = r.heap;
	x->page_at = 0;
	x->page_last = x->page.count <= EXPORT_PAGE_ROWS;
	for (size_t i = 0; i < x->page.count; i++)
		x->page.hits[i].unit += (uint32_t)x->unit;
	if (x->page.count) {
		x->page_plan.resumed = true;
		x->page_plan.place = x->page.hits[x->page.count - 1].key;
	}
	return 0;
}

/* ---------------------------------------------------------------- what is next */

enum planned { PLANNED_PIECE, PLANNED_WAIT, PLANNED_END };

/* Within units that overlap. A page stays until its pieces are done: they point into it. */
static int plan_pages(struct export_run *x, struct engine *e, enum planned *out, struct diag *d)
{
	*out = PLANNED_WAIT;
	if (x->page_at < x->page.count) {
		if (plan_page_piece(x))
			*out = PLANNED_PIECE;
		return 0;
	}
	if (x->pieces_count > 0)
		return 0;
	*out = PLANNED_PIECE;
	if (x->page_last) {
		end_pages(x);
		return 0;
	}
	return next_page(x, e, d);
}

static int plan_next(struct export_run *x, struct engine *e, enum planned *out, struct diag *d)
{
	size_t end;

	*out = PLANNED_END;
	if (limit_reached(x))
		return 0;
	if (x->page_end)
		return plan_pages(x, e, out, d);
	if (x->unit == x->plan.units_count)
		return 0;
	end = x->unit_at ? x->unit + 1 : plan_cluster(&x->plan, x->unit);
	*out = PLANNED_PIECE;
	if (end > x->unit + 1)
		begin_pages(x, end);
	else if (!plan_unit_piece(x))
		*out = PLANNED_WAIT;
	return 0;
}

/* Pieces up to that many that are not done. */
static int plan_pieces(struct export_run *x, struct engine *e, unsigned pieces, struct diag *d)
{
	enum planned planned = PLANNED_PIECE;
	int rc = 0;

	while (rc == 0 && planned == PLANNED_PIECE && x->pieces_count < pieces)
		rc = plan_next(x, e, &planned, d);
	return rc;
}

/* ---------------------------------------------------------------- memory of parts */

void export_give_back(struct export_run *x, struct buf *part)
{
	if (part->p && part->cap <= EXPORT_STOCK_BYTES && x->stock_count < EXPORT_PIECES_MAX) {
		buf_reset(part);
		x->stock[x->stock_count++] = *part;
		*part = (struct buf){ .max = part->max };
	}
	buf_fini(part);
}

/* A step of fewer parts needs less. */
static void trim_stock(struct export_run *x, unsigned pieces)
{
	while (x->stock_count > pieces)
		buf_fini(&x->stock[--x->stock_count]);
}

/* For each piece that will write and has no memory so far. */
static void hand_out(struct export_run *x)
{
	for (size_t i = 0; i < x->pieces_count && x->stock_count > 0; i++) {
		struct buf *text = &x->pieces[i].text;

		if (x->pieces[i].done || text->p)
			continue;
		*text = x->stock[--x->stock_count];
		text->max = EXPORT_TEXT_BYTES_MAX;
	}
}

/* ---------------------------------------------------------------- two lanes */

/*
 * The first lane takes pieces from the front, the second one from the back: so each mostly goes on in
 * the unit whose columns it has open.
 */
struct step {
	struct export_run *x;
	struct engine *e;
	atomic_bool taken[EXPORT_PIECES_MAX];
};

struct lane_arg {
	struct step *step;
	unsigned lane;
};

static bool is_runnable(const struct export_piece *p)
{
	return !p->done && p->text.len < EXPORT_PART_BYTES;
}

static void run_lane(struct step *s, unsigned lane)
{
	struct export_run *x = s->x;

	for (size_t i = 0; i < x->pieces_count; i++) {
		size_t at = lane == 0 ? i : x->pieces_count - 1 - i;
		struct export_piece *p = &x->pieces[at];

		/* What is taken is the other lane's: it must not be looked at. */
		if (!atomic_exchange(&s->taken[at], true) && is_runnable(p))
			export_lane_run(*engine_lane(s->e, lane), x, p, engine_scratch(s->e, lane),
				engine_cancel_flag(s->e));
	}
}

static void run_second(void *arg)
{
	struct lane_arg *a = arg;

	run_lane(a->step, a->lane);
}

static size_t runnable(const struct export_run *x)
{
	size_t n = 0;

	for (size_t i = 0; i < x->pieces_count; i++)
		n += is_runnable(&x->pieces[i]);
	return n;
}

static void run_pieces(struct export_run *x, struct engine *e)
{
	struct step s = { .x = x, .e = e };
	struct lane_arg second = { &s, 1 };
	struct helper *helper = engine_helper(e);
	bool helped;

	hand_out(x);
	helped = x->req->base.threads > 1 && runnable(x) > 1 &&
		 helper_start(helper, run_second, &second);
	run_lane(&s, 0);
	if (helped) {
		helper_join(helper);
		x->result.stats.threads = 2;
	}
	/* The next part may be made by another engine, which goes on with the same blocks. */
	for (unsigned i = 0; i < EXEC_THREADS_MAX; i++)
		scan_scratch_rest(engine_scratch(e, i));
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

static void gather_piece(struct export_run *x, struct export_piece *p)
{
	exec_stats_add(&x->result.stats.scan, &p->stats);
	add_damage(x, &p->damage);
	x->result.count += p->rows;
	x->written += p->rows;
	x->written_bytes += p->rows ? p->text.len : 0;
	x->looked += p->looked;
	x->found += p->found;
	p->rows = p->looked = p->found = 0;
	p->stats = (struct scan_stats){ .damaged_units = 0 };
	p->damage.count = 0;
}

/* What the lanes found out goes into the result and into experience. */
static int gather(struct export_run *x, struct diag *d)
{
	int rc = 0;

	for (size_t i = 0; i < x->pieces_count; i++) {
		gather_piece(x, &x->pieces[i]);
		if (x->pieces[i].rc < 0)
			rc = x->pieces[i].rc;
	}
	return rc < 0 ? diag_set(d, rc, "", -1, "cannot write the events") : 0;
}

static void drop_finished(struct export_run *x)
{
	size_t kept = 0;

	for (size_t i = 0; i < x->pieces_count; i++) {
		if (!x->pieces[i].done || x->pieces[i].text.len)
			x->pieces[kept++] = x->pieces[i];
		else
			buf_fini(&x->pieces[i].text);
	}
	x->pieces_count = kept;
}

int export_step(struct export_run *x, struct engine *e, unsigned pieces, struct diag *d)
{
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
		drop_finished(x);
		rc = plan_pieces(x, e, pieces, d);
		if (rc == 0) {
			run_pieces(x, e);
			rc = gather(x, d);
		}
		drop_finished(x);
	} while (rc == 0 && x->pieces_count == 0 &&
		 (x->unit < x->plan.units_count || x->page_end) && !limit_reached(x));
	return rc;
}

/* ---------------------------------------------------------------- taking */

static bool all_written(const struct export_run *x)
{
	return x->pieces_count == 0 &&
	       (limit_reached(x) || (x->unit == x->plan.units_count && !x->page_end));
}

/* The comma before the first event of all is none. */
static void mend_first_row(struct export_run *x, struct buf *text)
{
	if (x->first_row_due && x->req->format == EXPORT_JSON)
		text->p[0] = ' ';
	x->first_row_due = false;
}

/* The text of the first piece, if it has any. */
static bool take_piece(struct export_run *x, struct buf *out)
{
	struct export_piece *p = &x->pieces[0];

	if (x->pieces_count == 0 || p->text.len == 0)
		return false;
	mend_first_row(x, &p->text);
	*out = p->text;
	buf_init(&p->text, EXPORT_TEXT_BYTES_MAX);
	if (!p->done)
		return true;
	x->pieces_count--;
	memmove(&x->pieces[0], &x->pieces[1], x->pieces_count * sizeof x->pieces[0]);
	return true;
}

static void finish(struct export_run *x)
{
	struct engine_result *r = &x->result;

	x->done = true;
	r->partial = r->damage_count ? ENGINE_PARTIAL_DAMAGE : ENGINE_WHOLE;
	r->total = r->count;
	r->total_known = x->req->limit == 0 && r->partial == ENGINE_WHOLE;
	r->stats.us = (uint64_t)(clock_mono_ns() - x->began_ns) / 1000;
}

bool export_take(struct export_run *x, struct buf *out)
{
	buf_init(out, EXPORT_TEXT_BYTES_MAX);
	if (x->head_due) {
		x->head_due = false;
		export_put_head(x, out);
		if (out->len)
			return true;
	}
	if (take_piece(x, out))
		return true;
	if (!all_written(x) || x->done)
		return false;
	finish(x);
	export_put_tail(x, out);
	return out->len > 0;
}
