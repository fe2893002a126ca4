/*
 * sidx_set - the sidecars of an open segment, opened at first use and shared by all who read it.
 *
 * Life:    belongs to the reader and ends with it. A sidecar that could not be opened stays unused
 *          until the segment is opened again.
 * Thread:  free for all threads.
 */
#ifndef STORAGE_SIDX_SET_H
#define STORAGE_SIDX_SET_H

#include "storage/sidx_cube.h"
#include "storage/sidx_entity.h"
#include "storage/sidx_type.h"
#include "storage/sidx_word.h"

struct sidx_set {
	const struct sidx_type *type;     /* NULL: missing, stale or damaged */
	const struct sidx_entity *entity; /* NULL: the same */
	const struct sidx_word *word;     /* NULL: the same */
	int rc[SIDX_CUBE];                /* by kind, why: 0, -ENOENT, ERR_STALE, ERR_CORRUPT ... */
};

/* The cube is apart: opening it reads all of it, and few questions need it. */
struct sidx_set_cube {
	const struct sidx_cube *cube; /* NULL: missing, stale or damaged */
	int rc;                       /* why */
};

/* Never NULL; what could not even be allocated is a set without sidecars. */
const struct sidx_set *sidx_set_get(const struct seg_reader *r);
/* The same for the cube. */
const struct sidx_set_cube *sidx_set_get_cube(const struct seg_reader *r);
/* The sidecar's name for a segment's name that ends in ".seg"; dst has DIAG_FILE_BYTES. */
const char *sidx_set_name(const char *seg_name, enum sidx_kind kind, char *dst);

#endif
