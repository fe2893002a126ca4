/*
 * forward_keys - the secrets of the Forward door: the shared key, and the users of a file.
 *
 * The file has a line for each user: a name, blanks, and the password up to the line's end. Empty lines
 * and lines that begin with # are nothing.
 *
 * Life:    load once, before rights are given up; fini.
 * Memory:  the file, at most LIMIT_USERS_BYTES.
 * Errors:  the diag names file and line, and never a secret.
 */
#ifndef COLLECTOR_FORWARD_KEYS_H
#define COLLECTOR_FORWARD_KEYS_H

#include "proto/base/buf.h"
#include "proto/base/diag.h"
#include "proto/svc/conf.h"
#include "proto/wire/handshake.h"

struct forward_keys {
	struct handshake_keys server; /* no key: nobody is greeted */
	char host[HANDSHAKE_HOST_BYTES];
	struct buf file;
	struct handshake_user users[LIMIT_USERS];
};

/* host: of this machine. conf lives as long. */
int forward_keys_load(
	struct forward_keys *k, const struct conf *conf, const char *host, struct diag *d);
void forward_keys_fini(struct forward_keys *k);

#endif
