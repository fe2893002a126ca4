/*
 * page - what stands between a column's encoded bytes and the file: compression where it pays.
 *
 * Thread:  none of its own.
 * Memory:  the caller's buffers.
 */
#ifndef STORAGE_PAGE_H
#define STORAGE_PAGE_H

#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/span.h"

/* Compressed is kept only if it is smaller than raw by more than one part in twenty. */
static inline int page_pays(size_t raw, size_t compressed)
{
	return compressed < raw - raw / 20;
}

/*
 * Appends raw to out as one LZ4 block if that pays, and returns its bytes; 0: it does not pay and
 * nothing was appended. level 0: LZ4, else LZ4HC. The buffer's sticky error is the error.
 */
size_t page_lz4(struct span raw, int level, struct buf *out);
/* Exactly raw_bytes come out of the block, into dst. ERR_CORRUPT otherwise. */
int page_unlz4(struct span block, uint8_t *dst, size_t raw_bytes);

/* Appends the page, wrapped if that pays; returns the codec (SEG_LAYOUT_CODEC_...). */
uint8_t page_wrap(struct span raw, int level, struct buf *out);
/* What a wrapped page says it holds; 0: nothing, or an unknown codec. */
size_t page_raw_bytes(struct span page, uint8_t codec);
/* Unwraps a page of that many raw bytes. ERR_CORRUPT. */
int page_unwrap_to(struct span page, uint8_t *dst, size_t raw_bytes);
/*
 * The raw page: itself, or decompressed into scratch (reset first). ERR_CORRUPT: an unknown codec,
 * or it claims more than scratch->max.
 */
int page_unwrap(struct span page, uint8_t codec, struct buf *scratch, struct span *out);

#endif
