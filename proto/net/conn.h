/*
 * conn - one stream connection on the loop: reads into one buffer that all connections share,
 * writes at once or through a queue with a cap, and keeps one deadline.
 *
 * The owner is called back:
 *	read     bytes arrived. It returns how many it took; fewer than all only after conn_pause,
 *	         conn_set_stall or conn_close: the rest is kept and handed over first when reading
 *	         goes on.
 *	eof      the peer ended its side. The owner usually calls conn_finish or conn_close.
 *	drained  the write queue became empty after a conn_write had left something in it, or the
 *	         socket takes bytes again after a conn_offer.
 *	expired  the deadline passed. It is cleared; the owner closes or sets another.
 *	closed   the last call, later than conn_close and never from inside it: the descriptor is gone,
 *	         `why` is the code given to conn_close or the errno that ended the connection.
 *
 * Life:    conn_open takes the descriptor over (closing it on failure too, and leaving the gate);
 *          conn_close or a failure ends it; after `closed` returned the struct is gone.
 * Thread:  the loop's.
 * Memory:  the struct, the write queue up to its cap, and what the owner left unread while paused:
 *          at most LIMIT_READ_BYTES. The read buffer belongs to the set.
 * Errors:  a failing socket closes itself with the errno; conn_write tells.
 *
 * Deadlines have the grain of LIMIT_SWEEP_MS: one timer walks all connections, so that setting one
 * costs a store.
 */
#ifndef PROTO_NET_CONN_H
#define PROTO_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "proto/base/buf.h"
#include "proto/net/addr.h"
#include "proto/net/listener.h"

struct conn;

enum {
	CONN_PAUSED = 1 << 0,
	CONN_STALLED = 1 << 1,
	CONN_SLOWED =
		1 << 2, /* by the rate of its peer (peers.h), until a sweep after slow_until_ms */
};

struct conn_ops {
	size_t (*read)(struct conn *c, const uint8_t *p, size_t n);
	void (*eof)(struct conn *c);
	void (*drained)(struct conn *c); /* may be NULL */
	void (*expired)(struct conn *c);
	void (*closed)(struct conn *c, int why);
};

/* All connections of a loop, or of a door that wants its own numbers. */
struct conn_set {
	uv_loop_t *loop;
	struct listener_gate *gate;
	uint8_t *read_buf; /* LIMIT_READ_BYTES */
	struct conn *head; /* open connections, newest first */
	unsigned count;
	struct conn *stalled_head, *stalled_tail; /* in the order in which they met the stall */
	bool stalled;
	uv_timer_t sweep;
	bool sweep_open;
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t expired; /* deadlines passed */
};

struct conn {
	unsigned tag;
	struct conn_set *set;
	struct conn *prev, *next;
	const struct conn_ops *ops;
	void *owner;
	struct addr peer;
	int fd;
	uv_poll_t poll;
	struct buf out; /* queue; bytes before out_at are sent */
	size_t out_at;
	uint8_t *held; /* read, not yet taken by the owner */
	size_t held_at, held_n;
	size_t read_stop; /* nothing is read while more than this is queued for writing */
	struct conn *stalled_next;
	unsigned blocked;   /* why nothing is read: CONN_PAUSED, CONN_STALLED, CONN_SLOWED */
	int64_t blocked_ms; /* since when */
	int64_t slow_until_ms;
	int64_t deadline_ms; /* on uv_now's clock; 0: none */
	int why;
	int watched; /* events asked of libuv */
	bool closing, finishing, lingering, eof, in_read, want_drained;
	bool offered; /* conn_offer waits for room */
};

int conn_set_init(struct conn_set *s, uv_loop_t *loop, struct listener_gate *g);
/* After the last connection's `closed`; the loop must run once more. */
void conn_set_fini(struct conn_set *s);
/* Closes every connection with `why`. */
void conn_set_close(struct conn_set *s, int why);

/*
 * Back-pressure on all at once: whoever has something to read is stopped when it shows, at the cost
 * of the readable ones alone. unstall lets them go on in the order in which they were stopped, until
 * one of them stalls the set again. As while paused, deadlines stand still.
 */
void conn_set_stall(struct conn_set *s);
void conn_set_unstall(struct conn_set *s);

/* TCP_NODELAY and keep-alive are set. out_cap bounds the write queue. */
int conn_open(struct conn_set *s, int fd, const struct addr *peer, size_t out_cap,
	const struct conn_ops *ops, void *owner, struct conn **out);

/* Ends it now; what is queued is lost. Safe from any callback, and twice. */
void conn_close(struct conn *c, int why);
/*
 * Hands nothing more to the owner, sends what is queued, then ends with 0 when the peer ends too or
 * LIMIT_LINGER_MS later. Set a deadline first: the peer may not read.
 */
void conn_finish(struct conn *c);

/*
 * Sends as much as the socket takes, queues the rest: the bytes are free on return. ERR_LIMIT:
 * they do not fit the cap and nothing of them was queued or sent. Another negative code: the
 * connection is ending.
 */
int conn_write(struct conn *c, const void *p, size_t n);
/* The same where a conn_write follows at once: both leave together. By itself it may stay for a while. */
int conn_write_more(struct conn *c, const void *p, size_t n);
static inline size_t conn_queued(const struct conn *c)
{
	return c->out.len - c->out_at;
}

/*
 * Sends as much as the socket takes now and queues nothing: the bytes that were sent. Where they are
 * fewer, `drained` is called when the socket takes more. 0 behind queued bytes, and when it is ending.
 */
size_t conn_offer(struct conn *c, const void *p, size_t n);
/* How much the kernel may hold that was sent and not yet received; it may round. */
void conn_bound_sent(struct conn *c, unsigned bytes);
/* As tcp_rtt_us; UINT32_MAX when it is ending. */
uint32_t conn_rtt_us(const struct conn *c);

/* Back-pressure. While paused a deadline stands still: the peer is not to blame. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
/*
 * Reads nothing while more than `bytes` are queued for a peer that does not take its answers;
 * deadlines go on, for here the peer is to blame. 0 from the start; SIZE_MAX: it reads always.
 */
static inline void conn_read_stop(struct conn *c, size_t bytes)
{
	c->read_stop = bytes;
}

/* Replaces the deadline: ms from now; 0: none. Reading or writing never moves it. */
void conn_deadline(struct conn *c, unsigned ms);

#endif
