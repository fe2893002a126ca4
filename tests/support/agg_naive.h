/*
 * agg_naive - the answer of an aggregation, found the stupid way: a loop over all events, and a list of
 * groups that is searched from its beginning.
 *
 * Errors: what the result has otherwise is told in a text that lives until the next call.
 */
#ifndef TESTS_SUPPORT_AGG_NAIVE_H
#define TESTS_SUPPORT_AGG_NAIVE_H

#include "query/agg.h"

/* NULL: the whole result, order and all, is that of these events. It must not be a partial one. */
const char *agg_naive_check(const struct event *const *events, size_t count,
	const struct engine_request *filter, const struct agg_spec *spec,
	const struct agg_result *got);

#endif
