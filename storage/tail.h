/*
 * tail - the unsealed end of the journal as batches of rows, kept by one reader and handed out to
 * its snapshots (snapshot_int.h).
 *
 * Small records are joined until SNAPSHOT_RUN_BYTES or _ROWS are reached, so that a quiet store does
 * not end in thousands of batches of one row. Rows are kept decoded as long as cache_bytes_max holds;
 * the oldest lose their memory first and are decoded anew where somebody asks for them.
 *
 * Life:    init, advance..., fini. Batches given out live on through references.
 * Thread:  one at a time; tail_batch_rows, tail_ref and tail_unref are free for all.
 * Memory:  about 100 bytes a batch, and the cache. Snapshots may keep rows alive that the cache
 *          has dropped, as much again at most; they are freed before the tail. All decoded rows are
 *          lent by the pool of blocks (block_pool.h): what they take, its idle readers give up.
 */
#ifndef STORAGE_TAIL_H
#define STORAGE_TAIL_H

#include <stdatomic.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "storage/ctl.h"
#include "storage/journal_walk.h"
#include "storage/snapshot_int.h"

struct tail {
	const struct vfs *vfs;
	int dir;
	const uint8_t *uuid;
	uint64_t cache_bytes_max;
	uint64_t cache_bytes;
	_Atomic uint64_t held_bytes; /* with rows that snapshots alone keep */
	bool walking;
	struct journal_walk walk;
	struct snapshot_batch *batches; /* those from `begin` on */
	size_t begin;
	size_t end;
	size_t cap;
	size_t uncached; /* batches before this place have no rows */
	bool closed;     /* nothing is joined to the last batch */
	struct tail_file *file;
	struct buf payload;
	struct snapshot_damage damage;
	uint64_t damage_id; /* sealing beyond it makes the damage history */
};

/* uuid must outlive the tail. */
void tail_init(struct tail *t, const struct vfs *vfs, int dir, const uint8_t *uuid,
	uint64_t cache_bytes_max);
void tail_fini(struct tail *t);

/*
 * Drops what is sealed, adds what is committed up to `end`. ERR_STALE: the sealer was faster; refresh
 * the manifest and come again.
 */
int tail_advance(struct tail *t, uint64_t sealed_id, const struct ctl_commit *end, struct diag *d);
/* Forgets all; the next advance begins anew. */
void tail_reset(struct tail *t);

/*
 * Where the journal ends by itself, when no collector runs. known: the last commit; NULL where nothing
 * is known. ended: the collector ended cleanly with it (ctl_ended).
 */
int tail_find_end(const struct tail *t, uint64_t sealed_id, const struct ctl_commit *known,
	bool ended, struct ctl_commit *out, struct diag *d);

static inline size_t tail_count(const struct tail *t)
{
	return t->end - t->begin;
}

/* Copies all batches to dst[tail_count]; each holds references that tail_unref gives back. */
void tail_ref(const struct tail *t, struct snapshot_batch *dst);
/* The same of a snapshot's batches, but without decoded rows. */
void tail_ref_files(const struct snapshot_batch *from, size_t count, struct snapshot_batch *dst);
void tail_unref(struct snapshot_batch *b);

int tail_batch_rows(
	const struct snapshot_batch *b, struct buf *scratch, struct span *out_rows, struct diag *d);
/* Rows that this process has decoded anew because they were not kept. */
uint64_t tail_decoded(void);

#endif
