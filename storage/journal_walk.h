/*
 * journal_walk - all records of the journal in order, from file to file, over damage and up to an end
 * that is either known (ctl) or to be found (after a crash, or with no collector alive).
 *
 * Life:    init at an id, next..., fini. A position may be kept and gone on from when more is
 *          committed.
 * Thread:  one at a time.
 * Memory:  the list of files and one reader.
 * Errors:  damage is no error but a gap, after which the walk goes on. ERR_STALE: files were retired
 *          under it; begin anew at the sealed id of a fresh manifest.
 *
 * How an end is told from damage: where no valid record stands in the newest file, the journal ends,
 * unless something proves that more was durable there: ctl names a later id (known_id), or a valid
 * record further on was written when this place was already synced (synced_off). A record without
 * that proof was written with the torn one, in a commit that never returned: it was not acknowledged.
 */
#ifndef STORAGE_JOURNAL_WALK_H
#define STORAGE_JOURNAL_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/ctl.h"
#include "storage/journal_dir.h"
#include "storage/journal_reader.h"
#include "storage/vfs.h"

enum { JOURNAL_WALK_END = 0, JOURNAL_WALK_RECORD = 1, JOURNAL_WALK_GAP = 2 };

/* A place between two records. */
struct journal_pos {
	uint64_t seq;
	uint64_t off;
	uint64_t sum;     /* chain value of the record before; 0: unknown */
	uint64_t next_id; /* of the row that follows */
};

struct journal_walk {
	const struct vfs *vfs;
	int dir;
	const uint8_t *uuid;
	struct journal_dir files;
	struct journal_reader *reader;
	size_t file_idx; /* in files; SIZE_MAX: no file */
	struct journal_pos pos;
	uint64_t from_id;  /* damage to earlier ids is nobody's loss */
	uint64_t known_id; /* ids up to here were committed, by other evidence; 0: none */
	uint64_t void_seq; /* in this file nothing was written from void_off on; 0: nobody knows */
	uint64_t void_off;
	bool check; /* payloads too, of records with ids from from_id on */
};

/* Ids from first_id on, `count` of them, cannot be read; count is 0 where no row was hit. */
struct journal_gap {
	uint64_t first_id;
	uint64_t count;
	struct diag why;
};

/* uuid must outlive the walk. `bad` as in journal_dir_load. Begins with the whole file that holds from_id. */
int journal_walk_init(struct journal_walk *w, const struct vfs *vfs, int dir, const uint8_t *uuid,
	uint64_t from_id, struct diag *bad, struct diag *d);
void journal_walk_fini(struct journal_walk *w);

/*
 * The next record in *rec (of w->reader; carry records too), or a gap in *gap. `end` is the last
 * commit; NULL: find the end. At JOURNAL_WALK_END nothing moved, and a later end may be tried.
 */
int journal_walk_next(struct journal_walk *w, const struct ctl_commit *end,
	struct journal_record *rec, struct journal_gap *gap, struct diag *d);

#endif
