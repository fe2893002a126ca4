/*
 * leftover - the list of segment files that a change of the manifest is about, a seal's or a merge's,
 * kept while it is under way, so that the next change or start can remove what a killed one left: new
 * files that were never listed, or old ones that are not listed any more.
 *
 * LEFTOVER FILE                                  DATA/tmp/compact-leftovers, text
 *   line 1    XXH3-64 of all that follows, 16 hex digits
 *   line 2... path of a segment, relative to DATA; its sidecars stand beside it
 * Valid:  the sum holds and each path has the form of a segment's.
 * Crash:  it gets its name whole, before the first file of the change gets its own. Without it, or
 *         where it does not hold, nothing is removed.
 *
 * Thread: whoever holds the manifest's lock. Memory: the list.
 */
#ifndef STORAGE_LEFTOVER_H
#define STORAGE_LEFTOVER_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/manifest.h"
#include "storage/vfs.h"

#define LEFTOVER_NAME "tmp/compact-leftovers"

/* Replaces the list by these, durably. */
int leftover_write(const struct vfs *vfs, int dir, const struct manifest_segment *adds,
	size_t adds_count, const struct manifest_segment *drops, size_t drops_count,
	struct diag *d);
/* The change is done and nothing of it is left to remove. */
void leftover_forget(const struct vfs *vfs, int dir);

/*
 * Under the manifest's lock: removes the listed files that are not live, then the list. `gone` is
 * called for each segment file removed; NULL is fine.
 */
int leftover_clear(const struct vfs *vfs, int dir, struct manifest *m,
	void (*gone)(void *arg, const char *path, uint64_t bytes), void *arg, struct diag *d);

#endif
