/*
 * Goal: the limits of the disk are met and left where they should be, retention is asked for what is
 * needed and no more, and a disk that cannot be helped is said to be so.
 * Method: a file system whose free bytes the test sets, a retention pass that the test plays, and a
 * clock that is a number.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>

#include "collector/room_watch.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/svc/logger.h"

enum { KIB = 1024 };

#define MIB ((uint64_t)KIB * KIB)
#define GIB ((uint64_t)KIB * MIB)

struct disk {
	uint64_t free_bytes, total_bytes;
	int error;
	/* The next pass: what it gives, and what the disk gets of it at once. */
	int pass_rc;
	uint64_t gives, comes;
	unsigned passes;
	uint64_t asked;
};

static int space(void *ctx, int dir, uint64_t *out_free, uint64_t *out_total)
{
	struct disk *k = ctx;

	(void)dir;
	if (k->error)
		return k->error;
	*out_free = k->free_bytes;
	*out_total = k->total_bytes;
	return 0;
}

static int retain(void *arg, uint64_t need, struct room_watch_pass *out, struct diag *d)
{
	struct disk *k = arg;

	k->passes++;
	k->asked = need;
	if (k->pass_rc < 0)
		return diag_set(d, k->pass_rc, "", -1, "as the test wants");
	out->segments = k->gives > 0;
	out->bytes = k->gives;
	k->free_bytes += k->comes;
	return 0;
}

struct fixture {
	struct vfs vfs;
	struct disk disk;
	struct room_watch w;
};

static void begin(struct fixture *f, int64_t soft, int64_t hard)
{
	*f = (struct fixture){ .vfs = { .space = space } };
	const struct room_watch_conf conf = {
		.vfs = &f->vfs, .soft = soft, .hard = hard, .retain = retain, .arg = &f->disk
	};

	f->vfs.ctx = &f->disk;
	f->disk.total_bytes = 10 * GIB;
	f->disk.free_bytes = 5 * GIB;
	room_watch_init(&f->w, &conf);
	assert_false(room_watch_look(&f->w));
	assert_int_equal(f->w.state, ROOM_WATCH_AMPLE);
}

/* The state with so many free bytes, as a look finds it. */
static enum room_watch_state at(struct fixture *f, uint64_t free_bytes)
{
	enum room_watch_state was = f->w.state;
	bool changed;

	f->disk.free_bytes = free_bytes;
	changed = room_watch_look(&f->w);
	assert_int_equal(changed, f->w.state != was);
	return f->w.state;
}

static void test_limits_and_their_ease(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 800 * (int64_t)MIB, 80 * (int64_t)MIB);
	assert_int_equal(at(&f, 800 * MIB), ROOM_WATCH_AMPLE);
	assert_int_equal(at(&f, 800 * MIB - 1), ROOM_WATCH_SOFT);
	assert_int_equal(at(&f, 850 * MIB), ROOM_WATCH_SOFT);
	assert_int_equal(at(&f, 900 * MIB), ROOM_WATCH_AMPLE);
	assert_int_equal(at(&f, 79 * MIB), ROOM_WATCH_HARD);
	assert_int_equal(at(&f, 89 * MIB), ROOM_WATCH_HARD);
	assert_int_equal(at(&f, 90 * MIB), ROOM_WATCH_SOFT);
	assert_int_equal(at(&f, 0), ROOM_WATCH_HARD);
	assert_int_equal(at(&f, 5 * GIB), ROOM_WATCH_AMPLE);
	assert_int_equal(f.w.figures.soft_times, 2);
	assert_int_equal(f.w.figures.hard_times, 2);
	assert_int_equal(f.disk.passes, 0);
}

static void test_percent_is_bounded(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, -5, -1);
	assert_int_equal(f.w.figures.soft_bytes, 10 * GIB / 100 * 5);
	assert_int_equal(f.w.figures.hard_bytes, 10 * GIB / 100);
	f.disk.total_bytes = 4096 * GIB;
	room_watch_look(&f.w);
	assert_int_equal(f.w.figures.soft_bytes, LIMIT_ROOM_SOFT_MIB * MIB);
	assert_int_equal(f.w.figures.hard_bytes, LIMIT_ROOM_HARD_MIB * MIB);
	room_watch_limits(&f.w, 0, 0);
	assert_int_equal(at(&f, 0), ROOM_WATCH_AMPLE);
}

