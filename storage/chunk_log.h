/*
 * chunk_log - the chunk ids of journal files that are gone, in files DATA/chunks-<n>.
 *
 * A journal file holds the ids of the frames that end in it. Before it is removed the log takes them
 * over: the newest chunk file, if it is not full, is written anew with them behind its own. The oldest
 * files go when the others hold LIMIT_CHUNKS_REMEMBERED ids, or are LIMIT_CHUNK_FILES. So all ids that
 * count are, oldest first, in the chunk files by number and then in the journal.
 *
 * Life:    load, take..., nothing to free.
 * Durable: after take returned 0 the ids are in the log; an id may be in both, which does no harm.
 * Thread:  one at a time: the start, then the sealer's.
 * Memory:  the list of files, and a page on the stack.
 * Errors:  damage is none, but told; it costs the ids of the pages it hits, and no event.
 */
#ifndef STORAGE_CHUNK_LOG_H
#define STORAGE_CHUNK_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/base/limits.h"
#include "storage/layout.h"
#include "storage/store.h"
#include "storage/vfs.h"

struct chunk_log_file {
	uint64_t number;
	uint64_t ids_count;
	bool damaged;
};

struct chunk_log {
	const struct vfs *vfs;
	int dir; /* DATA, the caller's */
	uint8_t uuid[LAYOUT_UUID_BYTES];
	/* By rising number; one more while the newest takes over the one before. */
	struct chunk_log_file files[LIMIT_CHUNK_FILES + 1];
	size_t files_count;
	uint64_t next;        /* number of the next file */
	uint64_t through_seq; /* ids of journal files up to this one are in the log */
};

/* What load found. */
struct chunk_log_found {
	uint64_t lost;      /* ids that cannot be read, at most */
	struct diag damage; /* the first; code 0: none */
};

/*
 * Calls cb for each id in the log, oldest first, and removes files that others have taken over or that
 * are too old. ERR_TOO_NEW: nothing was touched.
 */
int chunk_log_load(struct chunk_log *log, const struct vfs *vfs, int dir, const uint8_t *uuid,
	int (*cb)(void *arg, struct store_chunk c), void *arg, struct chunk_log_found *out,
	struct diag *d);

/*
 * Calls cb for each id in the live journal files behind through_seq and before `before_seq`, which is
 * one of them or UINT64_MAX. A negative return ends it and is passed up. Rows are not looked at.
 */
int chunk_log_journal(const struct chunk_log *log, uint64_t before_seq,
	int (*cb)(void *arg, struct store_chunk c), void *arg, struct diag *d);

/* Takes over the ids of these journal files. */
int chunk_log_take(struct chunk_log *log, uint64_t before_seq, struct diag *d);

#endif
