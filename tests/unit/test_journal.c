/*
 * Goal: records of a journal file come back as they were put, the largest ones too, and a walk ends
 * where the journal does, whatever stands behind it. Method: one file on a simulated disk, written by
 * the writer, read by reader and walk; tails torn at every length.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/cursor.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/journal_dir.h"
#include "storage/journal_reader.h"
#include "storage/journal_walk.h"
#include "storage/journal_writer.h"
#include "tests/support/simfs.h"

static const uint8_t uuid[16] = "0123456789abcdef";

struct fixture {
	struct simfs *fs;
	const struct vfs *v;
	int dir;
	struct journal_writer *w;
};

static int new_file(struct fixture *f, uint64_t seq, const struct journal_pos *from)
{
	struct journal_head h = { .seq = seq,
		.salt = seq * 99,
		.first_id = from ? from->next_id : 1,
		.prev_seq = from ? from->seq : 0,
		.prev_off = from ? from->off : 0,
		.prev_sum = from ? from->sum : 0,
		.file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN };
	char name[JOURNAL_READER_NAME_BYTES];
	int fd = f->v->open(
		f->v->ctx, f->dir, journal_reader_name(seq, name), O_RDWR | O_CREAT, 0640);

	memcpy(h.uuid, uuid, sizeof h.uuid);
	assert_true(fd >= 0);
	assert_int_equal(f->v->allocate(f->v->ctx, fd, h.file_bytes), 0);
	return journal_writer_begin(f->w, fd, &h, NULL);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	*state = f;
	f->fs = simfs_new(5);
	f->v = simfs_vfs(f->fs);
	f->v->mkdir(f->v->ctx, AT_FDCWD, SIMFS_DIR, 0750);
	f->dir = f->v->open_dir(f->v->ctx, SIMFS_DIR);
	f->v->mkdir(f->v->ctx, f->dir, "journal", 0750);
	if (journal_writer_new(f->v, &f->w) < 0)
		return -1;
	return new_file(f, 1, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	journal_writer_free(&f->w);
	f->v->close(f->v->ctx, f->dir);
	assert_int_equal(simfs_fds(f->fs), 0);
	simfs_free(&f->fs);
	free(f);
	return 0;
}

/* Rows that are nothing but a length and so many bytes; what is in them is not the journal's business. */
static uint8_t rows[LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES];

static struct store_batch batch_of(uint32_t count, size_t bytes, uint8_t fill)
{
	struct wcur w = wcur_of(rows, sizeof rows);

	for (uint32_t i = 0; i < count; i++) {
		uint8_t *p;

		wcur_le32(&w, (uint32_t)bytes);
		p = wcur_room(&w, bytes);
		for (size_t k = 0; k < bytes; k++)
			p[k] = fill ? fill : (uint8_t)rand();
	}
	assert_int_equal(w.err, 0);
	return (struct store_batch){ .rows = rows,
		.rows_bytes = (size_t)(w.p - rows),
		.rows_count = count,
		.time_min_ns = -7,
		.time_max_ns = fill };
}

static int put(struct fixture *f, uint32_t count, size_t bytes, uint8_t fill, bool more)
{
	struct store_batch b = batch_of(count, bytes, fill);

	b.more = more;
	return journal_writer_put(f->w, &b, NULL);
}

