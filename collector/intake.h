/*
 * intake - the one path from a record to the journal that all doors share: record -> event -> stage,
 * and at the end of a frame (a request, a read of lines) stage -> batch, or a known chunk id recognised.
 * Doors differ in framing only.
 *
 * Thread:  the loop's.
 * Memory:  none per event or frame; what a frame needs is its stage's.
 * Errors:  negative: the frame cannot be taken; its stage must be dropped and its connection closed,
 *          so that the client sends it again. A bad event is no error: it is dropped and counted.
 */
#ifndef COLLECTOR_INTAKE_H
#define COLLECTOR_INTAKE_H

#include <stdint.h>

#include "collector/commit.h"
#include "collector/normalise.h"
#include "collector/stage.h"
#include "proto/base/diag.h"
#include "proto/rule/rule.h"
#include "proto/wire/forward.h"

/* Forward by its three ways, syslog by its three, HTTP. */
enum intake_door {
	INTAKE_TCP,
	INTAKE_UNIX,
	INTAKE_UDP,
	INTAKE_SYSLOG_TCP,
	INTAKE_SYSLOG_UNIX,
	INTAKE_SYSLOG_UDP,
	INTAKE_HTTP,
	INTAKE_DOOR_COUNT,
};

/* Why an event that its frame delivered whole was not stored. */
enum intake_reject {
	INTAKE_REJECT_LIMITS, /* more pairs or bytes than an event may have */
	INTAKE_REJECT_FORM,   /* no record that can be walked: type, depth, syntax */
	INTAKE_REJECT_COUNT,
};

enum {
	INTAKE_REJECTED = 1, /* outcome: the event was dropped and counted, its frame goes on */
	/* Outcome: a rule of the configuration wants it not to be stored; for its sender all is well. */
	INTAKE_DROPPED = 2,
	INTAKE_PART, /* it is a part of a message, and not staged: from->joins */
};

/* Rising numbers, read by whoever prints them on the same thread. */
struct intake_counts {
	uint64_t frames[INTAKE_DOOR_COUNT];
	uint64_t events[INTAKE_DOOR_COUNT]; /* stored or to be stored */
	uint64_t heartbeats[INTAKE_DOOR_COUNT];
	uint64_t dropped[FORWARD_DROP_COUNT];
	uint64_t rejected[INTAKE_REJECT_COUNT];
	uint64_t faults[FORWARD_FAULT_COUNT];
	uint64_t signals;      /* frames of metrics or traces, discarded */
	uint64_t odd_options;  /* frames with options of a wrong type, which were ignored */
	uint64_t repeats;      /* frames whose chunk id was known */
	uint64_t parts_joined; /* messages put together from their parts */
	uint64_t parts_alone;  /* parts stored as they came */
	uint64_t groups_large; /* groups whose attributes were too many to add to their entries */
};

struct intake {
	struct normalise *normalise;
	struct rule_run *rules; /* NULL: none */
	struct commit *commit;
	struct stage_pool pool;
	struct inflate_pool inflates; /* of all doors; what is idle in it the pool is charged for */
	size_t inflates_charged;
	struct intake_counts counts;
};

/* Who sent it. */
struct intake_origin {
	enum intake_door door;
	struct span host; /* default of the event's host */
	int64_t received_ns;
	bool joins; /* parts of messages are told, not staged */
};

/*
 * One event into the stage: 0, INTAKE_REJECTED, INTAKE_DROPPED, or negative. raw's record and what its
 * door knows of it are the caller's; peer and time of arrival are filled in from `from`.
 */
int intake_event(struct intake *in, const struct intake_origin *from,
	const struct normalise_input *raw, struct stage *stage, struct diag *d);
/*
 * The frame is complete; commit_room was true. Leaves the stage empty. chunk, or NULL: what a resend
 * is recognised by. *out_seq: when it is durable the frame may be acknowledged.
 */
int intake_commit(struct intake *in, const struct intake_origin *from, struct stage *stage,
	const struct store_chunk *chunk, uint64_t *out_seq, struct diag *d);
/* The same, of what is known not to be a repeat; with the ids that become known with it (commit_put). */
int intake_put(struct intake *in, const struct intake_origin *from, struct stage *stage,
	const struct store_chunk *chunks, uint32_t chunks_count, uint64_t *out_seq, struct diag *d);
/* The name of a frame in the store: of what it was sent under (LIMIT_TAG_BYTES at most) and its id. */
struct store_chunk intake_chunk(struct span tag, struct span id);

/* The same for the entries of a Forward frame, and its end. */
int intake_entry(struct intake *in, const struct intake_origin *from, const struct forward *f,
	const struct forward_entry *entry, struct stage *stage, struct diag *d);
int intake_end(struct intake *in, const struct intake_origin *from, const struct forward *f,
	struct stage *stage, uint64_t *out_seq, struct diag *d);
/* The end of one whose door has looked itself at what is known. */
int intake_end_put(struct intake *in, const struct intake_origin *from, const struct forward *f,
	struct stage *stage, const struct store_chunk *chunks, uint32_t chunks_count,
	uint64_t *out_seq, struct diag *d);
/* What a complete frame is remembered by; false: by nothing. */
bool intake_frame_chunk(const struct intake_origin *from, const struct forward_frame *frame,
	struct store_chunk *out);

#endif
