/*
 * syslog_bsd - what follows PRI in RFC 3164 and its relatives: stamp, host, tag, text, each of which
 * may be missing. Part of syslog; see there.
 */
#ifndef PROTO_SYSLOG_SYSLOG_BSD_H
#define PROTO_SYSLOG_SYSLOG_BSD_H

#include "proto/base/span.h"
#include "proto/syslog/syslog.h"

/* `in` is what follows PRI; m->problems tells whether there was one. Fills the other fields. */
void syslog_bsd_parse(struct syslog *s, const struct syslog_source *from, struct span in,
	struct syslog_message *m);

#endif