static void the_largest_batch_fits_the_smallest_file(void **state)
{
	static struct store_chunk chunks[LIMIT_BATCH_CHUNKS];
	struct fixture *f = *state;
	struct journal_reader *r = NULL;
	struct journal_record rec;
	struct store_batch b;
	struct buf payload, got;
	struct span ids;

	for (size_t i = 0; i < LIMIT_BATCH_CHUNKS; i++)
		chunks[i] = (struct store_chunk){ i * 3, i * 5 };
	assert_int_equal(new_file(f, 2, journal_writer_pos(f->w)), 0);
	b = batch_of(1, sizeof rows - 4, 0);
	b.chunks = chunks;
	b.chunks_count = LIMIT_BATCH_CHUNKS;
	assert_int_equal(journal_writer_put(f->w, &b, NULL), 0);
	assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	assert_int_equal(journal_writer_put(f->w, &b, NULL), JOURNAL_WRITER_FULL);
	assert_int_equal(journal_reader_open(f->v, f->dir, 2, uuid, &r, NULL), 0);
	assert_int_equal(journal_reader_at(r, LAYOUT_JOURNAL_RECORDS, &rec, NULL), 1);
	assert_int_equal(rec.kind, LAYOUT_RECORD_KIND_CARRY);
	assert_int_equal(rec.chunks_count, 0);
	assert_int_equal(journal_reader_at(r, journal_record_end(&rec), &rec, NULL), 1);
	assert_int_equal(rec.raw_bytes, sizeof rows);
	assert_int_equal(rec.codec, LAYOUT_RECORD_CODEC_RAW);
	buf_init(&payload, JOURNAL_READER_PAYLOAD_BYTES);
	buf_init(&got, sizeof rows);
	assert_int_equal(journal_reader_rows(r, &rec, &payload, &got, NULL), 0);
	assert_int_equal(got.len, sizeof rows);
	assert_memory_equal(got.p, rows, sizeof rows);
	buf_fini(&got);
	/* No room: nothing is appended. */
	buf_init(&got, 100);
	assert_int_equal(journal_reader_rows(r, &rec, &payload, &got, NULL), ERR_LIMIT);
	assert_int_equal(got.len, 0);
	buf_fini(&got);
	buf_fini(&payload);
	assert_int_equal(journal_reader_chunks(r, &rec, &ids, NULL), 0);
	assert_int_equal(journal_reader_chunk(ids, 7).hi, 35);
	assert_int_equal(journal_reader_chunks_fast(r, &rec, &ids, NULL), 0);
	assert_int_equal(ids.n, LIMIT_BATCH_CHUNKS * LAYOUT_CHUNK_BYTES);
	assert_int_equal(
		journal_reader_chunk(ids, LIMIT_BATCH_CHUNKS - 1).lo, 3 * (LIMIT_BATCH_CHUNKS - 1));
	journal_reader_close(&r);
}

/* Walks to the end; returns the id behind the last row, and the number of gaps. */
static uint64_t walk(struct fixture *f, const struct ctl_commit *end, uint64_t known,
	unsigned *gaps, uint64_t *lost)
{
	struct journal_walk w;
	struct journal_record rec;
	struct journal_gap gap;
	uint64_t next;
	int rc;

	*gaps = 0;
	*lost = 0;
	assert_int_equal(journal_walk_init(&w, f->v, f->dir, uuid, 1, NULL, NULL), 0);
	w.check = true;
	w.known_id = known;
	while ((rc = journal_walk_next(&w, end, &rec, &gap, NULL)) > 0) {
		if (rc == JOURNAL_WALK_GAP) {
			++*gaps;
			*lost += gap.count;
		}
	}
	assert_int_equal(rc, 0);
	next = w.pos.next_id;
	journal_walk_fini(&w);
	return next;
}

static void a_commit_closes_its_page(void **state)
{
	struct fixture *f = *state;
	struct journal_record rec;
	struct journal_reader *r = NULL;
	uint64_t off = LAYOUT_JOURNAL_RECORDS, lost;
	unsigned gaps;

	assert_int_equal(put(f, 1, 50, 1, false), 0);
	assert_int_equal(put(f, 1, 50, 2, false), 0);
	assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	assert_int_equal(put(f, 1, 50, 3, false), 0);
	assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	assert_int_equal(journal_reader_open(f->v, f->dir, 1, uuid, &r, NULL), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(journal_reader_at(r, off, &rec, NULL), 1);
		off = journal_record_end(&rec);
		if (i == 1 || i == 3)
			assert_int_equal(rec.off % LAYOUT_PAGE_BYTES, 0);
		if (i == 2)
			assert_int_not_equal(rec.off % LAYOUT_PAGE_BYTES, 0);
	}
	journal_reader_close(&r);
	assert_int_equal(walk(f, NULL, 0, &gaps, &lost), 4);
	assert_int_equal(gaps, 0);
}

