/*
 * publish - a change of the store in the making: new segments with their sidecars, what they replace,
 * and the one manifest record that makes it true. For sealer and compact.
 *
 * Segments grow below tmp/. Commit takes the manifest's lock, lists the files concerned in tmp/
 * (storage/leftover.h), gives every file its name below seg/, syncs the directories, appends the
 * record, and only then removes the files of what was dropped. A reader finds either all of the old or
 * all of the new; so does who starts after a crash, and the list tells which files to remove.
 *
 * Life:    open, then begin, append..., finish for each segment, commit once; close drops whatever was
 *          not committed.
 * Durable: when commit returned 0.
 * Thread:  one.
 * Memory:  a seg_writer and a sidx_maker for each segment begun and not finished.
 * Errors:  after a negative return only close may follow. After commit failed in manifest_append the
 *          new files stay: whether they are listed shows when the manifest is next read.
 */
#ifndef STORAGE_PUBLISH_H
#define STORAGE_PUBLISH_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/wire/event.h"
#include "storage/manifest.h"
#include "storage/vfs.h"

struct publish;
struct publish_pool;

/*
 * Working memory that changes of one thread share, one after the other or nested: writers' blocks and
 * makers of sidecars. new gives NULL where memory is out. Freed after the last publish that uses it.
 */
struct publish_pool *publish_pool_new(void);
void publish_pool_free(struct publish_pool **p);

struct publish_conf {
	const struct vfs *vfs;
	int dir;             /* DATA */
	const uint8_t *uuid; /* 16 bytes */
	struct manifest *manifest;
	const char *prefix; /* RECOVER_TMP_SEAL or RECOVER_TMP_COMPACT */
	int64_t created_ns;
	int compress_level;        /* of seg_writer ... */
	uint32_t block_rows;       /* ... and this */
	struct publish_pool *pool; /* NULL: one of its own */
};

int publish_open(const struct publish_conf *conf, struct publish **out, struct diag *d);
void publish_close(struct publish **p);

/* What a segment is named after, beside its ids. */
struct publish_place {
	const char *class_name; /* copied */
	int32_t day;            /* ignored where mixed */
	unsigned hour;
	unsigned gen;
};

/*
 * A new segment. *out_group is its handle; a segment that becomes full is continued by another of the
 * same group.
 */
int publish_begin(
	struct publish *p, const struct publish_place *place, unsigned *out_group, struct diag *d);
/* Ids must rise within a group. */
int publish_append(struct publish *p, unsigned group, const struct event *ev, struct diag *d);
/* The group takes no more: its file is synced and its sidecars are made. A group without rows vanishes. */
int publish_finish(struct publish *p, unsigned group, struct diag *d);

/*
 * One manifest change: adds what was finished, drops the live segments `drops`, and sets the sealed
 * id unless it is 0. ERR_STALE: one of the drops is not live any more.
 */
int publish_commit(struct publish *p, const struct manifest_segment *drops, size_t drops_count,
	uint64_t sealed_id, struct diag *d);

/* The finished segments; before commit their number and name are not final. */
size_t publish_count(const struct publish *p);
const struct manifest_segment *publish_segment(const struct publish *p, size_t i);
/* Where the i-th finished segment stands before commit: "tmp/...". */
const char *publish_tmp_name(const struct publish *p, size_t i);
/* Bytes of its sidecars. */
uint64_t publish_sidecar_bytes(const struct publish *p, size_t i);

/* "seg/DAY/NAME.seg" with the sidecar's suffix instead; kind == SIDX_COUNT: the segment itself. */
const char *publish_path(const struct manifest_segment *s, int kind, char dst[MANIFEST_PATH_BYTES]);
/* Removes a segment's file and sidecars, and its directory if that is empty. Missing files are fine. */
int publish_unlink(
	const struct vfs *vfs, int dir, const struct manifest_segment *s, struct diag *d);

#endif
