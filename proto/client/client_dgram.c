#include "proto/client/client_dgram.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

enum {
	/* Longer ones go one by one: a train must not need fragments anywhere on its way. */
	TRAIN_SEGMENT_BYTES = 1400,
	/* What one datagram could carry is what a train may. */
	TRAIN_BYTES = LIMIT_DATAGRAM_BYTES,
};

union segment {
	char bytes[CMSG_SPACE(sizeof(uint16_t))];
	struct cmsghdr head;
};

struct client_dgram {
	const char *name;
	int fd;
	unsigned train;
	unsigned count; /* datagrams that wait */
	uint64_t refused;
	struct buf bytes[CLIENT_DGRAM_BATCH];

	/* Of one flush. */
	struct iovec iov[CLIENT_DGRAM_BATCH];
	struct mmsghdr messages[CLIENT_DGRAM_BATCH];
	union segment segments[CLIENT_DGRAM_BATCH];
};

static int connect_any(const struct addrinfo *list)
{
	int err = ECONNREFUSED;

	for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		int fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

		if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
			return fd;
		err = errno;
		if (fd >= 0)
			close(fd);
	}
	return -err;
}

int client_dgram_open(const char *name, const char *host, const char *port, unsigned train,
	struct client_dgram **out, struct diag *d)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *list;
	struct client_dgram *g;
	int rc = getaddrinfo(host, port, &hints, &list), fd;

	ASSERT(train >= 1);
	ASSERT(train <= CLIENT_DGRAM_TRAIN_MAX);
	if (rc != 0)
		return diag_set(d, rc == EAI_SYSTEM ? -errno : ERR_UNKNOWN, name, -1, "%s",
			gai_strerror(rc));
	fd = connect_any(list);
	freeaddrinfo(list);
	if (fd < 0)
		return diag_set(d, fd, name, -1, "cannot send");
	g = calloc(1, sizeof *g);
	if (!g) {
		close(fd);
		return diag_set(d, -ENOMEM, name, -1, "cannot start");
	}
	g->name = name;
	g->fd = fd;
	g->train = train;
	for (unsigned i = 0; i < CLIENT_DGRAM_BATCH; i++)
		buf_init(&g->bytes[i], LIMIT_DATAGRAM_BYTES);
	*out = g;
	return 0;
}

void client_dgram_close(struct client_dgram **g)
{
	if (!*g)
		return;
	close((*g)->fd);
	for (unsigned i = 0; i < CLIENT_DGRAM_BATCH; i++)
		buf_fini(&(*g)->bytes[i]);
	free(*g);
	*g = NULL;
}

void client_dgram_leave(const struct client_dgram *g)
{
	close(g->fd);
}

uint64_t client_dgram_refused(const struct client_dgram *g)
{
	return g->refused;
}

/* ---- one call ---- */

/* How many datagrams from `first` on make a train: all of one size, but the last may be shorter. */
static unsigned train_from(const struct client_dgram *g, unsigned first)
{
	size_t size = g->bytes[first].len, all = size;
	unsigned n = 1;

	if (size == 0 || size > TRAIN_SEGMENT_BYTES)
		return 1;
	while (n < g->train && first + n < g->count) {
		size_t next = g->bytes[first + n].len;

		if (next == 0 || next > size || all + next > TRAIN_BYTES)
			break;
		all += next;
		n++;
		if (next < size)
			break;
	}
	return n;
}

static void set_segment(struct msghdr *m, union segment *at, size_t bytes)
{
	uint16_t size = (uint16_t)bytes;
	struct cmsghdr *c;

	m->msg_control = at->bytes;
	m->msg_controllen = sizeof at->bytes;
	c = CMSG_FIRSTHDR(m);
	c->cmsg_level = SOL_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof size);
	memcpy(CMSG_DATA(c), &size, sizeof size);
}

/* Messages for the datagrams from `first` on; returns their number. */
static unsigned make_messages(struct client_dgram *g, unsigned first)
{
	unsigned count = 0;

	while (first < g->count) {
		unsigned n = train_from(g, first);
		struct msghdr *m = &g->messages[count].msg_hdr;

		*m = (struct msghdr){ .msg_iov = &g->iov[first], .msg_iovlen = n };
		for (unsigned i = first; i < first + n; i++)
			g->iov[i] = (struct iovec){ g->bytes[i].p, g->bytes[i].len };
		if (n > 1)
			set_segment(m, &g->segments[count], g->bytes[first].len);
		first += n;
		count++;
	}
	return count;
}

/* What a failed send means. 0: try again. */
static int send_failed(struct client_dgram *g, struct diag *d)
{
	struct pollfd p = { .fd = g->fd, .events = POLLOUT };

	switch (errno) {
	case EINTR:
		return 0;
	case ECONNREFUSED:
		/* About an earlier datagram; this one was not sent yet. */
		g->refused++;
		return 0;
	case EAGAIN:
	case ENOBUFS:
		poll(&p, 1, 10);
		return 0;
	default:
		if (g->train == 1)
			return diag_set(d, -errno, g->name, -1, "cannot send");
		/* Not every network takes trains. */
		g->train = 1;
		return 0;
	}
}

int client_dgram_flush(struct client_dgram *g, struct diag *d)
{
	unsigned sent = 0; /* datagrams */

	while (sent < g->count) {
		unsigned count = make_messages(g, sent);
		int n = sendmmsg(g->fd, g->messages, count, 0);
		int rc = n < 0 ? send_failed(g, d) : 0;

		if (rc < 0)
			return rc;
		for (int i = 0; i < n; i++)
			sent += (unsigned)g->messages[i].msg_hdr.msg_iovlen;
	}
	g->count = 0;
	return 0;
}

struct buf *client_dgram_next(struct client_dgram *g)
{
	ASSERT(g->count < CLIENT_DGRAM_BATCH);
	buf_reset(&g->bytes[g->count]);
	return &g->bytes[g->count];
}

int client_dgram_push(struct client_dgram *g, struct diag *d)
{
	const struct buf *b = &g->bytes[g->count];

	if (b->err)
		return diag_set(d, b->err, g->name, -1, "cannot send");
	ASSERT(b->len <= LIMIT_DATAGRAM_BYTES);
	g->count++;
	return g->count == CLIENT_DGRAM_BATCH ? client_dgram_flush(g, d) : 0;
}
