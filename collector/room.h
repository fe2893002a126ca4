/*
 * room - the room left on the disk that DATA is on. Below the soft limit it asks for retention, below
 * the hard one the collector takes nothing more, until there is room again.
 *
 * A thread of its own looks about once a second, and ten times a second where room is short: neither
 * the loop nor the journal ever waits for the file system, or for a retention pass. A limit once met is
 * left only with an eighth more than it asks for, so that nothing flutters around it.
 *
 * Life:    open (looks once, the thread starts), close. The loop must run once more before it is freed.
 * Thread:  open and close the loop's; room_state and room_figures any.
 * Memory:  none per look.
 * Errors:  a look that fails leaves the state as it was, and is logged once.
 */
#ifndef COLLECTOR_ROOM_H
#define COLLECTOR_ROOM_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/base/diag.h"
#include "storage/vfs.h"

enum room_state {
	ROOM_AMPLE,
	ROOM_SOFT, /* retention is asked for; merges that need room should wait */
	ROOM_HARD, /* and no door takes anything */
};

/* What a retention pass did. */
struct room_pass {
	uint64_t segments;
	uint64_t bytes;
};

struct room_conf {
	const struct vfs *vfs; /* NULL: the real one */
	int dir;               /* DATA, open as long as room is */
	int64_t soft;          /* free bytes; negative: percent of the disk */
	int64_t hard;
	uv_loop_t *loop;
	/*
	 * On the thread: makes `need` bytes of room by the rules of retention, and more than none only
	 * if it may. 0, or negative with the diag; ERR_LOCKED: astrocompact works, ask again.
	 */
	int (*retain)(void *arg, uint64_t need, struct room_pass *out, struct diag *d);
	/* On the loop: room_state has changed. */
	void (*changed)(void *arg);
	void *arg;
};

struct room_figures {
	uint64_t free_bytes;
	uint64_t total_bytes;
	uint64_t soft_bytes; /* the limits in bytes, on this disk */
	uint64_t hard_bytes;
	uint64_t soft_times; /* how often each limit was met */
	uint64_t hard_times;
	uint64_t passes;
	uint64_t dropped_segments;
	uint64_t dropped_bytes;
	uint64_t failures; /* looks and passes */
	bool stuck;        /* below the soft limit, and nothing may be dropped */
};

struct room;

int room_open(const struct room_conf *conf, struct room **out, struct diag *d);
/* Waits for the thread, which ends after the step of a pass it is at. */
void room_close(struct room **r);

enum room_state room_state(const struct room *r);
void room_figures(struct room *r, struct room_figures *out);

#endif
