/*
 * Goal: retention drops what its rules say and tells why, merging leaves fewer and larger segments with
 * the same events, lost sidecars come back, and nothing is changed by a dry run, a refused rule, a stop
 * or a deadline.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/leftover.h"
#include "storage/publish.h"
#include "storage/sidx_common.h"
#include "storage/snapshot_int.h"
#include "tests/support/simfs.h"
#include "tests/support/store_kit.h"

#define DAY_NS (INT64_C(86400) * CLOCK_NS_PER_SEC)

enum { WHATS = COMPACT_FAILED + 1, LIVE_MAX = 400 };

struct fixture {
	struct simfs *fs;
	struct store_kit kit;
	struct compact_conf conf;
	unsigned told[WHATS];
	char why[512]; /* of the last note */
	int failed;    /* code of the last COMPACT_FAILED */
	struct manifest_segment live[LIVE_MAX];
	size_t live_count;
};

static void on_note(void *arg, const struct compact_note *note)
{
	struct fixture *f = arg;

	f->told[note->what]++;
	assert_non_null(note->path);
	snprintf(f->why, sizeof f->why, "%s", note->why);
	if (note->what == COMPACT_FAILED)
		f->failed = note->diag->code;
}

static int setup(void **state)
{
	static struct fixture f;
	struct store_conf conf = {
		.dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
	};

	memset(&f, 0, sizeof f);
	f.fs = simfs_new(9);
	conf.vfs = simfs_vfs(f.fs);
	store_kit_init(&f.kit, &conf, 9);
	f.kit.gen.wild = 0;
	assert_int_equal(store_kit_open(&f.kit), 0);
	f.conf = (struct compact_conf){
		.vfs = conf.vfs,
		.dir = SIMFS_DIR,
		.now_ns = f.kit.now_ns,
		.cb = on_note,
		.arg = &f,
	};
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	clock_real();
	store_kit_fini(&f->kit);
	assert_int_equal(simfs_fds(f->fs), 0);
	simfs_free(&f->fs);
	return 0;
}

static void put(struct fixture *f, unsigned events, unsigned hours)
{
	assert_int_equal(store_kit_append(&f->kit, events, hours), 0);
	assert_int_equal(store_kit_commit(&f->kit), 0);
	assert_int_equal(store_kit_seal(&f->kit), 0);
}

static void assert_sound(struct fixture *f)
{
	int rc = store_kit_check(&f->kit);

	if (rc == 0)
		rc = store_kit_verify(&f->kit);
	if (rc < 0)
		print_error("%s; %s: %s\n", f->kit.wrong, f->kit.d.file, f->kit.d.text);
	assert_int_equal(rc, 0);
}

static void look(struct fixture *f)
{
	struct store_reader *r = NULL;
	struct store_snapshot *snap = NULL;

	assert_int_equal(store_reader_open(&f->kit.conf, &r, &f->kit.d), 0);
	assert_int_equal(store_reader_snapshot(r, &snap, &f->kit.d), 0);
	f->live_count = snapshot_segment_count(snap);
	assert_in_range(f->live_count, 0, LIVE_MAX);
	for (size_t i = 0; i < f->live_count; i++)
		f->live[i] = *snapshot_segment(snap, i);
	store_snapshot_free(&snap);
	store_reader_close(&r);
}

typedef int (*pass_cb)(struct compact *c, struct diag *d);

static int run_pass(struct fixture *f, pass_cb pass, struct compact_total *out)
{
	struct compact *c = NULL;
	int rc = compact_open(&f->conf, &c, &f->kit.d);

	if (rc == 0)
		rc = pass(c, &f->kit.d);
	if (rc == 0 && out)
		*out = *compact_total(c);
	compact_close(&c);
	return rc;
}

