/*
 * manifest - which segment files make up the store, and up to which id events are sealed: an append
 * log of atomic changes (FORMAT.md: manifest).
 *
 * Life:    open (reads the newest manifest whole), refresh or lock/append/unlock..., close.
 * Durable: a change is on disk, whole, when manifest_append returned 0. After a failure it is not in
 *          the store now but may appear at the next lock or start, for a write that failed may still
 *          have reached the disk: leave the files it names where they are, and look again.
 * Writers: the sealer and astrocompact, one at a time under the lock of ctl. Order of a change:
 *          write tmp/, fsync, manifest_lock, rename, fsync the directory, manifest_append,
 *          manifest_unlock, unlink what was dropped.
 * Thread:  one per handle.
 * Memory:  sizeof(struct manifest_segment) per live segment, at most LIMIT_SEGMENTS.
 * Errors:  ERR_CORRUPT with file and offset. Each file is kept twice (manifest-<n> and
 *          manifest-<n>.b, written and synced one after the other), so that this takes damage to
 *          both; one damaged copy costs nothing, and the next change begins a new pair.
 */
#ifndef STORAGE_MANIFEST_H
#define STORAGE_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/base/limits.h"
#include "storage/ctl.h"
#include "storage/vfs.h"

enum {
	MANIFEST_HOUR_DAY = 24,   /* rows of one UTC day: rare hours pooled, or hours merged */
	MANIFEST_HOUR_MIXED = 25, /* rows of several days; the time bounds tell */
	MANIFEST_PATH_BYTES = 128,
};

/* One live segment file. Its name is made of day, hour, class_name, ids and gen. */
struct manifest_segment {
	uint64_t no; /* unique in the store and rising; given by manifest_append */
	uint64_t id_first;
	uint64_t id_last;
	uint64_t rows_count;
	int64_t time_min_ns;
	int64_t time_max_ns;
	uint64_t file_bytes;
	uint64_t file_sum; /* as the segment's writer defines it: notices a swapped file */
	uint32_t blocks_count;
	int32_t day;  /* days since 1970-01-01 UTC; of the oldest row where mixed */
	uint16_t gen; /* 0: sealed; one more than the greatest merged one */
	uint8_t hour; /* 0..23, MANIFEST_HOUR_DAY, MANIFEST_HOUR_MIXED */
	char class_name[LIMIT_CLASS_BYTES]; /* [a-z0-9_-], NUL-terminated */
};

/* One atomic change. Segments with rows of several hours still belong to one change. */
struct manifest_change {
	struct manifest_segment *adds; /* their `no` is filled in */
	size_t adds_count;
	const uint64_t *drops; /* `no` of live segments */
	size_t drops_count;
	uint64_t sealed_id; /* new sealed id; 0: as before */
};

/* "seg/2026-11-20" and "seg/2026-11-20/13.default.1-262144.0.seg", relative to DATA. */
const char *manifest_segment_dir(const struct manifest_segment *s, char dst[MANIFEST_PATH_BYTES]);
const char *manifest_segment_path(const struct manifest_segment *s, char dst[MANIFEST_PATH_BYTES]);

struct manifest;

/*
 * Reads the current manifest. ctl may be NULL (files alone are asked; then no append). Makes
 * nothing: -ENOENT where there is no manifest.
 */
int manifest_open(const struct vfs *vfs, int dir, const uint8_t *uuid, struct ctl *ctl,
	struct manifest **out, struct diag *d);
/* The first manifest of a new store, and an open handle on it. */
int manifest_create(const struct vfs *vfs, int dir, const uint8_t *uuid, struct ctl *ctl,
	struct manifest **out, struct diag *d);
void manifest_close(struct manifest **m);

/* 1: there were changes, 0: none. Cheap where ctl says that nothing changed. */
int manifest_refresh(struct manifest *m, struct diag *d);
/* Whether ctl says so. False: it would have to be looked for. */
bool manifest_is_newest(const struct manifest *m);

/* Takes the lock (waits for its holder) and refreshes. */
int manifest_lock(struct manifest *m, struct diag *d);
void manifest_unlock(struct manifest *m);
/*
 * Under the lock. ERR_STALE: a dropped segment is not live; ERR_RANGE: a seal of ids that are sealed,
 * or beyond its own sealed id; nothing was written. ERR_LIMIT: more
 * than LIMIT_SEGMENTS would live, or LIMIT_CHANGE_SEGMENTS change. Starts a new manifest file when
 * the present one is long, or ends in bytes that are no record.
 */
int manifest_append(struct manifest *m, const struct manifest_change *c, struct diag *d);

/* Live segments by rising `no`; valid until the next refresh, lock or append. */
const struct manifest_segment *manifest_segments(const struct manifest *m, size_t *out_count);
uint64_t manifest_sealed(const struct manifest *m);
/* Number of changes ever made: a version. */
uint64_t manifest_changes(const struct manifest *m);
/* Number of the manifest file in use. */
uint64_t manifest_number(const struct manifest *m);
/* The first damage met in a copy that another one stood in for; code 0: none. */
const struct diag *manifest_damage(const struct manifest *m);
/*
 * Under the lock, at a start: writes the state to a new pair and removes the older ones. What was read
 * may never have been synced by the process that wrote it, and a sync of it now would prove nothing
 * if an earlier one had failed.
 */
int manifest_repair(struct manifest *m, struct diag *d);
/*
 * Writes a new pair behind whatever is there that lists these segments (by rising no, from 1) and
 * nothing else, and tells ctl. For manifest_rebuild, under all locks.
 */
int manifest_write(const struct vfs *vfs, int dir, const uint8_t *uuid, struct ctl *ctl,
	const struct manifest_segment *segs, size_t segs_count, uint64_t sealed_id,
	uint64_t changes, struct diag *d);
/*
 * Writes the state of the handle as the first pair of another directory, which has none, and tells its
 * ctl. No lock.
 */
int manifest_copy(const struct manifest *m, int to_dir, struct ctl *to_ctl, struct diag *d);

#endif
