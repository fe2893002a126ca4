/*
 * Goal: a connection hands over every byte once, in order, whatever its owner takes; presses back;
 * caps its queue; keeps deadlines that a dribble cannot move; ends once and cleanly. Method: one
 * end of a socket pair on a loop that the test turns by hand.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/net/conn.h"
#include "proto/net/peers.h"
#include "proto/net/tcp_rtt.h"

struct fixture {
	uv_loop_t loop;
	struct listener_gate gate;
	struct conn_set set;
	struct conn *c;
	int peer;
	/* What the owner does and saw. */
	size_t take; /* at most so many bytes, then pause */
	bool close_in_read, stall_in_read;
	struct buf got;
	unsigned reads, eofs, drains, expiries, closes;
	int why;
};

static size_t on_read(struct conn *c, const uint8_t *p, size_t n)
{
	struct fixture *f = c->owner;
	size_t took = n < f->take ? n : f->take;

	f->reads++;
	buf_put(&f->got, p, took);
	if (f->close_in_read)
		conn_close(c, -EPROTO);
	else if (f->stall_in_read)
		conn_set_stall(c->set);
	else if (took < n)
		conn_pause(c);
	return took;
}

static void on_eof(struct conn *c)
{
	((struct fixture *)c->owner)->eofs++;
}

static void on_drained(struct conn *c)
{
	((struct fixture *)c->owner)->drains++;
}

static void on_expired(struct conn *c)
{
	((struct fixture *)c->owner)->expiries++;
}

static void on_closed(struct conn *c, int why)
{
	struct fixture *f = c->owner;

	f->closes++;
	f->why = why;
	f->c = NULL;
}

static const struct conn_ops ops = { on_read, on_eof, on_drained, on_expired, on_closed };

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct addr peer = { .sa_bytes = sizeof(sa_family_t) };
	int fds[2];

	peer.sa.ss_family = AF_UNIX;
	uv_loop_init(&f->loop);
	f->gate.open_max = f->gate.open = 1;
	f->take = SIZE_MAX;
	buf_init(&f->got, 8 << 20);
	if (conn_set_init(&f->set, &f->loop, &f->gate) < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return -1;
	f->peer = fds[1];
	*state = f;
	return conn_open(&f->set, fds[0], &peer, 1 << 20, &ops, f, &f->c);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	conn_set_close(&f->set, 0);
	for (int i = 0; i < 10; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->closes, 1);
	assert_int_equal(f->gate.open, 0);
	conn_set_fini(&f->set);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	if (f->peer >= 0)
		close(f->peer);
	buf_fini(&f->got);
	free(f);
	return 0;
}

static void turns(struct fixture *f, int n)
{
	while (n-- > 0)
		uv_run(&f->loop, UV_RUN_NOWAIT);
}

static size_t drain_peer(struct fixture *f)
{
	char junk[65536];
	ssize_t n;
	size_t sum = 0;

	while ((n = read(f->peer, junk, sizeof junk)) > 0)
		sum += (size_t)n;
	return sum;
}

static void test_read_and_eof(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(write(f->peer, "abc", 3), 3);
	turns(f, 2);
	assert_int_equal(f->got.len, 3);
	shutdown(f->peer, SHUT_WR);
	turns(f, 5);
	assert_int_equal(f->eofs, 1); /* once, and no spinning on it */
	/* The other way still works. */
	assert_int_equal(conn_write(f->c, "xy", 2), 0);
	assert_int_equal(read(f->peer, (char[4]){ 0 }, 4), 2);
}

