/*
 * Goal: a frame's rows come out as they went in, from memory or from disk; what all frames together
 * hold stays within the pool's limits, and is given back. Method: a real directory for the spills.
 */
#include "tests/support/check_cmocka.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/stage.h"
#include "proto/base/err.h"
#include "storage/row.h"

static uint8_t text[LIMIT_EVENT_BYTES];
static uint8_t batch[LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES];

struct fixture {
	char dir[32];
	int fd;
	struct stage_pool pool;
	struct stage s;
	struct diag d;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	char tmp[64];

	strcpy(f->dir, "/tmp/astro-stage-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(tmp, sizeof tmp, "%s/tmp", f->dir);
	assert_int_equal(mkdir(tmp, 0700), 0);
	f->fd = open(f->dir, O_RDONLY | O_DIRECTORY);
	stage_pool_init(&f->pool, f->fd, 8 << 20, 64 << 20);
	stage_init(&f->s, &f->pool);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char tmp[64];

	stage_fini(&f->s);
	stage_pool_fini(&f->pool);
	assert_int_equal(f->pool.bytes, 0);
	assert_int_equal(f->pool.spills.all_bytes, 0);
	close(f->fd);
	snprintf(tmp, sizeof tmp, "%s/tmp", f->dir);
	assert_int_equal(rmdir(tmp), 0); /* nothing is left with a name */
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static int put(struct fixture *f, struct stage *s, int64_t time_ns, size_t bytes)
{
	struct event ev = { .time_ns = time_ns };

	ev.text[EVENT_TEXT_DESCRIPTION] = span_of(text, bytes);
	return stage_put(s, &ev, &f->d);
}

static void test_in_memory(void **state)
{
	struct fixture *f = *state;
	struct rcur c;
	struct event ev;

	assert_int_equal(put(f, &f->s, 30, 3), 0);
	assert_int_equal(put(f, &f->s, 10, 0), 0);
	assert_int_equal(put(f, &f->s, 20, 5), 0);
	assert_int_equal(stage_complete(&f->s, &f->d), 0);
	assert_null(f->s.spill);
	assert_int_equal(f->s.rows_count, 3);
	assert_int_equal(f->s.total, 3);
	assert_int_equal(f->s.time_min_ns, 10);
	assert_int_equal(f->s.time_max_ns, 30);
	c = rcur_of(f->s.rows.p, f->s.rows.len);
	assert_int_equal(row_get(&c, &ev), 0);
	assert_int_equal(ev.time_ns, 30);
	stage_drop(&f->s);
	assert_int_equal(f->s.total, 0);
}

static void test_too_large(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(put(f, &f->s, 1, LIMIT_EVENT_BYTES), STAGE_TOO_LARGE);
	assert_int_equal(put(f, &f->s, 2, LIMIT_EVENT_BYTES - 200), 0);
	assert_int_equal(f->s.total, 1);
}

/* Beyond LIMIT_STAGE_BYTES, and beyond LIMIT_BATCH_ROWS, the rows are on disk, all and in order. */
static void test_spill(void **state)
{
	enum { ROWS = LIMIT_BATCH_ROWS + 5000 };
	struct fixture *f = *state;
	struct store_batch b = { .more = true };
	int64_t next = 0;

	for (int64_t i = 0; i < ROWS; i++)
		assert_int_equal(put(f, &f->s, i, i % 1000 == 0 ? 50000 : 0), 0);
	assert_int_equal(stage_complete(&f->s, &f->d), 0);
	assert_non_null(f->s.spill);
	assert_int_equal(f->s.rows_count, 0);
	assert_int_equal(f->s.total, ROWS);
	assert_int_equal(f->pool.spilled, 1);
	spill_rewind(f->s.spill);
	while (spill_get(f->s.spill, batch, sizeof batch, &b, &f->d) == 1) {
		struct rcur c = rcur_of(b.rows, b.rows_bytes);
		struct event ev;

		assert_int_equal(b.time_min_ns, next);
		for (uint32_t i = 0; i < b.rows_count; i++) {
			assert_int_equal(row_get(&c, &ev), 0);
			assert_int_equal(ev.time_ns, next++);
		}
		assert_int_equal(b.time_max_ns, next - 1);
	}
	assert_int_equal(next, ROWS);
	assert_false(b.more);
}

/* When memory is short rows go to disk early; one that does not fit at all is refused, no more. */
static void test_memory_limit(void **state)
{
	struct fixture *f = *state;
	struct stage other;

	f->pool.bytes_max = 300000;
	stage_init(&other, &f->pool);
	for (int i = 0; i < 100; i++)
		assert_int_equal(put(f, &f->s, i, 10000), 0);
	assert_non_null(f->s.spill);
	assert_true(f->pool.bytes <= f->pool.bytes_max);
	assert_int_equal(put(f, &other, 1, 200000), ERR_BUDGET);
	assert_int_equal(f->pool.refused, 1);
	assert_non_null(strstr(f->d.text, "memory_max"));
	stage_drop(&other);
	/* The first is not hurt. */
	assert_int_equal(put(f, &f->s, 100, 10000), 0);
	assert_int_equal(stage_complete(&f->s, &f->d), 0);
	assert_int_equal(f->s.total, 101);
	stage_fini(&other);
}

static void test_disk_limit(void **state)
{
	struct fixture *f = *state;
	int rc = 0;

	f->pool.spills.all_bytes_max = 3 << 20;
	for (int i = 0; i < 1000 && rc == 0; i++)
		rc = put(f, &f->s, i, 100000);
	assert_int_equal(rc, ERR_LIMIT);
	assert_int_equal(f->pool.refused, 1);
	stage_drop(&f->s);
	assert_int_equal(f->pool.spills.all_bytes, 0);
	assert_int_equal(put(f, &f->s, 1, 100), 0);
}

/* Of one frame; the other frames go on. */
static void test_frame_limit(void **state)
{
	struct fixture *f = *state;
	struct stage other;
	uint64_t *most = &f->pool.spills.file_bytes_max;
	int rc = 0;

	assert_int_equal(*most, LIMIT_SPILL_BYTES);
	*most = 3 << 20;
	for (int i = 0; i < 1000 && rc == 0; i++)
		rc = put(f, &f->s, i, 100000);
	assert_int_equal(rc, ERR_LIMIT);
	assert_int_equal(f->pool.refused, 1);
	assert_in_range(f->pool.spills.all_bytes, *most / 2, *most);
	stage_init(&other, &f->pool);
	for (int i = 0; i < 20; i++)
		assert_int_equal(put(f, &other, i, 100000), 0);
	assert_non_null(other.spill);
	stage_fini(&other);
}

/* Buffers go from frame to frame, not one for each connection; of those that lie idle few are kept. */
static void test_buffers_are_shared(void **state)
{
	struct fixture *f = *state;
	struct stage all[100];
	size_t after_first = 0;

	for (int i = 0; i < LIMIT_STAGE_SPARES + 3; i++) {
		stage_init(&all[i], &f->pool);
		assert_int_equal(put(f, &all[i], 1, 1000), 0);
	}
	for (int i = 0; i < LIMIT_STAGE_SPARES + 3; i++)
		stage_drop(&all[i]);
	assert_int_equal(f->pool.spares_count, LIMIT_STAGE_SPARES);
	stage_pool_fini(&f->pool);
	assert_int_equal(f->pool.bytes, 0);
	for (int i = 0; i < 100; i++) {
		stage_init(&all[i], &f->pool);
		assert_int_equal(put(f, &all[i], 1, 1000), 0);
		stage_drop(&all[i]);
		if (i == 0)
			after_first = f->pool.bytes;
	}
	assert_int_equal(f->pool.bytes, after_first);
	stage_charge(&f->pool, 0, 500);
	stage_charge(&f->pool, 500, 200);
	assert_int_equal(f->pool.bytes, after_first + 200);
	stage_charge(&f->pool, 200, 0);
}

static struct addr v4(uint32_t host)
{
	struct addr a = { .sa_bytes = sizeof(struct sockaddr_in) };
	struct sockaddr_in *in = (void *)&a.sa;

	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(host);
	return a;
}

/* A peer that holds its share is refused the next frame; another one finds room. */
static void test_shares_of_peers(void **state)
{
	struct fixture *f = *state;
	const struct addr loud = v4(1), quiet = v4(2);
	struct stage all[6], calm;
	struct peers peers;
	unsigned refused = 0;
	size_t more;

	assert_int_equal(peers_init(&peers), 0);
	peers.limits.held_max = 3 << 20;
	f->pool.peers = &peers;
	for (int i = 0; i < 6; i++) {
		int rc = 0;

		stage_init(&all[i], &f->pool);
		all[i].peer = &loud;
		for (int k = 0; k < 9 && rc == 0; k++)
			rc = put(f, &all[i], 1, 100000);
		/* Nothing is left for the first row of another frame. */
		if (rc < 0)
			assert_int_equal(rc, ERR_BUDGET);
		refused += rc < 0;
	}
	assert_int_equal(refused, 3);
	stage_init(&calm, &f->pool);
	calm.peer = &quiet;
	for (int k = 0; k < 9; k++)
		assert_int_equal(put(f, &calm, 1, 100000), 0);
	assert_null(calm.spill);
	assert_false(stage_pool_crowded_by(&f->pool, calm.peer));
	peers.limits.held_max = 1;
	assert_true(stage_pool_crowded_by(&f->pool, calm.peer));
	/* Without a limit of its own one peer leaves a part: of eight, one. */
	peers.limits.held_max = 0;
	stage_drop(&calm);
	for (int i = 0; i < 6; i++)
		stage_fini(&all[i]);
	stage_pool_fini(&f->pool); /* the spares */
	more = f->pool.bytes_max / (LIMIT_PEER_RATIO + 1) * LIMIT_PEER_RATIO;
	stage_hold(&calm, 0, more);
	assert_false(stage_pool_may_hold(&f->pool, calm.peer, 100000));
	calm.peer = &loud;
	assert_true(stage_pool_may_hold(&f->pool, calm.peer, 100000));
	calm.peer = &quiet;
	stage_hold(&calm, more, 0);
	f->pool.peers = NULL;
	peers_fini(&peers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spill, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disk_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frame_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_buffers_are_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shares_of_peers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
