/*
 * room - the room left on the disk that DATA is on. Below the soft limit it asks for retention, below
 * the hard one the collector takes nothing more, until there is room again (room_watch.h: when).
 *
 * A thread of its own looks: neither the loop nor the journal ever waits for the file system, or for a
 * retention pass.
 *
 * Life:    open (looks once, the thread starts), close.
 * Thread:  all calls the loop's, but room_state and room_figures, which are any's.
 * Memory:  none per look.
 */
#ifndef COLLECTOR_ROOM_H
#define COLLECTOR_ROOM_H

#include <uv.h>

#include "collector/room_watch.h"
#include "proto/base/diag.h"

struct room;

struct room_conf {
	struct room_watch_conf watch;
	uv_loop_t *loop;
	/* On the loop: room_state has changed. */
	void (*changed)(void *arg);
	void *arg;
};

int room_open(const struct room_conf *conf, struct room **out, struct diag *d);
/* Waits for the thread, and for a retention pass it may be at. The loop must run once more. */
void room_close(struct room **r);

/* As in room_watch_conf; the thread looks at once. */
void room_limits(struct room *r, int64_t soft, int64_t hard);

enum room_watch_state room_state(const struct room *r);
void room_figures(struct room *r, struct room_watch_figures *out);

#endif
