#include "collector/stage.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/row.h"

void stage_pool_init(struct stage_pool *p, int dir, size_t bytes_max, uint64_t disk_max)
{
	*p = (struct stage_pool){ .bytes_max = bytes_max };
	p->spills.dir = dir;
	p->spills.file_bytes_max = LIMIT_SPILL_BYTES;
	p->spills.all_bytes_max = disk_max;
}

void stage_pool_fini(struct stage_pool *p)
{
	while (p->spares_count > 0) {
		struct buf *b = &p->spares[--p->spares_count];

		p->bytes -= b->cap;
		buf_fini(b);
	}
}

void stage_init(struct stage *s, struct stage_pool *p)
{
	*s = (struct stage){ .pool = p };
	buf_init(&s->rows, LIMIT_STAGE_BYTES);
}

void stage_fini(struct stage *s)
{
	stage_drop(s);
}

/* The last buffer given back is the one most likely still in the processor's cache. */
static void take_buffer(struct stage *s)
{
	struct stage_pool *p = s->pool;

	if (s->rows.p || p->spares_count == 0)
		return;
	s->rows = p->spares[--p->spares_count];
	/* It was nobody's. */
	p->bytes -= s->rows.cap;
	stage_hold(s, 0, s->rows.cap);
}

static void give_buffer(struct stage *s)
{
	struct stage_pool *p = s->pool;

	if (!s->rows.p)
		return;
	buf_reset(&s->rows);
	stage_hold(s, s->rows.cap, 0);
	if (p->spares_count < LIMIT_STAGE_SPARES && !stage_pool_full(p)) {
		p->bytes += s->rows.cap;
		p->spares[p->spares_count++] = s->rows;
	} else {
		buf_fini(&s->rows);
	}
	buf_init(&s->rows, LIMIT_STAGE_BYTES);
}

static int spill_rows(struct stage *s, struct diag *d)
{
	struct store_batch b = { .rows = s->rows.p,
		.rows_bytes = s->rows.len,
		.rows_count = s->rows_count,
		.time_min_ns = s->time_min_ns,
		.time_max_ns = s->time_max_ns };
	int rc = 0;

	if (s->rows_count == 0)
		return 0;
	if (!s->spill) {
		rc = spill_open(&s->pool->spills, &s->spill, d);
		s->pool->spilled++;
	}
	if (rc == 0)
		rc = spill_put(s->spill, &b, d);
	if (rc < 0) {
		s->pool->refused++;
		return rc;
	}
	buf_reset(&s->rows);
	s->rows_count = 0;
	return 0;
}

bool stage_pool_may_hold(const struct stage_pool *p, const struct addr *peer, size_t more)
{
	size_t left = p->bytes + more < p->bytes_max ? p->bytes_max - p->bytes - more : 0;

	if (!p->peers || !peer)
		return true;
	return peers_may_hold(p->peers, peer, more, left * LIMIT_PEER_RATIO);
}

/* True when n more bytes of rows are paid for: in the buffer already, or within the pool's memory. */
static bool affordable(const struct stage *s, size_t n)
{
	const struct stage_pool *p = s->pool;
	size_t cap = s->rows.cap, more;

	if (n <= cap - s->rows.len)
		return true;
	more = s->rows.len + n > 2 * cap ? n : cap;
	return p->bytes + more <= p->bytes_max && stage_pool_may_hold(p, s->peer, more);
}

static int make_room(struct stage *s, size_t n, struct diag *d)
{
	size_t was;
	int rc = 0;

	take_buffer(s);
	if (s->rows.len + n > LIMIT_STAGE_BYTES || s->rows_count == LIMIT_BATCH_ROWS ||
		!affordable(s, n))
		rc = spill_rows(s, d);
	if (rc < 0)
		return rc;
	if (!affordable(s, n)) {
		s->pool->refused++;
		return diag_set(d, ERR_BUDGET, "", -1,
			"no memory for another frame in flight; raise memory_max of [collector]");
	}
	was = s->rows.cap;
	rc = buf_reserve(&s->rows, n);
	stage_hold(s, was, s->rows.cap);
	return rc < 0 ? diag_set(d, rc, "", -1, "no memory for the rows of a frame") : 0;
}

int stage_put(struct stage *s, const struct event *ev, struct diag *d)
{
	size_t bound = row_bound(ev);
	int rc;

	if (bound > LIMIT_EVENT_BYTES)
		return STAGE_TOO_LARGE;
	rc = make_room(s, bound, d);
	if (rc < 0)
		return rc;
	rc = row_put(&s->rows, ev);
	ASSERT(rc == 0);
	if (s->rows_count == 0 || ev->time_ns < s->time_min_ns)
		s->time_min_ns = ev->time_ns;
	if (s->rows_count == 0 || ev->time_ns > s->time_max_ns)
		s->time_max_ns = ev->time_ns;
	s->rows_count++;
	s->total++;
	return 0;
}

int stage_complete(struct stage *s, struct diag *d)
{
	return s->spill ? spill_rows(s, d) : 0;
}

void stage_drop(struct stage *s)
{
	give_buffer(s);
	spill_close(&s->spill);
	s->rows_count = 0;
	s->total = 0;
}
