#include "proto/client/astro_client_int.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/client/client_carry.h"

enum {
	QUEUE_BYTES = 8 << 20,
	BATCH_EVENTS = 1000,
	BATCH_BYTES = 64 << 10,
	BATCH_MS = 20,
	DATAGRAM_BYTES = 1400,
	WINDOW = 8,
	ACK_MS = 60000,
};

/* ---- fork ---- */

static atomic_uint forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
	atomic_fetch_add(&forks, 1);
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, count_fork);
}

static bool is_foreign(const struct astro_client *c)
{
	return c->forks != atomic_load(&forks);
}

/* ---- open ---- */

const char *astro_client_version(void)
{
	return "1.0";
}

const char *astro_client_strerror(int code)
{
	switch (code) {
	case -EAGAIN:
		return "no room in the queue";
	case -ECHILD:
		return "opened by another process, before fork";
	case -EMSGSIZE:
		return "the event is too large";
	case -EPROTO:
		return "what answers is no collector";
	default:
		return err_text(code);
	}
}

static int refuse(const struct astro_client_conf *conf, const char *what)
{
	if (conf->error)
		conf->error(conf->arg, -EINVAL, what);
	return -EINVAL;
}

static uint32_t either(uint32_t value, uint32_t standard)
{
	return value ? value : standard;
}

static void fill_defaults(struct astro_client_conf *conf, bool is_udp)
{
	conf->queue_bytes = conf->queue_bytes ? conf->queue_bytes : QUEUE_BYTES;
	conf->batch_events = either(conf->batch_events, BATCH_EVENTS);
	conf->batch_bytes = either(conf->batch_bytes, is_udp ? DATAGRAM_BYTES : BATCH_BYTES);
	conf->batch_ms = either(conf->batch_ms, BATCH_MS);
	conf->window = either(conf->window, WINDOW);
	conf->ack_ms = either(conf->ack_ms, ACK_MS);
	conf->to = conf->to ? conf->to : CLIENT_TO_DEFAULT;
	conf->tag = conf->tag ? conf->tag : "app";
}

/* As the texts below have them. */
static_assert((int)LIMIT_TAG_BYTES == 1024, "bytes of a tag");
static_assert((int)LIMIT_SENDER_QUEUE_BYTES == 1 << 30, "bytes of a queue");
static_assert((int)LIMIT_ACKS_PENDING == 1024, "frames of a window");

static int check_conf(const struct astro_client_conf *conf, const struct client_to *to)
{
	uint64_t most = to->door == CLIENT_TO_UDP ? LIMIT_DATAGRAM_BYTES : LIMIT_SENDER_BATCH_BYTES;

	if (strlen(conf->tag) > LIMIT_TAG_BYTES)
		return refuse(conf, "the tag is longer than 1024 bytes");
	if (conf->queue_bytes > LIMIT_SENDER_QUEUE_BYTES)
		return refuse(conf, "queue_bytes is more than 1 GiB");
	if (conf->window > LIMIT_ACKS_PENDING)
		return refuse(conf, "window is more than 1024");
	if (conf->batch_bytes < LIMIT_SENDER_BATCH_BYTES_MIN + strlen(conf->tag) ||
		conf->batch_bytes > most)
		return refuse(conf, "batch_bytes is out of range");
	if (conf->queue_bytes < conf->batch_bytes)
		return refuse(conf, "queue_bytes is less than batch_bytes");
	if ((unsigned)conf->full > ASTRO_CLIENT_FULL_WAIT)
		return refuse(conf, "full is none of its values");
	return 0;
}

/* What the program gave, as far as its header goes, with defaults; the destination to *to. */
static int read_conf(
	const struct astro_client_conf *given, struct astro_client_conf *conf, struct client_to *to)
{
	if (given->size < sizeof given->size || given->size > 4096)
		return -EINVAL;
	memset(conf, 0, sizeof *conf);
	memcpy(conf, given, given->size < sizeof *conf ? given->size : sizeof *conf);
	if (client_to_read(conf->to ? conf->to : CLIENT_TO_DEFAULT, to) < 0)
		return refuse(
			conf, "a destination is tcp://HOST:PORT, unix:PATH or udp://HOST:PORT");
	fill_defaults(conf, to->door == CLIENT_TO_UDP);
	return check_conf(conf, to);
}

static void free_client(struct astro_client *c)
{
	if (c->wake_fd >= 0)
		close(c->wake_fd);
	client_link_free(&c->link);
	client_dgram_close(&c->dgram);
	client_queue_fini(&c->queue);
	free((char *)(uintptr_t)c->conf.to);
	free((char *)(uintptr_t)c->conf.tag);
	free(c);
}