/* Every byte once and in order although the owner takes seven at a time. */
static void test_pause_keeps_the_rest(void **state)
{
	struct fixture *f = *state;
	uint8_t all[100];

	for (size_t i = 0; i < sizeof all; i++)
		all[i] = (uint8_t)i;
	f->take = 7;
	assert_int_equal(write(f->peer, all, sizeof all), sizeof all);
	turns(f, 3);
	assert_int_equal(f->got.len, 7);
	for (int i = 0; i < 50 && f->got.len < sizeof all; i++)
		conn_resume(f->c);
	assert_int_equal(f->got.len, sizeof all);
	assert_memory_equal(f->got.p, all, sizeof all);
	conn_resume(f->c);
	assert_int_equal(write(f->peer, "z", 1), 1);
	turns(f, 2);
	assert_int_equal(f->got.len, sizeof all + 1);
}

/* A stall keeps what was read and stops further reading; unstall goes on, and may stall again. */
static void test_stall(void **state)
{
	struct fixture *f = *state;

	f->stall_in_read = true;
	f->take = 2;
	assert_int_equal(write(f->peer, "abcdef", 6), 6);
	turns(f, 3);
	assert_int_equal(f->reads, 1);
	conn_set_unstall(&f->set);
	assert_int_equal(f->got.len, 4);
	f->stall_in_read = false;
	f->take = SIZE_MAX;
	assert_int_equal(write(f->peer, "gh", 2), 2);
	turns(f, 2);
	assert_int_equal(f->got.len, 4);
	conn_set_unstall(&f->set);
	turns(f, 2);
	assert_int_equal(f->got.len, 8);
	assert_memory_equal(f->got.p, "abcdefgh", 8);
	/* Stalled while nothing is there to read, then closed: it leaves the line. */
	conn_set_stall(&f->set);
	assert_int_equal(write(f->peer, "ij", 2), 2);
	turns(f, 2);
	conn_close(f->c, 0);
	conn_set_unstall(&f->set);
	assert_int_equal(f->got.len, 8);
}

/* While answers wait for a peer that does not take them, nothing more is read from it. */
static void test_read_stop(void **state)
{
	static uint8_t part[900000];
	struct fixture *f = *state;

	conn_read_stop(f->c, 0);
	assert_int_equal(conn_write(f->c, part, sizeof part), 0);
	assert_true(conn_queued(f->c) > 0);
	assert_int_equal(write(f->peer, "abc", 3), 3);
	turns(f, 3);
	assert_int_equal(f->got.len, 0);
	for (int i = 0; i < 1000 && f->got.len == 0; i++) {
		drain_peer(f);
		turns(f, 1);
	}
	assert_int_equal(f->got.len, 3);
}

static void test_close_in_read(void **state)
{
	struct fixture *f = *state;

	f->close_in_read = true;
	f->take = 1;
	assert_int_equal(write(f->peer, "abc", 3), 3);
	turns(f, 3);
	assert_int_equal(f->reads, 1);
	assert_int_equal(f->closes, 1);
	assert_int_equal(f->why, -EPROTO);
}

/* A peer that does not read: the queue holds what fits and refuses the rest whole. */
static void test_write_cap(void **state)
{
	struct fixture *f = *state;
	static uint8_t part[10000];
	size_t sent = 0, read_sum = 0;
	int rc;

	while ((rc = conn_write(f->c, part, sizeof part)) == 0)
		sent += sizeof part;
	assert_int_equal(rc, ERR_LIMIT);
	assert_true(conn_queued(f->c) > (1 << 20) - sizeof part);
	assert_int_equal(f->drains, 0);
	for (int i = 0; i < 10000 && !f->drains; i++) {
		read_sum += drain_peer(f);
		turns(f, 1);
	}
	assert_int_equal(f->drains, 1);
	assert_int_equal(read_sum + drain_peer(f), sent);
	assert_int_equal(conn_write(f->c, part, sizeof part), 0);
}

