#include "tests/support/socket_kit.h"

#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "proto/base/clock.h"

int64_t socket_kit_end_ns(void)
{
	return clock_mono_ns() + 60 * CLOCK_NS_PER_SEC;
}

void socket_kit_step(uv_loop_t *loop, int64_t end_ns)
{
	assert_true(clock_mono_ns() < end_ns);
	uv_run(loop, UV_RUN_NOWAIT);
}

int socket_kit_listen(int backlog, struct addr *out)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct diag d;

	assert_true(fd >= 0);
	assert_int_equal(addr_parse("127.0.0.1:0", out, &d), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&out->sa, out->sa_bytes), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&out->sa, &out->sa_bytes), 0);
	return fd;
}

int socket_kit_accept(uv_loop_t *loop, int listener)
{
	int64_t end_ns = socket_kit_end_ns();
	int fd;

	while ((fd = accept(listener, NULL, NULL)) < 0) {
		assert_true(errno == EAGAIN || errno == EINTR);
		socket_kit_step(loop, end_ns);
	}
	return fd;
}

int socket_kit_connect(const struct addr *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to->sa, to->sa_bytes), 0);
	return fd;
}

void socket_kit_say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

void socket_kit_send(uv_loop_t *loop, int fd, const void *bytes, size_t n)
{
	int64_t end_ns = socket_kit_end_ns();
	const char *at = bytes;

	while (n > 0) {
		ssize_t put = send(fd, at, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (put < 0 && errno != EAGAIN)
			return;
		at += put > 0 ? put : 0;
		n -= put > 0 ? (size_t)put : 0;
		socket_kit_step(loop, end_ns);
	}
}

bool socket_kit_hear(uv_loop_t *loop, int fd, char *dst, size_t cap, const char *want)
{
	int64_t end_ns = socket_kit_end_ns();
	size_t n = 0;

	dst[0] = 0;
	while (!want || !strstr(dst, want)) {
		ssize_t got = recv(fd, dst + n, cap - 1 - n, MSG_DONTWAIT);

		assert_true(n < cap - 1);
		if (got == 0 || (got < 0 && errno == ECONNRESET))
			return false;
		n += got > 0 ? (size_t)got : 0;
		dst[n] = 0;
		socket_kit_step(loop, end_ns);
	}
	return true;
}

void socket_kit_until_there(int fd, bool ended)
{
	int64_t end_ns = socket_kit_end_ns();
	bool there = false;

	while (!there) {
		struct tcp_info info;
		socklen_t n = sizeof info;
		int left;

		assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n), 0);
		assert_int_equal(ioctl(fd, TIOCOUTQ, &left), 0);
		there = left == 0 && (!ended || info.tcpi_state == TCP_FIN_WAIT2);
		assert_true(clock_mono_ns() < end_ns);
	}
}
