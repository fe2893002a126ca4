/*
 * manifest_record - the header of a manifest file and its records, as bytes and as numbers (layout.h).
 *
 * Thread: none of its own. Memory: a decoded record's arrays are the caller's to free.
 * Errors: ERR_TRUNCATED, ERR_CORRUPT, ERR_TOO_NEW; whoever knows the file fills the diag.
 */
#ifndef STORAGE_MANIFEST_RECORD_H
#define STORAGE_MANIFEST_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "storage/layout.h"
#include "storage/manifest.h"

enum {
	/* The longest record: a base of the largest state. */
	MANIFEST_RECORD_BYTES_MAX =
		LAYOUT_CHANGE_HEAD_BYTES +
		(LIMIT_SEGMENTS + LIMIT_CHANGE_SEGMENTS) * LAYOUT_CHANGE_ADD_BYTES,
};

/* One record in memory; adds and drops are on the heap. */
struct manifest_rec {
	uint64_t changes;
	uint64_t sealed_id;
	uint64_t next_no;
	uint64_t prev_sum;
	uint64_t head_sum;
	size_t bytes;
	struct manifest_segment *adds;
	size_t adds_count;
	uint64_t *drops;
	size_t drops_count;
	bool base;
};

void manifest_record_put_head(
	const uint8_t *uuid, uint64_t number, uint8_t dst[LAYOUT_MANIFEST_HEAD_BYTES]);
/* out_uuid: 16 bytes. */
int manifest_record_get_head(const uint8_t *p, size_t n, uint8_t *out_uuid, uint64_t *out_number);

/* Appends the record that will stand at `off` of file `number`; sets rec->head_sum and bytes. */
int manifest_record_put(struct buf *b, struct manifest_rec *rec, uint64_t number, uint64_t off);
/*
 * Reads the record at p, which stands at `off`. ERR_TRUNCATED: it says it is longer than n.
 * -ENOMEM. On success the caller frees it.
 */
int manifest_record_get(
	const uint8_t *p, size_t n, uint64_t number, uint64_t off, struct manifest_rec *out);
void manifest_record_free(struct manifest_rec *rec);

#endif
