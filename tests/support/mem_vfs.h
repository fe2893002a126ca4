/*
 * mem_vfs - a table of file operations with one read-only file in it, of whatever name: for fuzz
 * targets, which have bytes and no directory.
 *
 * Life: init; the table and the bytes outlive whatever was opened with it. A mapping is a copy of
 * exactly the file's size, so that a sanitizer sees a read beyond it.
 */
#ifndef TESTS_SUPPORT_MEM_VFS_H
#define TESTS_SUPPORT_MEM_VFS_H

#include "proto/base/span.h"
#include "storage/vfs.h"

struct mem_vfs {
	struct vfs table;
	struct span file;
};

void mem_vfs_init(struct mem_vfs *m, struct span file);

#endif
