#include "collector/parts.h"

#include "proto/base/check.h"

/* Where partial hands out to. */
struct hand {
	const struct parts *s;
	struct intake_origin origin;
	struct diag *d;
};

static struct hand hand_to(const struct parts *s, struct diag *d)
{
	struct hand h = { s, *s->origin, d };

	h.origin.joins = false;
	return h;
}

static int store_entry(struct hand *h, struct span tag, const struct forward_entry *entry)
{
	const struct normalise_input raw = { .record = entry->record,
		.metadata = entry->metadata,
		.group = entry->group,
		.tag = tag,
		.time_ns = entry->time_ns,
		.has_time = entry->has_time };

	return intake_event(h->s->intake, &h->origin, &raw, h->s->stage, h->d);
}

static int store_whole(void *arg, struct span tag, const struct forward_entry *entry)
{
	struct hand *h = arg;
	int rc = store_entry(h, tag, entry);

	h->s->intake->counts.parts_joined += rc == 0;
	/* What a rule drops is done with. */
	return rc == INTAKE_DROPPED ? 0 : rc;
}

static int store_part(void *arg, struct span tag, const struct forward_entry *entry)
{
	struct hand *h = arg;
	int rc = store_entry(h, tag, entry);

	h->s->intake->counts.parts_alone += rc == 0;
	return rc;
}

static bool is_known(void *arg, struct store_chunk id, uint64_t *out_seq)
{
	const struct hand *h = arg;

	return commit_known(h->s->intake->commit, id, out_seq);
}

static struct partial_out out_of(struct hand *h)
{
	return (struct partial_out){ store_whole, store_part, h };
}

int parts_store(
	const struct parts *s, struct span tag, const struct forward_entry *entry, struct diag *d)
{
	struct hand h = hand_to(s, d);

	return store_part(&h, tag, entry);
}

/* Of a frame that was stored before: what was open then, and has not been stored since. */
static int end_repeat(const struct parts *s, const struct forward *f, struct store_chunk id,
	uint64_t known_seq, uint64_t *out_seq, struct diag *d)
{
	struct store_chunk ids[LIMIT_FRAME_CHUNKS];
	struct hand h = hand_to(s, d);
	struct partial_out out = out_of(&h);
	uint32_t count;
	int rc;

	s->intake->counts.repeats++;
	stage_drop(s->stage);
	rc = partial_repeat(s->partial, id, is_known, &out, ids, &count, &known_seq);
	if (rc == 0)
		rc = intake_end_put(s->intake, s->origin, f, s->stage, ids, count, out_seq, d);
	if (rc == 0 && *out_seq < known_seq)
		*out_seq = known_seq;
	return rc;
}

static int end_first(const struct parts *s, const struct forward *f,
	const struct parts_ledger_frame *own, uint64_t *out_seq, struct diag *d)
{
	struct store_chunk ids[LIMIT_FRAME_CHUNKS];
	struct hand h = hand_to(s, d);
	struct partial_out out = out_of(&h);
	uint32_t count;
	int rc = partial_settle(s->partial, own, &out);

	if (rc < 0)
		return rc;
	count = partial_ids(s->partial, own, ids);
	rc = intake_end_put(s->intake, s->origin, f, s->stage, ids, count, out_seq, d);
	if (rc < 0)
		return rc;
	partial_settled(s->partial, own, *out_seq, s->release, s->release_arg);
	return own && partial_holds(s->partial, own->ack) ? PARTS_HELD : 0;
}

int parts_end(const struct parts *s, const struct forward *f, uint64_t ack, uint64_t *out_seq,
	struct diag *d)
{
	struct parts_ledger_frame own = { .ack = ack };
	uint64_t seq;

	if (f->frame.signal != 0) {
		partial_abort(s->partial);
		return intake_end(s->intake, s->origin, f, s->stage, out_seq, d);
	}
	own.named = intake_frame_chunk(s->origin, &f->frame, &own.id);
	if (own.named && commit_known(s->intake->commit, own.id, &seq))
		return end_repeat(s, f, own.id, seq, out_seq, d);
	return end_first(s, f, f->frame.chunk.p ? &own : NULL, out_seq, d);
}

int parts_flush(const struct parts *s, int64_t now_ms, struct diag *d)
{
	struct store_chunk ids[LIMIT_FRAME_CHUNKS];
	struct hand h = hand_to(s, d);
	struct partial_out out = out_of(&h);
	uint64_t seq;
	int rc = partial_flush(s->partial, now_ms, &out);

	if (rc == 0)
		return PARTS_NONE;
	if (rc > 0)
		rc = intake_put(s->intake, s->origin, s->stage, ids,
			partial_ids(s->partial, NULL, ids), &seq, d);
	if (rc < 0) {
		stage_drop(s->stage);
		return rc;
	}
	partial_flushed(s->partial, seq, s->release, s->release_arg);
	return 0;
}
