#include "query/agg_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"

enum {
	CELLS_MIN = 16,
	SLOTS_MIN = 64,
};

void agg_dict_init(struct agg_dict *d)
{
	*d = (struct agg_dict){ .count = 0 };
	/* Twice: what a join adds is counted against the limit only when it is there. */
	arena_init(&d->texts, 2 * (size_t)AGG_BYTES_MAX);
}

void agg_dict_fini(struct agg_dict *d)
{
	free(d->cells);
	free(d->slots);
	arena_fini(&d->texts);
	*d = (struct agg_dict){ .count = 0 };
}

static int grow_slots(struct agg_dict *d, size_t *held)
{
	uint32_t n = d->slots_count ? d->slots_count * 2 : SLOTS_MIN;
	uint64_t *slots = calloc(n, sizeof slots[0]);

	if (!slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->slots_count; i++) {
		uint32_t at = (uint32_t)(d->slots[i] >> 32) & (n - 1);

		if (!d->slots[i])
			continue;
		while (slots[at])
			at = (at + 1) & (n - 1);
		slots[at] = d->slots[i];
	}
	*held += (n - d->slots_count) * sizeof slots[0];
	free(d->slots);
	d->slots = slots;
	d->slots_count = n;
	return 0;
}

static int grow_cells(struct agg_dict *d, size_t *held)
{
	uint32_t cap = d->cap ? d->cap * 2 : CELLS_MIN;
	struct agg_cell *cells = realloc(d->cells, cap * sizeof cells[0]);

	if (!cells)
		return -ENOMEM;
	*held += (cap - d->cap) * sizeof cells[0];
	d->cells = cells;
	d->cap = cap;
	return 0;
}

static int copy(struct agg_dict *d, const struct agg_cell *c, size_t *held, struct agg_cell *out)
{
	size_t before = d->texts.used;

	*out = *c;
	if (c->kind != AGG_CELL_TEXT && c->kind != AGG_CELL_MSGPACK)
		return 0;
	/* A byte more: an empty text has an address too. */
	out->text.p = arena_alloc(&d->texts, c->text.n + 1);
	if (!out->text.p)
		return -ENOMEM;
	if (c->text.n)
		memcpy((uint8_t *)(uintptr_t)out->text.p, c->text.p, c->text.n);
	*held += d->texts.used - before;
	return 0;
}

static int add(struct agg_dict *d, const struct agg_cell *c, uint64_t *slot, uint32_t half,
	size_t *held, uint32_t *out)
{
	int rc = d->count == d->cap ? grow_cells(d, held) : 0;

	if (rc == 0)
		rc = copy(d, c, held, &d->cells[d->count]);
	if (rc < 0)
		return rc;
	*slot = (uint64_t)half << 32 | (d->count + 1);
	*out = d->count++;
	return 0;
}

int agg_dict_id(
	struct agg_dict *d, const struct agg_cell *c, size_t max, size_t *held, uint32_t *out)
{
	uint32_t half = (uint32_t)(agg_cell_hash(c) >> 32), at;

	if (d->count + d->count / 2 >= d->slots_count && grow_slots(d, held) < 0)
		return -ENOMEM;
	at = half & (d->slots_count - 1);
	for (; d->slots[at]; at = (at + 1) & (d->slots_count - 1)) {
		uint32_t id = (uint32_t)d->slots[at] - 1;

		if ((uint32_t)(d->slots[at] >> 32) != half || !agg_cell_same(&d->cells[id], c))
			continue;
		*out = id;
		return 0;
	}
	if (*held >= max)
		return AGG_FULL;
	return add(d, c, &d->slots[at], half, held, out);
}
