/*
 * col_huff - Huffman codes of bounded length over up to 65,536 symbols: their lengths from counts,
 * the lengths as bytes, the codes, and the table that decodes them.
 *
 * Codes are canonical: the lengths say all. They are written highest bit first, so that the codes
 * in rising order are the symbols by length, then by number, and a table of the next bits is filled
 * from its start to its end.
 *
 * LENGTHS ON DISK: bits, highest first: 20 times 3 bits, the lengths of a code of its own; then
 * in that code, for each symbol in order: 0..16 its length (0: unused); 17 and 3 bits: 3 to 10
 * unused ones; 18 and 7 bits: 11 to 138 unused ones; 19 and 2 bits: the length before it 3 to 6
 * times more. The last byte is filled with zeroes.
 *
 * Thread:  none of its own.
 * Memory:  of the caller.
 * Errors:  reading: ERR_CORRUPT. A table is only made of a complete code, so that any bits lead to
 *          a symbol.
 */
#ifndef STORAGE_COL_HUFF_H
#define STORAGE_COL_HUFF_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

enum {
	COL_HUFF_BITS_MAX = 16,
	COL_HUFF_SYMBOLS_MAX = 65536,
};

/* Working memory for symbols up to a number. */
struct col_huff_room {
	uint16_t *order[2];
	uint32_t *weights;
	uint32_t cap;
};

/* 0 or -ENOMEM, which leaves it as empty. */
int col_huff_room_for(struct col_huff_room *r, uint32_t symbols);
void col_huff_room_fini(struct col_huff_room *r);

/* Bits that a code needs at least, and a few more for the sake of the frequent ones. */
unsigned col_huff_bits_for(uint32_t used);
/*
 * The lengths of the code that is best for counts, none longer than bits_max; 0: never occurs. At
 * least two symbols get one, so symbols is at least 2. The room is for as many.
 */
void col_huff_lengths(struct col_huff_room *r, const uint32_t *counts, uint32_t symbols,
	unsigned bits_max, uint8_t *lengths);
/* Code of each symbol; lengths as above. */
void col_huff_codes(const uint8_t *lengths, uint32_t symbols, uint16_t *codes);

void col_huff_lengths_put(const uint8_t *lengths, uint32_t symbols, struct buf *out);
/* The bytes must hold them and nothing else. out_bits: of the longest. */
int col_huff_lengths_get(struct span bytes, uint32_t symbols, uint8_t *lengths, unsigned *out_bits);
/* The used symbols in the order of their codes; out_used: how many. */
int col_huff_order(const uint8_t *lengths, uint32_t symbols, uint16_t *order, uint32_t *out_used);

#endif
