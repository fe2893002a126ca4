/*
 * forward_int - the parts of forward that look at complete values only: entries, options, times,
 * and the first bytes of what is no Forward at all.
 *
 * Thread: none of its own. Memory: none; spans point into the input.
 */
#ifndef PROTO_WIRE_FORWARD_INT_H
#define PROTO_WIRE_FORWARD_INT_H

#include "proto/wire/forward.h"

/* What an entry is; below these, an enum forward_drop. */
enum {
	FORWARD_INT_ENTRY = FORWARD_DROP_COUNT,
	FORWARD_INT_GROUP_BEGIN, /* entry->record: the attributes */
	FORWARD_INT_GROUP_END,
};

/* What the first byte of a value says. */
bool forward_int_is_array(uint8_t first);
bool forward_int_is_text(uint8_t first); /* str or bin */
bool forward_int_is_time(uint8_t first); /* what element 1 of a Message may be */
/* Bytes of the head of an array, str or bin; 1 for any other type. */
unsigned forward_int_head_bytes(uint8_t first);

/* The first byte of gzip or zstd, which no entry has. */
bool forward_int_may_be_zipped(uint8_t first);
/* What becomes of the entries when their decompression fails. */
enum forward_drop forward_int_inflate_drop(enum inflate_fault why);

/* What forward.c does of a frame, for JSON connections too. */
void forward_int_begin(struct forward *f);
/* One whole entry. FORWARD_ENTRY, 0: nothing to hand out, or negative. */
int forward_int_whole(struct forward *f, struct span value, struct forward_entry *entry);

/* The content of a str or bin. */
struct span forward_int_text(struct span value);
bool forward_int_empty_map(struct span value);

/* value: one whole msgpack value that walk took. Fills all of *entry but the group. */
int forward_int_entry(struct span value, struct forward_entry *entry);
/* Is that value a record? FORWARD_INT_ENTRY, or an enum forward_drop. */
int forward_int_record(struct span value);
/* Reads the options into f->frame (and f->message.metadata). Negative: f->fault is set. */
int forward_int_options(struct forward *f, struct span value);
/* What the first bytes of a connection, which are no frame, seem to be. */
enum forward_fault forward_int_diagnose(struct span first);

#endif
