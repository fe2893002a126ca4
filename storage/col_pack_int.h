/*
 * col_pack_int - reading packed bits eight values at a time, for col_pack*.c and their tests.
 */
#ifndef STORAGE_COL_PACK_INT_H
#define STORAGE_COL_PACK_INT_H

#include <stdbool.h>

#include "storage/col_pack.h"

/* Values that take `width` whole bytes. */
enum { COL_PACK_GROUP = 8 };

/*
 * The first groups of packed, `groups` of them at most; how many: as many as end so far before packed
 * does that they can be read in whole vectors. width: 1 .. COL_PACK_LOAD_BITS.
 */
typedef size_t col_pack_groups_cb(
	struct span packed, size_t groups, unsigned width, uint64_t add, uint64_t *out);

/* NULL: the processor lacks it. */
col_pack_groups_cb *col_pack_x86(void);
/* For tests: from now on without vectors, or with them if the processor has them; in all threads. */
void col_pack_plain(bool plain);

#endif
