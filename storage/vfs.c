/*
 * The table that calls the kernel, and the descriptors set aside for it.
 *
 * The reserve is a handful of duplicates of one descriptor of /dev/null. An open that the kernel
 * refuses with EMFILE closes one of them and tries again; as another thread may take the freed place
 * in between, it goes on as long as the reserve lasts. A close fills the reserve up again from the
 * place it just freed. The reserve is the process's, for so are descriptors: one mutex guards it.
 */
#include "storage/vfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"

enum { ZERO_BYTES = 1 << 20 };

static struct {
	pthread_mutex_t lock;
	int fds[LIMIT_VFS_RESERVE];
	unsigned have;
	unsigned want;
	uint64_t used;
} reserve = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* With the lock held. */
static void fill(void)
{
	while (reserve.have < reserve.want) {
		int fd = reserve.have ? fcntl(reserve.fds[0], F_DUPFD_CLOEXEC, 0)
				      : open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			break;
		reserve.fds[reserve.have++] = fd;
	}
}

static void refill(void)
{
	pthread_mutex_lock(&reserve.lock);
	fill();
	pthread_mutex_unlock(&reserve.lock);
}

int vfs_reserve(unsigned count)
{
	int rc;

	ASSERT(count <= LIMIT_VFS_RESERVE);
	pthread_mutex_lock(&reserve.lock);
	while (reserve.have > count)
		close(reserve.fds[--reserve.have]);
	reserve.want = count;
	fill();
	rc = reserve.have == count ? 0 : -EMFILE;
	pthread_mutex_unlock(&reserve.lock);
	return rc;
}

unsigned vfs_reserved(void)
{
	unsigned n;

	pthread_mutex_lock(&reserve.lock);
	n = reserve.have;
	pthread_mutex_unlock(&reserve.lock);
	return n;
}

uint64_t vfs_reserve_used(void)
{
	uint64_t n;

	pthread_mutex_lock(&reserve.lock);
	n = reserve.used;
	pthread_mutex_unlock(&reserve.lock);
	return n;
}

/* After an open failed: true when one more place was made and it may try again. */
static bool give_way(int err)
{
	bool gave = false;

	if (err != EMFILE && err != ENFILE)
		return false;
	pthread_mutex_lock(&reserve.lock);
	if (reserve.have > 0) {
		close(reserve.fds[--reserve.have]);
		reserve.used++;
		gave = true;
	}
	pthread_mutex_unlock(&reserve.lock);
	return gave;
}

static int open_at(int dir, const char *name, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dir, name, flags | O_CLOEXEC, mode);
	while (fd < 0 && (errno == EINTR || give_way(errno)));
	return fd < 0 ? -errno : fd;
}

static int real_open_dir(void *ctx, const char *path)
{
	(void)ctx;
	return open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
}

static int real_open(void *ctx, int dir, const char *name, int flags, mode_t mode)
{
	(void)ctx;
	return open_at(dir, name, flags | O_NOFOLLOW, mode);
}

static int real_close(void *ctx, int fd)
{
	int rc = close(fd);

	(void)ctx;
	if (rc < 0)
		rc = -errno;
	refill();
	return rc == -EINTR ? 0 : rc;
}

static ssize_t real_pread(void *ctx, int fd, void *p, size_t n, uint64_t off)
{
	size_t done = 0;

	(void)ctx;
	while (done < n) {
		ssize_t got = pread(fd, (char *)p + done, n - done, (off_t)(off + done));

		if (got == 0)
			break;
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		done += (size_t)got;
	}
	return (ssize_t)done;
}

static int real_pwrite_all(void *ctx, int fd, const void *p, size_t n, uint64_t off)
{
	size_t done = 0;

	(void)ctx;
	while (done < n) {
		ssize_t put = pwrite(fd, (const char *)p + done, n - done, (off_t)(off + done));

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		if (put == 0)
			return -EIO;
		done += (size_t)put;
	}
	return 0;
}

