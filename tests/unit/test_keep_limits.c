/*
 * Goal: what a reader keeps for the next query stays within its limit, the rest is told by a counter, and
 * what is not kept is answered all the same. Method: the real limits, reached by many names of one small
 * segment, by many readers of one with many blocks, and by a journal that is never sealed.
 */
#include "tests/support/check_cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "storage/block_pool.h"
#include "storage/row.h"
#include "storage/seg_letters.h"
#include "storage/seg_writer.h"
#include "storage/segment_list.h"
#include "storage/snapshot_int.h"
#include "storage/store.h"
#include "tests/support/tmpdir.h"

static struct store_reader_costs costs(void)
{
	struct store_reader_costs c;

	store_reader_costs(&c);
	return c;
}

static struct seg_info write_segment(int dir, const char *name, uint32_t rows, uint32_t block_rows)
{
	struct seg_writer_conf conf = { .vfs = vfs_real(),
		.dir = dir,
		.name = name,
		.store_uuid = "0123456789abcde",
		.segment_id = 77,
		.block_rows = block_rows };
	struct seg_writer *w = NULL;
	struct seg_info info;

	assert_int_equal(seg_writer_open(&conf, &w, NULL), 0);
	for (uint32_t i = 1; i <= rows; i++) {
		struct event ev = { .id = i, .time_ns = i, .received_ns = i };

		ev.text[EVENT_TEXT_DESCRIPTION] = SPAN_LIT("payment accepted");
		assert_int_equal(seg_writer_append(w, &ev, NULL), 0);
	}
	assert_int_equal(seg_writer_finish(w, &info, NULL), 0);
	seg_writer_close(&w);
	return info;
}

/* ---- segments ---- */

enum { OVER = 5, SEGMENTS = LIMIT_SEGMENTS_OPEN + OVER };

/* The same file under as many names as there are segments. */
static void link_segments(int dir, struct manifest_segment *segs)
{
	struct seg_info info = write_segment(dir, "one", 3, 0);
	char path[MANIFEST_PATH_BYTES];

	assert_int_equal(mkdirat(dir, "seg", 0700), 0);
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		segs[i] = (struct manifest_segment){ .no = i + 1,
			.id_first = info.id_min,
			.id_last = info.id_max,
			.rows_count = info.rows_count,
			.file_bytes = info.file_bytes,
			.file_sum = info.sum,
			.blocks_count = info.blocks_count,
			.day = 20000,
			.gen = (uint16_t)i,
			.class_name = "default" };
		if (i == 0)
			assert_int_equal(
				mkdirat(dir, manifest_segment_dir(&segs[i], path), 0700), 0);
		assert_int_equal(
			linkat(dir, "one", dir, manifest_segment_path(&segs[i], path), 0), 0);
	}
}

/* Those that are open; what was asked for last stays so. */
static size_t open_count(struct segment_list *l)
{
	bool open[SEGMENTS];
	size_t n = 0;

	for (size_t i = 0; i < SEGMENTS; i++) {
		open[i] = segment_list_get_open(l, i) != NULL;
		n += open[i];
	}
	for (size_t i = 0; i < SEGMENTS; i++) {
		if (open[i])
			segment_list_put(l, i);
	}
	return n;
}

