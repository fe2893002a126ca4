/*
 * es_bulk - what is said in Elasticsearch's bulk API: the action before each document, and the answer with
 * an item for each action. Doors read the lines; here is what they mean.
 *
 * Thread:  none of its own.
 * Memory:  what it appends to the caller's buffer.
 */
#ifndef PROTO_WIRE_ES_BULK_H
#define PROTO_WIRE_ES_BULK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

enum es_bulk_verb {
	ES_BULK_INDEX,
	ES_BULK_CREATE,
	ES_BULK_UPDATE,
	ES_BULK_DELETE,
};

struct es_bulk_action {
	enum es_bulk_verb verb;
	struct span index; /* absent: that of the path */
	struct span id;    /* absent: none was given */
};

/* "index" ... Static text. */
const char *es_bulk_verb_name(enum es_bulk_verb verb);
/* Whether a document stands on the line behind it. */
static inline bool es_bulk_has_document(enum es_bulk_verb verb)
{
	return verb != ES_BULK_DELETE;
}

/*
 * {"create":{"_index":"logs","_id":"1"}} as msgpack; the spans point into it. ERR_SYNTAX: it is no action. An
 * index or id longer than LIMIT_ES_NAME_BYTES is ERR_LIMIT, *out is set all the same.
 */
int es_bulk_action_read(struct span value, struct es_bulk_action *out);

/* Members of the answer that are wanted: the parameter filter_path. */
enum es_bulk_member {
	ES_BULK_TOOK = 1 << 0,
	ES_BULK_ERRORS = 1 << 1,
	ES_BULK_STATUS = 1 << 2,
	ES_BULK_ERROR = 1 << 3,
	ES_BULK_REST = 1 << 4, /* of an item */
	ES_BULK_ALL = (1 << 5) - 1,
};

/* Of "errors,items.*.status"; absent, or naming nothing we know: all. */
unsigned es_bulk_members(struct span filter_path);

/* What became of one action. */
struct es_bulk_item {
	enum es_bulk_verb verb;
	int status; /* 201, or that of an error */
	struct span index;
	struct span id; /* absent: event_id stands for it */
	uint64_t event_id;
	const char *type;   /* of an error: "mapper_parsing_exception" ...; else NULL */
	struct span reason; /* of an error */
};

/*
 * {"took":3,"errors":false,"items":[...]}: begin, an item for each action, end. Items of which no member is
 * wanted are left out. A failure sticks in the buffer.
 */
void es_bulk_begin(struct buf *out, unsigned members, int64_t took_ms, bool errors);
void es_bulk_item_put(struct buf *out, unsigned members, const struct es_bulk_item *item);
void es_bulk_end(struct buf *out, unsigned members);

/* {"error":{"root_cause":[...],"type":...,"reason":...},"status":400}, for a whole request. */
void es_bulk_problem(struct buf *out, int status, const char *type, struct span reason);

#endif
