/* Goal: the quarantine keeps to its limits, and the newest of its files. */
#include "tests/support/check_cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/limits.h"
#include "storage/recover.h"
#include "tests/support/simfs.h"

struct fixture {
	struct simfs *fs;
	struct vfs vfs; /* files of bad/ have the size and age that the test says */
	const struct vfs *real;
	int dir;
	uint64_t bytes;
	bool reversed; /* the last by name is the oldest */
};

static struct fixture fixture;

static int stat_as_told(void *ctx, int dir, const char *name, struct vfs_stat *out)
{
	int rc = fixture.real->stat(ctx, dir, name, out);
	unsigned n;

	if (rc == 0 && sscanf(name, "bad/%u", &n) == 1) {
		out->bytes = fixture.bytes;
		out->mtime_ns = fixture.reversed ? -(int64_t)n : (int64_t)n;
	}
	return rc;
}

static int setup(void **state)
{
	struct fixture *f = &fixture;

	memset(f, 0, sizeof *f);
	f->fs = simfs_new(1);
	f->real = simfs_vfs(f->fs);
	f->vfs = *f->real;
	f->vfs.stat = stat_as_told;
	f->vfs.mkdir(f->vfs.ctx, AT_FDCWD, SIMFS_DIR, 0750);
	f->dir = f->vfs.open_dir(f->vfs.ctx, SIMFS_DIR);
	f->vfs.mkdir(f->vfs.ctx, f->dir, "bad", 0750);
	f->bytes = 10;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	f->vfs.close(f->vfs.ctx, f->dir);
	assert_int_equal(simfs_fds(f->fs), 0);
	simfs_free(&f->fs);
	return 0;
}

static void make(struct fixture *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char name[32];
		int fd;

		snprintf(name, sizeof name, "bad/%u", 100 + i);
		fd = f->vfs.open(f->vfs.ctx, f->dir, name, O_CREAT | O_RDWR, 0640);
		assert_true(fd >= 0);
		f->vfs.close(f->vfs.ctx, fd);
	}
}

static bool is_there(struct fixture *f, unsigned n)
{
	char name[32];

	snprintf(name, sizeof name, "bad/%u", 100 + n);
	return simfs_bytes(f->fs, name) >= 0;
}

static void as_many_as_may_be(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(recover_trim_bad(&f->vfs, f->dir), 0);
	make(f, LIMIT_BAD_FILES);
	assert_int_equal(recover_trim_bad(&f->vfs, f->dir), 0);
	make(f, LIMIT_BAD_FILES + 3);
	assert_int_equal(recover_trim_bad(&f->vfs, f->dir), 3);
	assert_false(is_there(f, 2));
	assert_true(is_there(f, 3));
	assert_true(is_there(f, LIMIT_BAD_FILES + 2));
}

static void the_oldest_go(void **state)
{
	struct fixture *f = *state;

	f->reversed = true;
	make(f, LIMIT_BAD_FILES + 2);
	assert_int_equal(recover_trim_bad(&f->vfs, f->dir), 2);
	assert_true(is_there(f, 0));
	assert_false(is_there(f, LIMIT_BAD_FILES + 1));
	assert_false(is_there(f, LIMIT_BAD_FILES));
}

static void as_large_as_may_be(void **state)
{
	struct fixture *f = *state;

	f->bytes = LIMIT_BAD_BYTES / 4;
	make(f, 6);
	assert_int_equal(recover_trim_bad(&f->vfs, f->dir), 2);
	assert_false(is_there(f, 1));
	assert_true(is_there(f, 2));
	/* The newest stays, however large. */
	f->bytes = (uint64_t)LIMIT_BAD_BYTES + 1;
	assert_int_equal(recover_trim_bad(&f->vfs, f->dir), 3);
	assert_true(is_there(f, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(as_many_as_may_be, setup, teardown),
		cmocka_unit_test_setup_teardown(the_oldest_go, setup, teardown),
		cmocka_unit_test_setup_teardown(as_large_as_may_be, setup, teardown),
	};

	return cmocka_run_group_tests_name("recover", tests, NULL, NULL);
}
