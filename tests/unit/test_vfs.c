/*
 * Goal: the real table does what the store relies on: locks that follow the open file, links that are
 * not followed, files whose blocks are there, and descriptors kept back for the store. Method: real
 * files in a temporary directory, a process limit on descriptors.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/row.h"
#include "storage/store.h"
#include "storage/vfs.h"
#include "tests/support/tmpdir.h"

static int open_dir(void **state)
{
	int dir = vfs_real()->open_dir(NULL, *state);

	assert_true(dir >= 0);
	return dir;
}

static void files_are_written_whole(void **state)
{
	const struct vfs *v = vfs_real();
	int dir = open_dir(state);
	int fd = v->open(NULL, dir, "a", O_RDWR | O_CREAT, 0640);
	struct vfs_stat st;
	uint8_t bytes[3] = { 1, 2, 3 }, got[8];
	const uint8_t *map;

	assert_int_equal(v->allocate(NULL, fd, 3 << 20), 0);
	assert_int_equal(v->fstat(NULL, fd, &st), 0);
	assert_int_equal(st.bytes, 3 << 20);
	assert_true(st.allocated_bytes >= 3 << 20);
	assert_int_equal(v->pwrite_all(NULL, fd, bytes, 3, (3 << 20) - 3), 0);
	assert_int_equal(v->fdatasync(NULL, fd), 0);
	assert_int_equal(v->pread(NULL, fd, got, 8, (3 << 20) - 4), 4);
	assert_memory_equal(got, "\0\1\2\3", 4);
	assert_int_equal(v->map(NULL, fd, st.bytes, &map), 0);
	assert_int_equal(map[st.bytes - 1], 3);
	v->unmap(NULL, map, st.bytes);
	assert_int_equal(v->map(NULL, fd, 0, &map), 0);
	assert_null(map);
	assert_int_equal(v->rename(NULL, dir, "a", "b"), 0);
	assert_int_equal(v->stat(NULL, dir, "a", &st), -ENOENT);
	assert_int_equal(v->link(NULL, dir, "b", dir, "c"), 0);
	assert_int_equal(v->link(NULL, dir, "b", dir, "c"), -EEXIST);
	assert_int_equal(v->unlink(NULL, dir, "b"), 0);
	assert_int_equal(v->close(NULL, fd), 0);
	assert_int_equal(v->fsync(NULL, dir), 0);
	v->close(NULL, dir);
}

static void links_are_not_followed(void **state)
{
	const struct vfs *v = vfs_real();
	int dir = open_dir(state);

	assert_int_equal(symlinkat("/etc/passwd", dir, "link"), 0);
	assert_int_equal(v->open(NULL, dir, "link", O_RDONLY, 0), -ELOOP);
	v->close(NULL, dir);
}

static void locks_belong_to_the_open_file(void **state)
{
	const struct vfs *v = vfs_real();
	int dir = open_dir(state);
	int a = v->open(NULL, dir, "f", O_RDWR | O_CREAT, 0640);
	int b = v->open(NULL, dir, "f", O_RDWR, 0);
	int c = v->open(NULL, dir, "f", O_RDONLY, 0);

	assert_int_equal(v->locked(NULL, c), 0);
	assert_int_equal(v->lock(NULL, a, true, false), 0);
	assert_int_equal(v->locked(NULL, c), 1);
	assert_int_equal(v->lock(NULL, b, true, false), ERR_LOCKED);
	/* The close of another descriptor drops nothing. */
	v->close(NULL, b);
	assert_int_equal(v->locked(NULL, c), 1);
	assert_int_equal(v->unlock(NULL, a), 0);
	assert_int_equal(v->locked(NULL, c), 0);
	assert_int_equal(v->lock(NULL, a, true, false), 0);
	v->close(NULL, a);
	assert_int_equal(v->locked(NULL, c), 0);
	v->close(NULL, c);
	v->close(NULL, dir);
}

static int stop_at_second(void *arg, const char *name)
{
	(void)name;
	return ++*(int *)arg == 2 ? 7 : 0;
}

