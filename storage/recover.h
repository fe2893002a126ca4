/*
 * recover - opens a data directory for its one writer: makes it if it is new, and otherwise brings
 * what a crash left back to the state of the last commit.
 *
 * Steps:   lock DATA/format; map ctl; read the manifest; sweep tmp/; remove what a killed change left,
 *          by its list; move segment files that the manifest does not list to bad/, which keeps the
 *          newest ones; read the chunk log; find the end of the journal, cut a torn tail, link a
 *          damaged journal file into bad/ and step over the damage.
 * Durable: it can be killed at any point and run again with the same outcome.
 * Memory:  bounded by the number of files, and one journal record; the chunk ids (chunkset.h). Time:
 *          one pass over the unsealed journal files, and over the chunk log.
 * Errors:  ERR_LOCKED, ERR_TOO_NEW, ERR_NOT_A_STORE: nothing was touched.
 */
#ifndef STORAGE_RECOVER_H
#define STORAGE_RECOVER_H

#include "proto/base/diag.h"
#include "storage/chunk_log.h"
#include "storage/chunkset.h"
#include "storage/ctl.h"
#include "storage/journal_walk.h"
#include "storage/store.h"
#include "storage/store_format.h"
#include "storage/vfs.h"

/*
 * Names in DATA/tmp begin with one of these. The collector's start sweeps all but RECOVER_TMP_COMPACT;
 * those are astrocompact's, which sweeps them at its own start and may be running now.
 */
#define RECOVER_TMP_SEAL    "seal-"
#define RECOVER_TMP_SPILL   "spill-"
#define RECOVER_TMP_COMPACT "compact-"

/*
 * Removes from DATA/tmp what begins with `prefix`, or with prefix == NULL what does not begin with
 * RECOVER_TMP_COMPACT; the list of a change (storage/leftover.h) stays. The number of files removed
 * goes to *out_count.
 */
int recover_sweep(
	const struct vfs *vfs, int dir, const char *prefix, uint64_t *out_count, struct diag *d);
/*
 * Moves DATA/<path> to DATA/bad, under a name that is free there; `keep` leaves the file where it is
 * too; 1: it was kept there before. A path that is not there: -ENOENT.
 */
int recover_quarantine(const struct vfs *vfs, int dir, const char *path, bool keep, struct diag *d);

/*
 * Removes the oldest files of DATA/bad until LIMIT_BAD_FILES and LIMIT_BAD_BYTES hold; the newest one
 * stays whatever its size. Returns how many went.
 */
uint64_t recover_trim_bad(const struct vfs *vfs, int dir);

/* A store opened for appending; the writer takes all of it over. */
struct recover {
	const struct vfs *vfs;
	int dir;     /* DATA */
	int lock_fd; /* DATA/format */
	struct store_format format;
	struct ctl *ctl;
	uint64_t sealed_id;
	struct chunk_log chunk_log;
	struct chunkset chunks; /* of the log and the journal */
	/* Where the journal goes on: in that file, unless `begin` or seq 0 asks for a new one. */
	struct journal_pos end;
	struct journal_head head; /* of that file */
	bool begin;
	uint64_t seq_max;     /* greatest number of a journal file so far */
	uint64_t files_count; /* journal files */
	struct store_recovery report;
};

int recover_open(const struct store_conf *conf, struct recover *out, struct diag *d);
void recover_close(struct recover *r);

#endif
