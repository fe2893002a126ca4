#include "proto/net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "proto/base/check.h"
#include "proto/base/err.h"

static const char want_text[] = "an address is HOST:PORT, as 127.0.0.1:24224 or [::1]:24224";

static const struct sockaddr_in *in4(const struct addr *a)
{
	return (const struct sockaddr_in *)(const void *)&a->sa;
}

static const struct sockaddr_in6 *in6(const struct addr *a)
{
	return (const struct sockaddr_in6 *)(const void *)&a->sa;
}

/* Cuts "HOST:PORT" in two, brackets removed; false when it has not that shape. */
static bool split(const char *text, char *host, size_t host_cap, char *port, size_t port_cap)
{
	const char *colon = strrchr(text, ':');
	size_t n;

	if (!colon)
		return false;
	n = (size_t)(colon - text);
	if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	} else if (memchr(text, ':', n)) {
		return false; /* an IPv6 address without brackets: where would its port begin? */
	}
	if (n >= host_cap || strlen(colon + 1) >= port_cap)
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	strcpy(port, colon + 1);
	return true;
}

static bool port_ok(const char *port)
{
	char *end;
	unsigned long v;

	if (port[0] < '0' || port[0] > '9')
		return false;
	v = strtoul(port, &end, 10);
	return *end == '\0' && v <= 65535;
}

int addr_parse(const char *text, struct addr *out, struct diag *d)
{
	struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM };
	char host[ADDR_TEXT_BYTES], port[8];
	struct addrinfo *found = NULL;
	int rc;

	if (!split(text, host, sizeof host, port, sizeof port))
		return diag_set(d, ERR_SYNTAX, text, -1, "%s", want_text);
	if (!port_ok(port))
		return diag_set(d, ERR_RANGE, text, -1, "a port is a number from 0 to 65535");
	if (host[0] == '\0' || strcmp(host, "*") == 0)
		strcpy(host, "::");
	rc = getaddrinfo(host, port, &hints, &found);
	if (rc != 0 || !found)
		return diag_set(d, ERR_UNKNOWN, text, -1, "cannot find the host %s (%s)", host,
			gai_strerror(rc));
	ASSERT(found->ai_addrlen <= sizeof out->sa);
	*out = (struct addr){ .sa_bytes = found->ai_addrlen };
	memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

const char *addr_host(const struct addr *a, char dst[ADDR_TEXT_BYTES])
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)&a->sa;
	const uint8_t *v6 = in6(a)->sin6_addr.s6_addr;

	dst[0] = '\0';
	switch (a->sa.ss_family) {
	case AF_INET:
		inet_ntop(AF_INET, &in4(a)->sin_addr, dst, ADDR_TEXT_BYTES);
		break;
	case AF_INET6:
		if (IN6_IS_ADDR_V4MAPPED(&in6(a)->sin6_addr))
			inet_ntop(AF_INET, v6 + 12, dst, ADDR_TEXT_BYTES);
		else
			inet_ntop(AF_INET6, v6, dst, ADDR_TEXT_BYTES);
		break;
	case AF_UNIX:
		if (a->sa_bytes > offsetof(struct sockaddr_un, sun_path) && un->sun_path[0])
			snprintf(dst, ADDR_TEXT_BYTES, "%.*s", (int)sizeof un->sun_path,
				un->sun_path);
		else
			strcpy(dst, "unix");
		break;
	default:
		strcpy(dst, "unknown");
	}
	return dst;
}

const char *addr_text(const struct addr *a, char dst[ADDR_TEXT_BYTES])
{
	char host[ADDR_TEXT_BYTES];

	addr_host(a, host);
	if (a->sa.ss_family == AF_INET6 && strchr(host, ':'))
		snprintf(dst, ADDR_TEXT_BYTES, "[%.64s]:%u", host, addr_port(a));
	else if (a->sa.ss_family == AF_INET || a->sa.ss_family == AF_INET6)
		snprintf(dst, ADDR_TEXT_BYTES, "%.64s:%u", host, addr_port(a));
	else
		memcpy(dst, host, sizeof host);
	return dst;
}

bool addr_from_host(const char *text, struct addr *out)
{
	struct addr a = { .sa_bytes = sizeof(struct sockaddr_in) };
	struct sockaddr_in *v4 = (void *)&a.sa;
	struct sockaddr_in6 *v6 = (void *)&a.sa;

	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		a.sa.ss_family = AF_INET;
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		a.sa.ss_family = AF_INET6;
		a.sa_bytes = sizeof *v6;
	} else {
		return false;
	}
	*out = a;
	return true;
}

unsigned addr_port(const struct addr *a)
{
	if (a->sa.ss_family == AF_INET)
		return ntohs(in4(a)->sin_port);
	if (a->sa.ss_family == AF_INET6)
		return ntohs(in6(a)->sin6_port);
	return 0;
}

void addr_set_port(struct addr *a, unsigned port)
{
	ASSERT(port <= 65535);
	if (a->sa.ss_family == AF_INET)
		((struct sockaddr_in *)(void *)&a->sa)->sin_port = htons((uint16_t)port);
	else if (a->sa.ss_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)&a->sa)->sin6_port = htons((uint16_t)port);
}

bool addr_is_loopback(const struct addr *a)
{
	const struct in6_addr *v6 = &in6(a)->sin6_addr;

	switch (a->sa.ss_family) {
	case AF_INET:
		return ntohl(in4(a)->sin_addr.s_addr) >> 24 == 127;
	case AF_INET6:
		if (IN6_IS_ADDR_V4MAPPED(v6))
			return v6->s6_addr[12] == 127;
		return IN6_IS_ADDR_LOOPBACK(v6);
	case AF_UNIX:
		return true;
	default:
		return false;
	}
}

const char *addr_advice(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "another program has it: stop that one or choose another port";
	case EADDRNOTAVAIL:
		return "this machine does not have the address: choose one of its own, or '*' for all";
	case EACCES:
		return "ports below 1024 are root's: choose a higher one";
	default:
		return "choose another address or port";
	}
}
