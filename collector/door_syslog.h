/*
 * door_syslog - syslog over TCP, RFC 6587: messages in, nothing out.
 *
 * What was read is handed to the journal with the read that brought it. There are no acks: a sender
 * knows that its bytes reached the kernel, and what the kernel has is read, at the end of the process
 * too. When the journal is behind, or the disk full, no socket is read, and senders wait.
 *
 * Life:    open; a struct door from then on.
 * Thread:  the loop's.
 * Memory:  a few KiB per connection, and LIMIT_SYSLOG_BYTES while a message straddles two reads, charged
 *          to the stage pool; one stage for all.
 */
#ifndef COLLECTOR_DOOR_SYSLOG_H
#define COLLECTOR_DOOR_SYSLOG_H

#include <stdint.h>

#include "collector/collector.h"
#include "collector/syslog_intake.h"
#include "proto/base/diag.h"
#include "proto/net/addr.h"

struct door_syslog;

struct door_syslog_counts {
	uint64_t bytes_in;
	uint64_t broken;  /* connections that ended inside a counted message, which is lost */
	uint64_t slow;    /* ... closed because a message took longer than frame_timeout */
	uint64_t idle;    /* ... closed for their silence */
	uint64_t refused; /* ... closed because there was no memory for their messages */
	uint64_t stalls;  /* times the journal was behind and reading stopped */
};

int door_syslog_open(struct collector *c, struct syslog_intake *syslog, const struct addr *at,
	struct door_syslog **out, struct diag *d);
/* The address as bound. */
const struct addr *door_syslog_addr(const struct door_syslog *s);
void door_syslog_counts(const struct door_syslog *s, struct door_syslog_counts *out);

#endif
