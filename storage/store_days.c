#include "storage/store_days.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/snapshot_int.h"

static int by_day(const void *a, const void *b)
{
	const struct store_days_one *x = a, *y = b;

	return (x->day > y->day) - (x->day < y->day);
}

/* Neighbours of one day become one. */
static void join(struct store_days *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->count; i++) {
		struct store_days_one *last = kept ? &d->list[kept - 1] : NULL;

		if (!last || last->day != d->list[i].day) {
			d->list[kept++] = d->list[i];
			continue;
		}
		last->segments += d->list[i].segments;
		last->rows += d->list[i].rows;
		last->bytes += d->list[i].bytes;
	}
	d->count = kept;
}

int store_days_make(const struct store_snapshot *snap, struct store_days *out)
{
	size_t n = snapshot_segment_count(snap);

	*out = (struct store_days){ .count = n };
	if (n == 0)
		return 0;
	out->list = malloc(n * sizeof *out->list);
	if (!out->list) {
		out->count = 0;
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const struct manifest_segment *m = snapshot_segment(snap, i);

		out->list[i] = (struct store_days_one){ m->day, 1, m->rows_count, m->file_bytes };
	}
	qsort(out->list, n, sizeof out->list[0], by_day);
	join(out);
	return 0;
}

void store_days_fini(struct store_days *d)
{
	free(d->list);
	*d = (struct store_days){ .count = 0 };
}