static int real_fdatasync(void *ctx, int fd)
{
	(void)ctx;
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int real_fsync(void *ctx, int fd)
{
	(void)ctx;
	return fsync(fd) < 0 ? -errno : 0;
}

static int real_allocate(void *ctx, int fd, uint64_t bytes)
{
	static const uint8_t zero[ZERO_BYTES];
	int rc;

	/* First all at once, so that the blocks are near each other and a full disk is met here. */
	do
		rc = fallocate(fd, 0, 0, (off_t)bytes);
	while (rc < 0 && errno == EINTR);
	if (rc < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
		return -errno;
	for (uint64_t off = 0; off < bytes; off += ZERO_BYTES) {
		uint64_t n = bytes - off < ZERO_BYTES ? bytes - off : ZERO_BYTES;

		rc = real_pwrite_all(ctx, fd, zero, n, off);
		if (rc < 0)
			return rc;
	}
	return real_fsync(ctx, fd);
}

static int real_rename(void *ctx, int dir, const char *from, const char *to)
{
	(void)ctx;
	return renameat(dir, from, dir, to) < 0 ? -errno : 0;
}

static int real_link(void *ctx, int dir, const char *from, int to_dir, const char *to)
{
	(void)ctx;
	return linkat(dir, from, to_dir, to, 0) < 0 ? -errno : 0;
}

static int real_unlink(void *ctx, int dir, const char *name)
{
	(void)ctx;
	return unlinkat(dir, name, 0) < 0 ? -errno : 0;
}

static int real_mkdir(void *ctx, int dir, const char *name, mode_t mode)
{
	(void)ctx;
	return mkdirat(dir, name, mode) < 0 ? -errno : 0;
}

static int real_rmdir(void *ctx, int dir, const char *name)
{
	(void)ctx;
	return unlinkat(dir, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static void put_stat(const struct stat *st, struct vfs_stat *out)
{
	out->bytes = (uint64_t)st->st_size;
	out->allocated_bytes = (uint64_t)st->st_blocks * 512;
	out->mtime_ns = st->st_mtim.tv_sec * CLOCK_NS_PER_SEC + st->st_mtim.tv_nsec;
	out->is_dir = S_ISDIR(st->st_mode);
}

static int real_stat(void *ctx, int dir, const char *name, struct vfs_stat *out)
{
	struct stat st;

	(void)ctx;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	put_stat(&st, out);
	return 0;
}

static int real_fstat(void *ctx, int fd, struct vfs_stat *out)
{
	struct stat st;

	(void)ctx;
	if (fstat(fd, &st) < 0)
		return -errno;
	put_stat(&st, out);
	return 0;
}

static int real_list(void *ctx, int dir, const char *name, vfs_list_cb cb, void *arg)
{
	int fd = real_open(ctx, dir, name, O_RDONLY | O_DIRECTORY, 0);
	struct dirent *e;
	DIR *stream;
	int rc = 0;

	if (fd < 0)
		return fd;
	stream = fdopendir(fd);
	if (!stream) {
		rc = -errno;
		real_close(ctx, fd);
		return rc;
	}
	while (rc == 0) {
		errno = 0;
		e = readdir(stream);
		if (!e) {
			rc = -errno;
			break;
		}
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = cb(arg, e->d_name);
	}
	closedir(stream);
	refill();
	return rc;
}

static int map(int fd, uint64_t bytes, int prot, int flags, uint8_t **out_p)
{
	void *p;

	*out_p = NULL;
	if (bytes == 0)
		return 0;
	if (bytes > SIZE_MAX)
		return -EOVERFLOW;
	p = mmap(NULL, (size_t)bytes, prot, flags, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	*out_p = p;
	return 0;
}

static int real_map(void *ctx, int fd, uint64_t bytes, const uint8_t **out_p)
{
	uint8_t *p;
	int rc = map(fd, bytes, PROT_READ, MAP_PRIVATE, &p);

	(void)ctx;
	*out_p = p;
	return rc;
}

static int real_map_shared(void *ctx, int fd, uint64_t bytes, bool writable, uint8_t **out_p)
{
	(void)ctx;
	return map(fd, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, out_p);
}

static void real_unmap(void *ctx, const uint8_t *p, uint64_t bytes)
{
	(void)ctx;
	if (p)
		munmap((void *)(uintptr_t)p, (size_t)bytes);
}

/* Locks of the open file description: no close of another descriptor drops them (fcntl(2)). */
static void real_map_idle(void *ctx, const uint8_t *p, uint64_t bytes)
{
	(void)ctx;
	if (p)
		madvise((void *)(uintptr_t)p, (size_t)bytes, MADV_DONTNEED);
}

static int real_lock(void *ctx, int fd, bool exclusive, bool wait)
{
	struct flock l = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
	int rc;

	(void)ctx;
	do
		rc = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l);
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return 0;
	return errno == EAGAIN || errno == EACCES ? ERR_LOCKED : -errno;
}

static int real_unlock(void *ctx, int fd)
{
	struct flock l = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	(void)ctx;
	return fcntl(fd, F_OFD_SETLK, &l) < 0 ? -errno : 0;
}

static int real_locked(void *ctx, int fd)
{
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	(void)ctx;
	if (fcntl(fd, F_OFD_GETLK, &l) < 0)
		return -errno;
	return l.l_type == F_WRLCK;
}

static int real_space(void *ctx, int dir, uint64_t *out_free, uint64_t *out_total)
{
	struct statvfs st;

	(void)ctx;
	if (fstatvfs(dir, &st) < 0)
		return -errno;
	*out_free = (uint64_t)st.f_bavail * st.f_frsize;
	*out_total = (uint64_t)st.f_blocks * st.f_frsize;
	return 0;
}

static const struct vfs real = {
	.open_dir = real_open_dir,
	.open = real_open,
	.close = real_close,
	.pread = real_pread,
	.pwrite_all = real_pwrite_all,
	.fdatasync = real_fdatasync,
	.fsync = real_fsync,
	.allocate = real_allocate,
	.rename = real_rename,
	.link = real_link,
	.unlink = real_unlink,
	.mkdir = real_mkdir,
	.rmdir = real_rmdir,
	.stat = real_stat,
	.fstat = real_fstat,
	.list = real_list,
	.map = real_map,
	.map_shared = real_map_shared,
	.unmap = real_unmap,
	.map_idle = real_map_idle,
	.lock = real_lock,
	.unlock = real_unlock,
	.locked = real_locked,
	.space = real_space,
};

const struct vfs *vfs_real(void)
{
	return &real;
}
