/*
 * Goal:   libastrolabe loses nothing that it took, sends again what has no ack with the same chunk id,
 *         keeps its queue's bound in each of the ways of being full, and never waits unless asked.
 * Method: the test is the collector: it accepts, reads frames, and acks late, out of order, wrongly or
 *         never, or hangs up in the middle. Every wait is for an event with a deadline.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/buf.h"
#include "proto/client.h"
#include "tests/support/fake_collector.h"

/* ---- acks ---- */

static void test_acks_come_late(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	struct fake_collector s;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	conf.window = 2;
	conf.batch_events = 1;
	conf.connect_ms = FAKE_COLLECTOR_PATIENCE_MS;
	c = fake_collector_open_client(&conf);
	fake_collector_accept(&s);
	for (int i = 0; i < 5; i++)
		assert_int_equal(fake_collector_log_number(c, i), 0);
	assert_true(fake_collector_read_frame(&s));
	assert_true(fake_collector_read_frame(&s));
	fake_collector_expect_number(&s, 1);
	assert_int_equal(fake_collector_counts(c).queued, 5);
	assert_int_equal(astro_client_flush(c, 0), -ETIMEDOUT);
	assert_int_equal(astro_client_flush(c, 1), -ETIMEDOUT);
	assert_int_equal(fake_collector_counts(c).frames, 2); /* the window's */
	fake_collector_hang_up(&s);
	fake_collector_accept(&s);
	for (int i = 0; i < 5; i++) {
		fake_collector_take_and_ack(&s);
		fake_collector_expect_number(&s, i);
	}
	assert_int_equal(astro_client_flush(c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	assert_int_equal(fake_collector_counts(c).acked, 5);
	assert_int_equal(fake_collector_counts(c).frames_resent, 2);
	assert_int_equal(fake_collector_counts(c).connections, 2);
	assert_int_equal(astro_client_close(&c, 0), 0);
	fake_collector_end(&s);
}

static void test_acks_in_another_order(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	char chunks[3][128];
	struct fake_collector s;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	conf.batch_events = 1;
	c = fake_collector_open_client(&conf);
	for (int i = 0; i < 3; i++)
		assert_int_equal(fake_collector_log_number(c, i), 0);
	fake_collector_accept(&s);
	for (int i = 0; i < 3; i++) {
		assert_true(fake_collector_read_frame(&s));
		strcpy(chunks[i], s.chunk);
	}
	fake_collector_ack(&s, chunks[2]);
	fake_collector_ack(&s, chunks[0]);
	fake_collector_hang_up(&s);
	fake_collector_accept(&s);
	fake_collector_take_and_ack(&s); /* the one in the middle, and no other */
	assert_string_equal(s.chunk, chunks[1]);
	assert_int_equal(astro_client_close(&c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	assert_int_equal(atomic_load(&s.acked), 3);
	fake_collector_end(&s);
}

static void test_an_ack_that_never_comes(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	char chunk[128];
	struct fake_collector s;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	conf.ack_ms = 20;
	c = fake_collector_open_client(&conf);
	assert_int_equal(fake_collector_log_number(c, 7), 0);
	fake_collector_accept(&s);
	assert_true(fake_collector_read_frame(&s));
	strcpy(chunk, s.chunk);
	assert_false(fake_collector_read_more(&s)); /* it hangs up by itself */
	do {
		fake_collector_accept(&s);
	} while (!fake_collector_read_frame(&s)); /* a slow machine may let one more time pass */
	fake_collector_expect_number(&s, 7);
	assert_string_equal(s.chunk, chunk);
	fake_collector_ack(&s, s.chunk);
	assert_true(atomic_load(&s.errors) > 0);
	assert_int_equal(atomic_load(&s.error), -ETIMEDOUT);
	astro_client_close(&c, FAKE_COLLECTOR_PATIENCE_MS);
	fake_collector_end(&s);
}

static void test_a_connection_cut_in_a_frame(void **state)
{
	struct astro_client_event *ev = astro_client_event_new();
	char *large = calloc(1, (900 << 10) + 1);
	struct astro_client_conf conf;
	struct astro_client *c;
	struct fake_collector s;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	c = fake_collector_open_client(&conf);
	memset(large, 'y', 900 << 10);
	astro_client_event_str(ev, "large", large);
	assert_int_equal(astro_client_log(c, ev), 0);
	for (int i = 0; i < 3; i++) { /* each time a little is read */
		fake_collector_accept(&s);
		assert_true(fake_collector_read_more(&s));
	}
	fake_collector_accept(&s);
	fake_collector_take_and_ack(&s);
	assert_true(s.payload_bytes > 900 << 10);
	assert_int_equal(astro_client_flush(c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	assert_int_equal(fake_collector_counts(c).connections, 4);
	assert_int_equal(fake_collector_counts(c).frames_resent, 3);
	assert_int_equal(fake_collector_counts(c).failures, 3);
	assert_int_equal(astro_client_close(&c, 0), 0);
	astro_client_event_free(&ev);
	free(large);
	fake_collector_end(&s);
}

static void test_answers_that_are_no_acks(void **state)
{
	static const struct span wrong[] = { SPAN_LIT("\x81\xa3"
						      "ack\xa4nope"),
		SPAN_LIT("HTTP/1.1 400 Bad Request\r\n"), SPAN_LIT("\xc1"), SPAN_LIT("\x80") };
	struct astro_client_conf conf;
	struct astro_client *c;
	char chunk[128] = "";
	struct fake_collector s;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	c = fake_collector_open_client(&conf);
	assert_int_equal(fake_collector_log_number(c, 7), 0);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		fake_collector_accept(&s);
		assert_true(fake_collector_read_frame(&s));
		assert_true(i == 0 || strcmp(chunk, s.chunk) == 0);
		strcpy(chunk, s.chunk);
		assert_int_equal(send(s.fd, wrong[i].p, wrong[i].n, MSG_NOSIGNAL), wrong[i].n);
		assert_false(fake_collector_read_more(&s));
	}
	fake_collector_accept(&s);
	fake_collector_take_and_ack(&s);
	assert_int_equal(astro_client_close(&c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	assert_int_equal(atomic_load(&s.errors), 4);
	assert_int_equal(atomic_load(&s.error), -EPROTO);
	fake_collector_end(&s);
}

/* ---- the queue ---- */

/* Logs until it is refused; how many were taken. */
static int fill(struct astro_client *c)
{
	int n = 0, rc;

	while ((rc = fake_collector_log_number(c, n)) == 0)
		n++;
	assert_int_equal(rc, -EAGAIN);
	return n;
}

static void test_a_full_queue_refuses(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	struct fake_collector s;
	int taken;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	conf.queue_bytes = 4096;
	conf.batch_bytes = 1024;
	c = fake_collector_open_client(&conf);
	taken = fill(c);
	assert_true(taken > 100);
	assert_int_equal(fake_collector_counts(c).queued, taken);
	assert_int_equal(fake_collector_counts(c).refused, 1);
	assert_true(fake_collector_counts(c).queued_bytes <= 4096);
	fake_collector_accept(&s);
	while (s.events_all < (uint64_t)taken)
		fake_collector_take_and_ack(&s);
	assert_int_equal(astro_client_flush(c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	assert_int_equal(fake_collector_counts(c).queued_bytes, 0);
	assert_int_equal(fake_collector_log_number(c, 1), 0); /* there is room again */
	fake_collector_take_and_ack(&s);
	assert_int_equal(astro_client_close(&c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	fake_collector_end(&s);
}

static void test_a_full_queue_drops_the_oldest(void **state)
{
	struct astro_client_conf conf;
	struct astro_client_counts counts;
	struct astro_client *c;
	struct fake_collector s;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	conf.full = ASTRO_CLIENT_FULL_DROP_OLDEST;
	conf.queue_bytes = 4096;
	conf.batch_bytes = 512;
	conf.window = 1;
	c = fake_collector_open_client(&conf);
	for (int i = 0; i < 10000; i++)
		assert_int_equal(fake_collector_log_number(c, i), 0);
	counts = fake_collector_counts(c);
	assert_int_equal(counts.logged, 10000);
	assert_true(counts.dropped > 9000);
	assert_int_equal(counts.refused, 0);
	fake_collector_accept(&s);
	while (s.events_all < counts.queued)
		fake_collector_take_and_ack(&s);
	assert_non_null(strstr(s.records, "{\"n\":9999}\n")); /* the newest is there */
	assert_int_equal(astro_client_close(&c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	fake_collector_end(&s);
}

static void *log_many(void *arg)
{
	for (int i = 0; i < 2000; i++)
		assert_int_equal(fake_collector_log_number(arg, i), 0);
	return NULL;
}

static void test_a_full_queue_is_waited_for(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	pthread_t thread;
	struct fake_collector s;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	conf.full = ASTRO_CLIENT_FULL_WAIT;
	conf.queue_bytes = 2048;
	conf.batch_bytes = 512;
	c = fake_collector_open_client(&conf);
	assert_int_equal(pthread_create(&thread, NULL, log_many, c), 0);
	fake_collector_accept(&s);
	while (s.events_all < 2000)
		fake_collector_take_and_ack(&s);
	pthread_join(thread, NULL);
	assert_int_equal(astro_client_close(&c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	conf.full_wait_ms = 1;
	c = fake_collector_open_client(&conf);
	fill(c);
	assert_int_equal(astro_client_close(&c, 0), -ETIMEDOUT);
	assert_null(c);
	assert_int_equal(astro_client_close(&c, 0), 0);
	fake_collector_end(&s);
}

/* ---- threads, processes, other doors ---- */

enum { THREADS = 4 };

static void test_many_threads(void **state)
{
	struct astro_client_conf conf;
	pthread_t threads[THREADS];
	struct astro_client *c;
	struct fake_collector s;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	c = fake_collector_open_client(&conf);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, c), 0);
	fake_collector_accept(&s);
	while (s.events_all < 2000 * THREADS)
		fake_collector_take_and_ack(&s);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(astro_client_flush(c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	assert_int_equal(fake_collector_counts(c).acked, 2000 * THREADS);
	assert_int_equal(astro_client_close(&c, 0), 0);
	fake_collector_end(&s);
}

/* What a child does with the client of its parent; its exit status is the first thing that was wrong. */
static int in_the_child(struct astro_client *c)
{
	struct astro_client_counts counts = ASTRO_CLIENT_COUNTS_INIT;

	if (fake_collector_log_number(c, 8) != -ECHILD)
		return 1;
	if (astro_client_flush(c, -1) != -ECHILD)
		return 2;
	if (astro_client_get_counts(c, &counts) != -ECHILD)
		return 3;
	return astro_client_close(&c, -1) != 0 || c != NULL ? 4 : 0;
}

static void test_fork(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	struct fake_collector s;
	int status;
	pid_t pid;

	(void)state;
	fake_collector_serve(&s);
	conf = fake_collector_conf(&s);
	c = fake_collector_open_client(&conf);
	assert_int_equal(fake_collector_log_number(c, 7), 0);
	fake_collector_accept(&s);
	fake_collector_take_and_ack(&s);
	pid = fork();
	if (pid == 0)
		_exit(in_the_child(c));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(fake_collector_log_number(c, 9), 0); /* the parent goes on */
	fake_collector_take_and_ack(&s);
	fake_collector_expect_number(&s, 9);
	assert_int_equal(astro_client_close(&c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	fake_collector_end(&s);
}

static void test_datagrams(void **state)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	uint8_t bytes[65536];
	struct fake_collector s;
	ssize_t n;

	(void)state;
	fake_collector_listen(&s, SOCK_DGRAM);
	conf = fake_collector_conf(&s);
	c = fake_collector_open_client(&conf);
	for (int i = 0; i < 100; i++)
		assert_int_equal(fake_collector_log_number(c, i), 0);
	assert_int_equal(astro_client_flush(c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	while (s.events_all < 100) {
		fake_collector_await(s.listener);
		n = recv(s.listener, bytes, sizeof bytes, 0);
		assert_true(n > 0);
		assert_true(n <= 1400);
		fake_collector_keep_frame(&s, span_of(bytes, (size_t)n));
		assert_string_equal(s.chunk, "");
		s.events_all += s.events;
	}
	assert_int_equal(fake_collector_counts(c).acked, 100);
	close(s.listener);
	while (fake_collector_counts(c).failures ==
		0) { /* the refusal of one is told to a later one */
		assert_int_equal(fake_collector_log_number(c, 1), 0);
		assert_int_equal(astro_client_flush(c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	}
	assert_int_equal(atomic_load(&s.error), -ECONNREFUSED);
	assert_int_equal(astro_client_close(&c, 0), 0);
	buf_fini(&s.in);
}

static void test_a_unix_socket(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/astro-client-XXXXXX";
	struct astro_client_conf conf;
	struct astro_client *c;
	struct fake_collector s;
	int rc;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fake_collector_serve(&s);
	close(s.listener);
	s.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/s", dir);
	snprintf(s.to, sizeof s.to, "unix:%s", sa.sun_path);
	conf = fake_collector_conf(&s);
	conf.connect_ms = 1; /* too short for the first try on a busy machine */
	rc = astro_client_open(&conf, &c);
	assert_true(rc == -ENOENT || rc == -ETIMEDOUT);
	assert_int_equal(bind(s.listener, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(s.listener, 8), 0);
	conf.connect_ms = FAKE_COLLECTOR_PATIENCE_MS;
	c = fake_collector_open_client(&conf);
	assert_int_equal(fake_collector_log_number(c, 7), 0);
	fake_collector_accept(&s);
	fake_collector_take_and_ack(&s);
	assert_int_equal(astro_client_close(&c, FAKE_COLLECTOR_PATIENCE_MS), 0);
	unlink(sa.sun_path);
	rmdir(dir);
	fake_collector_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acks_come_late),
		cmocka_unit_test(test_acks_in_another_order),
		cmocka_unit_test(test_an_ack_that_never_comes),
		cmocka_unit_test(test_a_connection_cut_in_a_frame),
		cmocka_unit_test(test_answers_that_are_no_acks),
		cmocka_unit_test(test_a_full_queue_refuses),
		cmocka_unit_test(test_a_full_queue_drops_the_oldest),
		cmocka_unit_test(test_a_full_queue_is_waited_for),
		cmocka_unit_test(test_many_threads),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_datagrams),
		cmocka_unit_test(test_a_unix_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
