/*
 * manifest_walk - reads one manifest file record by record, for tools.
 *
 * Thread: one at a time. Memory: the file and one record.
 */
#ifndef STORAGE_MANIFEST_WALK_H
#define STORAGE_MANIFEST_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/manifest_record.h"
#include "storage/vfs.h"

/* What the file's header says. */
struct manifest_walk_head {
	uint8_t uuid[LAYOUT_UUID_BYTES];
	uint64_t number;
	uint64_t file_bytes;
};

/* One record that holds, at `off`; it lives until the callback returns. Non-zero ends the walk. */
typedef int (*manifest_walk_cb)(void *arg, const struct manifest_rec *rec, uint64_t off);

/*
 * 0: every byte of the file belongs to a record that holds and continues the one before. ERR_CORRUPT,
 * ERR_TRUNCATED: the diag says from where on not; the records before were told. *out_head is set
 * when the header holds.
 */
int manifest_walk(const struct vfs *vfs, int dir, const char *name,
	struct manifest_walk_head *out_head, manifest_walk_cb cb, void *arg, struct diag *d);

#endif
