/*
 * vfs - the few file operations the store uses, as one table: the real one here, a failing one in
 * tests/support, so that every write, sync and rename of the product can be made to fail.
 *
 * Paths are relative to the store's directory descriptor; names come from numbers we made, never
 * from input. Every open adds O_CLOEXEC and O_NOFOLLOW.
 *
 * Thread:  the real table is free for all threads.
 * Errors:  0 or a count when done, else negative errno. EINTR and short writes are handled inside
 *          `pwrite_all`; a read returns fewer bytes than asked only at the end of the file.
 */
#ifndef STORAGE_VFS_H
#define STORAGE_VFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct vfs_stat {
	uint64_t bytes;
	uint64_t allocated_bytes;
	int64_t mtime_ns;
	bool is_dir;
};

/* Called once per entry but "." and ".."; a non-zero return ends the walk and is passed up. */
typedef int (*vfs_list_cb)(void *arg, const char *name);

struct vfs {
	void *ctx; /* passed to every call */

	/* The store's directory; the returned descriptor is the `dir` of the other calls. */
	int (*open_dir)(void *ctx, const char *path);
	int (*open)(void *ctx, int dir, const char *name, int flags, mode_t mode);
	int (*close)(void *ctx, int fd);
	ssize_t (*pread)(void *ctx, int fd, void *p, size_t n, uint64_t off);
	int (*pwrite_all)(void *ctx, int fd, const void *p, size_t n, uint64_t off);
	int (*fdatasync)(void *ctx, int fd);
	int (*fsync)(void *ctx, int fd); /* files and directories */
	int (*allocate)(
		void *ctx, int fd, uint64_t bytes); /* blocks reserved and written as zero */
	int (*rename)(void *ctx, int dir, const char *from, const char *to);
	int (*link)(void *ctx, int dir, const char *from, int to_dir, const char *to);
	int (*unlink)(void *ctx, int dir, const char *name);
	int (*mkdir)(void *ctx, int dir, const char *name, mode_t mode);
	int (*rmdir)(void *ctx, int dir, const char *name);
	int (*stat)(void *ctx, int dir, const char *name, struct vfs_stat *out);
	int (*fstat)(void *ctx, int fd, struct vfs_stat *out);
	int (*list)(void *ctx, int dir, const char *name, vfs_list_cb cb, void *arg);
	/* A read-only private mapping of the whole file; *out_p is NULL for an empty file. */
	int (*map)(void *ctx, int fd, uint64_t bytes, const uint8_t **out_p);
	void (*unmap)(void *ctx, const uint8_t *p, uint64_t bytes);
	/* Whole-file advisory lock; ERR_LOCKED when another holds it and wait is false. */
	int (*lock)(void *ctx, int fd, bool exclusive, bool wait);
	int (*unlock)(void *ctx, int fd);
	/* Free and total bytes of the file system. */
	int (*space)(void *ctx, int dir, uint64_t *out_free, uint64_t *out_total);
};

/* The table that calls the kernel. Static. */
const struct vfs *vfs_real(void);

#endif
