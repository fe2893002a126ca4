/*
 * ctl - DATA/ctl: one shared page in which the collector says how far the journal is committed and
 * whoever changed the manifest says which one is current (FORMAT.md: ctl).
 *
 * Life:    open, publish or read, close. The file is made once and never removed or replaced.
 * Durable: nothing here is. The page is a hint of what is durable already: its values are stored
 *          after the fdatasync they speak of, so that what it says is true after any crash, if
 *          perhaps old. Recovery writes it anew.
 * Thread:  each line has one writing thread at a time (named below); reading is free for all.
 * Memory:  the mapping and a small handle, taken in open.
 * Errors:  a page that is not ours is ERR_CORRUPT; readers then do without it.
 */
#ifndef STORAGE_CTL_H
#define STORAGE_CTL_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/vfs.h"

struct ctl;

/* Everything up to `id`, whose record ends at `off` of journal file `file_seq`, is durable. */
struct ctl_commit {
	uint64_t file_seq;
	uint64_t off;
	uint64_t id;
};

/* The first `bytes` of manifest-<number> are durable; they hold `changes` changes in all. */
struct ctl_manifest {
	uint64_t number;
	uint64_t bytes;
	uint64_t changes;
	uint64_t sealed_id;
};

/* CTL_CREATE makes or repairs the page and needs the writer's lock. */
enum ctl_mode { CTL_READ, CTL_WRITE, CTL_CREATE };

/* -ENOENT: there is none. uuid is the store's, 16 bytes. */
int ctl_open(const struct vfs *vfs, int dir, const uint8_t *uuid, enum ctl_mode mode,
	struct ctl **out, struct diag *d);
void ctl_close(struct ctl **ctl);

/*
 * The collector's start: until `started` the lines below are those of an earlier run, and readers ask
 * the files. After it they look at all anew.
 */
void ctl_starting(struct ctl *ctl);
void ctl_started(struct ctl *ctl, int64_t wall_ns);
/* Best effort: the next recovery then knows exactly what was committed. */
void ctl_sync(struct ctl *ctl);
/*
 * The collector's clean end: behind the last commit the journal was never written. Holds until the next
 * start, also if that one fails. Best effort, synced.
 */
void ctl_end(struct ctl *ctl);
/* Whether the collector that published `last` ended there. */
bool ctl_ended(const struct ctl *ctl, const struct ctl_commit *last);
/* The journal thread, after fdatasync; wakes the waiting. */
void ctl_publish_commit(struct ctl *ctl, const struct ctl_commit *c);
/* Whoever holds the manifest lock, after fdatasync; wakes the waiting. */
void ctl_publish_manifest(struct ctl *ctl, const struct ctl_manifest *m);
/* The collector's loop, about once a second, so that people can see a hang. */
void ctl_beat(struct ctl *ctl, int64_t wall_ns);

/*
 * ERR_STALE: its writer died half-way; ERR_CORRUPT: never written, or damaged. The files must be
 * asked instead.
 */
int ctl_commit(const struct ctl *ctl, struct ctl_commit *out);
int ctl_manifest(const struct ctl *ctl, struct ctl_manifest *out);
/* Twice the number of collector starts so far; odd: one is under way. Time of the last beat, 0 if none. */
uint64_t ctl_starts(const struct ctl *ctl);
int64_t ctl_beat_ns(const struct ctl *ctl);

/* Changes with every publish; read it before the values, then wait for it to differ. */
uint32_t ctl_word(const struct ctl *ctl);
/* 1: the word is no longer `seen`; 0: timeout_ms passed. May also return 1 without cause. */
int ctl_wait(const struct ctl *ctl, uint32_t seen, int timeout_ms);
/* Wakes all waiting threads of this and other processes without a publish. */
void ctl_wake(struct ctl *ctl);

/*
 * The manifest lock, held from before a finished segment file gets its name until the manifest
 * lists it. Excludes every other handle, of this process too. Waits. Needs CTL_WRITE.
 */
int ctl_lock(struct ctl *ctl, struct diag *d);
void ctl_unlock(struct ctl *ctl);

#endif
