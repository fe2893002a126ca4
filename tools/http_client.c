/*
 * A reply is read through one buffer: lines are taken from it for the head and the sizes of chunks,
 * bytes are moved on to the body. The socket does not block; every wait is a poll with a deadline.
 */
#include "tools/http_client.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/base/check.h"
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "proto/base/limits.h"
#include "proto/svc/conf_value.h"

enum {
	PORT_HTTP = 80,
	READ_BYTES = 64 << 10,
};

static_assert(
	(int)READ_BYTES >= (int)LIMIT_CLIENT_HEAD_BYTES, "a line of the head fits the buffer");

struct http_client {
	int fd; /* -1: none */
	struct conf_addr addr;
	char name[CONF_ADDR_HOST_BYTES + 32];
	char *prefix; /* of the path, without a slash at its end */
	bool unreachable;
	int timeout_ms; /* of the current request */
	uint8_t in[READ_BYTES];
	size_t in_at;
	size_t in_end;
};

/* What the head of a reply says about its body. */
struct reply {
	int status;
	bool chunked;
	bool has_length;
	bool keep;
	uint64_t length;
};

/* Where the bytes of a body go: to the taker, or where there is none into the buffer. */
struct body {
	struct buf *buf;
	http_client_take_cb take;
	void *arg;
};

static int deliver(struct body *b, const uint8_t *p, size_t n)
{
	if (b->take)
		return n ? b->take(b->arg, span_of(p, n)) : 0;
	buf_put(b->buf, p, n);
	return b->buf->err;
}

static int fail(struct http_client *c, int code, struct diag *d, const char *what)
{
	return diag_set(d, code, c->name, -1, "%s", what);
}

/* ---- address ---- */

static int bad_addr(const char *addr, struct diag *d)
{
	return diag_set(d, ERR_SYNTAX, "", -1,
		"'%.128s' is no address: write http://HOST:PORT or HOST:PORT", addr);
}

/* Splits addr into host, port and prefix. */
static int parse_addr(struct http_client *c, const char *addr, uint16_t port, struct diag *d)
{
	const char *host = addr, *slash, *bracket;
	char text[CONF_ADDR_HOST_BYTES + 16];
	int n;

	if (strncasecmp(addr, "https://", 8) == 0)
		return diag_set(d, ERR_SYNTAX, "", -1,
			"'%.128s': https is not spoken here; go through a local proxy", addr);
	if (strncasecmp(addr, "http://", 7) == 0) {
		host += 7;
		port = PORT_HTTP;
	}
	slash = strchrnul(host, '/');
	n = snprintf(text, sizeof text, "%.*s", (int)(slash - host), host);
	if (slash == host || n >= (int)sizeof text - 8 || strpbrk(slash, " \t\r\n?#"))
		return bad_addr(addr, d);
	bracket = strchr(text, ']');
	if (!strchr(bracket ? bracket : text, ':'))
		snprintf(text + n, sizeof text - (size_t)n, ":%u", port);
	if (conf_value_addr(text, &c->addr) < 0 || c->addr.port == 0)
		return bad_addr(addr, d);
	c->prefix = strdup(slash);
	if (!c->prefix)
		return diag_set(d, -ENOMEM, "", -1, "no memory for the address");
	for (size_t len = strlen(c->prefix); len && c->prefix[len - 1] == '/'; len--)
		c->prefix[len - 1] = 0;
	return 0;
}

int http_client_open(
	const char *addr, uint16_t port_default, struct http_client **out, struct diag *d)
{
	struct http_client *c = calloc(1, sizeof *c);
	int rc;

	if (!c)
		return diag_set(d, -ENOMEM, addr, -1, "no memory for a connection");
	c->fd = -1;
	rc = parse_addr(c, addr, port_default, d);
	if (rc < 0) {
		http_client_close(&c);
		return rc;
	}
	snprintf(c->name, sizeof c->name,
		strchr(c->addr.host, ':') ? "http://[%s]:%u" : "http://%s:%u", c->addr.host,
		c->addr.port);
	*out = c;
	return 0;
}

