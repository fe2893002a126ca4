/*
 * Goal: a reader of ctl gets one writer's values or none, wakes when something is published, and a
 * page that is damaged or foreign is refused by readers and made anew by the writer. Method: two
 * handles on one page, threads, each byte of the page flipped.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/ctl.h"
#include "storage/layout.h"
#include "tests/support/simfs.h"
#include "tests/support/tmpdir.h"

static const uint8_t uuid[16] = "0123456789abcdef";
static const uint8_t other[16] = "0123456789abcdeF";

static int open_dir(void **state)
{
	int dir = vfs_real()->open_dir(NULL, *state);

	assert_true(dir >= 0);
	return dir;
}

static void values_travel(void **state)
{
	const struct vfs *v = vfs_real();
	int dir = open_dir(state);
	struct ctl *w = NULL, *r = NULL;
	struct ctl_commit c = { 1, 2, 3 }, got;
	struct ctl_manifest m = { 4, 5, 6, 7 }, mgot;
	struct diag d;

	assert_int_equal(ctl_open(v, dir, uuid, CTL_READ, &r, &d), -ENOENT);
	assert_int_equal(ctl_open(v, dir, uuid, CTL_CREATE, &w, &d), 0);
	assert_int_equal(ctl_open(v, dir, other, CTL_READ, &r, &d), ERR_CORRUPT);
	assert_int_equal(ctl_open(v, dir, uuid, CTL_READ, &r, &d), 0);
	/* Never written: nothing to believe. */
	assert_int_equal(ctl_commit(r, &got), ERR_CORRUPT);
	assert_int_equal(ctl_manifest(r, &mgot), ERR_CORRUPT);
	ctl_starting(w);
	assert_int_equal(ctl_starts(r), 1);
	ctl_publish_commit(w, &c);
	ctl_publish_manifest(w, &m);
	ctl_started(w, 99);
	assert_int_equal(ctl_starts(r), 2);
	assert_int_equal(ctl_beat_ns(r), 99);
	ctl_beat(w, 100);
	assert_int_equal(ctl_beat_ns(r), 100);
	assert_int_equal(ctl_commit(r, &got), 0);
	assert_memory_equal(&got, &c, sizeof c);
	assert_int_equal(ctl_manifest(r, &mgot), 0);
	assert_memory_equal(&mgot, &m, sizeof m);
	ctl_close(&r);
	/* A second start keeps the values until it has new ones. */
	ctl_close(&w);
	assert_int_equal(ctl_open(v, dir, uuid, CTL_CREATE, &w, &d), 0);
	assert_int_equal(ctl_commit(w, &got), 0);
	ctl_close(&w);
	v->close(NULL, dir);
}

/* A clean end is told of its own commit, until the next start. */
static void an_end_is_told(void **state)
{
	struct simfs *fs = simfs_new(1);
	const struct vfs *v = simfs_vfs(fs);
	struct ctl_commit c = { 11, 22, 33 }, later = { 11, 44, 34 }, got;
	struct ctl *ctl = NULL;
	int dir;

	(void)state;
	assert_int_equal(v->mkdir(v->ctx, AT_FDCWD, SIMFS_DIR, 0750), 0);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	assert_int_equal(ctl_open(v, dir, uuid, CTL_CREATE, &ctl, NULL), 0);
	ctl_starting(ctl);
	ctl_publish_commit(ctl, &c);
	assert_false(ctl_ended(ctl, &c));
	ctl_started(ctl, 99);
	assert_false(ctl_ended(ctl, &c));
	ctl_end(ctl);
	assert_true(ctl_ended(ctl, &c));
	assert_false(ctl_ended(ctl, &later));
	ctl_close(&ctl);
	for (uint64_t off = LAYOUT_CTL_STARTS; off < LAYOUT_CTL_COMMIT_SUM + 8; off++) {
		bool in_time = off >= LAYOUT_CTL_STARTED && off < LAYOUT_CTL_ENDED;

		assert_int_equal(simfs_flip(fs, "ctl", off, 0x10), 0);
		assert_int_equal(ctl_open(v, dir, uuid, CTL_READ, &ctl, NULL), 0);
		if (ctl_commit(ctl, &got) == 0 && ctl_ended(ctl, &got))
			assert_true(in_time || (off >= LAYOUT_CTL_ENDED + 8 &&
						       off < LAYOUT_CTL_COMMIT_TURN + 8));
		ctl_close(&ctl);
		assert_int_equal(simfs_flip(fs, "ctl", off, 0x10), 0);
	}
	/* A start that fails, and one that does not. */
	assert_int_equal(ctl_open(v, dir, uuid, CTL_CREATE, &ctl, NULL), 0);
	ctl_starting(ctl);
	assert_false(ctl_ended(ctl, &c));
	ctl_started(ctl, 100);
	assert_false(ctl_ended(ctl, &c));
	ctl_close(&ctl);
	v->close(v->ctx, dir);
	simfs_free(&fs);
}

