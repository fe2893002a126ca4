/*
 * manifest_state - what a manifest says, in memory: the live segments by rising number, and counters;
 * and the reading of a file pair into it.
 *
 * Both copies of a pair hold the same bytes at the same offsets, the second one perhaps a record less.
 * A record is taken from the first copy in which it holds.
 *
 * Thread: one at a time. Memory: the segments.
 */
#ifndef STORAGE_MANIFEST_STATE_H
#define STORAGE_MANIFEST_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/manifest.h"
#include "storage/manifest_record.h"
#include "storage/vfs.h"

enum { MANIFEST_STATE_NAME_BYTES = 48, MANIFEST_STATE_COPIES = 2 };

struct manifest_state {
	struct manifest_segment *segs;
	size_t segs_count;
	size_t segs_cap;
	uint64_t number;
	uint64_t bytes; /* end of the last valid record */
	uint64_t sum;   /* its head_sum */
	uint64_t changes;
	uint64_t sealed_id;
	uint64_t next_no;
};

/* "manifest-<number>", for copy 1 with ".b"; returns dst. */
const char *manifest_state_name(uint64_t number, int copy, char dst[MANIFEST_STATE_NAME_BYTES]);
/* The number in such a name, 0 for any other. */
uint64_t manifest_state_number(const char *name);

void manifest_state_fini(struct manifest_state *st);
/* A copy with room for `more` segments. -ENOMEM. */
int manifest_state_copy(const struct manifest_state *from, size_t more, struct manifest_state *out);
/* The place of the segment with that number, SIZE_MAX: none. */
size_t manifest_state_find(const struct manifest_state *st, uint64_t no);
/* ERR_CORRUPT: the record does not continue the state, which is unchanged. */
int manifest_state_apply(struct manifest_state *st, const struct manifest_rec *rec);

/* Where the files are, and what reading them met. */
struct manifest_files {
	const struct vfs *vfs;
	int dir;
	const uint8_t *uuid;
	bool unsound;       /* the copies differ, or end in anything but a record */
	struct diag damage; /* the first; code 0: none */
};

/* Reads the pair `number` whole into *out, which is empty. -ENOENT: neither copy is there. */
int manifest_state_load(
	struct manifest_files *f, uint64_t number, struct manifest_state *out, struct diag *d);
/* Reads what was appended to the pair since. */
int manifest_state_follow(struct manifest_files *f, struct manifest_state *st, struct diag *d);

#endif
