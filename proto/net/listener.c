#include "proto/net/listener.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/net/unix_path.h"
#include "proto/net/admit.h"
#include "proto/net/peers.h"

enum {
	LISTENER_TAG = 0x4c49534e,
	LISTENER_BACKLOG = 1024,
};

/* ---------------------------------------------------------------- gate */

static unsigned fds_in_use(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!dir)
		return LIMIT_FDS_RESERVED; /* no /proc: count generously */
	while (readdir(dir))
		n++;
	closedir(dir);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

int listener_gate_init(struct listener_gate *g, unsigned wanted, struct diag *d)
{
	unsigned used = fds_in_use() + LIMIT_FDS_RESERVED;
	struct rlimit rl;
	rlim_t left;

	*g = (struct listener_gate){ 0 };
	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return diag_set(d, -errno, "", -1, "cannot read the limit of open files");
	if (rl.rlim_cur <= used)
		return diag_set(d, ERR_LIMIT, "", -1,
			"%llu open files are allowed and %u are needed before the first "
			"connection; raise LimitNOFILE= or ulimit -n",
			(unsigned long long)rl.rlim_cur, used);
	left = rl.rlim_cur - used;
	g->open_ceiling = left < UINT32_MAX ? (unsigned)left : UINT32_MAX;
	listener_gate_limit(g, wanted);
	return 0;
}

void listener_gate_limit(struct listener_gate *g, unsigned wanted)
{
	g->open_max = wanted < g->open_ceiling ? wanted : g->open_ceiling;
}

void listener_gate_split(struct listener_gate *g, unsigned n, struct listener_gate *out)
{
	if (n > g->open_ceiling / 2)
		n = g->open_ceiling / 2;
	g->open_ceiling -= n;
	listener_gate_limit(g, g->open_max);
	*out = (struct listener_gate){ .open_max = n, .open_ceiling = n };
}

/* ---------------------------------------------------------------- accepting */

static void on_readable(uv_poll_t *poll, int status, int events);

