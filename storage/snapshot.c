#include <errno.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/store_reader_int.h"

const struct vfs *snapshot_vfs(const struct store_snapshot *s)
{
	return s->reader->vfs;
}

int snapshot_dir(const struct store_snapshot *s)
{
	return s->reader->dir;
}

const uint8_t *snapshot_uuid(const struct store_snapshot *s)
{
	return s->reader->format.uuid;
}

uint64_t snapshot_committed(const struct store_snapshot *s)
{
	return s->committed;
}

uint64_t snapshot_sealed(const struct store_snapshot *s)
{
	return s->sealed;
}

uint64_t snapshot_changes(const struct store_snapshot *s)
{
	return s->changes;
}

const struct snapshot_damage *snapshot_damage(const struct store_snapshot *s)
{
	return &s->damage;
}

const struct redact_set *snapshot_redact(const struct store_snapshot *s)
{
	return s->redact;
}

size_t snapshot_segment_count(const struct store_snapshot *s)
{
	return segment_list_count(s->segments);
}

const struct manifest_segment *snapshot_segment(const struct store_snapshot *s, size_t i)
{
	return segment_list_at(s->segments, i);
}

/* A file goes only after the change that drops it was published: without one it is lost. */
static bool retired_any(const struct store_snapshot *s)
{
	const struct ctl *ctl = atomic_load(&s->reader->ctl);
	struct ctl_manifest now;

	return ctl && (ctl_manifest(ctl, &now) < 0 || now.changes > s->changes);
}

int snapshot_segment_get(
	struct store_snapshot *s, size_t i, const struct seg_reader **out, struct diag *d)
{
	int rc = segment_list_get(s->segments, i, out, d);

	return rc == ERR_STALE && !retired_any(s) ? -ENOENT : rc;
}

const struct seg_reader *snapshot_segment_get_open(struct store_snapshot *s, size_t i)
{
	return segment_list_get_open(s->segments, i);
}

void snapshot_segment_put(struct store_snapshot *s, size_t i)
{
	segment_list_put(s->segments, i);
}

size_t snapshot_batch_count(const struct store_snapshot *s)
{
	return s->batches_count;
}

const struct snapshot_batch *snapshot_batch(const struct store_snapshot *s, size_t i)
{
	ASSERT(i < s->batches_count);
	return &s->batches[i];
}

int snapshot_batch_rows(const struct store_snapshot *s, size_t i, struct buf *scratch,
	struct span *out_rows, struct diag *d)
{
	ASSERT(i < s->batches_count);
	return tail_batch_rows(&s->batches[i], scratch, out_rows, d);
}
