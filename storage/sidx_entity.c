/*
 * .ENT FILE: header, directory, pages.
 *
 * DIRECTORY
 *   u8       complete     0: too many keys; nothing follows
 *   three tables (sidx_keys.h): ids of entities, pairs of type and id, users
 * IDS, USERS: the hash is the top 33 bits of XXH3-64 of the value; eight low bits. An id's key is marked
 * if rows of it have more than one type; ids are marked only if there are pairs at all.
 * PAIRS: of the marked ids alone. The bucket is that of the id's hash, as for ids; the low bits tell
 * the types apart: the top eight of (hash xor tag << 21) * 0x9e3779b97f4a7c15, where the tag is the
 * top 12 bits of XXH3-64 of the type, 0 for an absent one.
 */
#include "storage/sidx_entity.h"

#include <errno.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "proto/base/check.h"
#include "proto/base/cursor.h"
#include "storage/sidx_keys.h"

enum { IDS, PAIRS, USERS, TABLES, HASH_SHIFT = 64 - SIDX_KEYS_HASH_BITS };

struct sidx_entity {
	struct sidx_file file;
	bool complete;
	struct sidx_keys tables[TABLES];
};

uint64_t sidx_entity_hash(struct span value)
{
	ASSERT(value.p);
	return XXH3_64bits(value.p, value.n);
}

uint32_t sidx_entity_tag(struct span type)
{
	return type.p ? (uint32_t)(XXH3_64bits(type.p, type.n) >> (64 - SIDX_ENTITY_TAG_BITS)) : 0;
}

uint32_t sidx_entity_pair_low(uint64_t hash, uint32_t tag)
{
	uint64_t v = hash ^ (uint64_t)tag << (SIDX_KEYS_HASH_BITS - SIDX_ENTITY_TAG_BITS);

	ASSERT(hash >> SIDX_KEYS_HASH_BITS == 0);
	return (uint32_t)((v * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - SIDX_ENTITY_LOW_BITS));
}

static int read_dir(struct sidx_entity *x, uint32_t blocks_count)
{
	struct rcur c = rcur_of(x->file.dir.p, x->file.dir.n);
	struct span file = span_of(x->file.map, x->file.map_bytes);
	uint64_t off = x->file.pages_off;
	int rc = 0;

	x->complete = rcur_u8(&c) == 1;
	for (int i = 0; i < TABLES && rc == 0 && x->complete; i++) {
		rc = sidx_keys_open(&x->tables[i], &c, file, &off, blocks_count);
		if (rc == 0 && x->tables[i].buckets > 0 &&
			x->tables[i].low_bits != SIDX_ENTITY_LOW_BITS)
			rc = ERR_CORRUPT;
	}
	if (rc == 0 && (c.err || rcur_left(&c) != 0 || off != file.n))
		rc = ERR_CORRUPT;
	return rc;
}

int sidx_entity_open(const struct vfs *vfs, int dir, const char *name, const struct seg_info *seg,
	struct sidx_entity **out, struct diag *d)
{
	struct sidx_entity *x = calloc(1, sizeof *x);
	int rc;

	if (!x)
		return diag_set(d, -ENOMEM, name, -1, "opening a sidecar");
	rc = sidx_common_open(vfs, dir, name, SIDX_ENTITY, seg, &x->file, d);
	if (rc == 0) {
		rc = read_dir(x, seg->blocks_count);
		if (rc < 0)
			diag_set(d, rc, name, SIDX_COMMON_HEAD_BYTES,
				"the directory of an entity index");
	}
	if (rc < 0) {
		sidx_entity_close(&x);
		return rc;
	}
	*out = x;
	return 0;
}

void sidx_entity_close(struct sidx_entity **x)
{
	if (!*x)
		return;
	sidx_common_close(&(*x)->file);
	for (int i = 0; i < TABLES; i++)
		sidx_keys_close(&(*x)->tables[i]);
	free(*x);
	*x = NULL;
}

static int damaged(const struct sidx_entity *x, struct diag *d)
{
	return diag_set(d, ERR_CORRUPT, x->file.name, (int64_t)x->file.pages_off,
		"a page of an entity index");
}

