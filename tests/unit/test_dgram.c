/*
 * Goal: every datagram is handed over whole or known to be lost; back-pressure leaves them in the
 * kernel. Method: loopback sockets on a loop that the test turns by hand.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/base/limits.h"
#include "proto/net/admit.h"
#include "proto/net/dgram.h"
#include "proto/net/peers.h"
#include "proto/net/unix_path.h"
#include "tests/support/tmpdir.h"

struct fixture {
	uv_loop_t loop;
	struct dgram g;
	int sender;
	unsigned seen, cut, begins, ends;
	size_t bytes;
	unsigned pause_at; /* the datagram after which it is paused; 0: none */
	uint8_t last;      /* first byte of the last datagram, which are numbered */
	bool in_order, closed;
};

static void on_recv(void *arg, const uint8_t *p, size_t n, bool cut, const struct addr *peer)
{
	struct fixture *f = arg;

	f->seen++;
	f->bytes += n;
	f->cut += cut;
	if (n > 0) {
		f->in_order &= p[0] == (uint8_t)(f->last + 1);
		f->last = p[0];
	}
	if (f->seen == f->pause_at)
		dgram_pause(&f->g);
	if (n == 1)
		dgram_send(&f->g, "", 1, peer);
}

static void on_begin(void *arg)
{
	((struct fixture *)arg)->begins++;
}

static void on_end(void *arg)
{
	((struct fixture *)arg)->ends++;
}

static void on_closed(void *arg)
{
	((struct fixture *)arg)->closed = true;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);
	struct dgram_conf conf = { .rcvbuf_bytes = 1 << 20, .recv = on_recv, .begin = on_begin };
	struct diag d;

	conf.arg = f;
	f->in_order = true;
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

/*
 * One turn, false when the test has waited long enough. It does not block: a timer that is due when the
 * turn begins may bring what is waited for, and nothing else would wake the loop then.
 */
static bool turn(struct fixture *f, int64_t end_ns)
{
	uv_run(&f->loop, UV_RUN_NOWAIT);
	return clock_mono_ns() < end_ns;
}

static int64_t patience(void)
{
	return clock_mono_ns() + 20 * CLOCK_NS_PER_SEC;
}

/* Until so many datagrams are seen or lost; a busy socket is read by a timer. */
static void run_until(struct fixture *f, unsigned sent)
{
	int64_t end_ns = patience();

	while (f->seen + dgram_dropped(&f->g) < sent && turn(f, end_ns))
		continue;
}

static void run_until_refused(struct fixture *f, const uint64_t *count, uint64_t value)
{
	int64_t end_ns = patience();

	while (*count < value && turn(f, end_ns))
		continue;
	assert_int_equal(*count, value);
}

/* Numbered datagrams of `size` bytes, handed to the kernel as one. */
static void send_train(struct fixture *f, uint8_t first, unsigned count, uint16_t size, size_t last)
{
	static uint8_t bytes[64 << 10];
	union {
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr head;
	} control = { .bytes = { 0 } };
	struct iovec iov = { bytes, (count - 1) * (size_t)size + last };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	for (unsigned i = 0; i < count; i++)
		memset(bytes + i * (size_t)size, (int)(first + i), size);
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof size);
	memcpy(CMSG_DATA(c), &size, sizeof size);
	if (sendmsg(f->sender, &m, 0) < 0)
		skip(); /* a kernel without trains */
}

static void test_trains(void **state)
{
	struct fixture *f = *state;

	send_train(f, 1, 50, 400, 400);
	send_train(f, 51, 20, 300, 17);
	run_until(f, 70);
	assert_int_equal(f->seen, 70);
	assert_int_equal(f->bytes, 50 * 400 + 19 * 300 + 17);
	assert_int_equal(f->cut, 0);
	assert_true(f->in_order);
	assert_int_equal(f->g.received, 70);
	if (f->g.trains)
		assert_int_equal(f->g.messages, 2);
}

/* What was received before a pause comes after it, in order, and in the middle of a train too. */
static void test_pause_in_a_train(void **state)
{
	struct fixture *f = *state;

	f->pause_at = 7;
	send_train(f, 1, 30, 100, 100);
	send_train(f, 31, 30, 100, 100);
	run_until(f, 7);
	turns(f, 5);
	assert_int_equal(f->seen, 7);
	dgram_resume(&f->g);
	run_until(f, 60);
	assert_int_equal(f->seen, 60);
	assert_true(f->in_order);
	assert_int_equal(dgram_dropped(&f->g), 0);
}

static void test_discard(void **state)
{
	struct fixture *f = *state;

	f->pause_at = 7;
	send_train(f, 1, 30, 100, 100);
	run_until(f, 7);
	if (f->g.trains)
		assert_int_equal(dgram_discard(&f->g), 23);
	assert_int_equal(dgram_discard(&f->g), 0);
	assert_int_equal(f->seen, 7);
}

/* Fast enough to be read by the clock, then slow again: nothing is late or lost. */
static void test_busy(void **state)
{
	struct fixture *f = *state;
	unsigned sent = 0, busy = 0;
	int64_t end_ns;

	for (int round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 40; i++, sent++)
			assert_int_equal(send(f->sender, "x", 1, 0), 1);
		run_until(f, sent);
		assert_int_equal(f->seen, sent);
		busy += f->g.busy;
	}
	assert_true(busy > 0);
	end_ns = patience();
	while (f->g.busy && turn(f, end_ns))
		continue;
	assert_false(f->g.busy);
	assert_int_equal(send(f->sender, "x", 1, 0), 1);
	turns(f, 2);
	assert_int_equal(f->seen, sent + 1);
}

