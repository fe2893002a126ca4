/*
 * scrub_state - DATA/scrub: when each segment was last looked at, and where the last run ended.
 *
 * SCRUB STATE                                    little-endian, 72 bytes and the entries
 *   off size
 *    0   8   magic "ASTROSCR"
 *    8   2   version       a reader refuses a larger one than its own, and begins anew
 *   10   2   compat
 *   12   4   incompat      unknown bit set: as a larger version
 *   16  16   store uuid
 *   32   8   segment       number of the one that was cut short, 0: none
 *   40   8   block         of it, that comes next
 *   48   8   entries
 *   56   8   entries XXH3-64
 *   64   8   XXH3-64 of bytes 0..63
 *   72  16   each entry: number of a segment, rising; ns since 1970 at which it was looked at
 * Crash:   written as scrub.new, synced, renamed: it is the old one or the new one.
 * Why:     nothing depends on it; whoever loses it looks at all segments once more.
 *
 * Thread: one at a time. Memory: 16 bytes an entry, at most LIMIT_SEGMENTS of them.
 */
#ifndef STORAGE_SCRUB_STATE_H
#define STORAGE_SCRUB_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/vfs.h"

enum { SCRUB_STATE_HEAD_BYTES = 72, SCRUB_STATE_ENTRY_BYTES = 16 };

#define SCRUB_STATE_NAME "scrub"

struct scrub_state_entry {
	uint64_t no;
	int64_t checked_ns;
};

struct scrub_state {
	uint64_t cut_no;
	uint64_t cut_block;
	struct scrub_state_entry *entries; /* by rising no */
	size_t count;
};

/* -ENOENT: there is none; ERR_CORRUPT, ERR_TOO_NEW: it does not hold; *out is empty then. */
int scrub_state_load(const struct vfs *vfs, int dir, const uint8_t *uuid, struct scrub_state *out,
	struct diag *d);
int scrub_state_save(const struct vfs *vfs, int dir, const uint8_t *uuid,
	const struct scrub_state *s, struct diag *d);
void scrub_state_fini(struct scrub_state *s);

/* When the segment was looked at; 0: never. */
int64_t scrub_state_checked(const struct scrub_state *s, uint64_t no);

/* The bytes of a file, for tests and tools. uuid NULL: of any store. */
int scrub_state_get(const uint8_t *p, size_t n, const uint8_t *uuid, struct scrub_state *out);

#endif
