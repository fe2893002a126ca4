#include "storage/col_depend.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base/check.h"
#include "proto/base/err.h"
#include "storage/col_pack.h"

/* A value of a key. */
struct entry {
	int64_t value;
	uint32_t key;
	uint32_t rows;  /* that have it */
	uint32_t place; /* in its key's list */
};

struct col_depend_work {
	uint32_t *slots; /* 1 + index of an entry; 0: free. A power of two, twice the rows */
	struct entry *entries;
	uint32_t *rows;  /* each row's entry */
	uint32_t *order; /* entries by key */
	uint32_t *ends;  /* per key: where its list ends in order */
	int64_t *ints;   /* one stream at a time */
	uint32_t rows_cap;
	uint32_t keys_cap;
	uint32_t slots_count;
};

/* ---- writing ---- */

void col_depend_maker_init(struct col_depend_maker *m, int level)
{
	*m = (struct col_depend_maker){ 0 };
	col_stream_maker_init(&m->streams, level);
}

static void drop_arrays(struct col_depend_work *w)
{
	free(w->slots);
	free(w->entries);
	free(w->rows);
	free(w->order);
	free(w->ends);
	free(w->ints);
	*w = (struct col_depend_work){ 0 };
}

void col_depend_maker_fini(struct col_depend_maker *m)
{
	if (m->work)
		drop_arrays(m->work);
	free(m->work);
	m->work = NULL;
	col_stream_maker_fini(&m->streams);
}

static bool take_arrays(struct col_depend_work *w, uint32_t rows, uint32_t keys)
{
	uint32_t slots = 64, most = rows > keys ? rows : keys;

	while (slots < 2 * rows)
		slots *= 2;
	w->slots = malloc(slots * sizeof *w->slots);
	w->entries = malloc(rows * sizeof *w->entries);
	w->rows = malloc(rows * sizeof *w->rows);
	w->order = malloc(rows * sizeof *w->order);
	w->ends = malloc(keys * sizeof *w->ends);
	w->ints = malloc(most * sizeof *w->ints);
	w->rows_cap = rows;
	w->keys_cap = keys;
	w->slots_count = slots;
	return w->slots && w->entries && w->rows && w->order && w->ends && w->ints;
}

static struct col_depend_work *work_for(struct col_depend_maker *m, const struct col_depend_in *in)
{
	struct col_depend_work *w = m->work;

	ASSERT(in->count > 0 && in->count <= COL_STREAM_COUNT_MAX);
	ASSERT(in->keys_count > 0 && in->keys_count <= COL_STREAM_COUNT_MAX);
	if (!w)
		w = m->work = calloc(1, sizeof *w);
	if (!w || (in->count <= w->rows_cap && in->keys_count <= w->keys_cap))
		return w;
	drop_arrays(w);
	if (take_arrays(w, in->count, in->keys_count))
		return w;
	drop_arrays(w);
	return NULL;
}

static uint32_t *find(const struct col_depend_work *w, uint32_t key, int64_t value)
{
	uint64_t h = ((uint64_t)value ^ (uint64_t)key << 40) * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t at = (uint32_t)((h ^ key * UINT64_C(0xff51afd7ed558ccd)) >> 32);

	for (;; at++) {
		uint32_t *slot = &w->slots[at & (w->slots_count - 1)];
		const struct entry *e;

		if (*slot == 0)
			return slot;
		e = &w->entries[*slot - 1];
		if (e->value == value && e->key == key)
			return slot;
	}
}

/* The distinct values of each key, in order of first appearance. Returns how many of all keys. */
static uint32_t collect(struct col_depend_work *w, const struct col_depend_in *in)
{
	uint32_t n = 0;

	memset(w->slots, 0, w->slots_count * sizeof *w->slots);
	for (uint32_t i = 0; i < in->count; i++) {
		uint32_t *slot;

		ASSERT(in->keys[i] < in->keys_count);
		slot = find(w, in->keys[i], in->values[i]);
		if (*slot == 0) {
			w->entries[n] =
				(struct entry){ .value = in->values[i], .key = in->keys[i] };
			*slot = ++n;
		}
		w->entries[*slot - 1].rows++;
		w->rows[i] = *slot - 1;
	}
	return n;
}

