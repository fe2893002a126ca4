#include "proto/net/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/net/peers.h"
#include "proto/net/tcp_rtt.h"

enum { CONN_TAG = 0x434f4e4e };

static void on_event(uv_poll_t *poll, int status, int events);
static void unblock(struct conn *c, unsigned bit);

static int64_t now_ms(const struct conn *c)
{
	return (int64_t)uv_now(c->set->loop);
}

/* ---------------------------------------------------------------- set */

static void on_sweep(uv_timer_t *t)
{
	struct conn_set *s = t->data;
	int64_t now = (int64_t)uv_now(s->loop);
	struct conn *next;

	for (struct conn *c = s->head; c; c = next) {
		next = c->next;
		if ((c->blocked & CONN_SLOWED) && c->slow_until_ms <= now)
			unblock(c, CONN_SLOWED);
		if (c->closing || c->blocked || !c->deadline_ms || c->deadline_ms > now)
			continue;
		c->deadline_ms = 0;
		s->expired++;
		if (c->lingering)
			conn_close(c, 0);
		else
			c->ops->expired(c);
	}
}

int conn_set_init(struct conn_set *s, uv_loop_t *loop, struct listener_gate *g)
{
	*s = (struct conn_set){ .loop = loop, .gate = g };
	s->read_buf = malloc(LIMIT_READ_BYTES);
	if (!s->read_buf)
		return -ENOMEM;
	uv_timer_init(loop, &s->sweep);
	s->sweep.data = s;
	s->sweep_open = true;
	return 0;
}

void conn_set_fini(struct conn_set *s)
{
	ASSERT(s->count == 0);
	if (s->sweep_open)
		uv_close((uv_handle_t *)&s->sweep, NULL);
	s->sweep_open = false;
	free(s->read_buf);
	s->read_buf = NULL;
}

void conn_set_close(struct conn_set *s, int why)
{
	for (struct conn *c = s->head; c; c = c->next)
		conn_close(c, why);
}

/* The timer sleeps while there is nobody to watch. */
static void set_add(struct conn_set *s, struct conn *c)
{
	c->next = s->head;
	if (s->head)
		s->head->prev = c;
	s->head = c;
	if (s->count++ == 0)
		uv_timer_start(&s->sweep, on_sweep, LIMIT_SWEEP_MS, LIMIT_SWEEP_MS);
}

static void set_remove(struct conn_set *s, struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		s->head = c->next;
	if (c->next)
		c->next->prev = c->prev;
	ASSERT(s->count > 0);
	if (--s->count == 0 && s->sweep_open)
		uv_timer_stop(&s->sweep);
}

/* ---------------------------------------------------------------- open and close */

static bool may_read(const struct conn *c)
{
	return !c->closing && !c->eof && !c->blocked && conn_queued(c) <= c->read_stop;
}

static void watch(struct conn *c)
{
	int events = 0;

	if (c->closing)
		return;
	if (may_read(c) && (!c->finishing || c->lingering))
		events |= UV_READABLE;
	if (conn_queued(c) || c->offered)
		events |= UV_WRITABLE;
	if (events == c->watched)
		return;
	c->watched = events;
	if (events)
		uv_poll_start(&c->poll, events, on_event);
	else
		uv_poll_stop(&c->poll);
}

