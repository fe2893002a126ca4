/*
 * door_forward - Forward frames over TCP and the unix socket, with acks.
 *
 * A connection is read as long as the journal keeps up, its acks are taken, and its frame arrives in
 * time; whatever holds one up costs that one (WIRE.md tells what a client sees).
 *
 * Life:    open, listen, run by the loop; then as every door (door.h).
 * Thread:  the loop's.
 * Memory:  a few KiB per connection, its frames charged to the stage pool.
 */
#ifndef COLLECTOR_DOOR_FORWARD_H
#define COLLECTOR_DOOR_FORWARD_H

#include <stdbool.h>
#include <stdint.h>

#include "collector/collector.h"
#include "proto/base/diag.h"
#include "proto/net/addr.h"

struct door_forward;

struct door_forward_counts {
	uint64_t acks;
	uint64_t bytes_in;
	uint64_t frames_cut;  /* connections that ended inside a frame */
	uint64_t frames_slow; /* frames that took longer than frame_timeout */
	uint64_t idle;        /* connections closed for their silence */
	uint64_t deaf;        /* connections closed because they did not read their acks */
	uint64_t refused;     /* connections closed because their frame found no room */
	uint64_t stalls;      /* times the journal was behind and reading stopped */
	unsigned connections;
};

/* Puts itself into the collector's list of doors. */
int door_forward_open(struct collector *c, struct door_forward **out, struct diag *d);
/* Either address may be NULL. */
int door_forward_listen(struct door_forward *f, const struct addr *tcp, const char *unix_path,
	unsigned unix_mode, struct diag *d);
/* The address as bound; NULL without one. */
const struct addr *door_forward_tcp(const struct door_forward *f);

void door_forward_counts(const struct door_forward *f, struct door_forward_counts *out);

#endif
