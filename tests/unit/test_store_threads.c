/*
 * Goal: the journal's thread, the sealer's thread, readers and waiters share a store without a race and
 * without waiting for one another. Method: all at once on real files for a fixed number of rows, each
 * snapshot compared with what was appended; run under the thread sanitizer by tests/run --all.
 */
#include "tests/support/check_cmocka.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "storage/ctl.h"
#include "storage/manifest.h"
#include "storage/row.h"
#include "storage/snapshot_int.h"
#include "storage/store.h"
#include "storage/store_format.h"
#include "tests/support/tmpdir.h"

enum { BATCHES = 600, ROWS = 16, PAD = 1500 };

struct shared {
	struct store_conf conf;
	struct store_writer *w;
	_Atomic uint64_t committed;
	_Atomic bool done;
	_Atomic unsigned failures;
	_Atomic uint64_t snapshots;
};

/* Assertions of cmocka belong to the main thread. */
#define EXPECT(s, cond)                                                                    \
	do {                                                                               \
		if (!(cond)) {                                                             \
			fprintf(stderr, "# line %d: %s does not hold\n", __LINE__, #cond); \
			atomic_fetch_add(&(s)->failures, 1);                               \
		}                                                                          \
	} while (0)

static void *write_rows(void *arg)
{
	struct shared *s = arg;
	static uint8_t filler[PAD];
	uint64_t id = 1, committed = 0;
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < BATCHES; i++) {
		struct store_batch batch = { .rows_count = ROWS, .more = i % 3 == 1 };

		buf_reset(&b);
		for (int k = 0; k < ROWS; k++, id++) {
			struct event ev = { .time_ns = (int64_t)id };

			for (size_t n = 0; n < PAD; n += 2)
				filler[n] = (uint8_t)(id * 7919 >> n % 23);
			ev.text[EVENT_TEXT_DESCRIPTION] = span_of(filler, PAD);
			EXPECT(s, row_put(&b, &ev) == 0);
		}
		batch.rows = b.p;
		batch.rows_bytes = b.len;
		EXPECT(s, store_writer_append(s->w, &batch, NULL) == 0);
		EXPECT(s, store_writer_commit(s->w, &committed, NULL) == 0);
		atomic_store(&s->committed, committed);
	}
	atomic_store(&s->done, true);
	buf_fini(&b);
	return NULL;
}

/* The sealer without segments: the sealed id moves on, files are retired, spares are made. */
static void *seal(void *arg)
{
	struct shared *s = arg;
	const struct vfs *v = vfs_real();
	int dir = v->open_dir(v->ctx, s->conf.dir);
	struct store_format format;
	struct ctl *ctl = NULL;
	struct manifest *m = NULL;

	EXPECT(s, store_format_read(v, dir, &format, NULL, NULL) == 0);
	EXPECT(s, ctl_open(v, dir, format.uuid, CTL_WRITE, &ctl, NULL) == 0);
	EXPECT(s, manifest_open(v, dir, format.uuid, ctl, &m, NULL) == 0);
	while (!atomic_load(&s->done)) {
		uint64_t committed = atomic_load(&s->committed);
		struct manifest_change c = { .sealed_id = committed > 700 ? committed - 700 : 0 };

		EXPECT(s, manifest_lock(m, NULL) == 0);
		EXPECT(s, manifest_append(m, &c, NULL) == 0);
		manifest_unlock(m);
		EXPECT(s, store_writer_prepare(s->w, NULL) >= 0);
		EXPECT(s, store_writer_retire(s->w, manifest_sealed(m), NULL) == 0);
		store_writer_beat(s->w);
		usleep(1000);
	}
	manifest_close(&m);
	ctl_close(&ctl);
	v->close(v->ctx, dir);
	return NULL;
}

static void check(struct shared *s, const struct store_snapshot *snap, struct buf *scratch)
{
	uint64_t next = snapshot_sealed(snap) + 1;

	for (size_t i = 0; i < snapshot_batch_count(snap); i++) {
		const struct snapshot_batch *b = snapshot_batch(snap, i);
		struct span rows;
		struct rcur c;

		EXPECT(s, b->id_min == next);
		EXPECT(s, snapshot_batch_rows(snap, i, scratch, &rows, NULL) == 0);
		c = rcur_of(rows.p, rows.n);
		for (uint32_t k = 0; k < b->rows_count; k++, next++) {
			struct event ev;

			EXPECT(s, row_get(&c, &ev) == 0);
			EXPECT(s, (uint64_t)ev.time_ns == next);
		}
	}
	EXPECT(s, next == store_snapshot_committed(snap) + 1);
	EXPECT(s, snapshot_damage(snap)->lost_ids == 0);
}

static void *read_rows(void *arg)
{
	struct shared *s = arg;
	struct store_reader *r = NULL;
	struct store_snapshot *old = NULL;
	uint64_t last = 0;
	struct buf scratch;

	buf_init(&scratch, SNAPSHOT_BATCH_BYTES_MAX);
	EXPECT(s, store_reader_open(&s->conf, &r, NULL) == 0);
	while (!atomic_load(&s->done) || last < atomic_load(&s->committed)) {
		uint64_t committed = atomic_load(&s->committed);
		struct store_snapshot *snap = NULL;

		EXPECT(s, store_reader_snapshot(r, &snap, NULL) == 0);
		/* It sees what was committed before it began. */
		EXPECT(s, store_snapshot_committed(snap) >= committed);
		EXPECT(s, store_snapshot_committed(snap) >= last);
		last = store_snapshot_committed(snap);
		check(s, snap, &scratch);
		/* An older one still gives its rows, whatever was retired since. */
		if (old && last % 5 == 0) {
			check(s, old, &scratch);
			store_snapshot_free(&old);
		}
		if (!old)
			old = store_snapshot_ref(snap);
		store_snapshot_free(&snap);
		atomic_fetch_add(&s->snapshots, 1);
		store_reader_wait(r, last, 50);
	}
	store_snapshot_free(&old);
	store_reader_close(&r);
	buf_fini(&scratch);
	return NULL;
}

static void all_at_once(void **state)
{
	struct shared s = { .conf = { .dir = *state,
				    .journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
				    .tail_cache_bytes = 512 << 10 } };
	void *(*const jobs[])(void *) = { write_rows, seal, read_rows, read_rows };
	pthread_t threads[4];

	assert_int_equal(store_writer_open(&s.conf, &s.w, NULL), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, jobs[i], &s), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&s.failures), 0);
	assert_true(atomic_load(&s.snapshots) > 2);
	store_writer_close(&s.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_at_once, tmpdir_setup, tmpdir_teardown),
	};

	return cmocka_run_group_tests_name("store_threads", tests, NULL, NULL);
}
