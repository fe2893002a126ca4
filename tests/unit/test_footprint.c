/*
 * Goal:   without a mark nothing is looked at; above it pages that malloc only keeps go back, and what is
 *         above it even then is told, to one of those who look at a time, and counted; near it is tight.
 * Method: a clock that the test turns; pieces that are freed between pieces in use; memory mapped besides.
 */
#include "tests/support/check_cmocka.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "storage/footprint.h"

enum { PIECES = 2048, PIECE_BYTES = 16 << 10, KEPT = 16, BESIDE_BYTES = 32 << 20, THREADS = 4 };

static const size_t far_away = SIZE_MAX / 2;
static int64_t now_ns = CLOCK_NS_PER_SEC;

static int set_up(void **state)
{
	(void)state;
	/* Pieces are of the heap, however many are there. */
	mallopt(M_MMAP_THRESHOLD, 64 * PIECE_BYTES);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	clock_real();
	return footprint_watch(0);
}

static struct footprint_use use(void)
{
	struct footprint_use u;

	footprint_use(&u);
	return u;
}

/* A look for which it is time. */
static size_t look(void)
{
	size_t over = 0;

	now_ns += CLOCK_NS_PER_SEC;
	clock_fake(now_ns, now_ns);
	assert_true(footprint_look(&over));
	return over;
}

static size_t own(void)
{
	look();
	return use().own_bytes;
}

static void *touched(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	memset(p, 1, bytes);
	return p;
}

static void not_watched(void **state)
{
	struct footprint_use before = use();
	size_t over = 5;

	(void)state;
	assert_false(footprint_look(&over));
	assert_int_equal(over, 5);
	assert_false(footprint_is_tight());
	assert_int_equal(use().trims, before.trims);
}

static void one_look_at_a_time(void **state)
{
	size_t over;

	(void)state;
	assert_int_equal(footprint_watch(far_away), 0);
	look();
	assert_false(footprint_look(&over));
	clock_fake(now_ns, now_ns + FOOTPRINT_LOOK_MS * CLOCK_NS_PER_MS - 1);
	assert_false(footprint_look(&over));
	clock_fake(now_ns, now_ns + FOOTPRINT_LOOK_MS * CLOCK_NS_PER_MS);
	assert_true(footprint_look(&over));
	assert_int_equal(over, 0);
	assert_false(footprint_is_tight());
}

static void what_others_hold_is_told(void **state)
{
	struct footprint_use before;
	size_t bare, over;
	void *p;

	(void)state;
	assert_int_equal(footprint_watch(far_away), 0);
	bare = own();
	assert_true(bare > 0);
	p = touched(BESIDE_BYTES);
	/* A sanitizer has memory of its own for it. */
	assert_true(own() > bare + BESIDE_BYTES / 4 * 3);
	assert_int_equal(footprint_watch(bare + BESIDE_BYTES / 2), 0);
	before = use();
	over = look();
	assert_true(over > BESIDE_BYTES / 4);
	assert_int_equal(over, use().own_bytes - bare - BESIDE_BYTES / 2);
	assert_int_equal(use().trims, before.trims + 1);
	assert_int_equal(use().overs, before.overs + 1);
	assert_true(footprint_is_tight());
	/* Once free memory has gone back, the kernel counts right again. */
	footprint_gave(BESIDE_BYTES);
	assert_true(look() > BESIDE_BYTES / 4);
	munmap(p, BESIDE_BYTES);
	assert_int_equal(footprint_watch(far_away), 0);
	assert_int_equal(look(), 0);
	assert_int_equal(use().trims, before.trims + 2);
	assert_int_equal(use().overs, before.overs + 2);
}

static void near_is_tight(void **state)
{
	void *p = touched(BESIDE_BYTES);
	size_t full;

	(void)state;
	assert_int_equal(footprint_watch(far_away), 0);
	full = own();
	assert_int_equal(footprint_watch(full * 2), 0);
	look();
	assert_false(footprint_is_tight());
	assert_int_equal(footprint_watch(full + full / 16), 0);
	look();
	assert_true(footprint_is_tight());
	munmap(p, BESIDE_BYTES);
}

/* A sanitizer keeps freed memory by itself. */
static void free_pages_go_back(void **state)
{
	static void *pieces[PIECES];
	size_t bare, full, left;

	(void)state;
	assert_int_equal(footprint_watch(far_away), 0);
	bare = own();
	for (int i = 0; i < PIECES; i++) {
		pieces[i] = malloc(PIECE_BYTES);
		assert_non_null(pieces[i]);
		memset(pieces[i], 1, PIECE_BYTES);
	}
	full = own();
	assert_true(full > bare + (size_t)PIECES / 2 * PIECE_BYTES);
	for (int i = 0; i < PIECES; i++) {
		if (i % KEPT) {
			free(pieces[i]);
			pieces[i] = NULL;
		}
	}
	assert_int_equal(footprint_watch((bare + full) / 2), 0);
	left = own();
	print_message("# own memory of %zu KiB: %zu KiB full, %zu KiB when most was freed\n",
		bare / 1024, full / 1024, left / 1024);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(left < (bare + full) / 2);
#endif
	for (int i = 0; i < PIECES; i++)
		free(pieces[i]);
}

static atomic_int looks;

static void *look_once(void *arg)
{
	size_t over;

	(void)arg;
	if (footprint_look(&over))
		atomic_fetch_add(&looks, 1);
	return NULL;
}

static void of_several_one_looks(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	assert_int_equal(footprint_watch(far_away), 0);
	now_ns += CLOCK_NS_PER_SEC;
	clock_fake(now_ns, now_ns);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_once, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&looks), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(not_watched),
		cmocka_unit_test_teardown(one_look_at_a_time, tear_down),
		cmocka_unit_test_teardown(what_others_hold_is_told, tear_down),
		cmocka_unit_test_teardown(near_is_tight, tear_down),
		cmocka_unit_test_teardown(free_pages_go_back, tear_down),
		cmocka_unit_test_teardown(of_several_one_looks, tear_down),
	};

	return cmocka_run_group_tests_name("footprint", tests, set_up, NULL);
}
