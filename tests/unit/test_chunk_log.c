/*
 * Goal:   chunk ids outlive the journal files they came in: a million of them, in few files, whatever is
 *         interrupted; damage costs the ids it hits and is told; a store of before the log opens.
 * Method: a store on a simulated disk whose journal files are sealed and removed; on a real one every
 *         allocation of the take-over failing in turn.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/backup.h"
#include "storage/chunk_file.h"
#include "storage/chunk_log.h"
#include "storage/chunkset.h"
#include "storage/dump.h"
#include "storage/journal_reader.h"
#include "storage/manifest.h"
#include "storage/row.h"
#include "storage/store_format.h"
#include "storage/verify.h"
#include "tests/support/alloc_fault.h"
#include "tests/support/simfs.h"
#include "tests/support/tmpdir.h"

/* ---- a store ---- */

struct world {
	struct simfs *fs; /* NULL: a real disk */
	const struct vfs *vfs;
	const char *path;
	int dir;
	struct store_writer *w;
	uint64_t ids;  /* chunk ids appended: numbers 1 .. ids */
	uint64_t rows; /* one a batch */
	struct diag d;
};

static struct store_chunk chunk_of(uint64_t n)
{
	return (struct store_chunk){ n * UINT64_C(0x9e3779b97f4a7c15), ~n };
}

static void open_store(struct world *w)
{
	const struct store_conf conf = {
		.vfs = w->vfs, .dir = w->path, .journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN
	};
	char why[600];

	if (store_writer_open(&conf, &w->w, &w->d) < 0)
		fail_msg("%s", diag_format(&w->d, why, sizeof why));
	assert_int_equal(store_writer_recovery(w->w)->lost_ids, 0);
}

static void begin_at(struct world *w, struct simfs *fs, const char *path)
{
	memset(w, 0, sizeof *w);
	w->fs = fs;
	w->vfs = fs ? simfs_vfs(fs) : vfs_real();
	w->path = path;
	open_store(w);
	w->dir = w->vfs->open_dir(w->vfs->ctx, path);
}

static void begin(struct world *w)
{
	begin_at(w, simfs_new(3), SIMFS_DIR);
}

static void end(struct world *w)
{
	store_writer_close(&w->w);
	w->vfs->close(w->vfs->ctx, w->dir);
	if (w->fs) {
		assert_int_equal(simfs_fds(w->fs), 0);
		simfs_free(&w->fs);
	}
}

static void reopen(struct world *w)
{
	store_writer_close(&w->w);
	open_store(w);
}

/* A batch of one row with so many new chunk ids, committed. */
static void append(struct world *w, uint32_t count)
{
	static struct store_chunk chunks[LIMIT_BATCH_CHUNKS];
	struct event ev = { .severity = EVENT_SEVERITY_INFO };
	struct store_batch b = { .rows_count = 1, .chunks = chunks, .chunks_count = count };
	uint64_t committed;
	struct buf rows;

	buf_init(&rows, 1000);
	assert_int_equal(row_put(&rows, &ev), 0);
	for (uint32_t i = 0; i < count; i++)
		chunks[i] = chunk_of(++w->ids);
	b.rows = rows.p;
	b.rows_bytes = rows.len;
	assert_int_equal(store_writer_append(w->w, &b, &w->d), 0);
	assert_int_equal(store_writer_commit(w->w, &committed, &w->d), 0);
	w->rows++;
	assert_int_equal(committed, w->rows);
	buf_fini(&rows);
}

/* As the sealer, but for the segments; what retire says. */
static int seal(struct world *w)
{
	struct manifest_change c = { .sealed_id = w->rows };
	struct store_format format;
	struct ctl *ctl = NULL;
	struct manifest *m = NULL;

	assert_int_equal(store_format_read(w->vfs, w->dir, &format, NULL, &w->d), 0);
	assert_int_equal(ctl_open(w->vfs, w->dir, format.uuid, CTL_WRITE, &ctl, &w->d), 0);
	assert_int_equal(manifest_open(w->vfs, w->dir, format.uuid, ctl, &m, &w->d), 0);
	assert_int_equal(manifest_lock(m, &w->d), 0);
	assert_int_equal(manifest_append(m, &c, &w->d), 0);
	manifest_unlock(m);
	manifest_close(&m);
	ctl_close(&ctl);
	return store_writer_retire(w->w, c.sealed_id, &w->d);
}

static int count_journal(void *arg, const char *name)
{
	*(unsigned *)arg += strstr(name, ".aj") != NULL;
	return 0;
}

