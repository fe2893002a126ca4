/*
 * Goal: what was committed is seen by readers and found again, once each, in order; what was not is
 * not. Method: a store in a temporary directory, every row compared with the one appended.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "storage/block_pool.h"
#include "storage/chunkset.h"
#include "storage/ctl.h"
#include "storage/row.h"
#include "storage/snapshot_int.h"
#include "storage/store.h"
#include "storage/store_format.h"
#include "tests/support/tmpdir.h"

enum { FILE_BYTES = LIMIT_JOURNAL_FILE_BYTES_MIN };

static struct store_conf conf_of(const char *dir)
{
	return (struct store_conf){ .dir = dir, .journal_file_bytes = FILE_BYTES };
}

/* A batch of `count` rows whose description is their number, from `from` on, and `pad` more bytes. */
static void put_rows(struct buf *b, uint64_t from, uint32_t count, size_t pad)
{
	static uint8_t filler[LIMIT_EVENT_BYTES / 2];

	for (uint32_t i = 0; i < count; i++) {
		struct event ev = { .time_ns = (int64_t)(from + i), .severity = 6 };
		char text[32];

		snprintf(text, sizeof text, "event %llu", (unsigned long long)(from + i));
		ev.text[EVENT_TEXT_DESCRIPTION] = span_str(text);
		for (size_t k = 0; k < pad; k++)
			filler[k] = (uint8_t)(rand() >> 7);
		ev.text[EVENT_TEXT_USER_AGENT] = pad ? span_of(filler, pad) : SPAN_NONE;
		assert_int_equal(row_put(b, &ev), 0);
	}
}

static int append(struct store_writer *w, uint64_t from, uint32_t count, size_t pad, bool more)
{
	struct store_batch batch = { .rows_count = count,
		.time_min_ns = (int64_t)from,
		.time_max_ns = (int64_t)(from + count - 1),
		.more = more };
	struct buf b;
	int rc;

	buf_init(&b, 2 << 20);
	put_rows(&b, from, count, pad);
	batch.rows = b.p;
	batch.rows_bytes = b.len;
	rc = store_writer_append(w, &batch, NULL);
	buf_fini(&b);
	return rc;
}

static void commit(struct store_writer *w, uint64_t expect)
{
	uint64_t committed = 0;

	assert_int_equal(store_writer_commit(w, &committed, NULL), 0);
	assert_int_equal(committed, expect);
}

/* Every id of the snapshot from first to committed, once, in order, with its own text. */
static void check_snapshot(const struct store_snapshot *s, uint64_t first, uint64_t last)
{
	uint64_t next = first;
	struct buf scratch;

	assert_int_equal(store_snapshot_committed(s), last);
	buf_init(&scratch, SNAPSHOT_BATCH_BYTES_MAX);
	for (size_t i = 0; i < snapshot_batch_count(s); i++) {
		const struct snapshot_batch *b = snapshot_batch(s, i);
		struct span rows;
		struct rcur c;

		assert_int_equal(b->id_min, next);
		assert_int_equal(b->id_max - b->id_min + 1, b->rows_count);
		assert_int_equal(snapshot_batch_rows(s, i, &scratch, &rows, NULL), 0);
		c = rcur_of(rows.p, rows.n);
		for (uint32_t k = 0; k < b->rows_count; k++, next++) {
			struct event ev;
			char text[32];

			assert_int_equal(row_get(&c, &ev), 0);
			snprintf(text, sizeof text, "event %llu", (unsigned long long)next);
			assert_true(span_eq(ev.text[EVENT_TEXT_DESCRIPTION], span_str(text)));
			assert_true(ev.time_ns >= b->time_min_ns);
			assert_true(ev.time_ns <= b->time_max_ns);
		}
		assert_int_equal(rcur_left(&c), 0);
	}
	assert_int_equal(next, last + 1);
	buf_fini(&scratch);
}

static void check_reader(struct store_reader *r, uint64_t last)
{
	struct store_snapshot *s = NULL, *same = NULL;
	struct diag d = { 0 };

	/* Without a look at the files, the one before is only given if it is the newest still. */
	if (store_reader_same(r, &same) == 0)
		assert_int_equal(store_snapshot_committed(same), last);
	store_snapshot_free(&same);
	if (store_reader_snapshot(r, &s, &d) < 0) {
		char text[512];

		fail_msg("%s", diag_format(&d, text, sizeof text));
	}
	check_snapshot(s, 1, last);
	assert_int_equal(snapshot_damage(s)->lost_ids, 0);
	assert_int_equal(store_reader_same(r, &same), 0);
	assert_ptr_equal(same, s);
	store_snapshot_free(&same);
	store_snapshot_free(&s);
}

