/*
 * Goal:   one damaged byte anywhere in a journal costs the events of one record at most; what is lost is
 *         counted and named with its place, the rest is read unchanged, and the store goes on with the
 *         right next id.
 * Method: a small store on a simulated disk, two journal files of single-row commits; each byte that is
 *         in use is flipped, then the store read without a collector, recovered, appended to, read.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/layout.h"
#include "storage/row.h"
#include "storage/snapshot_int.h"
#include "storage/store.h"
#include "tests/support/simfs.h"

enum { ROWS_PER_COMMIT = 2, COMMITS = 5 };

static const char name[] = "journal/0000000000000001.aj";

static struct store_conf conf_of(struct simfs *fs)
{
	return (struct store_conf){ .vfs = simfs_vfs(fs),
		.dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN };
}

static void append(struct store_writer *w)
{
	uint64_t id = store_writer_next(w), committed;
	struct store_batch batch = { .rows_count = ROWS_PER_COMMIT };
	struct buf b;

	buf_init(&b, 1 << 16);
	for (uint64_t i = 0; i < ROWS_PER_COMMIT; i++) {
		struct event ev = { .time_ns = (int64_t)(id + i) };

		assert_int_equal(row_put(&b, &ev), 0);
	}
	batch.rows = b.p;
	batch.rows_bytes = b.len;
	batch.time_min_ns = (int64_t)id;
	batch.time_max_ns = (int64_t)id + 1;
	assert_int_equal(store_writer_append(w, &batch, NULL), 0);
	assert_int_equal(store_writer_commit(w, &committed, NULL), 0);
	buf_fini(&b);
}

static struct simfs *make_store(void)
{
	struct simfs *fs = simfs_new(1);
	struct store_conf conf = conf_of(fs);
	struct store_writer *w = NULL;

	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	for (int i = 0; i < COMMITS; i++)
		append(w);
	store_writer_close(&w);
	return fs;
}

/* Every row says which id it has. Returns how many ids up to `last` are missing, as counted here. */
static uint64_t read_all(struct simfs *fs, uint64_t last, struct snapshot_damage *out)
{
	struct store_conf conf = conf_of(fs);
	struct store_reader *r = NULL;
	struct store_snapshot *s = NULL;
	uint64_t seen = 0, before = 0;
	struct buf scratch;

	assert_int_equal(store_reader_open(&conf, &r, NULL), 0);
	assert_int_equal(store_reader_snapshot(r, &s, NULL), 0);
	assert_int_equal(store_snapshot_committed(s), last);
	buf_init(&scratch, SNAPSHOT_BATCH_BYTES_MAX);
	for (size_t i = 0; i < snapshot_batch_count(s); i++) {
		const struct snapshot_batch *b = snapshot_batch(s, i);
		struct span rows;
		struct rcur c;

		assert_int_equal(snapshot_batch_rows(s, i, &scratch, &rows, NULL), 0);
		c = rcur_of(rows.p, rows.n);
		for (uint64_t id = b->id_min; id <= b->id_max; id++, seen++) {
			struct event ev;

			assert_int_equal(row_get(&c, &ev), 0);
			assert_int_equal(ev.time_ns, id);
			assert_true(id > before);
			before = id;
		}
	}
	*out = *snapshot_damage(s);
	buf_fini(&scratch);
	store_snapshot_free(&s);
	store_reader_close(&r);
	return last - seen;
}

static void check_flip(uint64_t off, uint8_t mask)
{
	struct simfs *fs = make_store();
	struct store_conf conf = conf_of(fs);
	const struct store_recovery *rec;
	struct store_writer *w = NULL;
	uint64_t last = COMMITS * ROWS_PER_COMMIT, lost;
	struct snapshot_damage damage;

	assert_int_equal(simfs_flip(fs, name, off, mask), 0);
	lost = read_all(fs, last, &damage);
	assert_true(lost <= ROWS_PER_COMMIT);
	assert_int_equal(damage.lost_ids, lost);
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	rec = store_writer_recovery(w);
	assert_int_equal(rec->lost_ids, lost);
	assert_int_equal(rec->committed, last);
	if (lost > 0) {
		assert_int_equal(damage.first.code, ERR_CORRUPT);
		assert_string_equal(damage.first.file, name);
		assert_in_range(off, damage.first.off, damage.first.off + LAYOUT_PAGE_BYTES);
		assert_int_equal(rec->damage.code, ERR_CORRUPT);
		assert_string_equal(rec->damage.file, name);
		/* What was damaged is kept for who wants to look at it. */
		assert_int_equal(rec->quarantined_files, 1);
		assert_true(simfs_bytes(fs, "bad/journal_0000000000000001.aj") > 0);
	}
	if (off < LAYOUT_JOURNAL_HEAD_BYTES) {
		/* The copy of the header stands in, but somebody should know. */
		assert_int_equal(rec->damage.code, ERR_CORRUPT);
		assert_string_equal(rec->damage.file, name);
	}
	append(w);
	append(w);
	store_writer_close(&w);
	assert_int_equal(read_all(fs, last + 4, &damage), lost);
	/* Known damage is found again, and costs no more than before. */
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_writer_recovery(w)->lost_ids, lost);
	assert_int_equal(store_writer_recovery(w)->committed, last + 4);
	store_writer_close(&w);
	simfs_free(&fs);
}

