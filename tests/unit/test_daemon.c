/* Goal: signals reach the loop, the manager hears from us, limits and rights are as promised. */
#include "tests/support/check_cmocka.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/svc/daemon.h"

static enum daemon_event seen[8];
static int seen_count;

static void on_event(void *arg, enum daemon_event event)
{
	uv_loop_t *loop = arg;

	seen[seen_count++] = event;
	uv_stop(loop);
}

static void on_idle(uv_idle_t *h)
{
	(void)h;
}

static void signals_become_events(void **state)
{
	struct daemon_signals s;
	uv_idle_t busy; /* as a listener would, keeps the loop alive */
	uv_loop_t loop;
	struct diag d;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(daemon_signals_open(&s, &loop, on_event, &loop, &d), 0);
	/* The handles alone do not keep the loop running. */
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	uv_idle_init(&loop, &busy);
	uv_idle_start(&busy, on_idle);
	seen_count = 0;
	for (int i = 0; i < 3; i++) {
		int numbers[] = { SIGHUP, SIGTERM, SIGINT };

		clock_fake(1, i * 200 * CLOCK_NS_PER_MS);
		assert_int_equal(raise(numbers[i]), 0);
		while (seen_count == i)
			uv_run(&loop, UV_RUN_ONCE);
	}
	assert_int_equal(seen[0], DAEMON_REREAD);
	assert_int_equal(seen[1], DAEMON_STOP);
	assert_int_equal(seen[2], DAEMON_STOP_NOW);
	clock_real();
	daemon_signals_close(&s);
	daemon_signals_close(&s);
	uv_close((uv_handle_t *)&busy, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* timeout(1) tells its child, and then the group that the child is in. */
static void an_echo_is_no_second_stop(void **state)
{
	struct daemon_signals s;
	uv_idle_t busy;
	uv_loop_t loop;
	struct diag d;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(daemon_signals_open(&s, &loop, on_event, &loop, &d), 0);
	uv_idle_init(&loop, &busy);
	uv_idle_start(&busy, on_idle);
	seen_count = 0;
	clock_fake(1, 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(raise(SIGTERM), 0);
		for (int turn = 0; turn < 3; turn++)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(seen_count, 1);
	assert_int_equal(seen[0], DAEMON_STOP);
	clock_real();
	daemon_signals_close(&s);
	uv_close((uv_handle_t *)&busy, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* A manager's socket; name[0] == '@' asks for an abstract one. */
static int listen_as_manager(const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	struct timeval deadline = { .tv_sec = 10 };
	size_t n = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	memcpy(sa.sun_path, name, n);
	if (name[0] == '@')
		sa.sun_path[0] = 0;
	assert_int_equal(bind(fd, (struct sockaddr *)&sa,
				 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
		0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
	return fd;
}

static void heard(const char *name)
{
	char text[64] = "";
	int fd = listen_as_manager(name);

	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(daemon_notify("READY=1\nSTATUS=open"), 0);
	assert_int_equal(recv(fd, text, sizeof text - 1, 0), 19);
	assert_string_equal(text, "READY=1\nSTATUS=open");
	close(fd);
	unsetenv("NOTIFY_SOCKET");
}

static void the_manager_is_told(void **state)
{
	char path[64], abstract[64], longest[200];

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(daemon_notify("READY=1"), DAEMON_NO_MANAGER);
	snprintf(path, sizeof path, "/tmp/test_daemon.%d", (int)getpid());
	heard(path);
	setenv("NOTIFY_SOCKET", path, 1);
	assert_int_equal(daemon_notify("READY=1"), -ECONNREFUSED);
	unlink(path);
	assert_int_equal(daemon_notify("READY=1"), -ENOENT);
	snprintf(abstract, sizeof abstract, "@test_daemon.%d", (int)getpid());
	heard(abstract);
	setenv("NOTIFY_SOCKET", "relative", 1);
	assert_int_equal(daemon_notify("READY=1"), -EINVAL);
	memset(longest, 'x', sizeof longest);
	longest[0] = '/';
	longest[sizeof longest - 1] = 0;
	setenv("NOTIFY_SOCKET", longest, 1);
	assert_int_equal(daemon_notify("READY=1"), -ENAMETOOLONG);
	unsetenv("NOTIFY_SOCKET");
}

static void the_watchdog_is_ours_or_not(void **state)
{
	char pid[32];

	(void)state;
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	assert_int_equal(daemon_watchdog_us(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(daemon_watchdog_us(), 30000000);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(daemon_watchdog_us(), 0);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(daemon_watchdog_us(), 30000000);
	setenv("WATCHDOG_USEC", "soon", 1);
	assert_int_equal(daemon_watchdog_us(), 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

/* What a process is changed by is tried in a child; its exit status is the number of the check. */
static int in_child(int (*checks)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(checks());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int check_prepare(void)
{
	struct rlimit r = { .rlim_cur = 100, .rlim_max = 200 };
	uint64_t files = 0;
	struct diag d;

	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		return 1;
	close(STDIN_FILENO);
	close(STDERR_FILENO);
	if (daemon_prepare(150, &files, &d) < 0 || files != 150)
		return 2;
	if (daemon_prepare(100000, &files, &d) < 0 || files != 200)
		return 3;
	if (daemon_prepare(10, &files, &d) < 0 || files != 200)
		return 4;
	if (umask(0) != 0027)
		return 5;
	if (fcntl(STDIN_FILENO, F_GETFD) < 0 || fcntl(STDERR_FILENO, F_GETFD) < 0)
		return 6;
	raise(SIGPIPE);
	raise(SIGXFSZ);
	return 0;
}

static int check_confine(void)
{
	struct diag d;

	if (daemon_confine(&d) < 0)
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != DAEMON_DUMPABLE)
		return 3;
	return 0;
}

static void limits_and_rights(void **state)
{
	(void)state;
	assert_int_equal(in_child(check_prepare), 0);
	assert_int_equal(in_child(check_confine), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_become_events),
		cmocka_unit_test(an_echo_is_no_second_stop),
		cmocka_unit_test(the_manager_is_told),
		cmocka_unit_test(the_watchdog_is_ours_or_not),
		cmocka_unit_test(limits_and_rights),
	};

	return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
