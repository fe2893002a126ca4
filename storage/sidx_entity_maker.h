/*
 * sidx_entity_maker - gathers the entities and users of a segment's rows and makes the .ent of them.
 *
 * Life:    init; begin, row..., range_end, and if there are several ranges the
 *          same for each; put; fini.
 * Thread:  one at a time.
 * Memory:  two sidx_postings and the tables.
 */
#ifndef STORAGE_SIDX_ENTITY_MAKER_H
#define STORAGE_SIDX_ENTITY_MAKER_H

#include "proto/wire/event.h"
#include "storage/seg_reader.h"
#include "storage/sidx_postings.h"

enum { SIDX_ENTITY_MAKER_TABLES = 3 };

struct sidx_entity_maker {
	unsigned ranges;
	struct sidx_postings ids;
	struct sidx_postings users;
	struct sidx_keys_put tables[SIDX_ENTITY_MAKER_TABLES]; /* in their order in the file */
	struct buf pairs; /* uint32_t low << 12 | block, of the bucket under way */
	uint32_t pairs_bucket;
	uint32_t blocks[LIMIT_SEGMENT_BLOCKS];
};

void sidx_entity_maker_init(struct sidx_entity_maker *m);
void sidx_entity_maker_fini(struct sidx_entity_maker *m);
void sidx_entity_maker_begin(struct sidx_entity_maker *m, unsigned range, unsigned ranges);
/* A row of that block; blocks come in their order. */
void sidx_entity_maker_row(struct sidx_entity_maker *m, uint32_t block, const struct event *ev);
/* True: the range has too many keys, nothing more is of use before the next begin. */
bool sidx_entity_maker_full(const struct sidx_entity_maker *m);
int sidx_entity_maker_range_end(struct sidx_entity_maker *m, const struct seg_info *seg);
/* The file, header included. */
int sidx_entity_maker_put(struct sidx_entity_maker *m, const struct seg_info *seg, struct buf *out);

#endif
