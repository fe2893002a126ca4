/*
 * socket_kit - plain sockets as the other side of what a test looks at, on the test's own thread: while
 * one of them waits, the loop turns.
 *
 * Errors: a minute without what is waited for, and the test fails.
 */
#ifndef TESTS_SUPPORT_SOCKET_KIT_H
#define TESTS_SUPPORT_SOCKET_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "proto/net/addr.h"

/* For a wait of the test's own: when it has lasted too long, and one turn of the loop before that. */
int64_t socket_kit_end_ns(void);
void socket_kit_step(uv_loop_t *loop, int64_t end_ns);

/* On a free port of 127.0.0.1; accepting does not block. */
int socket_kit_listen(int backlog, struct addr *out);
int socket_kit_accept(uv_loop_t *loop, int listener);
/* The other side's kernel takes it, its loop need not turn. */
int socket_kit_connect(const struct addr *to);

/* So little that it fits the kernel; and any amount, until the other side has ended the connection. */
void socket_kit_say(int fd, const char *text);
void socket_kit_send(uv_loop_t *loop, int fd, const void *bytes, size_t n);
/* Text until it has `want` (NULL: for ever): true; or until the other side has ended the connection. */
bool socket_kit_hear(uv_loop_t *loop, int fd, char *dst, size_t cap, const char *want);
/* The other side's kernel has all that was said; and with `ended` also that it was the last. */
void socket_kit_until_there(int fd, bool ended);

#endif
