/*
 * Goal: what is committed is sealed when it is due and not before, into segments by day, and every
 * event is found afterwards exactly once; the journal's files go when nothing in them is needed.
 * Small segments are merged meanwhile, and a seal never waits for that.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "storage/snapshot_int.h"
#include "tests/support/simfs.h"
#include "tests/support/store_kit.h"

#define DAY_NS (INT64_C(86400) * CLOCK_NS_PER_SEC)

struct fixture {
	struct simfs *fs;
	struct store_kit kit;
	int64_t mono_ns;
};

static int setup(void **state)
{
	static struct fixture f;
	struct store_conf conf = {
		.dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
		.seal_rows = 5000,
		.seal_bytes = 8 << 20,
		.seal_age_ns = 60 * CLOCK_NS_PER_SEC,
	};

	f.fs = simfs_new(1);
	conf.vfs = simfs_vfs(f.fs);
	store_kit_init(&f.kit, &conf, 1);
	f.kit.gen.wild = 0;
	f.mono_ns = 1000;
	clock_fake(f.kit.now_ns, f.mono_ns);
	assert_int_equal(store_kit_open(&f.kit), 0);
	*state = &f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	store_kit_fini(&f->kit);
	assert_int_equal(simfs_fds(f->fs), 0);
	simfs_free(&f->fs);
	clock_real();
	return 0;
}

static void put(struct store_kit *k, unsigned events, unsigned hours)
{
	while (events > 0) {
		unsigned n = events < 100 ? events : 100;

		assert_int_equal(store_kit_append(k, n, hours), 0);
		events -= n;
	}
	assert_int_equal(store_kit_commit(k), 0);
}

static void assert_sound(struct store_kit *k)
{
	int rc = store_kit_check(k);

	if (rc == 0)
		rc = store_kit_verify(k);
	if (rc < 0)
		print_error("%s; %s: %s\n", k->wrong, k->d.file, k->d.text);
	assert_int_equal(rc, 0);
}

static size_t live_segments(struct store_kit *k)
{
	struct store_reader *r = NULL;
	struct store_snapshot *snap = NULL;
	size_t n;

	assert_int_equal(store_reader_open(&k->conf, &r, &k->d), 0);
	assert_int_equal(store_reader_snapshot(r, &snap, &k->d), 0);
	n = snapshot_segment_count(snap);
	store_snapshot_free(&snap);
	store_reader_close(&r);
	return n;
}

static void nothing_to_do(void **state)
{
	struct fixture *f = *state;
	struct sealer_report report;

	assert_int_equal(sealer_step(f->kit.sealer, false, &report, &f->kit.d), SEALER_IDLE);
	assert_int_equal(sealer_step(f->kit.sealer, true, &report, &f->kit.d), SEALER_IDLE);
	assert_sound(&f->kit);
}

static void due_by_rows(void **state)
{
	struct fixture *f = *state;
	struct sealer_report report;

	put(&f->kit, 4999, 1);
	assert_int_equal(sealer_step(f->kit.sealer, false, &report, &f->kit.d), SEALER_IDLE);
	assert_int_equal(sealer_pending_rows(f->kit.sealer), 4999);
	put(&f->kit, 1, 1);
	assert_int_equal(sealer_step(f->kit.sealer, false, &report, &f->kit.d), SEALER_DONE);
	assert_int_equal(report.rows_count, 5000);
	assert_int_equal(report.sealed_id, 5000);
	assert_int_equal(report.lost_ids, 0);
	assert_int_equal(sealer_step(f->kit.sealer, true, &report, &f->kit.d), SEALER_IDLE);
	assert_sound(&f->kit);
}

static void due_by_age(void **state)
{
	struct fixture *f = *state;
	struct sealer_report report;

	put(&f->kit, 10, 1);
	assert_int_equal(sealer_step(f->kit.sealer, false, &report, &f->kit.d), SEALER_IDLE);
	clock_fake(f->kit.now_ns, 1000 + 59 * CLOCK_NS_PER_SEC);
	assert_int_equal(sealer_step(f->kit.sealer, false, &report, &f->kit.d), SEALER_IDLE);
	clock_fake(f->kit.now_ns, 1000 + 60 * CLOCK_NS_PER_SEC);
	assert_int_equal(sealer_step(f->kit.sealer, false, &report, &f->kit.d), SEALER_DONE);
	assert_sound(&f->kit);
}

static void due_by_bytes(void **state)
{
	struct fixture *f = *state;
	struct store_conf *conf = &f->kit.conf;
	struct sealer_report report;

	store_kit_close(&f->kit);
	conf->seal_bytes = 100000;
	assert_int_equal(store_kit_open(&f->kit), 0);
	put(&f->kit, 200, 1);
	assert_int_equal(sealer_step(f->kit.sealer, false, &report, &f->kit.d), SEALER_IDLE);
	put(&f->kit, 1000, 1);
	assert_int_equal(sealer_step(f->kit.sealer, false, &report, &f->kit.d), SEALER_DONE);
	assert_in_range(report.raw_bytes, 1, 300000);
	assert_int_equal(store_kit_seal(&f->kit), 0);
	assert_sound(&f->kit);
}

static void a_segment_for_each_day(void **state)
{
	struct fixture *f = *state;
	struct sealer_report report;

	put(&f->kit, 3000, 24 * 5);
	assert_int_equal(sealer_step(f->kit.sealer, true, &report, &f->kit.d), SEALER_DONE);
	assert_in_range(report.segments_count, 5, 6);
	assert_int_equal(live_segments(&f->kit), report.segments_count);
	assert_sound(&f->kit);
}

/* Days with few rows beyond the fullest share a file. */
static void many_days_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct sealer_report report;

	put(&f->kit, 4000, 24 * 200);
	assert_int_equal(sealer_step(f->kit.sealer, true, &report, &f->kit.d), SEALER_DONE);
	assert_int_equal(report.segments_count, 9);
	assert_sound(&f->kit);
}

