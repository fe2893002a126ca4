/*
 * partial_record - the records of messages that Docker cuts into parts: what one says of itself as a part,
 * and the record that all of them make.
 *
 * Thread:  any.
 * Memory:  none but the caller's buffer.
 * Errors:  a record that is no map says nothing of itself. The buffer's own.
 */
#ifndef COLLECTOR_PARTIAL_RECORD_H
#define COLLECTOR_PARTIAL_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <xxhash.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

/* Spans into the record; absent where it has no such text. */
struct partial_record_marks {
	struct span id, container, source, log;
	uint64_t ordinal; /* 0: none */
	bool part, last;
};

struct partial_record_marks partial_record_read(struct span record);
/* What the parts of one message have in common. */
XXH128_hash_t partial_record_name(struct span tag, const struct partial_record_marks *m);
/* The record of the whole up to its text, which the caller puts behind it, with so many bytes. */
void partial_record_join(struct buf *to, struct span first, uint32_t text_bytes);

#endif
