/*
 * block_pool - block_readers kept warm between queries: what a reader has opened and decoded of a block
 * is at hand for whoever asks that block next. It holds no answers, only what pages say.
 *
 * A reader is taken by one thread at a time; a second thread that wants the same block gets another
 * one. Readers given back stay entered until the budget is spent and others are asked for more often, or
 * until their segment is closed: seg_reader_close drops them. One that is out at that time is freed when
 * it is given back; it must be asked nothing more.
 *
 * Life:    one for the process; nothing to begin or end.
 * Thread:  free for all; one lock, for bookkeeping alone.
 * Memory:  idle readers hold at most the budget, LIMIT_BLOCK_POOL_BYTES until block_pool_set says
 *          otherwise, less what is lent and what those that are out held when they were last given
 *          back; each one out as much as a block_reader may.
 * Errors:  take: NULL when out of memory.
 */
#ifndef STORAGE_BLOCK_POOL_H
#define STORAGE_BLOCK_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "storage/block_reader.h"

/* A reader that has entered the block, the warm one if there is one. */
struct block_reader *block_pool_take(const struct seg_reader *seg, uint32_t block);
/* As block_reader_equal_count, if such a one is there; else UINT32_MAX. */
uint32_t block_pool_count(
	const struct seg_reader *seg, uint32_t block, int col, const struct textset *set);
/* Clears the pointer; NULL is nothing. */
void block_pool_give(struct block_reader **b);
/* The segment of this serial closes. */
void block_pool_drop(uint64_t seg_serial);

/*
 * Others of the process hold so much for a while, an aggregation its groups, the server its answers, a reader
 * of the journal decoded rows: idle readers make room for it, down to a quarter of the budget.
 */
void block_pool_lend(size_t bytes);
/* So much of it is not needed any more. */
void block_pool_return(size_t bytes);
/*
 * Much was taken that is not lent. When the process is above its mark (storage/footprint.h), idle readers give
 * up what it is above it, down to nothing, and have it again bit by bit later. Taking a reader that is not
 * warm and lending look, too.
 */
void block_pool_look(void);

/* Another budget; what is over it goes now. Returns the one before. */
size_t block_pool_set(size_t budget_bytes);

struct block_pool_use {
	size_t bytes; /* of idle readers */
	size_t idle_count;
	size_t taken_count;
	size_t taken_bytes; /* when they were last given back */
	size_t lent;
	uint64_t hits, misses; /* of all takes so far */
};

void block_pool_use(struct block_pool_use *out);

#endif
