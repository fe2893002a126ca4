/*
 * journal_reader - reads the records of one journal file, whole or damaged.
 *
 * Life:    open, then per position: at, find, rows, chunks; close. The reader holds no position: the
 *          caller says where, and decides what a record that is not valid means (journal_walk.h).
 * Thread:  at and rows are free for all threads, each with its own buffers; the rest one at a time.
 * Memory:  one payload at most (about 1.4 MiB), taken as needed.
 * Errors:  ERR_CORRUPT with file and offset; -ENOENT, the file was retired; -EIO as the kernel says.
 */
#ifndef STORAGE_JOURNAL_READER_H
#define STORAGE_JOURNAL_READER_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"
#include "storage/journal_record.h"
#include "storage/vfs.h"

enum {
	JOURNAL_READER_NAME_BYTES = 40,
	/* No payload is longer. */
	JOURNAL_READER_PAYLOAD_BYTES =
		LIMIT_CARRY_CHUNKS * LAYOUT_CHUNK_BYTES + LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES,
};

/* "journal/<seq>.aj" into dst; returns dst. */
const char *journal_reader_name(uint64_t seq, char dst[JOURNAL_READER_NAME_BYTES]);

struct journal_reader;

/* uuid: 16 bytes, or NULL for any store's (tools). ERR_CORRUPT: both copies of the header are damaged. */
int journal_reader_open(const struct vfs *vfs, int dir, uint64_t seq, const uint8_t *uuid,
	struct journal_reader **out, struct diag *d);
void journal_reader_close(struct journal_reader **r);

const struct journal_head *journal_reader_head(const struct journal_reader *r);
/* True when the first copy of the header is damaged, and the second one stands in for it. */
bool journal_reader_head_damaged(const struct journal_reader *r);
/* Length of the file as it was at open. */
uint64_t journal_reader_bytes(const struct journal_reader *r);

/*
 * The record that stands at `off`, or at the next page if none stands there; its header is checked,
 * its payload not. 1: found, 0: no valid header at either place.
 */
int journal_reader_at(
	const struct journal_reader *r, uint64_t off, struct journal_record *out, struct diag *d);
/*
 * The first record at `off` or later, but before `limit`, of which header and payload hold. 1: found,
 * 0: none. Reads the whole range in the worst case.
 */
int journal_reader_find(struct journal_reader *r, uint64_t off, uint64_t limit,
	struct journal_record *out, struct diag *d);
/* 0: the record's payload holds; ERR_CORRUPT, ERR_TRUNCATED: it does not. */
int journal_reader_check(
	struct journal_reader *r, const struct journal_record *rec, struct diag *d);
/*
 * Appends the record's rows, checked and decoded, to dst: exactly rows_count rows in raw_bytes. On
 * failure nothing is appended. `payload` is for the work (max JOURNAL_READER_PAYLOAD_BYTES).
 */
int journal_reader_rows(const struct journal_reader *r, const struct journal_record *rec,
	struct buf *payload, struct buf *dst, struct diag *d);
/* The record's chunk ids, checked, as bytes for journal_reader_chunk; valid until the next call. */
int journal_reader_chunks(struct journal_reader *r, const struct journal_record *rec,
	struct span *out, struct diag *d);
/* The same without a look at the payload's sum, for whom a wrong id does no harm: rows are not read. */
int journal_reader_chunks_fast(struct journal_reader *r, const struct journal_record *rec,
	struct span *out, struct diag *d);
struct store_chunk journal_reader_chunk(struct span chunks, size_t i);

/* *out_last: the end of the last byte from `off` on that is not zero; `off` itself when all are. */
int journal_reader_rest(struct journal_reader *r, uint64_t off, uint64_t *out_last, struct diag *d);

#endif
