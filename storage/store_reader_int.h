/* store_reader_int - what a reader and its snapshots are made of; for store_reader and snapshot. */
#ifndef STORAGE_STORE_READER_INT_H
#define STORAGE_STORE_READER_INT_H

#include <stdatomic.h>

#include "storage/ctl.h"
#include "storage/manifest.h"
#include "storage/redact.h"
#include "storage/segment_list.h"
#include "storage/snapshot_int.h"
#include "storage/store_format.h"
#include "storage/tail.h"

struct store_reader {
	const struct vfs *vfs;
	int dir;
	int format_fd;
	struct store_format format;
	struct ctl *_Atomic ctl; /* NULL until there is one; then it stays */
	struct manifest *manifest;
	bool past_redact;
	struct redact_set *redact; /* as of that manifest */
	struct tail tail;
	struct segment_list_cache segments;
	struct store_snapshot *last;
	bool last_live;
	uint64_t last_starts;
	_Atomic uint64_t snapshots_count; /* not freed yet */
};

struct store_snapshot {
	_Atomic uint32_t refs;
	struct store_reader *reader;
	struct segment_list *segments;
	struct redact_set *redact;
	uint64_t committed;
	uint64_t sealed;
	uint64_t changes;
	struct snapshot_damage damage;
	size_t batches_count;
	struct snapshot_batch batches[];
};

#endif
