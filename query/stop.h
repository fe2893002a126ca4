/*
 * stop - the end of astroqueryd: no new connections, answers in flight are finished, long polls answered
 * at once, and after five seconds whatever is left is cut.
 *
 * Thread: the loop's.
 */
#ifndef QUERY_STOP_H
#define QUERY_STOP_H

#include "query/query.h"

/* The loop ends by itself afterwards. Idempotent. */
void stop_begin(struct query *q);

#endif
