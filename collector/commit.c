#include "collector/commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/commit_int.h"
#include "proto/base/check.h"
#include "proto/base/err.h"

enum { COMMIT_TAG = 0x434f4d54 };

/* ---------------------------------------------------------------- batches */

static bool holds_rows(const struct commit_slot *s, uint64_t number)
{
	return s->number == number && (s->rows_count > 0 || s->spill);
}

static void close_open(struct commit *c)
{
	ASSERT(holds_rows(commit_slot(c, c->open), c->open));
	pthread_mutex_lock(&c->lock);
	c->closed = c->open;
	/* From here on the thread has work; a second small batch behind this one would cost a sync. */
	atomic_store(&c->idle, false);
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	c->open++;
	c->stats.batches++;
}

/* Tickets of durable batches learn their ids while the slots still know them. */
static void resolve_tickets(struct commit *c)
{
	uint64_t durable = atomic_load_explicit(&c->durable, memory_order_acquire);

	while (c->tickets && c->tickets->number <= durable) {
		struct commit_ticket *t = c->tickets;
		const struct commit_slot *s = commit_slot(c, t->number);

		ASSERT(s->number == t->number);
		t->first_id = s->first_id + t->offset;
		commit_drop(c, t);
	}
}

/* The open batch, made ready when it is touched first: until then its slot may still be in use. */
static struct commit_slot *open_slot(struct commit *c)
{
	struct commit_slot *s = commit_slot(c, c->open);

	if (s->number == c->open)
		return s;
	ASSERT(c->open <= atomic_load(&c->durable) + LIMIT_COMMIT_SLOTS);
	ASSERT(!s->spill);
	resolve_tickets(c);
	s->number = c->open;
	s->rows_bytes = 0;
	s->rows_count = 0;
	s->chunks_count = 0;
	return s;
}

static bool fits(const struct commit_slot *s, const struct stage *st, uint32_t chunks_count)
{
	return s->rows_bytes + st->rows.len <= COMMIT_SLOT_BYTES &&
	       s->rows_count + st->rows_count <= LIMIT_BATCH_ROWS &&
	       s->chunks_count + chunks_count <= LIMIT_BATCH_CHUNKS;
}

static void take_rows(struct commit_slot *s, const struct stage *st)
{
	memcpy(s->rows + s->rows_bytes, st->rows.p, st->rows.len);
	if (s->rows_count == 0 || st->time_min_ns < s->time_min_ns)
		s->time_min_ns = st->time_min_ns;
	if (s->rows_count == 0 || st->time_max_ns > s->time_max_ns)
		s->time_max_ns = st->time_max_ns;
	s->rows_bytes += st->rows.len;
	s->rows_count += st->rows_count;
}

static struct commit_slot *slot_for(struct commit *c, const struct stage *st, uint32_t chunks_count)
{
	struct commit_slot *s = open_slot(c);

	if (s->rows_count > 0 && (st->spill || !fits(s, st, chunks_count))) {
		close_open(c);
		s = open_slot(c);
	}
	return s;
}

/* One that is remembered already, though what it names is stored anew, is so since long ago. */
static void take_chunks(
	struct commit *c, struct commit_slot *s, const struct store_chunk *chunks, uint32_t count)
{
	ASSERT(s->chunks_count + count <= LIMIT_BATCH_CHUNKS);
	for (uint32_t i = 0; i < count; i++) {
		if (chunkset_add(&c->known, chunks[i], s->number))
			s->chunks[s->chunks_count++] = chunks[i];
	}
}

uint64_t commit_put(
	struct commit *c, struct stage *st, const struct store_chunk *chunks, uint32_t chunks_count)
{
	struct commit_slot *s;
	uint64_t number;

	CHECK_TAG(c, COMMIT_TAG);
	ASSERT(commit_room(c));
	ASSERT(chunks_count <= LIMIT_FRAME_CHUNKS);
	if (st->total == 0) {
		stage_drop(st);
		return 0;
	}
	c->stats.frames++;
	c->stats.rows += st->total;
	s = slot_for(c, st, chunks_count);
	number = s->number;
	c->put_number = number;
	c->put_offset = s->rows_count;
	if (st->spill) {
		ASSERT(st->rows_count == 0);
		s->spill = st->spill;
		st->spill = NULL;
	} else {
		take_rows(s, st);
	}
	take_chunks(c, s, chunks, chunks_count);
	if (s->spill || s->rows_bytes >= LIMIT_BATCH_BYTES)
		close_open(c);
	stage_drop(st);
	return number;
}

void commit_watch(struct commit *c, struct commit_ticket *t)
{
	CHECK_TAG(c, COMMIT_TAG);
	ASSERT(c->put_number > 0);
	*t = (struct commit_ticket){ .number = c->put_number,
		.offset = c->put_offset,
		.prev = c->tickets_last,
		.waiting = true };
	if (c->tickets_last)
		c->tickets_last->next = t;
	else
		c->tickets = t;
	c->tickets_last = t;
}

void commit_drop(struct commit *c, struct commit_ticket *t)
{
	if (!t->waiting)
		return;
	t->waiting = false;
	if (t->prev)
		t->prev->next = t->next;
	else
		c->tickets = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		c->tickets_last = t->prev;
}

/* Batches that may still be closed before one must have become durable. */
static uint64_t batches_free(const struct commit *c)
{
	return atomic_load_explicit(&c->durable, memory_order_acquire) + LIMIT_COMMIT_SLOTS -
	       (c->open - 1);
}

bool commit_room(const struct commit *c)
{
	/* A frame may end the open batch and need the next one whole. */
	return batches_free(c) >= 2;
}

