/*
 * Goal: whatever operation fails, and whenever the power goes, every acknowledged event is there
 * exactly once, no frame is there by half, ids are dense, and chunk ids tell the truth.
 * Method: one scenario (create, append, commit, rotate, prepare, seal, retire, close, open) on a
 * simulated disk, with the 1st, 2nd, 3rd ... operation failing until it passes untouched; after a
 * crash every kind of disk, and a second crash inside the recovery.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/ctl.h"
#include "storage/layout.h"
#include "storage/manifest.h"
#include "storage/store_format.h"
#include "tests/fault/frames.h"

enum { FRAMES = 14, TRIES = 8 };

struct run {
	struct simfs *fs;
	const struct vfs *vfs;
	struct store_writer *w;
	uint64_t acked;    /* frames whose commit returned 0 */
	uint64_t appended; /* the last frame an append was tried for */
	bool down;
};

/* What the collector does after any failure. False: the process is at an end. */
static bool restart(struct run *r)
{
	struct diag d;

	for (int i = 0; i < TRIES; i++) {
		if (store_writer_restart(r->w, &d) == 0)
			return true;
	}
	return false;
}

static bool commit(struct run *r, uint64_t upto)
{
	uint64_t id;
	struct diag d;

	if (store_writer_commit(r->w, &id, &d) < 0)
		return false;
	assert_int_equal(id, frames_next_id(upto) - 1);
	r->acked = upto;
	return true;
}

/* Frames up to `upto` stored and acknowledged. False: the process is at an end. */
static bool store(struct run *r, uint64_t upto)
{
	for (int i = 0; i < TRIES; i++) {
		uint64_t n = r->acked;
		int rc = 0;
		struct diag d;

		while (n < upto && rc == 0) {
			if (n + 1 > r->appended)
				r->appended = n + 1;
			rc = frames_append(r->w, ++n, &d);
		}
		if (rc == 0 && commit(r, n))
			return true;
		if (!restart(r))
			return false;
	}
	return false;
}

static bool open_store(struct run *r)
{
	struct store_conf conf = frames_conf(r->vfs);
	char text[600];
	struct diag d;

	for (int i = 0; i < TRIES; i++) {
		uint64_t frame;

		if (store_writer_open(&conf, &r->w, &d) < 0) {
			if (getenv("FAULT_VERBOSE"))
				fprintf(stderr, "# open: %s\n", diag_format(&d, text, sizeof text));
			continue;
		}
		assert_int_equal(store_writer_recovery(r->w)->lost_ids, 0);
		frame = frames_ending(store_writer_committed(r->w));
		assert_true(frame > 0 || store_writer_committed(r->w) == 0);
		assert_in_range(frame, r->acked, r->appended);
		frames_check_chunks(r->w, frame);
		/* The collector would have the rest sent again. */
		r->acked = frame;
		return true;
	}
	return false;
}

/* As the sealer, but for the segments: the rows up to that frame leave the journal. */
static void seal(struct run *r, uint64_t frame)
{
	struct manifest_change c = { .sealed_id = frames_next_id(frame) - 1 };
	struct store_format format;
	struct ctl *ctl = NULL;
	struct manifest *m = NULL;
	int dir = r->vfs->open_dir(r->vfs->ctx, SIMFS_DIR);
	int rc = dir;
	struct diag d;

	if (dir < 0)
		return;
	rc = store_format_read(r->vfs, dir, &format, NULL, &d);
	if (rc == 0)
		rc = ctl_open(r->vfs, dir, format.uuid, CTL_WRITE, &ctl, &d);
	if (rc == 0)
		rc = manifest_open(r->vfs, dir, format.uuid, ctl, &m, &d);
	for (int i = 0; i < 2 && rc == 0; i++) {
		rc = manifest_lock(m, &d);
		if (rc == 0)
			rc = manifest_append(m, &c, &d);
		if (m && rc == 0)
			manifest_unlock(m);
	}
	if (rc == 0)
		store_writer_retire(r->w, c.sealed_id, &d);
	manifest_close(&m);
	ctl_close(&ctl);
	r->vfs->close(r->vfs->ctx, dir);
}

static bool scenario(struct run *r)
{
	struct diag d;

	if (!open_store(r))
		return false;
	if (!store(r, 3))
		return false;
	store_writer_prepare(r->w, &d);
	if (!store(r, 6))
		return false;
	seal(r, 4);
	if (!store(r, 10))
		return false;
	store_writer_close(&r->w);
	if (!open_store(r))
		return false;
	seal(r, 9);
	store_writer_prepare(r->w, &d);
	store_writer_yield(r->w, &d);
	return store(r, FRAMES);
}