static void tune(int fd)
{
	int on = 1, idle_s = LIMIT_KEEPALIVE_S, step_s = LIMIT_KEEPALIVE_S / 4, tries = 4;

	/* Of no meaning on a unix socket, where each simply fails. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step_s, sizeof step_s);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof tries);
}

int conn_open(struct conn_set *s, int fd, const struct addr *peer, size_t out_cap,
	const struct conn_ops *ops, void *owner, struct conn **out)
{
	struct conn *c = calloc(1, sizeof *c);
	int rc = c ? uv_poll_init(s->loop, &c->poll, fd) : -ENOMEM;

	if (rc < 0) {
		free(c);
		listener_drop(s->gate, fd, peer);
		return rc;
	}
	tune(fd);
	*c = (struct conn){ .tag = CONN_TAG,
		.set = s,
		.ops = ops,
		.owner = owner,
		.peer = *peer,
		.fd = fd,
		.poll = c->poll };
	c->poll.data = c;
	buf_init(&c->out, out_cap);
	set_add(s, c);
	*out = c;
	watch(c);
	return 0;
}

/* Takes it out of the line of the stalled. */
static void unqueue(struct conn *c)
{
	struct conn **at = &c->set->stalled_head, *prev = NULL;

	if (!(c->blocked & CONN_STALLED))
		return;
	while (*at != c) {
		prev = *at;
		ASSERT(prev);
		at = &prev->stalled_next;
	}
	*at = c->stalled_next;
	if (c->set->stalled_tail == c)
		c->set->stalled_tail = prev;
	c->stalled_next = NULL;
	c->blocked &= ~(unsigned)CONN_STALLED;
}

static void on_closed(uv_handle_t *h)
{
	struct conn *c = h->data;

	CHECK_TAG(c, CONN_TAG);
	c->ops->closed(c, c->why);
	set_remove(c->set, c);
	listener_gate_leave(c->set->gate, &c->peer);
	buf_fini(&c->out);
	free(c->held);
	c->tag = 0;
	free(c);
}

void conn_close(struct conn *c, int why)
{
	CHECK_TAG(c, CONN_TAG);
	if (c->closing)
		return;
	c->closing = true;
	c->why = why;
	unqueue(c);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	close(c->fd);
	c->fd = -1;
}

/* Everything is sent: says so to the peer, then throws away what it still sends until it ends too;
 * closing at once with bytes unread would reset the connection and destroy the last answer. */
static void linger(struct conn *c)
{
	if (c->eof) {
		conn_close(c, 0);
		return;
	}
	c->lingering = true;
	shutdown(c->fd, SHUT_WR);
	if (!c->deadline_ms)
		conn_deadline(c, LIMIT_LINGER_MS);
	watch(c);
}

void conn_finish(struct conn *c)
{
	CHECK_TAG(c, CONN_TAG);
	if (c->closing || c->finishing)
		return;
	c->finishing = true;
	c->offered = false;
	unqueue(c);
	c->blocked = 0;
	if (conn_queued(c) == 0)
		linger(c);
	else
		watch(c);
}

/* ---------------------------------------------------------------- pace */

static void block(struct conn *c, unsigned bit)
{
	struct conn_set *s = c->set;

	if (c->closing || c->blocked & bit)
		return;
	if (!c->blocked)
		c->blocked_ms = now_ms(c);
	c->blocked |= bit;
	if (bit == CONN_STALLED) {
		if (s->stalled_tail)
			s->stalled_tail->stalled_next = c;
		else
			s->stalled_head = c;
		s->stalled_tail = c;
	}
	watch(c);
}

/* The owner took less than all: what is left waits here, and its memory goes when it is taken. */
static void hold(struct conn *c, const uint8_t *p, size_t n)
{
	ASSERT(!c->held);
	c->held = malloc(n);
	if (!c->held) {
		conn_close(c, -ENOMEM);
		return;
	}
	memcpy(c->held, p, n);
	c->held_at = 0;
	c->held_n = n;
}

/* Bytes taken; from here on the connection may be closing or blocked. */
static size_t hand_over(struct conn *c, const uint8_t *p, size_t n)
{
	size_t took;

	if (c->finishing)
		return n;
	c->in_read = true;
	took = c->ops->read(c, p, n);
	c->in_read = false;
	ASSERT(took <= n);
	if (took == n || c->closing || c->finishing)
		return n;
	if (c->set->stalled)
		block(c, CONN_STALLED);
	ASSERT(c->blocked);
	return took;
}

static void hand_over_held(struct conn *c)
{
	while (c->held && !c->blocked && !c->closing) {
		size_t left = c->held_n - c->held_at;

		c->held_at += hand_over(c, c->held + c->held_at, left);
		if (c->held_at < c->held_n)
			continue;
		free(c->held);
		c->held = NULL;
	}
}

static void unblock(struct conn *c, unsigned bit)
{
	c->blocked &= ~bit;
	if (c->blocked || c->closing)
		return;
	if (c->deadline_ms)
		c->deadline_ms += now_ms(c) - c->blocked_ms;
	if (!c->in_read)
		hand_over_held(c);
	watch(c);
}

void conn_pause(struct conn *c)
{
	CHECK_TAG(c, CONN_TAG);
	block(c, CONN_PAUSED);
}

void conn_resume(struct conn *c)
{
	CHECK_TAG(c, CONN_TAG);
	if (c->blocked & CONN_PAUSED)
		unblock(c, CONN_PAUSED);
}

void conn_set_stall(struct conn_set *s)
{
	s->stalled = true;
}

void conn_set_unstall(struct conn_set *s)
{
	s->stalled = false;
	while (s->stalled_head && !s->stalled) {
		struct conn *c = s->stalled_head;

		unqueue(c);
		unblock(c, CONN_STALLED);
	}
}

void conn_deadline(struct conn *c, unsigned ms)
{
	CHECK_TAG(c, CONN_TAG);
	c->deadline_ms = ms ? now_ms(c) + ms : 0;
}

/* ---------------------------------------------------------------- reading */

static void at_eof(struct conn *c)
{
	c->eof = true;
	if (c->lingering)
		conn_close(c, 0);
	else if (!c->finishing)
		c->ops->eof(c);
}

/* Whoever sends more than his rate is not read for as long as that takes. */
static void pay(struct conn *c, size_t n)
{
	struct listener_gate *g = c->set->gate;
	unsigned wait_ms = g->peers ? peers_spend(g->peers, &c->peer, n, now_ms(c)) : 0;

	if (wait_ms == 0 || c->finishing)
		return;
	g->slowed++;
	c->slow_until_ms = now_ms(c) + wait_ms;
	block(c, CONN_SLOWED);
}

/* False when this turn is over: nothing left, paused, ended, or the peer's share is used up. */
static bool read_once(struct conn *c)
{
	ssize_t n = recv(c->fd, c->set->read_buf, LIMIT_READ_BYTES, 0);
	size_t took;

	if (n < 0) {
		if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
			conn_close(c, -errno);
		return false;
	}
	if (n == 0) {
		at_eof(c);
		return false;
	}
	c->set->bytes_in += (uint64_t)n;
	took = hand_over(c, c->set->read_buf, (size_t)n);
	if (took < (size_t)n)
		hold(c, c->set->read_buf + took, (size_t)n - took);
	pay(c, (size_t)n);
	return n == LIMIT_READ_BYTES && may_read(c);
}

static void read_turn(struct conn *c)
{
	if (c->set->stalled && !c->finishing) {
		block(c, CONN_STALLED);
		return;
	}
	for (unsigned i = 0; i < LIMIT_READS_PER_TURN; i++) {
		if (!read_once(c))
			break;
	}
}

/* ---------------------------------------------------------------- writing */

/* Bytes sent, 0 when the socket is full, negative when the connection is dead (and closed). */
static ssize_t send_some(struct conn *c, const uint8_t *p, size_t n, int flags)
{
	size_t done = 0;

	while (done < n) {
		ssize_t rc = send(c->fd, p + done, n - done, MSG_NOSIGNAL | flags);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (rc < 0) {
			int err = -errno;

			conn_close(c, err);
			return err;
		}
		done += (size_t)rc;
	}
	c->set->bytes_out += done;
	return (ssize_t)done;
}

static void write_turn(struct conn *c)
{
	ssize_t n = send_some(c, c->out.p + c->out_at, conn_queued(c), 0);

	if (n < 0)
		return;
	c->out_at += (size_t)n;
	if (conn_queued(c) > 0)
		return;
	buf_reset(&c->out);
	c->out_at = 0;
	if (c->finishing)
		linger(c);
	else if (c->want_drained && c->ops->drained) {
		c->want_drained = false;
		c->ops->drained(c);
	}
}

/* Moves what is still queued to the front, so that the cap counts only that. */
static void compact(struct conn *c)
{
	size_t left = conn_queued(c);

	if (c->out_at == 0)
		return;
	memmove(c->out.p, c->out.p + c->out_at, left);
	c->out.len = left;
	c->out_at = 0;
}

static int write_out(struct conn *c, const void *p, size_t n, int flags)
{
	const uint8_t *bytes = p;
	ssize_t sent = 0;

	CHECK_TAG(c, CONN_TAG);
	if (c->closing)
		return c->why ? c->why : -ECONNRESET;
	ASSERT(!c->finishing);
	if (n > c->out.max - conn_queued(c))
		return ERR_LIMIT;
	if (conn_queued(c) == 0) {
		sent = send_some(c, bytes, n, flags);
		if (sent < 0)
			return (int)sent;
		if ((size_t)sent == n)
			return 0;
	}
	if (c->out.cap - c->out.len < n - (size_t)sent)
		compact(c);
	buf_put(&c->out, bytes + sent, n - (size_t)sent);
	if (c->out.err) {
		int err = c->out.err;

		conn_close(c, err);
		return err;
	}
	c->want_drained = true;
	watch(c);
	return 0;
}

int conn_write(struct conn *c, const void *p, size_t n)
{
	return write_out(c, p, n, 0);
}

int conn_write_more(struct conn *c, const void *p, size_t n)
{
	return write_out(c, p, n, MSG_MORE);
}

size_t conn_offer(struct conn *c, const void *p, size_t n)
{
	ssize_t sent;

	CHECK_TAG(c, CONN_TAG);
	if (c->closing || conn_queued(c) > 0)
		return 0;
	ASSERT(!c->finishing);
	sent = send_some(c, p, n, 0);
	if (sent < 0)
		return 0;
	c->offered = (size_t)sent < n;
	watch(c);
	return (size_t)sent;
}

void conn_bound_sent(struct conn *c, unsigned bytes)
{
	int room = (int)bytes;

	CHECK_TAG(c, CONN_TAG);
	if (!c->closing)
		setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
}

uint32_t conn_rtt_us(const struct conn *c)
{
	CHECK_TAG(c, CONN_TAG);
	return c->closing ? UINT32_MAX : tcp_rtt_us(c->fd);
}

/* ---------------------------------------------------------------- events */

static int socket_error(const struct conn *c)
{
	int err = 0;
	socklen_t n = sizeof err;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0 || err == 0)
		return -ECONNRESET;
	return -err;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct conn *c = poll->data;

	CHECK_TAG(c, CONN_TAG);
	if (status < 0) {
		/* libuv stopped watching. What came before the failure is still there to be read. */
		c->watched = 0;
		if (may_read(c))
			read_turn(c);
		if (!c->closing)
			conn_close(c, socket_error(c));
		return;
	}
	if ((events & UV_WRITABLE) && conn_queued(c) > 0) {
		write_turn(c);
	} else if ((events & UV_WRITABLE) && c->offered) {
		c->offered = false;
		c->ops->drained(c);
	}
	if ((events & UV_READABLE) && may_read(c))
		read_turn(c);
	watch(c);
}
