#include "collector/forward_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proto/base/err.h"

static int read_file(const char *path, struct buf *out, struct diag *d)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;
	int rc = 0;

	if (fd < 0)
		return diag_set(d, -errno, path, -1, "cannot be opened");
	/* A byte more than it may have shows that it has too many. */
	buf_init(out, LIMIT_USERS_BYTES + 1);
	rc = buf_reserve(out, LIMIT_USERS_BYTES + 1);
	while (rc == 0 && n != 0 && out->len < out->max) {
		n = read(fd, out->p + out->len, out->max - out->len);
		if (n < 0)
			rc = -errno;
		else
			out->len += (size_t)n;
	}
	close(fd);
	if (rc == 0 && out->len == out->max)
		rc = ERR_LIMIT;
	return rc < 0 ? diag_set(d, rc, path, -1, "cannot be read as a file of users") : 0;
}

static bool is_blank(uint8_t b)
{
	return b == ' ' || b == '\t';
}

/* NAME PASSWORD; false: one of them is missing. */
static bool read_user(struct span line, struct handshake_user *out)
{
	size_t name = 0, at;

	while (name < line.n && !is_blank(line.p[name]))
		name++;
	at = name;
	while (at < line.n && is_blank(line.p[at]))
		at++;
	out->name = span_of(line.p, name);
	out->password = span_of(line.p + at, line.n - at);
	return name > 0 && at < line.n;
}

static int add_line(
	struct forward_keys *k, struct span line, const char *path, unsigned number, struct diag *d)
{
	struct handshake_user *user = &k->users[k->server.users_count];

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (line.n == 0 || line.p[0] == '#')
		return 0;
	if (k->server.users_count == LIMIT_USERS)
		return diag_set(
			d, ERR_LIMIT, path, -1, "line %u: more than %d users", number, LIMIT_USERS);
	if (!read_user(line, user))
		return diag_set(d, ERR_SYNTAX, path, -1,
			"line %u: write a name, a blank and a password", number);
	k->server.users_count++;
	return 0;
}

static int load_users(struct forward_keys *k, const char *path, struct diag *d)
{
	int rc = read_file(path, &k->file, d);
	unsigned number = 0;

	for (size_t at = 0; rc == 0 && at < k->file.len;) {
		const uint8_t *p = k->file.p + at;
		const uint8_t *nl = memchr(p, '\n', k->file.len - at);
		size_t n = nl ? (size_t)(nl - p) : k->file.len - at;

		rc = add_line(k, span_of(p, n), path, ++number, d);
		at += n + 1;
	}
	if (rc == 0 && k->server.users_count == 0)
		rc = diag_set(d, ERR_SYNTAX, path, -1, "names no user");
	return rc;
}

int forward_keys_load(
	struct forward_keys *k, const struct conf *conf, const char *host, struct diag *d)
{
	const char *key = conf_text(conf, CONF_FORWARD_SHARED_KEY);
	const char *path = conf_text(conf, CONF_FORWARD_USERS);

	memset(k, 0, sizeof *k);
	if (!*key && *path)
		return diag_set(d, ERR_SYNTAX, path, -1,
			"users are asked for with a shared key only: set shared_key of [forward]");
	/* Clients refuse a server of their own name, as which one on the same machine would appear. */
	snprintf(k->host, sizeof k->host, "%.255s:forward", host);
	k->server.key = span_str(key);
	k->server.host = span_str(k->host);
	k->server.users = k->users;
	return *path ? load_users(k, path, d) : 0;
}

void forward_keys_fini(struct forward_keys *k)
{
	buf_fini(&k->file);
}