static void a_backlog_takes_several_seals(void **state)
{
	struct fixture *f = *state;
	struct sealer_report report;
	unsigned seals = 0;

	put(&f->kit, 23000, 3);
	while (sealer_step(f->kit.sealer, seals > 3, &report, &f->kit.d) == SEALER_DONE) {
		assert_in_range(report.rows_count, 1, 10000);
		seals++;
	}
	assert_in_range(seals, 3, 6);
	assert_sound(&f->kit);
	store_kit_close(&f->kit);
	assert_int_equal(store_kit_open(&f->kit), 0);
	assert_sound(&f->kit);
}

static void count_file(struct simfs *fs, unsigned *count)
{
	char path[64];

	*count = 0;
	for (unsigned i = 0; i < 64; i++) {
		snprintf(path, sizeof path, "journal/%016x.aj", i);
		*count += simfs_bytes(fs, path) >= 0;
	}
}

static void journal_files_are_given_back(void **state)
{
	struct fixture *f = *state;
	unsigned before, after;

	for (int i = 0; i < 6; i++)
		put(&f->kit, 10000, 3);
	count_file(f->fs, &before);
	assert_in_range(before, 2, 20);
	assert_int_equal(store_kit_seal(&f->kit), 0);
	count_file(f->fs, &after);
	assert_in_range(after, 1, 2);
	assert_sound(&f->kit);
	put(&f->kit, 300, 3);
	assert_sound(&f->kit);
}

/* What was unsealed before a restart is as old as its rows say. */
static void age_goes_on_after_a_restart(void **state)
{
	struct fixture *f = *state;
	struct sealer_report report;

	put(&f->kit, 10, 1);
	store_kit_close(&f->kit);
	clock_fake(f->kit.now_ns + 3600 * CLOCK_NS_PER_SEC, 5 * CLOCK_NS_PER_SEC);
	assert_int_equal(store_kit_open(&f->kit), 0);
	assert_int_equal(sealer_step(f->kit.sealer, false, &report, &f->kit.d), SEALER_DONE);
	assert_sound(&f->kit);
}

static void wild_events_are_sealed_too(void **state)
{
	struct fixture *f = *state;

	f->kit.gen.wild = 3;
	put(&f->kit, 2000, 24 * 40);
	assert_int_equal(store_kit_seal(&f->kit), 0);
	assert_sound(&f->kit);
}

static void no_room_is_an_error_that_passes(void **state)
{
	struct fixture *f = *state;
	struct sealer_report report;

	put(&f->kit, 3000, 2);
	simfs_capacity(f->fs, 1);
	assert_int_equal(sealer_step(f->kit.sealer, true, &report, &f->kit.d), -ENOSPC);
	assert_sound(&f->kit);
	simfs_capacity(f->fs, 0);
	assert_int_equal(sealer_step(f->kit.sealer, true, &report, &f->kit.d), SEALER_DONE);
	assert_sound(&f->kit);
}

