/*
 * Goal:   every sealed event, segment and byte is in exactly one day; days are in order, each once.
 * Method: small stores of several seals on simfs, against their own manifest.
 */
#include "tests/support/check_cmocka.h"

#include "storage/snapshot_int.h"
#include "storage/store_days.h"
#include "tests/support/simfs.h"
#include "tests/support/store_kit.h"

static void check_days(struct store_kit *kit)
{
	struct store_reader *reader = NULL;
	struct store_snapshot *snap = NULL;
	struct store_days days;
	uint64_t rows = 0, bytes = 0, segments = 0;

	assert_int_equal(store_reader_open(&kit->conf, &reader, NULL), 0);
	assert_int_equal(store_reader_snapshot(reader, &snap, NULL), 0);
	assert_int_equal(store_days_make(snap, &days), 0);
	for (size_t i = 0; i < days.count; i++) {
		assert_true(i == 0 || days.list[i - 1].day < days.list[i].day);
		rows += days.list[i].rows;
		bytes += days.list[i].bytes;
		segments += days.list[i].segments;
	}
	assert_int_equal(segments, snapshot_segment_count(snap));
	for (size_t i = 0; i < snapshot_segment_count(snap); i++) {
		const struct manifest_segment *m = snapshot_segment(snap, i);
		bool found = false;

		rows -= m->rows_count;
		bytes -= m->file_bytes;
		for (size_t k = 0; k < days.count; k++)
			found = found || days.list[k].day == m->day;
		assert_true(found);
	}
	assert_int_equal(rows, 0);
	assert_int_equal(bytes, 0);
	store_days_fini(&days);
	store_snapshot_free(&snap);
	store_reader_close(&reader);
}

static void several_seals(void **state)
{
	struct simfs *fs = simfs_new(11);
	struct store_conf conf = { .dir = SIMFS_DIR,
		.journal_file_bytes = LIMIT_JOURNAL_FILE_BYTES_MIN,
		.vfs = simfs_vfs(fs) };
	struct store_kit kit;

	(void)state;
	store_kit_init(&kit, &conf, 11);
	assert_int_equal(store_kit_open(&kit), 0);
	check_days(&kit);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(store_kit_append(&kit, 60, 24 * 3), 0);
		assert_int_equal(store_kit_commit(&kit), 0);
		if (i < 3)
			assert_int_equal(store_kit_seal(&kit), 0);
		check_days(&kit);
	}
	store_kit_fini(&kit);
	simfs_free(&fs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_seals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
