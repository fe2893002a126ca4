/*
 * http_client - GET over HTTP/1.1 for a program that has nothing else to do meanwhile.
 *
 * Life:    open (parses the address, connects to nothing yet), get..., close. One connection is kept
 *          between requests; when the server has closed it in the meantime, a new one is made.
 * Thread:  one.
 * Memory:  the answer's body in the caller's buffer, and one read buffer.
 * Errors:  negative errno of the socket; -ETIMEDOUT after LIMIT_CLIENT_CONNECT_MS for the
 *          connection, or after timeout_ms without a byte; ERR_SYNTAX, the answer is not HTTP;
 *          ERR_TRUNCATED, it ends early; ERR_LIMIT, head or body are too large. Each with a diag.
 * Malice:  nothing the server says is believed beyond the bytes that came.
 */
#ifndef TOOLS_HTTP_CLIENT_H
#define TOOLS_HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/diag.h"

struct http_client;

/*
 * http://HOST[:PORT][/PREFIX], or HOST[:PORT] alone; an IPv6 address in brackets. The port is 80
 * with a scheme and port_default without one.
 */
int http_client_open(
	const char *addr, uint16_t port_default, struct http_client **out, struct diag *d);
void http_client_close(struct http_client **c);

/* "http://127.0.0.1:9000": the address with everything that was left out. */
const char *http_client_name(const struct http_client *c);
/* True when the last failure was that no connection could be made. */
bool http_client_unreachable(const struct http_client *c);

/*
 * target begins with '/'. Any status is a success; the body replaces what was in the buffer (whose
 * maximum is its limit).
 */
int http_client_get(struct http_client *c, const char *target, int timeout_ms, struct buf *body,
	int *out_status, struct diag *d);

/* Takes the next bytes of a body; negative: no more are wanted, and the request fails with it. */
typedef int (*http_client_take_cb)(void *arg, struct span bytes);

/* As http_client_get, but the body of a 200 goes to `take` piece by piece, that of others to the buffer. */
int http_client_stream(struct http_client *c, const char *target, int timeout_ms,
	http_client_take_cb take, void *arg, struct buf *body, int *out_status, struct diag *d);

#endif
