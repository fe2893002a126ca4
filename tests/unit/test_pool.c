/*
 * Goal: every job that was taken is done once, in the loop; a canceled one soon; the queue has an end.
 * Method: jobs that wait for the test to let them go on, on a real loop, with two threads.
 */
#include "tests/support/check_cmocka.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/svc/metrics.h"
#include "query/pool.h"

enum { THREADS = 2, STREAK = 12 };

struct job {
	struct pool_job base;
	struct bench *bench;
	struct engine *engine;
	int nice;                     /* of the thread that ran it, at the end */
	unsigned calls;               /* that it makes */
	atomic_uint called, heard_at; /* calls made; and how many when the loop came by last */
	bool ran, done;
};

static struct bench {
	uv_loop_t loop;
	struct pool *pool;
	sem_t gate; /* a job that runs takes one */
	atomic_uint running;
	unsigned done;
	struct job jobs[LIMIT_QUERY_QUEUE + THREADS + 1];
} bench;

static void run(struct pool_job *base, struct engine *engine)
{
	struct job *job = (struct job *)base;

	assert_non_null(engine);
	assert_false(job->ran);
	job->engine = engine;
	atomic_fetch_add(&job->bench->running, 1);
	sem_wait(&job->bench->gate);
	for (unsigned i = 0; i < job->calls; i++) {
		atomic_fetch_add(&job->called, 1);
		pool_call(job->bench->pool, base);
	}
	job->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
	job->ran = true;
}

static void called(struct pool_job *base)
{
	struct job *job = (struct job *)base;

	assert_false(job->done);
	job->heard_at = job->called;
}

static void done(struct pool_job *base)
{
	struct job *job = (struct job *)base;

	assert_false(job->done);
	job->done = true;
	job->bench->done++;
}

static int set_up(void **state)
{
	struct diag d;

	memset(&bench, 0, sizeof bench);
	assert_int_equal(uv_loop_init(&bench.loop), 0);
	sem_init(&bench.gate, 0, 0);
	for (size_t i = 0; i < ARRAY_COUNT(bench.jobs); i++) {
		bench.jobs[i].bench = &bench;
		bench.jobs[i].base.run = run;
		bench.jobs[i].base.done = done;
		bench.jobs[i].base.called = called;
	}
	assert_int_equal(pool_new(&bench.loop, THREADS, &bench.pool, &d), 0);
	*state = &bench;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	pool_free(&bench.pool);
	assert_int_equal(uv_run(&bench.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&bench.loop), 0);
	sem_destroy(&bench.gate);
	return 0;
}

static void let_go(unsigned n)
{
	while (n-- > 0)
		sem_post(&bench.gate);
}

static void run_until_done(unsigned n)
{
	while (bench.done < n)
		uv_run(&bench.loop, UV_RUN_ONCE);
	assert_int_equal(bench.done, n);
}

static void await_running(unsigned n)
{
	while (atomic_load(&bench.running) < n) {
	}
}

static void every_job_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(pool_submit(bench.pool, &bench.jobs[i].base), 0);
	let_go(50);
	run_until_done(50);
	for (unsigned i = 0; i < 50; i++)
		assert_true(bench.jobs[i].ran);
	assert_int_equal(pool_queued(bench.pool), 0);
}

/* The others' memory stays as it is; now and then one that has just ended another is faster. */
static void one_after_another_is_one_workers(void **state)
{
	unsigned streak = 0, n = 0;

	(void)state;
	for (; streak < STREAK && n < LIMIT_QUERY_QUEUE; n++) {
		assert_int_equal(pool_submit(bench.pool, &bench.jobs[n].base), 0);
		let_go(1);
		run_until_done(n + 1);
		streak = n > 0 && bench.jobs[n].engine == bench.jobs[n - 1].engine ? streak + 1 : 0;
	}
	assert_int_equal(streak, STREAK);
}

static void the_queue_has_an_end(void **state)
{
	unsigned n = 0;

	(void)state;
	for (; n < THREADS; n++)
		assert_int_equal(pool_submit(bench.pool, &bench.jobs[n].base), 0);
	await_running(THREADS);
	for (; n < LIMIT_QUERY_QUEUE + THREADS; n++)
		assert_int_equal(pool_submit(bench.pool, &bench.jobs[n].base), 0);
	assert_int_equal(pool_submit(bench.pool, &bench.jobs[n].base), ERR_LIMIT);
	assert_int_equal(pool_queued(bench.pool), LIMIT_QUERY_QUEUE);
	let_go(n);
	run_until_done(n);
	assert_false(bench.jobs[n].done);
}