/* Everything down, then up again: is all there, by reader and by recovery? */
static void verify(struct run *r, enum simfs_policy policy)
{
	uint64_t last;

	store_writer_close(&r->w);
	assert_int_equal(simfs_fds(r->fs), 0);
	simfs_reboot(r->fs, policy);
	if (simfs_bytes(r->fs, "format") < 0) {
		assert_int_equal(r->acked, 0);
	} else if (r->acked > 0) {
		last = frames_check_reader(r->vfs);
		assert_in_range(frames_ending(last), r->acked, r->appended);
	}
	assert_true(open_store(r));
	last = frames_check_reader(r->vfs);
	assert_int_equal(frames_ending(last), r->acked);
	assert_true(store(r, r->acked + 3));
	assert_int_equal(frames_check_reader(r->vfs), frames_next_id(r->acked) - 1);
	store_writer_close(&r->w);
	assert_int_equal(simfs_fds(r->fs), 0);
}

static struct run begin(uint64_t seed)
{
	struct run r = { .fs = simfs_new(seed) };

	r.vfs = simfs_vfs(r.fs);
	return r;
}

/* From the first on every stride-th operation is tried: 1, or what the environment says. */
static uint64_t stride(void)
{
	const char *text = getenv("FAULT_STRIDE");

	return text ? strtoull(text, NULL, 10) : 1;
}

/* One failure, after which the process lives on. */
static void fail_each(enum simfs_failure kind, int error)
{
	bool fired = true;

	for (uint64_t nth = 1; fired; nth += stride()) {
		struct run r = begin(nth);

		simfs_fail(r.fs, nth, kind, error);
		if (!scenario(&r))
			fail_msg("the scenario did not end well with operation %llu failing",
				(unsigned long long)nth);
		fired = simfs_fired(r.fs);
		assert_int_equal(r.acked, FRAMES);
		verify(&r, (enum simfs_policy)(nth % SIMFS_POLICIES));
		simfs_free(&r.fs);
	}
}

static void io_errors(void **state)
{
	(void)state;
	fail_each(SIMFS_ERROR, -EIO);
}

static void a_full_disk(void **state)
{
	(void)state;
	fail_each(SIMFS_ERROR, -ENOSPC);
}

static void short_writes(void **state)
{
	(void)state;
	fail_each(SIMFS_SHORT, -EIO);
}

/* One failure, and a second one soon after it. */
static void fail_twice(enum simfs_failure kind, int error)
{
	bool fired = true;

	for (uint64_t nth = 1; fired; nth += stride()) {
		for (uint64_t more = 1; more < 32 && fired; more += 1 + (nth + more) % 5) {
			struct run r = begin(nth * 32 + more);

			simfs_fail(r.fs, nth, SIMFS_SHORT, -EIO);
			simfs_then(r.fs, more, kind, error);
			scenario(&r);
			fired = simfs_fired(r.fs);
			verify(&r, (enum simfs_policy)((nth + more) % SIMFS_POLICIES));
			simfs_free(&r.fs);
		}
	}
}

static void two_errors(void **state)
{
	(void)state;
	fail_twice(SIMFS_ERROR, -EIO);
}

/* What was given up after the error is still on the disk when the power goes. */
static void error_then_power_cut(void **state)
{
	(void)state;
	fail_twice(SIMFS_CRASH, -EIO);
}

/* The power goes at each operation, and once more while recovery runs. */
static void crash_each(enum simfs_policy policy)
{
	bool fired = true;

	for (uint64_t nth = 1; fired; nth += stride()) {
		struct run r = begin(nth * SIMFS_POLICIES + policy);

		simfs_fail(r.fs, nth, SIMFS_CRASH, -EIO);
		scenario(&r);
		fired = simfs_fired(r.fs);
		store_writer_close(&r.w);
		simfs_reboot(r.fs, policy);
		simfs_fail(r.fs, 1 + nth * 7 % 61, SIMFS_CRASH, -EIO);
		open_store(&r);
		verify(&r, policy);
		simfs_free(&r.fs);
	}
}

/*
 * The process is killed; what it had not synced is found by the next one, whose own first try fails at
 * some point; then the power goes.
 */
