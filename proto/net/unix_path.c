#include "proto/net/unix_path.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* True if somebody reads from the path, so that it must not be taken from under them. */
static bool alive(int type, const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return true;
	rc = connect(fd, (const struct sockaddr *)un, sizeof *un);
	if (rc < 0)
		rc = errno == ECONNREFUSED || errno == ENOENT ? -1 : 0;
	close(fd);
	return rc == 0;
}

static int clear_path(int type, const struct sockaddr_un *un, struct diag *d)
{
	struct stat st;

	if (lstat(un->sun_path, &st) < 0)
		return errno == ENOENT ? 0
				       : diag_set(d, -errno, un->sun_path, -1,
						 "cannot look at the socket path");
	if (!S_ISSOCK(st.st_mode))
		return diag_set(d, -EEXIST, un->sun_path, -1,
			"the socket path is taken by a file that is no socket; remove it or "
			"choose another path");
	if (alive(type, un))
		return diag_set(d, -EADDRINUSE, un->sun_path, -1,
			"another program listens on this socket path; stop it or choose another");
	if (unlink(un->sun_path) < 0)
		return diag_set(d, -errno, un->sun_path, -1, "cannot remove the stale socket");
	return 0;
}

int unix_path_bind(int type, const char *path, unsigned mode, struct diag *d)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	mode_t old;
	int fd, rc;

	if (strlen(path) >= sizeof un.sun_path)
		return diag_set(d, -ENAMETOOLONG, path, -1, "a socket path has at most %zu bytes",
			sizeof un.sun_path - 1);
	strcpy(un.sun_path, path);
	rc = clear_path(type, &un, d);
	if (rc < 0)
		return rc;
	fd = socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return diag_set(d, -errno, path, -1, "cannot make a unix socket");
	/* The mask makes the mode hold from the first moment; chmod would leave a gap. */
	old = umask(0777 & ~mode);
	rc = bind(fd, (const struct sockaddr *)&un, sizeof un);
	umask(old);
	if (rc == 0)
		return fd;
	diag_set(d, -errno, path, -1,
		"cannot make the unix socket; its directory must be there, and writable for this "
		"user");
	close(fd);
	return d->code;
}
