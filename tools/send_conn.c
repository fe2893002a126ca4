/*
 * The window is a ring of frames. Three places move through it: `head`, the oldest without an ack;
 * `next`, the one being written; `tail`, the one the caller fills. A lost connection moves `next`
 * back to `head`; nothing else is needed to send again.
 */
#include "tools/send_conn.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/wire/forward_put.h"
#include "proto/wire/walk.h"

enum {
	CONNECT_MS = 5000,
	TICK_MS = 200,
	PAUSE_FIRST_MS = 50,
	PAUSE_MAX_MS = 3000,
	ACK_BYTES = 4096,
	/* A collector acknowledges within milliseconds: after so long people want to know. */
	WAIT_TOLD_S = 3,
};

struct send_conn {
	struct send_conn_conf conf;
	struct send_conn_counts counts;
	struct send_frame *ring;
	uint64_t head; /* places count frames from 0; the ring's index is the remainder */
	uint64_t next;
	uint64_t tail;
	uint64_t reached; /* the frame after the last that was ever written to */
	int fd;
	int pause_ms;
	int64_t progress_ns; /* when the last ack came, or there was nothing to wait for */
	bool told_waiting;   /* since then */
	struct diag why;     /* the last failure */
	uint8_t acks[ACK_BYTES];
	size_t acks_bytes;
};

static struct send_frame *frame_at(struct send_conn *c, uint64_t place)
{
	return &c->ring[place % c->conf.window];
}

static int failed(struct send_conn *c, int code, const char *what)
{
	return diag_set(&c->why, code, c->conf.name, -1, "%s", what);
}

static int not_connected(struct send_conn *c, int code)
{
	return failed(c, code,
		"cannot connect; is astrocollectd running there? --to names another place");
}

/* ---- connecting ---- */

/* A socket, connected within CONNECT_MS, that does not block; or a negative errno. */
static int connect_to(int family, const struct sockaddr *sa, socklen_t sa_bytes)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int err = 0;
	socklen_t err_bytes = sizeof err;

	if (fd < 0)
		return -errno;
	if (connect(fd, sa, sa_bytes) == 0)
		return fd;
	err = errno;
	if (err == EINPROGRESS) {
		err = ETIMEDOUT;
		if (poll(&p, 1, CONNECT_MS) == 1)
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_bytes);
	}
	if (err == 0)
		return fd;
	close(fd);
	return -err;
}

static int connect_unix(struct send_conn *c)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int rc;

	if (strlen(c->conf.port) >= sizeof sa.sun_path)
		return not_connected(c, -ENAMETOOLONG);
	strcpy(sa.sun_path, c->conf.port);
	rc = connect_to(AF_UNIX, (const struct sockaddr *)&sa, sizeof sa);
	return rc < 0 ? not_connected(c, rc) : rc;
}

static int connect_tcp(struct send_conn *c)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	int rc = getaddrinfo(c->conf.host, c->conf.port, &hints, &list);

	if (rc != 0)
		return failed(c, rc == EAI_SYSTEM ? -errno : ERR_UNKNOWN, gai_strerror(rc));
	rc = -ECONNREFUSED;
	for (ai = list; ai; ai = ai->ai_next) {
		rc = connect_to(ai->ai_family, ai->ai_addr, ai->ai_addrlen);
		if (rc >= 0)
			break;
	}
	freeaddrinfo(list);
	return rc < 0 ? not_connected(c, rc) : rc;
}

static int connect_once(struct send_conn *c)
{
	int fd = c->conf.host ? connect_tcp(c) : connect_unix(c);

	if (fd < 0)
		return fd;
	c->fd = fd;
	c->next = c->head;
	c->acks_bytes = 0;
	c->counts.connections++;
	for (uint64_t i = c->head; i < c->tail; i++)
		frame_at(c, i)->written = 0;
	return 0;
}

static void disconnect(struct send_conn *c)
{
	close(c->fd);
	c->fd = -1;
	c->pause_ms = PAUSE_FIRST_MS;
	c->conf.lost(c->conf.arg, &c->why);
}