/* In a child of fork, where another thread may have been in the middle of anything: only descriptors. */
static void leave_client(struct astro_client *c)
{
	close(c->wake_fd);
	if (c->link)
		client_link_leave(c->link);
	if (c->dgram)
		client_dgram_leave(c->dgram);
}

static int init_queue(struct astro_client *c)
{
	const struct client_queue_conf conf = {
		.tag = span_str(c->conf.tag),
		.acks = c->to.door != CLIENT_TO_UDP,
		.bytes_max = c->conf.queue_bytes,
		.frame_events = c->conf.batch_events,
		.frame_bytes = c->conf.batch_bytes,
		.window = c->conf.window,
	};

	return client_queue_init(&c->queue, &conf);
}

static void init_locks(struct astro_client *c)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->changed, &attr);
	pthread_condattr_destroy(&attr);
}

static int make_client(
	const struct astro_client_conf *conf, const struct client_to *to, struct astro_client **out)
{
	struct astro_client *c = calloc(1, sizeof *c);
	int rc = 0;

	if (!c)
		return -ENOMEM;
	c->conf = *conf;
	c->to = *to;
	c->forks = atomic_load(&forks);
	c->conf.to = strdup(conf->to);
	c->conf.tag = strdup(conf->tag);
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0)
		rc = -errno;
	if (!c->conf.to || !c->conf.tag)
		rc = -ENOMEM;
	if (rc == 0)
		rc = init_queue(c);
	if (rc == 0) {
		init_locks(c);
		rc = client_carry_start(c);
	}
	if (rc < 0)
		free_client(c);
	else
		*out = c;
	return rc;
}

/* ---- waiting ---- */

/* On the monotonic clock; -1: never. */
static int64_t deadline_of(int64_t wait_ms)
{
	return wait_ms < 0 ? -1 : clock_mono_ns() + wait_ms * CLOCK_NS_PER_MS;
}

/* Waits for a change below the lock. False: the time is up. */
static bool await_change(struct astro_client *c, int64_t deadline_ns)
{
	struct timespec t = { deadline_ns / CLOCK_NS_PER_SEC, deadline_ns % CLOCK_NS_PER_SEC };
	int rc;

	c->waiters++;
	rc = deadline_ns < 0 ? pthread_cond_wait(&c->changed, &c->lock)
			     : pthread_cond_timedwait(&c->changed, &c->lock, &t);
	c->waiters--;
	return rc != ETIMEDOUT;
}

static int await_connection(struct astro_client *c, uint32_t wait_ms)
{
	int64_t deadline_ns = deadline_of(wait_ms);
	int rc = 0;

	pthread_mutex_lock(&c->lock);
	while (c->counts.connections == 0 && rc == 0) {
		if (!await_change(c, deadline_ns) && c->counts.connections == 0)
			rc = c->failure ? c->failure : -ETIMEDOUT;
	}
	pthread_mutex_unlock(&c->lock);
	return rc;
}

int astro_client_open(const struct astro_client_conf *given, struct astro_client **out)
{
	struct astro_client_conf conf;
	struct astro_client *c;
	struct client_to to;
	int rc = read_conf(given, &conf, &to);

	pthread_once(&forks_once, watch_forks);
	if (rc == 0)
		rc = make_client(&conf, &to, &c);
	if (rc < 0)
		return rc;
	if (conf.connect_ms > 0 && to.door != CLIENT_TO_UDP)
		rc = await_connection(c, conf.connect_ms);
	if (rc < 0)
		astro_client_close(&c, 0);
	else
		*out = c;
	return rc;
}

int astro_client_close(struct astro_client **client, int wait_ms)
{
	struct astro_client *c = *client;
	int rc;

	if (!c)
		return 0;
	*client = NULL;
	if (is_foreign(c)) {
		leave_client(c);
		return 0;
	}
	pthread_mutex_lock(&c->lock);
	c->closing = true;
	c->close_ns = deadline_of(wait_ms);
	pthread_mutex_unlock(&c->lock);
	client_carry_stop(c);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	rc = c->queue.events > 0 ? -ETIMEDOUT : 0;
	free_client(c);
	return rc;
}

/* ---- logging ---- */

/* Has room been made, or may it be waited for? 0, or -EAGAIN. */
static int make_room(struct astro_client *c, int64_t deadline_ns)
{
	uint32_t events;

	switch (c->conf.full) {
	case ASTRO_CLIENT_FULL_DROP_OLDEST:
		events = client_queue_drop(&c->queue);
		c->counts.dropped += events;
		if (c->waiters > 0)
			pthread_cond_broadcast(&c->changed);
		return events > 0 ? 0 : -EAGAIN;
	case ASTRO_CLIENT_FULL_WAIT:
		return await_change(c, deadline_ns) ? 0 : -EAGAIN;
	default:
		return -EAGAIN;
	}
}

