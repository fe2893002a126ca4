/*
 * Goal:   sidecars of every version since 2 of .ent and 1 of .tok stay readable.
 * Method: the files of tests/golden/sidecars-2 are never made again; they belong to the segment of
 *         segment-1, and FORMAT.md explains their bytes.
 */
#include "tests/support/check_cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entities),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests_name("golden_sidecar", tests, NULL, NULL);
}
