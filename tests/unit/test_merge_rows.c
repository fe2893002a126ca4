/*
 * Goal: rows of several segments come in id order, whole and once, whatever blocks they stand in; a
 * damaged block names its segment; equal digests mean equal rows.
 */
#include "tests/support/check_cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/merge_rows.h"
#include "storage/seg_writer.h"
#include "tests/support/event_gen.h"

enum { SEGS = 4, ROWS = 3 * LIMIT_BLOCK_ROWS + 100 };

struct fixture {
	char path[64];
	int dir;
	struct event *events;
	struct seg_reader *readers[SEGS];
};

/* Rows go to the segment that `of` says; the first half interleaved, the second one after another. */
static unsigned segment_of(size_t row)
{
	return row < ROWS / 2 ? (unsigned)(row * 7 / 3) % SEGS
			      : (unsigned)(row * SEGS / ROWS) % SEGS;
}

static const char *seg_name(unsigned i, char dst[16])
{
	snprintf(dst, 16, "%u.seg", i);
	return dst;
}

static void write_segments(struct fixture *f)
{
	struct seg_writer *writers[SEGS] = { 0 };
	struct seg_info info;
	struct diag d;
	char name[16];

	for (unsigned i = 0; i < SEGS; i++) {
		struct seg_writer_conf conf = {
			.vfs = vfs_real(),
			.dir = f->dir,
			.name = seg_name(i, name),
			.segment_id = i + 1,
		};

		assert_int_equal(seg_writer_open(&conf, &writers[i], &d), 0);
	}
	for (size_t row = 0; row < ROWS; row++)
		assert_int_equal(
			seg_writer_append(writers[segment_of(row)], &f->events[row], &d), 0);
	for (unsigned i = 0; i < SEGS; i++) {
		assert_int_equal(seg_writer_finish(writers[i], &info, &d), 0);
		seg_writer_close(&writers[i]);
	}
}

static void open_readers(struct fixture *f)
{
	struct diag d;
	char name[16];

	for (unsigned i = 0; i < SEGS; i++)
		assert_int_equal(
			seg_reader_open(vfs_real(), f->dir, seg_name(i, name), &f->readers[i], &d),
			0);
}

static void close_readers(struct fixture *f)
{
	for (unsigned i = 0; i < SEGS; i++)
		seg_reader_close(&f->readers[i]);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct event_gen gen;

	snprintf(f->path, sizeof f->path, "/tmp/test_merge_rows.XXXXXX");
	assert_non_null(mkdtemp(f->path));
	f->dir = open(f->path, O_RDONLY | O_DIRECTORY);
	event_gen_init(&gen, 7);
	f->events = event_gen_many(&gen, ROWS);
	event_gen_fini(&gen);
	write_segments(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char name[16];

	for (unsigned i = 0; i < SEGS; i++)
		unlinkat(f->dir, seg_name(i, name), 0);
	close(f->dir);
	rmdir(f->path);
	free(f->events);
	free(f);
	return 0;
}

static void rows_in_order(void **state)
{
	struct fixture *f = *state;
	struct merge_rows *m = NULL;
	struct event ev;
	struct diag d;

	open_readers(f);
	assert_int_equal(
		merge_rows_open((const struct seg_reader *const *)f->readers, SEGS, &m, &d), 0);
	for (size_t row = 0; row < ROWS; row++) {
		assert_int_equal(merge_rows_next(m, &ev, &d), 1);
		assert_true(event_gen_same(&ev, &f->events[row]));
	}
	assert_int_equal(merge_rows_next(m, &ev, &d), 0);
	assert_int_equal(merge_rows_next(m, &ev, &d), 0);
	merge_rows_close(&m);
	close_readers(f);
}

static void ending_early_leaks_nothing(void **state)
{
	struct fixture *f = *state;
	struct merge_rows *m = NULL;
	struct event ev;
	struct diag d;

	open_readers(f);
	assert_int_equal(
		merge_rows_open((const struct seg_reader *const *)f->readers, SEGS, &m, &d), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(merge_rows_next(m, &ev, &d), 1);
	merge_rows_close(&m);
	assert_int_equal(merge_rows_open(NULL, 0, &m, &d), 0);
	assert_int_equal(merge_rows_next(m, &ev, &d), 0);
	merge_rows_close(&m);
	close_readers(f);
}

static uint64_t raw_bytes(const struct seg_reader *r)
{
	return seg_reader_info(r)->raw_bytes;
}

/* Side by side they all count; the same segment twice counts twice; one alone is its largest block. */
static void peak_counts_what_overlaps(void **state)
{
	struct fixture *f = *state;
	uint64_t one, all, sum = 0;

	open_readers(f);
	one = merge_rows_peak((const struct seg_reader *const *)f->readers, 1);
	all = merge_rows_peak((const struct seg_reader *const *)f->readers, SEGS);
	for (unsigned i = 0; i < SEGS; i++)
		sum += raw_bytes(f->readers[i]);
	assert_true(one > 0);
	assert_true(one < all);
	assert_true(all < sum + (uint64_t)ROWS * 200);
	assert_int_equal(merge_rows_peak(NULL, 0), 0);
	close_readers(f);
}

static void a_damaged_block_is_named(void **state)
{
	struct fixture *f = *state;
	const struct seg_page *page;
	struct merge_rows *m = NULL;
	struct event ev;
	struct diag d = { 0 };
	uint8_t byte;
	int fd, rc;

	open_readers(f);
	page = seg_reader_page(f->readers[2], 0, SEG_COL_TEXT + EVENT_TEXT_DESCRIPTION);
	fd = openat(f->dir, "2.seg", O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, (off_t)page->off + 20), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)page->off + 20), 1);
	assert_int_equal(
		merge_rows_open((const struct seg_reader *const *)f->readers, SEGS, &m, &d), 0);
	do
		rc = merge_rows_next(m, &ev, &d);
	while (rc == 1);
	assert_int_equal(rc, ERR_CORRUPT);
	assert_int_equal(merge_rows_failed(m), 2);
	merge_rows_close(&m);
	byte ^= 0x40;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)page->off + 20), 1);
	close(fd);
	close_readers(f);
}

static void digests_tell_rows_apart(void **state)
{
	struct fixture *f = *state;
	struct merge_digest a = { 0 }, b = { 0 };
	struct event changed = f->events[5];
	struct buf scratch;

	buf_init(&scratch, LIMIT_EVENT_BYTES);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(merge_rows_digest(&a, &f->events[i], &scratch), 0);
		assert_int_equal(merge_rows_digest(&b, &f->events[99 - i], &scratch), 0);
	}
	assert_true(merge_rows_same(&a, &b));
	assert_int_equal(merge_rows_digest(&a, &f->events[5], &scratch), 0);
	assert_false(merge_rows_same(&a, &b));
	changed.time_ns++;
	assert_int_equal(merge_rows_digest(&b, &changed, &scratch), 0);
	assert_false(merge_rows_same(&a, &b));
	buf_fini(&scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_in_order),
		cmocka_unit_test(ending_early_leaks_nothing),
		cmocka_unit_test(peak_counts_what_overlaps),
		cmocka_unit_test(a_damaged_block_is_named),
		cmocka_unit_test(digests_tell_rows_apart),
	};

	return cmocka_run_group_tests_name("merge_rows", tests, setup, teardown);
}
