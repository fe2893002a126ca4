/* engine_param_int - which single parameters a request was given; bits of engine_request.given. */
#ifndef QUERY_ENGINE_PARAM_INT_H
#define QUERY_ENGINE_PARAM_INT_H

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

#endif
