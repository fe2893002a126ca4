/*
 * manifest_rebuild - makes a manifest anew from the segment files, for a store that lost both copies.
 *
 * What the manifest said beyond the files is found out by their contents. A segment whose rows all
 * stand in others of a higher generation was merged into them; where only some do, the others are of
 * a merge that was not finished, and do not count. Rows that were deleted by order need not be found
 * again. Sealed are all ids before the journal's first, and those behind it that segments hold without
 * a gap; segments beyond that are of a seal that was not finished, and their rows are in the journal.
 *
 * Durable: when it returned 0; until then the store is as it was. The old manifests are linked into
 *          bad/. Files that are not listed stay; the collector's next start moves them to bad/.
 * Thread:  one. It takes the locks of the collector and of astrocompact: neither may run.
 * Memory:  about 24 bytes for 65,536 events, more where ids have gaps (storage/idset.h), and the list
 *          of segments.
 * Errors:  ERR_LOCKED; ERR_CORRUPT: a segment cannot be read, or two of one generation hold the same
 *          rows, and which of them counts cannot be told.
 */
#ifndef STORAGE_MANIFEST_REBUILD_H
#define STORAGE_MANIFEST_REBUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/vfs.h"

enum {
	/* Nothing was done: the manifest there is can be read. */
	MANIFEST_REBUILD_SOUND = 1,
	MANIFEST_REBUILD_IDS_BYTES = 256 << 20,
};

enum manifest_rebuild_verdict {
	MANIFEST_REBUILD_MERGED,     /* its rows are in others */
	MANIFEST_REBUILD_UNFINISHED, /* of a merge or seal that came to nothing */
	MANIFEST_REBUILD_UNREADABLE, /* why: the diag. Its rows are lost, unless merged before */
};

struct manifest_rebuild_conf {
	const struct vfs *vfs; /* NULL: the real one */
	const char *dir;       /* DATA */
	int64_t now_ns;        /* wall clock */
	bool lossy;            /* go on without segments that cannot be read; else ERR_CORRUPT */
	/* Each segment file that is not listed; may be NULL. */
	void (*left_out)(void *arg, const char *path, enum manifest_rebuild_verdict verdict,
		const struct diag *why);
	void *arg;
};

struct manifest_rebuild_report {
	uint64_t segments_count; /* listed */
	uint64_t rows_count;
	uint64_t left_out[MANIFEST_REBUILD_UNREADABLE + 1];
	uint64_t sealed_id;
};

int manifest_rebuild(const struct manifest_rebuild_conf *conf, struct manifest_rebuild_report *out,
	struct diag *d);

#endif
