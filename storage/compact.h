/*
 * compact - maintenance of a store while its daemons live: drops old segments, merges small ones,
 * makes lost sidecars again.
 *
 * Each drop and each merge is one manifest change (storage/publish.h): killed at any point, the
 * store is as before or as after, and the next run removes what the killed one left behind.
 *
 * Life:    open, any of the passes, close. One instance per store, by a lock on DATA/compact.lock.
 * Merging: takes the segments of a UTC day that has ended, or those that hold several days, smallest
 *          first; a segment much larger than the smaller ones together is left alone, so that a late
 *          event does not rewrite its whole day. Before the old segments are dropped the new ones are
 *          read back whole: rows, ids and the content of every row must be equal.
 * Thread:  one; stop may be set by a signal handler.
 * Memory:  COMPACT_MEMORY_BYTES of decoded rows; segments whose blocks would need more at once are
 *          not merged together.
 * Errors:  of one segment or merge are told to the callback and counted, and the pass goes on; a
 *          negative return means that the pass as such ended.
 */
#ifndef STORAGE_COMPACT_H
#define STORAGE_COMPACT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/manifest.h"
#include "storage/retention.h"
#include "storage/vfs.h"

enum {
	COMPACT_MEMORY_BYTES = 96 << 20,
	/* Segments smaller than this are merged whatever the sizes of the others. */
	COMPACT_SMALL_BYTES = 1 << 20,
	/* Else a segment joins a merge if it is not larger than so many times the smaller ones together. */
	COMPACT_RATIO = 4,
	/* A merge takes no further segment once its inputs are so large. */
	COMPACT_MERGE_BYTES = 512 << 20,
	/* A day is closed so long after its end: the last hour is sealed by then. */
	COMPACT_GRACE_S = 3600,
};

enum compact_what {
	COMPACT_DROPPED, /* a segment, by retention */
	COMPACT_KEPT, /* a segment that retention looked at and kept; only when `explain` is set */
	COMPACT_MERGED,   /* an input of a merge that was done */
	COMPACT_MADE,     /* an output of it */
	COMPACT_SIDECAR,  /* a sidecar was made again */
	COMPACT_PURGED,   /* a segment was written anew without its deleted rows */
	COMPACT_LEFTOVER, /* a file that a killed run had left was removed */
	COMPACT_FAILED, /* the segment, or the merge that began with it, was left as it is: see diag */
};

struct compact_note {
	enum compact_what what;
	bool dry_run;                       /* would have been done */
	const struct manifest_segment *seg; /* NULL for leftovers */
	const char *path;                   /* relative to DATA */
	uint64_t bytes;                     /* of the files it is about */
	const char *why;                    /* one clause for people */
	const struct diag *diag;            /* COMPACT_FAILED */
};

typedef void (*compact_cb)(void *arg, const struct compact_note *note);

struct compact_conf {
	const struct vfs *vfs; /* NULL: the real one */
	const char *dir;       /* DATA */
	bool dry_run;          /* say what would be done and change nothing at all */
	bool explain;          /* report kept segments too */
	int64_t now_ns;        /* wall clock */
	int64_t deadline_ns;   /* monotonic; no step begins after it. 0: none */
	int64_t lock_wait_ns;  /* how long to wait for who holds the lock; the collector holds it
				  for one merge at a time. 0: not at all */
	uint64_t budget_bytes; /* read and written; no step begins once they are. 0: none */
	bool past_redact;      /* as in store_conf: neither orders nor purges are to come */
	const volatile sig_atomic_t *stop; /* set: end at the next block; NULL: never */
	uint64_t merge_bytes;              /* 0: COMPACT_MERGE_BYTES */
	compact_cb cb;                     /* may be NULL */
	void *arg;
};

struct compact_total {
	uint64_t dropped_segments;
	uint64_t dropped_rows;
	uint64_t dropped_bytes;
	uint64_t merges;
	uint64_t merged_segments;
	uint64_t made_segments;
	uint64_t merged_rows;
	uint64_t merged_bytes; /* before */
	uint64_t made_bytes;   /* after */
	uint64_t sidecars;
	uint64_t purged_segments;
	uint64_t purged_rows; /* deleted ones that are gone now */
	uint64_t leftovers;
	uint64_t failures;
	uint64_t live_segments; /* at the end */
	uint64_t live_bytes;
	uint64_t spent_bytes; /* read and written, about */
	uint64_t over_bytes;  /* that retention should have dropped, but for a hold */
	bool out_of_time;     /* ended by a budget or by stop with work left */
};

struct compact;

/* ERR_LOCKED: another instance runs. ERR_NOT_A_STORE, ERR_TOO_NEW: not touched. */
int compact_open(const struct compact_conf *conf, struct compact **out, struct diag *d);
void compact_close(struct compact **c);

struct compact_rules {
	const struct retain_class_set *classes; /* NULL: the default class alone, kept for ever */
	uint64_t bytes_max;                     /* of the whole directory; 0: no bound */
	uint64_t need; /* bytes that are to be freed, whatever the sizes; 0: none */
};

/*
 * Drops by the rules of retention.h. ERR_RANGE: what is not in segments alone is larger than
 * bytes_max; nothing was dropped.
 */
int compact_retain(struct compact *c, const struct compact_rules *rules, struct diag *d);
/* Merges as much as is worth it. */
int compact_merge(struct compact *c, struct diag *d);
/* Makes sidecars again that are missing or of no use. */
int compact_sidecars(struct compact *c, struct diag *d);

const struct compact_total *compact_total(struct compact *c);

#endif
