/*
 * vfs_file - small files as a whole, and folders made durable.
 *
 * Thread: any.
 * Errors: those of the calls; no diag, for the caller knows what the file is.
 */
#ifndef STORAGE_VFS_FILE_H
#define STORAGE_VFS_FILE_H

#include "proto/base/buf.h"
#include "storage/vfs.h"

/* Makes the file, or empties it; writes the bytes and syncs it. Its name is durable with its folder. */
int vfs_file_write(const struct vfs *v, int dir, const char *name, struct span bytes);
/* Puts the whole file into the buffer, which was empty. ERR_CORRUPT: it is larger than the buffer may be. */
int vfs_file_read(const struct vfs *v, int dir, const char *name, struct buf *out);
/* The names in a folder are durable. */
int vfs_file_sync_dir(const struct vfs *v, int dir, const char *name);

#endif
