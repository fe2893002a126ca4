/*
 * The distinct values of a list, while they are so few that naming them once and pointing at them
 * is shorter than the list.
 */
#include "storage/col_stream_int.h"

#include <stdlib.h>

#include "proto/base/check.h"

enum {
	/* After so many rows, values of which more than 3 in 4 were new will not recur. */
	SAMPLE = 1024,
	SAMPLE_NEW = SAMPLE / 4 * 3,
};

static int by_value(const void *a, const void *b)
{
	int64_t x = ((const struct col_stream_entry *)a)->value,
		y = ((const struct col_stream_entry *)b)->value;

	return (x > y) - (x < y);
}

void col_stream_distinct_fini(struct col_stream_distinct *d)
{
	free(d->slots);
	free(d->entries);
	*d = (struct col_stream_distinct){ 0 };
}

static bool room_for(struct col_stream_distinct *d, uint32_t most)
{
	uint32_t slots = 64;

	while (slots < 2 * most)
		slots *= 2;
	if (slots > d->slots_count) {
		col_stream_distinct_fini(d);
		d->slots = malloc(slots * sizeof *d->slots);
		d->entries = malloc(slots / 2 * sizeof *d->entries);
		if (!d->slots || !d->entries) {
			col_stream_distinct_fini(d);
			return false;
		}
		d->slots_count = slots;
	}
	memset(d->slots, 0, d->slots_count * sizeof *d->slots);
	return true;
}

/* The slot of a value, or the free one it should take. A slot holds 1 + the index of an entry. */
static uint32_t *find(const struct col_stream_distinct *d, int64_t value)
{
	uint64_t h = (uint64_t)value * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t at = (uint32_t)(h >> 32) & (d->slots_count - 1);

	while (d->slots[at] && d->entries[d->slots[at] - 1].value != value)
		at = (at + 1) & (d->slots_count - 1);
	return &d->slots[at];
}

/* Codes in the order of the values: those then lie close to each other. */
static void sort(
	struct col_stream_distinct *d, uint32_t n, uint32_t count, int64_t *values, int64_t *places)
{
	uint32_t *ranks = d->slots;

	ASSERT(n <= d->slots_count);
	qsort(d->entries, n, sizeof *d->entries, by_value);
	for (uint32_t i = 0; i < n; i++) {
		values[i] = d->entries[i].value;
		ranks[d->entries[i].code] = i;
	}
	for (uint32_t i = 0; i < count; i++)
		places[i] = ranks[places[i]];
}

int col_stream_distinct_find(struct col_stream_distinct *d, const int64_t *v, uint32_t count,
	uint32_t most, int64_t *values, int64_t *places)
{
	uint32_t n = 0;

	if (!room_for(d, most))
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t *slot = find(d, v[i]);

		if (*slot == 0) {
			if (n == most || (i < SAMPLE && n == SAMPLE_NEW))
				return 0;
			d->entries[n] = (struct col_stream_entry){ .value = v[i], .code = n };
			*slot = ++n;
		}
		places[i] = *slot - 1;
	}
	sort(d, n, count, values, places);
	return (int)n;
}
