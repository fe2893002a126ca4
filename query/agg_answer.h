/*
 * agg_answer - the result of an aggregation as the JSON of query/API.md.
 *
 * Thread:  none of its own.
 * Memory:  the caller's buffer.
 * Errors:  stick in the buffer: ERR_LIMIT, the answer does not fit; -ENOMEM.
 */
#ifndef QUERY_AGG_ANSWER_H
#define QUERY_AGG_ANSWER_H

#include "proto/base/buf.h"
#include "query/agg.h"

/* The whole object. */
int agg_answer_put(const struct agg_result *r, struct buf *out);

/* The parts of it. One cell. */
void agg_answer_put_cell(const struct agg_cell *c, struct buf *out);
/* ,"partial":..., ,"damage":[...] if there are any; ,"stats":{...} */
void agg_answer_put_end(const struct agg_result *r, struct buf *out);

/* The same run as a result of events, without any: for what counts and tells of runs. */
struct engine_result agg_answer_run(const struct agg_result *r);

#endif
