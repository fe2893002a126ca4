/*
 * api - the routes of astroqueryd; query/API.md is their contract.
 *
 * Thread: the loop's.
 */
#ifndef QUERY_API_H
#define QUERY_API_H

#include "query/query.h"

/* Opens the HTTP server on `at`. */
int api_open(struct query *q, const struct addr *at, struct diag *d);
/* Limits and time-outs of the configuration, as they are now. */
void api_settings(struct query *q);

#endif
