#include "collector/door_forward_int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	/* How often messages in parts are looked after, while there are any. */
	PARTS_TICK_MS = LIMIT_PARTIAL_ACK_MS / 2,
};

static void release_ack(void *arg, uint64_t ack, uint64_t seq)
{
	struct client *k = arg;

	ackq_release(&k->acks, ack, seq);
}

/* Whoever waited for it is gone. */
static void release_nobody(void *arg, uint64_t ack, uint64_t seq)
{
	(void)arg;
	(void)ack;
	(void)seq;
}

static struct parts parts_of(struct client *k, struct stage *stage)
{
	return (struct parts){ .intake = &k->door->c->intake,
		.origin = &k->origin,
		.partial = k->parts,
		.stage = stage,
		.release = release_ack,
		.release_arg = k };
}

static int64_t now_ms(const struct door_forward *f)
{
	return (int64_t)uv_now(&f->c->loop);
}

static void on_tick(uv_timer_t *t)
{
	door_forward_parts_flush(t->data);
}

static void charge_parts(struct client *k)
{
	size_t held = k->parts ? partial_bytes(k->parts) : 0;

	stage_hold(&k->stage, k->parts_charged, held);
	k->parts_charged = held;
}

static void free_if_empty(struct client *k)
{
	if (k->parts && partial_empty(k->parts))
		partial_free(&k->parts);
	charge_parts(k);
}

/* ---- a frame ---- */

/* A part is kept until its message is whole, or the end of its frame says where it goes. */
static int take_part(struct client *k, const struct forward_entry *entry, struct diag *d)
{
	struct span tag = k->forward.frame.tag;
	int rc = k->parts ? 0 : partial_new(&k->parts);
	struct parts s;

	if (rc == 0)
		rc = partial_put(k->parts, tag, entry, now_ms(k->door), !k->waits_for_acks);
	if (rc < 0)
		return diag_set(d, rc, "", -1, "no memory for a message in parts");
	charge_parts(k);
	if (!uv_is_active((uv_handle_t *)&k->door->parts_tick))
		uv_timer_start(&k->door->parts_tick, on_tick, PARTS_TICK_MS, PARTS_TICK_MS);
	s = parts_of(k, &k->stage);
	return rc == PARTIAL_HELD ? 0 : parts_store(&s, tag, entry, d);
}

int door_forward_parts_entry(struct client *k, const struct forward_entry *entry, struct diag *d)
{
	int rc;

	if (k->parts && partial_ends(k->parts, k->forward.frame.tag, entry))
		return 0;
	rc = intake_entry(&k->door->c->intake, &k->origin, &k->forward, entry, &k->stage, d);
	return rc == INTAKE_PART ? take_part(k, entry, d) : rc;
}

/* ---- what is overdue ---- */

/* Each message as a frame of its own, while there is room. True: some were stored. */
static bool flush_parts(const struct door_forward *f, const struct parts *s, int64_t due_ms)
{
	bool any = false;
	struct diag d;

	while (!f->c->full && commit_room(s->intake->commit) && parts_flush(s, due_ms, &d) == 0)
		any = true;
	return any;
}

static void flush_client(struct client *k, int64_t due_ms)
{
	struct parts s = parts_of(k, &k->door->parts_stage);
	bool held = partial_holds_any(k->parts);

	if (!flush_parts(k->door, &s, due_ms))
		return;
	/* A client that sends nothing more before its ack cannot finish a message. */
	if (held && !partial_holds_any(k->parts) && k->forward.bytes == k->bytes_held)
		k->waits_for_acks = true;
	free_if_empty(k);
	if (k->acks.count > 0)
		door_forward_send_acks(k);
}

static struct parts parts_of_orphan(struct door_forward *f, const struct orphan *o)
{
	return (struct parts){ .intake = &f->c->intake,
		.origin = &o->origin,
		.partial = o->parts,
		.stage = &f->parts_stage,
		.release = release_nobody };
}

void door_forward_parts_store(struct door_forward *f)
{
	struct orphan **at = &f->orphans;

	while (*at) {
		struct orphan *o = *at;
		struct parts s = parts_of_orphan(f, o);

		flush_parts(f, &s, INT64_MAX);
		if (partial_open(o->parts) > 0) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		partial_free(&o->parts);
		free(o);
	}
}

void door_forward_parts_free(struct door_forward *f)
{
	while (f->orphans) {
		struct orphan *o = f->orphans;

		f->orphans = o->next;
		partial_free(&o->parts);
		free(o);
	}
}

void door_forward_parts_flush(struct door_forward *f)
{
	int64_t due_ms = f->reading ? now_ms(f) : INT64_MAX;
	bool any = false;

	for (struct conn *conn = f->set.head; conn; conn = conn->next) {
		struct client *k = conn->owner;

		if (k->parts)
			flush_client(k, due_ms);
		any |= k->parts != NULL;
	}
	door_forward_parts_store(f);
	if (!any && !f->orphans)
		uv_timer_stop(&f->parts_tick);
}

/* ---- the end of a frame ---- */

/*
 * Parts of an earlier copy of this frame, which came on a connection that is lost or given up, or on this
 * one, are stored before it is looked at. False: they cannot be now.
 */
static bool store_earlier_copy(struct client *k, struct store_chunk id)
{
	struct door_forward *f = k->door;
	bool found = false;

	for (struct conn *conn = f->set.head; conn; conn = conn->next) {
		struct client *other = conn->owner;

		if (!other->parts || !partial_give_up(other->parts, id))
			continue;
		flush_client(other, now_ms(f));
		found |= other->parts && partial_give_up(other->parts, id);
	}
	door_forward_parts_store(f);
	for (struct orphan *o = f->orphans; o; o = o->next)
		found |= partial_give_up(o->parts, id);
	return !found && commit_room(f->c->intake.commit);
}

int door_forward_parts_end(struct client *k, uint64_t *seq, struct diag *d)
{
	const struct forward_frame *frame = &k->forward.frame;
	struct parts s = parts_of(k, &k->stage);
	struct store_chunk id;
	int rc;

	if (intake_frame_chunk(&k->origin, frame, &id) && !store_earlier_copy(k, id))
		return diag_set(d, -EAGAIN, "", -1,
			"the frame came again before there was room for its first copy");
	rc = parts_end(&s, &k->forward, k->acks.pushed, seq, d);
	if (rc < 0)
		return rc;
	if (rc == PARTS_HELD)
		k->bytes_held = k->forward.bytes;
	free_if_empty(k);
	return rc;
}

void door_forward_parts_orphan(struct client *k)
{
	struct door_forward *f = k->door;
	struct orphan *o;

	if (!k->parts)
		return;
	partial_abort(k->parts);
	stage_hold(&k->stage, k->parts_charged, 0);
	o = partial_open(k->parts) > 0 ? calloc(1, sizeof *o) : NULL;
	if (!o) {
		partial_free(&k->parts);
		return;
	}
	o->parts = k->parts;
	o->origin = k->origin;
	memcpy(o->host, k->host, sizeof o->host);
	if (k->origin.door != INTAKE_UNIX)
		o->origin.host = span_str(o->host);
	k->parts = NULL;
	o->next = f->orphans;
	f->orphans = o;
	door_forward_parts_store(f);
}