static bool in_use(uint64_t off)
{
	uint64_t in_page = off % LAYOUT_PAGE_BYTES;

	if (off < LAYOUT_JOURNAL_RECORDS)
		return off % LAYOUT_JOURNAL_COPY < LAYOUT_JOURNAL_HEAD_BYTES;
	return in_page < LAYOUT_RECORD_HEAD_BYTES + 80 || in_page % 1024 == 0;
}

static void every_byte_in_use(void **state)
{
	(void)state;
	for (uint64_t off = 0; off < (COMMITS + 3) * (uint64_t)LAYOUT_PAGE_BYTES; off++) {
		if (in_use(off))
			check_flip(off, (uint8_t)(1 << off % 8));
	}
}

/* Both copies of the header: the file is moved away, and the ids it held are not given again. */
static void a_lost_header_costs_the_file(void **state)
{
	struct simfs *fs = make_store();
	struct store_conf conf = conf_of(fs);
	struct store_writer *w = NULL;
	struct snapshot_damage damage;
	uint64_t last = COMMITS * ROWS_PER_COMMIT;

	(void)state;
	simfs_flip(fs, name, 20, 1);
	simfs_flip(fs, name, LAYOUT_JOURNAL_COPY + 20, 1);
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	assert_int_equal(store_writer_recovery(w)->quarantined_files, 1);
	assert_int_equal(store_writer_recovery(w)->damage.code, ERR_CORRUPT);
	assert_int_equal(store_writer_committed(w), last);
	append(w);
	store_writer_close(&w);
	assert_int_equal(simfs_bytes(fs, name), -ENOENT);
	assert_int_equal(read_all(fs, last + 2, &damage), last);
	assert_int_equal(damage.lost_ids, last);
	simfs_free(&fs);
}

/* A file cut short, as by a copy that ran out of space. */
static void a_cut_file_gives_what_it_has(void **state)
{
	(void)state;
	for (uint64_t bytes = LAYOUT_JOURNAL_RECORDS; bytes < 7 * LAYOUT_PAGE_BYTES; bytes += 511) {
		struct simfs *fs = make_store();
		struct store_conf conf = conf_of(fs);
		struct store_writer *w = NULL;
		struct snapshot_damage damage;
		uint64_t last = COMMITS * ROWS_PER_COMMIT, lost;

		assert_int_equal(simfs_truncate(fs, name, bytes), 0);
		lost = read_all(fs, last, &damage);
		assert_int_equal(damage.lost_ids, lost);
		assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
		assert_int_equal(store_writer_recovery(w)->lost_ids, lost);
		append(w);
		store_writer_close(&w);
		assert_int_equal(read_all(fs, last + 2, &damage), lost);
		simfs_free(&fs);
	}
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof v);
}

/* The newest version is named; nothing is touched. */
static void a_newer_version_is_left_alone(void **state)
{
	struct simfs *fs = make_store();
	struct store_conf conf = conf_of(fs);
	struct store_writer *w = NULL;
	struct store_reader *r = NULL;
	struct diag d = { 0 };
	uint8_t head[LAYOUT_FORMAT_BYTES];
	uint8_t sum[8];

	(void)state;
	assert_int_equal(simfs_read(fs, "format", 0, head, sizeof head), 0);
	simfs_flip(fs, "format", LAYOUT_HEAD_VERSION, head[LAYOUT_HEAD_VERSION] ^ 9);
	head[LAYOUT_HEAD_VERSION] = 9;
	memcpy(sum, head + LAYOUT_FORMAT_SUM, sizeof sum);
	put64(head + LAYOUT_FORMAT_SUM, XXH3_64bits(head, LAYOUT_FORMAT_SUM));
	for (uint64_t i = 0; i < sizeof sum; i++)
		simfs_flip(
			fs, "format", LAYOUT_FORMAT_SUM + i, sum[i] ^ head[LAYOUT_FORMAT_SUM + i]);
	assert_int_equal(store_writer_open(&conf, &w, &d), ERR_TOO_NEW);
	assert_string_equal(d.file, "format");
	assert_int_equal(store_reader_open(&conf, &r, &d), ERR_TOO_NEW);
	simfs_free(&fs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_in_use),
		cmocka_unit_test(a_lost_header_costs_the_file),
		cmocka_unit_test(a_cut_file_gives_what_it_has),
		cmocka_unit_test(a_newer_version_is_left_alone),
	};

	return cmocka_run_group_tests_name("journal_corrupt", tests, NULL, NULL);
}
