/*
 * Goal: accepting stays within the gate, survives a kernel without descriptors, takes a unix path
 * only when nobody listens on it. Method: real sockets on a loop that the test turns by hand.
 */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/net/admit.h"
#include "proto/net/listener.h"
#include "proto/net/peers.h"

enum { FDS_MAX = 600 };

struct fixture {
	uv_loop_t loop;
	struct listener_gate gate;
	struct listener l;
	int fds[FDS_MAX];
	unsigned fds_count;
	bool closed;
};

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct fixture *f = arg;

	assert_true(peer->sa_bytes > 0);
	assert_true(f->fds_count < FDS_MAX);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	f->fds[f->fds_count++] = fd;
}

static void on_closed(void *arg)
{
	((struct fixture *)arg)->closed = true;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof *f);

	uv_loop_init(&f->loop);
	f->gate.open_max = 3;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	listener_close(&f->l, on_closed);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	for (unsigned i = 0; i < f->fds_count; i++)
		close(f->fds[i]);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	free(f);
	return 0;
}

static void open_tcp(struct fixture *f)
{
	struct addr at;
	struct diag d;

	assert_int_equal(addr_parse("127.0.0.1:0", &at, &d), 0);
	assert_int_equal(listener_open_tcp(&f->l, &f->loop, &f->gate, &at, on_accept, f, &d), 0);
	assert_int_not_equal(addr_port(&f->l.addr), 0);
}

static int connect_to(const struct addr *a)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&a->sa, a->sa_bytes), 0);
	return fd;
}

static void turn_until(struct fixture *f, const uint64_t *counter, uint64_t value)
{
	for (int i = 0; i < 1000 && *counter < value; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(*counter, value);
}

static void test_gate(void **state)
{
	struct fixture *f = *state;
	int fds[5];
	char c;

	open_tcp(f);
	for (int i = 0; i < 5; i++)
		fds[i] = connect_to(&f->l.addr);
	turn_until(f, &f->gate.refused, 2);
	assert_int_equal(f->gate.accepted, 3);
	assert_int_equal(f->gate.open, 3);
	/* The refused learn it at once. */
	assert_int_equal(recv(fds[4], &c, 1, 0), 0);
	listener_gate_leave(&f->gate, &f->l.addr);
	assert_int_equal(f->gate.open, 2);
	for (int i = 0; i < 5; i++)
		close(fds[i]);
	fds[0] = connect_to(&f->l.addr);
	turn_until(f, &f->gate.accepted, 4);
	close(fds[0]);
}

/* The door's networks, and the share of one address. */
static void test_admission(void **state)
{
	struct fixture *f = *state;
	struct admit admit = { .allow = { .count = 0 } };
	struct peers peers;
	int fds[12];

	open_tcp(f);
	f->l.admit = &admit;
	assert_int_equal(peers_init(&peers), 0);
	f->gate.peers = &peers;
	f->gate.open_max = 8;
	assert_int_equal(cidr_parse("10.0.0.0/8 ::1", &admit.allow, NULL), 0);
	fds[0] = connect_to(&f->l.addr);
	turn_until(f, &admit.refused[ADMIT_NETWORK], 1);
	assert_int_equal(f->gate.open, 0);
	close(fds[0]);
	assert_int_equal(cidr_parse("127.0.0.0/8", &admit.allow, NULL), 0);
	for (int i = 0; i < 12; i++)
		fds[i] = connect_to(&f->l.addr);
	turn_until(f, &admit.refused[ADMIT_CONNECTIONS], 5);
	assert_int_equal(f->gate.open, 7);
	assert_int_equal(f->gate.refused, 0);
	peers.limits.conns_max = 3;
	for (int i = 0; i < 5; i++)
		listener_gate_leave(&f->gate, &f->l.addr);
	for (int i = 0; i < 3; i++) {
		close(fds[i]);
		fds[i] = connect_to(&f->l.addr);
	}
	turn_until(f, &admit.refused[ADMIT_CONNECTIONS], 7);
	assert_int_equal(f->gate.open, 3);
	for (int i = 0; i < 12; i++)
		close(fds[i]);
	peers_fini(&peers);
}

/* The kernel's table is full: the loop rests instead of spinning, and accepts when it may again. */
static void test_starved(void **state)
{
	struct fixture *f = *state;
	struct rlimit old, low;
	int fd;

	open_tcp(f);
	fd = connect_to(&f->l.addr);
	getrlimit(RLIMIT_NOFILE, &old);
	low = (struct rlimit){ (rlim_t)dup(fd), old.rlim_max };
	close((int)low.rlim_cur);
	setrlimit(RLIMIT_NOFILE, &low);
	turn_until(f, &f->gate.starved, 1);
	for (int i = 0; i < 100; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->gate.starved, 1);
	setrlimit(RLIMIT_NOFILE, &old);
	turn_until(f, &f->gate.accepted, 1);
	close(fd);
}

static void test_gate_init(void **state)
{
	struct listener_gate g, part;
	struct rlimit old, low;
	struct diag d;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &old);
	assert_int_equal(listener_gate_init(&g, 10, &d), 0);
	assert_int_equal(g.open_max, 10);
	listener_gate_limit(&g, 20);
	assert_int_equal(g.open_max, 20);
	listener_gate_split(&g, 5, &part);
	assert_int_equal(part.open_max, 5);
	assert_int_equal(g.open_max, 20); /* there was more than it may use */
	assert_int_equal(listener_gate_init(&g, 1u << 30, &d), 0);
	assert_true(g.open_max < old.rlim_max - LIMIT_FDS_RESERVED);
	low = (struct rlimit){ LIMIT_FDS_RESERVED, LIMIT_FDS_RESERVED };
	if (fork() == 0) {
		setrlimit(RLIMIT_NOFILE, &low);
		_exit(listener_gate_init(&g, 10, &d) == ERR_LIMIT ? 0 : 1);
	} else {
		int status;

		wait(&status);
		assert_int_equal(status, 0);
	}
}

