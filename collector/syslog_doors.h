/*
 * syslog_doors - the doors of syslog as [syslog] of the configuration wants them: TCP and UDP at one
 * address, and a unix datagram socket; what they share; their figures.
 *
 * Life:    open, then run and ended as doors; close when the loop has run to its end.
 * Thread:  the loop's.
 * Memory:  syslog_intake's.
 */
#ifndef COLLECTOR_SYSLOG_DOORS_H
#define COLLECTOR_SYSLOG_DOORS_H

#include "collector/collector.h"
#include "proto/base/diag.h"
#include "proto/net/addr.h"

struct syslog_doors;

/* at: of TCP and UDP, or NULL. */
int syslog_doors_open(
	struct collector *c, const struct addr *at, struct syslog_doors **out, struct diag *d);
void syslog_doors_close(struct syslog_doors **s);

/* As bound; NULL without one. */
const struct addr *syslog_doors_tcp(const struct syslog_doors *s);
const struct addr *syslog_doors_udp(const struct syslog_doors *s);
const char *syslog_doors_unix(const struct syslog_doors *s);

/* Into the metrics. */
void syslog_doors_figures(const struct syslog_doors *s);

#endif
