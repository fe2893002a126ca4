/*
 * Goal: every datagram is handed over whole or known to be lost; back-pressure leaves them in the
 * kernel. Method: loopback sockets on a loop that the test turns by hand.
 */
#include "tests/support/check_cmocka.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/limits.h"
#include "proto/net/dgram.h"

struct fixture {
	uv_loop_t loop;
	struct dgram g;
	int sender;
	unsigned seen, cut, dones;
	size_t bytes;
	bool pause_at_first, closed;
};

static void on_recv(void *arg, const uint8_t *p, size_t n, bool cut, const struct addr *peer)
{
	struct fixture *f = arg;

	(void)p;
	f->seen++;
	f->bytes += n;
	f->cut += cut;
	if (f->pause_at_first)
		dgram_pause(&f->g);
	if (n == 1)
		dgram_send(&f->g, "", 1, peer);
}

static void on_done(void *arg)
{
	((struct fixture *)arg)->dones++;
}

static void on_closed(void *arg)
{
	((struct fixture *)arg)->closed = true;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct dgram_conf conf = { .rcvbuf_bytes = 1 << 20, .recv = on_recv, .done = on_done };
	struct diag d;

	conf.arg = f;
	uv_loop_init(&f->loop);
	*state = f;
	if (addr_parse("127.0.0.1:0", &conf.at, &d) < 0)
		return -1;
	if (dgram_open(&f->g, &f->loop, &conf, &d) < 0)
		return -1;
	f->sender = socket(AF_INET, SOCK_DGRAM, 0);
	return connect(f->sender, (struct sockaddr *)&f->g.addr.sa, f->g.addr.sa_bytes);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dgram_close(&f->g, on_closed);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->closed);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	close(f->sender);
	free(f);
	return 0;
}

static void turns(struct fixture *f, int n)
{
	while (n-- > 0)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void test_batches(void **state)
{
	static uint8_t big[LIMIT_DATAGRAM_BYTES];
	struct fixture *f = *state;

	for (int i = 0; i < 150; i++)
		assert_int_equal(send(f->sender, big, 10, 0), 10);
	assert_int_equal(send(f->sender, big, sizeof big, 0), sizeof big);
	assert_int_equal(send(f->sender, big, 0, 0), 0); /* an empty one is one too */
	turns(f, 5);
	assert_int_equal(f->seen, 152);
	assert_int_equal(f->bytes, 1500 + sizeof big);
	assert_int_equal(f->cut, 0);
	assert_true(f->dones >= 1);
	assert_int_equal(dgram_dropped(&f->g), 0);
}

static void test_answer(void **state)
{
	struct fixture *f = *state;
	char c[2] = "xx";

	assert_int_equal(send(f->sender, "", 1, 0), 1);
	turns(f, 2);
	assert_int_equal(recv(f->sender, c, sizeof c, MSG_DONTWAIT), 1);
	assert_int_equal(c[0], 0);
}

/* Sent = seen + dropped, to the datagram. */
static void test_losses_are_counted(void **state)
{
	static uint8_t part[8192];
	struct fixture *f = *state;
	unsigned sent = 0;

	f->pause_at_first = true;
	assert_int_equal(send(f->sender, part, 1, 0), 1);
	turns(f, 2);
	assert_int_equal(f->seen, 1);
	f->pause_at_first = false;
	for (sent = 1; sent < 5000 && dgram_dropped(&f->g) < 10; sent++)
		assert_int_equal(send(f->sender, part, sizeof part, 0), sizeof part);
	turns(f, 5);
	assert_int_equal(f->seen, 1); /* paused: the kernel holds them */
	dgram_resume(&f->g);
	for (int i = 0; i < 100 && f->seen + dgram_dropped(&f->g) < sent; i++)
		turns(f, 1);
	assert_int_equal(f->seen + dgram_dropped(&f->g), sent);
	assert_true(dgram_dropped(&f->g) >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_batches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_losses_are_counted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