/* Three records in one commit that never returned; the first of them torn at every byte. */
static void a_torn_tail_is_the_end(void **state)
{
	struct fixture *f = *state;
	struct journal_pos end;
	struct journal_record rec;
	struct journal_reader *r = NULL;
	uint64_t lost;
	unsigned gaps;

	assert_int_equal(put(f, 2, 30, 1, false), 0);
	assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	end = *journal_writer_pos(f->w);
	for (int i = 0; i < 3; i++)
		assert_int_equal(put(f, 2, 30, 0, false), 0);
	assert_int_equal(walk(f, NULL, 0, &gaps, &lost), 9);
	assert_int_equal(journal_reader_open(f->v, f->dir, 1, uuid, &r, NULL), 0);
	assert_int_equal(journal_reader_at(r, end.off, &rec, NULL), 1);
	journal_reader_close(&r);
	for (uint64_t off = rec.off; off < journal_record_end(&rec); off++) {
		simfs_flip(f->fs, "journal/0000000000000001.aj", off, 1);
		assert_int_equal(walk(f, NULL, 0, &gaps, &lost), 3);
		assert_int_equal(gaps, 0);
		/* Where somebody knows that it was committed, it is damage. */
		assert_int_equal(walk(f, NULL, 8, &gaps, &lost), 9);
		assert_int_equal(gaps, 1);
		assert_int_equal(lost, 2);
		simfs_flip(f->fs, "journal/0000000000000001.aj", off, 1);
	}
	/* The last one gone altogether, and known to have been committed. */
	assert_int_equal(walk(f, NULL, 20, &gaps, &lost), 21);
	assert_int_equal(lost, 12);
}

/* The same damage, but a record behind it was written when it was durable. */
static void damage_is_stepped_over(void **state)
{
	struct fixture *f = *state;
	struct journal_pos from;
	struct ctl_commit end;
	uint64_t lost;
	unsigned gaps;

	for (int i = 0; i < 4; i++) {
		assert_int_equal(put(f, 2, 30, 0, false), 0);
		assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	}
	from = *journal_writer_pos(f->w);
	assert_int_equal(new_file(f, 2, &from), 0);
	assert_int_equal(put(f, 2, 30, 0, false), 0);
	assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	end = (struct ctl_commit){ 2, journal_writer_pos(f->w)->off, 10 };
	assert_int_equal(walk(f, &end, 0, &gaps, &lost), 11);
	assert_int_equal(gaps, 0);
	for (uint64_t off = LAYOUT_PAGE_BYTES; off < from.off; off++) {
		/* A page holds one small record; of the zeroes behind it some will do. */
		if (off % LAYOUT_PAGE_BYTES > 200 && off % 512 != 0)
			continue;
		simfs_flip(f->fs, "journal/0000000000000001.aj", off, 0x80);
		assert_int_equal(walk(f, NULL, 0, &gaps, &lost), 11);
		assert_true(gaps <= 1);
		assert_true(lost <= 2);
		assert_int_equal(walk(f, &end, 0, &gaps, &lost), 11);
		assert_true(lost <= 2);
		simfs_flip(f->fs, "journal/0000000000000001.aj", off, 0x80);
	}
}

/* Where a clean end is known, nothing behind it is looked for: not even what would prove damage. */
static void a_known_end_is_not_searched(void **state)
{
	struct fixture *f = *state;
	struct journal_walk w;
	struct journal_record rec;
	struct journal_gap gap;
	struct journal_pos end;
	struct journal_reader *r = NULL;
	int rc;

	assert_int_equal(put(f, 2, 30, 0, false), 0);
	assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	end = *journal_writer_pos(f->w);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(put(f, 2, 30, 0, false), 0);
		assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	}
	assert_int_equal(journal_reader_open(f->v, f->dir, 1, uuid, &r, NULL), 0);
	assert_int_equal(journal_reader_at(r, end.off, &rec, NULL), 1);
	journal_reader_close(&r);
	simfs_flip(f->fs, "journal/0000000000000001.aj", rec.off, 1);
	for (int known = 0; known < 2; known++) {
		assert_int_equal(journal_walk_init(&w, f->v, f->dir, uuid, 1, NULL, NULL), 0);
		w.void_seq = known ? end.seq : 0;
		w.void_off = end.off;
		do
			rc = journal_walk_next(&w, NULL, &rec, &gap, NULL);
		while (rc == JOURNAL_WALK_RECORD);
		assert_int_equal(rc, known ? JOURNAL_WALK_END : JOURNAL_WALK_GAP);
		assert_int_equal(w.pos.next_id, known ? 3 : 5);
		journal_walk_fini(&w);
	}
}

