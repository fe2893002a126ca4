/*
 * store_format - DATA/format: what makes a directory a store, and the lock of its one writer
 * (layout.h).
 *
 * Durable: made whole or not at all, last of all when a store is made.
 * Thread:  one at a time.
 * Errors:  ERR_NOT_A_STORE, ERR_TOO_NEW, ERR_CORRUPT, ERR_LOCKED: nothing was touched.
 */
#ifndef STORAGE_STORE_FORMAT_H
#define STORAGE_STORE_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/diag.h"
#include "storage/layout.h"
#include "storage/vfs.h"

/* Stands in place of `format` in a copy that is not complete (backup.h). */
#define STORE_FORMAT_PARTIAL "format.partial"

struct store_format {
	uint8_t uuid[LAYOUT_UUID_BYTES];
	uint16_t node;
	int64_t created_ns;
};

void store_format_put(const struct store_format *f, uint8_t dst[LAYOUT_FORMAT_BYTES]);
int store_format_get(const uint8_t *p, size_t n, struct store_format *out);

/* For readers and tools. *out_fd, unless NULL, stays open: vfs->locked asks it for a live writer. */
int store_format_read(
	const struct vfs *vfs, int dir, struct store_format *out, int *out_fd, struct diag *d);
/*
 * For the writer: takes the lock, which *out_fd holds; makes folders and file where the directory is
 * empty. *out_created tells.
 */
int store_format_open(const struct vfs *vfs, int dir, uint16_t node, struct store_format *out,
	int *out_fd, bool *out_created, struct diag *d);

#endif
