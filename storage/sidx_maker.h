/*
 * sidx_maker - makes the sidecars of a segment: from its rows as they pass by while it is written,
 * or by reading it again. Both give the same bytes.
 *
 * Life:    new, row... as the segment is written, write for each kind once it is complete; reset for
 *          the next segment; free. Or sidx_maker_build alone.
 * Thread:  one at a time.
 * Memory:  grows with the rows, about 8 bytes for each new entity, user and word of a block; a
 *          segment with more than LIMIT_SIDX_POSTINGS of one kind is read again in as many passes
 *          as keep to that bound: then at most 24 MiB, 40 while sorting, and a block.
 * Errors:  -ENOMEM; those of reading the segment.
 */
#ifndef STORAGE_SIDX_MAKER_H
#define STORAGE_SIDX_MAKER_H

#include "proto/wire/event.h"
#include "storage/sidx_common.h"

struct sidx_maker;

int sidx_maker_new(struct sidx_maker **out);
void sidx_maker_free(struct sidx_maker **m);
void sidx_maker_reset(struct sidx_maker *m);

/*
 * A row of that block of the segment, in the order they are written; nothing of it is kept, and what
 * fails is told by write. Behind seg_writer_append the block is seg_writer_blocks.
 */
void sidx_maker_row(struct sidx_maker *m, uint32_t block, const struct event *ev);

/*
 * Writes one sidecar under a new name, fsynced; on failure nothing is left. The rows given must be
 * those of the segment: a maker that has seen another number of them reads the segment itself.
 */
int sidx_maker_write(struct sidx_maker *m, const struct vfs *vfs, int dir, const char *name,
	enum sidx_kind kind, const struct seg_reader *seg, struct diag *d);

/* The bytes of .ent or .tok, of rows seen or read, into an empty buffer. For sidx_common and tests. */
int sidx_maker_put(struct sidx_maker *m, enum sidx_kind kind, const struct seg_reader *seg,
	struct buf *out, struct diag *d);
int sidx_maker_build(
	enum sidx_kind kind, const struct seg_reader *seg, struct buf *out, struct diag *d);

#endif
