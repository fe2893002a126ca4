/*
 * seg_layout - the numbers of segment files and their sidecars: magics, versions, offsets, section
 * and column ids. FORMAT.md explains them; only seg_*, sidx_*, block*, verify and dump include this.
 *
 * SEGMENT FILE                                   little-endian; varints are LEB128
 *   header    64 bytes, written first
 *   pages     one per block and column, in any order, without gaps
 *   pages     one per column that has a segment dictionary
 *   footer    sections: varint id, varint bytes, body; unknown ids are skipped
 *   trailer   48 bytes, the last of the file
 * Valid:  the trailer's magic and sum hold, then the footer's sum, then the header's. A page is
 *         valid when its XXH3-64 equals the one in the footer's page table.
 * Crash:  a file under DATA/tmp may be anything; one under DATA/seg was fsynced before its rename.
 *
 * SIDECAR FILE
 *   header    80 bytes: what it is, which segment it belongs to, the sum of its directory
 *   directory sums of the pages that follow it, and whatever finds a key's page
 *   pages
 */
#ifndef STORAGE_SEG_LAYOUT_H
#define STORAGE_SEG_LAYOUT_H

#include <assert.h>

#include "proto/wire/event.h"

#define SEG_LAYOUT_HEAD_MAGIC "ASTROSEG"
#define SEG_LAYOUT_TAIL_MAGIC "GESORTSA"

enum {
	/* 2: blocks of more than 16384 rows, pages of text, maps and streams. */
	SEG_LAYOUT_VERSION = 2,

	/* header:  0 magic[8], 8 u16 version, 10 u16 compat, 12 u32 incompat, 16 uuid[16],
	 * 32 u64 segment id, 40 i64 created ns, 48 zero[8], 56 u64 XXH3-64 of bytes 0..55 */
	SEG_LAYOUT_HEAD_BYTES = 64,
	SEG_LAYOUT_HEAD_SUM_OFF = 56,

	/* trailer: 0 u64 footer offset, 8 u64 footer bytes, 16 u64 footer sum, 24 u64 header sum,
	 * 32 u64 XXH3-64 of bytes 0..31, 40 magic[8]; the sum at 32 names the whole content */
	SEG_LAYOUT_TAIL_BYTES = 48,
	SEG_LAYOUT_TAIL_SUM_OFF = 32,

	/* A page not longer than this is kept in the page table itself and has no sum of its own. */
	SEG_LAYOUT_INLINE_BYTES = 24,
	/* Values of the zone maps are cut to this. */
	SEG_LAYOUT_PREFIX_BYTES = 16,
};

/* Footer sections. */
enum {
	SEG_LAYOUT_SECTION_COLUMNS = 1, /* the schema */
	SEG_LAYOUT_SECTION_BLOCKS = 2,  /* rows, bounds, severity counts, prefixes of each block */
	SEG_LAYOUT_SECTION_PAGES = 3,   /* the page table */
	SEG_LAYOUT_SECTION_DICTS = 4,   /* pages of the dictionaries */
	SEG_LAYOUT_SECTION_TYPES = 5,   /* rows per event type, the whole segment */
};

/* Column ids. Numbers are never given to another column. */
enum {
	SEG_COL_ID = 0,
	SEG_COL_TIME = 1,
	SEG_COL_RECEIVED = 2,
	SEG_COL_SEVERITY = 3,
	SEG_COL_FLAGS = 4,
	SEG_COL_TEXT = 5, /* + enum event_text */
	SEG_COL_METADATA = SEG_COL_TEXT + EVENT_TEXT_COUNT,
	SEG_COL_COUNT,
	/* The first SEG_COL_INTS columns hold integers, the others bytes. */
	SEG_COL_INTS = SEG_COL_TEXT,
	SEG_COL_BYTES = SEG_COL_COUNT - SEG_COL_INTS,
};

/* How the bytes of a page are wrapped once encoded. The others are spare: other compressors, AEAD. */
enum {
	SEG_LAYOUT_CODEC_NONE = 0,
	SEG_LAYOUT_CODEC_LZ4 = 1, /* u32 raw bytes, then one LZ4 block */
};

static_assert(
	SEG_COL_METADATA == 14, "column ids are on disk: a new text field must not move metadata");

#endif
