/*
 * sidx_cube_maker - makes the .cub sidecar of a segment from its codes, severities and times.
 *
 * Thread:  free.
 * Memory:  a block's columns, 1.5 MiB, and the cells (sidx_cube_cells.h); freed on return.
 * Errors:  -ENOMEM; those of reading the segment. A segment with too many cells gets a cube without
 *          tables.
 */
#ifndef STORAGE_SIDX_CUBE_MAKER_H
#define STORAGE_SIDX_CUBE_MAKER_H

#include "storage/sidx_cube.h"

/* The bytes of the file, into an empty buffer. */
int sidx_cube_maker_build(const struct seg_reader *seg, struct buf *out, struct diag *d);

#endif
