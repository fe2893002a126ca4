/*
 * Goal: a store that has as many segments, or as many journal files, as it may have says so, changes
 * nothing, and goes on once there are fewer. Method: the real limits, on a file system in memory, and
 * on a real one whose journal files are given no blocks; each file but the last was given up.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/ctl.h"
#include "storage/manifest.h"
#include "storage/row.h"
#include "storage/store.h"
#include "tests/support/simfs.h"
#include "tests/support/tmpdir.h"

/* ---- segments ---- */

static const uint8_t uuid[16] = "0123456789abcdef";

static struct manifest_segment segment(uint64_t n)
{
	return (struct manifest_segment){
		.id_first = n + 1,
		.id_last = n + 1,
		.rows_count = 1,
		.file_bytes = 1000,
		.blocks_count = 1,
		.day = 20000,
		.class_name = "default",
	};
}

static int change(struct manifest *m, struct manifest_segment *adds, size_t adds_count,
	const uint64_t *drops, size_t drops_count)
{
	struct manifest_change c = {
		.adds = adds, .adds_count = adds_count, .drops = drops, .drops_count = drops_count
	};
	struct diag d;
	int rc;

	assert_int_equal(manifest_lock(m, &d), 0);
	rc = manifest_append(m, &c, &d);
	manifest_unlock(m);
	return rc;
}

static size_t live(const struct manifest *m)
{
	size_t count;

	manifest_segments(m, &count);
	return count;
}

static void segments(void **state)
{
	static struct manifest_segment adds[LIMIT_CHANGE_SEGMENTS + 1];
	struct simfs *fs = simfs_new(5);
	const struct vfs *v = simfs_vfs(fs);
	struct manifest *m = NULL;
	struct ctl *ctl = NULL;
	uint64_t first;
	size_t n = 0;
	int dir;

	(void)state;
	v->mkdir(v->ctx, AT_FDCWD, SIMFS_DIR, 0750);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	assert_int_equal(ctl_open(v, dir, uuid, CTL_CREATE, &ctl, NULL), 0);
	assert_int_equal(manifest_create(v, dir, uuid, ctl, &m, NULL), 0);
	for (size_t i = 0; i <= LIMIT_CHANGE_SEGMENTS; i++)
		adds[i] = segment(i);
	assert_int_equal(change(m, adds, LIMIT_CHANGE_SEGMENTS + 1, NULL, 0), ERR_LIMIT);
	while (n < LIMIT_SEGMENTS) {
		for (size_t i = 0; i < LIMIT_CHANGE_SEGMENTS; i++)
			adds[i] = segment(n++);
		assert_int_equal(change(m, adds, LIMIT_CHANGE_SEGMENTS, NULL, 0), 0);
	}
	assert_int_equal(change(m, adds, 1, NULL, 0), ERR_LIMIT);
	assert_int_equal(live(m), LIMIT_SEGMENTS);
	/* One for one is no more than there were; fewer make room. */
	first = manifest_segments(m, &n)[0].no;
	assert_int_equal(change(m, adds, 1, &first, 1), 0);
	assert_int_equal(change(m, adds, 1, NULL, 0), ERR_LIMIT);
	first = manifest_segments(m, &n)[0].no;
	assert_int_equal(change(m, NULL, 0, &first, 1), 0);
	assert_int_equal(change(m, adds, 1, NULL, 0), 0);
	assert_int_equal(live(m), LIMIT_SEGMENTS);
	manifest_close(&m);
	/* What is read back is all of it. */
	assert_int_equal(manifest_open(v, dir, uuid, ctl, &m, NULL), 0);
	assert_int_equal(live(m), LIMIT_SEGMENTS);
	manifest_close(&m);
	ctl_close(&ctl);
	v->close(v->ctx, dir);
	simfs_free(&fs);
}

/* ---- journal files ---- */

static bool sync_fails;

static int play_sync(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
	return sync_fails ? -EIO : 0;
}

static int play_fsync(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
	return 0;
}

static int play_allocate(void *ctx, int fd, uint64_t bytes)
{
	(void)ctx;
	return ftruncate(fd, (off_t)bytes) < 0 ? -errno : 0;
}

static int append_one(struct store_writer *w, struct diag *d)
{
	struct event ev = { .time_ns = 1, .received_ns = 1, .severity = EVENT_SEVERITY_INFO };
	struct store_batch b = { .rows_count = 1, .time_min_ns = 1, .time_max_ns = 1 };
	struct buf rows;
	int rc;

	buf_init(&rows, 4096);
	assert_int_equal(row_put(&rows, &ev), 0);
	b.rows = rows.p;
	b.rows_bytes = rows.len;
	rc = store_writer_append(w, &b, d);
	buf_fini(&rows);
	return rc;
}

/* A commit that lasts, then one that fails, so that the next file has to be begun: its result. */
static int next_file(struct store_writer *w, struct diag *d)
{
	uint64_t committed;

	assert_int_equal(append_one(w, d), 0);
	assert_int_equal(store_writer_commit(w, &committed, d), 0);
	assert_int_equal(append_one(w, d), 0);
	sync_fails = true;
	assert_true(store_writer_commit(w, &committed, d) < 0);
	sync_fails = false;
	return store_writer_restart(w, d);
}

static void journal_files(void **state)
{
	struct vfs vfs = *vfs_real();
	struct store_conf conf = {
		.vfs = &vfs, .dir = *state, .journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN
	};
	struct store_writer *w = NULL;
	uint64_t committed = 0, kept;
	unsigned files = 1;
	struct diag d;
	int rc = 0;

	vfs.fdatasync = play_sync;
	vfs.fsync = play_fsync;
	vfs.allocate = play_allocate;
	assert_int_equal(store_writer_open(&conf, &w, &d), 0);
	while (rc == 0 && files <= LIMIT_JOURNAL_FILES + 1) {
		rc = next_file(w, &d);
		files += rc == 0;
	}
	assert_int_equal(rc, ERR_LIMIT);
	assert_int_equal(files, LIMIT_JOURNAL_FILES);
	assert_non_null(strstr(d.text, "none of the present ones could be sealed"));
	kept = store_writer_committed(w);
	assert_int_equal(kept, LIMIT_JOURNAL_FILES);
	/* It stays so, and nothing is lost by asking; what is sealed makes room. */
	assert_int_equal(store_writer_restart(w, &d), ERR_LIMIT);
	assert_true(store_writer_retire(w, kept, &d) >= 0);
	assert_int_equal(store_writer_restart(w, &d), 0);
	assert_int_equal(append_one(w, &d), 0);
	assert_int_equal(store_writer_commit(w, &committed, &d), 0);
	assert_int_equal(committed, kept + 1);
	store_writer_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments),
		cmocka_unit_test_setup_teardown(journal_files, tmpdir_setup, tmpdir_teardown),
	};

	return cmocka_run_group_tests_name("store_limits", tests, NULL, NULL);
}