static void a_listing_ends_when_told(void **state)
{
	const struct vfs *v = vfs_real();
	int dir = open_dir(state), n = 0;

	assert_int_equal(v->mkdir(NULL, dir, "x", 0750), 0);
	assert_int_equal(v->mkdir(NULL, dir, "y", 0750), 0);
	assert_int_equal(v->mkdir(NULL, dir, "z", 0750), 0);
	assert_int_equal(v->list(NULL, dir, ".", stop_at_second, &n), 7);
	assert_int_equal(n, 2);
	assert_int_equal(v->list(NULL, dir, "none", stop_at_second, &n), -ENOENT);
	v->close(NULL, dir);
}

/* Takes every descriptor the process may have; returns how many. */
static int take_all(int *fds, int cap)
{
	int n = 0;

	while (n < cap && (fds[n] = open("/dev/null", O_RDONLY)) >= 0)
		n++;
	return n;
}

static struct rlimit limit_to(rlim_t n)
{
	struct rlimit old, now;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	now = old;
	now.rlim_cur = n;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	return old;
}

static void the_reserve_gives_way_and_fills_up(void **state)
{
	const struct vfs *v = vfs_real();
	int dir = open_dir(state), fds[200], n, a, b;
	struct rlimit old = limit_to(100);
	uint64_t used = vfs_reserve_used();

	assert_int_equal(vfs_reserve(2), 0);
	assert_int_equal(vfs_reserved(), 2);
	n = take_all(fds, 200);
	a = v->open(NULL, dir, "a", O_RDWR | O_CREAT, 0640);
	b = v->open(NULL, dir, "b", O_RDWR | O_CREAT, 0640);
	assert_true(a >= 0);
	assert_true(b >= 0);
	assert_int_equal(vfs_reserved(), 0);
	assert_int_equal(vfs_reserve_used(), used + 2);
	assert_int_equal(v->open(NULL, dir, "c", O_RDWR | O_CREAT, 0640), -EMFILE);
	v->close(NULL, a);
	assert_int_equal(vfs_reserved(), 1);
	v->close(NULL, b);
	assert_int_equal(vfs_reserved(), 2);
	while (n > 0)
		close(fds[--n]);
	assert_int_equal(vfs_reserve(0), 0);
	assert_int_equal(vfs_reserved(), 0);
	setrlimit(RLIMIT_NOFILE, &old);
	v->close(NULL, dir);
}

/* With no descriptor left the store goes through several journal files, and a failure's restart. */
static void a_flood_cannot_stop_the_journal(void **state)
{
	static uint8_t filler[100000];
	struct store_conf conf = { .dir = *state,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN };
	struct store_writer *w = NULL;
	struct rlimit old = limit_to(100);
	int fds[200], n;
	struct buf b;

	assert_int_equal(vfs_reserve(LIMIT_VFS_RESERVE), 0);
	assert_int_equal(store_writer_open(&conf, &w, NULL), 0);
	n = take_all(fds, 200);
	buf_init(&b, 1 << 20);
	for (uint64_t id = 1; id < 100; id++) {
		struct event ev = { .time_ns = 1 };
		struct store_batch batch = { .rows_count = 1 };
		uint64_t committed;

		for (size_t i = 0; i < sizeof filler; i++)
			filler[i] = (uint8_t)(id * i * 2654435761u >> 13);
		ev.text[EVENT_TEXT_DESCRIPTION] = span_of(filler, sizeof filler);
		buf_reset(&b);
		assert_int_equal(row_put(&b, &ev), 0);
		batch.rows = b.p;
		batch.rows_bytes = b.len;
		assert_int_equal(store_writer_append(w, &batch, NULL), 0);
		assert_int_equal(store_writer_commit(w, &committed, NULL), 0);
		assert_true(store_writer_prepare(w, NULL) >= 0);
		assert_int_equal(store_writer_retire(w, id / 2, NULL), 0);
	}
	store_writer_close(&w);
	assert_int_equal(vfs_reserved(), LIMIT_VFS_RESERVE);
	buf_fini(&b);
	while (n > 0)
		close(fds[--n]);
	vfs_reserve(0);
	setrlimit(RLIMIT_NOFILE, &old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			files_are_written_whole, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			links_are_not_followed, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			locks_belong_to_the_open_file, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			a_listing_ends_when_told, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			the_reserve_gives_way_and_fills_up, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(
			a_flood_cannot_stop_the_journal, tmpdir_setup, tmpdir_teardown),
	};

	return cmocka_run_group_tests_name("vfs", tests, NULL, NULL);
}