/* Operation `nth` of a seal fails and the one `then` after it; false: the seal ended before that. */
static bool seal_failing_twice(struct fixture *f, uint64_t nth, uint64_t then)
{
	struct sealer_report report;
	bool fired;

	put(&f->kit, 5, 1);
	simfs_fail(f->fs, nth, SIMFS_ERROR, -EIO);
	simfs_then(f->fs, then, SIMFS_ERROR, -EIO);
	sealer_step(f->kit.sealer, true, &report, &f->kit.d);
	fired = simfs_fired(f->fs);
	simfs_fail(f->fs, 0, SIMFS_ERROR, 0);
	assert_int_equal(store_kit_seal(&f->kit), 0);
	return fired;
}

/*
 * A record that reached the first copy of the manifest is in the store however its append ended: its
 * rows must not be sealed again.
 */
static void a_change_in_doubt_is_not_made_twice(void **state)
{
	struct fixture *f = *state;

	for (uint64_t then = 1; then <= 3; then++) {
		uint64_t nth = 1;

		while (seal_failing_twice(f, nth, then))
			nth++;
		assert_in_range(nth, 30, 5000);
		assert_sound(&f->kit);
	}
}

static struct store_snapshot *newest(struct fixture *f, struct store_reader **out_reader)
{
	struct store_snapshot *snap = NULL;

	assert_int_equal(store_reader_open(&f->kit.conf, out_reader, &f->kit.d), 0);
	assert_int_equal(store_reader_snapshot(*out_reader, &snap, &f->kit.d), 0);
	return snap;
}

/* A reader that meets a missing file knows whether it was retired, or is lost. */
static void a_missing_segment_is_retired_or_lost(void **state)
{
	struct fixture *f = *state;
	const struct vfs *v = f->kit.conf.vfs;
	const struct seg_reader *reader;
	char path[MANIFEST_PATH_BYTES];
	struct store_reader *r = NULL;
	struct store_snapshot *snap;
	int dir;

	put(&f->kit, 10, 1);
	assert_int_equal(store_kit_seal(&f->kit), 0);
	snap = newest(f, &r);
	manifest_segment_path(snapshot_segment(snap, 0), path);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	assert_int_equal(v->unlink(v->ctx, dir, path), 0);
	v->close(v->ctx, dir);
	assert_int_equal(snapshot_segment_get(snap, 0, &reader, &f->kit.d), -ENOENT);
	put(&f->kit, 10, 1);
	assert_int_equal(store_kit_seal(&f->kit), 0);
	assert_int_equal(snapshot_segment_get(snap, 0, &reader, &f->kit.d), ERR_STALE);
	store_snapshot_free(&snap);
	store_reader_close(&r);
}

/* ---- merging ---- */

/* Until nothing is worth it; the clock goes on, so that pauses end. Returns the merges done. */
static unsigned tidy(struct fixture *f)
{
	struct sealer_merge_report report;
	unsigned merges = 0;
	int rc;

	clock_fake(f->kit.now_ns, f->mono_ns += 30 * CLOCK_NS_PER_SEC);
	do {
		rc = sealer_tidy(f->kit.sealer, &report, &f->kit.d);
		merges += rc == SEALER_MERGE_DONE;
	} while (rc > 0);
	assert_int_equal(rc, SEALER_MERGE_IDLE);
	return merges;
}

static void seal_some(struct fixture *f, unsigned seals)
{
	for (unsigned i = 0; i < seals; i++) {
		put(&f->kit, 7, 1);
		assert_int_equal(store_kit_seal(&f->kit), 0);
	}
}

static void a_trickle_does_not_pile_up(void **state)
{
	struct fixture *f = *state;
	unsigned merges = 0, most = 0;

	for (unsigned i = 0; i < 100; i++) {
		seal_some(f, 1);
		merges += tidy(f);
		most = live_segments(&f->kit) > most ? live_segments(&f->kit) : most;
	}
	/* The hour may lie in two days. */
	assert_in_range(most, 2, 2 * SEALER_MERGE_FANOUT);
	assert_in_range(merges, 100 / SEALER_MERGE_FANOUT, 100 / (SEALER_MERGE_FANOUT - 2));
	assert_sound(&f->kit);
}

