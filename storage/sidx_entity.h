/*
 * sidx_entity - the .ent sidecar: which blocks hold an entity or a user.
 *
 * Three tables of sidx_keys: ids of entities; pairs of type and id, of those ids that occur with more
 * than one type; users. A key has ten bits of its hash, so one that the segment lacks is taken for
 * another once in 256 lookups: a lookup may name a block too many, never one too few, and the column
 * decides.
 *
 * Life:    open, lookups, close.
 * Thread:  free for all threads.
 * Memory:  the mapping, 32 bytes for each 1024 keys.
 * Errors:  a page is checked when a lookup first reads it: ERR_CORRUPT, and the caller does without.
 */
#ifndef STORAGE_SIDX_ENTITY_H
#define STORAGE_SIDX_ENTITY_H

#include "storage/sidx_common.h"

enum {
	SIDX_ENTITY_LOW_BITS = 8,
	SIDX_ENTITY_TAG_BITS = 12,
	/* The segment has too many keys for an index: nothing was set. */
	SIDX_ENTITY_UNKNOWN = 1,
	/* A page would be needed that was not read before: nothing was set. */
	SIDX_ENTITY_COLD = 2,
};

struct sidx_entity;

int sidx_entity_open(const struct vfs *vfs, int dir, const char *name, const struct seg_info *seg,
	struct sidx_entity **out, struct diag *d);
void sidx_entity_close(struct sidx_entity **x);

/* Sets bit b of blocks[] (one bit a block) for each block that may hold the entity. */
int sidx_entity_find(const struct sidx_entity *x, struct span type, struct span id,
	uint64_t *blocks, struct diag *d);
/* The same from pages that were read before alone. */
int sidx_entity_find_read(
	const struct sidx_entity *x, struct span type, struct span id, uint64_t *blocks);
/* The same for an id of any type. */
int sidx_entity_find_id(
	const struct sidx_entity *x, struct span id, uint64_t *blocks, struct diag *d);
int sidx_entity_find_user(
	const struct sidx_entity *x, struct span user, uint64_t *blocks, struct diag *d);
/* Whether the lookup of an id of any type, or of a user, needs no page that was not read before. */
bool sidx_entity_is_read_id(const struct sidx_entity *x, struct span id);
bool sidx_entity_is_read_user(const struct sidx_entity *x, struct span user);
/* Different ids of entities, and users; two of one key count once. */
void sidx_entity_counts(const struct sidx_entity *x, uint64_t *out_entities, uint64_t *out_users);
/* Reads every page. */
int sidx_entity_check(const struct sidx_entity *x, struct diag *d);

/* ---- how keys are made: for sidx_entity_maker too ---- */

uint64_t sidx_entity_hash(struct span value);
/* Of a type, absent too. */
uint32_t sidx_entity_tag(struct span type);
/* What tells the pairs of a bucket apart. hash: the top SIDX_KEYS_HASH_BITS of the id's. */
uint32_t sidx_entity_pair_low(uint64_t hash, uint32_t tag);

#endif
