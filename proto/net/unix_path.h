/*
 * unix_path - a socket bound to a path of the file system.
 *
 * A socket file that nobody listens on is removed first; one that is alive is -EADDRINUSE, a file of
 * another kind -EEXIST.
 *
 * Thread:  one at a time: the file mode mask of the process is changed for a moment.
 * Memory:  none.
 * Errors:  a diag that says what to do.
 */
#ifndef PROTO_NET_UNIX_PATH_H
#define PROTO_NET_UNIX_PATH_H

#include "proto/base/diag.h"

/* type: SOCK_STREAM or SOCK_DGRAM. The descriptor, non-blocking and close-on-exec; the path gets `mode`. */
int unix_path_bind(int type, const char *path, unsigned mode, struct diag *d);

#endif