static void test_port_taken(void **state)
{
	struct fixture *f = *state;
	struct listener other = { 0 };
	struct diag d = { 0 };

	open_tcp(f);
	assert_int_equal(
		listener_open_tcp(&other, &f->loop, &f->gate, &f->l.addr, on_accept, f, &d),
		-EADDRINUSE);
	assert_non_null(strstr(d.text, "choose another port"));
	listener_close(&other, NULL); /* nothing to close, and safe */
}

static void test_unix_path(void **state)
{
	char dir[] = "/tmp/astro-listener-XXXXXX", path[64];
	struct listener second = { 0 };
	struct fixture *f = *state;
	struct diag d = { 0 };
	struct stat st;
	int fd;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	assert_int_equal(
		listener_open_unix(&f->l, &f->loop, &f->gate, path, 0600, on_accept, f, &d), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Somebody listens: it is left alone. */
	assert_int_equal(
		listener_open_unix(&second, &f->loop, &f->gate, path, 0600, on_accept, f, &d),
		-EADDRINUSE);
	fd = connect_to(&f->l.addr);
	turn_until(f, &f->gate.accepted, 2); /* the probe of the second was one */
	close(fd);
	listener_close(&f->l, on_closed);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->closed);
	assert_int_equal(stat(path, &st), -1);
	rmdir(dir);
}

static void test_unix_stale(void **state)
{
	char dir[] = "/tmp/astro-listener-XXXXXX", path[64];
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct fixture *f = *state;
	struct diag d = { 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/s", dir);
	strcpy(un.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
	close(fd); /* a daemon that was killed */
	assert_int_equal(
		listener_open_unix(&f->l, &f->loop, &f->gate, path, 0666, on_accept, f, &d), 0);
	listener_close(&f->l, on_closed);
	/* A file of another kind is not ours to remove. */
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(
		listener_open_unix(&f->l, &f->loop, &f->gate, path, 0666, on_accept, f, &d),
		-EEXIST);
	assert_int_equal(unlink(path), 0);
	rmdir(dir);
	memset(path, 'x', sizeof path - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_gate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_admission, setup, teardown),
		cmocka_unit_test_setup_teardown(test_starved, setup, teardown),
		cmocka_unit_test(test_gate_init),
		cmocka_unit_test_setup_teardown(test_port_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unix_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unix_stale, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
