/*
 * answer - an engine's result as the JSON of query/API.md.
 *
 * Thread:  none of its own.
 * Memory:  the caller's buffer.
 * Errors:  ERR_LIMIT: the answer does not fit the buffer; -ENOMEM.
 */
#ifndef QUERY_ANSWER_H
#define QUERY_ANSWER_H

#include "proto/base/buf.h"
#include "proto/wire/columns.h"
#include "query/engine.h"

/*
 * What of events their JSON needs (SCAN_FETCH_*), the metadata of whole events as text. fields: as below.
 */
uint32_t answer_wanted(const struct columns *fields);

/* fields: the members of an event that are wanted; none or NULL: all. */
int answer_put(const struct engine_request *req, const struct columns *fields,
	const struct engine_result *result, struct buf *out);

/* The parts of it. Events, with commas between them. */
int answer_put_events(
	const struct engine_result *result, const struct columns *fields, struct buf *out);
/* ,"damage":[...] if there is any. A failure sticks in the buffer. */
void answer_put_damage(const struct engine_result *result, struct buf *out);
/* ,"stats":{...} */
void answer_put_stats(const struct engine_stats *stats, uint64_t counted, struct buf *out);

#endif