static void test_the_hard_limit_may_be_above(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 100 * (int64_t)MIB, 800 * (int64_t)MIB);
	assert_int_equal(at(&f, 700 * MIB), ROOM_WATCH_HARD);
	assert_false(room_watch_due(&f.w, 0));
	assert_int_equal(at(&f, 900 * MIB), ROOM_WATCH_AMPLE);
}

/* A pass frees a quarter more than the limit; what comes late is waited for. */
static void test_a_pass_and_what_it_owes(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 800 * (int64_t)MIB, 80 * (int64_t)MIB);
	assert_false(room_watch_due(&f.w, 1));
	assert_int_equal(at(&f, 700 * MIB), ROOM_WATCH_SOFT);
	assert_true(room_watch_due(&f.w, 1));
	f.disk.gives = 300 * MIB;
	room_watch_pass(&f.w, 1);
	assert_int_equal(f.disk.asked, 300 * MIB);
	assert_int_equal(f.w.figures.dropped_bytes, 300 * MIB);
	assert_int_equal(at(&f, 710 * MIB), ROOM_WATCH_SOFT);
	assert_false(room_watch_due(&f.w, 5000));
	assert_true(room_watch_due(&f.w, 10001));
	/* It has come, but others have used it up meanwhile. */
	at(&f, 850 * MIB);
	assert_true(room_watch_due(&f.w, 5000));
	assert_int_equal(at(&f, 1000 * MIB), ROOM_WATCH_AMPLE);
	assert_false(room_watch_due(&f.w, 20000));
	/* The next time is another matter. */
	assert_int_equal(at(&f, 700 * MIB), ROOM_WATCH_SOFT);
	assert_true(room_watch_due(&f.w, 5001));
}

static void test_stuck(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 800 * (int64_t)MIB, 80 * (int64_t)MIB);
	at(&f, 700 * MIB);
	room_watch_pass(&f.w, 1);
	assert_true(f.w.figures.stuck);
	assert_false(room_watch_due(&f.w, 9000));
	assert_true(room_watch_due(&f.w, 10001));
	f.disk.gives = f.disk.comes = 300 * MIB;
	room_watch_pass(&f.w, 10001);
	assert_false(f.w.figures.stuck);
	room_watch_look(&f.w);
	assert_int_equal(f.w.state, ROOM_WATCH_AMPLE);
	assert_int_equal(f.w.figures.passes, 2);
}

static void test_failures(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 800 * (int64_t)MIB, 80 * (int64_t)MIB);
	at(&f, 700 * MIB);
	f.disk.pass_rc = ERR_LOCKED;
	room_watch_pass(&f.w, 1);
	assert_int_equal(f.w.figures.failures, 0);
	assert_false(room_watch_due(&f.w, 1000));
	assert_true(room_watch_due(&f.w, 1001));
	f.disk.pass_rc = -EIO;
	room_watch_pass(&f.w, 1001);
	assert_int_equal(f.w.figures.failures, 1);
	assert_false(f.w.figures.stuck);
	/* Blind, it believes what it saw last. */
	f.disk.error = -EIO;
	assert_false(room_watch_look(&f.w));
	assert_int_equal(f.w.state, ROOM_WATCH_SOFT);
	assert_int_equal(f.w.figures.failures, 2);
	f.disk.error = 0;
	assert_int_equal(at(&f, 1000 * MIB), ROOM_WATCH_AMPLE);
}

static void test_it_looks_closer_where_room_is_short(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, 800 * (int64_t)MIB, 80 * (int64_t)MIB);
	assert_int_equal(room_watch_rest_ms(&f.w), 1000);
	at(&f, 1500 * MIB);
	assert_true(room_watch_rest_ms(&f.w) <= 100);
	at(&f, 0);
	assert_true(room_watch_rest_ms(&f.w) <= 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits_and_their_ease),
		cmocka_unit_test(test_percent_is_bounded),
		cmocka_unit_test(test_the_hard_limit_may_be_above),
		cmocka_unit_test(test_a_pass_and_what_it_owes),
		cmocka_unit_test(test_stuck),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_it_looks_closer_where_room_is_short),
	};

	logger_init(-1, LOGGER_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