struct race {
	struct ctl *w;
	_Atomic bool done;
};

static void *publish_on(void *arg)
{
	struct race *r = arg;

	for (uint64_t i = 1; i <= 20000; i++) {
		struct ctl_commit c = { i, i * 3, i * 5 };

		ctl_publish_commit(r->w, &c);
	}
	atomic_store(&r->done, true);
	ctl_wake(r->w);
	return NULL;
}

static void no_value_is_torn(void **state)
{
	int dir = open_dir(state);
	struct race race = { 0 };
	struct ctl *r = NULL;
	pthread_t thread;
	uint64_t last = 0;

	assert_int_equal(ctl_open(vfs_real(), dir, uuid, CTL_CREATE, &race.w, NULL), 0);
	assert_int_equal(ctl_open(vfs_real(), dir, uuid, CTL_READ, &r, NULL), 0);
	pthread_create(&thread, NULL, publish_on, &race);
	while (!atomic_load(&race.done)) {
		uint32_t word = ctl_word(r);
		struct ctl_commit c;

		if (ctl_commit(r, &c) == 0) {
			assert_int_equal(c.off, c.file_seq * 3);
			assert_int_equal(c.id, c.file_seq * 5);
			assert_true(c.file_seq >= last);
			last = c.file_seq;
		}
		if (!atomic_load(&race.done))
			assert_int_equal(ctl_wait(r, word, 5000), 1);
	}
	pthread_join(thread, NULL);
	ctl_close(&r);
	ctl_close(&race.w);
	vfs_real()->close(NULL, dir);
}

static void a_wait_ends(void **state)
{
	int dir = open_dir(state);
	struct ctl *w = NULL;
	uint32_t word;

	assert_int_equal(ctl_open(vfs_real(), dir, uuid, CTL_CREATE, &w, NULL), 0);
	word = ctl_word(w);
	assert_int_equal(ctl_wait(w, word, 0), 0);
	assert_int_equal(ctl_wait(w, word, 1), 0);
	ctl_wake(w);
	assert_int_equal(ctl_wait(w, word, 60000), 1);
	ctl_close(&w);
	vfs_real()->close(NULL, dir);
}

static void a_damaged_page_is_noticed(void **state)
{
	struct simfs *fs = simfs_new(1);
	const struct vfs *v = simfs_vfs(fs);
	struct ctl_commit c = { 11, 22, 33 }, got;
	struct ctl_manifest m = { 4, 5, 6, 7 }, mgot;
	struct ctl *ctl = NULL;
	int dir;

	(void)state;
	assert_int_equal(v->mkdir(v->ctx, AT_FDCWD, SIMFS_DIR, 0750), 0);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	assert_int_equal(ctl_open(v, dir, uuid, CTL_CREATE, &ctl, NULL), 0);
	ctl_publish_commit(ctl, &c);
	ctl_publish_manifest(ctl, &m);
	ctl_sync(ctl);
	ctl_close(&ctl);
	for (uint64_t off = 0; off < LAYOUT_CTL_WORD; off++) {
		int rc;

		assert_int_equal(simfs_flip(fs, "ctl", off, 0x10), 0);
		rc = ctl_open(v, dir, uuid, CTL_READ, &ctl, NULL);
		if (off < LAYOUT_CTL_SUM + 8) {
			assert_int_equal(rc, ERR_CORRUPT);
		} else {
			assert_int_equal(rc, 0);
			/* The right values, or none. */
			if (ctl_commit(ctl, &got) == 0)
				assert_memory_equal(&got, &c, sizeof c);
			else
				assert_in_range(
					off, LAYOUT_CTL_COMMIT_TURN, LAYOUT_CTL_COMMIT_SUM + 7);
			if (ctl_manifest(ctl, &mgot) == 0)
				assert_memory_equal(&mgot, &m, sizeof m);
			ctl_close(&ctl);
		}
		assert_int_equal(simfs_flip(fs, "ctl", off, 0x10), 0);
	}
	assert_int_equal(simfs_truncate(fs, "ctl", 100), 0);
	assert_int_equal(ctl_open(v, dir, uuid, CTL_READ, &ctl, NULL), ERR_CORRUPT);
	assert_int_equal(ctl_open(v, dir, uuid, CTL_CREATE, &ctl, NULL), 0);
	assert_int_equal(ctl_commit(ctl, &got), ERR_CORRUPT);
	ctl_close(&ctl);
	v->close(v->ctx, dir);
	simfs_free(&fs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(values_travel, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test(an_end_is_told),
		cmocka_unit_test_setup_teardown(no_value_is_torn, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(a_wait_ends, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test(a_damaged_page_is_noticed),
	};

	return cmocka_run_group_tests_name("ctl", tests, NULL, NULL);
}
