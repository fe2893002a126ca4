/*
 * chunk_file - one file of the chunk log: chunk ids in order of arrival, in pages with sums (layout.h).
 *
 * Life:    writing: begin, put..., then commit or abort. Reading: one call each.
 * Durable: the file is there under its name, whole, when commit returned 0; before, nothing is.
 * Thread:  one at a time. Memory: one page, in the writer or on the stack.
 * Errors:  after a failed put or commit only abort may follow.
 */
#ifndef STORAGE_CHUNK_FILE_H
#define STORAGE_CHUNK_FILE_H

#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/layout.h"
#include "storage/store.h"
#include "storage/vfs.h"

enum {
	CHUNK_FILE_NAME_BYTES = 32,
	CHUNK_FILE_PAGE_IDS = LAYOUT_CHUNKS_PAGE_COUNT / LAYOUT_CHUNK_BYTES,
};

struct chunk_file_head {
	uint8_t uuid[LAYOUT_UUID_BYTES];
	uint64_t number;
	uint64_t since;
	uint64_t through_seq;
	int64_t created_ns;
	uint32_t ids_count;
};

/* "chunks-<number>" into dst; returns dst. */
const char *chunk_file_name(uint64_t number, char dst[CHUNK_FILE_NAME_BYTES]);
/* The number in such a name; 0 for any other. */
uint64_t chunk_file_number(const char *name);

void chunk_file_put_head(const struct chunk_file_head *h, uint8_t dst[LAYOUT_CHUNKS_HEAD_BYTES]);
/* ERR_TRUNCATED, ERR_CORRUPT, ERR_TOO_NEW. */
int chunk_file_get_head(const uint8_t *p, size_t n, struct chunk_file_head *out);
/* How many ids the page at `off` of that file has; ERR_CORRUPT. */
int chunk_file_page(const uint8_t page[LAYOUT_CHUNKS_PAGE_BYTES], uint64_t number, uint64_t off);
/* The i-th of them. */
struct store_chunk chunk_file_id(const uint8_t page[LAYOUT_CHUNKS_PAGE_BYTES], uint32_t i);

/* ---- reading ---- */

/* -ENOENT; ERR_TRUNCATED, ERR_CORRUPT: the header does not hold, is of another store or another number. */
int chunk_file_read_head(const struct vfs *vfs, int dir, const uint8_t *uuid, uint64_t number,
	struct chunk_file_head *out, struct diag *d);
/*
 * Calls cb for each id of the pages that hold, oldest first; *out_ids: how many. The other pages are
 * passed over: *out_lost is how many ids they held at most, and the diag of the first goes to *bad.
 */
int chunk_file_read(const struct vfs *vfs, int dir, uint64_t number,
	int (*cb)(void *arg, struct store_chunk c), void *arg, uint64_t *out_ids,
	uint64_t *out_lost, struct diag *bad, struct diag *d);

/* ---- writing ---- */

struct chunk_file_writer {
	const struct vfs *vfs;
	int dir; /* DATA */
	int fd;
	uint64_t number;
	uint64_t off;        /* of the page that is being filled */
	uint32_t ids_count;  /* all of them */
	uint32_t page_count; /* in the page */
	uint8_t page[LAYOUT_CHUNKS_PAGE_BYTES];
};

int chunk_file_begin(struct chunk_file_writer *w, const struct vfs *vfs, int dir, uint64_t number,
	struct diag *d);
/* At most LIMIT_CHUNK_FILE_IDS times. */
int chunk_file_put(struct chunk_file_writer *w, struct store_chunk c, struct diag *d);
/* `h` but for its number and count, which are the writer's. */
int chunk_file_commit(struct chunk_file_writer *w, struct chunk_file_head *h, struct diag *d);
/* Also after commit, and twice: nothing happens then. */
void chunk_file_abort(struct chunk_file_writer *w);

#endif
