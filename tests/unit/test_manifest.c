/*
 * Goal: a manifest holds exactly the changes that were appended, for every handle on it, across files
 * and lives. Method: random changes against an array, two handles by turns, each file reopened.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/manifest.h"
#include "storage/manifest_walk.h"
#include "tests/support/simfs.h"

/* Of a round whose segments are made of round * 100 ...: the last id they may hold. */
#define SEALED(round) ((round)*1000 + 999)

static const uint8_t uuid[16] = "0123456789abcdef";

struct fixture {
	struct simfs *fs;
	const struct vfs *v;
	int dir;
	struct ctl *ctl;
	struct manifest *m;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	*state = f;
	f->fs = simfs_new(5);
	f->v = simfs_vfs(f->fs);
	f->v->mkdir(f->v->ctx, AT_FDCWD, SIMFS_DIR, 0750);
	f->dir = f->v->open_dir(f->v->ctx, SIMFS_DIR);
	if (ctl_open(f->v, f->dir, uuid, CTL_CREATE, &f->ctl, NULL) < 0)
		return -1;
	return manifest_create(f->v, f->dir, uuid, f->ctl, &f->m, NULL);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	manifest_close(&f->m);
	ctl_close(&f->ctl);
	f->v->close(f->v->ctx, f->dir);
	assert_int_equal(simfs_fds(f->fs), 0);
	simfs_free(&f->fs);
	free(f);
	return 0;
}

static struct manifest_segment segment(uint64_t n)
{
	return (struct manifest_segment){
		.id_first = n * 10 + 1,
		.id_last = n * 10 + 10,
		.rows_count = 10,
		.time_min_ns = -(int64_t)n,
		.time_max_ns = (int64_t)n,
		.file_bytes = n + 1000,
		.file_sum = n * 77,
		.blocks_count = 1,
		.day = 20000 + (int32_t)(n % 5),
		.gen = (uint16_t)(n % 3),
		.hour = (uint8_t)(n % 26),
		.class_name = "default",
	};
}

static void check_same(const struct manifest *m, const struct manifest_segment *want, size_t n)
{
	size_t count;
	const struct manifest_segment *have = manifest_segments(m, &count);

	assert_int_equal(count, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(have[i].no, want[i].no);
		assert_int_equal(have[i].id_first, want[i].id_first);
		assert_int_equal(have[i].id_last, want[i].id_last);
		assert_int_equal(have[i].rows_count, want[i].rows_count);
		assert_int_equal(have[i].time_min_ns, want[i].time_min_ns);
		assert_int_equal(have[i].time_max_ns, want[i].time_max_ns);
		assert_int_equal(have[i].file_bytes, want[i].file_bytes);
		assert_int_equal(have[i].file_sum, want[i].file_sum);
		assert_int_equal(have[i].day, want[i].day);
		assert_int_equal(have[i].gen, want[i].gen);
		assert_int_equal(have[i].hour, want[i].hour);
		assert_string_equal(have[i].class_name, want[i].class_name);
	}
}

static void paths_are_made_of_numbers(void **state)
{
	struct manifest_segment s = segment(1);
	char path[MANIFEST_PATH_BYTES];

	(void)state;
	s.day = 20777;
	s.hour = 3;
	assert_string_equal(
		manifest_segment_path(&s, path), "seg/2026-11-20/03.default.11-20.1.seg");
	s.hour = MANIFEST_HOUR_DAY;
	s.id_last = UINT64_MAX;
	assert_string_equal(manifest_segment_path(&s, path),
		"seg/2026-11-20/day.default.11-18446744073709551615.1.seg");
	s.hour = MANIFEST_HOUR_MIXED;
	s.day = -1;
	assert_string_equal(manifest_segment_dir(&s, path), "seg/1969-12-31");
	assert_string_equal(manifest_segment_path(&s, path),
		"seg/1969-12-31/mix.default.11-18446744073709551615.1.seg");
}

/* One random change to m and to the array; returns the array's new length. */
static size_t change(struct manifest *m, struct manifest_segment *list, size_t n, uint64_t round)
{
	struct manifest_segment adds[30];
	uint64_t drops[30];
	struct manifest_change c = { .adds = adds, .drops = drops, .sealed_id = SEALED(round) };
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (rand() % 8 == 0 && c.drops_count < 30)
			drops[c.drops_count++] = list[i].no;
		else
			list[kept++] = list[i];
	}
	c.adds_count = (size_t)rand() % 30;
	for (size_t i = 0; i < c.adds_count; i++)
		adds[i] = segment(round * 100 + i);
	ASSERT(c.adds_count == 0 || adds[c.adds_count - 1].id_last <= c.sealed_id);
	assert_int_equal(manifest_lock(m, NULL), 0);
	assert_int_equal(manifest_append(m, &c, NULL), 0);
	manifest_unlock(m);
	for (size_t i = 0; i < c.adds_count; i++)
		list[kept++] = adds[i];
	return kept;
}

