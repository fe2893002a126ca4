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
#include "query/engine.h"

int answer_put(
	const struct engine_request *req, const struct engine_result *result, struct buf *out);

#endif
