/*
 * listener - accepts connections on a TCP address or a unix path.
 *
 * One gate is shared by all listeners of a process: it counts the descriptors that peers hold and
 * leaves LIMIT_FDS_RESERVED to the store. Above it a connection is accepted and closed at once, so
 * that the peer learns it and the kernel's queue does not keep the loop awake. When the kernel has
 * no descriptor at all (EMFILE, ENFILE), accepting rests for LIMIT_ACCEPT_REST_MS.
 *
 * Where the gate knows peers (peers.h), a peer may have as many connections as its limit says, and no
 * more than LIMIT_PEER_RATIO times what is still free (peers_share): alone it gets seven of eight,
 * two get seven of fifteen each; and however many flood the gate, its last place is for another one.
 *
 * Life:    gate_init; open, the accept callback runs from the loop, close. After close no
 *          callback comes; the struct must stay until the loop has run once more, or until
 *          listener_close's `closed` was called.
 * Thread:  the loop's.
 * Memory:  of the caller, none else.
 * Errors:  open fills a diag that says what to do; accepting counts and goes on.
 */
#ifndef PROTO_NET_LISTENER_H
#define PROTO_NET_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/base/diag.h"
#include "proto/net/addr.h"

struct admit;
struct peers;

struct listener_gate {
	unsigned open;         /* descriptors held by peers now */
	unsigned open_max;     /* at most */
	unsigned open_ceiling; /* what the kernel's limit leaves for open_max */
	uint64_t accepted;
	uint64_t refused;    /* accepted and closed: the gate was full */
	uint64_t starved;    /* times the kernel had no descriptor left */
	struct peers *peers; /* whose shares the connections count in; NULL: no share is kept */
	uint64_t slowed;     /* times a connection was not read for a while, by its peer's rate */
};

/*
 * Sets open_max to what RLIMIT_NOFILE leaves above the descriptors in use and LIMIT_FDS_RESERVED,
 * at most `wanted`. ERR_LIMIT: nothing is left.
 */
int listener_gate_init(struct listener_gate *g, unsigned wanted, struct diag *d);
/* Takes `n` places from it, for a gate of their own that `out` becomes. */
void listener_gate_split(struct listener_gate *g, unsigned n, struct listener_gate *out);
/* Changes it later; those already open above it stay. */
void listener_gate_limit(struct listener_gate *g, unsigned wanted);

struct listener;
/*
 * fd is non-blocking and close-on-exec and counts in the gate, until listener_drop; conn_open takes
 * both over.
 */
typedef void (*listener_accept_cb)(void *arg, int fd, const struct addr *peer);
typedef void (*listener_closed_cb)(void *arg);

struct listener {
	unsigned tag;
	int fd;
	uv_poll_t poll;
	uv_timer_t rest;
	struct listener_gate *gate;
	struct admit *admit; /* of the door; NULL after open: everyone may come */
	struct addr addr;    /* as bound: the real port */
	listener_accept_cb accept;
	listener_closed_cb closed;
	void *arg;
	unsigned handles_open;
	char path[ADDR_TEXT_BYTES]; /* unix: removed at close */
};

/* Binds and listens; SO_REUSEADDR is set. Accepting starts at once. */
int listener_open_tcp(struct listener *l, uv_loop_t *loop, struct listener_gate *g,
	const struct addr *at, listener_accept_cb accept, void *arg, struct diag *d);
/* As unix_path_bind for the path. */
int listener_open_unix(struct listener *l, uv_loop_t *loop, struct listener_gate *g,
	const char *path, unsigned mode, listener_accept_cb accept, void *arg, struct diag *d);
/* Closes a connection that no conn has taken over, and gives its place back. */
void listener_drop(struct listener_gate *g, int fd, const struct addr *peer);
/* Safe on a zeroed struct. `closed` (may be NULL) comes when the memory may go. */
void listener_close(struct listener *l, listener_closed_cb closed);

/* Accepts all that the kernel has connected: for the end, where who wrote and left is still read. */
void listener_drain(struct listener *l);

/* A connection of that peer is gone. */
void listener_gate_leave(struct listener_gate *g, const struct addr *peer);

#endif