static unsigned journal_files(struct world *w)
{
	unsigned n = 0;

	w->vfs->list(w->vfs->ctx, w->dir, "journal", count_journal, &n);
	return n;
}

static int count_chunks(void *arg, const char *name)
{
	*(unsigned *)arg += chunk_file_number(name) > 0;
	return 0;
}

static unsigned chunk_files(struct world *w)
{
	unsigned n = 0;

	w->vfs->list(w->vfs->ctx, w->dir, ".", count_chunks, &n);
	return n;
}

/* Appends and seals until so many ids were given, 4096 a batch. */
static void fill(struct world *w, uint64_t ids, bool sealing)
{
	while (w->ids < ids) {
		append(w, LIMIT_BATCH_CHUNKS);
		if (sealing && w->rows % 50 == 0)
			assert_int_equal(seal(w), 0);
	}
}

/* The ids first .. last, and no others, are remembered by a start. */
static void check_known(struct world *w, uint64_t first, uint64_t last)
{
	const struct chunkset *known = store_writer_chunks(w->w);

	assert_int_equal(chunkset_count(known), last - first + 1);
	for (uint64_t n = first; n <= last; n++)
		assert_true(chunkset_has(known, chunk_of(n), NULL));
	for (uint64_t n = first > 1000 ? first - 1000 : 1; n < first; n++)
		assert_false(chunkset_has(known, chunk_of(n), NULL));
}

/* ---- the log ---- */

static void outlives_the_journal(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	fill(&w, 300000, true);
	assert_int_equal(seal(&w), 0);
	assert_int_equal(journal_files(&w), 1);
	assert_in_range(chunk_files(&w), 1, 5);
	for (int i = 0; i < 2; i++) {
		reopen(&w);
		check_known(&w, 1, w.ids);
		append(&w, 1);
	}
	end(&w);
}

static void the_last_million(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	fill(&w, 3 * (uint64_t)LIMIT_CHUNKS_REMEMBERED / 2, true);
	assert_int_equal(seal(&w), 0);
	assert_in_range(chunk_files(&w), LIMIT_CHUNKS_REMEMBERED / LIMIT_CHUNK_FILE_IDS,
		LIMIT_CHUNKS_REMEMBERED / LIMIT_CHUNK_FILE_IDS + 2);
	reopen(&w);
	check_known(&w, w.ids - LIMIT_CHUNKS_REMEMBERED + 1, w.ids);
	end(&w);
}

/* One id in each, as if all but it had been lost; and what no name tells, that no other took them over. */
static void write_small_files(struct world *w, unsigned count)
{
	struct store_format format;

	assert_int_equal(store_format_read(w->vfs, w->dir, &format, NULL, &w->d), 0);
	for (unsigned i = 1; i <= count; i++) {
		struct chunk_file_head h = { .since = i };
		struct chunk_file_writer f;

		memcpy(h.uuid, format.uuid, sizeof h.uuid);
		assert_int_equal(chunk_file_begin(&f, w->vfs, w->dir, i, &w->d), 0);
		assert_int_equal(chunk_file_put(&f, chunk_of(++w->ids), &w->d), 0);
		assert_int_equal(chunk_file_commit(&f, &h, &w->d), 0);
	}
}

/* With more files than a log makes, the newest count. */
static void more_files_than_there_may_be(void **state)
{
	const struct chunkset *known;
	struct world w;
	uint64_t small;

	(void)state;
	begin(&w);
	store_writer_close(&w.w);
	write_small_files(&w, LIMIT_CHUNK_FILES + 5);
	small = w.ids;
	for (int i = 0; i < 3; i++) {
		open_store(&w);
		known = store_writer_chunks(w.w);
		assert_true(chunkset_has(known, chunk_of(small), NULL));
		assert_true(chunkset_has(known, chunk_of(w.ids), NULL));
		assert_false(chunkset_has(known, chunk_of(1), NULL));
		/* More than fit a file: one takes over the newest of the small ones, and one follows it. */
		while (journal_files(&w) < 2 || w.ids < small + LIMIT_CHUNK_FILE_IDS)
			append(&w, LIMIT_BATCH_CHUNKS);
		small = w.ids;
		assert_int_equal(seal(&w), 0);
		assert_true(chunk_files(&w) <= LIMIT_CHUNK_FILES + 5);
		store_writer_close(&w.w);
	}
	open_store(&w);
	assert_true(chunkset_has(store_writer_chunks(w.w), chunk_of(w.ids), NULL));
	end(&w);
}