static void kill_then_power_cut(void **state)
{
	bool fired = true;

	(void)state;
	for (uint64_t nth = 1; fired; nth += stride()) {
		struct run r = begin(nth);

		simfs_fail(r.fs, nth, SIMFS_CRASH, -EIO);
		scenario(&r);
		fired = simfs_fired(r.fs);
		store_writer_close(&r.w);
		simfs_reboot(r.fs, SIMFS_KILLED);
		simfs_fail(r.fs, 1 + nth * 13 % 97, SIMFS_ERROR, -EIO);
		assert_true(open_store(&r));
		verify(&r, SIMFS_KEEP_NONE);
		simfs_free(&r.fs);
	}
}

/*
 * Rows that a killed process never synced are found, the sync of the next start fails, and the one after
 * that succeeds on pages the kernel believes to be clean: what was then given out must be on the disk.
 */
static void a_failed_sync_at_start_proves_nothing(void **state)
{
	bool fired = true;

	(void)state;
	for (uint64_t nth = 1; fired; nth++) {
		struct run r = begin(nth);
		struct diag d;

		assert_true(open_store(&r));
		assert_true(store(&r, 2));
		r.appended = 4;
		assert_int_equal(frames_append(r.w, 3, &d), 0);
		assert_int_equal(frames_append(r.w, 4, &d), 0);
		store_writer_close(&r.w);
		simfs_reboot(r.fs, SIMFS_KILLED);
		simfs_fail(r.fs, nth, SIMFS_ERROR, -EIO);
		assert_true(open_store(&r));
		fired = simfs_fired(r.fs);
		verify(&r, SIMFS_KEEP_NONE);
		simfs_free(&r.fs);
	}
}

static struct store_recovery recovery(struct run *r)
{
	struct store_conf conf = frames_conf(r->vfs);
	struct store_recovery found;
	struct diag d;

	assert_int_equal(store_writer_open(&conf, &r->w, &d), 0);
	found = *store_writer_recovery(r->w);
	store_writer_close(&r->w);
	return found;
}

/*
 * A damaged file is not written on, but its last rows, found after a kill, are committed from then on:
 * they too must be synced before anybody hears of it.
 */
static void damage_kill_then_power_cut(void **state)
{
	struct run r = begin(1);
	struct store_recovery before, after;
	struct diag d;

	(void)state;
	assert_true(open_store(&r));
	for (uint64_t n = 1; n <= 3; n++)
		assert_true(store(&r, n));
	assert_int_equal(frames_append(r.w, 4, &d), 0);
	store_writer_close(&r.w);
	simfs_reboot(r.fs, SIMFS_KILLED);
	/* In the first record after the carry record, which a sync left on a page of its own. */
	assert_int_equal(simfs_flip(r.fs, "journal/0000000000000001.aj",
				 LAYOUT_JOURNAL_RECORDS + LAYOUT_PAGE_BYTES + 20, 1),
		0);
	before = recovery(&r);
	assert_int_equal(before.committed, frames_next_id(4) - 1);
	simfs_reboot(r.fs, SIMFS_KEEP_NONE);
	after = recovery(&r);
	assert_int_equal(after.committed, before.committed);
	assert_int_equal(after.lost_ids, before.lost_ids);
	simfs_free(&r.fs);
}

/* A second sync of what a first one failed on would succeed and mean nothing: it is never asked for. */
static void a_failed_commit_is_final(void **state)
{
	struct run r = begin(1);
	uint64_t id, before;
	struct diag d;

	(void)state;
	assert_true(open_store(&r));
	assert_true(store(&r, 2));
	before = store_writer_committed(r.w);
	assert_int_equal(frames_append(r.w, 3, &d), 0);
	simfs_fail(r.fs, 1, SIMFS_ERROR, -EIO);
	assert_int_equal(store_writer_commit(r.w, &id, &d), ERR_JOURNAL_DEAD);
	assert_non_null(strstr(d.text, "Input/output error"));
	assert_true(simfs_fired(r.fs));
	assert_int_equal(store_writer_commit(r.w, &id, &d), ERR_JOURNAL_DEAD);
	assert_int_equal(store_writer_committed(r.w), before);
	assert_int_equal(store_writer_restart(r.w, &d), 0);
	assert_int_equal(store_writer_next(r.w), before + 1);
	/* The file that failed is written no more. */
	assert_true(simfs_bytes(r.fs, "journal/0000000000000002.aj") > 0);
	assert_true(store(&r, 3));
	verify(&r, SIMFS_KEEP_NONE);
	simfs_free(&r.fs);
}

