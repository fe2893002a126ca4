/*
 * doctor_http - checks of running daemons through what they answer: astroqueryd, and astrocollectd by
 * its HTTP door.
 *
 * Thread: one. Memory: one answer.
 */
#ifndef TOOLS_DOCTOR_HTTP_H
#define TOOLS_DOCTOR_HTTP_H

#include "tools/doctor.h"

void doctor_http_query(struct doctor *d, const char *addr);
/* must: it was asked for by name, so that its absence is a failure. */
void doctor_http_collector(struct doctor *d, const char *addr, bool must);

/* Sum of all samples of that name in a Prometheus text; false: it has none. */
bool doctor_http_metric(struct span page, const char *name, double *out);

#endif
