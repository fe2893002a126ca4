/*
 * Goal: every frame becomes durable exactly once, in order, whatever fails on the way; the batches
 * are bounded; a known chunk id is recognised. Method: the store's writer is played by this file, a
 * log in memory whose calls can be held up and made to fail; the loop is turned by hand.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "collector/commit.h"
#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/chunkset.h"
#include "storage/row.h"

enum { ROWS_MAX = 100000 };

/* ---------------------------------------------------------------- the store, played */

struct store_writer {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct chunkset chunks; /* until commit has them */
	/* Script. */
	bool hold;              /* commit waits until it is false */
	unsigned commits_fail;  /* so many commits fail */
	unsigned restarts_fail; /* so many restarts do */
	int64_t no_room_for; /* a batch that begins with this event time finds no room; 0: none */
	/* What happened. */
	unsigned appends, commits, restarts;
	unsigned chunks_durable;
	unsigned chunks_pending;
	bool dead;
	int64_t rows[ROWS_MAX]; /* event times: durable, then appended */
	size_t durable, appended;
};

int store_writer_append(struct store_writer *w, const struct store_batch *b, struct diag *d)
{
	struct rcur c = rcur_of(b->rows, b->rows_bytes);
	struct event ev;
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	assert_false(w->dead);
	w->appends++;
	assert_true(b->rows_count > 0 && b->rows_count <= LIMIT_BATCH_ROWS);
	assert_true(b->chunks_count <= LIMIT_BATCH_CHUNKS);
	assert_true(b->rows_bytes <= LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES);
	if (w->no_room_for && b->time_min_ns == w->no_room_for)
		rc = diag_set(d, -ENOSPC, "journal", 0, "played");
	for (uint32_t i = 0; rc == 0 && i < b->rows_count; i++) {
		assert_int_equal(row_get(&c, &ev), 0);
		assert_true(ev.time_ns >= b->time_min_ns && ev.time_ns <= b->time_max_ns);
		assert_true(w->appended < ROWS_MAX);
		w->rows[w->appended++] = ev.time_ns;
	}
	if (rc == 0) {
		assert_int_equal(rcur_left(&c), 0);
		w->chunks_pending += b->chunks_count;
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

int store_writer_commit(struct store_writer *w, uint64_t *out_committed, struct diag *d)
{
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	while (w->hold)
		pthread_cond_wait(&w->changed, &w->lock);
	assert_false(w->dead);
	w->commits++;
	if (w->commits_fail > 0) {
		w->commits_fail--;
		w->dead = true;
		rc = diag_set(d, ERR_JOURNAL_DEAD, "journal", 0, "played");
	} else {
		w->durable = w->appended;
		w->chunks_durable += w->chunks_pending;
		w->chunks_pending = 0;
		*out_committed = w->durable;
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

int store_writer_restart(struct store_writer *w, struct diag *d)
{
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	w->restarts++;
	if (w->restarts_fail > 0) {
		w->restarts_fail--;
		rc = diag_set(d, -EIO, "journal", 0, "played");
	} else {
		w->dead = false;
		w->appended = w->durable;
		w->chunks_pending = 0;
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

static const struct store_chunk old_chunk = { 1, 2 };

struct chunkset *store_writer_chunks(struct store_writer *w)
{
	return &w->chunks;
}

uint64_t store_writer_committed(const struct store_writer *w)
{
	return w->durable;
}

/* By the thread alone. */
uint64_t store_writer_next(const struct store_writer *w)
{
	return w->appended + 1;
}

static void set_no_room(struct store_writer *w, int64_t time_ns)
{
	pthread_mutex_lock(&w->lock);
	w->no_room_for = time_ns;
	pthread_mutex_unlock(&w->lock);
}

static void hold(struct store_writer *w, bool on)
{
	pthread_mutex_lock(&w->lock);
	w->hold = on;
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* ---------------------------------------------------------------- the loop */

struct fixture {
	uv_loop_t loop;
	struct store_writer w;
	struct stage_pool pool;
	struct stage stage;
	struct commit *c;
	int64_t put; /* events so far; event n has the time n, from 1 */
	unsigned wakes;
};

static void on_durable(void *arg)
{
	((struct fixture *)arg)->wakes++;
}

static void on_fatal(void *arg)
{
	(void)arg;
	fail_msg("no frame was on disk");
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct commit_conf conf = { .loop = &f->loop,
		.writer = &f->w,
		.durable = on_durable,
		.fatal = on_fatal,
		.arg = f };
	struct diag d;

	uv_loop_init(&f->loop);
	pthread_mutex_init(&f->w.lock, NULL);
	pthread_cond_init(&f->w.changed, NULL);
	chunkset_init(&f->w.chunks, LIMIT_CHUNKS_REMEMBERED, LIMIT_CHUNKS_IN_FLIGHT);
	chunkset_add(&f->w.chunks, old_chunk, 0);
	stage_pool_init(&f->pool, -1, 1 << 30, 0);
	stage_init(&f->stage, &f->pool);
	*state = f;
	return commit_open(&conf, &f->c, &d);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	commit_close(&f->c);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	stage_fini(&f->stage);
	stage_pool_fini(&f->pool);
	assert_int_equal(f->pool.bytes, 0);
	free(f);
	return 0;
}

/* A frame of `count` events of about `bytes` each. */
static uint64_t put_ids(struct fixture *f, unsigned count, size_t bytes,
	const struct store_chunk *chunks, uint32_t chunks_count)
{
	static uint8_t text[LIMIT_EVENT_BYTES / 2];
	struct event ev = { .severity = EVENT_SEVERITY_INFO };
	struct diag d;

	ev.text[EVENT_TEXT_DESCRIPTION] = span_of(text, bytes);
	for (unsigned i = 0; i < count; i++) {
		ev.time_ns = ++f->put;
		assert_int_equal(stage_put(&f->stage, &ev, &d), 0);
	}
	assert_true(commit_room(f->c));
	return commit_put(f->c, &f->stage, chunks, chunks_count);
}

static uint64_t put(
	struct fixture *f, unsigned count, size_t bytes, const struct store_chunk *chunk)
{
	return put_ids(f, count, bytes, chunk, chunk ? 1 : 0);
}

static void until_durable(struct fixture *f, uint64_t seq)
{
	int64_t end = clock_mono_ns() + 20 * CLOCK_NS_PER_SEC;

	while (commit_durable(f->c) < seq) {
		assert_true(clock_mono_ns() < end);
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
}

static void until_idle(struct fixture *f)
{
	int64_t end = clock_mono_ns() + 20 * CLOCK_NS_PER_SEC;

	while (!commit_idle(f->c)) {
		assert_true(clock_mono_ns() < end);
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
}

/* Every event put is durable, once and in order. */
static void check_all(struct fixture *f)
{
	until_idle(f);
	assert_int_equal(f->w.durable, f->put);
	for (int64_t i = 0; i < f->put; i++)
		assert_int_equal(f->w.rows[i], i + 1);
}

/* ---------------------------------------------------------------- tests */

static void test_one(void **state)
{
	struct fixture *f = *state;
	uint64_t seq;

	assert_true(commit_idle(f->c));
	assert_int_equal(put(f, 0, 0, NULL), 0); /* nothing to wait for */
	seq = put(f, 3, 10, NULL);
	assert_true(seq > 0);
	assert_false(commit_idle(f->c));
	until_durable(f, seq);
	check_all(f);
	assert_int_equal(f->w.commits, 1);
	/* The news reaches the loop. */
	while (f->wakes == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
}

/* While one batch is synced the next one fills up, and goes as one. */
static void test_group(void **state)
{
	struct fixture *f = *state;

	hold(&f->w, true);
	put(f, 1, 10, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	for (int i = 0; i < 100; i++) {
		put(f, 2, 10, NULL);
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	hold(&f->w, false);
	check_all(f);
	assert_true(f->w.appends <= 3);
	assert_int_equal(commit_stats(f->c)->frames, 101);
}

static void test_bounded(void **state)
{
	struct fixture *f = *state;
	unsigned frames = 0;

	hold(&f->w, true);
	while (commit_room(f->c)) {
		put(f, 2, LIMIT_BATCH_BYTES, NULL);
		frames++;
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	assert_true(frames >= LIMIT_COMMIT_SLOTS - 2);
	assert_true(frames <= LIMIT_COMMIT_SLOTS);
	hold(&f->w, false);
	until_idle(f);
	assert_true(commit_room(f->c));
	put(f, 1, 10, NULL);
	check_all(f);
}

/* A batch never holds more rows or chunk ids than the journal takes. */
static void test_batch_limits(void **state)
{
	struct fixture *f = *state;

	hold(&f->w, true);
	for (uint64_t i = 0; i < LIMIT_BATCH_CHUNKS + 10; i++) {
		struct store_chunk chunk = { 100 + i, i };

		put(f, 1, 1, &chunk);
	}
	hold(&f->w, false);
	check_all(f);
	assert_int_equal(f->w.chunks_durable, LIMIT_BATCH_CHUNKS + 10);
}

static void test_known(void **state)
{
	const struct store_chunk a = { 10, 20 }, b = { 10, 21 };
	struct fixture *f = *state;
	uint64_t seq, again = 99;

	assert_true(commit_known(f->c, old_chunk, &again));
	assert_int_equal(again, 0);
	assert_false(commit_known(f->c, a, &again));
	hold(&f->w, true);
	seq = put(f, 1, 10, &a);
	/* Sent again while the first is on its way: it waits for that one. */
	assert_true(commit_known(f->c, a, &again));
	assert_int_equal(again, seq);
	assert_true(commit_durable(f->c) < seq);
	assert_false(commit_known(f->c, b, &again));
	hold(&f->w, false);
	check_all(f);
	assert_true(commit_known(f->c, a, &again));
}

/* A frame's ids go with it in one batch, however many there are, and come once. */
static void test_many_ids(void **state)
{
	static struct store_chunk ids[LIMIT_FRAME_CHUNKS];
	struct fixture *f = *state;
	uint64_t seq[6], last = 0, got;

	hold(&f->w, true);
	for (uint64_t i = 0; i < ARRAY_COUNT(seq); i++) {
		for (uint64_t n = 0; n < ARRAY_COUNT(ids); n++)
			ids[n] = (struct store_chunk){ 1000 + i, n };
		/* Two that are known already are taken once. */
		ids[1] = ids[0];
		ids[2] = old_chunk;
		seq[i] = put_ids(f, 1, 10, ids, ARRAY_COUNT(ids));
		assert_true(seq[i] >= last);
		last = seq[i];
		assert_true(commit_known(f->c, ids[0], &got));
		assert_int_equal(got, seq[i]);
		assert_true(commit_known(f->c, ids[ARRAY_COUNT(ids) - 1], &got));
		assert_int_equal(got, seq[i]);
	}
	/* More than one batch may have. */
	assert_true(seq[0] < last);
	hold(&f->w, false);
	check_all(f);
	assert_int_equal(f->w.chunks_durable, ARRAY_COUNT(seq) * (ARRAY_COUNT(ids) - 2));
	/* Of a frame of which nothing is left nothing is remembered. */
	ids[0] = (struct store_chunk){ 1, 1 };
	assert_int_equal(put_ids(f, 0, 0, ids, 1), 0);
	assert_false(commit_known(f->c, ids[0], &got));
}

static void test_commit_fails(void **state)
{
	struct fixture *f = *state;
	const struct store_chunk a = { 3, 3 };

	f->w.commits_fail = 3;
	f->w.restarts_fail = 1;
	for (int i = 0; i < 20; i++)
		put(f, 100, 100, i == 7 ? &a : NULL);
	check_all(f);
	assert_false(commit_failing(f->c));
	assert_true(commit_failures(f->c) >= 4);
	assert_int_equal(f->w.chunks_durable, 1);
}

/* Batches before the one that finds no room do not wait for it. */
static void test_no_room(void **state)
{
	struct fixture *f = *state;
	uint64_t before, stuck;

	hold(&f->w, true);
	put(f, 1, 10, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	before = put(f, 1, LIMIT_BATCH_BYTES, NULL);
	set_no_room(&f->w, f->put + 1);
	stuck = put(f, 1, LIMIT_BATCH_BYTES, NULL);
	put(f, 1, LIMIT_BATCH_BYTES, NULL);
	hold(&f->w, false);
	until_durable(f, before);
	for (int i = 0; i < 100; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(commit_durable(f->c), before);
	assert_true(stuck > before);
	while (!commit_failing(f->c))
		uv_run(&f->loop, UV_RUN_NOWAIT);
	set_no_room(&f->w, 0);
	check_all(f);
}

/* The ids a frame has in the end, however often it was appended and however late one asks. */
static void test_tickets(void **state)
{
	struct fixture *f = *state;
	struct commit_ticket t[4], dropped;
	int64_t first[ARRAY_COUNT(t)];

	hold(&f->w, true);
	f->w.commits_fail = 2;
	for (unsigned i = 0; i < ARRAY_COUNT(t); i++) {
		put(f, 3, 1000, NULL);
		commit_watch(f->c, &dropped);
		first[i] = f->put + 1;
		put(f, 1 + i, i == 2 ? LIMIT_BATCH_BYTES / 4 : 10, NULL);
		commit_watch(f->c, &t[i]);
		commit_drop(f->c, &dropped);
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(t); i++)
		assert_int_equal(t[i].first_id, 0);
	hold(&f->w, false);
	/* Slots are used again before the loop has looked at what became durable. */
	for (unsigned i = 0; i < 4 * LIMIT_COMMIT_SLOTS; i++) {
		int64_t end = clock_mono_ns() + 20 * CLOCK_NS_PER_SEC;

		while (!commit_room(f->c))
			assert_true(clock_mono_ns() < end);
		put(f, 1, LIMIT_BATCH_BYTES, NULL);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(t); i++) {
		assert_false(t[i].waiting);
		assert_int_equal(t[i].first_id, first[i]);
	}
	commit_drop(f->c, &t[0]);
	check_all(f);
}

/* A journal that never works again does not hold up the end. */
static void test_close_while_failing(void **state)
{
	struct fixture *f = *state;

	f->w.commits_fail = UINT32_MAX;
	put(f, 1, 10, NULL);
	while (!commit_failing(f->c))
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_false(commit_close(&f->c));
	assert_null(f->c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batch_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_ids, setup, teardown),
		cmocka_unit_test_setup_teardown(test_commit_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tickets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_while_failing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