static int find(const struct sidx_entity *x, int table, struct span value, uint64_t *blocks,
	bool *out_mark, struct diag *d)
{
	const struct sidx_keys *k = &x->tables[table];
	int rc;

	*out_mark = false;
	if (!x->complete)
		return SIDX_ENTITY_UNKNOWN;
	if (k->buckets == 0)
		return 0;
	rc = sidx_keys_find(k,
		sidx_keys_at(sidx_entity_hash(value) >> HASH_SHIFT, k->buckets, k->low_bits),
		blocks, out_mark);
	return rc < 0 ? damaged(x, d) : 0;
}

static bool is_read(const struct sidx_entity *x, int table, struct span value)
{
	const struct sidx_keys *k = &x->tables[table];

	return !x->complete || k->buckets == 0 ||
	       sidx_keys_is_read(k, sidx_keys_at(sidx_entity_hash(value) >> HASH_SHIFT, k->buckets,
					    k->low_bits));
}

/* Of an id that occurs with several types. */
static int find_pair(const struct sidx_entity *x, struct span type, struct span id,
	uint64_t *blocks, struct diag *d)
{
	const struct sidx_keys *k = &x->tables[PAIRS];
	uint64_t hash = sidx_entity_hash(id) >> HASH_SHIFT;
	struct sidx_keys_at at = { sidx_keys_at(hash, k->buckets, 0).bucket,
		sidx_entity_pair_low(hash, sidx_entity_tag(type)) };
	bool mark;

	return sidx_keys_find(k, at, blocks, &mark) < 0 ? damaged(x, d) : 0;
}

static int find_typed(const struct sidx_entity *x, struct span type, struct span id, bool read,
	uint64_t *blocks, struct diag *d)
{
	const struct sidx_keys *k = &x->tables[PAIRS];
	uint64_t of_id[LIMIT_SEGMENT_BLOCKS / 64] = { 0 };
	size_t words = (k->blocks_count + 63) / 64;
	bool mark;
	int rc;

	if (read && !is_read(x, IDS, id))
		return SIDX_ENTITY_COLD;
	rc = find(x, IDS, id, of_id, &mark, d);
	if (rc != 0)
		return rc;
	if (mark && k->buckets > 0)
		return read && !is_read(x, PAIRS, id) ? SIDX_ENTITY_COLD
						      : find_pair(x, type, id, blocks, d);
	for (size_t i = 0; i < words; i++)
		blocks[i] |= of_id[i];
	return 0;
}

int sidx_entity_find(const struct sidx_entity *x, struct span type, struct span id,
	uint64_t *blocks, struct diag *d)
{
	return find_typed(x, type, id, false, blocks, d);
}

int sidx_entity_find_read(
	const struct sidx_entity *x, struct span type, struct span id, uint64_t *blocks)
{
	return find_typed(x, type, id, true, blocks, NULL);
}

int sidx_entity_find_id(
	const struct sidx_entity *x, struct span id, uint64_t *blocks, struct diag *d)
{
	bool mark;

	return find(x, IDS, id, blocks, &mark, d);
}

int sidx_entity_find_user(
	const struct sidx_entity *x, struct span user, uint64_t *blocks, struct diag *d)
{
	bool mark;

	return find(x, USERS, user, blocks, &mark, d);
}

bool sidx_entity_is_read_id(const struct sidx_entity *x, struct span id)
{
	return is_read(x, IDS, id);
}

bool sidx_entity_is_read_user(const struct sidx_entity *x, struct span user)
{
	return is_read(x, USERS, user);
}

void sidx_entity_counts(const struct sidx_entity *x, uint64_t *out_entities, uint64_t *out_users)
{
	*out_entities = x->tables[IDS].keys_count;
	*out_users = x->tables[USERS].keys_count;
}

int sidx_entity_check(const struct sidx_entity *x, struct diag *d)
{
	for (int i = 0; i < TABLES; i++) {
		if (sidx_keys_check(&x->tables[i]) < 0)
			return damaged(x, d);
	}
	return 0;
}
