/* Goal: a helper does what it is given, once, again and again, under the priority of who gives it. */
#include "tests/support/check_cmocka.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "query/helper.h"

struct task {
	int runs;
	int nice;
	pid_t tid;
	struct helper *lower; /* itself, while it works; NULL: not */
};

static void work(void *arg)
{
	struct task *t = arg;

	if (t->lower)
		helper_lower(t->lower, getpriority(PRIO_PROCESS, 0) + 1);
	t->runs++;
	t->tid = gettid();
	t->nice = getpriority(PRIO_PROCESS, 0);
}

static void run(struct helper *h, struct task *t)
{
	assert_true(helper_start(h, work, t));
	helper_join(h);
}

static void one_thread_works_again_and_again(void **state)
{
	struct helper *h = helper_new();
	struct task t = { .runs = 0 };
	pid_t first;

	(void)state;
	assert_non_null(h);
	run(h, &t);
	first = t.tid;
	assert_int_not_equal(first, gettid());
	for (int i = 0; i < 1000; i++)
		run(h, &t);
	assert_int_equal(t.runs, 1001);
	assert_int_equal(t.tid, first);
	helper_free(&h);
	assert_null(h);
}

static void one_that_never_worked_is_freed(void **state)
{
	struct helper *h = helper_new();

	(void)state;
	helper_lower(h, 19);
	helper_free(&h);
	assert_null(h);
	helper_free(&h);
}

static void lowered_is_lowered_for_that_work_alone(void **state)
{
	struct helper *h = helper_new();
	struct task t = { .runs = 0 }, low = { .lower = h };
	int nice = getpriority(PRIO_PROCESS, 0);

	(void)state;
	run(h, &t);
	assert_int_equal(t.nice, nice);
	run(h, &low);
	assert_int_equal(low.tid, t.tid);
	assert_int_equal(low.nice, nice + 1);
	run(h, &t);
	assert_int_not_equal(t.tid, low.tid);
	assert_int_equal(t.nice, nice);
	helper_free(&h);
}

/* A thread that was lowered starts one that is. */
static void *start_lowered(void *arg)
{
	struct helper *h = arg;
	struct task t = { .runs = 0 };
	int nice = getpriority(PRIO_PROCESS, 0) + 2;

	assert_int_equal(setpriority(PRIO_PROCESS, (id_t)gettid(), nice), 0);
	run(h, &t);
	assert_int_equal(t.nice, nice);
	return NULL;
}

static void priority_is_that_of_who_starts_it(void **state)
{
	struct helper *h = helper_new();
	struct task t = { .runs = 0 };
	pthread_t other;

	(void)state;
	run(h, &t);
	assert_int_equal(pthread_create(&other, NULL, start_lowered, h), 0);
	pthread_join(other, NULL);
	run(h, &t);
	assert_int_equal(t.nice, getpriority(PRIO_PROCESS, 0));
	helper_free(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_thread_works_again_and_again),
		cmocka_unit_test(one_that_never_worked_is_freed),
		cmocka_unit_test(lowered_is_lowered_for_that_work_alone),
		cmocka_unit_test(priority_is_that_of_who_starts_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