static int retain(struct fixture *f, int64_t keep_ns, uint64_t bytes_max, struct compact_total *out)
{
	const struct conf_classes none = { .count = 0 };
	struct compact_rules rules = { .bytes_max = bytes_max };
	struct retain_class_set *classes = NULL;
	struct compact *c = NULL;
	int rc = retain_class_new(&none, keep_ns, &classes, &f->kit.d);

	rules.classes = classes;
	if (rc == 0)
		rc = compact_open(&f->conf, &c, &f->kit.d);
	if (rc == 0)
		rc = compact_retain(c, &rules, &f->kit.d);
	if (rc == 0 && out)
		*out = *compact_total(c);
	compact_close(&c);
	retain_class_free(&classes);
	return rc;
}

/* ---- retention ---- */

static void age_drops_whole_segments(void **state)
{
	struct fixture *f = *state;
	struct compact_total t = { 0 };

	put(f, 500, 24 * 5);
	assert_int_equal(retain(f, 3 * DAY_NS, 0, &t), 0);
	assert_true(t.dropped_segments > 0);
	assert_int_equal(f->told[COMPACT_DROPPED], t.dropped_segments);
	assert_non_null(strstr(f->why, "keep is 3 d"));
	look(f);
	for (size_t i = 0; i < f->live_count; i++)
		assert_true(f->live[i].time_max_ns >= f->kit.now_ns - 3 * DAY_NS);
	store_kit_expect_retired(&f->kit, f->kit.now_ns - 3 * DAY_NS);
	assert_sound(f);
	assert_int_equal(retain(f, 3 * DAY_NS, 0, &t), 0);
	assert_int_equal(t.dropped_segments, 0);
}

static void no_rule_drops_nothing(void **state)
{
	struct fixture *f = *state;
	struct compact_total t = { 0 };

	put(f, 100, 24 * 5);
	assert_int_equal(retain(f, 0, 0, &t), 0);
	assert_int_equal(t.dropped_segments, 0);
	assert_sound(f);
}

/* Bytes of all files below DATA but segments. */
static uint64_t all_bytes(struct fixture *f)
{
	struct compact_total t = { 0 };

	/* The refusal says how much that is. */
	assert_int_equal(retain(f, 0, 1, &t), ERR_RANGE);
	return strtoull(strstr(f->kit.d.text, "take ") + 5, NULL, 10);
}

static void size_drops_the_oldest(void **state)
{
	struct fixture *f = *state;
	int64_t dropped_newest = INT64_MIN;
	struct compact_total t = { 0 };
	uint64_t other, segments = 0;
	size_t before;

	put(f, 1500, 24 * 3);
	look(f);
	before = f->live_count;
	for (size_t i = 0; i < f->live_count; i++)
		segments += f->live[i].file_bytes;
	other = all_bytes(f);
	assert_int_equal(retain(f, 0, other + segments / 2, &t), 0);
	assert_in_range(t.dropped_segments, 1, before - 1);
	store_kit_expect_retired(&f->kit, INT64_MAX);
	look(f);
	for (size_t i = 0; i < f->kit.events_count; i++) {
		if (f->kit.events[i].gone && f->kit.events[i].ev->time_ns > dropped_newest)
			dropped_newest = f->kit.events[i].ev->time_ns;
	}
	for (size_t i = 0; i < f->live_count; i++)
		assert_true(f->live[i].time_max_ns >= dropped_newest);
	assert_non_null(strstr(f->why, "above the size"));
}

static void too_small_a_size_is_refused(void **state)
{
	struct fixture *f = *state;
	struct compact_total t = { 0 };

	put(f, 100, 24);
	assert_int_equal(retain(f, 1, 4096, &t), ERR_RANGE);
	assert_sound(f);
}

/* Out of all reason: judged by arrival, which is about now. */
static void odd_times_count_by_arrival(void **state)
{
	struct fixture *f = *state;
	struct compact_total t = { 0 };

	f->kit.odd_times = true;
	put(f, 300, 1);
	assert_int_equal(retain(f, DAY_NS, 0, &t), 0);
	assert_int_equal(t.dropped_segments, 0);
	assert_sound(f);
	f->conf.now_ns += 3 * DAY_NS;
	assert_int_equal(retain(f, DAY_NS, 0, &t), 0);
	assert_int_equal(t.dropped_segments, 1);
	assert_int_equal(t.dropped_rows, 300);
}

