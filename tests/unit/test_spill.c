/* Goal: batches come back from a spill as they went in, within limits, and damage is noticed. */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "storage/spill.h"
#include "tests/support/simfs.h"

static struct simfs *fs;
static struct spill_pool pool;

static int setup(void **state)
{
	const struct vfs *v;

	(void)state;
	fs = simfs_new(3);
	v = simfs_vfs(fs);
	v->mkdir(v->ctx, AT_FDCWD, SIMFS_DIR, 0750);
	memset(&pool, 0, sizeof pool);
	pool.vfs = v;
	pool.dir = v->open_dir(v->ctx, SIMFS_DIR);
	pool.file_bytes_max = 1 << 20;
	pool.all_bytes_max = 3 << 19;
	return v->mkdir(v->ctx, pool.dir, "tmp", 0750);
}

static int teardown(void **state)
{
	(void)state;
	pool.vfs->close(pool.vfs->ctx, pool.dir);
	assert_int_equal(simfs_fds(fs), 0);
	simfs_free(&fs);
	return 0;
}

static uint8_t bytes[LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES];
static uint8_t back[LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES];

static int put(struct spill *s, size_t n, uint32_t rows)
{
	struct store_batch b = { .rows = bytes,
		.rows_bytes = n,
		.rows_count = rows,
		.time_min_ns = -(int64_t)rows,
		.time_max_ns = (int64_t)n };

	memset(bytes, (int)rows, n);
	return spill_put(s, &b, NULL);
}

static void in_and_out(void **state)
{
	struct spill *s = NULL;
	struct store_batch b;

	(void)state;
	assert_int_equal(spill_open(&pool, &s, NULL), 0);
	assert_int_equal(spill_get(s, back, sizeof back, &b, NULL), 0);
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(put(s, i * 1000, i), 0);
	assert_int_equal(spill_batches(s), 5);
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 1; i <= 5; i++) {
			assert_int_equal(spill_get(s, back, sizeof back, &b, NULL), 1);
			assert_int_equal(b.rows_bytes, i * 1000);
			assert_int_equal(b.rows_count, i);
			assert_int_equal(b.time_min_ns, -(int64_t)i);
			assert_int_equal(b.time_max_ns, i * 1000);
			assert_int_equal(b.more, i < 5);
			for (size_t k = 0; k < b.rows_bytes; k++)
				assert_int_equal(b.rows[k], i);
		}
		assert_int_equal(spill_get(s, back, sizeof back, &b, NULL), 0);
		spill_rewind(s);
	}
	spill_close(&s);
	assert_int_equal(atomic_load(&pool.all_bytes), 0);
	/* It has no name, so nothing can be left of it. */
	assert_int_equal(simfs_bytes(fs, "tmp/spill-0"), -ENOENT);
}

static void limits_hold(void **state)
{
	struct spill *a = NULL, *b = NULL;

	(void)state;
	assert_int_equal(spill_open(&pool, &a, NULL), 0);
	assert_int_equal(spill_open(&pool, &b, NULL), 0);
	for (int i = 0; i < 9; i++)
		assert_int_equal(put(a, 110000, 1), 0);
	assert_int_equal(put(a, 110000, 1), ERR_LIMIT);
	for (int i = 0; i < 5; i++)
		assert_int_equal(put(b, 100000, 1), 0);
	assert_int_equal(put(b, 100000, 1), ERR_LIMIT);
	spill_close(&a);
	assert_int_equal(put(b, 100000, 1), 0);
	spill_close(&b);
	assert_int_equal(atomic_load(&pool.all_bytes), 0);
}

static void failures_come_back(void **state)
{
	struct spill *s = NULL;

	(void)state;
	for (uint64_t nth = 1; nth <= 2; nth++) {
		simfs_fail(fs, nth, SIMFS_ERROR, -ENOSPC);
		assert_int_equal(spill_open(&pool, &s, NULL), -ENOSPC);
	}
	assert_int_equal(spill_open(&pool, &s, NULL), 0);
	simfs_fail(fs, 2, SIMFS_SHORT, -EIO);
	assert_int_equal(put(s, 100, 1), -EIO);
	spill_close(&s);
	assert_int_equal(atomic_load(&pool.all_bytes), 0);
}

static int keep_name(void *ctx, int dir, const char *name)
{
	(void)ctx;
	(void)dir;
	(void)name;
	return 0;
}

/* Method: the file keeps its name, and through it each of its bytes is changed. */
static void damage_is_noticed(void **state)
{
	struct vfs naming = *pool.vfs;
	struct spill *s = NULL;
	struct store_batch b;

	(void)state;
	naming.unlink = keep_name;
	pool.vfs = &naming;
	assert_int_equal(spill_open(&pool, &s, NULL), 0);
	assert_int_equal(put(s, 100, 1), 0);
	assert_int_equal(spill_get(s, back, 50, &b, NULL), ERR_CORRUPT);
	for (int64_t off = 0; off < simfs_bytes(fs, "tmp/spill-0"); off++) {
		assert_int_equal(simfs_flip(fs, "tmp/spill-0", (uint64_t)off, 1), 0);
		spill_rewind(s);
		assert_int_equal(spill_get(s, back, sizeof back, &b, NULL), ERR_CORRUPT);
		assert_int_equal(simfs_flip(fs, "tmp/spill-0", (uint64_t)off, 1), 0);
	}
	spill_rewind(s);
	assert_int_equal(spill_get(s, back, sizeof back, &b, NULL), 1);
	assert_int_equal(simfs_truncate(fs, "tmp/spill-0", 90), 0);
	spill_rewind(s);
	assert_int_equal(spill_get(s, back, sizeof back, &b, NULL), ERR_CORRUPT);
	spill_close(&s);
	pool.vfs = simfs_vfs(fs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_and_out, setup, teardown),
		cmocka_unit_test_setup_teardown(limits_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(failures_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(damage_is_noticed, setup, teardown),
	};

	return cmocka_run_group_tests_name("spill", tests, NULL, NULL);
}
