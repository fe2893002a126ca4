/*
 * loki_push - the two bodies of Loki's POST /loki/api/v1/push, read into one record for each line.
 *
 * Into the record (a msgpack map) go, each replacing an earlier one of its name:
 *	what is known from the labels: service, host and level, where they are called otherwise there
 *	the labels of the stream
 *	the structured metadata of the entry
 *	the line: its members where it is one JSON object, as it is written by Fluent Bit, Vector and
 *	most programs that log JSON; else as `description`
 * Labels that cannot be read, or are more than LIMIT_LOKI_LABELS, are kept as they came under
 * `_labels`.
 *
 * Life:    init, any number of bodies, fini.
 * Thread:  one at a time.
 * Memory:  buffers that keep their size, each bounded by LIMIT_LOKI_BODY_BYTES times three.
 * Malice:  nothing is believed before it is read; time grows with the length of the body.
 * Errors:  those named below; what the callback was given before stands. Who stores a body as a whole or
 *          not at all throws it away then.
 */
#ifndef PROTO_WIRE_LOKI_PUSH_H
#define PROTO_WIRE_LOKI_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"
#include "proto/wire/json_in.h"

/* One line; the record is gone when the callback returns. */
struct loki_push_entry {
	struct span record;
	int64_t time_ns; /* valid if has_time */
	bool has_time;
};

/* Negative: reading stops, and that is its result. */
typedef int (*loki_push_cb)(void *arg, const struct loki_push_entry *entry);

struct loki_push_pair {
	struct span name;
	struct span value;
};

/* Private. */
struct loki_push {
	loki_push_cb cb;
	void *arg;
	struct loki_push_pair pairs[LIMIT_LOKI_LABELS];
	uint32_t pairs_count;
	struct buf text; /* labels without their escapes */
	struct buf head; /* what all records of a stream begin with, without the head of the map */
	uint32_t head_count; /* pairs in it */
	bool has_level;      /* one of them says it */
	struct buf extra;    /* the structured metadata of an entry */
	uint32_t extra_count;
	struct buf line; /* of JSON, as msgpack */
	struct buf record;
	struct buf document; /* a body of JSON, as msgpack */
};

void loki_push_init(struct loki_push *p, loki_push_cb cb, void *arg);
void loki_push_fini(struct loki_push *p);
/* Memory held. */
size_t loki_push_bytes(const struct loki_push *p);

/* A PushRequest, not compressed. ERR_TRUNCATED, ERR_CORRUPT, ERR_SYNTAX: it is none. ERR_LIMIT, -ENOMEM. */
int loki_push_protobuf(struct loki_push *p, struct span body);

/*
 * {"streams":[...]}. ERR_TYPE: it is JSON of another shape. What json_in_text returns: it is none, and
 * *e tells the place. ERR_LIMIT, -ENOMEM.
 */
int loki_push_json(struct loki_push *p, struct span body, struct json_in_error *e);

/*
 * Labels as text, {app="api", level="info"}, into pairs; text has room for as many bytes as s. ERR_SYNTAX;
 * ERR_LIMIT: more than max.
 */
int loki_push_labels(struct span s, struct buf *text, struct loki_push_pair *pairs, uint32_t max,
	uint32_t *out_count);

#endif