static void segments_that_are_kept_open(void **state)
{
	static struct manifest_segment segs[SEGMENTS];
	struct segment_list_cache c;
	struct segment_list *l = NULL;
	uint64_t closed = costs().segments_closed;
	int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	link_segments(dir, segs);
	segment_list_cache_init(&c, vfs_real(), dir);
	assert_int_equal(segment_list_new(&c, segs, SEGMENTS, NULL, &l), 0);
	/* What is used is open, however many. */
	for (size_t i = 0; i < SEGMENTS; i++) {
		const struct seg_reader *r = NULL;

		assert_int_equal(segment_list_get(l, i, &r, NULL), 0);
	}
	assert_int_equal(costs().segments_closed, closed);
	for (size_t i = 0; i < SEGMENTS; i++)
		segment_list_put(l, i);
	assert_int_equal(costs().segments_closed, closed + OVER);
	assert_int_equal(open_count(l), LIMIT_SEGMENTS_OPEN);
	for (size_t i = 0; i < OVER; i++)
		assert_null(segment_list_get_open(l, i));
	/* One after another, each is the one that was asked for, and another one is closed for it. */
	for (size_t i = 0; i < OVER; i++) {
		const struct seg_reader *r = NULL;
		char path[MANIFEST_PATH_BYTES];

		assert_int_equal(segment_list_get(l, i, &r, NULL), 0);
		assert_string_equal(seg_reader_name(r), manifest_segment_path(&segs[i], path));
		assert_int_equal(seg_reader_info(r)->rows_count, segs[i].rows_count);
		segment_list_put(l, i);
	}
	assert_int_equal(costs().segments_closed, closed + 2 * OVER);
	assert_int_equal(open_count(l), LIMIT_SEGMENTS_OPEN);
	segment_list_unref(&l);
	segment_list_cache_fini(&c);
	close(dir);
}

/* ---- letters ---- */

enum {
	BLOCKS = 512,
	READERS = LIMIT_LETTERS_BYTES / (BLOCKS * (int)sizeof(struct col_letters)) + 1,
};

static size_t letters_bytes(void)
{
	struct seg_letters_use use;
	struct block_pool_use pool;

	seg_letters_use(&use);
	block_pool_use(&pool);
	assert_int_equal(pool.lent, use.bytes);
	return use.bytes;
}

/* Notes all blocks of a segment; how many are known then. */
static uint32_t note_all(const struct seg_reader *r, const struct col_letters *letters)
{
	uint32_t known = 0;

	for (uint32_t b = 0; b < BLOCKS; b++) {
		seg_letters_note(r, b, letters);
		assert_true(letters_bytes() <= LIMIT_LETTERS_BYTES);
		known += seg_letters_known(r, b);
	}
	return known;
}

/* No block is passed over that has the word, and every one that is known not to have it. */
static void ask_all(const struct seg_reader *r)
{
	struct needle has, has_not;

	assert_int_equal(needle_init(&has, SPAN_LIT("payment")), 0);
	assert_int_equal(needle_init(&has_not, SPAN_LIT("refund")), 0);
	for (uint32_t b = 0; b < BLOCKS; b++) {
		assert_true(seg_letters_may_have(r, b, &has));
		assert_int_equal(seg_letters_may_have(r, b, &has_not), !seg_letters_known(r, b));
	}
	needle_fini(&has);
	needle_fini(&has_not);
}