static void dry_run_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct compact_total t = { 0 };

	put(f, 300, 24 * 5);
	put(f, 300, 24 * 5);
	f->conf.dry_run = true;
	f->conf.explain = true;
	assert_int_equal(retain(f, 3 * DAY_NS, 0, &t), 0);
	assert_true(t.dropped_segments > 0);
	assert_true(f->told[COMPACT_KEPT] > 0);
	assert_int_equal(run_pass(f, compact_merge, &t), 0);
	assert_true(t.merged_segments > 0);
	assert_int_equal(t.made_segments, 0);
	assert_true(simfs_bytes(f->fs, "compact.lock") < 0);
	assert_sound(f);
}

/* ---- merging ---- */

static void closed_days_become_one(void **state)
{
	struct fixture *f = *state;
	struct compact_total t = { 0 };

	for (int i = 0; i < 4; i++)
		put(f, 600, 24 * 3);
	look(f);
	assert_in_range(f->live_count, 12, LIVE_MAX);
	assert_int_equal(run_pass(f, compact_merge, &t), 0);
	assert_int_equal(t.failures, 0);
	assert_sound(f);
	look(f);
	/* Two closed days in one segment each, part of a third day perhaps, and the open one as it was. */
	for (size_t i = 0; i < f->live_count; i++) {
		bool closed = (f->live[i].day + (int64_t)1) * DAY_NS +
				      COMPACT_GRACE_S * CLOCK_NS_PER_SEC <=
			      f->kit.now_ns;

		if (closed)
			assert_true(f->live[i].gen > 0);
		else
			assert_int_equal(f->live[i].gen, 0);
	}
	assert_true(t.made_bytes < t.merged_bytes);
	assert_int_equal(run_pass(f, compact_merge, &t), 0);
	assert_int_equal(t.merges, 0);
	put(f, 600, 24 * 3);
	assert_int_equal(run_pass(f, compact_merge, &t), 0);
	assert_sound(f);
}

/* More days than a seal makes files: mixed segments, which a merge takes apart where it pays. */
static void mixed_segments_are_taken_apart(void **state)
{
	struct fixture *f = *state;
	struct compact_total t = { 0 };
	unsigned mixed = 0;

	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 3; j++) {
			assert_int_equal(store_kit_append(&f->kit, 600, 24 * 400), 0);
			assert_int_equal(store_kit_append(&f->kit, 600, 24), 0);
		}
		put(f, 300, 24 * 400);
	}
	look(f);
	for (size_t i = 0; i < f->live_count; i++)
		mixed += f->live[i].hour == MANIFEST_HOUR_MIXED;
	assert_int_equal(mixed, 3);
	assert_int_equal(run_pass(f, compact_merge, &t), 0);
	assert_sound(f);
	look(f);
	mixed = 0;
	for (size_t i = 0; i < f->live_count; i++)
		mixed += f->live[i].hour == MANIFEST_HOUR_MIXED;
	assert_int_equal(mixed, 1);
}

static void a_damaged_input_is_left_alone(void **state)
{
	struct fixture *f = *state;
	char path[MANIFEST_PATH_BYTES];
	struct compact_total t = { 0 };

	for (int i = 0; i < 3; i++)
		put(f, 300, 24 * 2);
	look(f);
	f->conf.now_ns += 10 * DAY_NS;
	manifest_segment_path(&f->live[0], path);
	assert_int_equal(simfs_flip(f->fs, path, f->live[0].file_bytes - 20, 1), 0);
	assert_int_equal(run_pass(f, compact_merge, &t), 0);
	assert_true(t.merges > 0);
	assert_int_equal(t.failures, 1);
	assert_int_equal(f->told[COMPACT_FAILED], 1);
	assert_int_equal(f->failed, ERR_CORRUPT);
	assert_int_equal(simfs_flip(f->fs, path, f->live[0].file_bytes - 20, 1), 0);
	assert_sound(f);
}

