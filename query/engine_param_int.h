/*
 * engine_param_int - what those who read parameters share: which single ones a request was given, and how
 * one is refused.
 */
#ifndef QUERY_ENGINE_PARAM_INT_H
#define QUERY_ENGINE_PARAM_INT_H

#include "proto/base/span.h"
#include "query/engine.h"

/* Bits of engine_request.given. */
enum engine_param_given {
	ENGINE_PARAM_SEARCH = 1 << 0,
	ENGINE_PARAM_START = 1 << 1,
	ENGINE_PARAM_END = 1 << 2,
	ENGINE_PARAM_ORDER = 1 << 3,
	ENGINE_PARAM_LIMIT = 1 << 4,
	ENGINE_PARAM_OFFSET = 1 << 5,
	ENGINE_PARAM_CURSOR = 1 << 6,
	ENGINE_PARAM_AFTER = 1 << 7,
	ENGINE_PARAM_WAIT = 1 << 8,
	ENGINE_PARAM_TOTAL = 1 << 9,
	ENGINE_PARAM_EXPLAIN = 1 << 10,
};

/* Fills in error and hint, and the code, which is returned. */
int engine_param_refuse(struct engine_err *err, int code, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* How much of a refused value an error quotes: the precision of a "%.*s". */
int engine_param_quoted(struct span value);

#endif
