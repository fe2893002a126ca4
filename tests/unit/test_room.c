/*
 * Goal: the thread that watches the disk tells the loop of each change, runs retention, takes new
 * limits, and ends. Method: a file system whose free bytes the test sets; the loop runs until told.
 */
#include "tests/support/check_cmocka.h"

#include <stdatomic.h>

#include "collector/room.h"
#include "proto/base/clock.h"
#include "proto/svc/logger.h"

#define MIB ((uint64_t)1 << 20)

struct fixture {
	uv_loop_t loop;
	struct vfs vfs;
	_Atomic uint64_t free_bytes;
	_Atomic unsigned passes;
	_Atomic unsigned gives;
	unsigned told;
	struct room *room;
};

static int space(void *ctx, int dir, uint64_t *out_free, uint64_t *out_total)
{
	struct fixture *f = ctx;

	(void)dir;
	*out_free = f->free_bytes;
	*out_total = 1000 * MIB;
	return 0;
}

static int retain(void *arg, uint64_t need, struct room_watch_pass *out, struct diag *d)
{
	struct fixture *f = arg;

	(void)d;
	f->passes++;
	if (f->gives > 0) {
		*out = (struct room_watch_pass){ 1, need };
		f->free_bytes += need;
	}
	return 0;
}

static void on_changed(void *arg)
{
	struct fixture *f = arg;

	f->told++;
}

static int setup(void **state)
{
	static struct fixture f;
	struct room_conf conf = { .watch = { .vfs = &f.vfs,
					  .soft = 100 << 20,
					  .hard = 10 << 20,
					  .retain = retain,
					  .arg = &f },
		.loop = &f.loop,
		.changed = on_changed,
		.arg = &f };
	struct diag d;

	f.vfs = (struct vfs){ .ctx = &f, .space = space };
	f.free_bytes = 50 * MIB;
	f.passes = 0;
	f.gives = 0;
	f.told = 0;
	*state = &f;
	uv_loop_init(&f.loop);
	return room_open(&conf, &f.room, &d);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	room_close(&f->room);
	room_close(&f->room);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	return uv_loop_close(&f->loop);
}

static void await(struct fixture *f, enum room_watch_state state)
{
	int64_t until = clock_mono_ns() + 20 * CLOCK_NS_PER_SEC;

	while (room_state(f->room) != state) {
		assert_true(clock_mono_ns() < until);
		uv_run(&f->loop, UV_RUN_ONCE);
	}
}

static void test_changes_are_told(void **state)
{
	struct fixture *f = *state;
	struct room_watch_figures n;

	assert_int_equal(room_state(f->room), ROOM_WATCH_SOFT); /* the first look */
	f->free_bytes = 1 * MIB;
	await(f, ROOM_WATCH_HARD);
	f->free_bytes = 500 * MIB;
	await(f, ROOM_WATCH_AMPLE);
	assert_true(f->told >= 2);
	room_figures(f->room, &n);
	assert_int_equal(n.hard_times, 1);
}

static void test_new_limits_hold_at_once(void **state)
{
	struct fixture *f = *state;

	room_limits(f->room, 40 << 20, 1 << 20);
	await(f, ROOM_WATCH_AMPLE);
	room_limits(f->room, 40 << 20, 60 << 20);
	await(f, ROOM_WATCH_HARD);
}

static void test_retention_makes_room(void **state)
{
	struct fixture *f = *state;

	f->gives = 1;
	room_limits(f->room, 100 << 20, 10 << 20);
	await(f, ROOM_WATCH_AMPLE);
	assert_true(f->passes >= 1);
	assert_int_equal(f->free_bytes, 125 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_changes_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_new_limits_hold_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_retention_makes_room, setup, teardown),
	};

	logger_init(-1, LOGGER_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
