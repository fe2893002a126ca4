/*
 * sidx_common - what all sidecars share: a header that ties the file to one segment's content, a
 * directory under one checksum, and pages that are checked when they are used.
 *
 * A sidecar only ever says where to look: what it points to is verified against the columns, and a
 * sidecar that is missing, stale or damaged is bypassed with equal answers. It can always be built
 * again from its segment.
 *
 * SIDECAR HEADER                                 little-endian, 80 bytes
 *   off size
 *    0   8   magic        of the kind
 *    8   2   version      of the kind; a reader refuses a larger one than its own, and takes a
 *                         smaller one for stale
 *   10   2   compat       unknown bit set: read on
 *   12   4   incompat     unknown bit set: refuse
 *   16  16   store uuid
 *   32   8   segment id
 *   40   8   segment sum  of the segment's trailer: another content, a stale sidecar
 *   48   8   directory bytes, from offset 80
 *   56   8   directory XXH3-64
 *   64   8   zero
 *   72   8   XXH3-64 of bytes 0..71
 */
#ifndef STORAGE_SIDX_COMMON_H
#define STORAGE_SIDX_COMMON_H

#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "storage/seg_reader.h"
#include "storage/vfs.h"

enum sidx_kind {
	SIDX_TYPE,   /* ".evt" */
	SIDX_ENTITY, /* ".ent" */
	SIDX_WORD,   /* ".tok" */
	SIDX_CUBE,   /* ".cub" */
	SIDX_COUNT,
};

enum {
	SIDX_COMMON_HEAD_BYTES = 80,
	SIDX_COMMON_HEAD_SUM_OFF = 72,
	/* Far above what LIMIT_SEGMENT_BLOCKS full of distinct values take. */
	SIDX_COMMON_FILE_BYTES_MAX = 1 << 30,
};

/* What is written; a reader refuses a larger one, and takes a smaller one for stale. */
unsigned sidx_common_version(enum sidx_kind kind);
/* ".evt", ".ent", ".tok", ".cub": put after the segment's name without its ".seg". Static text. */
const char *sidx_common_suffix(enum sidx_kind kind);

/*
 * Builds the sidecar of a segment and writes it under a new name, fsynced; the caller renames it and
 * fsyncs the directory. On failure nothing is left. Memory: the sidecar, a block, and what
 * sidx_maker.h says.
 */
int sidx_common_write(const struct vfs *vfs, int dir, const char *name, enum sidx_kind kind,
	const struct seg_reader *seg, struct diag *d);

/* The same of bytes that are a whole sidecar; and only these, into an empty buffer. */
int sidx_common_write_bytes(
	const struct vfs *vfs, int dir, const char *name, const struct buf *b, struct diag *d);
int sidx_common_build(
	enum sidx_kind kind, const struct seg_reader *seg, struct buf *out, struct diag *d);

/*
 * Opens and checks the sidecar in full against its segment, every page: for verify and tests.
 * ERR_STALE: of another segment or content; ERR_CORRUPT; -ENOENT.
 */
int sidx_common_check(const struct vfs *vfs, int dir, const char *name, enum sidx_kind kind,
	const struct seg_info *seg, struct diag *d);

/* An open sidecar: the mapping, its directory. For sidx_type, sidx_entity, sidx_word, sidx_cube. */
struct sidx_file {
	const struct vfs *vfs;
	const uint8_t *map;
	uint64_t map_bytes;
	struct span dir;
	uint64_t pages_off; /* what follows the directory */
	char name[DIAG_FILE_BYTES];
};

int sidx_common_open(const struct vfs *vfs, int dir, const char *name, enum sidx_kind kind,
	const struct seg_info *seg, struct sidx_file *out, struct diag *d);
void sidx_common_close(struct sidx_file *f);
/* Puts the header for a directory of dir_bytes that follows in the buffer from off on; call last. */
void sidx_common_seal(
	struct buf *b, enum sidx_kind kind, const struct seg_info *seg, size_t dir_bytes);

#endif