static void stop_and_deadline(void **state)
{
	static const volatile sig_atomic_t stop = 1;
	struct fixture *f = *state;
	struct compact_total t = { 0 };

	for (int i = 0; i < 3; i++)
		put(f, 200, 24 * 2);
	f->conf.now_ns += 10 * DAY_NS;
	f->conf.stop = &stop;
	assert_int_equal(run_pass(f, compact_merge, &t), 0);
	assert_int_equal(t.merges, 0);
	assert_true(t.out_of_time);
	f->conf.stop = NULL;
	clock_fake(f->kit.now_ns, 1000);
	f->conf.deadline_ns = 1000;
	assert_int_equal(run_pass(f, compact_merge, &t), 0);
	assert_int_equal(t.merges, 0);
	assert_true(t.out_of_time);
	assert_int_equal(retain(f, 1, 0, &t), 0);
	assert_int_equal(t.dropped_segments, 0);
	f->conf.deadline_ns = 1001;
	assert_int_equal(run_pass(f, compact_merge, &t), 0);
	assert_true(t.merges > 0);
	assert_false(t.out_of_time);
	assert_sound(f);
}

static void a_reader_keeps_what_it_sees(void **state)
{
	struct fixture *f = *state;
	struct store_reader *r = NULL;
	struct store_snapshot *snap = NULL;
	const struct seg_reader *seg;
	struct compact_total t = { 0 };

	put(f, 300, 24 * 2);
	put(f, 300, 24 * 2);
	assert_int_equal(store_reader_open(&f->kit.conf, &r, &f->kit.d), 0);
	assert_int_equal(store_reader_snapshot(r, &snap, &f->kit.d), 0);
	assert_int_equal(snapshot_segment_get(snap, 0, &seg, &f->kit.d), 0);
	f->conf.now_ns += 10 * DAY_NS;
	assert_int_equal(run_pass(f, compact_merge, &t), 0);
	assert_true(t.merges > 0);
	/* Open already: goes on. Not open yet: the reader is told to look again. */
	assert_int_equal(seg_reader_check_page(seg, 0, SEG_COL_METADATA, &f->kit.d), 0);
	snapshot_segment_put(snap, 0);
	assert_int_equal(snapshot_segment_get(snap, 1, &seg, &f->kit.d), ERR_STALE);
	store_snapshot_free(&snap);
	store_reader_close(&r);
	assert_sound(f);
}

/* ---- the rest ---- */

static void one_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct compact *a = NULL, *b = NULL;

	assert_int_equal(compact_open(&f->conf, &a, &f->kit.d), 0);
	assert_int_equal(compact_open(&f->conf, &b, &f->kit.d), ERR_LOCKED);
	compact_close(&a);
	assert_int_equal(compact_open(&f->conf, &b, &f->kit.d), 0);
	compact_close(&b);
	f->conf.dir = "nowhere";
	assert_int_equal(compact_open(&f->conf, &b, &f->kit.d), -ENOENT);
}

static void sidecars_come_back(void **state)
{
	struct fixture *f = *state;
	char path[MANIFEST_PATH_BYTES];
	struct compact_total t = { 0 };

	put(f, 300, 24 * 3);
	look(f);
	publish_path(&f->live[0], SIDX_ENTITY, path);
	assert_int_equal(simfs_truncate(f->fs, path, 10), 0);
	publish_path(&f->live[1], SIDX_TYPE, path);
	assert_int_equal(simfs_flip(f->fs, path, 90, 2), 0);
	assert_int_equal(store_kit_check(&f->kit), 0);
	assert_int_equal(store_kit_verify(&f->kit), STORE_KIT_WRONG);
	assert_int_equal(run_pass(f, compact_sidecars, &t), 0);
	assert_int_equal(t.sidecars, 2);
	assert_int_equal(f->told[COMPACT_SIDECAR], 2);
	assert_sound(f);
	assert_int_equal(run_pass(f, compact_sidecars, &t), 0);
	assert_int_equal(t.sidecars, 0);
}