static void changes_add_up(void **state)
{
	static struct manifest_segment list[4096];
	struct fixture *f = *state;
	struct manifest *other = NULL, *alone = NULL;
	struct ctl *ctl = NULL;
	int64_t longest = 0;
	size_t n = 0;

	srand(11);
	assert_int_equal(ctl_open(f->v, f->dir, uuid, CTL_WRITE, &ctl, NULL), 0);
	assert_int_equal(manifest_open(f->v, f->dir, uuid, ctl, &other, NULL), 0);
	assert_int_equal(manifest_open(f->v, f->dir, uuid, NULL, &alone, NULL), 0);
	for (uint64_t round = 1; round <= 1500; round++) {
		n = change(round % 3 ? f->m : other, list, n, round);
		assert_true(manifest_refresh(f->m, NULL) >= 0);
		check_same(f->m, list, n);
		if (manifest_number(f->m) == 1)
			longest = simfs_bytes(f->fs, "manifest-1");
		if (round % 10 == 0) {
			assert_int_equal(manifest_refresh(alone, NULL), 1);
			check_same(alone, list, n);
			assert_int_equal(manifest_changes(alone), round);
			assert_int_equal(manifest_sealed(alone), SEALED(round));
			assert_int_equal(manifest_refresh(alone, NULL), 0);
		}
	}
	/* It grew past its limit on the way, by no more than one change. */
	assert_true(manifest_number(f->m) > 1);
	assert_in_range(longest, LIMIT_MANIFEST_BYTES + 1, LIMIT_MANIFEST_BYTES + 8192);
	assert_int_equal(simfs_bytes(f->fs, "manifest-1"), -ENOENT);
	assert_int_equal(simfs_bytes(f->fs, "manifest-1.b"), -ENOENT);
	manifest_close(&alone);
	manifest_close(&other);
	assert_int_equal(manifest_open(f->v, f->dir, uuid, ctl, &other, NULL), 0);
	check_same(other, list, n);
	manifest_close(&other);
	ctl_close(&ctl);
}

static void wrong_changes_are_refused(void **state)
{
	static struct manifest_segment many[LIMIT_CHANGE_SEGMENTS + 1];
	struct fixture *f = *state;
	struct manifest_segment one = segment(1);
	uint64_t no = 1;
	struct manifest_change c = { .adds = &one, .adds_count = 1 };
	struct manifest_change d = { .drops = &no, .drops_count = 1 };
	struct manifest_change e = { .adds = many, .adds_count = LIMIT_CHANGE_SEGMENTS + 1 };

	assert_int_equal(manifest_lock(f->m, NULL), 0);
	assert_int_equal(manifest_append(f->m, &d, NULL), ERR_STALE);
	assert_int_equal(manifest_append(f->m, &c, NULL), 0);
	assert_int_equal(one.no, 1);
	assert_int_equal(manifest_append(f->m, &d, NULL), 0);
	assert_int_equal(manifest_append(f->m, &d, NULL), ERR_STALE);
	assert_int_equal(manifest_append(f->m, &e, NULL), ERR_LIMIT);
	assert_int_equal(manifest_changes(f->m), 2);
	manifest_unlock(f->m);
}

static void rows_are_sealed_once(void **state)
{
	struct fixture *f = *state;
	struct manifest_segment one = segment(1), next = segment(2);
	struct manifest_change c = { .adds = &one, .adds_count = 1, .sealed_id = one.id_last };
	struct manifest_change beyond = { .adds = &next, .adds_count = 1, .sealed_id = 25 };
	size_t count;

	assert_int_equal(manifest_lock(f->m, NULL), 0);
	assert_int_equal(manifest_append(f->m, &c, NULL), 0);
	assert_int_equal(manifest_append(f->m, &c, NULL), ERR_RANGE);
	assert_int_equal(manifest_append(f->m, &beyond, NULL), ERR_RANGE);
	manifest_segments(f->m, &count);
	assert_int_equal(count, 1);
	assert_int_equal(manifest_sealed(f->m), one.id_last);
	beyond.sealed_id = next.id_last;
	assert_int_equal(manifest_append(f->m, &beyond, NULL), 0);
	manifest_unlock(f->m);
}

static void no_more_than_the_limit_live(void **state)
{
	static struct manifest_segment adds[LIMIT_CHANGE_SEGMENTS];
	struct fixture *f = *state;
	struct manifest_change c = { .adds = adds, .adds_count = LIMIT_CHANGE_SEGMENTS };
	size_t count;

	for (size_t i = 0; i < LIMIT_CHANGE_SEGMENTS; i++)
		adds[i] = segment(i);
	assert_int_equal(manifest_lock(f->m, NULL), 0);
	for (size_t n = 0; n < LIMIT_SEGMENTS; n += LIMIT_CHANGE_SEGMENTS)
		assert_int_equal(manifest_append(f->m, &c, NULL), 0);
	c.adds_count = 1;
	assert_int_equal(manifest_append(f->m, &c, NULL), ERR_LIMIT);
	manifest_segments(f->m, &count);
	assert_int_equal(count, LIMIT_SEGMENTS);
	/* And a new pair with all of them is read back. */
	assert_int_equal(manifest_repair(f->m, NULL), 0);
	manifest_unlock(f->m);
	manifest_close(&f->m);
	assert_int_equal(manifest_open(f->v, f->dir, uuid, f->ctl, &f->m, NULL), 0);
	manifest_segments(f->m, &count);
	assert_int_equal(count, LIMIT_SEGMENTS);
}

