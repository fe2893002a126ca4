#include "proto/net/dgram.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"
#include "proto/net/unix_path.h"
#include "proto/net/admit.h"

enum {
	DGRAM_TAG = 0x4447524d,
	/* The largest train, and one byte more than the largest datagram, so that a longer one shows. */
	SLOT_BYTES = 64 << 10,
	/* Datagrams of one millisecond from which the socket is busy, and of a look below which no longer. */
	BUSY_FROM = 16,
	BUSY_BELOW = 4,
	BUSY_MS = 1,
	/* The kernel's count of drops is asked once in so many looks, long before it can wrap. */
	LOOKS_PER_COUNT = 256,
};

static_assert((int)SLOT_BYTES > (int)LIMIT_DATAGRAM_BYTES, "a datagram that is too long shows");

struct dgram_bufs {
	struct mmsghdr msgs[LIMIT_DGRAM_BATCH];
	struct iovec iovs[LIMIT_DGRAM_BATCH];
	struct addr peers[LIMIT_DGRAM_BATCH];
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control[LIMIT_DGRAM_BATCH];
	uint8_t data[];
};

static void on_readable(uv_poll_t *poll, int status, int events);
static void on_timer(uv_timer_t *timer);

static struct dgram_bufs *bufs_new(void)
{
	struct dgram_bufs *b = malloc(sizeof *b + (size_t)LIMIT_DGRAM_BATCH * SLOT_BYTES);

	if (!b)
		return NULL;
	for (unsigned i = 0; i < LIMIT_DGRAM_BATCH; i++) {
		b->iovs[i] = (struct iovec){ b->data + (size_t)i * SLOT_BYTES, SLOT_BYTES };
		b->msgs[i].msg_hdr = (struct msghdr){ .msg_name = &b->peers[i].sa,
			.msg_iov = &b->iovs[i],
			.msg_iovlen = 1,
			.msg_control = b->control[i].bytes };
	}
	return b;
}

/* The kernel has written into these lengths of the messages it used. */
static void bufs_arm(struct dgram_bufs *b, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		b->msgs[i].msg_hdr.msg_namelen = sizeof b->peers[i].sa;
		b->msgs[i].msg_hdr.msg_controllen = sizeof b->control[i].bytes;
	}
}

/* ---- handing over ---- */

/* Bytes of each datagram of a train, the last may have fewer; 0: the message is one datagram. */
static size_t segment_bytes(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int v;

		if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&v, CMSG_DATA(c), sizeof v);
		return v > 0 ? (size_t)v : 0;
	}
	return 0;
}

/* Moves past the next datagram, which is handed out; its message to *out. */
static struct span next(struct dgram *g, struct mmsghdr **out)
{
	struct mmsghdr *m = &g->bufs->msgs[g->at];
	size_t size = m->msg_hdr.msg_controllen > 0 ? segment_bytes(&m->msg_hdr) : 0;
	size_t left = m->msg_len - g->at_off, n = size > 0 && size < left ? size : left;
	struct span s = span_of(g->bufs->data + (size_t)g->at * SLOT_BYTES + g->at_off, n);

	ASSERT(g->at < g->count);
	ASSERT(g->at_off + n <= SLOT_BYTES);
	g->at_off += n;
	if (g->at_off == m->msg_len) {
		g->at++;
		g->at_off = 0;
	}
	g->received++;
	*out = m;
	return s;
}

static void hand_over(struct dgram *g)
{
	struct addr *peer = &g->bufs->peers[g->at];
	struct mmsghdr *m;
	struct span s = next(g, &m);
	/* Of a train only the end can be missing. */
	bool cut = s.n > LIMIT_DATAGRAM_BYTES || (m->msg_hdr.msg_flags & MSG_TRUNC && !g->at_off);

	peer->sa_bytes = m->msg_hdr.msg_namelen;
	if (g->conf.admit && !admit_dgram(g->conf.admit, peer, s.n, (int64_t)uv_now(g->poll.loop)))
		return;
	g->conf.recv(g->conf.arg, s.p, s.n, cut, peer);
}

