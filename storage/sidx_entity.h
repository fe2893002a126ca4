/*
 * sidx_entity - the .ent sidecar: which blocks hold an entity or a user.
 *
 * Keys are fingerprints of 40 bits, sorted. That of an entity has 28 bits of its id before 12 bits
 * of its type, so one table answers for (type, id) by one key and for an id alone by a range. That
 * of a user is 40 bits of its id. Two values may share a fingerprint: a lookup may name a block too
 * many, never one too few, and the column decides.
 *
 * Life:    open, lookups, close.
 * Thread:  nothing changes after open.
 * Memory:  the mapping.
 * Errors:  a page is checked when a lookup reads it: ERR_CORRUPT, and the caller does without.
 */
#ifndef STORAGE_SIDX_ENTITY_H
#define STORAGE_SIDX_ENTITY_H

#include "storage/sidx_common.h"

struct sidx_entity;

int sidx_entity_build(const struct seg_reader *seg, struct buf *out, struct diag *d);

int sidx_entity_open(const struct vfs *vfs, int dir, const char *name, const struct seg_info *seg,
	struct sidx_entity **out, struct diag *d);
void sidx_entity_close(struct sidx_entity **x);

/* Sets bit b of blocks[] (one bit a block) for each block that may hold the entity. */
int sidx_entity_find(const struct sidx_entity *x, struct span type, struct span id,
	uint64_t *blocks, struct diag *d);
/* The same for an id of any type. */
int sidx_entity_find_id(
	const struct sidx_entity *x, struct span id, uint64_t *blocks, struct diag *d);
int sidx_entity_find_user(
	const struct sidx_entity *x, struct span user, uint64_t *blocks, struct diag *d);
/* Keys of entities and of users. */
void sidx_entity_counts(const struct sidx_entity *x, uint64_t *out_entities, uint64_t *out_users);
/* Reads every page. */
int sidx_entity_check(const struct sidx_entity *x, struct diag *d);

#endif