/* Entries by key: a list stays in order of first appearance. */
static void order_by_key(struct col_depend_work *w, uint32_t entries, uint32_t keys)
{
	uint32_t sum = 0;

	memset(w->ends, 0, keys * sizeof *w->ends);
	for (uint32_t i = 0; i < entries; i++)
		w->ends[w->entries[i].key]++;
	for (uint32_t k = 0; k < keys; k++) {
		uint32_t n = w->ends[k];

		w->ends[k] = sum;
		sum += n;
	}
	for (uint32_t i = 0; i < entries; i++)
		w->order[w->ends[w->entries[i].key]++] = i;
	ASSERT(sum == entries);
}

struct rank {
	uint32_t rows;
	uint32_t entry;
};

static int by_rows(const void *a, const void *b)
{
	const struct rank *x = a, *y = b;

	if (x->rows != y->rows)
		return x->rows > y->rows ? -1 : 1;
	return (x->entry > y->entry) - (x->entry < y->entry);
}

/* A list by frequency, ties as they appeared; ranks lie where the ints of a stream will. */
static void order_list(struct col_depend_work *w, uint32_t *list, uint32_t n)
{
	struct rank *ranks = (struct rank *)(void *)w->ints;

	static_assert(sizeof(struct rank) == sizeof(int64_t), "ranks in the place of ints");
	for (uint32_t i = 0; i < n && n > 1; i++)
		ranks[i] = (struct rank){ w->entries[list[i]].rows, list[i] };
	if (n > 1)
		qsort(ranks, n, sizeof *ranks, by_rows);
	for (uint32_t i = 0; i < n; i++) {
		if (n > 1)
			list[i] = ranks[i].entry;
		w->entries[list[i]].place = i;
	}
}

enum stream { LENGTHS, VALUES, PLACES, STREAMS };

/* One of the streams in w->ints. Returns how many numbers it has. */
static uint32_t fill(struct col_depend_work *w, const struct col_depend_in *in, uint32_t entries,
	enum stream which)
{
	switch (which) {
	case LENGTHS:
		for (uint32_t k = 0; k < in->keys_count; k++)
			w->ints[k] = w->ends[k] - (k ? w->ends[k - 1] : 0);
		return in->keys_count;
	case VALUES:
		for (uint32_t i = 0; i < entries; i++)
			w->ints[i] = w->entries[w->order[i]].value;
		return entries;
	default:
		for (uint32_t i = 0; i < in->count; i++)
			w->ints[i] = w->entries[w->rows[i]].place;
		return in->count;
	}
}

static uint32_t make_lists(struct col_depend_work *w, const struct col_depend_in *in)
{
	uint32_t entries = collect(w, in), start = 0;

	order_by_key(w, entries, in->keys_count);
	for (uint32_t k = 0; k < in->keys_count; k++) {
		order_list(w, w->order + start, w->ends[k] - start);
		start = w->ends[k];
	}
	return entries;
}

void col_depend_put(struct col_depend_maker *m, const struct col_depend_in *in, struct buf *out)
{
	struct col_depend_work *w = work_for(m, in);
	uint32_t entries;

	if (out->err)
		return;
	if (!w) {
		out->err = -ENOMEM;
		return;
	}
	entries = make_lists(w, in);
	col_pack_varint(out, entries);
	for (int i = 0; i < STREAMS; i++)
		col_stream_put(&m->streams, w->ints, fill(w, in, entries, (enum stream)i), out);
}

size_t col_depend_cost(struct col_depend_maker *m, const struct col_depend_in *in)
{
	struct col_depend_work *w = work_for(m, in);
	size_t sum = CURSOR_VARINT_BYTES_MAX / 2;
	uint32_t entries;

	if (!w)
		return SIZE_MAX;
	entries = make_lists(w, in);
	for (int i = 0; i < STREAMS; i++) {
		size_t n =
			col_stream_cost(&m->streams, w->ints, fill(w, in, entries, (enum stream)i));

		if (n == SIZE_MAX)
			return SIZE_MAX;
		sum += n;
	}
	return sum;
}

