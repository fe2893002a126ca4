#include "proto/client/client_queue.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "proto/base/check.h"
#include "proto/wire/forward_put.h"

static void put_spare(struct client_queue *q, struct client_queue_frame *f)
{
	/* One large event must not keep its memory for ever. */
	if (f->frame.bytes.cap > 4 * q->conf.frame_bytes)
		buf_fini(&f->frame.bytes);
	f->in_use = false;
	f->next = q->spare;
	q->spare = f;
}

int client_queue_init(struct client_queue *q, const struct client_queue_conf *conf)
{
	/* Full frames, as many again for those that went before they were full, and the window. */
	size_t count = 2 * (conf->bytes_max / conf->frame_bytes) + conf->window + 2;
	uint64_t id;

	*q = (struct client_queue){ .conf = *conf, .frames_count = count };
	if (getrandom(&id, sizeof id, 0) != sizeof id)
		return -errno;
	snprintf(q->run, sizeof q->run, "%016" PRIx64, id);
	q->frames = calloc(count, sizeof *q->frames);
	if (!q->frames)
		return -ENOMEM;
	while (count-- > 0) {
		client_frame_init(&q->frames[count].frame);
		put_spare(q, &q->frames[count]);
	}
	return 0;
}

void client_queue_fini(struct client_queue *q)
{
	for (size_t i = 0; q->frames && i < q->frames_count; i++)
		client_frame_fini(&q->frames[i].frame);
	free(q->frames);
	*q = (struct client_queue){ .frames = NULL };
}

static size_t around(const struct client_queue *q)
{
	return CLIENT_FRAME_AROUND_BYTES + q->conf.tag.n - (q->conf.acks ? 0 : CLIENT_CHUNK_BYTES);
}

size_t client_queue_entries_max(const struct client_queue *q)
{
	return q->conf.frame_bytes > around(q) ? q->conf.frame_bytes - around(q) : 0;
}

size_t client_queue_entries_bytes(const struct client_queue_entry *entries, uint32_t count)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < count; i++)
		bytes += FORWARD_PUT_ENTRY_HEAD_BYTES + entries[i].record.n;
	return bytes;
}

void client_queue_seal(struct client_queue *q)
{
	struct client_queue_frame *f = q->filling;

	if (!f)
		return;
	if (q->conf.acks)
		snprintf(f->frame.chunk, sizeof f->frame.chunk, "%s-%08" PRIx64, q->run, f->number);
	client_frame_seal(&f->frame);
	f->next = NULL;
	if (q->first)
		q->last->next = f;
	else
		q->first = f;
	q->last = f;
	q->filling = NULL;
}

static bool fits(const struct client_queue *q, size_t bytes, uint32_t count)
{
	const struct client_frame *f = &q->filling->frame;

	return client_frame_entries(f) + bytes <= client_queue_entries_max(q) &&
	       f->events + count <= q->conf.frame_events;
}

/* The frame that has room for so much; NULL: there is none. */
static struct client_queue_frame *frame_for(
	struct client_queue *q, size_t bytes, uint32_t count, int64_t now_ns)
{
	struct client_queue_frame *f = q->filling;

	if (f && fits(q, bytes, count))
		return f;
	if (!q->spare)
		return NULL;
	client_queue_seal(q);
	f = q->spare;
	q->spare = f->next;
	client_frame_begin(&f->frame, q->conf.tag);
	f->number = ++q->last_number;
	f->born_ns = now_ns;
	f->charged = 0;
	f->in_use = true;
	q->filling = f;
	return f;
}

/* The frame stays as it was; one that was begun for these entries goes back. */
static int no_memory(struct client_queue *q, struct client_queue_frame *f)
{
	f->frame.bytes.err = 0;
	if (f->frame.events == 0) {
		q->filling = NULL;
		put_spare(q, f);
	}
	return -ENOMEM;
}

int client_queue_add(struct client_queue *q, const struct client_queue_entry *entries,
	uint32_t count, int64_t now_ns)
{
	size_t bytes = client_queue_entries_bytes(entries, count);
	struct client_queue_frame *f;
	struct buf *b;

	ASSERT(count > 0);
	if (q->bytes + bytes > q->conf.bytes_max)
		return CLIENT_QUEUE_FULL;
	f = frame_for(q, bytes, count, now_ns);
	if (!f)
		return CLIENT_QUEUE_FULL;
	b = &f->frame.bytes;
	/* With room for what seals it, so that sealing cannot fail. */
	if (buf_reserve(b, bytes + around(q)) < 0)
		return no_memory(q, f);
	for (uint32_t i = 0; i < count; i++)
		forward_put_entry(b, entries[i].time_ns, entries[i].record);
	ASSERT(b->err == 0);
	f->frame.events += count;
	f->charged += bytes;
	q->bytes += bytes;
	q->events += count;
	if (f->frame.events >= q->conf.frame_events)
		client_queue_seal(q);
	return 0;
}

struct client_queue_frame *client_queue_take(struct client_queue *q)
{
	struct client_queue_frame *f = q->first;

	if (f)
		q->first = f->next;
	return f;
}

void client_queue_settle(struct client_queue *q, struct client_queue_frame *f)
{
	ASSERT(f->in_use);
	ASSERT(q->bytes >= f->charged);
	q->bytes -= f->charged;
	q->events -= f->frame.events;
	put_spare(q, f);
}

uint32_t client_queue_drop(struct client_queue *q)
{
	struct client_queue_frame *f = client_queue_take(q);
	uint32_t events = f ? f->frame.events : 0;

	if (f)
		client_queue_settle(q, f);
	return events;
}

uint64_t client_queue_oldest(const struct client_queue *q)
{
	uint64_t oldest = 0;

	for (size_t i = 0; i < q->frames_count; i++) {
		const struct client_queue_frame *f = &q->frames[i];

		if (f->in_use && (oldest == 0 || f->number < oldest))
			oldest = f->number;
	}
	return oldest;
}