/* Hands over what was received, until that is all or the owner wants no more. */
static void deliver(struct dgram *g)
{
	if (g->conf.begin)
		g->conf.begin(g->conf.arg);
	while (g->at < g->count && !g->paused && g->fd >= 0)
		hand_over(g);
	if (g->conf.end)
		g->conf.end(g->conf.arg);
}

/* ---- receiving ---- */

/* True when a whole batch came and was handed over, so that more may wait. */
static bool recv_batch(struct dgram *g)
{
	int n;

	ASSERT(g->at == g->count);
	bufs_arm(g->bufs, g->count);
	g->at = g->count = 0;
	n = recvmmsg(g->fd, g->bufs->msgs, LIMIT_DGRAM_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0) {
		/* Errors of a datagram socket are news about datagrams sent before (ECONNREFUSED). */
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			g->errors++;
		return false;
	}
	g->count = (unsigned)n;
	g->messages += (unsigned)n;
	deliver(g);
	return n == LIMIT_DGRAM_BATCH && !g->paused && g->fd >= 0;
}

/* Reads until nothing waits or the other sockets have their turn (true). *out_count: messages. */
static bool look(struct dgram *g, unsigned *out_count)
{
	uint64_t before = g->messages;
	unsigned turn = 0;

	if (++g->looks % LOOKS_PER_COUNT == 0)
		dgram_dropped(g);
	while (turn < LIMIT_DGRAM_TURNS && recv_batch(g))
		turn++;
	*out_count = (unsigned)(g->messages - before);
	return turn == LIMIT_DGRAM_TURNS;
}

static void watch(struct dgram *g)
{
	g->busy = false;
	uv_timer_stop(&g->timer);
	uv_poll_start(&g->poll, UV_READABLE, on_readable);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct dgram *g = poll->data;
	uint64_t now = uv_now(g->poll.loop);
	unsigned n;

	(void)events;
	CHECK_TAG(g, DGRAM_TAG);
	look(g, &n);
	if (g->paused || g->fd < 0)
		return;
	if (now != g->ms) {
		g->ms = now;
		g->ms_count = 0;
	}
	g->ms_count += n;
	if (g->ms_count >= BUSY_FROM && !g->conf.path) {
		g->busy = true;
		uv_poll_stop(&g->poll);
		uv_timer_start(&g->timer, on_timer, BUSY_MS, 0);
	} else if (status < 0) {
		/* An error made libuv stop watching; the socket itself goes on. */
		watch(g);
	}
}

static void on_timer(uv_timer_t *timer)
{
	struct dgram *g = timer->data;
	unsigned n;
	bool more;

	CHECK_TAG(g, DGRAM_TAG);
	more = look(g, &n);
	if (g->paused || g->fd < 0)
		return;
	if (n < BUSY_BELOW)
		watch(g);
	else
		uv_timer_start(&g->timer, on_timer, more ? 0 : BUSY_MS, 0);
}

/* ---- life ---- */

static unsigned granted(int fd)
{
	int got = 0;
	socklen_t n = sizeof got;

	/* The kernel doubles it for its own needs. */
	return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &n) == 0 ? (unsigned)got / 2 : 0;
}