/* ---- reading ---- */

int col_depend_open(struct rcur *c, uint32_t count, uint32_t keys_count, struct arena *mem,
	struct col_depend *out)
{
	uint64_t entries = rcur_varint(c);

	ASSERT(count > 0);
	*out = (struct col_depend){ .count = count, .mem = mem };
	if (!c->err && (entries == 0 || entries > count || keys_count == 0))
		c->err = ERR_CORRUPT;
	if (!c->err)
		(void)col_stream_open(c, keys_count, mem, &out->lengths);
	if (!c->err)
		(void)col_stream_open(c, (uint32_t)entries, mem, &out->values);
	if (!c->err)
		(void)col_stream_open(c, count, mem, &out->places);
	return c->err;
}

enum {
	PART = 256,
	/* Fewer rows than one in so many of the values are looked up one by one. */
	LOOK_UP_RATIO = 64,
};

static int add_lengths(struct col_depend *d, uint32_t *starts)
{
	uint32_t keys = d->lengths.count;
	int64_t part[PART];
	uint64_t sum = 0;

	for (uint32_t k = 0; k < keys; k++) {
		if (k % PART == 0) {
			uint32_t n = keys - k < PART ? keys - k : PART;
			int rc = col_stream_get(&d->lengths, k, n, part);

			if (rc < 0)
				return rc;
		}
		starts[k] = (uint32_t)sum;
		if ((uint64_t)part[k % PART] > d->values.count - sum)
			return ERR_CORRUPT;
		sum += (uint64_t)part[k % PART];
	}
	starts[keys] = (uint32_t)sum;
	return sum == d->values.count ? 0 : ERR_CORRUPT;
}

static int load_starts(struct col_depend *d)
{
	uint32_t *starts;
	int rc;

	if (d->starts)
		return 0;
	starts = arena_alloc(d->mem, (d->lengths.count + (size_t)1) * sizeof *starts);
	if (!starts)
		return -ENOMEM;
	rc = add_lengths(d, starts);
	if (rc == 0)
		d->starts = starts;
	return rc;
}

/* Every value, once so many were asked for, in however many calls, that it pays to have them at hand. */
static int load_values(struct col_depend *d, uint32_t wanted)
{
	uint32_t n = d->values.count;
	int64_t *all;
	int rc;

	d->asked += wanted;
	if (d->all || d->asked < n / LOOK_UP_RATIO)
		return 0;
	all = arena_alloc(d->mem, n * sizeof *all);
	if (!all)
		return -ENOMEM;
	rc = col_stream_get(&d->values, 0, n, all);
	if (rc == 0)
		d->all = all;
	return rc;
}

/* Places in out become values. */
static int look_up(struct col_depend *d, uint32_t count, const uint32_t *keys, int64_t *out)
{
	int rc = load_starts(d);

	if (rc == 0)
		rc = load_values(d, count);
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		uint32_t start, n;

		if (keys[i] >= d->lengths.count)
			return ERR_CORRUPT;
		start = d->starts[keys[i]];
		n = d->starts[keys[i] + 1] - start;
		if ((uint64_t)out[i] >= n)
			return ERR_CORRUPT;
		if (d->all)
			out[i] = d->all[start + (uint32_t)out[i]];
		else
			rc = col_stream_get(&d->values, start + (uint32_t)out[i], 1, &out[i]);
	}
	return rc;
}

int col_depend_get(
	struct col_depend *d, uint32_t first, uint32_t count, const uint32_t *keys, int64_t *out)
{
	int rc = col_stream_get(&d->places, first, count, out);

	return rc < 0 ? rc : look_up(d, count, keys, out);
}

int col_depend_pick(struct col_depend *d, const uint32_t *rows, uint32_t count,
	const uint32_t *keys, int64_t *out)
{
	int rc = col_stream_pick(&d->places, rows, count, out);

	return rc < 0 ? rc : look_up(d, count, keys, out);
}