static void on_rested(uv_timer_t *t)
{
	struct listener *l = t->data;

	CHECK_TAG(l, LISTENER_TAG);
	uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

/* The kernel gives no descriptor: polling on would wake the loop for nothing, over and over. */
static void rest(struct listener *l)
{
	l->gate->starved++;
	uv_poll_stop(&l->poll);
	uv_timer_start(&l->rest, on_rested, LIMIT_ACCEPT_REST_MS, 0);
}

static bool starved(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

/* Whether the peer's share allows one connection more. */
static bool enter_share(struct listener *l, const struct addr *peer)
{
	struct listener_gate *g = l->gate;

	ASSERT(g->open < g->open_max);
	if (!g->peers || peers_enter(g->peers, peer, peers_share(g->open_max - g->open)))
		return true;
	if (l->admit)
		l->admit->refused[ADMIT_CONNECTIONS]++;
	return false;
}

/* True: it counts in the gate. */
static bool enter(struct listener *l, const struct addr *peer)
{
	struct listener_gate *g = l->gate;

	if (l->admit && !admit_network(l->admit, peer))
		return false;
	if (g->open >= g->open_max) {
		g->refused++;
		return false;
	}
	if (!enter_share(l, peer))
		return false;
	g->open++;
	g->accepted++;
	return true;
}

void listener_gate_leave(struct listener_gate *g, const struct addr *peer)
{
	ASSERT(g->open > 0);
	g->open--;
	if (g->peers)
		peers_leave(g->peers, peer);
}

void listener_drop(struct listener_gate *g, int fd, const struct addr *peer)
{
	close(fd);
	listener_gate_leave(g, peer);
}

/* True to go on accepting in this turn. */
static bool accept_one(struct listener *l)
{
	struct addr peer = { .sa_bytes = sizeof peer.sa };
	int fd = accept4(
		l->fd, (struct sockaddr *)&peer.sa, &peer.sa_bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (starved(errno))
			rest(l);
		/* Any other error but EAGAIN is of that one connection, which is gone already. */
		return errno != EAGAIN && errno != EWOULDBLOCK && !starved(errno);
	}
	if (!enter(l, &peer)) {
		close(fd);
		return true;
	}
	l->accept(l->arg, fd, &peer);
	return l->fd >= 0;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	(void)status;
	(void)events;
	CHECK_TAG(l, LISTENER_TAG);
	for (unsigned i = 0; i < LIMIT_ACCEPTS_PER_TURN; i++) {
		if (!accept_one(l))
			return;
	}
}

void listener_drain(struct listener *l)
{
	for (unsigned i = 0; i < LISTENER_BACKLOG && l->tag == LISTENER_TAG && l->fd >= 0; i++) {
		if (!accept_one(l))
			return;
	}
}

/* ---------------------------------------------------------------- open and close */

static int start(struct listener *l, uv_loop_t *loop, struct diag *d)
{
	int rc = uv_poll_init(loop, &l->poll, l->fd);

	if (rc < 0)
		return diag_set(d, rc, "", -1, "cannot watch a listening socket");
	uv_timer_init(loop, &l->rest);
	l->poll.data = l;
	l->rest.data = l;
	l->handles_open = 2;
	l->tag = LISTENER_TAG;
	l->addr.sa_bytes = sizeof l->addr.sa;
	if (getsockname(l->fd, (struct sockaddr *)&l->addr.sa, &l->addr.sa_bytes) < 0)
		l->addr.sa_bytes = 0;
	return uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

static void prepare(
	struct listener *l, struct listener_gate *g, listener_accept_cb accept, void *arg)
{
	*l = (struct listener){ .fd = -1, .gate = g, .accept = accept, .arg = arg };
}

/* A listener that could not be opened holds nothing. */
static int give_up(struct listener *l, int rc)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	return rc;
}

int listener_open_tcp(struct listener *l, uv_loop_t *loop, struct listener_gate *g,
	const struct addr *at, listener_accept_cb accept, void *arg, struct diag *d)
{
	char text[ADDR_TEXT_BYTES];
	int on = 1, off = 0, rc;

	prepare(l, g, accept, arg);
	addr_text(at, text);
	l->fd = socket(at->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return diag_set(d, -errno, text, -1, "cannot make a TCP socket");
	setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (at->sa.ss_family == AF_INET6)
		setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (bind(l->fd, (const struct sockaddr *)&at->sa, at->sa_bytes) < 0 ||
		listen(l->fd, LISTENER_BACKLOG) < 0)
		return give_up(
			l, diag_set(d, -errno, text, -1, "cannot listen on this TCP address; %s",
				   addr_advice(errno)));
	rc = start(l, loop, d);
	return rc < 0 ? give_up(l, rc) : 0;
}

int listener_open_unix(struct listener *l, uv_loop_t *loop, struct listener_gate *g,
	const char *path, unsigned mode, listener_accept_cb accept, void *arg, struct diag *d)
{
	int rc;

	prepare(l, g, accept, arg);
	rc = unix_path_bind(SOCK_STREAM, path, mode, d);
	if (rc < 0)
		return rc;
	l->fd = rc;
	strcpy(l->path, path);
	rc = listen(l->fd, LISTENER_BACKLOG);
	if (rc == 0)
		rc = start(l, loop, d);
	else
		rc = diag_set(d, -errno, path, -1, "cannot listen on the unix socket");
	if (rc < 0)
		unlink(path);
	return rc < 0 ? give_up(l, rc) : 0;
}

static void on_closed(uv_handle_t *h)
{
	struct listener *l = h->data;

	CHECK_TAG(l, LISTENER_TAG);
	if (--l->handles_open > 0)
		return;
	l->tag = 0;
	if (l->closed)
		l->closed(l->arg);
}

void listener_close(struct listener *l, listener_closed_cb closed)
{
	if (l->tag != LISTENER_TAG || l->fd < 0)
		return;
	l->closed = closed;
	uv_close((uv_handle_t *)&l->poll, on_closed);
	uv_close((uv_handle_t *)&l->rest, on_closed);
	close(l->fd);
	l->fd = -1;
	if (l->path[0])
		unlink(l->path);
}
