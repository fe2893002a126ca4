#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "storage/store.h"
#include "storage/store_reader_int.h"

struct store_snapshot *store_snapshot_ref(struct store_snapshot *s)
{
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	return s;
}

int store_snapshot_slim(const struct store_snapshot *s, struct store_snapshot **out)
{
	struct store_snapshot *slim =
		calloc(1, sizeof *slim + s->batches_count * sizeof s->batches[0]);

	if (!slim)
		return -ENOMEM;
	atomic_init(&slim->refs, 1);
	slim->reader = s->reader;
	slim->segments = segment_list_ref(s->segments);
	slim->redact = redact_set_ref(s->redact);
	slim->committed = s->committed;
	slim->sealed = s->sealed;
	slim->changes = s->changes;
	slim->damage = s->damage;
	slim->batches_count = s->batches_count;
	tail_ref_files(s->batches, s->batches_count, slim->batches);
	atomic_fetch_add(&slim->reader->snapshots_count, 1);
	*out = slim;
	return 0;
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
