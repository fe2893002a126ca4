/*
 * Goal:   a summary tells what is in a store to the row and to the byte, and which sidecars are
 *         missing, damaged or of another segment.
 * Method: a small store on simfs; files are removed, flipped and exchanged behind its back.
 */
#include "tests/support/check_cmocka.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/clock.h"
#include "storage/publish.h"
#include "storage/snapshot_int.h"
#include "storage/store_summary.h"
#include "tests/support/simfs.h"
#include "tests/support/store_kit.h"

enum { SEALED = 300, UNSEALED = 40 };

struct fixture {
	struct simfs *fs;
	struct store_kit kit;
	struct store_reader *reader;
	struct store_snapshot *snap;
	struct store_summary sum;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct store_conf conf = { .dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN };

	if (!f)
		return -1;
	f->fs = simfs_new(3);
	conf.vfs = simfs_vfs(f->fs);
	store_kit_init(&f->kit, &conf, 3);
	clock_fake(f->kit.now_ns, 1000);
	*state = f;
	return store_kit_open(&f->kit);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	store_snapshot_free(&f->snap);
	store_reader_close(&f->reader);
	store_kit_fini(&f->kit);
	simfs_free(&f->fs);
	free(f);
	clock_real();
	return 0;
}

static void append(struct fixture *f, unsigned count)
{
	assert_int_equal(store_kit_append(&f->kit, count, 20), 0);
	assert_int_equal(store_kit_commit(&f->kit), 0);
}

/* Segments are opened anew each time. */
static void sum_up(struct fixture *f, bool look_inside)
{
	store_snapshot_free(&f->snap);
	store_reader_close(&f->reader);
	assert_int_equal(store_reader_open(&f->kit.conf, &f->reader, NULL), 0);
	assert_int_equal(store_reader_snapshot(f->reader, &f->snap, NULL), 0);
	assert_int_equal(store_summary_make(f->snap, look_inside, &f->sum, NULL), 0);
}

static void an_empty_store(void **state)
{
	struct fixture *f = *state;

	sum_up(f, true);
	assert_int_equal(f->sum.segments, 0);
	assert_int_equal(f->sum.rows_sealed + f->sum.rows_unsealed, 0);
	assert_true(f->sum.time_min_ns > f->sum.time_max_ns);
	assert_int_equal(f->sum.classes_count, 0);
	assert_int_equal(f->sum.collector, STORE_SUMMARY_RUNNING);
	/* The open file and perhaps the spare. */
	assert_in_range(f->sum.files[STORE_SUMMARY_JOURNAL].count, 1, 2);
	assert_int_equal(store_summary_bytes(&f->sum), f->sum.files[STORE_SUMMARY_JOURNAL].bytes);
}

static void rows_times_and_bytes(void **state)
{
	struct fixture *f = *state;
	int64_t min_ns = INT64_MAX, max_ns = INT64_MIN;
	uint64_t bytes = 0;

	append(f, SEALED);
	assert_int_equal(store_kit_seal(&f->kit), 0);
	append(f, UNSEALED);
	sum_up(f, true);
	assert_int_equal(f->sum.committed, SEALED + UNSEALED);
	assert_int_equal(f->sum.sealed, SEALED);
	assert_int_equal(f->sum.rows_sealed, SEALED);
	assert_int_equal(f->sum.rows_unsealed, UNSEALED);
	assert_true(f->sum.rows_unsealed_bytes > UNSEALED);
	for (size_t i = 0; i < f->kit.committed_count; i++) {
		int64_t t = f->kit.events[i].ev->time_ns;

		min_ns = t < min_ns ? t : min_ns;
		max_ns = t > max_ns ? t : max_ns;
	}
	assert_int_equal(f->sum.time_min_ns, min_ns);
	assert_int_equal(f->sum.time_max_ns, max_ns);
	assert_int_equal(f->sum.segments, snapshot_segment_count(f->snap));
	for (size_t i = 0; i < f->sum.segments; i++)
		bytes += snapshot_segment(f->snap, i)->file_bytes;
	assert_int_equal(f->sum.files[STORE_SUMMARY_SEGMENT].bytes, bytes);
	assert_int_equal(f->sum.classes_count, 1);
	assert_string_equal(f->sum.classes[0].name, snapshot_segment(f->snap, 0)->class_name);
	assert_int_equal(f->sum.classes[0].rows, SEALED);
	assert_int_equal(f->sum.classes[0].bytes, bytes);
	for (int kind = 0; kind <= STORE_SUMMARY_SEGMENT; kind++) {
		assert_int_equal(f->sum.files[kind].count, f->sum.segments);
		assert_int_equal(f->sum.files[kind].missing, 0);
		assert_int_equal(f->sum.files[kind].stale + f->sum.files[kind].damaged, 0);
	}
	assert_false(f->sum.deletes);
	store_kit_close(&f->kit);
	sum_up(f, false);
	assert_int_equal(f->sum.collector, STORE_SUMMARY_NO_COLLECTOR);
}