static void test_finish_sends_the_queue(void **state)
{
	struct fixture *f = *state;
	static uint8_t part[900000];
	size_t sum = 0;

	assert_int_equal(conn_write(f->c, part, sizeof part), 0);
	assert_true(conn_queued(f->c) > 0);
	conn_finish(f->c);
	assert_int_equal(write(f->peer, "late", 4), 4);
	for (int i = 0; i < 1000 && sum < sizeof part; i++) {
		sum += drain_peer(f);
		turns(f, 1);
	}
	assert_int_equal(sum, sizeof part);
	turns(f, 3);
	assert_int_equal(f->reads, 0);
	assert_int_equal(f->closes, 0); /* lingering for the peer */
	close(f->peer);
	f->peer = -1;
	turns(f, 3);
	assert_int_equal(f->closes, 1);
	assert_int_equal(f->why, 0);
}

static void test_reset_by_peer(void **state)
{
	struct fixture *f = *state;

	close(f->peer);
	f->peer = -1;
	while (f->c && conn_write(f->c, "x", 1) == 0)
		turns(f, 1);
	turns(f, 3);
	assert_int_equal(f->closes, 1);
	assert_true(f->why == -EPIPE || f->why == -ECONNRESET);
}

/* uv_now stands still between updates; uv_sleep is what makes it move here. */
static void wait_ms(struct fixture *f, unsigned ms)
{
	for (unsigned i = 0; i < ms; i += 10) {
		uv_sleep(10);
		turns(f, 1);
	}
}

static void test_deadline_ignores_bytes(void **state)
{
	struct fixture *f = *state;

	conn_deadline(f->c, 1);
	for (int i = 0; i < 100 && !f->expiries; i++) {
		assert_int_equal(write(f->peer, "x", 1), 1);
		wait_ms(f, 10);
	}
	assert_int_equal(f->expiries, 1);
	assert_int_equal(f->set.expired, 1);
	wait_ms(f, LIMIT_SWEEP_MS + 50);
	assert_int_equal(f->expiries, 1); /* cleared, not repeated */
}

/* While the owner itself is the cause of the waiting, the peer is not blamed. */
static void test_deadline_stands_still_when_paused(void **state)
{
	struct fixture *f = *state;

	conn_deadline(f->c, 1);
	conn_pause(f->c);
	wait_ms(f, LIMIT_SWEEP_MS + 50);
	assert_int_equal(f->expiries, 0);
	conn_resume(f->c);
	wait_ms(f, LIMIT_SWEEP_MS + 50);
	assert_int_equal(f->expiries, 1);
}

/* A host that died without a word is found out by the kernel, within twice LIMIT_KEEPALIVE_S. */
static void test_dead_hosts_are_probed_for(void **state)
{
	struct fixture *f = *state;
	int listener = socket(AF_INET, SOCK_STREAM, 0), peer = socket(AF_INET, SOCK_STREAM, 0);
	struct addr at = { .sa_bytes = sizeof at.sa };
	int on = 0, idle = 0, step = 0, tries = 0, fd;
	socklen_t n = sizeof on;
	struct conn *c;
	struct diag d;

	assert_int_equal(addr_parse("127.0.0.1:0", &at, &d), 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at.sa, at.sa_bytes), 0);
	assert_int_equal(listen(listener, 1), 0);
	at.sa_bytes = sizeof at.sa;
	getsockname(listener, (struct sockaddr *)&at.sa, &at.sa_bytes);
	assert_int_equal(connect(peer, (struct sockaddr *)&at.sa, at.sa_bytes), 0);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 0);
	f->gate.open++;
	assert_int_equal(conn_open(&f->set, fd, &at, 1 << 20, &ops, f, &c), 0);
	getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, &n);
	getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &n);
	getsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step, &n);
	getsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, &n);
	assert_true(on);
	assert_int_equal(idle, LIMIT_KEEPALIVE_S);
	assert_true(idle + step * tries <= 2 * LIMIT_KEEPALIVE_S);
	conn_close(c, 0);
	turns(f, 3);
	assert_int_equal(f->closes, 1);
	f->closes = 0; /* the other one is the teardown's */
	close(peer);
	close(listener);
}

