/*
 * addr - socket addresses as text: what a flag or a configuration file names, and what a log line
 * prints.
 *
 * Names are resolved once, when the daemon starts, never for a peer.
 *
 * Thread:  addr_parse may block on the resolver; the others are free for all threads.
 * Memory:  none.
 * Errors:  ERR_SYNTAX, no HOST:PORT; ERR_RANGE, no port; ERR_UNKNOWN, the name has no address.
 */
#ifndef PROTO_NET_ADDR_H
#define PROTO_NET_ADDR_H

#include <stdbool.h>
#include <sys/socket.h>

#include "proto/base/diag.h"

/* Room for "[ipv6%scope]:port" and for the path of a unix socket, with the NUL. */
enum { ADDR_TEXT_BYTES = 128 };

struct addr {
	struct sockaddr_storage sa;
	socklen_t sa_bytes;
};

/* "HOST:PORT", "[V6]:PORT", ":PORT" or "*:PORT" (every address, IPv6 with IPv4). Port 0 is any. */
int addr_parse(const char *text, struct addr *out, struct diag *d);

/* "127.0.0.1:24224", "[::1]:24224", the path of a unix socket, or "unix"; returns dst. */
const char *addr_text(const struct addr *a, char dst[ADDR_TEXT_BYTES]);
/* The same without the port; an IPv4 address that came over IPv6 as plain IPv4. */
const char *addr_host(const struct addr *a, char dst[ADDR_TEXT_BYTES]);

/* What addr_host wrote, with port 0; false when it is no IPv4 or IPv6 address. */
bool addr_from_host(const char *text, struct addr *out);

unsigned addr_port(const struct addr *a);
void addr_set_port(struct addr *a, unsigned port);
bool addr_is_loopback(const struct addr *a);

/* What to do when the address cannot be listened on, by the errno of bind or listen. */
const char *addr_advice(int error);

#endif