static void committed_is_seen_and_found_again(void **state)
{
	const char *dir = *state;
	struct store_conf conf = conf_of(dir);
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;

	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_true(store_writer_recovery(w)->created);
	assert_int_equal(store_reader_open(&conf, &r, NULL), 0);
	check_reader(r, 0);
	assert_int_equal(append(w, 1, 100, 0, false), 0);
	check_reader(r, 0);
	commit(w, 100);
	check_reader(r, 100);
	for (uint64_t id = 101; id <= 300; id++) {
		assert_int_equal(append(w, id, 1, 0, false), 0);
		commit(w, id);
	}
	check_reader(r, 300);
	store_writer_close(&w);
	check_reader(r, 300);
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_false(store_writer_recovery(w)->created);
	assert_int_equal(store_writer_recovery(w)->committed, 300);
	assert_int_equal(store_writer_recovery(w)->lost_ids, 0);
	check_reader(r, 300);
	assert_int_equal(append(w, 301, 1, 0, false), 0);
	commit(w, 301);
	check_reader(r, 301);
	store_reader_close(&r);
	store_writer_close(&w);
}

static void files_change_when_full(void **state)
{
	struct store_conf conf = conf_of(*state);
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;
	uint64_t next = 1;

	conf.tail_cache_bytes = 1 << 20;
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_reader_open(&conf, &r, NULL), 0);
	for (int i = 0; i < 60; i++, next += 20) {
		if (i % 3 == 0)
			assert_true(store_writer_prepare(w, NULL) >= 0);
		assert_int_equal(append(w, next, 20, 8000, false), 0);
		commit(w, next + 19);
		check_reader(r, next + 19);
	}
	store_reader_close(&r);
	assert_int_equal(store_reader_open(&conf, &r, NULL), 0);
	check_reader(r, next - 1);
	store_writer_close(&w);
	check_reader(r, next - 1);
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_writer_recovery(w)->committed, next - 1);
	check_reader(r, next - 1);
	store_reader_close(&r);
	store_writer_close(&w);
}

static size_t lent(void)
{
	struct block_pool_use use;

	block_pool_use(&use);
	return use.lent;
}

static void snapshots_kept_long_share_a_bound(void **state)
{
	enum { SNAPSHOTS = 24, ROWS = 20 };
	struct store_snapshot *kept[SNAPSHOTS] = { NULL };
	struct store_conf conf = conf_of(*state);
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;
	size_t most = 0;

	conf.tail_cache_bytes = 512 << 10;
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_reader_open(&conf, &r, NULL), 0);
	for (uint64_t i = 0; i < SNAPSHOTS; i++) {
		assert_true(store_writer_prepare(w, NULL) >= 0);
		assert_int_equal(append(w, 1 + i * ROWS, ROWS, 8000, false), 0);
		commit(w, (i + 1) * ROWS);
		assert_int_equal(store_reader_snapshot(r, &kept[i], NULL), 0);
		assert_true(lent() <= 2 * conf.tail_cache_bytes);
		most = lent() > most ? lent() : most;
	}
	/* More than the cache is kept: the bound was met. */
	assert_true(most > conf.tail_cache_bytes);
	for (uint64_t i = 0; i < SNAPSHOTS; i++) {
		check_snapshot(kept[i], 1, (i + 1) * ROWS);
		store_snapshot_free(&kept[i]);
	}
	/* None keeps rows any more: what comes is decoded once again. */
	assert_int_equal(append(w, 1 + SNAPSHOTS * ROWS, ROWS, 8000, false), 0);
	commit(w, (SNAPSHOTS + 1) * ROWS);
	check_reader(r, (SNAPSHOTS + 1) * ROWS);
	assert_true(lent() > 0);
	assert_true(lent() <= conf.tail_cache_bytes);
	store_reader_close(&r);
	assert_int_equal(lent(), 0);
	store_writer_close(&w);
}

