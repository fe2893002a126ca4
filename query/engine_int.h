/* engine_int - what an engine holds for those who run in it, for query/agg*.c and query/export*.c. */
#ifndef QUERY_ENGINE_INT_H
#define QUERY_ENGINE_INT_H

#include <stdatomic.h>

#include "query/engine.h"

struct export_lane;
struct helper;

/* Of the thread 0 or 1 of a query. */
struct scan_scratch *engine_scratch(struct engine *e, unsigned thread);
/* The second thread. */
struct helper *engine_helper(const struct engine *e);
const atomic_bool *engine_cancel_flag(const struct engine *e);
/* The same; *it is NULL until the first export has made one, which the engine frees. */
struct export_lane **engine_lane(struct engine *e, unsigned thread);

#endif