static void letters_that_are_noted(void **state)
{
	struct seg_reader *readers[READERS] = { NULL };
	struct col_letters letters = { 0 };
	uint64_t unnoted = costs().letters_unnoted;
	uint32_t known = 0;
	int dir = open(*state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	col_letters_add(&letters, SPAN_LIT("payment accepted"));
	assert_int_equal(write_segment(dir, "many", BLOCKS, 1).blocks_count, BLOCKS);
	for (int i = 0; i < READERS; i++) {
		assert_int_equal(seg_reader_open(vfs_real(), dir, "many", &readers[i], NULL), 0);
		known += note_all(readers[i], &letters);
	}
	assert_true(letters_bytes() > LIMIT_LETTERS_BYTES - sizeof letters);
	assert_true(known < READERS * BLOCKS);
	assert_int_equal(costs().letters_unnoted, unnoted + READERS * BLOCKS - known);
	for (int i = 0; i < READERS; i++)
		ask_all(readers[i]);
	/* A segment that is closed makes room for another. */
	seg_reader_close(&readers[0]);
	assert_true(note_all(readers[READERS - 1], &letters) > 0);
	for (int i = 1; i < READERS; i++)
		seg_reader_close(&readers[i]);
	assert_int_equal(letters_bytes(), 0);
	close(dir);
}

/* ---- unsealed rows ---- */

enum {
	BATCH_ROWS = 20,
	ROW_BYTES = 8000,
	BATCHES = LIMIT_TAIL_CACHE_BYTES / (BATCH_ROWS * ROW_BYTES) + 10
};

static void append_batches(struct store_writer *w)
{
	static uint8_t filler[ROW_BYTES];
	struct buf b;
	int64_t n = 0;

	buf_init(&b, 1 << 20);
	for (int i = 0; i < BATCHES; i++) {
		struct store_batch batch = { .rows_count = BATCH_ROWS, .time_min_ns = n };
		uint64_t committed;

		buf_reset(&b);
		for (int k = 0; k < BATCH_ROWS; k++, n++) {
			struct event ev = { .time_ns = n };

			ev.text[EVENT_TEXT_USER_AGENT] = span_of(filler, sizeof filler);
			assert_int_equal(row_put(&b, &ev), 0);
		}
		batch.time_max_ns = n - 1;
		batch.rows = b.p;
		batch.rows_bytes = b.len;
		assert_int_equal(store_writer_append(w, &batch, NULL), 0);
		assert_int_equal(store_writer_commit(w, &committed, NULL), 0);
		assert_int_equal(committed, n);
	}
	buf_fini(&b);
}

/* Every event once, in order. Returns the rows that were not kept. */
static uint64_t read_batches(const struct store_snapshot *s)
{
	uint64_t not_kept = 0;
	struct buf scratch;
	int64_t n = 0;

	buf_init(&scratch, SNAPSHOT_BATCH_BYTES_MAX);
	for (size_t i = 0; i < snapshot_batch_count(s); i++) {
		const struct snapshot_batch *b = snapshot_batch(s, i);
		struct span rows;
		struct rcur c;

		assert_int_equal(snapshot_batch_rows(s, i, &scratch, &rows, NULL), 0);
		not_kept += b->rows ? 0 : b->rows_count;
		c = rcur_of(rows.p, rows.n);
		for (uint32_t k = 0; k < b->rows_count; k++, n++) {
			struct event ev;

			assert_int_equal(row_get(&c, &ev), 0);
			assert_int_equal(ev.time_ns, n);
			assert_int_equal(ev.text[EVENT_TEXT_USER_AGENT].n, ROW_BYTES);
		}
	}
	assert_int_equal(n, BATCHES * BATCH_ROWS);
	buf_fini(&scratch);
	return not_kept;
}

static void unsealed_rows_that_are_kept(void **state)
{
	struct store_conf conf = { .dir = *state,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN };
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;
	struct store_snapshot *s = NULL;
	struct block_pool_use pool;
	uint64_t decoded = costs().rows_decoded, not_kept;

	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_reader_open(&conf, &r, NULL), 0);
	append_batches(w);
	assert_int_equal(store_reader_snapshot(r, &s, NULL), 0);
	block_pool_use(&pool);
	assert_true(pool.lent <= LIMIT_TAIL_CACHE_BYTES);
	assert_true(pool.lent > LIMIT_TAIL_CACHE_BYTES - 2 * BATCH_ROWS * ROW_BYTES);
	/* The newest are. */
	assert_non_null(snapshot_batch(s, snapshot_batch_count(s) - 1)->rows);
	not_kept = read_batches(s);
	assert_true(not_kept > 0);
	assert_int_equal(costs().rows_decoded, decoded + not_kept);
	store_snapshot_free(&s);
	store_reader_close(&r);
	block_pool_use(&pool);
	assert_int_equal(pool.lent, 0);
	store_writer_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			segments_that_are_kept_open, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			letters_that_are_noted, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			unsealed_rows_that_are_kept, tmpdir_setup, tmpdir_teardown),
	};

	return cmocka_run_group_tests_name("keep_limits", tests, NULL, NULL);
}