/* A frame given up must not be remembered: sent again it would be acknowledged and not be there. */
static void a_given_up_chunk_is_forgotten(void **state)
{
	struct run r = begin(1);
	struct diag d;

	(void)state;
	assert_true(open_store(&r));
	assert_true(store(&r, 1));
	assert_int_equal(frames_append(r.w, 2, &d), 0);
	assert_int_equal(store_writer_restart(r.w, &d), 0);
	store_writer_close(&r.w);
	r.appended = 2;
	/* open_store compares the ids with the frames that are there. */
	assert_true(open_store(&r));
	assert_int_equal(r.acked, 1);
	assert_int_equal(frames_append(r.w, 2, &d), 0);
	simfs_fail(r.fs, 1, SIMFS_ERROR, -EIO);
	assert_int_equal(store_writer_commit(r.w, &(uint64_t){ 0 }, &d), ERR_JOURNAL_DEAD);
	/* The new file carries what is known. */
	assert_int_equal(store_writer_restart(r.w, &d), 0);
	store_writer_close(&r.w);
	simfs_reboot(r.fs, SIMFS_KILLED);
	assert_true(open_store(&r));
	assert_int_equal(r.acked, 1);
	verify(&r, SIMFS_KEEP_NONE);
	simfs_free(&r.fs);
}

/* Appends whole frames, each committed, until one is refused. The error of that one. */
static int fill_disk(struct run *r)
{
	for (;;) {
		struct diag d;
		int rc;

		r->appended = r->acked + 1;
		rc = frames_append(r->w, r->acked + 1, &d);
		if (rc < 0)
			return rc;
		assert_true(commit(r, r->acked + 1));
	}
}

/*
 * A disk of four journal files: it is met when a file is to be reserved, costs nothing that was
 * acknowledged, and is forgotten as soon as there is room.
 */
static void a_disk_that_fills_up_heals(void **state)
{
	struct run r = begin(1);
	struct diag d;

	(void)state;
	simfs_capacity(r.fs, 4 * (uint64_t)LIMIT_JOURNAL_FILE_BYTES_MIN + (1 << 20));
	assert_true(open_store(&r));
	for (int round = 0; round < 5; round++) {
		uint64_t before = r.acked;

		assert_int_equal(fill_disk(&r), -ENOSPC);
		assert_true(r.acked > before);
		assert_true(store_writer_prepare(r.w, &d) < 0);
		assert_int_equal(store_writer_restart(r.w, &d), 0);
		assert_int_equal(frames_ending(frames_check_reader(r.vfs)), r.acked);
		/* Still full: refused again, and nothing else. */
		assert_int_equal(fill_disk(&r), -ENOSPC);
		assert_int_equal(store_writer_restart(r.w, &d), 0);
		seal(&r, r.acked);
		assert_int_equal(store_writer_prepare(r.w, &d), 1);
		assert_int_equal(store_writer_yield(r.w, &d), 1);
		assert_int_equal(store_writer_yield(r.w, &d), 0);
	}
	simfs_capacity(r.fs, 0);
	verify(&r, SIMFS_KEEP_NONE);
	simfs_free(&r.fs);
}

static void power_cut_keeps_nothing(void **state)
{
	(void)state;
	crash_each(SIMFS_KEEP_NONE);
}

static void power_cut_keeps_all(void **state)
{
	(void)state;
	crash_each(SIMFS_KEEP_ALL);
}

static void power_cut_keeps_a_prefix(void **state)
{
	(void)state;
	crash_each(SIMFS_KEEP_PREFIX);
}

static void power_cut_keeps_a_subset(void **state)
{
	(void)state;
	crash_each(SIMFS_KEEP_SUBSET);
}

static void power_cut_tears(void **state)
{
	(void)state;
	crash_each(SIMFS_KEEP_TORN);
}

/* An argument picks tests by pattern. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(io_errors),
		cmocka_unit_test(a_full_disk),
		cmocka_unit_test(short_writes),
		cmocka_unit_test(two_errors),
		cmocka_unit_test(error_then_power_cut),
		cmocka_unit_test(kill_then_power_cut),
		cmocka_unit_test(a_failed_sync_at_start_proves_nothing),
		cmocka_unit_test(damage_kill_then_power_cut),
		cmocka_unit_test(a_failed_commit_is_final),
		cmocka_unit_test(a_given_up_chunk_is_forgotten),
		cmocka_unit_test(a_disk_that_fills_up_heals),
		cmocka_unit_test(power_cut_keeps_nothing),
		cmocka_unit_test(power_cut_keeps_all),
		cmocka_unit_test(power_cut_keeps_a_prefix),
		cmocka_unit_test(power_cut_keeps_a_subset),
		cmocka_unit_test(power_cut_tears),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("fault_store", tests, NULL, NULL);
}
