/*
 * One turn: under the lock, frames that are due go from the queue to the link; without it, the link
 * writes, reads acks and waits. What the link says it acknowledged goes back to the queue. The thread
 * sleeps on the link's descriptor and an eventfd, which log writes to when it has something new for a
 * thread that said it sleeps.
 */
#include "proto/client/client_carry.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/client/astro_client_int.h"

/* ---- what is told ---- */

static void tell(const struct astro_client *c, const struct diag *d)
{
	char text[DIAG_FILE_BYTES + 2 * DIAG_TEXT_BYTES];

	if (c->conf.error)
		c->conf.error(c->conf.arg, d->code < -4095 ? -EPROTO : d->code,
			diag_format(d, text, sizeof text));
}

static void on_failure(void *arg, const struct diag *why)
{
	struct astro_client *c = arg;

	pthread_mutex_lock(&c->lock);
	c->failure = why->code < -4095 ? -EPROTO : why->code;
	pthread_mutex_unlock(&c->lock);
	tell(c, why);
}

static void on_waiting(void *arg, int64_t seconds)
{
	const struct astro_client *c = arg;
	struct diag d;

	diag_set(&d, -EAGAIN, c->conf.to, -1, "no ack for %lld s; waiting", (long long)seconds);
	tell(c, &d);
}

static void copy_counts(struct astro_client *c)
{
	struct client_link_counts counts;

	if (!c->link)
		return;
	client_link_counts(c->link, &counts);
	if (counts.connections > c->counts.connections && c->waiters > 0)
		pthread_cond_broadcast(&c->changed);
	c->counts.frames = counts.frames;
	c->counts.frames_resent = counts.frames_resent;
	c->counts.connections = counts.connections;
	c->counts.failures = counts.failures;
}

static void settle(struct astro_client *c, struct client_queue_frame *f)
{
	char chunk[CLIENT_CHUNK_BYTES];
	uint32_t events = f->frame.events;

	snprintf(chunk, sizeof chunk, "%s", f->frame.chunk);
	pthread_mutex_lock(&c->lock);
	client_queue_settle(&c->queue, f);
	c->counts.acked += events;
	copy_counts(c);
	if (c->waiters > 0)
		pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	if (c->conf.acked)
		c->conf.acked(c->conf.arg, chunk, events);
}

static void on_acked(void *arg, struct client_frame *f)
{
	settle(arg, (struct client_queue_frame *)f);
}

/* ---- what is due ---- */

