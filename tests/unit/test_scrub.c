/*
 * Goal: every page is looked at in its turn, whatever the budget; damage and unreadable sectors are named
 * by file, block and column; the state survives, and a lost one costs nothing but time.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/publish.h"
#include "storage/scrub.h"
#include "storage/scrub_state.h"
#include "storage/seg_reader.h"
#include "storage/sidx_common.h"
#include "storage/snapshot_int.h"
#include "tests/support/simfs.h"
#include "tests/support/store_kit.h"

enum { LIVE_MAX = 64, FOUND_BYTES = 512 };

struct fixture {
	struct simfs *fs;
	struct store_kit kit;
	struct scrub_conf conf;
	unsigned found;
	char first[FOUND_BYTES];
	struct manifest_segment live[LIVE_MAX];
	size_t live_count;
};

static void on_found(void *arg, const struct verify_finding *f)
{
	struct fixture *x = arg;

	if (x->found++ == 0)
		verify_format(f, x->first, sizeof x->first);
}

static int setup(void **state)
{
	static struct fixture f;
	struct store_conf conf = {
		.dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
	};

	memset(&f, 0, sizeof f);
	f.fs = simfs_new(4);
	conf.vfs = simfs_vfs(f.fs);
	store_kit_init(&f.kit, &conf, 4);
	f.kit.gen.wild = 0;
	assert_int_equal(store_kit_open(&f.kit), 0);
	f.conf = (struct scrub_conf){
		.vfs = conf.vfs,
		.dir = SIMFS_DIR,
		.now_ns = 1000,
		.found = on_found,
		.arg = &f,
	};
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_kit_fini(&f->kit);
	assert_int_equal(simfs_fds(f->fs), 0);
	simfs_free(&f->fs);
	return 0;
}

static void put(struct fixture *f, unsigned events)
{
	struct store_reader *r = NULL;
	struct store_snapshot *snap = NULL;

	assert_int_equal(store_kit_append(&f->kit, events, 2), 0);
	assert_int_equal(store_kit_commit(&f->kit), 0);
	assert_int_equal(store_kit_seal(&f->kit), 0);
	assert_int_equal(store_reader_open(&f->kit.conf, &r, &f->kit.d), 0);
	assert_int_equal(store_reader_snapshot(r, &snap, &f->kit.d), 0);
	f->live_count = snapshot_segment_count(snap);
	assert_in_range(f->live_count, 1, LIVE_MAX);
	for (size_t i = 0; i < f->live_count; i++)
		f->live[i] = *snapshot_segment(snap, i);
	store_snapshot_free(&snap);
	store_reader_close(&r);
}

static struct scrub_report scrub(struct fixture *f)
{
	struct scrub_report report;
	int rc;

	f->found = 0;
	f->first[0] = 0;
	rc = scrub_run(&f->conf, &report, &f->kit.d);
	if (rc < 0)
		fail_msg("%s: %s (%s)", f->kit.d.file, f->kit.d.text, err_name(f->kit.d.code));
	assert_int_equal(report.damages, f->found);
	f->conf.now_ns += 1000;
	return report;
}

static void all_in_one_run(void **state)
{
	struct fixture *f = *state;
	struct scrub_report r;

	put(f, 300);
	put(f, 300);
	r = scrub(f);
	assert_int_equal(r.segments, f->live_count);
	assert_int_equal(r.live_segments, f->live_count);
	assert_int_equal(r.left_segments, 0);
	assert_int_equal(r.oldest_ns, 1000);
	assert_int_equal(r.damages, 0);
	assert_true(r.pages > 0);
	assert_true(r.sidecars >= 2 * f->live_count);
	assert_false(r.state_lost);
	r = scrub(f);
	assert_int_equal(r.segments, f->live_count);
	assert_int_equal(r.oldest_ns, 2000);
}

static void an_empty_store(void **state)
{
	struct fixture *f = *state;
	struct scrub_report r = scrub(f);

	assert_int_equal(r.live_segments, 0);
	assert_true(r.oldest_ns == INT64_MAX);
}

/* The smallest budget comes round: each run does one block at least, in turn. */
static void budgets_come_round(void **state)
{
	struct fixture *f = *state;
	struct scrub_report r;
	uint64_t pages = 0, all;
	unsigned runs = 0;

	put(f, 300);
	put(f, 300);
	put(f, 300);
	all = scrub(f).pages;
	f->conf.budget_bytes = 1;
	do {
		r = scrub(f);
		pages += r.pages;
		assert_true(r.segments <= 1);
		assert_int_equal(r.left_segments, f->live_count - r.segments);
		runs++;
	} while (r.oldest_ns == 1000 && runs < 100);
	assert_in_range(runs, f->live_count, 99);
	assert_int_equal(pages, all);
	assert_int_equal(r.damages, 0);
	/* A newer segment is the next in turn. */
	put(f, 10);
	r = scrub(f);
	assert_int_equal(r.segments, 1);
	assert_true(r.oldest_ns > 1000);
}

static void a_stop_ends_it(void **state)
{
	struct fixture *f = *state;
	static volatile sig_atomic_t stop = 1;
	struct scrub_report r;

	put(f, 300);
	f->conf.stop = &stop;
	r = scrub(f);
	assert_int_equal(r.segments, 0);
	assert_int_equal(r.left_segments, f->live_count);
	assert_int_equal(r.oldest_ns, 0);
}

/* A page of the segment that stands by itself in the file. */
static const struct seg_page *any_page(struct seg_reader *r, int *out_col)
{
	for (int col = 0; col < SEG_COL_COUNT; col++) {
		const struct seg_page *p = seg_reader_page(r, 0, col);

		if (!p->is_inline) {
			*out_col = col;
			return p;
		}
	}
	fail_msg("all pages are inline");
	return NULL;
}

