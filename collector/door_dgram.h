/*
 * door_dgram - Forward frames by UDP: one whole frame a datagram, never acknowledged, stored or
 * dropped as one; and the one-byte heartbeat, the only datagram that is answered.
 *
 * When the journal is behind, datagrams stay in the kernel's buffer, and what finds no room there the
 * kernel counts: sent = stored + dropped by the kernel + dropped here. Where the disk is full they are
 * read, dropped and counted: when there is room again, what comes is new and not a buffer of old ones.
 *
 * Life:    open, run by the loop; then as every door (door.h).
 * Thread:  the loop's.
 * Memory:  dgram.h, and one frame's stage.
 */
#ifndef COLLECTOR_DOOR_DGRAM_H
#define COLLECTOR_DOOR_DGRAM_H

#include <stdint.h>

#include "collector/collector.h"
#include "proto/base/diag.h"
#include "proto/net/addr.h"

struct door_dgram_counts {
	uint64_t received;
	uint64_t bytes;
	uint64_t dropped_kernel;
	uint64_t dropped_bad;  /* no whole frame, or too long */
	uint64_t dropped_full; /* frames that found no room here */
	uint64_t dropped_disk; /* ... on the disk */
	uint64_t errors;
	unsigned buffer_bytes;
};

/* Puts itself into the collector's list of doors. */
int door_dgram_open(struct collector *c, const struct addr *at, unsigned buffer_bytes,
	struct door_dgram **out, struct diag *d);
const struct addr *door_dgram_addr(const struct door_dgram *g);
void door_dgram_counts(struct door_dgram *g, struct door_dgram_counts *out);

#endif
