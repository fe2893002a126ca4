/*
 * client_link - carries frames over TCP or a unix socket and takes their acks: a window of frames may
 * be on its way at once; when the connection is lost, those without an ack are sent again over a new
 * one, with the same chunk ids, so that the collector stores none twice.
 *
 * Life:    new; push frames while there is room, turn as often as there is anything to do; free.
 * Thread:  one. turn waits as long as it is told; only the resolver of host names may take longer.
 * Memory:  the frames are the caller's: the link holds each from push until `acked` hands it back, or
 *          until free.
 * Errors:  a lost or refused connection is tried again, with growing pauses. A turn fails, and the link
 *          with it, with a diag: after patience_ns without any ack (ETIMEDOUT or the last failure); and
 *          where `futile` is set and the peer ended CLIENT_LINK_FUTILE connections before it
 *          acknowledged anything (ERR_UNKNOWN): it is no collector.
 */
#ifndef PROTO_CLIENT_CLIENT_LINK_H
#define PROTO_CLIENT_CLIENT_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/client/client_frame.h"

enum { CLIENT_LINK_FUTILE = 5 };

struct client_link_conf {
	const char *name; /* of the destination, for people */
	const char *host; /* NULL: a unix socket */
	const char *port; /* or its path */
	const char *hint; /* what to look at when nobody is there, for people */
	unsigned window;
	int64_t patience_ns; /* 0: for ever */
	int64_t stall_ns;    /* without an ack for so long a new connection is made; 0: never */
	bool futile;
	int wake_fd; /* a turn ends when it can be read; -1: none */
	/* The frame is the caller's again. */
	void (*acked)(void *arg, struct client_frame *f);
	/* A connection was lost; it will be tried again. */
	void (*lost)(void *arg, const struct diag *why);
	/* None could be made; it will be tried again. NULL: not told. */
	void (*unreached)(void *arg, const struct diag *why);
	/* Frames are out and no ack has come for so many seconds; told once for each such wait. */
	void (*waiting)(void *arg, int64_t seconds);
	void *arg;
};

struct client_link_counts {
	uint64_t frames; /* pushed */
	uint64_t frames_acked;
	uint64_t events_acked;
	uint64_t frames_resent;
	uint64_t connections;
	uint64_t failures; /* connections lost, and tries that made none */
};

struct client_link;

int client_link_new(const struct client_link_conf *conf, struct client_link **out);
void client_link_free(struct client_link **l);
/* In a child of fork, instead of free: closes the descriptor and touches nothing else. */
void client_link_leave(const struct client_link *l);

/* Connects here and now; the failure of the only try with a diag. */
int client_link_connect(struct client_link *l, struct diag *d);

bool client_link_has_room(const struct client_link *l);
/* Frames are on their way, or wait for a connection. */
bool client_link_is_busy(const struct client_link *l);
/* A sealed frame; there is room for it. */
void client_link_push(struct client_link *l, struct client_frame *f);

/* Writes and reads what it can, or waits until it can, at most wait_ms (-1: until something happens). */
int client_link_turn(struct client_link *l, int wait_ms, struct diag *d);

void client_link_counts(const struct client_link *l, struct client_link_counts *out);

#endif