/* Whether the thread has to be told: it sleeps, and there is something it does not know of. */
static bool has_news(struct astro_client *c, const struct client_queue_frame *was_filling)
{
	bool news = c->sleeping && (c->queue.first || c->queue.filling != was_filling);

	if (news)
		c->sleeping = false;
	return news;
}

static int put_entries(
	struct astro_client *c, const struct client_queue_entry *entries, uint32_t count)
{
	const struct client_queue_frame *was;
	int64_t deadline_ns = -1;
	bool news = false;
	int rc;

	if (c->conf.full == ASTRO_CLIENT_FULL_WAIT && c->conf.full_wait_ms > 0)
		deadline_ns = deadline_of(c->conf.full_wait_ms);
	pthread_mutex_lock(&c->lock);
	do {
		was = c->queue.filling;
		rc = client_queue_add(&c->queue, entries, count, clock_mono_ns());
	} while (rc == CLIENT_QUEUE_FULL && (rc = make_room(c, deadline_ns)) == 0);
	if (rc == 0) {
		c->counts.logged += count;
		news = has_news(c, was);
	} else {
		c->counts.refused += count;
	}
	pthread_mutex_unlock(&c->lock);
	if (news)
		client_carry_wake(c);
	return rc;
}

static int refused(struct astro_client *c, size_t count, int rc)
{
	pthread_mutex_lock(&c->lock);
	c->counts.refused += count;
	pthread_mutex_unlock(&c->lock);
	return rc;
}

static size_t entry_max(const struct astro_client *c)
{
	if (c->to.door == CLIENT_TO_UDP)
		return LIMIT_DATAGRAM_BYTES - CLIENT_FRAME_AROUND_BYTES - c->queue.conf.tag.n;
	return c->conf.queue_bytes < LIMIT_EVENT_BYTES ? c->conf.queue_bytes : LIMIT_EVENT_BYTES;
}

static int make_entry(const struct astro_client *c, const struct astro_client_event *ev,
	struct client_queue_entry *entry)
{
	int rc = astro_client_event_error(ev);

	entry->time_ns = ev->time_ns ? ev->time_ns : clock_wall_ns();
	entry->record = buf_span(&ev->record);
	if (rc == 0 && client_queue_entries_bytes(entry, 1) > entry_max(c))
		rc = -EMSGSIZE;
	return rc;
}

int astro_client_log(struct astro_client *c, const struct astro_client_event *ev)
{
	struct client_queue_entry entry;
	int rc;

	if (is_foreign(c))
		return -ECHILD;
	rc = make_entry(c, ev, &entry);
	return rc < 0 ? refused(c, 1, rc) : put_entries(c, &entry, 1);
}

int astro_client_log_all(
	struct astro_client *c, const struct astro_client_event *const *events, size_t count)
{
	struct client_queue_entry *entries;
	int rc = 0;

	if (is_foreign(c))
		return -ECHILD;
	if (count == 0)
		return 0;
	if (count > c->conf.batch_events)
		return refused(c, count, -EMSGSIZE);
	entries = calloc(count, sizeof *entries);
	if (!entries)
		return refused(c, count, -ENOMEM);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = make_entry(c, events[i], &entries[i]);
	if (rc == 0 && client_queue_entries_bytes(entries, (uint32_t)count) >
			       client_queue_entries_max(&c->queue))
		rc = -EMSGSIZE;
	rc = rc < 0 ? refused(c, count, rc) : put_entries(c, entries, (uint32_t)count);
	free(entries);
	return rc;
}

int astro_client_flush(struct astro_client *c, int wait_ms)
{
	int64_t deadline_ns = deadline_of(wait_ms);
	uint64_t to, oldest;
	bool in_time = true;

	if (is_foreign(c))
		return -ECHILD;
	pthread_mutex_lock(&c->lock);
	to = c->queue.last_number + 1;
	c->flush_to = to;
	pthread_mutex_unlock(&c->lock);
	client_carry_wake(c);
	pthread_mutex_lock(&c->lock);
	while ((oldest = client_queue_oldest(&c->queue)) != 0 && oldest < to && in_time)
		in_time = await_change(c, deadline_ns);
	pthread_mutex_unlock(&c->lock);
	return oldest != 0 && oldest < to ? -ETIMEDOUT : 0;
}

int astro_client_get_counts(struct astro_client *c, struct astro_client_counts *counts)
{
	struct astro_client_counts now;
	size_t size = counts->size;

	if (is_foreign(c))
		return -ECHILD;
	if (size < sizeof size)
		return -EINVAL;
	pthread_mutex_lock(&c->lock);
	now = c->counts;
	now.queued = c->queue.events;
	now.queued_bytes = c->queue.bytes;
	pthread_mutex_unlock(&c->lock);
	memcpy(counts, &now, size < sizeof now ? size : sizeof now);
	counts->size = size;
	return 0;
}