static void a_canceled_job_is_done_unrun(void **state)
{
	(void)state;
	for (unsigned i = 0; i < THREADS + 2; i++)
		assert_int_equal(pool_submit(bench.pool, &bench.jobs[i].base), 0);
	await_running(THREADS);
	pool_cancel(bench.pool, &bench.jobs[0].base);
	pool_cancel(bench.pool, &bench.jobs[THREADS].base);
	let_go(THREADS + 1);
	run_until_done(THREADS + 2);
	assert_true(bench.jobs[0].ran);
	assert_false(bench.jobs[THREADS].ran);
	assert_true(bench.jobs[THREADS].base.canceled);
	assert_true(bench.jobs[THREADS + 1].ran);
}

/* The loop may have an engine while no worker has one. */
static void a_spare_engine(void **state)
{
	struct engine *spare = pool_spare_engine(bench.pool);

	(void)state;
	assert_non_null(spare);
	/* Once in a turn. */
	assert_null(pool_spare_engine(bench.pool));
	uv_run(&bench.loop, UV_RUN_NOWAIT);
	assert_ptr_equal(pool_spare_engine(bench.pool), spare);
	uv_run(&bench.loop, UV_RUN_NOWAIT);
	assert_int_equal(pool_submit(bench.pool, &bench.jobs[0].base), 0);
	assert_null(pool_spare_engine(bench.pool));
	await_running(1);
	assert_null(pool_spare_engine(bench.pool));
	let_go(1);
	run_until_done(1);
	assert_ptr_equal(pool_spare_engine(bench.pool), spare);
}

/* However often a job calls, the loop comes by after the last of its calls, before it is done. */
static void the_loop_comes_when_called(void **state)
{
	enum { JOBS = 20, CALLS = 100 };

	(void)state;
	for (unsigned i = 0; i < JOBS; i++) {
		bench.jobs[i].calls = i % 2 ? CALLS : 0;
		assert_int_equal(pool_submit(bench.pool, &bench.jobs[i].base), 0);
	}
	let_go(JOBS);
	run_until_done(JOBS);
	for (unsigned i = 0; i < JOBS; i++)
		assert_int_equal(bench.jobs[i].heard_at, bench.jobs[i].calls);
}

/* It comes while the job runs, too. */
static void the_loop_comes_meanwhile(void **state)
{
	(void)state;
	assert_int_equal(pool_submit(bench.pool, &bench.jobs[0].base), 0);
	await_running(1);
	atomic_store(&bench.jobs[0].called, 1);
	assert_false(pool_call(bench.pool, &bench.jobs[0].base));
	while (bench.jobs[0].heard_at == 0)
		uv_run(&bench.loop, UV_RUN_ONCE);
	assert_false(bench.jobs[0].done);
	/* It hears of others that wait for a thread. */
	for (unsigned i = 1; i <= THREADS; i++)
		assert_int_equal(pool_submit(bench.pool, &bench.jobs[i].base), 0);
	await_running(THREADS);
	assert_true(pool_call(bench.pool, &bench.jobs[0].base));
	let_go(1 + THREADS);
	run_until_done(1 + THREADS);
}

/* Its thread is lowered while it runs; a job that waits behind it goes on in it, one after a pause does not. */
static void a_long_job_is_lowered(void **state)
{
	unsigned long_ones = THREADS, behind = THREADS, at;
	int normal = getpriority(PRIO_PROCESS, 0);
	int64_t before = metrics_get(METRICS_QUERY_LOWERED);

	(void)state;
	for (unsigned i = 0; i < long_ones + behind; i++)
		assert_int_equal(pool_submit(bench.pool, &bench.jobs[i].base), 0);
	await_running(THREADS);
	while (metrics_get(METRICS_QUERY_LOWERED) < before + THREADS)
		uv_run(&bench.loop, UV_RUN_ONCE);
	let_go(long_ones + behind);
	run_until_done(long_ones + behind);
	for (unsigned i = 0; i < long_ones + behind; i++)
		assert_int_equal(bench.jobs[i].nice, POOL_NICE);
	for (at = long_ones + behind; at < LIMIT_QUERY_QUEUE; at++) {
		assert_int_equal(pool_submit(bench.pool, &bench.jobs[at].base), 0);
		let_go(1);
		run_until_done(at + 1);
		if (bench.jobs[at].nice == normal)
			break;
	}
	assert_true(at < LIMIT_QUERY_QUEUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_job_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			one_after_another_is_one_workers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_queue_has_an_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_canceled_job_is_done_unrun, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_spare_engine, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_long_job_is_lowered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_loop_comes_when_called, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_loop_comes_meanwhile, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
