/*
 * send_dgram - sends frames as UDP datagrams, one whole frame each, many in one call. Nothing is
 * answered, so all that is known is what the kernel took.
 *
 * Life:    open; put for each datagram; flush; close.
 * Thread:  one.
 * Memory:  SEND_DGRAM_BATCH buffers of LIMIT_DATAGRAM_BYTES.
 * Errors:  negative with a diag. A datagram that the network refused (nobody listens) is no error
 *          but counted.
 */
#ifndef TOOLS_SEND_DGRAM_H
#define TOOLS_SEND_DGRAM_H

#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"

enum { SEND_DGRAM_BATCH = 64 };

struct send_dgram;

int send_dgram_open(const char *name, const char *host, const char *port, struct send_dgram **out,
	struct diag *d);
void send_dgram_close(struct send_dgram **g);

/* Keeps a copy; sends when SEND_DGRAM_BATCH have come together. */
int send_dgram_put(struct send_dgram *g, struct span frame, struct diag *d);
int send_dgram_flush(struct send_dgram *g, struct diag *d);

/* Datagrams of which the network said that nobody took them (ICMP; the last ones may come too late). */
uint64_t send_dgram_refused(const struct send_dgram *g);

#endif
