#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/store.h"
#include "storage/store_reader_int.h"

struct store_snapshot *store_snapshot_ref(struct store_snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

void store_snapshot_free(struct store_snapshot **sp)
{
	struct store_snapshot *s = *sp;

	*sp = NULL;
	if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	for (size_t i = 0; i < s->batches_count; i++)
		tail_unref(&s->batches[i]);
	segment_list_unref(&s->segments);
	redact_set_unref(&s->redact);
	atomic_fetch_sub(&s->reader->snapshots_count, 1);
	free(s);
}

uint64_t store_snapshot_committed(const struct store_snapshot *s)
{
	return s->committed;
}