static void free_all(struct send_conn *c)
{
	for (unsigned i = 0; c->ring && i < c->conf.window; i++)
		buf_fini(&c->ring[i].bytes);
	free(c->ring);
	free(c);
}

int send_conn_open(const struct send_conn_conf *conf, struct send_conn **out, struct diag *d)
{
	struct send_conn *c = calloc(1, sizeof *c);
	int rc;

	ASSERT(conf->window > 0);
	if (!c)
		return diag_set(d, -ENOMEM, "", -1, "cannot start");
	c->conf = *conf;
	c->fd = -1;
	c->progress_ns = clock_mono_ns();
	c->ring = calloc(conf->window, sizeof *c->ring);
	for (unsigned i = 0; c->ring && i < conf->window; i++)
		buf_init(&c->ring[i].bytes, SEND_FRAME_BYTES);
	rc = c->ring ? connect_once(c) : failed(c, -ENOMEM, "cannot start");
	if (rc < 0) {
		*d = c->why;
		free_all(c);
		return rc;
	}
	*out = c;
	return 0;
}

void send_conn_close(struct send_conn **c)
{
	if (!*c)
		return;
	if ((*c)->fd >= 0)
		close((*c)->fd);
	free_all(*c);
	*c = NULL;
}

void send_conn_counts(const struct send_conn *c, struct send_conn_counts *out)
{
	*out = c->counts;
}

/* ---- acks ---- */

/* The chunk of {"ack": chunk}; absent if it is something else. */
static struct span chunk_of(struct span ack)
{
	struct rcur c = rcur_of(ack.p, ack.n);
	struct walk_value map, key, chunk;

	if (walk_read(&c, &map) < 0 || map.type != WALK_MAP || map.count < 1)
		return SPAN_NONE;
	if (walk_read(&c, &key) < 0 || !walk_is_text(&key) || !span_eq(key.data, SPAN_LIT("ack")))
		return SPAN_NONE;
	return walk_read(&c, &chunk) == 0 && walk_is_text(&chunk) ? chunk.data : SPAN_NONE;
}

static int take_ack(struct send_conn *c, struct span chunk)
{
	for (uint64_t i = c->head; i < c->tail; i++) {
		struct send_frame *f = frame_at(c, i);

		if (f->acked || !span_eq(chunk, span_str(f->chunk)))
			continue;
		f->acked = true;
		c->counts.frames_acked++;
		c->counts.events_acked += f->events;
		c->progress_ns = clock_mono_ns();
		c->told_waiting = false;
		c->conf.acked(c->conf.arg, f);
		while (c->head < c->tail && frame_at(c, c->head)->acked)
			c->head++;
		if (c->next < c->head)
			c->next = c->head;
		return 0;
	}
	return failed(c, ERR_SYNTAX,
		"what it answers is no ack of ours; is it the Forward port of astrocollectd?");
}

static int take_acks(struct send_conn *c)
{
	struct rcur in = rcur_of(c->acks, c->acks_bytes);
	struct span ack;
	int rc;

	while ((rc = walk_take(&in, &ack)) == 0) {
		rc = take_ack(c, chunk_of(ack));
		if (rc < 0)
			return rc;
	}
	c->acks_bytes = rcur_left(&in);
	memmove(c->acks, in.p, c->acks_bytes);
	if (rc != ERR_TRUNCATED || c->acks_bytes == ACK_BYTES)
		return failed(c, ERR_SYNTAX, "what came is no ack");
	return 0;
}

static int read_acks(struct send_conn *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, c->acks + c->acks_bytes, ACK_BYTES - c->acks_bytes, 0);
		int rc;

		if (n < 0)
			return errno == EAGAIN || errno == EINTR
				       ? 0
				       : failed(c, -errno, "connection lost");
		if (n == 0)
			return failed(
				c, -ECONNRESET, "closed by the collector, whose log tells why");
		c->acks_bytes += (size_t)n;
		rc = take_acks(c);
		if (rc < 0)
			return rc;
	}
}

/* ---- the wheel ---- */