static void set_options(struct dgram *g)
{
	int on = 1, off = 0, want = (int)g->conf.rcvbuf_bytes;

	g->trains = setsockopt(g->fd, SOL_UDP, UDP_GRO, &on, sizeof on) == 0;
	if (g->conf.at.sa.ss_family == AF_INET6)
		setsockopt(g->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (want > 0 && setsockopt(g->fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof want) < 0)
		setsockopt(g->fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof want);
	g->rcvbuf_bytes = granted(g->fd);
}

static int give_up(struct dgram *g, int rc)
{
	free(g->bufs);
	g->bufs = NULL;
	if (g->fd >= 0)
		close(g->fd);
	if (g->fd >= 0 && g->conf.path)
		unlink(g->conf.path);
	g->fd = -1;
	return rc;
}

/* The socket, bound. */
static int open_socket(struct dgram *g, const char *text, struct diag *d)
{
	const struct addr *at = &g->conf.at;

	if (g->conf.path) {
		g->fd = unix_path_bind(SOCK_DGRAM, g->conf.path, g->conf.mode, d);
		return g->fd < 0 ? g->fd : 0;
	}
	g->fd = socket(at->sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (g->fd < 0)
		return diag_set(d, -errno, text, -1, "cannot make a UDP socket");
	set_options(g);
	if (bind(g->fd, (const struct sockaddr *)&at->sa, at->sa_bytes) < 0)
		return diag_set(d, -errno, text, -1, "cannot receive on this UDP address; %s",
			addr_advice(errno));
	return 0;
}

int dgram_open(struct dgram *g, uv_loop_t *loop, const struct dgram_conf *conf, struct diag *d)
{
	char text[ADDR_TEXT_BYTES] = "";
	int rc;

	*g = (struct dgram){ .fd = -1, .conf = *conf };
	if (conf->path)
		snprintf(text, sizeof text, "%s", conf->path);
	else
		addr_text(&conf->at, text);
	g->bufs = bufs_new();
	if (!g->bufs)
		return diag_set(d, -ENOMEM, text, -1, "no memory for the buffers of datagrams");
	rc = open_socket(g, text, d);
	if (rc < 0)
		return give_up(g, rc);
	bufs_arm(g->bufs, LIMIT_DGRAM_BATCH);
	rc = uv_poll_init(loop, &g->poll, g->fd);
	if (rc < 0)
		return give_up(g, diag_set(d, rc, text, -1, "cannot watch a datagram socket"));
	uv_timer_init(loop, &g->timer);
	g->handles_open = 2;
	g->poll.data = g->timer.data = g;
	g->tag = DGRAM_TAG;
	g->addr.sa_bytes = sizeof g->addr.sa;
	getsockname(g->fd, (struct sockaddr *)&g->addr.sa, &g->addr.sa_bytes);
	watch(g);
	return 0;
}

void dgram_send(struct dgram *g, const void *p, size_t n, const struct addr *to)
{
	if (g->fd >= 0)
		sendto(g->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&to->sa,
			to->sa_bytes);
}

/*
 * The number that SO_RXQ_OVFL would tell with every datagram, asked for instead: that costs nothing
 * where nothing is dropped, and knows of drops that no later datagram came to tell.
 */
uint64_t dgram_dropped(struct dgram *g)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t n = sizeof info;

	if (g->fd >= 0 && getsockopt(g->fd, SOL_SOCKET, SO_MEMINFO, info, &n) == 0) {
		g->dropped += (uint32_t)(info[SK_MEMINFO_DROPS] - g->dropped_last);
		g->dropped_last = info[SK_MEMINFO_DROPS];
	}
	return g->dropped;
}

void dgram_pause(struct dgram *g)
{
	if (g->paused || g->fd < 0)
		return;
	g->paused = true;
	uv_poll_stop(&g->poll);
	uv_timer_stop(&g->timer);
}

void dgram_resume(struct dgram *g)
{
	if (!g->paused || g->fd < 0)
		return;
	g->paused = false;
	if (g->at < g->count)
		deliver(g);
	if (!g->paused && g->fd >= 0)
		watch(g);
}

unsigned dgram_discard(struct dgram *g)
{
	unsigned n = 0;
	struct mmsghdr *m;

	ASSERT(g->paused || g->fd < 0);
	for (; g->at < g->count; n++)
		next(g, &m);
	return n;
}

static void on_closed(uv_handle_t *h)
{
	struct dgram *g = h->data;

	CHECK_TAG(g, DGRAM_TAG);
	if (--g->handles_open > 0)
		return;
	g->tag = 0;
	free(g->bufs);
	g->bufs = NULL;
	if (g->closed)
		g->closed(g->conf.arg);
}

void dgram_close(struct dgram *g, dgram_closed_cb closed)
{
	if (g->tag != DGRAM_TAG || g->fd < 0)
		return;
	g->closed = closed;
	dgram_dropped(g);
	uv_close((uv_handle_t *)&g->poll, on_closed);
	uv_close((uv_handle_t *)&g->timer, on_closed);
	close(g->fd);
	g->fd = -1;
	if (g->conf.path)
		unlink(g->conf.path);
}
