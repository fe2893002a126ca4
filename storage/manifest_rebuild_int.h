/* manifest_rebuild_int - what the files of manifest_rebuild share: one rebuild under way. */
#ifndef STORAGE_MANIFEST_REBUILD_INT_H
#define STORAGE_MANIFEST_REBUILD_INT_H

#include <stddef.h>
#include <stdint.h>

#include "storage/ctl.h"
#include "storage/idset.h"
#include "storage/manifest.h"
#include "storage/manifest_rebuild.h"
#include "storage/store_format.h"

struct block_reader;

enum fate { FATE_OPEN, FATE_LISTED, FATE_MERGED, FATE_UNFINISHED };

struct found {
	struct manifest_segment seg;
	enum fate fate;
};

struct rebuild {
	const struct manifest_rebuild_conf *conf;
	const struct vfs *vfs;
	int dir;
	int format_fd;
	int compact_fd;
	struct store_format format;
	struct ctl *ctl;
	struct found *found; /* by falling generation, then by id */
	size_t found_count;
	size_t found_cap;
	struct idset redacted;
	uint64_t purged;      /* the last id of the orders that are done */
	struct idset covered; /* ids of the segments listed so far */
	struct block_reader *block;
	struct manifest_rebuild_report report;
};

/* Counts and tells a segment that is not listed. */
void manifest_rebuild_tell(struct rebuild *r, const char *path,
	enum manifest_rebuild_verdict verdict, const struct diag *why);
/* Fills r->found from the names and footers of all files below seg/. */
int manifest_rebuild_find(struct rebuild *r, struct diag *d);

#endif
