#include "tools/send_dgram.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

struct send_dgram {
	const char *name;
	int fd;
	unsigned count;
	uint64_t refused;
	struct buf bytes[SEND_DGRAM_BATCH];
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

int send_dgram_open(const char *name, const char *host, const char *port, struct send_dgram **out,
	struct diag *d)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *list;
	struct send_dgram *g;
	int rc = getaddrinfo(host, port, &hints, &list), fd;

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
	for (unsigned i = 0; i < SEND_DGRAM_BATCH; i++)
		buf_init(&g->bytes[i], LIMIT_DATAGRAM_BYTES);
	*out = g;
	return 0;
}

void send_dgram_close(struct send_dgram **g)
{
	if (!*g)
		return;
	close((*g)->fd);
	for (unsigned i = 0; i < SEND_DGRAM_BATCH; i++)
		buf_fini(&(*g)->bytes[i]);
	free(*g);
	*g = NULL;
}

uint64_t send_dgram_refused(const struct send_dgram *g)
{
	return g->refused;
}

/* What a failed send means. 0: try again. */
static int send_failed(struct send_dgram *g, struct diag *d)
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
		return diag_set(d, -errno, g->name, -1, "cannot send");
	}
}

int send_dgram_flush(struct send_dgram *g, struct diag *d)
{
	struct mmsghdr messages[SEND_DGRAM_BATCH];
	struct iovec iov[SEND_DGRAM_BATCH];
	unsigned sent = 0;

	memset(messages, 0, sizeof messages);
	for (unsigned i = 0; i < g->count; i++) {
		iov[i] = (struct iovec){ g->bytes[i].p, g->bytes[i].len };
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	while (sent < g->count) {
		int n = sendmmsg(g->fd, messages + sent, g->count - sent, 0);
		int rc = n < 0 ? send_failed(g, d) : 0;

		if (rc < 0)
			return rc;
		sent += n > 0 ? (unsigned)n : 0;
	}
	g->count = 0;
	return 0;
}

int send_dgram_put(struct send_dgram *g, struct span frame, struct diag *d)
{
	struct buf *b = &g->bytes[g->count];

	ASSERT(frame.n <= LIMIT_DATAGRAM_BYTES);
	buf_reset(b);
	buf_put_span(b, frame);
	if (b->err)
		return diag_set(d, b->err, g->name, -1, "cannot send");
	g->count++;
	return g->count == SEND_DGRAM_BATCH ? send_dgram_flush(g, d) : 0;
}