static void a_seal_comes_between(void **state)
{
	struct fixture *f = *state;
	struct sealer_merge_report report;
	struct sealer_report sealed;
	unsigned steps = 0;
	int rc;

	f->kit.now_ns -= f->kit.now_ns % DAY_NS - DAY_NS / 2;
	seal_some(f, SEALER_MERGE_FANOUT);
	while ((rc = sealer_tidy(f->kit.sealer, &report, &f->kit.d)) == SEALER_MERGE_MORE) {
		steps++;
		put(&f->kit, 3, 1);
		rc = sealer_step(f->kit.sealer, true, &sealed, &f->kit.d);
		assert_int_equal(rc, SEALER_DONE);
		assert_int_equal(sealed.rows_count, 3);
	}
	assert_int_equal(rc, SEALER_MERGE_DONE);
	assert_int_equal(report.segments_before, SEALER_MERGE_FANOUT);
	assert_int_equal(report.segments_after, 1);
	assert_int_equal(report.rows_count, 7 * SEALER_MERGE_FANOUT);
	assert_int_equal(live_segments(&f->kit), 1 + steps);
	assert_sound(&f->kit);
}

static void a_merge_is_given_up_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct sealer_merge_report report;

	for (unsigned steps = 1; steps < 6; steps++) {
		seal_some(f, SEALER_MERGE_FANOUT);
		for (unsigned i = 0; i < steps; i++)
			assert_true(sealer_tidy(f->kit.sealer, &report, &f->kit.d) >= 0);
		store_kit_close(&f->kit);
		assert_int_equal(store_kit_open(&f->kit), 0);
		assert_sound(&f->kit);
	}
	assert_true(tidy(f) > 0);
	assert_sound(&f->kit);
}

static void astrocompact_goes_first(void **state)
{
	struct fixture *f = *state;
	const struct compact_conf conf = {
		.vfs = f->kit.conf.vfs,
		.dir = SIMFS_DIR,
		.now_ns = f->kit.now_ns,
	};
	struct compact *c = NULL;

	seal_some(f, 2 * SEALER_MERGE_FANOUT);
	assert_int_equal(compact_open(&conf, &c, &f->kit.d), 0);
	assert_int_equal(tidy(f), 0);
	compact_close(&c);
	assert_true(tidy(f) > 0);
	assert_sound(&f->kit);
}

/* What cannot be read is left out, told once, and the others are merged without it. */
static void a_damaged_segment_is_left_out(void **state)
{
	struct fixture *f = *state;
	struct store_reader *r = NULL;
	struct store_snapshot *snap;
	struct sealer_merge_report report;
	char path[MANIFEST_PATH_BYTES];
	int rc;

	f->kit.now_ns -= f->kit.now_ns % DAY_NS - DAY_NS / 2;
	seal_some(f, SEALER_MERGE_FANOUT);
	snap = newest(f, &r);
	manifest_segment_path(snapshot_segment(snap, 3), path);
	store_snapshot_free(&snap);
	store_reader_close(&r);
	assert_int_equal(simfs_flip(f->fs, path, 100, 3), 0);
	do
		rc = sealer_tidy(f->kit.sealer, &report, &f->kit.d);
	while (rc == SEALER_MERGE_MORE);
	assert_int_equal(rc, ERR_CORRUPT);
	assert_int_equal(tidy(f), 0);
	seal_some(f, 1);
	assert_int_equal(tidy(f), 1);
	assert_int_equal(live_segments(&f->kit), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(nothing_to_do),
		T(due_by_rows),
		T(due_by_age),
		T(due_by_bytes),
		T(a_segment_for_each_day),
		T(many_days_are_bounded),
		T(a_backlog_takes_several_seals),
		T(journal_files_are_given_back),
		T(age_goes_on_after_a_restart),
		T(wild_events_are_sealed_too),
		T(no_room_is_an_error_that_passes),
		T(a_change_in_doubt_is_not_made_twice),
		T(a_missing_segment_is_retired_or_lost),
		T(a_trickle_does_not_pile_up),
		T(a_seal_comes_between),
		T(a_merge_is_given_up_at_the_end),
		T(astrocompact_goes_first),
		T(a_damaged_segment_is_left_out),
#undef T
	};

	return cmocka_run_group_tests_name("sealer", tests, NULL, NULL);
}