static void copy_file(struct fixture *f, const char *from, const char *to)
{
	const struct vfs *v = f->conf.vfs;
	int dir = v->open_dir(v->ctx, SIMFS_DIR);

	assert_int_equal(v->link(v->ctx, dir, from, dir, to), 0);
	v->close(v->ctx, dir);
}

/* A list of leftovers names a file that is not live, and one that is: only the former goes. */
static void leftovers_are_removed(void **state)
{
	struct fixture *f = *state;
	const struct vfs *v = f->conf.vfs;
	struct manifest_segment listed[2];
	char live[MANIFEST_PATH_BYTES], dead[MANIFEST_PATH_BYTES];
	struct compact_total t = { 0 };
	int dir;

	put(f, 300, 3);
	look(f);
	listed[0] = listed[1] = f->live[0];
	listed[1].gen = 7;
	manifest_segment_path(&listed[0], live);
	manifest_segment_path(&listed[1], dead);
	copy_file(f, live, dead);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	assert_int_equal(leftover_write(v, dir, &listed[0], 1, &listed[1], 1, &f->kit.d), 0);
	assert_int_equal(run_pass(f, compact_sidecars, &t), 0);
	assert_int_equal(t.leftovers, 1);
	assert_true(simfs_bytes(f->fs, dead) < 0);
	assert_true(simfs_bytes(f->fs, live) > 0);
	assert_true(simfs_bytes(f->fs, LEFTOVER_NAME) < 0);
	/* A damaged list removes nothing. */
	copy_file(f, live, dead);
	assert_int_equal(leftover_write(v, dir, &listed[0], 1, &listed[1], 1, &f->kit.d), 0);
	assert_int_equal(simfs_flip(f->fs, LEFTOVER_NAME, 30, 1), 0);
	assert_int_equal(run_pass(f, compact_sidecars, &t), 0);
	assert_true(simfs_bytes(f->fs, dead) > 0);
	v->close(v->ctx, dir);
	assert_sound(f);
}

/* What one change of a run could not remove goes before the next change replaces the list. */
static void leftovers_of_the_same_run_too(void **state)
{
	struct fixture *f = *state;
	const struct vfs *v = f->conf.vfs;
	struct manifest_segment unlisted;
	char live[MANIFEST_PATH_BYTES], dead[MANIFEST_PATH_BYTES];
	struct compact *c = NULL;
	int dir;

	for (int i = 0; i < 3; i++)
		put(f, 600, 24 * 3);
	look(f);
	unlisted = f->live[0];
	unlisted.gen = 7;
	copy_file(f, manifest_segment_path(&f->live[0], live),
		manifest_segment_path(&unlisted, dead));
	assert_int_equal(compact_open(&f->conf, &c, &f->kit.d), 0);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	assert_int_equal(leftover_write(v, dir, NULL, 0, &unlisted, 1, &f->kit.d), 0);
	v->close(v->ctx, dir);
	assert_int_equal(compact_merge(c, &f->kit.d), 0);
	compact_close(&c);
	assert_true(simfs_bytes(f->fs, dead) < 0);
	assert_sound(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(age_drops_whole_segments),
		T(no_rule_drops_nothing),
		T(size_drops_the_oldest),
		T(too_small_a_size_is_refused),
		T(odd_times_count_by_arrival),
		T(dry_run_changes_nothing),
		T(closed_days_become_one),
		T(mixed_segments_are_taken_apart),
		T(a_damaged_input_is_left_alone),
		T(stop_and_deadline),
		T(a_reader_keeps_what_it_sees),
		T(one_at_a_time),
		T(sidecars_come_back),
		T(leftovers_are_removed),
		T(leftovers_of_the_same_run_too),
#undef T
	};

	return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
