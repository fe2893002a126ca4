/*
 * seg_reader_int - the inside of a reader, for seg_reader, seg_decode and sidx_set alone.
 */
#ifndef STORAGE_SEG_READER_INT_H
#define STORAGE_SEG_READER_INT_H

#include <stdatomic.h>

#include "storage/seg_footer.h"
#include "storage/seg_reader.h"

/* What sidx_set hangs on a reader: made at first use, dropped at close. */
struct seg_attached {
	void (*close)(struct seg_attached *a);
};

/* The only part of a reader that changes after open. */
struct seg_slot {
	_Atomic(struct seg_attached *) attached;
};

struct seg_reader {
	const struct vfs *vfs;
	int dir;
	const uint8_t *map;
	uint64_t map_bytes;
	struct seg_info info;
	struct seg_footer footer;
	struct seg_slot *slot;
	char name[DIAG_FILE_BYTES];
};

#endif