static void few_ids_make_one_file(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	/* Nearly all of these journal files are the bytes of one batch. */
	for (int i = 0; i < 40; i++) {
		for (int n = 0; n < 60; n++)
			append(&w, n % 7 == 0 ? 4000 : 0);
		assert_int_equal(seal(&w), 0);
		if (w.ids > LIMIT_CHUNK_FILE_IDS)
			break;
		assert_in_range(chunk_files(&w), 0, 1);
	}
	reopen(&w);
	check_known(&w, 1, w.ids);
	end(&w);
}

/* Nothing to remember: no file. */
static void no_ids_no_file(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	for (int n = 0; n < 2000; n++)
		append(&w, 0);
	assert_int_equal(seal(&w), 0);
	assert_int_equal(journal_files(&w), 1);
	assert_int_equal(chunk_files(&w), 0);
	reopen(&w);
	check_known(&w, 1, 0);
	end(&w);
}

static void every_allocation_fails(void **state)
{
	struct world w;

	begin_at(&w, NULL, *state);
	for (unsigned nth = 1;; nth++) {
		bool failed;
		int rc;

		fill(&w, w.ids + 100000, false);
		append(&w, 0);
		alloc_fault_set(nth);
		rc = store_writer_retire(w.w, w.rows, &w.d);
		failed = alloc_fault_end();
		if (rc < 0)
			assert_int_equal(rc, -ENOMEM);
		assert_int_equal(seal(&w), 0);
		assert_int_equal(journal_files(&w), 1);
		reopen(&w);
		check_known(&w, 1, w.ids);
		if (!failed)
			break;
	}
	end(&w);
}

/* Killed between the log's new file and the end of what it took over: the ids are there twice. */
static void taken_but_not_removed(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	fill(&w, 150000, false);
	for (uint64_t nth = 1; nth < 60; nth += 1) {
		simfs_fail(w.fs, nth, SIMFS_CRASH, -EIO);
		store_writer_retire(w.w, w.rows, &w.d);
		simfs_fail(w.fs, 0, SIMFS_ERROR, 0);
		store_writer_close(&w.w);
		w.vfs->close(w.vfs->ctx, w.dir);
		simfs_reboot(w.fs, nth % SIMFS_POLICIES);
		open_store(&w);
		w.dir = w.vfs->open_dir(w.vfs->ctx, SIMFS_DIR);
		check_known(&w, 1, w.ids);
	}
	assert_int_equal(seal(&w), 0);
	reopen(&w);
	check_known(&w, 1, w.ids);
	end(&w);
}

/* A full disk: the journal stays until there is room for the log. */
static void no_room(void **state)
{
	struct world w;
	unsigned before;

	(void)state;
	begin(&w);
	fill(&w, 150000, false);
	before = journal_files(&w);
	simfs_capacity(w.fs, 1);
	assert_int_equal(store_writer_retire(w.w, w.rows - 1, &w.d), -ENOSPC);
	assert_int_equal(journal_files(&w), before);
	simfs_capacity(w.fs, 0);
	assert_int_equal(seal(&w), 0);
	assert_int_equal(journal_files(&w), 1);
	reopen(&w);
	check_known(&w, 1, w.ids);
	end(&w);
}

/* ---- damage ---- */

static const char *newest(struct world *w, char name[CHUNK_FILE_NAME_BYTES])
{
	for (uint64_t n = 99; n > 0; n--) {
		if (simfs_bytes(w->fs, chunk_file_name(n, name)) >= 0)
			return name;
	}
	fail_msg("no chunk file");
	return NULL;
}

static void note_finding(void *arg, const struct verify_finding *f)
{
	if (f->grade == VERIFY_DAMAGE && strncmp(f->diag.file, "chunks-", 7) == 0)
		++*(unsigned *)arg;
}

static unsigned damages(struct world *w)
{
	unsigned n = 0;
	const struct verify_conf conf = {
		.vfs = w->vfs, .dir = SIMFS_DIR, .found = note_finding, .arg = &n
	};
	struct verify_report report;

	assert_int_equal(verify_run(&conf, &report, &w->d), 0);
	return n;
}

static int count_section(void *arg, const struct dump_section *s)
{
	(void)s;
	++*(unsigned *)arg;
	return 0;
}

static void check_dump(struct world *w, const char *name, uint64_t damaged)
{
	unsigned sections = 0;
	const struct dump_walker walker = { .section = count_section, .arg = &sections };
	struct dump_result result;

	assert_int_equal(dump_walk(w->vfs, w->dir, name, &walker, &result, &w->d), 0);
	assert_int_equal(result.kind, DUMP_CHUNKS);
	assert_int_equal(result.damaged, damaged);
	assert_true(sections > 1);
}

