/*
 * door_syslog_dgram - syslog by UDP and by a unix datagram socket as /dev/log: one message a datagram,
 * inner line feeds and all. What one receive brought goes to the journal together.
 *
 * When the journal is behind, datagrams stay with the kernel. UDP: what finds no room there the kernel
 * counts. Unix: its senders wait, or are told by the kernel; they wait too while the disk is full, where
 * those of UDP are read, dropped and counted.
 *
 * Life:    open; a struct door from then on.
 * Thread:  the loop's.
 * Memory:  dgram.h, and the rows of one receive.
 */
#ifndef COLLECTOR_DOOR_SYSLOG_DGRAM_H
#define COLLECTOR_DOOR_SYSLOG_DGRAM_H

#include <stdint.h>

#include "collector/collector.h"
#include "collector/syslog_intake.h"
#include "proto/base/diag.h"
#include "proto/net/addr.h"

struct door_syslog_dgram;

struct door_syslog_dgram_counts {
	uint64_t received;
	uint64_t bytes;
	uint64_t dropped_kernel;
	uint64_t dropped_full; /* found no room here */
	uint64_t dropped_disk; /* ... on the disk */
	uint64_t errors;
};

int door_syslog_dgram_open_udp(struct collector *c, struct syslog_intake *syslog,
	const struct addr *at, unsigned buffer_bytes, struct door_syslog_dgram **out,
	struct diag *d);
/* path must live as long. */
int door_syslog_dgram_open_unix(struct collector *c, struct syslog_intake *syslog, const char *path,
	unsigned mode, struct door_syslog_dgram **out, struct diag *d);
const struct addr *door_syslog_dgram_addr(const struct door_syslog_dgram *g);
void door_syslog_dgram_counts(struct door_syslog_dgram *g, struct door_syslog_dgram_counts *out);

#endif
