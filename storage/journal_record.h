/*
 * journal_record - the header of a journal file and of a record, as bytes and as numbers (layout.h).
 *
 * Thread: none of its own. Memory: none.
 * Errors: ERR_TRUNCATED, ERR_CORRUPT, ERR_TOO_NEW; whoever knows the file fills the diag.
 */
#ifndef STORAGE_JOURNAL_RECORD_H
#define STORAGE_JOURNAL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storage/layout.h"
#include "storage/store.h"

struct journal_head {
	uint8_t uuid[LAYOUT_UUID_BYTES];
	uint64_t seq;
	uint64_t salt;
	uint64_t first_id;
	uint64_t prev_seq;
	uint64_t prev_off;
	uint64_t prev_sum;
	uint64_t file_bytes;
	int64_t created_ns;
};

struct journal_record {
	uint64_t off; /* in its file */
	uint64_t first_id;
	uint64_t synced_off;
	uint64_t prev_sum;
	uint64_t payload_sum;
	uint64_t head_sum;
	int64_t time_min_ns;
	int64_t time_max_ns;
	uint32_t stored_bytes;
	uint32_t raw_bytes;
	uint32_t rows_count;
	uint32_t chunks_count;
	uint8_t kind;
	uint8_t codec;
	bool more;
};

void journal_record_put_head(const struct journal_head *h, uint8_t dst[LAYOUT_JOURNAL_HEAD_BYTES]);
/* The file's first LAYOUT_JOURNAL_RECORDS bytes, of which either copy will do. */
int journal_record_get_head(const uint8_t *p, size_t n, struct journal_head *out);
/* Of a header that was got: true when it took the second copy. */
bool journal_record_head_damaged(const uint8_t *p);

/* Computes head_sum, stores it in r too. */
void journal_record_put(
	struct journal_record *r, uint64_t salt, uint8_t dst[LAYOUT_RECORD_HEAD_BYTES]);
/*
 * ERR_CORRUPT unless magic, sum and every limit hold for a record at `off`; the payload is another
 * matter (journal_record_payload_sum).
 */
int journal_record_get(const uint8_t src[LAYOUT_RECORD_HEAD_BYTES], uint64_t salt, uint64_t off,
	struct journal_record *out);

uint64_t journal_record_payload_sum(uint64_t salt, uint64_t off, const void *p, size_t n);

static inline size_t journal_record_payload_bytes(const struct journal_record *r)
{
	return (size_t)r->chunks_count * LAYOUT_CHUNK_BYTES + r->stored_bytes;
}

/* The first byte behind the record; the next one begins there, rounded up to 8 or to a page. */
static inline uint64_t journal_record_end(const struct journal_record *r)
{
	return r->off + LAYOUT_RECORD_HEAD_BYTES + journal_record_payload_bytes(r);
}

static inline uint64_t journal_record_align(uint64_t off, uint64_t to)
{
	return (off + to - 1) / to * to;
}

/* The id behind the record's last row; for a carry record the id of the next row. */
static inline uint64_t journal_record_next_id(const struct journal_record *r)
{
	return r->first_id + r->rows_count;
}

#endif
