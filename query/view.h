/*
 * view - the store as the query daemon sees it: opened read-only as soon as it is there, and then one
 * snapshot after another.
 *
 * The directory may appear later, be empty, have no collector, or be replaced by a restored one: a
 * snapshot that fails says so and the next one tries again.
 *
 * Life:    new, use, free.
 * Thread:  any; one lock, never held while waiting for a commit.
 * Memory:  of one store_reader.
 * Errors:  those of store_reader, with a diag.
 */
#ifndef QUERY_VIEW_H
#define QUERY_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/store.h"

struct view;

/* The directory's name must outlive it. NULL: out of memory. */
struct view *view_new(const char *dir);
void view_free(struct view **v);

/* The newest snapshot; to be given to store_snapshot_free. */
int view_snapshot(struct view *v, struct store_snapshot **out, struct diag *d);

/* The one before again, if nothing has changed since; it neither reads nor waits. 1: ask view_snapshot. */
int view_same(struct view *v, struct store_snapshot **out);

/* 1: more than `committed` is committed; 0: not within timeout_ms; negative: the store is not open. */
int view_wait(struct view *v, uint64_t committed, int timeout_ms);

/* How the last snapshot went: 0, or its code with *out_why filled. */
int view_state(struct view *v, struct diag *out_why);
/* The newest committed id that a snapshot of the present store has shown. */
uint64_t view_committed(const struct view *v);

#endif