static int count_record(void *arg, const struct manifest_rec *rec, uint64_t off)
{
	unsigned *n = arg;

	assert_int_equal(rec->base, *n == 0);
	assert_true(off >= LAYOUT_MANIFEST_HEAD_BYTES);
	++*n;
	return 0;
}

/* Each byte of either copy, then of both, flipped: the whole state, or an error that says where. */
static void damage_costs_a_copy(void **state)
{
	static struct manifest_segment list[256];
	struct fixture *f = *state;
	size_t n = 0;
	int64_t bytes;

	srand(3);
	for (uint64_t round = 1; round <= 5; round++)
		n = change(f->m, list, n, round);
	bytes = simfs_bytes(f->fs, "manifest-1");
	assert_int_equal(bytes, simfs_bytes(f->fs, "manifest-1.b"));
	for (int64_t off = 0; off < bytes; off++) {
		for (unsigned which = 1; which <= 3; which++) {
			struct manifest *m = NULL;
			struct manifest_walk_head head;
			struct diag d = { .off = -1 };
			unsigned records = 0;
			int rc;

			if (which & 1)
				simfs_flip(f->fs, "manifest-1", (uint64_t)off, 4);
			if (which & 2)
				simfs_flip(f->fs, "manifest-1.b", (uint64_t)off, 4);
			rc = manifest_open(f->v, f->dir, uuid, NULL, &m, &d);
			if (which < 3) {
				assert_int_equal(rc, 0);
				check_same(m, list, n);
				assert_int_equal(manifest_sealed(m), SEALED(5));
			} else if (rc < 0) {
				assert_int_equal(rc, ERR_CORRUPT);
				assert_in_range(d.off, 0, off);
				assert_int_equal(strncmp(d.file, "manifest-1", 10), 0);
			} else {
				/* The last record alone can pass for a torn one. */
				assert_int_equal(manifest_changes(m), 4);
			}
			manifest_close(&m);
			rc = manifest_walk(
				f->v, f->dir, "manifest-1", &head, count_record, &records, &d);
			assert_int_equal(rc < 0, (which & 1) != 0);
			if (which & 1)
				simfs_flip(f->fs, "manifest-1", (uint64_t)off, 4);
			if (which & 2)
				simfs_flip(f->fs, "manifest-1.b", (uint64_t)off, 4);
		}
	}
	/* One copy gone: the other one does, and a repair makes two of them again. */
	assert_int_equal(f->v->unlink(f->v->ctx, f->dir, "manifest-1"), 0);
	assert_int_equal(manifest_lock(f->m, NULL), 0);
	check_same(f->m, list, n);
	assert_int_equal(manifest_repair(f->m, NULL), 0);
	manifest_unlock(f->m);
	assert_true(simfs_bytes(f->fs, "manifest-2") > 0);
	assert_int_equal(simfs_bytes(f->fs, "manifest-1.b"), -ENOENT);
}

static void a_failed_append_is_no_change(void **state)
{
	struct fixture *f = *state;
	struct manifest_segment one = segment(9);
	struct manifest_change c = { .adds = &one, .adds_count = 1 };
	struct manifest *other = NULL;
	size_t count;

	for (uint64_t nth = 1; nth < 40; nth++) {
		uint64_t before = manifest_changes(f->m);

		assert_int_equal(manifest_lock(f->m, NULL), 0);
		simfs_fail(f->fs, nth, SIMFS_SHORT, -EIO);
		/* A new pair stands in where the old one failed. */
		if (manifest_append(f->m, &c, NULL) == 0)
			assert_int_equal(manifest_changes(f->m), before + 1);
		else
			assert_int_equal(manifest_changes(f->m), before);
		simfs_fail(f->fs, 0, SIMFS_ERROR, 0);
		manifest_unlock(f->m);
		assert_int_equal(manifest_lock(f->m, NULL), 0);
		assert_int_equal(manifest_append(f->m, &c, NULL), 0);
		manifest_unlock(f->m);
		assert_int_equal(manifest_open(f->v, f->dir, uuid, NULL, &other, NULL), 0);
		assert_int_equal(manifest_changes(other), manifest_changes(f->m));
		manifest_segments(other, &count);
		assert_int_equal(count, manifest_changes(other));
		manifest_close(&other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_made_of_numbers),
		cmocka_unit_test_setup_teardown(changes_add_up, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_changes_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(rows_are_sealed_once, setup, teardown),
		cmocka_unit_test_setup_teardown(no_more_than_the_limit_live, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_costs_a_copy, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failed_append_is_no_change, setup, teardown),
	};

	return cmocka_run_group_tests_name("manifest", tests, NULL, NULL);
}
