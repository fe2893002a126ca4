/*
 * columns - some of an event's fields, in an order of the caller's: as a JSON object or a line of CSV.
 *
 * Names:   id, timestamp, received, event_type, severity, the other text fields, metadata, flags, and
 *          metadata.a.b: what stands at that path of the metadata. A key that has a dot in it cannot be
 *          named.
 * JSON:    a member for each column that the event has, under the name as it was given.
 * CSV:     as csv_out.h: a cell for each column, empty where the event does not have it. A value out
 *          of the metadata: texts as they are, the rest as its JSON; texts guarded against formulas.
 *
 * Life:    init, add..., use, fini.
 * Thread:  read-only after the last add.
 * Memory:  names and keys, LIMIT_COLUMNS_BYTES at most.
 * Errors:  of add: ERR_UNKNOWN, no such field; ERR_SYNTAX, an empty name or key; ERR_DEPTH, a path of more
 *          than LIMIT_DEPTH keys; ERR_LIMIT, LIMIT_COLUMNS are there, else the memory is full. Writing: as
 *          json_out_event, csv_out_event.
 */
#ifndef PROTO_WIRE_COLUMNS_H
#define PROTO_WIRE_COLUMNS_H

#include "proto/base/arena.h"
#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "proto/wire/event.h"

enum columns_kind {
	COLUMNS_ID,
	COLUMNS_TIME,
	COLUMNS_RECEIVED,
	COLUMNS_SEVERITY,
	COLUMNS_TEXT,
	COLUMNS_METADATA,
	COLUMNS_PATH, /* into the metadata */
	COLUMNS_FLAGS,
};

struct columns_one {
	enum columns_kind kind;
	enum event_text text;
	struct span name;
	const struct span *keys; /* of a path, outermost first */
	size_t keys_count;
};

struct columns {
	struct arena arena;
	struct columns_one list[LIMIT_COLUMNS];
	size_t count;
};

void columns_init(struct columns *c);
void columns_fini(struct columns *c);
/* "id,metadata.code": each name behind those before it. *out_bad is the name that is to blame. */
int columns_add(struct columns *c, struct span names, struct span *out_bad);

int columns_json(const struct columns *c, const struct event *ev, struct buf *out);
void columns_csv_header(const struct columns *c, struct buf *out);
void columns_csv(const struct columns *c, const struct event *ev, struct buf *out);

#endif
