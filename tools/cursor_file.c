#include "tools/cursor_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/base/err.h"

int cursor_file_parse(struct span text, uint64_t *out_id, struct diag *d)
{
	uint64_t id = 0;
	size_t i = 2;
	bool good = text.n > 2 && memcmp(text.p, "i=", 2) == 0;

	for (; good && i < text.n; i++) {
		unsigned digit = text.p[i] - '0';

		good = digit <= 9 && !__builtin_mul_overflow(id, UINT64_C(10), &id) &&
		       !__builtin_add_overflow(id, (uint64_t)digit, &id);
	}
	if (!good)
		return diag_set(d, ERR_SYNTAX, "", -1,
			"'%.*s' is no cursor: it has the form i=ID, as --show-cursor prints it",
			(int)(text.n < 40 ? text.n : 40), (const char *)text.p);
	*out_id = id;
	return 0;
}

void cursor_file_print(uint64_t id, char dst[CURSOR_FILE_TEXT_BYTES])
{
	snprintf(dst, CURSOR_FILE_TEXT_BYTES, "i=%" PRIu64, id);
}

static int read_place(struct cursor_file *c, struct diag *d)
{
	char text[CURSOR_FILE_TEXT_BYTES + 1];
	ssize_t n = pread(c->fd, text, sizeof text - 1, 0);
	struct diag why;

	if (n < 0)
		return diag_set(d, -errno, c->path, -1, "cannot read the cursor");
	while (n && strchr(" \n\r\t", text[n - 1]))
		n--;
	if (n == 0)
		return 0;
	if (cursor_file_parse(span_of(text, (size_t)n), &c->id, &why) < 0)
		return diag_set(d, ERR_SYNTAX, c->path, -1,
			"is no file that --cursor-file wrote; name another, or remove it to begin "
			"with the oldest event");
	c->found = true;
	return 0;
}

/* Whether the name still leads to what was opened: a run before may have given it to a new file. */
static bool is_current(const struct cursor_file *c)
{
	struct stat a, b;

	return fstat(c->fd, &a) == 0 && stat(c->path, &b) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

static int open_locked(struct cursor_file *c, struct diag *d)
{
	for (;;) {
		c->fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (c->fd < 0)
			return diag_set(d, -errno, c->path, -1, "cannot open the cursor file");
		if (flock(c->fd, LOCK_EX | LOCK_NB) < 0)
			return diag_set(d, errno == EWOULDBLOCK ? ERR_LOCKED : -errno, c->path, -1,
				"another run goes on from this file now; wait until it has ended");
		if (is_current(c))
			return 0;
		close(c->fd);
	}
}

int cursor_file_open(const char *path, struct cursor_file *c, struct diag *d)
{
	int rc;

	*c = (struct cursor_file){ .path = path, .fd = -1 };
	rc = open_locked(c, d);
	if (rc == 0)
		rc = read_place(c, d);
	if (rc < 0)
		cursor_file_close(c);
	return rc;
}

/* The new file is locked before it has the name, so that no other run comes between. */
static int write_new(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t n = strlen(text);

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 || fchmod(fd, mode) < 0 ||
		write(fd, text, n) != (ssize_t)n || fdatasync(fd) < 0) {
		int err = errno ? errno : EIO;

		close(fd);
		unlink(path);
		return -err;
	}
	return fd;
}

int cursor_file_write(struct cursor_file *c, uint64_t id, struct diag *d)
{
	char text[CURSOR_FILE_TEXT_BYTES + 1], path[4096];
	struct stat st;
	int fd;

	if (c->found && c->id == id)
		return 0;
	cursor_file_print(id, text);
	strcat(text, "\n");
	if (snprintf(path, sizeof path, "%s.new", c->path) >= (int)sizeof path ||
		fstat(c->fd, &st) < 0)
		return diag_set(d, -ENAMETOOLONG, c->path, -1, "cannot write the cursor");
	fd = write_new(path, text, st.st_mode & 07777);
	if (fd < 0)
		return diag_set(d, fd, path, -1,
			"cannot write the cursor; the next run repeats what this one showed");
	if (rename(path, c->path) < 0) {
		int err = errno;

		close(fd);
		unlink(path);
		return diag_set(d, -err, c->path, -1,
			"cannot write the cursor; the next run repeats what this one showed");
	}
	close(c->fd);
	c->fd = fd;
	c->id = id;
	c->found = true;
	return 0;
}

void cursor_file_close(struct cursor_file *c)
{
	if (c->path && c->fd >= 0)
		close(c->fd);
	*c = (struct cursor_file){ .fd = -1 };
}