bool commit_room_ample(const struct commit *c)
{
	return batches_free(c) >= 2 + LIMIT_COMMIT_MARGIN;
}

bool commit_known(const struct commit *c, struct store_chunk chunk, uint64_t *out_seq)
{
	return chunkset_has(&c->known, chunk, out_seq);
}

void commit_flush(struct commit *c)
{
	if (holds_rows(commit_slot(c, c->open), c->open))
		close_open(c);
}

/* After the sockets of this turn: what they brought goes as one batch, if the thread is waiting. */
static void on_turn(uv_check_t *check)
{
	struct commit *c = check->data;

	CHECK_TAG(c, COMMIT_TAG);
	if (atomic_load_explicit(&c->idle, memory_order_relaxed))
		commit_flush(c);
}

static void on_wake(uv_async_t *wake)
{
	struct commit *c = wake->data;

	CHECK_TAG(c, COMMIT_TAG);
	if (atomic_load(&c->fatal) && !c->told_fatal) {
		c->told_fatal = true;
		c->conf.fatal(c->conf.arg);
		return;
	}
	resolve_tickets(c);
	c->conf.durable(c->conf.arg);
}

/* ---------------------------------------------------------------- state */

uint64_t commit_durable(const struct commit *c)
{
	return atomic_load_explicit(&c->durable, memory_order_acquire);
}

bool commit_idle(const struct commit *c)
{
	return !holds_rows(&c->slots[c->open % LIMIT_COMMIT_SLOTS], c->open) &&
	       commit_durable(c) + 1 == c->open;
}

bool commit_failing(const struct commit *c)
{
	return atomic_load_explicit(&c->failing, memory_order_relaxed);
}

const struct commit_stats *commit_stats(const struct commit *c)
{
	return &c->stats;
}

uint64_t commit_syncs(const struct commit *c)
{
	return atomic_load_explicit(&c->syncs, memory_order_relaxed);
}

uint64_t commit_sync_ns(const struct commit *c)
{
	return atomic_load_explicit(&c->sync_ns, memory_order_relaxed);
}

uint64_t commit_failures(const struct commit *c)
{
	return atomic_load_explicit(&c->failures, memory_order_relaxed);
}

uint64_t commit_last_id(const struct commit *c)
{
	return atomic_load_explicit(&c->last_id, memory_order_relaxed);
}

/* ---------------------------------------------------------------- life */

static void free_memory(struct commit *c)
{
	for (unsigned i = 0; i < LIMIT_COMMIT_SLOTS; i++) {
		free(c->slots[i].rows);
		free(c->slots[i].chunks);
		spill_close(&c->slots[i].spill);
	}
	free(c->spill_rows);
	chunkset_fini(&c->known);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	c->tag = 0;
	free(c);
}

static int take_memory(struct commit *c)
{
	for (unsigned i = 0; i < LIMIT_COMMIT_SLOTS; i++) {
		c->slots[i].rows = malloc(COMMIT_SLOT_BYTES);
		c->slots[i].chunks = malloc(LIMIT_BATCH_CHUNKS * sizeof c->slots[i].chunks[0]);
		if (!c->slots[i].rows || !c->slots[i].chunks)
			return -ENOMEM;
	}
	c->spill_rows = malloc(COMMIT_SLOT_BYTES);
	return c->spill_rows ? 0 : -ENOMEM;
}

static void init_sync(struct commit *c)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static int open_handles(struct commit *c)
{
	int rc = uv_async_init(c->conf.loop, &c->wake, on_wake);

	if (rc < 0)
		return rc;
	uv_check_init(c->conf.loop, &c->check);
	uv_check_start(&c->check, on_turn);
	uv_unref((uv_handle_t *)&c->check);
	c->wake.data = c->check.data = c;
	c->handles_open = 2;
	return 0;
}

int commit_open(const struct commit_conf *conf, struct commit **out, struct diag *d)
{
	struct commit *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the batches");
	c->tag = COMMIT_TAG;
	c->conf = *conf;
	c->open = 1;
	atomic_store(&c->idle, true);
	init_sync(c);
	rc = take_memory(c);
	if (rc == 0)
		rc = open_handles(c);
	if (rc < 0) {
		free_memory(c);
		return diag_set(d, rc, "", -1, "no memory for the batches");
	}
	chunkset_move(store_writer_chunks(conf->writer), &c->known);
	atomic_store(&c->last_id, store_writer_committed(conf->writer));
	rc = -pthread_create(&c->thread, NULL, commit_journal_run, c);
	if (rc < 0) {
		c->conf.writer = NULL; /* no thread to join */
		commit_close(&c);
		return diag_set(d, rc, "", -1, "cannot start the journal thread");
	}
	*out = c;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct commit *c = h->data;

	CHECK_TAG(c, COMMIT_TAG);
	if (--c->handles_open == 0)
		free_memory(c);
}

bool commit_close(struct commit **at)
{
	struct commit *c = *at;
	bool all;

	if (!c)
		return true;
	CHECK_TAG(c, COMMIT_TAG);
	*at = NULL;
	commit_flush(c);
	if (c->conf.writer) {
		pthread_mutex_lock(&c->lock);
		c->stop = true;
		pthread_cond_signal(&c->changed);
		pthread_mutex_unlock(&c->lock);
		pthread_join(c->thread, NULL);
	}
	all = commit_idle(c);
	uv_close((uv_handle_t *)&c->check, on_closed);
	uv_close((uv_handle_t *)&c->wake, on_closed);
	return all;
}
