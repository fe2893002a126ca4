/*
 * seg_letters - the letters of the descriptions of a segment's blocks (col_letters.h): noted when a
 * block is searched in vain, asked before it is opened for another search. A search for what most blocks
 * do not have so opens few of them.
 *
 * Life:    belongs to the open segment and ends with it; nothing of it is on disk.
 * Thread:  free for all threads.
 * Memory:  a kilobyte and 8 bytes for each block noted, LIMIT_LETTERS_BYTES at most of all segments of the
 *          process; it is lent from block_pool. Blocks beyond that are not noted.
 */
#ifndef STORAGE_SEG_LETTERS_H
#define STORAGE_SEG_LETTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/col_letters.h"
#include "storage/seg_reader.h"

/* Whether something was noted of the block. */
bool seg_letters_known(const struct seg_reader *r, uint32_t block);
/* False: no description of the block has the needle. */
bool seg_letters_may_have(const struct seg_reader *r, uint32_t block, const struct needle *x);
/* Copies the letters; NULL: they cannot be told, and need not be asked for again. */
void seg_letters_note(
	const struct seg_reader *r, uint32_t block, const struct col_letters *letters);

/* Of the process. */
struct seg_letters_use {
	size_t bytes;
	uint64_t unnoted_count; /* notes that there was no room or no memory for */
};

void seg_letters_use(struct seg_letters_use *out);

#endif
