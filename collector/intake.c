#include "collector/intake.h"

#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "proto/base/err.h"

int intake_event(struct intake *in, const struct intake_origin *from,
	const struct normalise_input *raw, struct stage *stage, struct diag *d)
{
	struct normalise_input input = *raw;
	struct event ev;
	int rc;

	input.peer = from->host;
	input.received_ns = from->received_ns;
	input.joins = from->joins;
	rc = normalise_event(in->normalise, &input, &ev);
	if (rc < 0) {
		in->counts.rejected[rc == ERR_LIMIT ? INTAKE_REJECT_LIMITS : INTAKE_REJECT_FORM]++;
		return INTAKE_REJECTED;
	}
	if (rc == NORMALISE_PART)
		return INTAKE_PART;
	if (in->rules && rule_run_event(in->rules, &ev) == RULE_DROP)
		return INTAKE_DROPPED;
	rc = stage_put(stage, &ev, d);
	if (rc == STAGE_TOO_LARGE) {
		in->counts.rejected[INTAKE_REJECT_LIMITS]++;
		return INTAKE_REJECTED;
	}
	return rc;
}

int intake_commit(struct intake *in, const struct intake_origin *from, struct stage *stage,
	const struct store_chunk *chunk, uint64_t *out_seq, struct diag *d)
{
	int rc;

	in->counts.frames[from->door]++;
	*out_seq = 0;
	if (chunk && commit_known(in->commit, *chunk, out_seq)) {
		stage_drop(stage);
		return 0;
	}
	rc = stage_complete(stage, d);
	if (rc < 0)
		return rc;
	in->counts.events[from->door] += stage->total;
	*out_seq = commit_put(in->commit, stage, chunk);
	return 0;
}

/* The tag's length keeps ("ab", "c") and ("a", "bc") apart. */
struct store_chunk intake_chunk(struct span tag, struct span id)
{
	uint8_t bytes[2 + LIMIT_TAG_BYTES + LIMIT_CHUNK_BYTES];
	struct wcur w = wcur_of(bytes, sizeof bytes);
	XXH128_hash_t h;

	wcur_le16(&w, (uint16_t)tag.n);
	wcur_bytes(&w, tag.p, tag.n);
	wcur_bytes(&w, id.p, id.n);
	ASSERT(w.err == 0);
	h = XXH3_128bits(bytes, (size_t)(w.p - bytes));
	return (struct store_chunk){ .lo = h.low64, .hi = h.high64 };
}

/* ---------------------------------------------------------------- Forward */

int intake_entry(struct intake *in, const struct intake_origin *from, const struct forward *f,
	const struct forward_entry *entry, struct stage *stage, struct diag *d)
{
	struct normalise_input raw = { .record = entry->record,
		.metadata = entry->metadata,
		.group = entry->group,
		.tag = f->frame.tag,
		.time_ns = entry->time_ns,
		.has_time = entry->has_time };

	return intake_event(in, from, &raw, stage, d);
}

static void count_frame(struct intake *in, const struct forward_frame *frame)
{
	in->counts.odd_options += frame->odd_option;
	in->counts.groups_large += frame->groups_large;
	for (int i = 0; i < FORWARD_DROP_COUNT; i++)
		in->counts.dropped[i] += frame->dropped[i];
}

/* UDP has no acks, and an empty id names nothing. */
static bool has_chunk(const struct intake_origin *from, const struct forward_frame *frame)
{
	return frame->chunk.p && frame->chunk.n > 0 && from->door != INTAKE_UDP;
}

int intake_end(struct intake *in, const struct intake_origin *from, const struct forward *f,
	struct stage *stage, uint64_t *out_seq, struct diag *d)
{
	const struct forward_frame *frame = &f->frame;
	struct store_chunk chunk;

	count_frame(in, frame);
	if (frame->signal != 0) {
		in->counts.frames[from->door]++;
		in->counts.signals++;
		*out_seq = 0;
		stage_drop(stage);
		return 0;
	}
	if (from->forgetful || !has_chunk(from, frame))
		return intake_commit(in, from, stage, NULL, out_seq, d);
	chunk = intake_chunk(frame->tag, frame->chunk);
	return intake_commit(in, from, stage, &chunk, out_seq, d);
}
