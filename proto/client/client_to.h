/*
 * client_to - where events go, as people write it: tcp://HOST:PORT, udp://HOST:PORT or unix:PATH. The
 * port may be left out and is 24224 then; an IPv6 address stands in brackets.
 *
 * Thread: none of its own. Memory: the caller's.
 */
#ifndef PROTO_CLIENT_CLIENT_TO_H
#define PROTO_CLIENT_CLIENT_TO_H

enum client_to_door {
	CLIENT_TO_TCP,
	CLIENT_TO_UDP,
	CLIENT_TO_UNIX,
};

enum {
	CLIENT_TO_HOST_BYTES = 256,
	CLIENT_TO_PORT_BYTES = 108, /* or the path of a unix socket */
};

#define CLIENT_TO_DEFAULT "tcp://127.0.0.1:24224"

struct client_to {
	enum client_to_door door;
	char host[CLIENT_TO_HOST_BYTES]; /* "" for a unix socket */
	char port[CLIENT_TO_PORT_BYTES];
};

/* 0, ERR_SYNTAX, or ERR_LIMIT for one that is too long. */
int client_to_read(const char *text, struct client_to *out);

#endif
