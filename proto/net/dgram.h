/*
 * dgram - one UDP socket, or a unix datagram socket, read in batches (recvmmsg), with the kernel's own
 * count of the datagrams it had to drop.
 *
 * A train of datagrams that the sender's kernel or the network card made one (UDP_GRO) is received as
 * one and handed over datagram by datagram. While datagrams come thick and fast the socket is not
 * waited on but read once a millisecond: a wake-up for each costs more than all else together. Not so
 * a unix socket: the kernel queues a few datagrams there, and a sender that finds no room waits.
 *
 * Life:    open, callbacks from the loop, close; as listener.h for the memory of the struct.
 * Thread:  the loop's.
 * Memory:  LIMIT_DGRAM_BATCH buffers of 64 KiB, taken in open, touched as used.
 * Errors:  open fills a diag; a failing read is counted and the socket goes on.
 */
#ifndef PROTO_NET_DGRAM_H
#define PROTO_NET_DGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/base/diag.h"
#include "proto/net/addr.h"

struct admit;
struct dgram;
struct dgram_bufs;

/*
 * One datagram of n bytes; they are gone on return. cut: it was longer than LIMIT_DATAGRAM_BYTES
 * and the rest is lost.
 */
typedef void (*dgram_recv_cb)(
	void *arg, const uint8_t *p, size_t n, bool cut, const struct addr *peer);
/* Before the first datagram of a batch, and may pause; behind the last one, or where the owner paused. */
typedef void (*dgram_begin_cb)(void *arg);
typedef void (*dgram_end_cb)(void *arg);
typedef void (*dgram_closed_cb)(void *arg);

struct dgram_conf {
	struct addr at;        /* unless path is set */
	const char *path;      /* of a unix socket, removed at close; must live as long */
	unsigned mode;         /* of the path */
	unsigned rcvbuf_bytes; /* asked with SO_RCVBUFFORCE, else SO_RCVBUF */
	dgram_recv_cb recv;
	dgram_begin_cb begin; /* may be NULL */
	dgram_end_cb end;     /* may be NULL */
	void *arg;
	struct admit *admit; /* whose datagrams are taken; NULL: everyone's */
};

struct dgram {
	unsigned tag;
	int fd;
	uv_poll_t poll;
	uv_timer_t timer; /* instead of poll while it is busy */
	struct dgram_conf conf;
	struct addr addr;      /* as bound */
	unsigned rcvbuf_bytes; /* as granted */
	struct dgram_bufs *bufs;
	dgram_closed_cb closed;
	unsigned handles_open;
	bool paused;
	bool busy;
	bool trains;    /* UDP_GRO */
	unsigned count; /* messages received that are in bufs */
	unsigned at;    /* the one to be handed over next */
	size_t at_off;  /* of it, where a datagram inside a train begins */
	uint64_t ms;    /* of the loop's time, in which ms_count datagrams came */
	unsigned ms_count;
	unsigned looks;
	uint32_t dropped_last; /* the kernel's counter, 32 bits that wrap */
	uint64_t dropped;      /* as known so far; dgram_dropped asks */
	uint64_t received;
	uint64_t messages; /* of the kernel; fewer than received where trains came */
	uint64_t errors;
};

int dgram_open(struct dgram *g, uv_loop_t *loop, const struct dgram_conf *conf, struct diag *d);
/* Sends one datagram; what the socket does not take is lost, as datagrams are. */
void dgram_send(struct dgram *g, const void *p, size_t n, const struct addr *to);
/* Datagrams the kernel had no room for, exact at this moment. */
uint64_t dgram_dropped(struct dgram *g);
/*
 * Back-pressure: the kernel's buffer fills, then drops and counts. recv may call pause: what was
 * received already waits here, and comes after resume.
 */
void dgram_pause(struct dgram *g);
void dgram_resume(struct dgram *g);
/* Throws away what waits here, and reads no more: the number of datagrams. Paused; for the end. */
unsigned dgram_discard(struct dgram *g);
/* Safe on a zeroed struct. */
void dgram_close(struct dgram *g, dgram_closed_cb closed);

#endif