static void test_batches(void **state)
{
	static uint8_t big[LIMIT_DATAGRAM_BYTES];
	struct fixture *f = *state;

	for (int i = 0; i < 150; i++)
		assert_int_equal(send(f->sender, big, 10, 0), 10);
	assert_int_equal(send(f->sender, big, sizeof big, 0), sizeof big);
	assert_int_equal(send(f->sender, big, 0, 0), 0); /* an empty one is one too */
	run_until(f, 152);
	assert_int_equal(f->seen, 152);
	assert_int_equal(f->bytes, 1500 + sizeof big);
	assert_int_equal(f->cut, 0);
	assert_true(f->begins >= 3);
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

	f->pause_at = 1;
	assert_int_equal(send(f->sender, part, 1, 0), 1);
	turns(f, 2);
	assert_int_equal(f->seen, 1);
	for (sent = 1; sent < 5000 && dgram_dropped(&f->g) < 10; sent++)
		assert_int_equal(send(f->sender, part, sizeof part, 0), sizeof part);
	turns(f, 5);
	assert_int_equal(f->seen, 1); /* paused: the kernel holds them */
	dgram_resume(&f->g);
	run_until(f, sent);
	assert_int_equal(f->seen + dgram_dropped(&f->g), sent);
	assert_true(dgram_dropped(&f->g) >= 10);
}

/* Of networks that are not allowed, and beyond the rate of its peer, none is handed over. */
static void test_admission(void **state)
{
	struct fixture *f = *state;
	struct admit admit = { .allow = { .count = 0 } };
	struct peers peers;

	assert_int_equal(peers_init(&peers), 0);
	f->g.conf.admit = &admit;
	assert_int_equal(cidr_parse("10.0.0.0/8 ::1", &admit.allow, NULL), 0);
	for (uint8_t i = 1; i <= 5; i++)
		assert_int_equal(send(f->sender, &i, 1, 0), 1);
	run_until_refused(f, &admit.refused[ADMIT_NETWORK], 5);
	assert_int_equal(f->seen, 0);
	/* One byte a second: what is sent first is more than the burst allows. */
	admit.allow.count = 0;
	admit.peers = &peers;
	peers.limits.rate_max = 1;
	for (uint8_t i = 1; i <= 5; i++)
		assert_int_equal(send(f->sender, (uint8_t[2000]){ i }, 2000, 0), 2000);
	run_until_refused(f, &admit.refused[ADMIT_RATE], 4);
	assert_int_equal(f->seen, 1);
	assert_int_equal(f->last, 1);
	peers_fini(&peers);
}

/* ---------------------------------------------------------------- unix */

static int open_unix(struct fixture *f, struct dgram_conf *conf, const char *path)
{
	struct diag d;

	*conf = (struct dgram_conf){ .path = path,
		.mode = 0620,
		.recv = on_recv,
		.begin = on_begin,
		.end = on_end,
		.arg = f };
	return dgram_open(&f->g, &f->loop, conf, &d);
}

static int unix_sender(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	strcpy(un.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof un), 0);
	return fd;
}

/* A path left behind is taken over, one that is read from or no socket is not; it goes with the door. */
static void test_unix_path(void **state)
{
	struct fixture f = { .sender = -1 };
	struct dgram_conf conf;
	char path[300];
	struct stat st;
	struct diag d;
	FILE *file;
	int fd;

	uv_loop_init(&f.loop);
	snprintf(path, sizeof path, "%s/log", (const char *)*state);
	file = fopen(path, "w");
	fclose(file);
	assert_int_equal(open_unix(&f, &conf, path), -EEXIST);
	unlink(path);
	fd = unix_path_bind(SOCK_DGRAM, path, 0600, &d);
	assert_true(fd >= 0);
	assert_int_equal(open_unix(&f, &conf, path), -EADDRINUSE);
	close(fd);
	assert_int_equal(open_unix(&f, &conf, path), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0620);
	dgram_close(&f.g, NULL);
	assert_int_equal(stat(path, &st), -1);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f.loop), 0);
}

/* Each batch has its begin and its end, and a sender that finds no room waits instead of losing. */
static void test_unix(void **state)
{
	struct fixture f = { .in_order = true };
	struct dgram_conf conf;
	char path[300];
	unsigned sent = 0;

	uv_loop_init(&f.loop);
	snprintf(path, sizeof path, "%s/log", (const char *)*state);
	assert_int_equal(open_unix(&f, &conf, path), 0);
	f.sender = unix_sender(path);
	for (int i = 0; i < 20; i++) {
		uint8_t bytes[100] = { 0 };

		for (;;) {
			bytes[0] = (uint8_t)(sent + 1);
			if (send(f.sender, bytes, sizeof bytes, MSG_DONTWAIT) < 0)
				break;
			sent++;
		}
		assert_int_equal(errno, EAGAIN);
		turns(&f, 3);
	}
	turns(&f, 3);
	assert_true(sent > 100);
	assert_int_equal(f.seen, sent);
	assert_true(f.in_order);
	assert_true(f.begins > 0);
	assert_int_equal(f.begins, f.ends);
	dgram_close(&f.g, NULL);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f.loop), 0);
	close(f.sender);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_batches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pause_in_a_train, setup, teardown),
		cmocka_unit_test_setup_teardown(test_discard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_admission, setup, teardown),
		cmocka_unit_test_setup_teardown(test_losses_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unix_path, tmpdir_setup, tmpdir_teardown),
		cmocka_unit_test_setup_teardown(test_unix, tmpdir_setup, tmpdir_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