/* Each byte of the header page; one copy of the header is enough. */
static void headers_stand_twice(void **state)
{
	struct fixture *f = *state;
	uint64_t lost;
	unsigned gaps;

	assert_int_equal(put(f, 2, 30, 1, false), 0);
	assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	for (uint64_t off = 0; off < LAYOUT_JOURNAL_RECORDS; off++) {
		if (off % LAYOUT_JOURNAL_COPY >= LAYOUT_JOURNAL_HEAD_BYTES && off % 512 != 0)
			continue;
		simfs_flip(f->fs, "journal/0000000000000001.aj", off, 2);
		assert_int_equal(walk(f, NULL, 0, &gaps, &lost), 3);
		assert_int_equal(gaps, 0);
		simfs_flip(f->fs, "journal/0000000000000001.aj", off, 2);
	}
	simfs_flip(f->fs, "journal/0000000000000001.aj", 3, 2);
	simfs_flip(f->fs, "journal/0000000000000001.aj", LAYOUT_JOURNAL_COPY + 40, 2);
	assert_int_equal(walk(f, NULL, 0, &gaps, &lost), 1);
	assert_int_equal(gaps, 0);
	/* Of a file that is gone nothing is known but by others. */
	assert_int_equal(walk(f, NULL, 2, &gaps, &lost), 3);
	assert_int_equal(lost, 2);
}

/* The file that holds the first ids is gone; what follows it is all there, known to others or not. */
static void a_missing_file_is_a_gap(void **state)
{
	struct fixture *f = *state;
	struct journal_pos from;
	uint64_t lost;
	unsigned gaps;

	assert_int_equal(put(f, 2, 30, 1, false), 0);
	assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	from = *journal_writer_pos(f->w);
	assert_int_equal(new_file(f, 2, &from), 0);
	assert_int_equal(put(f, 3, 30, 1, false), 0);
	assert_int_equal(f->v->unlink(f->v->ctx, f->dir, "journal/0000000000000001.aj"), 0);
	assert_int_equal(walk(f, NULL, 0, &gaps, &lost), 6);
	assert_int_equal(gaps, 1);
	assert_int_equal(lost, 2);
}

/* A record of another place, or of the same place in another file, is none. */
static void a_record_holds_at_its_place_only(void **state)
{
	struct fixture *f = *state;
	struct journal_record rec;
	struct journal_reader *r = NULL;
	uint8_t bytes[512];
	uint64_t off;
	int fd;

	assert_int_equal(put(f, 1, 30, 9, false), 0);
	off = journal_writer_pos(f->w)->off;
	assert_int_equal(journal_reader_open(f->v, f->dir, 1, uuid, &r, NULL), 0);
	assert_int_equal(
		journal_reader_at(r, LAYOUT_JOURNAL_RECORDS + LAYOUT_RECORD_HEAD_BYTES, &rec, NULL),
		1);
	simfs_read(f->fs, "journal/0000000000000001.aj", rec.off, bytes, (size_t)(off - rec.off));
	fd = f->v->open(f->v->ctx, f->dir, "journal/0000000000000001.aj", O_RDWR, 0);
	f->v->pwrite_all(f->v->ctx, fd, bytes, (size_t)(off - rec.off), 8192 * 4);
	assert_int_equal(journal_reader_at(r, 8192 * 4, &rec, NULL), 0);
	f->v->close(f->v->ctx, fd);
	journal_reader_close(&r);
	assert_int_equal(journal_reader_open(f->v, f->dir, 7, uuid, &r, NULL), -ENOENT);
	assert_int_equal(
		journal_reader_open(f->v, f->dir, 1, (const uint8_t *)"another store!!!", &r, NULL),
		ERR_CORRUPT);
}

