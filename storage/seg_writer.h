/*
 * seg_writer - writes one segment file: events in id order become blocks of columns, a footer and
 * a trailer.
 *
 * Life:    open, append..., finish, close. Close without finish removes the file.
 * Durable: when finish has returned 0 the file is complete and fsynced under the name it was opened
 *          with (DATA/tmp). The caller then renames it and fsyncs the directory; no reader may see
 *          the name before.
 * Thread:  one at a time.
 * Memory:  the rows of one block (storage/block.h), and what encoding one takes; all of it in the pool
 *          where one is given, which writers of one thread share: the working memory of encoding is
 *          there once however many are open, and a closed writer leaves its rows' memory to the next.
 * Errors:  after a negative return the writer is dead and only close may follow.
 */
#ifndef STORAGE_SEG_WRITER_H
#define STORAGE_SEG_WRITER_H

#include <stdint.h>

#include "proto/base/diag.h"
#include "proto/wire/event.h"
#include "storage/seg_reader.h"
#include "storage/vfs.h"

enum { SEG_WRITER_FULL = 1 };

struct seg_writer;
struct seg_writer_pool;

/* NULL: out of memory. Freed after the last writer that uses it. */
struct seg_writer_pool *seg_writer_pool_new(void);
void seg_writer_pool_free(struct seg_writer_pool **p);

struct seg_writer_conf {
	const struct vfs *vfs;
	int dir;          /* the store's directory */
	const char *name; /* relative to it, e.g. "tmp/17.seg"; must not exist */
	uint8_t store_uuid[16];
	uint64_t segment_id; /* unique in the store: a sidecar with another id is stale */
	int64_t created_ns;
	int compress_level;           /* 0: LZ4; 1..12: LZ4HC of that level, for the compactor */
	uint32_t blocks_max;          /* 0: LIMIT_SEGMENT_BLOCKS */
	struct seg_writer_pool *pool; /* NULL: a pool of its own */
	/*
	 * Rows after which a block is full; 0: LIMIT_BLOCK_ROWS. Half as many take half the memory, and
	 * some two parts in a hundred more bytes.
	 */
	uint32_t block_rows;
};

int seg_writer_open(const struct seg_writer_conf *conf, struct seg_writer **out, struct diag *d);
void seg_writer_close(struct seg_writer **w);

/*
 * Copies the event; its memory is free again on return. Ids must rise: ERR_RANGE otherwise.
 * SEG_WRITER_FULL (1): not taken, blocks_max blocks are full; finish and open the next one.
 */
int seg_writer_append(struct seg_writer *w, const struct event *ev, struct diag *d);

/* Blocks that were complete before the event appended last: one more, and that event begins another. */
uint32_t seg_writer_blocks(const struct seg_writer *w);

/* At least one event must have been appended. *out_info as seg_reader_info would give it. */
int seg_writer_finish(struct seg_writer *w, struct seg_info *out_info, struct diag *d);

#endif
