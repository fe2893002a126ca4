/*
 * send_conn - sends frames over TCP or a unix socket and waits for their acks: a window of frames
 * may be on its way at once; when the connection is lost, those without an ack are sent again over a
 * new one, with the same chunk ids, so that the collector stores none twice.
 *
 * Life:    open; frame, push for each; finish; close.
 * Thread:  one; calls wait as needed.
 * Memory:  window frames of SEND_FRAME_BYTES at most.
 * Errors:  the first connection must succeed at once, later ones are tried again, with growing
 *          pauses. Without any ack for patience_ns: ETIMEDOUT or the last failure, with a diag. A peer
 *          that ends SEND_CONN_FUTILE connections before it has acknowledged anything is no collector:
 *          ERR_UNKNOWN, without waiting any longer.
 */
#ifndef TOOLS_SEND_CONN_H
#define TOOLS_SEND_CONN_H

#include <stdint.h>

#include "proto/base/diag.h"
#include "tools/send_frame.h"

enum { SEND_CONN_FUTILE = 5 };

struct send_conn_conf {
	const char *name; /* of the destination, for people */
	const char *host; /* NULL: a unix socket */
	const char *port; /* or its path */
	unsigned window;
	int64_t patience_ns;
	void (*acked)(void *arg, const struct send_frame *f);
	/* The connection was lost; it will be tried again. */
	void (*lost)(void *arg, const struct diag *why);
	/* Frames are out and no ack has come for so many seconds; told once for each such wait. */
	void (*waiting)(void *arg, int64_t seconds);
	/* Called now and then while waiting; not 0 gives up with -EINTR. */
	int (*tick)(void *arg);
	void *arg;
};

struct send_conn_counts {
	uint64_t frames; /* pushed */
	uint64_t frames_acked;
	uint64_t events_acked;
	uint64_t frames_resent;
	uint64_t connections;
};

struct send_conn;

int send_conn_open(const struct send_conn_conf *conf, struct send_conn **out, struct diag *d);
void send_conn_close(struct send_conn **c);

/* An empty frame to fill: the next push sends it. Waits until the window has room for it. */
int send_conn_frame(struct send_conn *c, struct send_frame **out, struct diag *d);
int send_conn_push(struct send_conn *c, struct diag *d);
/* Waits until every frame is acked. */
int send_conn_finish(struct send_conn *c, struct diag *d);

void send_conn_counts(const struct send_conn *c, struct send_conn_counts *out);

#endif