/* Milliseconds until the frame that is being filled goes; -1: there is none. */
static int due_ms(const struct astro_client *c)
{
	const struct client_queue_frame *f = c->queue.filling;
	int64_t left_ns;

	if (!f)
		return -1;
	if (c->closing || f->number < c->flush_to)
		return 0;
	left_ns = f->born_ns + c->conf.batch_ms * CLOCK_NS_PER_MS - clock_mono_ns();
	return left_ns > 0 ? (int)((left_ns + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS) : 0;
}

static struct client_queue_frame *next_frame(struct astro_client *c)
{
	if (!c->queue.first && due_ms(c) == 0)
		client_queue_seal(&c->queue);
	return client_queue_take(&c->queue);
}

/* How long a turn may wait, -1: until it is woken; and says so to those who log. */
static int patience_ms(struct astro_client *c, bool has_room)
{
	int ms = has_room ? due_ms(c) : -1;

	/* Without room an ack wakes it, and more events are no news. */
	c->sleeping = has_room;
	if (c->closing && c->close_ns >= 0) {
		int64_t left = (c->close_ns - clock_mono_ns()) / CLOCK_NS_PER_MS + 1;

		if (ms < 0 || left < ms)
			ms = left > 0 ? (int)left : 0;
	}
	return ms;
}

static bool is_over(const struct astro_client *c)
{
	if (!c->closing)
		return false;
	return c->queue.events == 0 || (c->close_ns >= 0 && clock_mono_ns() >= c->close_ns);
}

/* ---- carrying ---- */

static void drain_wake(const struct astro_client *c)
{
	uint64_t count;

	while (read(c->wake_fd, &count, sizeof count) < 0 && errno == EINTR)
		;
}

/* By TCP or a unix socket. False: the client has ended. */
static bool turn_link(struct astro_client *c)
{
	struct client_queue_frame *f;
	struct diag d;
	bool over;
	int wait_ms;

	pthread_mutex_lock(&c->lock);
	while (client_link_has_room(c->link) && (f = next_frame(c)))
		client_link_push(c->link, &f->frame);
	copy_counts(c);
	wait_ms = patience_ms(c, client_link_has_room(c->link));
	over = is_over(c);
	pthread_mutex_unlock(&c->lock);
	if (over)
		return false;
	/* It has unlimited patience, so it cannot fail. */
	client_link_turn(c->link, wait_ms, &d);
	return true;
}

/* What the network refused is known later, if at all; what the kernel took counts as acked. */
static void send_datagram(struct astro_client *c, struct client_queue_frame *f)
{
	struct buf *b = client_dgram_next(c->dgram);
	uint64_t refused = client_dgram_refused(c->dgram);
	struct diag d;
	int rc;

	buf_put_span(b, buf_span(&f->frame.bytes));
	rc = client_dgram_push(c->dgram, &d);
	if (rc == 0 && !f->next)
		rc = client_dgram_flush(c->dgram, &d);
	refused = client_dgram_refused(c->dgram) - refused;
	if (rc == 0 && refused > 0)
		rc = diag_set(&d, -ECONNREFUSED, c->conf.to, -1, "nobody listens there");
	pthread_mutex_lock(&c->lock);
	c->counts.frames++;
	c->counts.failures += rc < 0;
	pthread_mutex_unlock(&c->lock);
	if (rc < 0)
		on_failure(c, &d);
	settle(c, f);
}

static bool turn_dgram(struct astro_client *c)
{
	struct pollfd p = { .fd = c->wake_fd, .events = POLLIN };
	struct client_queue_frame *f;
	bool over;
	int wait_ms;

	pthread_mutex_lock(&c->lock);
	f = next_frame(c);
	wait_ms = f ? 0 : patience_ms(c, true);
	over = is_over(c);
	pthread_mutex_unlock(&c->lock);
	if (f)
		send_datagram(c, f);
	else if (!over)
		poll(&p, 1, wait_ms);
	return !over;
}

static void *carry(void *arg)
{
	struct astro_client *c = arg;
	bool on = true;

	while (on) {
		drain_wake(c);
		on = c->dgram ? turn_dgram(c) : turn_link(c);
	}
	return NULL;
}

/* ---- life ---- */

static int make_link(struct astro_client *c)
{
	const struct client_link_conf conf = {
		.name = c->conf.to,
		.host = c->to.door == CLIENT_TO_TCP ? c->to.host : NULL,
		.port = c->to.port,
		.hint = "is astrocollectd running there?",
		.window = c->conf.window,
		.stall_ns = c->conf.ack_ms * CLOCK_NS_PER_MS,
		.wake_fd = c->wake_fd,
		.acked = on_acked,
		.lost = on_failure,
		.unreached = on_failure,
		.waiting = on_waiting,
		.arg = c,
	};

	return client_link_new(&conf, &c->link);
}

int client_carry_start(struct astro_client *c)
{
	sigset_t all, was;
	struct diag d;
	int rc;

	rc = c->to.door == CLIENT_TO_UDP ? client_dgram_open(c->conf.to, c->to.host, c->to.port,
						   CLIENT_DGRAM_TRAIN_MAX, &c->dgram, &d)
					 : make_link(c);
	if (rc < 0) {
		if (c->to.door == CLIENT_TO_UDP)
			tell(c, &d);
		return rc < -4095 ? -EPROTO : rc;
	}
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	rc = pthread_create(&c->thread, NULL, carry, c);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	return -rc;
}

void client_carry_stop(struct astro_client *c)
{
	client_carry_wake(c);
	pthread_join(c->thread, NULL);
}

void client_carry_wake(const struct astro_client *c)
{
	const uint64_t one = 1;

	/* Fails only where the count is at its end, and then the thread will wake anyway. */
	if (write(c->wake_fd, &one, sizeof one) < 0)
		return;
}