static void sidecars_are_judged(void **state)
{
	struct fixture *f = *state;
	const struct vfs *v = f->kit.conf.vfs;
	char path[MANIFEST_PATH_BYTES], other[MANIFEST_PATH_BYTES];
	int dir;

	append(f, SEALED);
	assert_int_equal(store_kit_seal(&f->kit), 0);
	append(f, SEALED);
	assert_int_equal(store_kit_seal(&f->kit), 0);
	sum_up(f, true);
	assert_true(f->sum.segments >= 2);
	dir = v->open_dir(v->ctx, SIMFS_DIR);
	publish_path(snapshot_segment(f->snap, 0), SIDX_TYPE, path);
	assert_int_equal(v->unlink(v->ctx, dir, path), 0);
	publish_path(snapshot_segment(f->snap, 0), SIDX_ENTITY, path);
	assert_int_equal(simfs_flip(f->fs, path, 81, 1), 0);
	publish_path(snapshot_segment(f->snap, 0), SIDX_CUBE, path);
	publish_path(snapshot_segment(f->snap, 1), SIDX_CUBE, other);
	assert_int_equal(v->unlink(v->ctx, dir, path), 0);
	assert_int_equal(v->link(v->ctx, dir, other, dir, path), 0);
	v->close(v->ctx, dir);
	sum_up(f, false);
	assert_int_equal(f->sum.files[SIDX_TYPE].missing, 1);
	assert_int_equal(f->sum.files[SIDX_ENTITY].damaged, 0);
	sum_up(f, true);
	assert_int_equal(f->sum.files[SIDX_TYPE].missing, 1);
	assert_int_equal(f->sum.files[SIDX_TYPE].damaged, 0);
	assert_int_equal(f->sum.files[SIDX_ENTITY].damaged, 1);
	assert_int_equal(f->sum.files[SIDX_CUBE].stale, 1);
	assert_int_equal(f->sum.files[SIDX_WORD].stale + f->sum.files[SIDX_WORD].damaged, 0);
}

static void deleted_rows_are_told(void **state)
{
	struct fixture *f = *state;
	bool which[SEALED] = { [7] = true };

	append(f, SEALED);
	assert_int_equal(store_kit_seal(&f->kit), 0);
	assert_int_equal(store_kit_delete(&f->kit, which), 0);
	sum_up(f, false);
	assert_true(f->sum.deletes);
	assert_int_equal(f->sum.rows_sealed, SEALED);
	assert_int_equal(store_kit_purge(&f->kit), 0);
	sum_up(f, false);
	assert_false(f->sum.deletes);
	assert_int_equal(f->sum.rows_sealed, SEALED - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_store, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows_times_and_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sidecars_are_judged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(deleted_rows_are_told, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("store_summary", tests, NULL, NULL);
}
