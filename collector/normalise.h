/*
 * normalise - the one place that shapes an event: a record as a client sent it becomes a struct
 * event with our field names, defaults, limits and flags. Whatever does not fit a field is kept in
 * the metadata under its own name; nothing is lost silently (proto/WIRE.md, "From record to event").
 *
 * Life:    new once per thread, event... for each record, free at exit.
 * Thread:  one at a time.
 * Memory:  all taken in new (5 MiB of address space, a few pages of it used); event allocates
 *          nothing.
 * Errors:  negative: the record can never be stored and is dropped; `counts` stay right.
 */
#ifndef COLLECTOR_NORMALISE_H
#define COLLECTOR_NORMALISE_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/span.h"
#include "proto/wire/event.h"

/* One record and what its door knows about it. */
struct normalise_input {
	struct span record;   /* one complete msgpack map */
	struct span metadata; /* Fluent Bit's metadata map, or absent */
	struct span group;    /* Fluent Bit's group attributes, or absent */
	struct span tag;      /* its first segment is the default of `service` */
	struct span peer;     /* the default of `host`; may be absent */
	int64_t received_ns;
	int64_t time_ns; /* the frame's time, valid if has_time */
	bool has_time;
	/* The door joins messages in parts: a part is not shaped but told. */
	bool joins;
};

enum {
	/* Outcome: the record is a part of a message (partial_message). */
	NORMALISE_PART = 1,
};

/* What was done beyond copying; all events together, rising. */
struct normalise_counts {
	uint64_t keys_dropped;  /* pairs whose key is neither str nor bin */
	uint64_t keys_repeated; /* pairs that a later one of the same key replaced */
	uint64_t fields_cut;    /* texts longer than LIMIT_FIELD_BYTES: whole in the metadata */
	uint64_t
		fields_moved; /* known names with a value of the wrong type, kept in the metadata */
	uint64_t values_displaced; /* kept under "_displaced", for their name was taken */
	uint64_t time_odd;
	uint64_t time_arrival;
};

struct normalise;

int normalise_new(struct normalise **out);
void normalise_free(struct normalise **n);

/*
 * Fills *out; its spans point into the input and into n, and die with the next call. out->id is 0.
 * NORMALISE_PART, where in->joins: *out is untouched.
 * ERR_TYPE: the record is not a map. ERR_LIMIT: more than LIMIT_MAP_PAIRS pairs in one map, or more
 * than LIMIT_EVENT_BYTES. ERR_DEPTH, ERR_SYNTAX, ERR_TRUNCATED: as walk.
 */
int normalise_event(struct normalise *n, const struct normalise_input *in, struct event *out);

void normalise_counts(const struct normalise *n, struct normalise_counts *out);

#endif
