/*
 * Two tables by hash, both open: one of short texts, whose slots hold the whole text, so that most lookups
 * touch one line of memory; one of all other values, whose slots name the cell.
 */
#include "query/agg_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"

enum {
	CELLS_MIN = 16,
	SLOTS_MIN = 64,
	SHORT_BYTES = 16,
};

/* A text of up to SHORT_BYTES: its first bytes and its last ones, which overlap, and its length. */
struct agg_dict_short {
	uint64_t first, last;
	uint32_t length;
	uint32_t id; /* + 1; 0: free */
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
	free(d->shorts);
	arena_fini(&d->texts);
	*d = (struct agg_dict){ .count = 0 };
}

/* ---------------------------------------------------------------- keys */

static bool is_short(const struct agg_cell *c)
{
	return c->kind == AGG_CELL_TEXT && c->text.n <= SHORT_BYTES;
}

static uint64_t load(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

static struct agg_dict_short short_of(struct span s)
{
	struct agg_dict_short k = { .length = (uint32_t)s.n };

	if (s.n >= 8) {
		k.first = load(s.p, 8);
		k.last = load(s.p + s.n - 8, 8);
	} else if (s.n >= 4) {
		k.first = load(s.p, 4);
		k.last = load(s.p + s.n - 4, 4);
	} else {
		for (size_t i = 0; i < s.n; i++)
			k.first = k.first << 8 | s.p[i];
	}
	return k;
}

static uint64_t hash_short(const struct agg_dict_short *k)
{
	uint64_t h = (k->first ^ k->length) * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ h >> 29 ^ k->last) * UINT64_C(0xd6e8feb86659fd93);
	h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

static bool same_short(const struct agg_dict_short *a, const struct agg_dict_short *b)
{
	return a->first == b->first && a->last == b->last && a->length == b->length;
}

uint64_t agg_dict_hash(const struct agg_dict *d, const struct agg_cell *c)
{
	struct agg_dict_short k;
	uint64_t hash;

	if (!is_short(c)) {
		hash = agg_cell_hash(c);
		if (d->slots_count)
			__builtin_prefetch(&d->slots[(hash >> 32) & (d->slots_count - 1)]);
		return hash;
	}
	k = short_of(c->text);
	hash = hash_short(&k);
	if (d->shorts_slots)
		__builtin_prefetch(&d->shorts[hash & (d->shorts_slots - 1)]);
	return hash;
}

/* ---------------------------------------------------------------- cells */

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

/* The next number is the cell's. */
static int add(struct agg_dict *d, const struct agg_cell *c, size_t *held)
{
	int rc = d->count == d->cap ? grow_cells(d, held) : 0;

	if (rc == 0)
		rc = copy(d, c, held, &d->cells[d->count]);
	d->count += rc == 0;
	return rc;
}

/* ---------------------------------------------------------------- short texts */

static struct agg_dict_short *find_short(struct agg_dict_short *shorts, uint32_t slots,
	const struct agg_dict_short *k, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & (slots - 1);

	while (shorts[at].id && !same_short(&shorts[at], k))
		at = (at + 1) & (slots - 1);
	return &shorts[at];
}

static int grow_shorts(struct agg_dict *d, size_t *held)
{
	uint32_t n = d->shorts_slots ? d->shorts_slots * 2 : SLOTS_MIN;
	struct agg_dict_short *shorts = calloc(n, sizeof shorts[0]);

	if (!shorts)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->shorts_slots; i++) {
		const struct agg_dict_short *k = &d->shorts[i];

		if (k->id)
			*find_short(shorts, n, k, hash_short(k)) = *k;
	}
	*held += (n - d->shorts_slots) * sizeof shorts[0];
	free(d->shorts);
	d->shorts = shorts;
	d->shorts_slots = n;
	return 0;
}

static int short_id(struct agg_dict *d, const struct agg_cell *c, uint64_t hash, size_t max,
	size_t *held, uint32_t *out)
{
	struct agg_dict_short k = short_of(c->text), *slot;
	int rc;

	if (d->shorts_count + d->shorts_count / 2 >= d->shorts_slots && grow_shorts(d, held) < 0)
		return -ENOMEM;
	slot = find_short(d->shorts, d->shorts_slots, &k, hash);
	if (slot->id) {
		*out = slot->id - 1;
		return 0;
	}
	if (*held >= max)
		return AGG_FULL;
	rc = add(d, c, held);
	if (rc < 0)
		return rc;
	k.id = d->count;
	*slot = k;
	*out = d->count - 1;
	d->shorts_count++;
	return 0;
}

/* ---------------------------------------------------------------- all others */

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

static int other_id(struct agg_dict *d, const struct agg_cell *c, uint64_t hash, size_t max,
	size_t *held, uint32_t *out)
{
	uint32_t half = (uint32_t)(hash >> 32), others = d->count - d->shorts_count, at;
	int rc;

	if (others + others / 2 >= d->slots_count && grow_slots(d, held) < 0)
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
	rc = add(d, c, held);
	if (rc < 0)
		return rc;
	d->slots[at] = (uint64_t)half << 32 | d->count;
	*out = d->count - 1;
	return 0;
}

int agg_dict_id(struct agg_dict *d, const struct agg_cell *c, uint64_t hash, size_t max,
	size_t *held, uint32_t *out)
{
	return is_short(c) ? short_id(d, c, hash, max, held, out)
			   : other_id(d, c, hash, max, held, out);
}
