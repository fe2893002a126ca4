#include "proto/net/dgram.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

enum { DGRAM_TAG = 0x4447524d };

/* One more byte than is allowed, so that a longer datagram shows. */
enum { SLOT_BYTES = LIMIT_DATAGRAM_BYTES + 1 };

struct dgram_bufs {
	struct mmsghdr msgs[LIMIT_DGRAM_BATCH];
	struct iovec iovs[LIMIT_DGRAM_BATCH];
	struct addr peers[LIMIT_DGRAM_BATCH];
	union {
		char bytes[CMSG_SPACE(sizeof(uint32_t))];
		struct cmsghdr align;
	} control[LIMIT_DGRAM_BATCH];
	uint8_t data[];
};

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

/* The kernel writes into these lengths at each receive. */
static void bufs_arm(struct dgram_bufs *b)
{
	for (unsigned i = 0; i < LIMIT_DGRAM_BATCH; i++) {
		b->msgs[i].msg_hdr.msg_namelen = sizeof b->peers[i].sa;
		b->msgs[i].msg_hdr.msg_controllen = sizeof b->control[i].bytes;
	}
}

/* The counter is of the moment when a datagram was queued: an older value may come after a newer one. */
static void note_dropped(struct dgram *g, uint32_t now)
{
	int32_t more = (int32_t)(now - g->dropped_last);

	if (more <= 0)
		return;
	g->dropped_last = now;
	g->dropped += (uint32_t)more;
}

static void read_control(struct dgram *g, struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		uint32_t v;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
			continue;
		memcpy(&v, CMSG_DATA(c), sizeof v);
		note_dropped(g, v);
	}
}

static void hand_over(struct dgram *g, unsigned i)
{
	struct dgram_bufs *b = g->bufs;
	struct mmsghdr *m = &b->msgs[i];

	read_control(g, &m->msg_hdr);
	b->peers[i].sa_bytes = m->msg_hdr.msg_namelen;
	g->received++;
	g->conf.recv(g->conf.arg, b->iovs[i].iov_base, m->msg_len,
		m->msg_len > LIMIT_DATAGRAM_BYTES || m->msg_hdr.msg_flags & MSG_TRUNC,
		&b->peers[i]);
}

/* True when a whole batch came, so that more may wait. */
static bool recv_batch(struct dgram *g)
{
	int n;

	bufs_arm(g->bufs);
	n = recvmmsg(g->fd, g->bufs->msgs, LIMIT_DGRAM_BATCH, MSG_DONTWAIT, NULL);
	if (n < 0) {
		/* Errors of a datagram socket are news about datagrams sent before (ECONNREFUSED). */
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			g->errors++;
		return false;
	}
	for (int i = 0; i < n; i++)
		hand_over(g, (unsigned)i);
	return n == LIMIT_DGRAM_BATCH;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct dgram *g = poll->data;

	(void)events;
	CHECK_TAG(g, DGRAM_TAG);
	for (unsigned i = 0; i < LIMIT_DGRAM_TURNS; i++) {
		if (!recv_batch(g) || g->paused || g->fd < 0)
			break;
	}
	if (g->conf.done)
		g->conf.done(g->conf.arg);
	/* An error made libuv stop watching; the socket itself goes on. */
	if (status < 0 && !g->paused && g->fd >= 0)
		uv_poll_start(&g->poll, UV_READABLE, on_readable);
}

static void set_options(struct dgram *g)
{
	int on = 1, off = 0, want = (int)g->conf.rcvbuf_bytes, got = 0;
	socklen_t n = sizeof got;

	setsockopt(g->fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
	if (g->conf.at.sa.ss_family == AF_INET6)
		setsockopt(g->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (want > 0 && setsockopt(g->fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof want) < 0)
		setsockopt(g->fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof want);
	if (getsockopt(g->fd, SOL_SOCKET, SO_RCVBUF, &got, &n) == 0)
		g->rcvbuf_bytes = (unsigned)got / 2; /* the kernel doubles it for its own needs */
}

static int give_up(struct dgram *g, int rc)
{
	free(g->bufs);
	g->bufs = NULL;
	if (g->fd >= 0)
		close(g->fd);
	g->fd = -1;
	return rc;
}

int dgram_open(struct dgram *g, uv_loop_t *loop, const struct dgram_conf *conf, struct diag *d)
{
	char text[ADDR_TEXT_BYTES];
	int rc;

	*g = (struct dgram){ .fd = -1, .conf = *conf };
	addr_text(&conf->at, text);
	g->bufs = bufs_new();
	if (!g->bufs)
		return diag_set(d, -ENOMEM, text, -1, "no memory for the buffers of UDP");
	g->fd = socket(conf->at.sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (g->fd < 0)
		return give_up(g, diag_set(d, -errno, text, -1, "cannot make a UDP socket"));
	set_options(g);
	if (bind(g->fd, (const struct sockaddr *)&conf->at.sa, conf->at.sa_bytes) < 0)
		return give_up(
			g, diag_set(d, -errno, text, -1, "cannot receive on this UDP address; %s",
				   addr_advice(errno)));
	rc = uv_poll_init(loop, &g->poll, g->fd);
	if (rc < 0)
		return give_up(g, diag_set(d, rc, text, -1, "cannot watch a UDP socket"));
	g->poll.data = g;
	g->tag = DGRAM_TAG;
	g->addr.sa_bytes = sizeof g->addr.sa;
	getsockname(g->fd, (struct sockaddr *)&g->addr.sa, &g->addr.sa_bytes);
	uv_poll_start(&g->poll, UV_READABLE, on_readable);
	return 0;
}

void dgram_send(struct dgram *g, const void *p, size_t n, const struct addr *to)
{
	if (g->fd >= 0)
		sendto(g->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&to->sa,
			to->sa_bytes);
}

uint64_t dgram_dropped(struct dgram *g)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t n = sizeof info;

	if (g->fd >= 0 && getsockopt(g->fd, SOL_SOCKET, SO_MEMINFO, info, &n) == 0)
		note_dropped(g, info[SK_MEMINFO_DROPS]);
	return g->dropped;
}

void dgram_pause(struct dgram *g)
{
	if (g->paused || g->fd < 0)
		return;
	g->paused = true;
	uv_poll_stop(&g->poll);
}

void dgram_resume(struct dgram *g)
{
	if (!g->paused || g->fd < 0)
		return;
	g->paused = false;
	uv_poll_start(&g->poll, UV_READABLE, on_readable);
}

static void on_closed(uv_handle_t *h)
{
	struct dgram *g = h->data;

	CHECK_TAG(g, DGRAM_TAG);
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
	uv_close((uv_handle_t *)&g->poll, on_closed);
	close(g->fd);
	g->fd = -1;
}
