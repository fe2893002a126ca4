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

int intake_put(struct intake *in, const struct intake_origin *from, struct stage *stage,
	const struct store_chunk *chunks, uint32_t chunks_count, uint64_t *out_seq, struct diag *d)
{
	int rc;

	in->counts.frames[from->door]++;
	rc = stage_complete(stage, d);
	if (rc < 0)
		return rc;
	in->counts.events[from->door] += stage->total;
	*out_seq = commit_put(in->commit, stage, chunks, chunks_count);
	return 0;
}

int intake_commit(struct intake *in, const struct intake_origin *from, struct stage *stage,
	const struct store_chunk *chunk, uint64_t *out_seq, struct diag *d)
{
	if (!chunk || !commit_known(in->commit, *chunk, out_seq))
		return intake_put(in, from, stage, chunk, chunk ? 1 : 0, out_seq, d);
	in->counts.frames[from->door]++;
	in->counts.repeats++;
	stage_drop(stage);
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
bool intake_frame_chunk(const struct intake_origin *from, const struct forward_frame *frame,
	struct store_chunk *out)
{
	if (!frame->chunk.p || frame->chunk.n == 0 || from->door == INTAKE_UDP)
		return false;
	*out = intake_chunk(frame->tag, frame->chunk);
	return true;
}

/* Metrics and traces: true, and nothing of the frame is kept. */
static bool discard(struct intake *in, const struct intake_origin *from,
	const struct forward_frame *frame, struct stage *stage, uint64_t *out_seq)
{
	if (frame->signal == 0)
		return false;
	in->counts.frames[from->door]++;
	in->counts.signals++;
	*out_seq = 0;
	stage_drop(stage);
	return true;
}

int intake_end(struct intake *in, const struct intake_origin *from, const struct forward *f,
	struct stage *stage, uint64_t *out_seq, struct diag *d)
{
	struct store_chunk chunk;
	bool has = intake_frame_chunk(from, &f->frame, &chunk);

	count_frame(in, &f->frame);
	if (discard(in, from, &f->frame, stage, out_seq))
		return 0;
	return intake_commit(in, from, stage, has ? &chunk : NULL, out_seq, d);
}

int intake_end_put(struct intake *in, const struct intake_origin *from, const struct forward *f,
	struct stage *stage, const struct store_chunk *chunks, uint32_t chunks_count,
	uint64_t *out_seq, struct diag *d)
{
	ASSERT(f->frame.signal == 0);
	count_frame(in, &f->frame);
	return intake_put(in, from, stage, chunks, chunks_count, out_seq, d);
}