static void damage_is_named(void **state)
{
	struct fixture *f = *state;
	const struct vfs *v = f->conf.vfs;
	char path[MANIFEST_PATH_BYTES], want[FOUND_BYTES];
	struct seg_reader *reader = NULL;
	const struct seg_page *page;
	int dir, col = 0;

	put(f, 900);
	manifest_segment_path(&f->live[0], path);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	assert_int_equal(seg_reader_open(v, dir, path, &reader, &f->kit.d), 0);
	page = any_page(reader, &col);
	assert_int_equal(simfs_flip(f->fs, path, page->off + page->bytes / 2, 0x04), 0);
	snprintf(want, sizeof want, "damage %s block 0 column %s at byte %lu: check a page", path,
		seg_reader_col_name(col), (unsigned long)page->off);
	seg_reader_close(&reader);
	v->close(v->ctx, dir);
	assert_int_equal(scrub(f).damages, 1);
	if (strncmp(f->first, want, strlen(want)) != 0)
		fail_msg("told: %s\nnot:  %s", f->first, want);
	/* Once for each run. */
	assert_int_equal(scrub(f).damages, 1);
}

static void files_that_are_no_use(void **state)
{
	struct fixture *f = *state;
	char path[MANIFEST_PATH_BYTES];
	const struct vfs *v = f->conf.vfs;
	int dir;

	put(f, 300);
	publish_path(&f->live[0], SIDX_TYPE, path);
	assert_int_equal(simfs_flip(f->fs, path, 90, 0x10), 0);
	assert_int_equal(scrub(f).damages, 1);
	assert_non_null(strstr(f->first, ".evt"));
	/* A footer takes the whole segment with it. */
	manifest_segment_path(&f->live[0], path);
	assert_int_equal(simfs_flip(f->fs, path, (uint64_t)simfs_bytes(f->fs, path) - 60, 0x10), 0);
	assert_int_equal(scrub(f).damages, 1);
	assert_non_null(strstr(f->first, ".seg"));
	assert_int_equal(simfs_truncate(f->fs, path, 500), 0);
	assert_int_equal(scrub(f).damages, 1);
	assert_non_null(strstr(f->first, "another length"));
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	v->unlink(v->ctx, dir, path);
	v->close(v->ctx, dir);
	assert_int_equal(scrub(f).damages, 1);
	assert_non_null(strstr(f->first, "ENOENT"));
}

/* A sector that cannot be read is a finding like any other, and the run goes on. */
static void unreadable_sectors(void **state)
{
	struct fixture *f = *state;
	struct scrub_report r;
	uint64_t before, ops;
	unsigned told = 0;

	put(f, 300);
	put(f, 300);
	before = simfs_ops(f->fs);
	scrub(f);
	ops = simfs_ops(f->fs) - before;
	for (uint64_t nth = 1; nth <= ops; nth++) {
		simfs_fail(f->fs, nth, SIMFS_ERROR, -EIO);
		f->found = 0;
		f->first[0] = 0;
		if (scrub_run(&f->conf, &r, &f->kit.d) == 0 && r.damages > 0) {
			assert_non_null(strstr(f->first, "EIO"));
			assert_true(r.segments + r.left_segments == r.live_segments);
			told++;
		}
		simfs_fail(f->fs, 0, SIMFS_ERROR, 0);
		assert_int_equal(scrub(f).damages, 0);
	}
	assert_true(told > 10);
}

static void a_lost_state(void **state)
{
	struct fixture *f = *state;
	const struct vfs *v = f->conf.vfs;
	struct scrub_report r;
	int dir;

	put(f, 300);
	scrub(f);
	for (uint64_t off = 0; off < 72 + 16; off += 5) {
		/* compat bits are for nobody to refuse */
		if (off == 10)
			continue;
		assert_int_equal(simfs_flip(f->fs, "scrub", off, 0x41), 0);
		r = scrub(f);
		assert_true(r.state_lost);
		assert_int_equal(r.segments, f->live_count);
		assert_int_equal(r.damages, 0);
	}
	assert_int_equal(simfs_truncate(f->fs, "scrub", 80), 0);
	assert_true(scrub(f).state_lost);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	v->unlink(v->ctx, dir, "scrub");
	v->close(v->ctx, dir);
	assert_false(scrub(f).state_lost);
}

static void one_at_a_time(void **state)
{
	struct fixture *f = *state;
	const struct vfs *v = f->conf.vfs;
	struct scrub_report r;
	int dir, fd;

	put(f, 10);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	fd = v->open(v->ctx, dir, "scrub.lock", O_RDWR | O_CREAT, 0640);
	assert_int_equal(v->lock(v->ctx, fd, true, false), 0);
	assert_int_equal(scrub_run(&f->conf, &r, &f->kit.d), ERR_LOCKED);
	v->close(v->ctx, fd);
	v->close(v->ctx, dir);
	assert_int_equal(scrub(f).damages, 0);
	f->conf.dir = "nowhere";
	assert_int_equal(scrub_run(&f->conf, &r, &f->kit.d), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(all_in_one_run),
		T(an_empty_store),
		T(budgets_come_round),
		T(a_stop_ends_it),
		T(damage_is_named),
		T(files_that_are_no_use),
		T(unreadable_sectors),
		T(a_lost_state),
		T(one_at_a_time),
#undef T
	};

	return cmocka_run_group_tests_name("scrub", tests, NULL, NULL);
}
