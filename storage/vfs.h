/*
 * vfs - the few file operations the store uses, as one table: the real one here, a failing one in
 * tests/support, so that every write, sync and rename of the product can be made to fail.
 *
 * Paths are relative to the store's directory descriptor; names come from numbers we made, never
 * from input. Every open adds O_CLOEXEC and O_NOFOLLOW.
 *
 * Descriptors: vfs_reserve sets some aside for the whole process. Where the kernel has no other
 * left, an open takes one of them, and a close makes up for it: a flood of connections cannot take
 * the one that the journal needs.
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
	/*
	 * Makes a file of zeroes whose blocks are reserved and really written, so that a later
	 * fdatasync of data within commits no metadata (measured: 0.10 ms against 0.15 ms in blocks
	 * only reserved). -ENOSPC leaves the file, of whatever length.
	 */
	int (*allocate)(void *ctx, int fd, uint64_t bytes);
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
	/* A mapping shared with other processes; writable needs a descriptor open for writing. */
	int (*map_shared)(void *ctx, int fd, uint64_t bytes, bool writable, uint8_t **out_p);
	void (*unmap)(void *ctx, const uint8_t *p, uint64_t bytes);
	/* The mapping stays, but its pages need not count as ours until they are read again. NULL: no matter. */
	void (*map_idle)(void *ctx, const uint8_t *p, uint64_t bytes);
	/*
	 * Whole-file advisory lock; ERR_LOCKED when another holds it and wait is false. It belongs to
	 * the open file (not to process or thread) and ends with its close or with the process.
	 */
	int (*lock)(void *ctx, int fd, bool exclusive, bool wait);
	int (*unlock)(void *ctx, int fd);
	/* 1: somebody else holds it exclusively, 0: nobody does. Takes no lock, not for a moment. */
	int (*locked)(void *ctx, int fd);
	/* Free and total bytes of the file system. */
	int (*space)(void *ctx, int dir, uint64_t *out_free, uint64_t *out_total);
};

/* The table that calls the kernel. Static. */
const struct vfs *vfs_real(void);

/*
 * Sets `count` descriptors aside, at most LIMIT_VFS_RESERVE, in place of what was set aside before.
 * Any thread. -EMFILE: that many are not there.
 */
int vfs_reserve(unsigned count);
/* How many are set aside at the moment, and how often an open has needed one. */
unsigned vfs_reserved(void);
uint64_t vfs_reserve_used(void);

#endif
