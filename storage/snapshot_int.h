/*
 * snapshot_int - what a snapshot holds: the live segments and the journal batches not sealed yet.
 * For scan, sealer, verify and the tools of this folder; other folders see storage/store.h.
 *
 * Life:    a snapshot lives from store_reader_snapshot to its last store_snapshot_free.
 * Thread:  all calls here are free for all threads on one snapshot.
 * Memory:  batches cost SNAPSHOT_BATCH_BYTES_MAX at most when decoded, into the caller's buffer;
 *          rows that the reader keeps decoded (tail_cache_bytes) are shared, and lost to slim ones.
 * Errors:  concern the one segment or batch asked for.
 */
#ifndef STORAGE_SNAPSHOT_INT_H
#define STORAGE_SNAPSHOT_INT_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"
#include "storage/manifest.h"
#include "storage/store.h"

struct redact_set;
struct seg_reader;
struct tail_file;
struct tail_rows;

enum {
	/* Small journal records are joined up to this many bytes of rows, or that many rows. */
	SNAPSHOT_RUN_BYTES = 128 << 10,
	SNAPSHOT_RUN_ROWS = 4096,
	/* No batch of a snapshot has more bytes of rows. */
	SNAPSHOT_BATCH_BYTES_MAX = LIMIT_BATCH_BYTES + LIMIT_EVENT_BYTES,
};

/*
 * Unsealed rows with consecutive ids: one journal record, or several small ones joined. Sealing may
 * have taken the first of them.
 */
struct snapshot_batch {
	uint64_t id_min;
	uint64_t id_max;
	int64_t time_min_ns; /* bounds; may be wider than the rows */
	int64_t time_max_ns;
	uint32_t rows_count; /* id_max - id_min + 1 */
	uint32_t rows_bytes; /* of these rows, or a little more */
	/* For snapshot_batch_rows. */
	uint32_t skip_rows; /* sealed rows that stand before these */
	uint32_t all_bytes; /* with them */
	uint64_t off;       /* of the first record */
	struct tail_file *file;
	struct tail_rows *rows; /* NULL: not kept in memory */
};

/* Journal bytes that could not be read: their events are missing from the snapshot. */
struct snapshot_damage {
	uint64_t lost_ids;
	struct diag first; /* code 0: none */
};

/* The store the snapshot is of; valid as long as it. uuid: 16 bytes. */
const struct vfs *snapshot_vfs(const struct store_snapshot *s);
int snapshot_dir(const struct store_snapshot *s);
const uint8_t *snapshot_uuid(const struct store_snapshot *s);

uint64_t snapshot_committed(const struct store_snapshot *s);
uint64_t snapshot_sealed(const struct store_snapshot *s);
/* Version of the manifest the snapshot was made of. */
uint64_t snapshot_changes(const struct store_snapshot *s);
const struct snapshot_damage *snapshot_damage(const struct store_snapshot *s);
/* Rows with these ids are there, perhaps, and not to be shown (storage/redact.h). NULL: none. */
const struct redact_set *snapshot_redact(const struct store_snapshot *s);

/* Live segments by rising `no`. */
size_t snapshot_segment_count(const struct store_snapshot *s);
const struct manifest_segment *snapshot_segment(const struct store_snapshot *s, size_t i);
/*
 * The segment's open reader, shared; opened now if it is not. Each success is paired with a
 * snapshot_segment_put before the snapshot is freed. ERR_STALE: the file was retired before it
 * could be opened: take a new snapshot and start again. -ENOENT: it is live, but not there.
 */
int snapshot_segment_get(
	struct store_snapshot *s, size_t i, const struct seg_reader **out, struct diag *d);
/* The same, but NULL where it is not open. */
const struct seg_reader *snapshot_segment_get_open(struct store_snapshot *s, size_t i);
void snapshot_segment_put(struct store_snapshot *s, size_t i);

/* Unsealed batches by rising id. */
size_t snapshot_batch_count(const struct store_snapshot *s);
const struct snapshot_batch *snapshot_batch(const struct store_snapshot *s, size_t i);
/*
 * The batch's rows, one after another as row_put wrote them: exactly rows_count of them. They stand
 * in the reader's cache, or are decoded into `scratch` (reset first; its max must be at least
 * SNAPSHOT_BATCH_BYTES_MAX) and live until its next use.
 */
int snapshot_batch_rows(const struct store_snapshot *s, size_t i, struct buf *scratch,
	struct span *out_rows, struct diag *d);

#endif