static int write_frames(struct send_conn *c)
{
	while (c->next < c->tail) {
		struct send_frame *f = frame_at(c, c->next);
		ssize_t n;

		if (f->acked) {
			c->next++;
			continue;
		}
		if (f->written == 0 && c->next < c->reached)
			c->counts.frames_resent++;
		n = send(c->fd, f->bytes.p + f->written, f->bytes.len - f->written, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR
				       ? 0
				       : failed(c, -errno, "connection lost");
		if (c->next >= c->reached)
			c->reached = c->next + 1;
		f->written += (size_t)n;
		c->next += f->written == f->bytes.len;
	}
	return 0;
}

static int exchange(struct send_conn *c, int wait_ms)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	int rc;

	if (c->next < c->tail)
		p.events |= POLLOUT;
	rc = poll(&p, 1, wait_ms);
	if (rc < 0 && errno != EINTR)
		return failed(c, -errno, "cannot wait");
	rc = write_frames(c);
	return rc == 0 ? read_acks(c) : rc;
}

static int reconnect(struct send_conn *c)
{
	int rc;

	poll(NULL, 0, c->pause_ms);
	rc = connect_once(c);
	c->pause_ms = c->pause_ms < PAUSE_MAX_MS / 2 ? c->pause_ms * 2 : PAUSE_MAX_MS;
	return rc;
}

/* Whoever takes connections and ends them, and has never acknowledged anything, will not. */
static bool is_futile(const struct send_conn *c)
{
	return c->fd < 0 && c->counts.frames_acked == 0 &&
	       c->counts.connections >= SEND_CONN_FUTILE;
}

static int give_up(struct send_conn *c, struct diag *d)
{
	if (is_futile(c))
		return diag_set(d, ERR_UNKNOWN, c->conf.name, -1,
			"it ends every connection and has acknowledged nothing; is it the Forward port "
			"of astrocollectd?");
	if (c->fd >= 0)
		failed(c, -ETIMEDOUT, "no ack came in time");
	*d = c->why;
	return c->why.code;
}

static void tell_waiting(struct send_conn *c, int64_t waited_ns)
{
	if (c->told_waiting || waited_ns < WAIT_TOLD_S * CLOCK_NS_PER_SEC)
		return;
	c->told_waiting = true;
	c->conf.waiting(c->conf.arg, waited_ns / CLOCK_NS_PER_SEC);
}

/* One turn, of at most wait_ms where the connection stands. Negative: given up. */
static int turn(struct send_conn *c, int wait_ms, struct diag *d)
{
	int64_t waited_ns;

	if (c->fd < 0)
		reconnect(c);
	else if (exchange(c, wait_ms) < 0)
		disconnect(c);
	if (c->conf.tick(c->conf.arg) != 0)
		return diag_set(d, -EINTR, c->conf.name, -1, "stopped before every ack came");
	waited_ns = clock_mono_ns() - c->progress_ns;
	if (waited_ns >= c->conf.patience_ns || is_futile(c))
		return give_up(c, d);
	if (c->head < c->tail)
		tell_waiting(c, waited_ns);
	return 0;
}

int send_conn_frame(struct send_conn *c, struct send_frame **out, struct diag *d)
{
	struct send_frame *f;

	while (c->tail - c->head == c->conf.window) {
		int rc = turn(c, TICK_MS, d);

		if (rc < 0)
			return rc;
	}
	f = frame_at(c, c->tail);
	buf_reset(&f->bytes);
	f->events = 0;
	f->written = 0;
	f->acked = false;
	*out = f;
	return 0;
}

int send_conn_push(struct send_conn *c, struct diag *d)
{
	struct send_frame *f = frame_at(c, c->tail);

	ASSERT(f->events > 0);
	ASSERT(f->chunk[0]);
	if (f->bytes.err)
		return diag_set(d, f->bytes.err, "", -1, "cannot make a frame");
	if (c->head == c->tail)
		c->progress_ns = clock_mono_ns();
	c->tail++;
	c->counts.frames++;
	return turn(c, 0, d);
}

int send_conn_finish(struct send_conn *c, struct diag *d)
{
	int rc = 0;

	while (c->head < c->tail && rc == 0)
		rc = turn(c, TICK_MS, d);
	return rc;
}
