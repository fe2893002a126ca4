/*
 * syslog_intake - one message of syslog to one event in a stage; all doors of syslog share it.
 *
 * Life:    open, put..., close.
 * Thread:  the loop's.
 * Memory:  a parser and the buffer of one record, taken in open.
 * Errors:  open: ERR_SYNTAX, the zone is none. put: those of intake_event.
 */
#ifndef COLLECTOR_SYSLOG_INTAKE_H
#define COLLECTOR_SYSLOG_INTAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/intake.h"
#include "proto/base/diag.h"
#include "proto/base/span.h"
#include "proto/svc/conf.h"
#include "proto/syslog/syslog.h"
#include "proto/syslog/syslog_record.h"

struct syslog_intake_counts {
	uint64_t problems[SYSLOG_PROBLEM_COUNT];
	uint64_t json; /* texts taken apart */
};

struct syslog_intake {
	struct intake *intake;
	struct syslog parser;
	struct syslog_record record;
	struct syslog_intake_counts counts;
};

/* Reads [syslog] of the configuration, which must live as long. */
int syslog_intake_open(
	struct syslog_intake *s, struct intake *intake, const struct conf *conf, struct diag *d);
/* Safe on a zeroed struct. */
void syslog_intake_close(struct syslog_intake *s);

/* cut: the text is not all of the message. Returns as intake_event. */
int syslog_intake_put(struct syslog_intake *s, const struct intake_origin *from, struct span text,
	bool cut, struct stage *stage, struct diag *d);

#endif
