/*
 * The life of an export, its result, and the handing out of its parts, which may go on while another thread
 * makes further ones (export_step.c).
 */
#include "query/export_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "query/answer.h"
#include "storage/scan_fetch.h"

enum {
	/* Memory given back that is larger was of an uncommon part. */
	STOCK_BYTES = 2 * EXPORT_PART_BYTES,
};

/* ---------------------------------------------------------------- damage */

void export_add_damage(struct export_run *x, const struct exec_damage *damage)
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

static void free_run(struct export_run *x)
{
	pthread_cond_destroy(&x->changed);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

int export_open(struct store_snapshot *snap, const struct export_request *req,
	struct export_run **out, struct diag *d)
{
	struct export_run *x = calloc(1, sizeof *x);
	struct engine_request plan_req = req->base;
	struct exec_damage opened = { .count = 0 };
	pthread_condattr_t clock;
	int rc;

	if (!x)
		return diag_set(d, -ENOMEM, "", -1, "cannot begin the export");
	x->number = next_number();
	x->snap = snap;
	x->req = req;
	x->wanted = req->format == EXPORT_CSV && !req->columns.count ? SCAN_FETCH_ALL
								     : answer_wanted(&req->columns);
	x->began_ns = clock_mono_ns();
	x->head_due = x->first_row_due = true;
	pthread_mutex_init(&x->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&x->changed, &clock);
	pthread_condattr_destroy(&clock);
	x->result.committed = x->result.covered = store_snapshot_committed(snap);
	x->result.stats.threads = 1;
	plan_req.want_total = false;
	rc = plan_make(&plan_req, snap, &x->plan, &x->result.stats.scan, d);
	if (rc < 0) {
		free_run(x);
		return rc;
	}
	x->result.stats.units_total = x->plan.units_count;
	/* Segments that could not be opened at all have no unit that would say so. */
	for (uint64_t i = 0; i < x->result.stats.scan.damaged_units; i++)
		exec_damage_add(&opened, &x->result.stats.scan.damage);
	export_add_damage(x, &opened);
	*out = x;
	return 0;
}

void export_on_part(struct export_run *x, bool (*on_part)(void *arg), void *arg)
{
	x->on_part = on_part;
	x->on_part_arg = arg;
}

void export_close(struct export_run **at)
{
	struct export_run *x = *at;

	if (!x)
		return;
	for (size_t i = 0; i < x->pieces_count; i++)
		buf_fini(&export_piece_at(x, i)->text);
	for (size_t i = 0; i < x->stock_count; i++)
		buf_fini(&x->stock[i]);
	heap_fini(&x->page);
	plan_free(&x->plan);
	free_run(x);
	*at = NULL;
}

const struct engine_result *export_result(const struct export_run *x)
{
	return &x->result;
}

/* ---------------------------------------------------------------- pieces */

struct export_piece *export_piece_at(struct export_run *x, size_t i)
{
	return &x->pieces[(x->pieces_first + i) % EXPORT_PLANNED_MAX];
}

bool export_piece_is_ready(const struct export_piece *p)
{
	return (p->state == EXPORT_PIECE_FULL || p->state == EXPORT_PIECE_DONE) && p->text.len > 0;
}

/* Memory for a later part. The lock is held. */
static void keep(struct export_run *x, struct buf *part)
{
	if (part->p && part->cap <= STOCK_BYTES && x->stock_count < EXPORT_PIECES_MAX) {
		buf_reset(part);
		x->stock[x->stock_count++] = *part;
		*part = (struct buf){ .max = part->max };
	}
	buf_fini(part);
}

static void drop_first(struct export_run *x)
{
	keep(x, &export_piece_at(x, 0)->text);
	x->pieces_first = (x->pieces_first + 1) % EXPORT_PLANNED_MAX;
	x->pieces_count--;
}

void export_drop_finished(struct export_run *x)
{
	while (x->pieces_count > 0) {
		const struct export_piece *p = export_piece_at(x, 0);

		if (p->state != EXPORT_PIECE_DONE || p->text.len > 0)
			break;
		drop_first(x);
	}
}

size_t export_waiting(struct export_run *x, size_t *out_bytes)
{
	bool next = true;
	size_t n = 0;

	*out_bytes = 0;
	pthread_mutex_lock(&x->lock);
	for (size_t i = 0; i < x->pieces_count; i++) {
		const struct export_piece *p = export_piece_at(x, i);

		if (export_piece_is_ready(p))
			*out_bytes += p->text.len;
		n += next && export_piece_is_ready(p);
		next = next && p->state == EXPORT_PIECE_DONE;
	}
	pthread_mutex_unlock(&x->lock);
	return n;
}

/* ---------------------------------------------------------------- taking */

/* The comma before the first event of all is none. */
static void mend_first_row(struct export_run *x, struct buf *text)
{
	if (x->first_row_due && x->req->format == EXPORT_JSON)
		text->p[0] = ' ';
	x->first_row_due = false;
}

/* The text of the first piece, if it is ready. */
static bool take_first(struct export_run *x, struct buf *out)
{
	struct export_piece *p;

	export_drop_finished(x);
	p = export_piece_at(x, 0);
	if (x->failed || x->pieces_count == 0 || !export_piece_is_ready(p))
		return false;
	mend_first_row(x, &p->text);
	*out = p->text;
	buf_init(&p->text, out->max);
	if (p->state == EXPORT_PIECE_DONE)
		drop_first(x);
	else
		p->state = EXPORT_PIECE_WAITS;
	pthread_cond_broadcast(&x->changed);
	return true;
}

/* Once, with the last part: whether there is anything more to be said. */
static bool finish(struct export_run *x)
{
	struct engine_result *r = &x->result;

	if (x->failed || x->done || x->pieces_count > 0 || !export_planned_all(x))
		return false;
	x->done = true;
	r->partial = r->damage_count ? ENGINE_PARTIAL_DAMAGE : ENGINE_WHOLE;
	r->total = r->count;
	r->total_known = x->req->limit == 0 && r->partial == ENGINE_WHOLE;
	r->stats.us = (uint64_t)(clock_mono_ns() - x->began_ns) / 1000;
	return true;
}

bool export_take(struct export_run *x, struct buf *out)
{
	bool taken, last = false;

	buf_init(out, EXPORT_BYTES_MAX);
	if (x->head_due) {
		x->head_due = false;
		export_put_head(x, out);
		if (out->len)
			return true;
	}
	pthread_mutex_lock(&x->lock);
	taken = take_first(x, out);
	if (!taken)
		last = finish(x);
	pthread_mutex_unlock(&x->lock);
	if (last)
		export_put_tail(x, out);
	return out->len > 0;
}

void export_give_back(struct export_run *x, struct buf *part)
{
	pthread_mutex_lock(&x->lock);
	keep(x, part);
	pthread_mutex_unlock(&x->lock);
}

bool export_done(struct export_run *x)
{
	bool done;

	pthread_mutex_lock(&x->lock);
	done = x->done;
	pthread_mutex_unlock(&x->lock);
	return done;
}
