/*
 * seg_reader_int - the inside of a reader, for seg_reader, seg_decode, block_reader, sidx_set and seg_letters
 * alone.
 */
#ifndef STORAGE_SEG_READER_INT_H
#define STORAGE_SEG_READER_INT_H

#include <stdatomic.h>

#include "storage/seg_footer.h"
#include "storage/seg_reader.h"

/*
 * What sidx_set hangs on a reader, one of each kind, and seg_letters behind them: made at first use,
 * dropped at close.
 */
enum {
	SEG_ATTACHED_SIDECARS = 4,
	SEG_ATTACHED_LETTERS = SEG_ATTACHED_SIDECARS,
	SEG_ATTACHED_COUNT,
};

struct seg_attached {
	void (*close)(struct seg_attached *a);
};

/* The only part of a reader that changes after open. */
struct seg_slot {
	_Atomic(struct seg_attached *) attached[SEG_ATTACHED_COUNT];
	/* A bit for each page, then for each dictionary: its checksum held once. */
	_Atomic uint64_t verified[];
};

struct seg_reader {
	const struct vfs *vfs;
	int dir;
	const uint8_t *map;
	uint64_t map_bytes;
	struct seg_info info;
	struct seg_footer footer;
	struct seg_slot *slot;
	uint64_t serial; /* no other reader of this process ever has the same */
	char name[DIAG_FILE_BYTES];
};

/* The checksum of a page, computed once for an open reader. 0 or ERR_CORRUPT. */
int seg_reader_verify(const struct seg_reader *r, uint32_t block, int col);
int seg_reader_verify_dict(const struct seg_reader *r, int col);

static inline struct span seg_reader_bytes(const struct seg_reader *r, const struct seg_page *p)
{
	return span_of(r->map + p->off, p->bytes);
}

#endif