static void hang_up(struct http_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->in_at = c->in_end = 0;
}

void http_client_close(struct http_client **c)
{
	if (!*c)
		return;
	hang_up(*c);
	free((*c)->prefix);
	free(*c);
	*c = NULL;
}

const char *http_client_name(const struct http_client *c)
{
	return c->name;
}

bool http_client_unreachable(const struct http_client *c)
{
	return c->unreachable;
}

/* ---- socket ---- */

/* 0 when the socket is ready for `events`, or has failed, which the next call will tell. */
static int wait_for(int fd, short events, int64_t deadline_ns)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline_ns - clock_mono_ns();
		int n;

		if (left <= 0)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)((left + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int connect_to(const struct addrinfo *ai, int *out_fd)
{
	int64_t deadline = clock_mono_ns() + LIMIT_CLIENT_CONNECT_MS * CLOCK_NS_PER_MS;
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = 0, one = 1, soft = 0;
	socklen_t len = sizeof soft;

	if (fd < 0)
		return -errno;
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0)
		rc = -errno;
	if (rc == -EINPROGRESS) {
		rc = wait_for(fd, POLLOUT, deadline);
		if (rc == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &soft, &len) == 0)
			rc = -soft;
	}
	if (rc < 0) {
		close(fd);
		return rc;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	*out_fd = fd;
	return 0;
}

/* The first address of the host that answers; the last failure if none does. */
static int dial(struct http_client *c, struct diag *d)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG }, *list;
	char port[8];
	int rc;

	snprintf(port, sizeof port, "%u", c->addr.port);
	rc = getaddrinfo(c->addr.host, port, &hints, &list);
	if (rc != 0) {
		c->unreachable = true;
		return diag_set(d, rc == EAI_SYSTEM ? -errno : ERR_UNKNOWN, c->name, -1,
			"cannot find the host: %s", gai_strerror(rc));
	}
	rc = -EHOSTUNREACH;
	for (const struct addrinfo *ai = list; ai && c->fd < 0; ai = ai->ai_next)
		rc = connect_to(ai, &c->fd);
	freeaddrinfo(list);
	c->unreachable = rc < 0;
	return rc < 0 ? fail(c, rc, d, "cannot connect") : 0;
}