static void a_slim_snapshot_keeps_no_rows(void **state)
{
	enum { ROWS = 20, OTHERS = 10 };
	struct store_conf conf = conf_of(*state);
	struct store_snapshot *s = NULL, *slim = NULL;
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;

	conf.tail_cache_bytes = 256 << 10;
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_reader_open(&conf, &r, NULL), 0);
	assert_int_equal(append(w, 1, ROWS, 8000, false), 0);
	commit(w, ROWS);
	assert_int_equal(store_reader_snapshot(r, &s, NULL), 0);
	assert_int_equal(store_snapshot_slim(s, &slim), 0);
	assert_int_equal(snapshot_batch_count(slim), snapshot_batch_count(s));
	assert_int_equal(snapshot_sealed(slim), snapshot_sealed(s));
	assert_int_equal(snapshot_changes(slim), snapshot_changes(s));
	/* Others take the place of its rows in the cache. */
	for (uint64_t i = 1; i <= OTHERS; i++) {
		assert_true(store_writer_prepare(w, NULL) >= 0);
		assert_int_equal(append(w, 1 + i * ROWS, ROWS, 8000, false), 0);
		commit(w, (i + 1) * ROWS);
		check_reader(r, (i + 1) * ROWS);
	}
	assert_true(lent() > conf.tail_cache_bytes);
	store_snapshot_free(&s);
	assert_true(lent() <= conf.tail_cache_bytes);
	check_snapshot(slim, 1, ROWS);
	assert_false(store_reader_unused(r));
	store_snapshot_free(&slim);
	assert_true(store_reader_unused(r));
	store_reader_close(&r);
	store_writer_close(&w);
}

static void a_frame_is_there_whole_or_not(void **state)
{
	struct store_conf conf = conf_of(*state);
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;

	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_reader_open(&conf, &r, NULL), 0);
	assert_int_equal(append(w, 1, 5, 0, false), 0);
	assert_int_equal(append(w, 6, 5, 0, true), 0);
	commit(w, 5);
	check_reader(r, 5);
	/* More than a file of it, and then given up. */
	for (uint64_t i = 0; i < 30; i++)
		assert_int_equal(append(w, 11 + 10 * i, 10, 20000, true), 0);
	commit(w, 5);
	check_reader(r, 5);
	assert_int_equal(store_writer_restart(w, NULL), 0);
	assert_int_equal(store_writer_next(w), 6);
	assert_int_equal(append(w, 6, 1, 0, false), 0);
	commit(w, 6);
	check_reader(r, 6);
	/* The same, ended by a crash. */
	for (uint64_t i = 0; i < 30; i++)
		assert_int_equal(append(w, 7 + 10 * i, 10, 20000, true), 0);
	commit(w, 6);
	store_writer_close(&w);
	check_reader(r, 6);
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_writer_recovery(w)->committed, 6);
	assert_int_equal(store_writer_recovery(w)->lost_ids, 0);
	/* And completed this time. */
	for (uint64_t i = 0; i < 30; i++)
		assert_int_equal(append(w, 7 + 10 * i, 10, 20000, i < 29), 0);
	commit(w, 306);
	check_reader(r, 306);
	store_writer_close(&w);
	check_reader(r, 306);
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_writer_recovery(w)->committed, 306);
	store_reader_close(&r);
	store_writer_close(&w);
}

static void given_up_rows_leave_nothing(void **state)
{
	struct store_conf conf = conf_of(*state);
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;

	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(append(w, 1, 3, 0, false), 0);
	commit(w, 3);
	assert_int_equal(append(w, 900, 50, 100, false), 0);
	assert_int_equal(append(w, 950, 50, 100, false), 0);
	assert_int_equal(store_writer_restart(w, NULL), 0);
	assert_int_equal(append(w, 4, 2, 0, false), 0);
	commit(w, 5);
	store_writer_close(&w);
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_writer_recovery(w)->committed, 5);
	assert_int_equal(store_writer_recovery(w)->torn_bytes, 0);
	assert_int_equal(store_reader_open(&conf, &r, NULL), 0);
	check_reader(r, 5);
	store_reader_close(&r);
	store_writer_close(&w);
}

static bool ended(const char *dir)
{
	struct store_format format;
	struct ctl_commit last;
	struct ctl *ctl = NULL;
	int fd = vfs_real()->open_dir(NULL, dir);
	bool is;

	assert_true(fd >= 0);
	assert_int_equal(store_format_read(vfs_real(), fd, &format, NULL, NULL), 0);
	assert_int_equal(ctl_open(vfs_real(), fd, format.uuid, CTL_READ, &ctl, NULL), 0);
	is = ctl_commit(ctl, &last) == 0 && ctl_ended(ctl, &last);
	ctl_close(&ctl);
	vfs_real()->close(NULL, fd);
	return is;
}

