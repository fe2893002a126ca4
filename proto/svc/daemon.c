#include "proto/svc/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"

enum {
	DAEMON_UMASK = 0027,
	DAEMON_SIGNALS_TAG = 0x44534947,

	/* timeout(1) signals its child and then the whole group: that is still the first time. */
	STOP_ECHO_MS = 100,
};

/* ---- limits ---- */

/* A program started with a closed stderr must not write its log into the first file it opens. */
static int open_standard_fds(struct diag *d)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return diag_set(
				d, -errno, "/dev/null", -1, "open the standard descriptors");
	} while (fd <= STDERR_FILENO);
	close(fd);
	return 0;
}

static int ignore_signal(int number, struct diag *d)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	if (sigaction(number, &ignore, NULL) < 0)
		return diag_set(d, -errno, "", -1, "ignore signal %d", number);
	return 0;
}

static int raise_files(uint64_t want, uint64_t *out_files, struct diag *d)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return diag_set(d, -errno, "", -1, "ask for the limit of open files");
	if (r.rlim_cur < want && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = want < r.rlim_max ? want : r.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &r) < 0)
			return diag_set(d, -errno, "", -1, "raise the limit of open files");
	}
	*out_files = r.rlim_cur;
	return 0;
}

int daemon_prepare(uint64_t files_want, uint64_t *out_files, struct diag *d)
{
	int rc;

	umask(DAEMON_UMASK);
	rc = open_standard_fds(d);
	if (rc == 0)
		rc = ignore_signal(SIGPIPE, d);
	if (rc == 0)
		rc = ignore_signal(SIGXFSZ, d);
	if (rc == 0)
		rc = raise_files(files_want, out_files, d);
	return rc;
}

int daemon_confine(struct diag *d)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return diag_set(d, -errno, "", -1, "give up new privileges");
	if (!DAEMON_DUMPABLE && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return diag_set(d, -errno, "", -1, "forbid core dumps");
	return 0;
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *h, int number)
{
	struct daemon_signals *s = h->data;
	int64_t now = clock_mono_ns();

	CHECK_TAG(s, DAEMON_SIGNALS_TAG);
	if (number == SIGHUP) {
		s->cb(s->arg, DAEMON_REREAD);
		return;
	}
	if (s->stops_count > 0 && now - s->stopped_ns < STOP_ECHO_MS * CLOCK_NS_PER_MS)
		return;
	s->stopped_ns = now;
	s->cb(s->arg, s->stops_count++ == 0 ? DAEMON_STOP : DAEMON_STOP_NOW);
}

int daemon_signals_open(
	struct daemon_signals *s, uv_loop_t *loop, daemon_signal_cb cb, void *arg, struct diag *d)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
	int rc = 0;

	static_assert(ARRAY_COUNT(numbers) == ARRAY_COUNT(s->handles), "a handle per signal");
	*s = (struct daemon_signals){ .tag = DAEMON_SIGNALS_TAG, .cb = cb, .arg = arg };
	for (size_t i = 0; i < ARRAY_COUNT(numbers) && rc == 0; i++) {
		rc = uv_signal_init(loop, &s->handles[i]);
		if (rc < 0)
			break;
		s->handles[i].data = s;
		s->handles_count++;
		uv_unref((uv_handle_t *)&s->handles[i]);
		rc = uv_signal_start(&s->handles[i], on_signal, numbers[i]);
	}
	if (rc < 0) {
		daemon_signals_close(s);
		return diag_set(d, rc, "", -1, "take the signals TERM, INT and HUP");
	}
	return 0;
}

void daemon_signals_close(struct daemon_signals *s)
{
	while (s->handles_count > 0)
		uv_close((uv_handle_t *)&s->handles[--s->handles_count], NULL);
	s->tag = 0;
}

/* ---- the service manager ---- */

/* The address of $NOTIFY_SOCKET: a path, or @NAME for the abstract name NAME. */
static int notify_address(const char *name, struct sockaddr_un *sa, socklen_t *out_len)
{
	size_t n = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || n < 2)
		return -EINVAL;
	if (n >= sizeof sa->sun_path)
		return -ENAMETOOLONG;
	*sa = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(sa->sun_path, name, n);
	if (name[0] == '@')
		sa->sun_path[0] = 0;
	/* An abstract name ends where the length says, a path with its NUL. */
	*out_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'));
	return 0;
}

int daemon_notify(const char *state)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa;
	socklen_t len;
	ssize_t n;
	int fd, rc;

	if (!name || !*name)
		return DAEMON_NO_MANAGER;
	rc = notify_address(name, &sa, &len);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	do
		n = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa, len);
	while (n < 0 && errno == EINTR);
	rc = n < 0 ? -errno : 0;
	close(fd);
	return rc;
}

uint64_t daemon_watchdog_us(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	char *end;
	unsigned long long v;

	if (!usec || !*usec)
		return 0;
	if (pid && strtoll(pid, NULL, 10) != (long long)getpid())
		return 0;
	errno = 0;
	v = strtoull(usec, &end, 10);
	return errno || *end ? 0 : v;
}
