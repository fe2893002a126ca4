/*
 * The window is a ring of frames. Three places move through it: `head`, the oldest without an ack;
 * `next`, the one being written; `tail`, where the next one is pushed. A lost connection moves `next`
 * back to `head`; nothing else is needed to send again. An acked frame leaves its place empty at once,
 * for acks may come in any order.
 *
 * A connection is down (no descriptor), being made (`addresses` is the list that is tried), or up.
 */
#include "proto/client/client_link.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#include "proto/wire/walk.h"

enum {
	ACK_BYTES = 4096,
	/* A collector acknowledges within milliseconds: after so long people want to know. */
	WAIT_TOLD_S = 3,
};

struct client_link {
	struct client_link_conf conf;
	struct client_link_counts counts;
	struct client_frame **ring; /* NULL: acked */
	uint64_t head; /* places count frames from 0; the ring's index is the remainder */
	uint64_t next;
	uint64_t tail;
	uint64_t reached; /* the frame after the last that was ever written to */
	int fd;
	bool up;
	struct addrinfo *addresses; /* of TCP, while a connection is made */
	struct addrinfo *address;   /* the one that is tried, and those behind it */
	int64_t try_ns;             /* down: when to try again; being made: when to give it up */
	int pause_ms;
	int64_t progress_ns; /* when the last ack came, or there was nothing to wait for */
	int64_t stall_ns;    /* the same, or when the connection was made */
	bool told_waiting;   /* since then */
	struct diag why;     /* the last failure */
	uint8_t acks[ACK_BYTES];
	size_t acks_bytes;
};

static struct client_frame **place(struct client_link *l, uint64_t at)
{
	return &l->ring[at % l->conf.window];
}

static int failed(struct client_link *l, int code, const char *what)
{
	return diag_set(&l->why, code, l->conf.name, -1, "%s", what);
}

static int not_connected(struct client_link *l, int code)
{
	return diag_set(&l->why, code, l->conf.name, -1, "cannot connect; %s", l->conf.hint);
}

/* ---- connecting ---- */

static void forget_addresses(struct client_link *l)
{
	if (l->addresses)
		freeaddrinfo(l->addresses);
	l->addresses = NULL;
	l->address = NULL;
}

static void hang_up(struct client_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->up = false;
	forget_addresses(l);
}

static void pause_tries(struct client_link *l)
{
	l->try_ns = clock_mono_ns() + l->pause_ms * CLOCK_NS_PER_MS;
	l->pause_ms = l->pause_ms < LIMIT_SENDER_RETRY_MS_MAX / 2 ? l->pause_ms * 2
								  : LIMIT_SENDER_RETRY_MS_MAX;
	l->counts.failures++;
}

static void disconnect(struct client_link *l)
{
	hang_up(l);
	pause_tries(l);
	l->conf.lost(l->conf.arg, &l->why);
}

static void set_up(struct client_link *l)
{
	const int on = 1, idle_s = LIMIT_KEEPALIVE_S;

	if (l->conf.host) {
		setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		setsockopt(l->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
		setsockopt(l->fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	}
	forget_addresses(l);
	l->up = true;
	l->next = l->head;
	l->acks_bytes = 0;
	l->stall_ns = clock_mono_ns();
	l->counts.connections++;
	for (uint64_t i = l->head; i < l->tail; i++) {
		if (*place(l, i))
			(*place(l, i))->written = 0;
	}
}

/* A socket on its way to that address. 0, 1: it is connected, or a negative errno. */
static int start(struct client_link *l, int family, const struct sockaddr *sa, socklen_t sa_bytes)
{
	int err;

	l->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0)
		return -errno;
	l->try_ns = clock_mono_ns() + LIMIT_CLIENT_CONNECT_MS * CLOCK_NS_PER_MS;
	if (connect(l->fd, sa, sa_bytes) == 0)
		return 1;
	if (errno == EINPROGRESS)
		return 0;
	err = errno;
	close(l->fd);
	l->fd = -1;
	return -err;
}

/* Tries l->address and those behind it until one is on its way. */
static int start_next(struct client_link *l, int why)
{
	int rc = why;

	while (l->address) {
		rc = start(l, l->address->ai_family, l->address->ai_addr, l->address->ai_addrlen);
		l->address = l->address->ai_next;
		if (rc >= 0)
			break;
	}
	if (rc > 0)
		set_up(l);
	if (rc < 0)
		forget_addresses(l);
	return rc < 0 ? not_connected(l, rc) : 0;
}

static int start_unix(struct client_link *l)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int rc;

	if (strlen(l->conf.port) >= sizeof sa.sun_path)
		return not_connected(l, -ENAMETOOLONG);
	strcpy(sa.sun_path, l->conf.port);
	rc = start(l, AF_UNIX, (const struct sockaddr *)&sa, sizeof sa);
	if (rc > 0)
		set_up(l);
	return rc < 0 ? not_connected(l, rc) : 0;
}