/* The end is told to be clean where all that was appended is committed, and only then. */
static void a_clean_end_is_told(void **state)
{
	struct store_conf conf = conf_of(*state);
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;

	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(append(w, 1, 3, 0, false), 0);
	commit(w, 3);
	assert_false(ended(*state));
	store_writer_close(&w);
	assert_true(ended(*state));
	assert_int_equal(store_reader_open(&conf, &r, NULL), 0);
	check_reader(r, 3);
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_false(ended(*state));
	assert_int_equal(append(w, 4, 3, 0, false), 0);
	store_writer_close(&w);
	assert_false(ended(*state));
	check_reader(r, 6);
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	store_writer_close(&w);
	assert_true(ended(*state));
	check_reader(r, 6);
	store_reader_close(&r);
}

static void chunk_ids_are_remembered(void **state)
{
	struct store_conf conf = conf_of(*state);
	struct store_writer *w = NULL;
	uint64_t next = 1;

	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	for (uint64_t i = 0; i < 300; i++, next += 2) {
		struct store_chunk c = { i, ~i };
		struct store_batch batch = { .rows_count = 2, .chunks = &c, .chunks_count = 1 };
		struct buf b;

		buf_init(&b, 1 << 20);
		put_rows(&b, next, 2, 20000);
		batch.rows = b.p;
		batch.rows_bytes = b.len;
		assert_int_equal(store_writer_append(w, &batch, NULL), 0);
		if (i % 7 == 0)
			commit(w, next + 1);
		buf_fini(&b);
	}
	commit(w, next - 1);
	for (int round = 0; round < 2; round++) {
		store_writer_close(&w);
		assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
		assert_int_equal(chunkset_count(store_writer_chunks(w)), 300);
		for (uint64_t i = 0; i < 300; i++)
			assert_true(chunkset_has(
				store_writer_chunks(w), (struct store_chunk){ i, ~i }, NULL));
	}
	store_writer_close(&w);
}

static void a_second_writer_is_refused(void **state)
{
	struct store_conf conf = conf_of(*state);
	struct store_writer *w = NULL, *other = NULL;
	struct diag d = { 0 };

	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_writer_open(&conf, &other, &d), ERR_LOCKED);
	assert_non_null(strstr(d.text, "astrocollectd"));
	store_writer_close(&w);
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	store_writer_close(&w);
}

static void foreign_directories_are_left_alone(void **state)
{
	struct store_conf conf = conf_of(*state);
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;
	char path[256];
	struct diag d = { 0 };
	FILE *f;

	assert_int_equal(store_reader_open(&conf, &r, &d), ERR_NOT_A_STORE);
	snprintf(path, sizeof path, "%s/precious.txt", (const char *)*state);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	assert_int_equal(store_writer_open(&conf, &w, &d), ERR_NOT_A_STORE);
	assert_string_equal(d.file, "precious.txt");
	unlink(path);
	assert_int_equal(rmdir(*state), 0);
	/* Gone: it is made. */
	assert_int_equal(store_writer_open(&conf, &w, &d), 0);
	store_writer_close(&w);
	snprintf(path, sizeof path, "%s/format", (const char *)*state);
	f = fopen(path, "r+");
	assert_non_null(f);
	fseek(f, 8, SEEK_SET);
	fputc(2, f);
	fclose(f);
	assert_int_equal(store_writer_open(&conf, &w, &d), ERR_CORRUPT);
	assert_string_equal(d.file, "format");
}

static void ids_carry_the_node(void **state)
{
	struct store_conf conf = conf_of(*state);
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;
	struct store_snapshot *s = NULL;
	uint64_t base = UINT64_C(77) << 48;

	conf.node = 77;
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_writer_next(w), base | 1);
	assert_int_equal(append(w, 1, 3, 0, false), 0);
	commit(w, base | 3);
	store_writer_close(&w);
	conf.node = 78;
	assert_int_equal(store_writer_open(&conf, &w, NULL), ERR_RANGE);
	conf.node = 0;
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_writer_next(w), base | 4);
	assert_int_equal(store_reader_open(&conf, &r, NULL), 0);
	assert_int_equal(store_reader_snapshot(r, &s, NULL), 0);
	assert_int_equal(store_snapshot_committed(s), base | 3);
	assert_int_equal(snapshot_damage(s)->lost_ids, 0);
	store_snapshot_free(&s);
	store_reader_close(&r);
	store_writer_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			committed_is_seen_and_found_again, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			files_change_when_full, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			a_frame_is_there_whole_or_not, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			given_up_rows_leave_nothing, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			chunk_ids_are_remembered, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			a_second_writer_is_refused, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			foreign_directories_are_left_alone, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(a_clean_end_is_told, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			snapshots_kept_long_share_a_bound, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			a_slim_snapshot_keeps_no_rows, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(ids_carry_the_node, tmpdir_setup, tmpdir_teardown),
	};

	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
