/*
 * recover - opens a data directory for its one writer: makes it if it is new, and otherwise brings
 * what a crash left back to the state of the last commit.
 *
 * Steps:   lock DATA/format; map ctl; read the manifest; sweep tmp/; move segment files that the
 *          manifest does not list to bad/; find the end of the journal, cut a torn tail, link a
 *          damaged journal file into bad/ and step over the damage; publish in ctl.
 * Durable: it can be killed at any point and run again with the same outcome.
 * Memory:  bounded by the number of files, and one journal record. Time: one pass over the unsealed
 *          journal files.
 * Errors:  ERR_LOCKED, ERR_TOO_NEW, ERR_NOT_A_STORE: nothing was touched.
 */
#ifndef STORAGE_RECOVER_H
#define STORAGE_RECOVER_H

#include "proto/base/diag.h"
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
 * RECOVER_TMP_COMPACT. The number of files removed goes to *out_count.
 */
int recover_sweep(
	const struct vfs *vfs, int dir, const char *prefix, uint64_t *out_count, struct diag *d);

#endif
