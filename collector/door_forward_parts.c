#include "collector/door_forward_int.h"

#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

enum {
	/* How often messages in parts are looked after, while there are any. */
	PARTS_TICK_MS = LIMIT_PARTIAL_ACK_MS / 2,
};

/* Where partial hands out to. */
struct hand {
	struct intake *intake;
	struct intake_origin origin;
	struct stage *stage;
	struct diag *d;
};

static struct hand hand_to(struct intake *intake, const struct intake_origin *from,
	struct stage *stage, struct diag *d)
{
	struct hand h = { intake, *from, stage, d };

	h.origin.joins = false;
	return h;
}

static int store_entry(struct hand *h, struct span tag, const struct forward_entry *entry)
{
	const struct normalise_input raw = { .record = entry->record,
		.tag = tag,
		.time_ns = entry->time_ns,
		.has_time = entry->has_time };

	return intake_event(h->intake, &h->origin, &raw, h->stage, h->d);
}

static int store_joined(void *arg, struct span tag, const struct forward_entry *entry)
{
	struct hand *h = arg;
	int rc = store_entry(h, tag, entry);

	h->intake->counts.parts_joined += rc == 0;
	/* What a rule drops is done with. */
	return rc == INTAKE_DROPPED ? 0 : rc;
}

static int store_part(void *arg, struct span tag, const struct forward_entry *entry)
{
	struct hand *h = arg;
	int rc = store_entry(h, tag, entry);

	h->intake->counts.parts_alone += rc == 0;
	return rc;
}

static void on_tick(uv_timer_t *t)
{
	door_forward_parts_flush(t->data);
}

/* A part is kept until its message is whole, or stored as it is. */
static int take_part(struct client *k, const struct forward_entry *entry, struct diag *d)
{
	struct hand h = hand_to(&k->door->c->intake, &k->origin, &k->stage, d);
	struct span tag = k->forward.frame.tag;
	int rc = k->parts ? 0 : partial_new(&k->parts);

	if (rc == 0)
		rc = partial_put(k->parts, tag, entry, (int64_t)uv_now(&k->door->c->loop));
	if (rc < 0)
		return diag_set(d, rc, "", -1, "no memory for a message in parts");
	if (!uv_is_active((uv_handle_t *)&k->door->parts_tick))
		uv_timer_start(&k->door->parts_tick, on_tick, PARTS_TICK_MS, PARTS_TICK_MS);
	return rc == PARTIAL_HELD ? 0 : store_part(&h, tag, entry);
}

int door_forward_parts_entry(struct client *k, const struct forward_entry *entry, struct diag *d)
{
	int rc;

	if (k->parts && partial_ends(k->parts, k->forward.frame.tag, entry))
		return 0;
	rc = intake_entry(&k->door->c->intake, &k->origin, &k->forward, entry, &k->stage, d);
	return rc == INTAKE_PART ? take_part(k, entry, d) : rc;
}

int door_forward_parts_settle(struct client *k, struct diag *d)
{
	struct hand h = hand_to(&k->door->c->intake, &k->origin, &k->stage, d);
	int rc = k->parts ? partial_settle(k->parts, store_joined, &h) : 0;

	/* A resend of such a frame must bring its parts again. */
	k->origin.forgetful = rc == 0 && k->parts && partial_unfinished(k->parts);
	return rc;
}

static void charge_parts(struct client *k)
{
	size_t held = k->parts ? partial_bytes(k->parts) : 0;

	stage_hold(&k->stage, k->parts_charged, held);
	k->parts_charged = held;
}

void door_forward_parts_settled(struct client *k, uint64_t seq)
{
	bool held = k->hold_seq == UINT64_MAX;

	partial_settled(k->parts);
	if (k->origin.forgetful && k->forward.frame.chunk.p) {
		partial_owe_ack(k->parts);
		k->bytes_held = k->forward.bytes;
		if (!held)
			k->free_acks = k->acks.count;
		k->hold_seq = UINT64_MAX;
	} else if (held && partial_owed(k->parts) == 0) {
		k->hold_seq = seq;
	}
	if (partial_open(k->parts) == 0)
		partial_free(&k->parts);
	charge_parts(k);
}

/* Stores what is overdue, each message as a frame of its own. *seq: of the last of them. */
static bool flush_parts(struct door_forward *f, struct partial *p, const struct intake_origin *from,
	int64_t now_ms, uint64_t *seq)
{
	struct intake *intake = &f->c->intake;
	struct diag d;
	struct hand h = hand_to(intake, from, &f->parts_stage, &d);
	bool any = false;

	while (!f->c->full && commit_room(intake->commit)) {
		int rc = partial_flush(p, now_ms, store_part, &h);

		if (rc == 0)
			break;
		if (rc > 0)
			rc = intake_commit(intake, from, &f->parts_stage, NULL, seq, &d);
		if (rc < 0) { /* no room for it now: it stays */
			stage_drop(&f->parts_stage);
			break;
		}
		partial_flushed(p);
		any = true;
	}
	return any;
}

static void flush_client(struct client *k, int64_t now_ms)
{
	uint64_t seq = 0;

	if (!flush_parts(k->door, k->parts, &k->origin, now_ms, &seq))
		return;
	if (k->hold_seq == UINT64_MAX && partial_owed(k->parts) == 0) {
		k->hold_seq = seq;
		/* A client that sends nothing more before its ack cannot finish a message. */
		k->origin.joins = k->forward.bytes != k->bytes_held;
	}
	if (partial_open(k->parts) == 0 && !forward_mid_frame(&k->forward))
		partial_free(&k->parts);
	charge_parts(k);
	if (k->acks.count > 0)
		door_forward_send_acks(k);
}

void door_forward_parts_store(struct door_forward *f)
{
	struct orphan **at = &f->orphans;

	while (*at) {
		struct orphan *o = *at;
		uint64_t seq;

		flush_parts(f, o->parts, &o->origin, INT64_MAX, &seq);
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
	int64_t now_ms = f->reading ? (int64_t)uv_now(&f->c->loop) : INT64_MAX;
	bool any = false;

	for (struct conn *conn = f->set.head; conn; conn = conn->next) {
		struct client *k = conn->owner;

		if (k->parts)
			flush_client(k, now_ms);
		any |= k->parts != NULL;
	}
	door_forward_parts_store(f);
	if (!any && !f->orphans)
		uv_timer_stop(&f->parts_tick);
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
