/*
 * Goal:   sidecars of every version since 2 of .ent, 1 of .tok and 1 of .cub stay readable.
 * Method: the files of tests/golden/sidecars-2 and cubes-1 are never made again; they belong to the
 *         segment of segment-1, and FORMAT.md explains their bytes; y.cub to y.seg beside it.
 */
#include "tests/support/check_cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/sidx_cube.h"
#include "storage/sidx_entity.h"
#include "storage/sidx_word.h"

static int open_golden(const char *name)
{
	const char *source = getenv("ASTRO_SOURCE");
	char path[4096];
	int dir;

	snprintf(path, sizeof path, "%s/tests/golden/%s", source ? source : ".", name);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	return dir;
}

static struct seg_info golden_info(void)
{
	int dir = open_golden("segment-1");
	struct seg_reader *r = NULL;
	struct seg_info info;

	assert_int_equal(seg_reader_open(vfs_real(), dir, "x.seg", &r, NULL), 0);
	info = *seg_reader_info(r);
	seg_reader_close(&r);
	close(dir);
	return info;
}

static void entities(void **state)
{
	struct seg_info info = golden_info();
	int dir = open_golden("sidecars-2");
	uint64_t blocks = 0, ids, users;
	struct sidx_entity *x = NULL;

	(void)state;
	assert_int_equal(sidx_entity_open(vfs_real(), dir, "x.ent", &info, &x, NULL), 0);
	assert_int_equal(sidx_entity_check(x, NULL), 0);
	sidx_entity_counts(x, &ids, &users);
	assert_int_equal(ids, 1);
	assert_int_equal(users, 1);
	assert_int_equal(sidx_entity_find(x, SPAN_LIT("order"), SPAN_LIT("o1"), &blocks, NULL), 0);
	assert_int_equal(blocks, 1);
	blocks = 0;
	assert_int_equal(sidx_entity_find_user(x, SPAN_LIT("u7"), &blocks, NULL), 0);
	assert_int_equal(blocks, 1);
	blocks = 0;
	assert_int_equal(sidx_entity_find_id(x, SPAN_LIT("o2"), &blocks, NULL), 0);
	assert_int_equal(sidx_entity_find_user(x, SPAN_LIT("u8"), &blocks, NULL), 0);
	assert_int_equal(blocks, 0);
	sidx_entity_close(&x);
	close(dir);
}

static void words(void **state)
{
	struct seg_info info = golden_info();
	int dir = open_golden("sidecars-2");
	struct sidx_word *x = NULL;
	uint64_t blocks = 0;

	(void)state;
	assert_int_equal(sidx_word_open(vfs_real(), dir, "x.tok", &info, &x, NULL), 0);
	assert_int_equal(sidx_word_check(x, NULL), 0);
	/* "in" of the description, "n" of the metadata. */
	assert_int_equal(sidx_word_count(x), 2);
	assert_true(sidx_word_may_have(x, NULL, 0, SPAN_LIT("IN")));
	assert_true(sidx_word_may_have(x, NULL, 0, SPAN_LIT("n")));
	assert_int_equal(sidx_word_find(x, NULL, SPAN_LIT("nowhere"), &blocks, NULL), 0);
	assert_int_equal(blocks, 0);
	sidx_word_close(&x);
	close(dir);
}

static struct span value_of(const struct sidx_cube *x, enum sidx_cube_dim dim, uint32_t line)
{
	uint32_t codes[SIDX_CUBE_DIMS];

	sidx_cube_combo(sidx_cube_table(x, 0), line, codes);
	return sidx_cube_value(x, dim, codes[dim]);
}

static void cube(void **state)
{
	struct seg_info info = golden_info();
	const struct sidx_cube_table *t;
	int dir = open_golden("cubes-1");
	uint32_t codes[SIDX_CUBE_DIMS];
	struct sidx_cube *x = NULL;

	(void)state;
	assert_int_equal(sidx_cube_open(vfs_real(), dir, "x.cub", &info, &x, NULL), 0);
	assert_int_equal(sidx_cube_tables(x), 1);
	t = sidx_cube_table(x, 0);
	assert_int_equal(t->combos_count, 2);
	assert_int_equal(t->buckets_count, 1);
	assert_int_equal(t->buckets[0], INT64_C(1763640000000000000));
	assert_true(span_eq(value_of(x, SIDX_CUBE_EVENT_TYPE, 0), SPAN_LIT("AUTH")));
	assert_true(span_eq(value_of(x, SIDX_CUBE_EVENT_TYPE, 1), SPAN_LIT("ERROR")));
	assert_null(value_of(x, SIDX_CUBE_ENTITY_TYPE, 0).p);
	assert_true(span_eq(value_of(x, SIDX_CUBE_SERVICE, 1), SPAN_LIT("web")));
	sidx_cube_combo(t, 1, codes);
	assert_int_equal(codes[SIDX_CUBE_SEVERITY], EVENT_SEVERITY_ERROR);
	assert_int_equal(sidx_cube_total(t, 1), 1);
	sidx_cube_close(&x);
	close(dir);
}

/* Rows of the block in a bucket of the table. */
static uint64_t rows_in(const struct block *b, const struct sidx_cube_table *t, uint32_t bucket)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < b->rows_count; i++) {
		int64_t time_ns = b->ints[SEG_COL_TIME][i];

		n += time_ns >= t->buckets[bucket] && time_ns < t->buckets[bucket] + t->bucket_ns;
	}
	return n;
}

static void compare_buckets(const struct block *b, const struct sidx_cube_table *t)
{
	static uint32_t rows[LIMIT_CUBE_BUCKETS];
	static uint16_t buckets[LIMIT_CUBE_BUCKETS];
	static uint64_t sums[LIMIT_CUBE_BUCKETS];
	struct sidx_cube_walk w = sidx_cube_begin(t);

	memset(sums, 0, sizeof sums);
	for (uint32_t i = 0; i < t->combos_count; i++) {
		uint32_t k = sidx_cube_next(&w, buckets, rows);

		for (uint32_t n = 0; n < k; n++)
			sums[buckets[n]] += rows[n];
	}
	for (uint32_t i = 0; i < t->buckets_count; i++)
		assert_int_equal(sums[i], rows_in(b, t, i));
}

/* Of many buckets: some lines have a list of theirs, some a bit for each, some one. */
static void cube_of_many(void **state)
{
	int dir = open_golden("cubes-1");
	struct block *b = block_new();
	struct seg_reader *r = NULL;
	struct sidx_cube *x = NULL;

	(void)state;
	assert_int_equal(seg_reader_open(vfs_real(), dir, "y.seg", &r, NULL), 0);
	assert_int_equal(seg_reader_rows(r, 0, b, NULL), 0);
	assert_int_equal(sidx_cube_open(vfs_real(), dir, "y.cub", seg_reader_info(r), &x, NULL), 0);
	assert_int_equal(sidx_cube_tables(x), 2);
	assert_int_equal(sidx_cube_check(x, NULL), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sidx_cube_table(x, i)->buckets_count, 24);
		compare_buckets(b, sidx_cube_table(x, i));
	}
	sidx_cube_close(&x);
	seg_reader_close(&r);
	block_free(&b);
	close(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entities),
		cmocka_unit_test(words),
		cmocka_unit_test(cube),
		cmocka_unit_test(cube_of_many),
	};

	return cmocka_run_group_tests_name("golden_sidecar", tests, NULL, NULL);
}
