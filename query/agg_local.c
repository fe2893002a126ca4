/*
 * The rows of a unit are told apart by one dimension after the other. The first one's codes are groups as
 * they are; each further one makes a new number of every pair of a group and a code that occurs, by a
 * table of all pairs where these are few, by hashing else. From a group the codes are found back by its
 * chain of pairs.
 */
#include "query/agg_int.h"

#include <errno.h>
#include <stdlib.h>

#include "proto/base/check.h"
#include "query/agg_spare.h"

enum {
	/* Pairs looked up in a table of all of them. */
	TABLE_MAX = 1 << 18,
	/* More slots than rows in a block, twice: half of them stay free. */
	HASH_SLOTS = 4 * LIMIT_BLOCK_ROWS,
};

void agg_local_init(struct agg_local *l)
{
	*l = (struct agg_local){ .rows = 0 };
}

void agg_local_drop(void *p, size_t bytes, size_t cap)
{
	agg_spare_give(p, bytes * cap);
}

void agg_local_fini(struct agg_local *l)
{
	agg_local_drop(l->group, sizeof l->group[0], l->group_cap);
	agg_local_drop(l->map, sizeof l->map[0], l->map_cap);
	agg_local_drop(l->pairs, sizeof l->pairs[0], l->pairs_cap);
	for (int i = 0; i < 1 + AGG_BY_MAX; i++) {
		agg_local_drop(l->parent[i], sizeof l->parent[i][0], l->dim_cap[i]);
		agg_local_drop(l->code[i], sizeof l->code[i][0], l->dim_cap[i]);
	}
	agg_local_init(l);
}

int agg_local_need(void *array, size_t bytes, size_t *cap, size_t n)
{
	void *p;

	if (n <= *cap)
		return 0;
	memcpy(&p, array, sizeof p);
	p = agg_spare_grow(p, *cap * bytes, n * bytes);
	if (!p)
		return -ENOMEM;
	memcpy(array, &p, sizeof p);
	*cap = n;
	return 0;
}

int agg_local_begin(struct agg_local *l, uint32_t rows)
{
	if (agg_local_need(&l->group, sizeof l->group[0], &l->group_cap, rows) < 0)
		return -ENOMEM;
	l->rows = rows;
	l->count = 1;
	l->dims = 0;
	return 0;
}

/* Room for a pair of each row. */
static int need_dim(struct agg_local *l)
{
	size_t cap = l->dim_cap[l->dims];

	if (agg_local_need(&l->parent[l->dims], sizeof(uint32_t), &cap, l->rows) < 0)
		return -ENOMEM;
	return agg_local_need(&l->code[l->dims], sizeof(uint32_t), &l->dim_cap[l->dims], l->rows);
}

static uint32_t new_pair(struct agg_local *l, uint32_t count, uint32_t group, uint32_t code)
{
	l->parent[l->dims][count] = group;
	l->code[l->dims][count] = code;
	return count;
}

static int by_table(struct agg_local *l, const uint32_t *codes, uint32_t codes_count)
{
	size_t n = (size_t)l->count * codes_count;
	uint32_t count = 0;

	if (agg_local_need(&l->map, sizeof l->map[0], &l->map_cap, n) < 0)
		return -ENOMEM;
	memset(l->map, 0, n * sizeof l->map[0]);
	for (uint32_t i = 0; i < l->rows; i++) {
		uint32_t *at = &l->map[(size_t)l->group[i] * codes_count + codes[i]];

		if (*at == 0)
			*at = new_pair(l, count++, l->group[i], codes[i]) + 1;
		l->group[i] = *at - 1;
	}
	l->count = count;
	return 0;
}

static int clear_hash(struct agg_local *l)
{
	if (agg_local_need(&l->map, sizeof l->map[0], &l->map_cap, HASH_SLOTS) < 0 ||
		agg_local_need(&l->pairs, sizeof l->pairs[0], &l->pairs_cap, HASH_SLOTS) < 0)
		return -ENOMEM;
	memset(l->map, 0, HASH_SLOTS * sizeof l->map[0]);
	return 0;
}

/* The key's slot: `map` has its number + 1 there, or 0, and the key is entered now. */
static uint32_t *hash_slot(struct agg_local *l, uint64_t key)
{
	uint32_t at = (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40) % HASH_SLOTS;

	while (l->map[at] && l->pairs[at] != key)
		at = (at + 1) % HASH_SLOTS;
	l->pairs[at] = key;
	return &l->map[at];
}

static int by_hash(struct agg_local *l, const uint32_t *codes)
{
	uint32_t count = 0;

	if (clear_hash(l) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->rows; i++) {
		uint32_t *at = hash_slot(l, (uint64_t)l->group[i] << 32 | codes[i]);

		if (*at == 0)
			*at = new_pair(l, count++, l->group[i], codes[i]) + 1;
		l->group[i] = *at - 1;
	}
	l->count = count;
	return 0;
}

int agg_local_add(struct agg_local *l, const uint32_t *codes, uint32_t codes_count)
{
	int rc;

	ASSERT(l->dims < 1 + AGG_BY_MAX);
	ASSERT(l->rows <= LIMIT_BLOCK_ROWS);
	if (l->dims == 0) {
		memcpy(l->group, codes, l->rows * sizeof l->group[0]);
		l->count = codes_count;
		l->dims = 1;
		return 0;
	}
	if (need_dim(l) < 0)
		return -ENOMEM;
	if ((uint64_t)l->count * codes_count <= TABLE_MAX)
		rc = by_table(l, codes, codes_count);
	else
		rc = by_hash(l, codes);
	l->dims += rc == 0;
	return rc;
}

uint32_t agg_local_code(const struct agg_local *l, uint32_t group, uint32_t dim)
{
	ASSERT_SLOW(dim < l->dims);
	for (uint32_t k = l->dims - 1; k > dim; k--)
		group = l->parent[k][group];
	return dim == 0 ? group : l->code[dim][group];
}

/* ---------------------------------------------------------------- numbers */

/* Values that lie so close together that the distance from the least is a code. */
static bool by_distance(
	const int64_t *v, uint32_t count, uint32_t *codes, int64_t *values, uint32_t *out_count)
{
	int64_t least = v[0], most = v[0];

	for (uint32_t i = 1; i < count; i++) {
		least = v[i] < least ? v[i] : least;
		most = v[i] > most ? v[i] : most;
	}
	if ((uint64_t)most - (uint64_t)least >= count)
		return false;
	for (uint32_t i = 0; i < count; i++)
		codes[i] = (uint32_t)((uint64_t)v[i] - (uint64_t)least);
	*out_count = (uint32_t)((uint64_t)most - (uint64_t)least) + 1;
	for (uint32_t k = 0; k < *out_count; k++)
		values[k] = least + k;
	return true;
}

int agg_local_number(struct agg_local *l, const int64_t *v, uint32_t count, uint32_t *codes,
	int64_t *values, uint32_t *out_count)
{
	uint32_t n = 0;

	ASSERT(count > 0);
	ASSERT(count <= LIMIT_BLOCK_ROWS);
	if (by_distance(v, count, codes, values, out_count))
		return 0;
	if (clear_hash(l) < 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t *at = hash_slot(l, (uint64_t)v[i]);

		if (*at == 0) {
			values[n++] = v[i];
			*at = n;
		}
		codes[i] = *at - 1;
	}
	*out_count = n;
	return 0;
}
