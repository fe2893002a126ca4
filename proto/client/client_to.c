#include "proto/client/client_to.h"

#include <string.h>

#include "proto/base/err.h"

static const char port_default[] = "24224";

static int copy(char *dst, size_t cap, const char *s, size_t n)
{
	if (n >= cap)
		return ERR_LIMIT;
	memcpy(dst, s, n);
	dst[n] = 0;
	return 0;
}

/* HOST, HOST:PORT, [V6], [V6]:PORT. */
static int split_host(struct client_to *to, const char *s)
{
	const char *end = *s == '[' ? strchr(s, ']') : strchr(s, ':');
	size_t n = end ? (size_t)(end - s) : strlen(s);
	const char *after = s + n;

	if (*s == '[') {
		if (!end)
			return ERR_SYNTAX;
		after = end + 1;
		s++;
		n--;
	}
	if (n == 0 || (*after && *after != ':') || (*after == ':' && !after[1]))
		return ERR_SYNTAX;
	if (copy(to->host, sizeof to->host, s, n) < 0)
		return ERR_LIMIT;
	after = *after ? after + 1 : port_default;
	return copy(to->port, sizeof to->port, after, strlen(after));
}

int client_to_read(const char *text, struct client_to *out)
{
	struct client_to to = { .host = "" };
	int rc = ERR_SYNTAX;

	if (strncmp(text, "tcp://", 6) == 0) {
		to.door = CLIENT_TO_TCP;
		rc = split_host(&to, text + 6);
	} else if (strncmp(text, "udp://", 6) == 0) {
		to.door = CLIENT_TO_UDP;
		rc = split_host(&to, text + 6);
	} else if (strncmp(text, "unix:", 5) == 0 && text[5]) {
		to.door = CLIENT_TO_UNIX;
		rc = copy(to.port, sizeof to.port, text + 5, strlen(text + 5));
	}
	if (rc == 0)
		*out = to;
	return rc;
}
