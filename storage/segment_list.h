/*
 * segment_list - the live segments of one manifest version, shared by the snapshots made of it, with
 * readers that are opened when first asked for and closed when long unused.
 *
 * Life:    a cache lives as long as its store_reader; a list as long as anybody refers to it.
 * Thread:  free for all; one mutex, held for bookkeeping and never over I/O.
 * Memory:  200 bytes a segment; a seg_reader for each open one, of which at most LIMIT_SEGMENTS_OPEN
 *          are kept while nobody uses them.
 */
#ifndef STORAGE_SEGMENT_LIST_H
#define STORAGE_SEGMENT_LIST_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/manifest.h"
#include "storage/seg_reader.h"

struct segment_list_entry;

struct segment_list_cache {
	const struct vfs *vfs;
	int dir;
	pthread_mutex_t lock;
	struct segment_list_entry *idle_first; /* open and unused, longest first */
	struct segment_list_entry *idle_last;
	size_t idle_count;
};

struct segment_list;

void segment_list_cache_init(struct segment_list_cache *c, const struct vfs *vfs, int dir);
/* After the last list is gone. */
void segment_list_cache_fini(struct segment_list_cache *c);

/* One reference to a new list; what it has in common with `old` (may be NULL) stays open. -ENOMEM. */
int segment_list_new(struct segment_list_cache *c, const struct manifest_segment *segs,
	size_t count, const struct segment_list *old, struct segment_list **out);
struct segment_list *segment_list_ref(struct segment_list *l);
void segment_list_unref(struct segment_list **l);

size_t segment_list_count(const struct segment_list *l);
const struct manifest_segment *segment_list_at(const struct segment_list *l, size_t i);

/* As snapshot_segment_get and _put. */
int segment_list_get(
	struct segment_list *l, size_t i, const struct seg_reader **out, struct diag *d);
void segment_list_put(struct segment_list *l, size_t i);
/* As segment_list_get, but NULL where the reader is not open. */
const struct seg_reader *segment_list_get_open(struct segment_list *l, size_t i);
/* Segments that this process has closed because others were used later, and only so many are kept. */
uint64_t segment_list_closed(void);

#endif
