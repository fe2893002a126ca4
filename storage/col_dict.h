/*
 * col_dict - the dictionary of one text column of one segment: distinct values in order of arrival,
 * code = 1 + index, 0 for an absent value.
 *
 * DICTIONARY PAGE: a page of bytes (col_bytes.h) whose rows are the entries, none of them absent. So
 * one value costs the decompression of one chunk.
 *
 * col_dict_maker builds one while a segment is written; what a block added can be taken back when
 * the block turns out not to suit. col_dict is the same thing decoded.
 *
 * Thread:  one at a time; a decoded dictionary is read by many.
 * Memory:  maker: bytes up to LIMIT_DICT_BYTES, 12 bytes an entry; decoded: the bytes, 4 an entry.
 * Errors:  ERR_CORRUPT from load or need: the dictionary is no use.
 */
#ifndef STORAGE_COL_DICT_H
#define STORAGE_COL_DICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"
#include "storage/col_bytes.h"

struct col_dict_slot {
	uint32_t hash;
	uint32_t code; /* 0: free */
};

struct col_dict_maker {
	struct buf bytes;
	uint32_t *offs; /* entries_count + 1 of them */
	uint32_t entries_count;
	uint32_t entries_cap;
	struct col_dict_slot *slots;
	uint32_t slots_count; /* power of two, or 0 */
};

void col_dict_maker_init(struct col_dict_maker *m);
void col_dict_maker_fini(struct col_dict_maker *m);

/* The code of the value, added if new. 1: the dictionary is full; -ENOMEM. */
int col_dict_maker_code(struct col_dict_maker *m, struct span value, uint16_t *out_code);
/* Forgets the entries from index `entries_count` on: the newest first were added last. */
void col_dict_maker_undo(struct col_dict_maker *m, uint32_t entries_count);
static inline size_t col_dict_maker_bytes(const struct col_dict_maker *m)
{
	return m->bytes.len;
}
/* The dictionary page, of at least one entry. */
void col_dict_maker_encode(const struct col_dict_maker *m, int compress_level, struct buf *out);

struct col_dict {
	uint32_t count;
	uint32_t offs_cap;
	uint32_t *offs; /* count + 1 */
	uint8_t *bytes; /* as many as offs[count]; valid where the chunk is ready */
	size_t bytes_cap;
	struct col_bytes chunks;
	struct col_bytes_chunk *room; /* of the chunks */
	uint32_t room_cap;
	bool ready[COL_BYTES_CHUNKS_MAX];
};

void col_dict_init(struct col_dict *d);
void col_dict_fini(struct col_dict *d);
/* Opens a dictionary of `count` entries; the page must outlive its use. ERR_CORRUPT, -ENOMEM. */
int col_dict_load(struct col_dict *d, struct span page, uint32_t count);
/* Bytes of the heap that it holds. */
size_t col_dict_held(const struct col_dict *d);
/* Decompresses what holds the value of code 1 .. count, or of all codes: before col_dict_at. */
int col_dict_need(struct col_dict *d, unsigned code);
int col_dict_need_all(struct col_dict *d);

/* True: the values of all codes are there, and nothing is needed any more. */
static inline bool col_dict_is_whole(const struct col_dict *d)
{
	return d->chunks.chunks_count == 1 && d->ready[0];
}

/* code 1 .. count */
static inline struct span col_dict_at(const struct col_dict *d, unsigned code)
{
	return span_of(d->bytes + d->offs[code - 1], d->offs[code] - d->offs[code - 1]);
}

#endif
