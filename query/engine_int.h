/* engine_int - what an engine holds for those who run in it, for query/agg*.c. */
#ifndef QUERY_ENGINE_INT_H
#define QUERY_ENGINE_INT_H

#include <stdatomic.h>

#include "query/engine.h"

/* Of the thread 0 or 1 of a query. */
struct scan_scratch *engine_scratch(struct engine *e, unsigned thread);
const atomic_bool *engine_cancel_flag(const struct engine *e);

#endif