static int send_all(struct http_client *c, const char *p, size_t n)
{
	int64_t deadline = clock_mono_ns() + c->timeout_ms * CLOCK_NS_PER_MS;

	while (n) {
		ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);

		if (sent >= 0) {
			p += sent;
			n -= (size_t)sent;
		} else if (errno == EAGAIN) {
			int rc = wait_for(c->fd, POLLOUT, deadline);

			if (rc < 0)
				return rc;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

/* More bytes into the buffer, which must have room: their number, or 0 at the end of the stream. */
static ssize_t fill(struct http_client *c)
{
	int64_t deadline = clock_mono_ns() + c->timeout_ms * CLOCK_NS_PER_MS;

	if (c->in_at) {
		memmove(c->in, c->in + c->in_at, c->in_end - c->in_at);
		c->in_end -= c->in_at;
		c->in_at = 0;
	}
	ASSERT(c->in_end < sizeof c->in);
	for (;;) {
		ssize_t n = recv(c->fd, c->in + c->in_end, sizeof c->in - c->in_end, 0);

		if (n >= 0) {
			c->in_end += (size_t)n;
			return n;
		}
		if (errno == EAGAIN) {
			int rc = wait_for(c->fd, POLLIN, deadline);

			if (rc < 0)
				return rc;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
}

/* ---- reply ---- */

/* The next line without its end, NUL-terminated, valid until the next read. */
static int read_line(struct http_client *c, char **out, size_t *budget)
{
	for (;;) {
		uint8_t *from = c->in + c->in_at;
		uint8_t *nl = memchr(from, '\n', c->in_end - c->in_at);
		ssize_t n;

		if (nl) {
			size_t taken = (size_t)(nl + 1 - from);

			if (taken > *budget)
				return ERR_LIMIT;
			*budget -= taken;
			*nl = 0;
			if (nl > from && nl[-1] == '\r')
				nl[-1] = 0;
			c->in_at += taken;
			*out = (char *)from;
			return 0;
		}
		if (c->in_end - c->in_at >= *budget || c->in_end - c->in_at == sizeof c->in)
			return ERR_LIMIT;
		n = fill(c);
		if (n <= 0)
			return n < 0 ? (int)n : ERR_TRUNCATED;
	}
}

/* Decimal digits alone. */
static int parse_length(const char *text, uint64_t *out)
{
	char *end;

	if (*text < '0' || *text > '9')
		return ERR_SYNTAX;
	errno = 0;
	*out = strtoull(text, &end, 10);
	end += strspn(end, " \t");
	return errno || *end ? ERR_SYNTAX : 0;
}

static int read_field(const char *line, struct reply *r)
{
	const char *value = strchr(line, ':');
	size_t n;

	if (!value)
		return ERR_SYNTAX;
	n = (size_t)(value - line);
	value += 1 + strspn(value + 1, " \t");
	if (n == 14 && strncasecmp(line, "Content-Length", n) == 0) {
		r->has_length = true;
		return parse_length(value, &r->length);
	}
	if (n == 17 && strncasecmp(line, "Transfer-Encoding", n) == 0) {
		r->chunked = strncasecmp(value, "chunked", 7) == 0;
		return r->chunked ? 0 : ERR_SYNTAX;
	}
	if (n == 10 && strncasecmp(line, "Connection", n) == 0)
		r->keep = strncasecmp(value, "close", 5) != 0;
	return 0;
}

/* Status line and fields; answers of 1xx are passed over. */
static int read_head(struct http_client *c, struct reply *r)
{
	size_t budget = LIMIT_CLIENT_HEAD_BYTES;
	unsigned minor;
	char *line;
	int rc;

	do {
		*r = (struct reply){ .keep = true };
		rc = read_line(c, &line, &budget);
		if (rc < 0)
			return rc;
		if (sscanf(line, "HTTP/1.%1u %3d", &minor, &r->status) != 2 || r->status < 100)
			return ERR_SYNTAX;
		r->keep = minor > 0;
		for (;;) {
			rc = read_line(c, &line, &budget);
			if (rc < 0)
				return rc;
			if (!*line)
				break;
			rc = read_field(line, r);
			if (rc < 0)
				return rc;
		}
	} while (r->status < 200);
	return 0;
}

/* n bytes into the body. */
static int read_bytes(struct http_client *c, uint64_t n, struct body *body)
{
	/* What will not fit is not waited for. */
	if (!body->take && n > body->buf->max - body->buf->len)
		return ERR_LIMIT;
	while (n) {
		size_t have = c->in_end - c->in_at;
		ssize_t got;

		if (have) {
			int rc;

			have = have < n ? have : (size_t)n;
			rc = deliver(body, c->in + c->in_at, have);
			if (rc < 0)
				return rc;
			c->in_at += have;
			n -= have;
			continue;
		}
		got = fill(c);
		if (got <= 0)
			return got < 0 ? (int)got : ERR_TRUNCATED;
	}
	return 0;
}

static int read_chunks(struct http_client *c, struct body *body)
{
	size_t budget;
	uint64_t n;
	char *line, *end;
	int rc;

	for (;;) {
		budget = LIMIT_CLIENT_HEAD_BYTES;
		rc = read_line(c, &line, &budget);
		if (rc < 0)
			return rc;
		errno = 0;
		n = strtoull(line, &end, 16);
		if (end == line || *line == '-' || *line == '+' || errno || (*end && *end != ';'))
			return ERR_SYNTAX;
		if (n == 0)
			break;
		rc = read_bytes(c, n, body);
		if (rc == 0)
			rc = read_line(c, &line, &budget);
		if (rc < 0)
			return rc;
		if (*line)
			return ERR_SYNTAX;
	}
	/* Trailers, up to the empty line. */
	do {
		rc = read_line(c, &line, &budget);
	} while (rc == 0 && *line);
	return rc;
}

static int read_to_end(struct http_client *c, struct body *body)
{
	for (;;) {
		int rc = deliver(body, c->in + c->in_at, c->in_end - c->in_at);
		ssize_t n;

		if (rc < 0)
			return rc;
		c->in_at = c->in_end;
		n = fill(c);
		if (n <= 0)
			return (int)n;
	}
}

static int read_body(struct http_client *c, struct reply *r, struct body *body)
{
	if (r->status == 204 || r->status == 304)
		return 0;
	if (r->chunked)
		return read_chunks(c, body);
	if (r->has_length)
		return read_bytes(c, r->length, body);
	r->keep = false;
	return read_to_end(c, body);
}

/* ---- requests ---- */

static int send_request(struct http_client *c, const char *target)
{
	struct buf req;
	int rc;

	buf_init(&req, 1 << 20);
	buf_printf(&req,
		"GET %s%s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n"
		"User-Agent: astroquery\r\n\r\n",
		c->prefix, target, c->name + strlen("http://"));
	rc = req.err ? req.err : send_all(c, (const char *)req.p, req.len);
	buf_fini(&req);
	return rc;
}

/* A kept connection that the server has closed meanwhile fails before the first byte of a reply. */
static bool is_stale(int rc, const struct http_client *c)
{
	return (rc == -ECONNRESET || rc == -EPIPE || rc == ERR_TRUNCATED) && c->in_end == 0;
}

static const char *what_failed(int rc)
{
	switch (rc) {
	case ERR_SYNTAX:
		return "the answer is not HTTP; is another program listening there?";
	case ERR_LIMIT:
		return "the answer is too large; ask for fewer events with -n";
	case -ETIMEDOUT:
		return "no answer in time";
	default:
		return "the connection broke; is it astroqueryd that listens there?";
	}
}

/* Sends the request and reads the head of the reply; a connection is made where there is none. */
static int begin(struct http_client *c, const char *target, struct reply *r, struct diag *d)
{
	bool kept = c->fd >= 0;
	int rc;

	for (;;) {
		if (c->fd < 0) {
			rc = dial(c, d);
			if (rc < 0)
				return rc;
		}
		c->in_at = c->in_end = 0;
		rc = send_request(c, target);
		if (rc == 0)
			rc = read_head(c, r);
		if (rc == 0)
			return 0;
		if (!kept || !is_stale(rc, c))
			break;
		kept = false;
		hang_up(c);
	}
	hang_up(c);
	return fail(c, rc, d, what_failed(rc));
}

static int run(struct http_client *c, const char *target, int timeout_ms, struct body *body,
	int *out_status, struct diag *d)
{
	struct reply r;
	int rc;

	ASSERT(*target == '/');
	c->timeout_ms = timeout_ms;
	c->unreachable = false;
	buf_reset(body->buf);
	rc = begin(c, target, &r, d);
	if (rc < 0)
		return rc;
	if (r.status != 200)
		body->take = NULL;
	rc = read_body(c, &r, body);
	if (rc < 0 || !r.keep)
		hang_up(c);
	if (rc < 0)
		return fail(c, rc, d, what_failed(rc));
	*out_status = r.status;
	return 0;
}

int http_client_get(struct http_client *c, const char *target, int timeout_ms, struct buf *body,
	int *out_status, struct diag *d)
{
	struct body b = { .buf = body };

	return run(c, target, timeout_ms, &b, out_status, d);
}

int http_client_stream(struct http_client *c, const char *target, int timeout_ms,
	http_client_take_cb take, void *arg, struct buf *body, int *out_status, struct diag *d)
{
	struct body b = { .buf = body, .take = take, .arg = arg };

	return run(c, target, timeout_ms, &b, out_status, d);
}