/* More than a second's worth at once: nothing is read for as long as the rate asks, then all. */
static void test_rate_of_a_peer(void **state)
{
	enum { RATE = 100000, BYTES = 105000 };
	static uint8_t bytes[BYTES];
	struct fixture *f = *state;
	struct sockaddr_in *in = (void *)&f->c->peer.sa;
	struct peers peers;

	assert_int_equal(peers_init(&peers), 0);
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(0x7f000002);
	peers.limits.rate_max = RATE;
	f->gate.peers = &peers;
	assert_true(peers_enter(&peers, &f->c->peer, 1));
	assert_int_equal(send(f->peer, bytes, sizeof bytes, 0), sizeof bytes);
	for (int i = 0; i < 1000 && !f->c->blocked; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->c->blocked, CONN_SLOWED);
	assert_int_equal(f->gate.slowed, 1);
	assert_int_equal(send(f->peer, bytes, 10, 0), 10);
	for (int i = 0; i < 1000 && f->got.len < BYTES + 10; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->got.len, BYTES + 10);
	conn_close(f->c, 0);
	while (f->closes == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	f->gate.peers = NULL;
	peers_fini(&peers);
}

/* What the socket takes, nothing queued; then a word when it takes more. */
static void test_offer(void **state)
{
	static uint8_t bytes[4 << 20], got[1 << 16];
	struct fixture *f = *state;
	size_t sent, heard = 0;
	ssize_t n;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	conn_bound_sent(f->c, 64 << 10);
	sent = conn_offer(f->c, bytes, sizeof bytes);
	assert_in_range(sent, 1, 1 << 20);
	assert_int_equal(conn_queued(f->c), 0);
	turns(f, 3);
	assert_int_equal(f->drains, 0);
	while (sent < sizeof bytes) {
		unsigned drains = f->drains;

		while ((n = recv(f->peer, got, sizeof got, MSG_DONTWAIT)) > 0) {
			assert_memory_equal(got, bytes + heard, (size_t)n);
			heard += (size_t)n;
		}
		turns(f, 2);
		assert_true(f->drains > drains);
		sent += conn_offer(f->c, bytes + sent, sizeof bytes - sent);
	}
	/* Nothing waits: no word. */
	f->drains = 0;
	while ((n = recv(f->peer, got, sizeof got, MSG_DONTWAIT)) > 0)
		heard += (size_t)n;
	turns(f, 3);
	assert_int_equal(heard, sizeof bytes);
	assert_int_equal(f->drains, 0);
}

/* What belongs together leaves as it would in one write. */
static void test_write_more(void **state)
{
	struct fixture *f = *state;
	char got[8] = "";

	assert_int_equal(conn_write_more(f->c, "ab", 2), 0);
	assert_int_equal(conn_write(f->c, "cd", 2), 0);
	assert_int_equal(conn_queued(f->c), 0);
	assert_int_equal(recv(f->peer, got, sizeof got, MSG_WAITALL | MSG_DONTWAIT), 4);
	assert_memory_equal(got, "abcd", 4);
}

static int loopback(int *out_listener)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof at;
	int client = socket(AF_INET, SOCK_STREAM, 0);

	*out_listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(*out_listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(*out_listener, 1), 0);
	assert_int_equal(getsockname(*out_listener, (struct sockaddr *)&at, &n), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof at), 0);
	return client;
}

/* Only TCP has one, and from its first moment. */
static void test_round_trip(void **state)
{
	struct fixture *f = *state;
	int listener, client = loopback(&listener);

	assert_int_equal(conn_rtt_us(f->c), UINT32_MAX);
	assert_true(tcp_rtt_us(client) < UINT32_MAX);
	close(client);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read_and_eof, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_hosts_are_probed_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pause_keeps_the_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stall, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rate_of_a_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_in_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write_cap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_offer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_write_more, setup, teardown),
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_finish_sends_the_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_by_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadline_ignores_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_deadline_stands_still_when_paused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
