/*
 * room_watch - decides, from the free bytes of a disk, whether all is well, whether old events must
 * go, or whether nothing may be taken; and has them go.
 *
 * A limit once met is left only with an eighth more than it asks for, and a pass of retention frees a
 * quarter more than the soft limit, so that nothing flutters around it. Room that a pass has freed may
 * come late: a reader holds the files for a moment. Until then no other pass drops more.
 *
 * Life:    init, then look (and pass, when look says so) again and again. No fini.
 * Thread:  one. It logs: what changes, once.
 * Memory:  none.
 * Errors:  a look that fails leaves the state as it was.
 */
#ifndef COLLECTOR_ROOM_WATCH_H
#define COLLECTOR_ROOM_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/vfs.h"

enum room_watch_state {
	ROOM_WATCH_AMPLE,
	ROOM_WATCH_SOFT, /* old events are to go */
	ROOM_WATCH_HARD, /* and nothing may be taken */
};

/* What a pass of retention did. */
struct room_watch_pass {
	uint64_t segments;
	uint64_t bytes;
};

struct room_watch_conf {
	const struct vfs *vfs;
	int dir;      /* DATA, open as long as the watch is */
	int64_t soft; /* free bytes; negative: percent of the disk, at most ..._SOFT_BYTES; 0: none */
	int64_t hard; /* likewise */
	/*
	 * Frees `need` bytes by the rules of retention, if they allow any. 0, or negative with the diag;
	 * ERR_LOCKED: another upkeep is at work, ask again.
	 */
	int (*retain)(void *arg, uint64_t need, struct room_watch_pass *out, struct diag *d);
	void *arg;
};

struct room_watch_figures {
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

struct room_watch {
	struct room_watch_conf conf;
	struct room_watch_figures figures;
	enum room_watch_state state;
	bool blind;         /* the last look failed */
	bool failing;       /* the last pass failed, for more than another upkeep's lock */
	int64_t pass_at_ms; /* no pass before */
	uint64_t owed_free; /* free bytes that the last pass should lead to; 0: nothing is owed */
};

void room_watch_init(struct room_watch *w, const struct room_watch_conf *conf);
void room_watch_limits(struct room_watch *w, int64_t soft, int64_t hard);

/* Looks at the disk. True: the state has changed. */
bool room_watch_look(struct room_watch *w);
/* Whether a pass is due; now_ms is of any clock that only rises. */
bool room_watch_due(const struct room_watch *w, int64_t now_ms);
/* Runs one. */
void room_watch_pass(struct room_watch *w, int64_t now_ms);
/* Until the next look. */
unsigned room_watch_rest_ms(const struct room_watch *w);

#endif
