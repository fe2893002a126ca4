/*
 * sidx_set - the sidecars of an open segment, each opened when it is first asked for and shared by all
 * who read the segment.
 *
 * Life:    belongs to the reader and ends with it. A sidecar that could not be opened stays unused
 *          until the segment is opened again.
 * Thread:  free for all threads.
 * Errors:  NULL where there is none to use: missing, stale, damaged, or no memory. sidx_set_rc says why.
 */
#ifndef STORAGE_SIDX_SET_H
#define STORAGE_SIDX_SET_H

#include "storage/sidx_cube.h"
#include "storage/sidx_entity.h"
#include "storage/sidx_type.h"
#include "storage/sidx_word.h"

const struct sidx_type *sidx_set_type(const struct seg_reader *r);
const struct sidx_entity *sidx_set_entity(const struct seg_reader *r);
const struct sidx_word *sidx_set_word(const struct seg_reader *r);
/* Opening it reads all of it. */
const struct sidx_cube *sidx_set_cube(const struct seg_reader *r);
/* 0, -ENOENT, ERR_STALE, ERR_CORRUPT ...; opens the sidecar. */
int sidx_set_rc(const struct seg_reader *r, enum sidx_kind kind);

/* Whether it was asked for before, and asking for it opens no file now. */
bool sidx_set_is_open(const struct seg_reader *r, enum sidx_kind kind);

/* The sidecar's name for a segment's name that ends in ".seg"; dst has DIAG_FILE_BYTES. */
const char *sidx_set_name(const char *seg_name, enum sidx_kind kind, char *dst);

#endif