/* Damage at `off` costs so many ids, is told, and the store goes on. */
static void check_damage(struct world *w, uint64_t off, uint64_t lost)
{
	char name[CHUNK_FILE_NAME_BYTES];
	const struct store_recovery *r;

	newest(w, name);
	assert_int_equal(damages(w), 0);
	check_dump(w, name, 0);
	assert_int_equal(simfs_flip(w->fs, name, off, 0x10), 0);
	check_dump(w, name, 1);
	assert_int_equal(damages(w), 1);
	reopen(w);
	r = store_writer_recovery(w->w);
	assert_int_equal(r->lost_chunks, lost);
	assert_int_equal(r->damage.code, ERR_CORRUPT);
	assert_string_equal(r->damage.file, name);
	assert_int_equal(chunkset_count(store_writer_chunks(w->w)), w->ids - lost);
	assert_int_equal(simfs_flip(w->fs, name, off, 0x10), 0);
}

static void damage_costs_a_page(void **state)
{
	struct world w;
	char name[CHUNK_FILE_NAME_BYTES];
	uint64_t bytes;

	(void)state;
	begin(&w);
	fill(&w, 150000, false);
	assert_int_equal(seal(&w), 0);
	bytes = (uint64_t)simfs_bytes(w.fs, newest(&w, name));
	check_damage(&w, 20, 0);
	check_damage(&w, LAYOUT_CHUNKS_SUM, 0);
	check_damage(&w, 4096 + 17, CHUNK_FILE_PAGE_IDS);
	check_damage(&w, 3 * 4096 + LAYOUT_CHUNKS_PAGE_COUNT, CHUNK_FILE_PAGE_IDS);
	check_damage(&w, 5 * 4096 + LAYOUT_CHUNKS_PAGE_SUM + 7, CHUNK_FILE_PAGE_IDS);
	/* Cut in a page: that page. At a page's end: the header tells. */
	assert_int_equal(simfs_truncate(w.fs, name, bytes - 2 * 4096), 0);
	assert_int_equal(damages(&w), 1);
	reopen(&w);
	assert_in_range(store_writer_recovery(w.w)->lost_chunks, 256, 2 * CHUNK_FILE_PAGE_IDS);
	assert_int_equal(store_writer_recovery(w.w)->damage.code, ERR_TRUNCATED);
	/* The next take-over writes anew what can be read: there is no damage any more. */
	for (int i = 0; i < 40; i++)
		append(&w, LIMIT_BATCH_CHUNKS);
	assert_int_equal(seal(&w), 0);
	assert_int_equal(damages(&w), 0);
	end(&w);
}

/* A copy of the store remembers what the store does, and needs nothing of it. */
static void a_copy_remembers(void **state)
{
	const struct backup_conf conf = { .dir = SIMFS_DIR, .to = "copy" };
	struct backup_conf c = conf;
	struct backup_report report;
	struct store_conf sc = { .dir = "copy" };
	struct store_writer *copy = NULL;
	struct world w;

	(void)state;
	begin(&w);
	fill(&w, 150000, false);
	assert_int_equal(seal(&w), 0);
	append(&w, 10);
	c.vfs = sc.vfs = w.vfs;
	assert_int_equal(backup_run(&c, &report, &w.d), 0);
	assert_int_equal(store_writer_open(&sc, &copy, &w.d), 0);
	assert_int_equal(chunkset_count(store_writer_chunks(copy)), w.ids);
	assert_true(chunkset_has(store_writer_chunks(copy), chunk_of(1), NULL));
	assert_true(chunkset_has(store_writer_chunks(copy), chunk_of(w.ids), NULL));
	store_writer_close(&copy);
	end(&w);
}

static void headers_that_do_not_hold(void **state)
{
	uint8_t head[LAYOUT_CHUNKS_HEAD_BYTES];
	struct chunk_file_head h = { .number = 7, .since = 7, .ids_count = 3 }, got;

	(void)state;
	chunk_file_put_head(&h, head);
	assert_int_equal(chunk_file_get_head(head, sizeof head, &got), 0);
	assert_int_equal(got.number, 7);
	assert_int_equal(got.ids_count, 3);
	assert_int_equal(chunk_file_get_head(head, sizeof head - 1, &got), ERR_TRUNCATED);
	h.ids_count = LIMIT_CHUNK_FILE_IDS + 1;
	chunk_file_put_head(&h, head);
	assert_int_equal(chunk_file_get_head(head, sizeof head, &got), ERR_CORRUPT);
	head[3] ^= 1;
	assert_int_equal(chunk_file_get_head(head, sizeof head, &got), ERR_CORRUPT);
}