/* Files 2 and 3 were begun behind file 1, then given up for file 4. */
static void given_up_files_are_void(void **state)
{
	struct fixture *f = *state;
	struct journal_dir files;
	struct journal_pos committed;
	uint64_t lost;
	unsigned gaps;

	assert_int_equal(put(f, 2, 30, 1, false), 0);
	assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	committed = *journal_writer_pos(f->w);
	assert_int_equal(put(f, 5, 30, 2, true), 0);
	for (uint64_t seq = 2; seq <= 3; seq++) {
		assert_int_equal(new_file(f, seq, journal_writer_pos(f->w)), 0);
		assert_int_equal(put(f, 5, 30, 3, false), 0);
	}
	assert_int_equal(new_file(f, 4, &committed), 0);
	assert_int_equal(put(f, 1, 30, 4, false), 0);
	assert_int_equal(journal_dir_load(f->v, f->dir, uuid, &files, NULL, NULL), 0);
	assert_int_equal(files.files_count, 4);
	assert_int_equal(files.seq_max, 4);
	assert_int_equal(files.files[0].state, JOURNAL_DIR_LIVE);
	assert_int_equal(files.files[0].end, committed.off);
	assert_int_equal(files.files[1].state, JOURNAL_DIR_VOID);
	assert_int_equal(files.files[2].state, JOURNAL_DIR_VOID);
	assert_int_equal(files.files[3].state, JOURNAL_DIR_LIVE);
	assert_int_equal(journal_dir_of_id(&files, 3), 3);
	assert_int_equal(journal_dir_of_id(&files, 2), 0);
	journal_dir_free(&files);
	assert_int_equal(walk(f, NULL, 0, &gaps, &lost), 4);
	assert_int_equal(gaps, 0);
}

static void a_rewind_leaves_zeroes(void **state)
{
	struct fixture *f = *state;
	struct journal_pos pos;
	struct journal_reader *r = NULL;
	uint64_t last;

	assert_int_equal(put(f, 2, 30, 1, false), 0);
	assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	pos = *journal_writer_pos(f->w);
	for (int i = 0; i < 9; i++)
		assert_int_equal(put(f, 3, 5000, 0, false), 0);
	assert_int_equal(journal_writer_rewind(f->w, &pos, NULL), 0);
	assert_int_equal(journal_writer_pos(f->w)->next_id, 3);
	assert_int_equal(journal_reader_open(f->v, f->dir, 1, uuid, &r, NULL), 0);
	assert_int_equal(journal_reader_rest(r, pos.off, &last, NULL), 0);
	assert_int_equal(last, pos.off);
	journal_reader_close(&r);
}

/* A page the disk cannot read is damage; one that fails once is not. */
static void unreadable_pages_are_damage(void **state)
{
	struct fixture *f = *state;
	uint64_t ops, lost;
	unsigned gaps;

	for (int i = 0; i < 3; i++) {
		assert_int_equal(put(f, 2, 30, 0, false), 0);
		assert_int_equal(journal_writer_sync(f->w, NULL), 0);
	}
	ops = simfs_ops(f->fs);
	walk(f, NULL, 0, &gaps, &lost);
	ops = simfs_ops(f->fs) - ops;
	/* From the first read of a record on: listing and opening may fail the walk as a whole. */
	for (uint64_t nth = 8; nth < ops; nth++) {
		simfs_fail(f->fs, nth, SIMFS_ERROR, -EIO);
		assert_int_equal(walk(f, NULL, 0, &gaps, &lost), 7);
		assert_int_equal(gaps, 0);
		assert_true(simfs_fired(f->fs));
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_largest_batch_fits_the_smallest_file),
		TEST(a_commit_closes_its_page),
		TEST(a_torn_tail_is_the_end),
		TEST(damage_is_stepped_over),
		TEST(a_known_end_is_not_searched),
		TEST(headers_stand_twice),
		TEST(a_missing_file_is_a_gap),
		TEST(a_record_holds_at_its_place_only),
		TEST(given_up_files_are_void),
		TEST(a_rewind_leaves_zeroes),
		TEST(unreadable_pages_are_damage),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
