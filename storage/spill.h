/*
 * spill - the rows of a frame still arriving, beyond what its connection may keep in memory: batches
 * in an unlinked file below DATA/tmp, written by the loop thread, read back by the journal thread.
 *
 * Life:    open, put..., then once handed over get... (from the first, as often as rewound), close.
 * Durable: nothing; the file has no name and is gone with the process.
 * Thread:  one at a time; the hand-over between threads is the caller's.
 * Memory:  the handle. A put writes, a get reads, in pieces of one batch.
 * Errors:  ERR_LIMIT, the file or all files of the pool together are full; ERR_CORRUPT, the disk gave
 *          back other bytes. -ENOSPC, -EIO as the kernel says. After any, only close may follow.
 */
#ifndef STORAGE_SPILL_H
#define STORAGE_SPILL_H

#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/store.h"
#include "storage/vfs.h"

/* What all spills of a store share. A zeroed pool with its limits set is ready. Thread: any. */
struct spill_pool {
	const struct vfs *vfs; /* NULL: the real one */
	int dir;               /* DATA */
	uint64_t file_bytes_max;
	uint64_t all_bytes_max;
	_Atomic uint64_t all_bytes;
	_Atomic uint64_t next_name;
};

struct spill;

int spill_open(struct spill_pool *pool, struct spill **out, struct diag *d);
void spill_close(struct spill **s);

/* Adds the batch's rows, counts and times; chunks and `more` are not kept. */
int spill_put(struct spill *s, const struct store_batch *b, struct diag *d);
uint64_t spill_bytes(const struct spill *s);
uint64_t spill_batches(const struct spill *s);

void spill_rewind(struct spill *s);
/*
 * The next batch; its rows are read into dst (cap at least LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES).
 * 1: one was read, `more` tells whether another follows; 0: there is none.
 */
int spill_get(struct spill *s, uint8_t *dst, size_t cap, struct store_batch *out, struct diag *d);

#endif