static void names(void **state)
{
	char name[CHUNK_FILE_NAME_BYTES];

	(void)state;
	assert_string_equal(chunk_file_name(12, name), "chunks-12");
	assert_int_equal(chunk_file_number("chunks-12"), 12);
	assert_int_equal(chunk_file_number("chunks-"), 0);
	assert_int_equal(chunk_file_number("chunks-0"), 0);
	assert_int_equal(chunk_file_number("chunks-01"), 0);
	assert_int_equal(chunk_file_number("chunks-1x"), 0);
	assert_int_equal(chunk_file_number("chunks-new"), 0);
	assert_int_equal(chunk_file_number("chunks-1234567890123456789"), 0);
	assert_int_equal(chunk_file_number("manifest-1"), 0);
}

/* ---- a store of before the log ---- */

/* The first record of the newest file, empty today, held the ids of earlier files. */
static void write_carry(struct world *w, uint32_t count)
{
	static uint8_t bytes[LAYOUT_RECORD_HEAD_BYTES + 3000 * LAYOUT_CHUNK_BYTES];
	char name[JOURNAL_READER_NAME_BYTES];
	struct journal_reader *r = NULL;
	struct journal_record rec;
	int fd;

	assert_in_range(count, 1, 3000);
	assert_int_equal(journal_reader_open(w->vfs, w->dir, 1, NULL, &r, &w->d), 0);
	assert_int_equal(journal_reader_at(r, LAYOUT_JOURNAL_RECORDS, &rec, &w->d), 1);
	for (uint32_t i = 0; i < count; i++) {
		struct store_chunk c = chunk_of(++w->ids);

		memcpy(bytes + LAYOUT_RECORD_HEAD_BYTES + i * LAYOUT_CHUNK_BYTES, &c, sizeof c);
	}
	rec.chunks_count = count;
	rec.payload_sum = journal_record_payload_sum(journal_reader_head(r)->salt, rec.off,
		bytes + LAYOUT_RECORD_HEAD_BYTES, count * LAYOUT_CHUNK_BYTES);
	journal_record_put(&rec, journal_reader_head(r)->salt, bytes);
	journal_reader_close(&r);
	fd = w->vfs->open(w->vfs->ctx, w->dir, journal_reader_name(1, name), O_RDWR, 0);
	assert_int_equal(w->vfs->pwrite_all(w->vfs->ctx, fd, bytes,
				 LAYOUT_RECORD_HEAD_BYTES + count * LAYOUT_CHUNK_BYTES, rec.off),
		0);
	assert_int_equal(w->vfs->fdatasync(w->vfs->ctx, fd), 0);
	w->vfs->close(w->vfs->ctx, fd);
}

static void carry_records_have_a_limit(void **state)
{
	struct journal_record got, r = {
		.kind = LAYOUT_RECORD_KIND_CARRY, .off = LAYOUT_JOURNAL_RECORDS, .first_id = 1
	};
	uint8_t head[LAYOUT_RECORD_HEAD_BYTES];

	(void)state;
	for (uint32_t more = 0; more <= 1; more++) {
		r.chunks_count = LIMIT_CARRY_CHUNKS + more;
		journal_record_put(&r, 7, head);
		assert_int_equal(journal_record_get(head, 7, LAYOUT_JOURNAL_RECORDS, &got),
			more ? ERR_CORRUPT : 0);
	}
}

static void carry_records_are_read(void **state)
{
	struct world w;

	(void)state;
	begin(&w);
	store_writer_close(&w.w);
	write_carry(&w, 3000);
	open_store(&w);
	check_known(&w, 1, 3000);
	fill(&w, 200000, true);
	assert_int_equal(seal(&w), 0);
	assert_int_equal(simfs_bytes(w.fs, "journal/0000000000000001.aj"), -ENOENT);
	reopen(&w);
	check_known(&w, 1, w.ids);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(headers_that_do_not_hold),
		cmocka_unit_test(outlives_the_journal),
		cmocka_unit_test(the_last_million),
		cmocka_unit_test(more_files_than_there_may_be),
		cmocka_unit_test(few_ids_make_one_file),
		cmocka_unit_test(no_ids_no_file),
		cmocka_unit_test_setup_teardown(
			every_allocation_fails, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test(taken_but_not_removed),
		cmocka_unit_test(no_room),
		cmocka_unit_test(a_copy_remembers),
		cmocka_unit_test(damage_costs_a_page),
		cmocka_unit_test(carry_records_are_read),
		cmocka_unit_test(carry_records_have_a_limit),
	};

	return cmocka_run_group_tests_name("chunk_log", tests, NULL, NULL);
}