static int start_tcp(struct client_link *l)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	int rc = getaddrinfo(l->conf.host, l->conf.port, &hints, &l->addresses);

	if (rc != 0) {
		l->addresses = NULL;
		return failed(l, rc == EAI_SYSTEM ? -errno : ERR_UNKNOWN, gai_strerror(rc));
	}
	l->address = l->addresses;
	return start_next(l, -ECONNREFUSED);
}

/* The connection that is being made: has something become of it? */
static int look_at_try(struct client_link *l, bool ready)
{
	int err = ETIMEDOUT;
	socklen_t err_bytes = sizeof err;

	if (!ready && clock_mono_ns() < l->try_ns)
		return 0;
	if (ready)
		getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &err_bytes);
	if (err == 0) {
		set_up(l);
		return 0;
	}
	close(l->fd);
	l->fd = -1;
	return start_next(l, -err);
}

/* Waits for the descriptor (if there is one), the wake-up or the end of time; what the first is ready for. */
static short wait_for(const struct client_link *l, short events, int wait_ms)
{
	struct pollfd p[2] = { { .fd = l->fd, .events = events },
		{ .fd = l->conf.wake_fd, .events = POLLIN } };

	return poll(p, 2, wait_ms) > 0 ? p[0].revents : 0;
}

/* The shorter of wait_ms (-1: none) and what is left until then. */
static int at_most(int wait_ms, int64_t then_ns)
{
	int64_t left = (then_ns - clock_mono_ns() + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS;

	if (left < 0)
		left = 0;
	return wait_ms < 0 || left < wait_ms ? (int)left : wait_ms;
}

/* A turn without a connection. Negative: a try has failed. */
static int connecting(struct client_link *l, int wait_ms)
{
	int rc = 0;
	bool ready;

	if (l->fd >= 0) {
		ready = wait_for(l, POLLOUT, at_most(wait_ms, l->try_ns)) != 0;
		rc = look_at_try(l, ready);
	} else if (clock_mono_ns() < l->try_ns) {
		wait_for(l, 0, at_most(wait_ms, l->try_ns));
	} else {
		rc = l->conf.host ? start_tcp(l) : start_unix(l);
	}
	if (rc < 0)
		pause_tries(l);
	return rc;
}

/* ---- life ---- */

int client_link_new(const struct client_link_conf *conf, struct client_link **out)
{
	struct client_link *l = calloc(1, sizeof *l);

	ASSERT(conf->window > 0);
	if (l)
		l->ring = calloc(conf->window, sizeof(struct client_frame *));
	if (!l || !l->ring) {
		free(l);
		return -ENOMEM;
	}
	l->conf = *conf;
	l->fd = -1;
	l->pause_ms = LIMIT_SENDER_RETRY_MS_MIN;
	l->progress_ns = clock_mono_ns();
	*out = l;
	return 0;
}

void client_link_free(struct client_link **l)
{
	if (!*l)
		return;
	hang_up(*l);
	free((*l)->ring);
	free(*l);
	*l = NULL;
}

void client_link_leave(const struct client_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
}

int client_link_connect(struct client_link *l, struct diag *d)
{
	int rc = 0;

	while (!l->up && rc == 0)
		rc = connecting(l, LIMIT_CLIENT_CONNECT_MS);
	if (rc < 0)
		*d = l->why;
	return rc;
}

bool client_link_has_room(const struct client_link *l)
{
	return l->tail - l->head < l->conf.window;
}

bool client_link_is_busy(const struct client_link *l)
{
	return l->head < l->tail;
}

void client_link_counts(const struct client_link *l, struct client_link_counts *out)
{
	*out = l->counts;
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

static void settle(struct client_link *l, uint64_t at)
{
	struct client_frame *f = *place(l, at);

	*place(l, at) = NULL;
	l->counts.frames_acked++;
	l->counts.events_acked += f->events;
	l->progress_ns = clock_mono_ns();
	l->stall_ns = l->progress_ns;
	l->told_waiting = false;
	l->pause_ms = LIMIT_SENDER_RETRY_MS_MIN;
	while (l->head < l->tail && !*place(l, l->head))
		l->head++;
	l->conf.acked(l->conf.arg, f);
}

/* Only a frame that went out whole on this connection can be acknowledged. */
static int take_ack(struct client_link *l, struct span chunk)
{
	for (uint64_t i = l->head; i < l->next; i++) {
		if (*place(l, i) && span_eq(chunk, span_str((*place(l, i))->chunk))) {
			settle(l, i);
			return 0;
		}
	}
	return failed(l, ERR_SYNTAX,
		"what it answers is no ack of ours; is it the Forward port of astrocollectd?");
}

static int take_acks(struct client_link *l)
{
	struct rcur in = rcur_of(l->acks, l->acks_bytes);
	struct span ack;
	int rc;

	while ((rc = walk_take(&in, &ack)) == 0) {
		rc = take_ack(l, chunk_of(ack));
		if (rc < 0)
			return rc;
	}
	l->acks_bytes = rcur_left(&in);
	memmove(l->acks, in.p, l->acks_bytes);
	if (rc != ERR_TRUNCATED || l->acks_bytes == ACK_BYTES)
		return failed(l, ERR_SYNTAX, "what came is no ack");
	return 0;
}

static int read_acks(struct client_link *l)
{
	for (;;) {
		ssize_t n = recv(l->fd, l->acks + l->acks_bytes, ACK_BYTES - l->acks_bytes, 0);
		int rc;

		if (n < 0)
			return errno == EAGAIN || errno == EINTR
				       ? 0
				       : failed(l, -errno, "connection lost");
		if (n == 0)
			return failed(
				l, -ECONNRESET, "closed by the collector, whose log tells why");
		l->acks_bytes += (size_t)n;
		rc = take_acks(l);
		if (rc < 0)
			return rc;
	}
}

/* ---- the wheel ---- */

/* 1: the socket takes no more now. */
static int write_frames(struct client_link *l)
{
	while (l->next < l->tail) {
		struct client_frame *f = *place(l, l->next);
		ssize_t n;

		if (!f) {
			l->next++;
			continue;
		}
		if (f->written == 0 && l->next < l->reached)
			l->counts.frames_resent++;
		n = send(l->fd, f->bytes.p + f->written, f->bytes.len - f->written, MSG_NOSIGNAL);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR
				       ? 1
				       : failed(l, -errno, "connection lost");
		if (l->next >= l->reached)
			l->reached = l->next + 1;
		f->written += (size_t)n;
		l->next += f->written == f->bytes.len;
	}
	return 0;
}

static int exchange(struct client_link *l, int wait_ms)
{
	int rc = write_frames(l);
	short ready;

	if (rc < 0)
		return rc;
	if (l->conf.stall_ns > 0 && client_link_is_busy(l)) {
		if (clock_mono_ns() - l->stall_ns >= l->conf.stall_ns)
			return failed(l, -ETIMEDOUT, "no ack comes; connecting anew");
		wait_ms = at_most(wait_ms, l->stall_ns + l->conf.stall_ns);
	}
	ready = wait_for(l, rc ? POLLIN | POLLOUT : POLLIN, wait_ms);
	if (ready & ~POLLOUT)
		return read_acks(l);
	return 0;
}

/* Whoever takes connections and ends them, and has never acknowledged anything, will not. */
static bool is_futile(const struct client_link *l)
{
	return l->conf.futile && l->fd < 0 && l->counts.frames_acked == 0 &&
	       l->counts.connections >= CLIENT_LINK_FUTILE;
}

static int give_up(struct client_link *l, struct diag *d)
{
	if (is_futile(l))
		return diag_set(d, ERR_UNKNOWN, l->conf.name, -1,
			"it ends every connection and has acknowledged nothing; is it the Forward port "
			"of astrocollectd?");
	if (l->up || l->why.code == 0)
		failed(l, -ETIMEDOUT, "no ack came in time");
	*d = l->why;
	return l->why.code;
}

static void tell_waiting(struct client_link *l, int64_t waited_ns)
{
	if (l->told_waiting || waited_ns < WAIT_TOLD_S * CLOCK_NS_PER_SEC)
		return;
	l->told_waiting = true;
	l->conf.waiting(l->conf.arg, waited_ns / CLOCK_NS_PER_SEC);
}

int client_link_turn(struct client_link *l, int wait_ms, struct diag *d)
{
	int64_t waited_ns;

	if (!l->up) {
		if (connecting(l, wait_ms) < 0 && l->conf.unreached)
			l->conf.unreached(l->conf.arg, &l->why);
	} else if (exchange(l, wait_ms) < 0) {
		disconnect(l);
	}
	if (!client_link_is_busy(l))
		return 0;
	waited_ns = clock_mono_ns() - l->progress_ns;
	if ((l->conf.patience_ns > 0 && waited_ns >= l->conf.patience_ns) || is_futile(l))
		return give_up(l, d);
	tell_waiting(l, waited_ns);
	return 0;
}

void client_link_push(struct client_link *l, struct client_frame *f)
{
	ASSERT(client_link_has_room(l));
	ASSERT(f->events > 0);
	ASSERT(f->chunk[0]);
	ASSERT(f->bytes.err == 0);
	if (!client_link_is_busy(l)) {
		l->progress_ns = clock_mono_ns();
		l->stall_ns = l->progress_ns;
	}
	f->written = 0;
	l->counts.frames++;
	*place(l, l->tail++) = f;
}
