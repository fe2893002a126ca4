/*
 * http_parse - one HTTP/1.x request at a time out of a byte stream; llhttp behind a stricter gate.
 *
 * The head (request line and header fields) is looked at only when it is complete: its spans point
 * into the caller's buffer, which must not move until the request is done. Before llhttp sees a head
 * the gate has refused what makes two readers of one stream disagree about where a request ends:
 * CR without LF, LF without CR, NUL and other controls, folded fields, space before a colon, a second
 * Content-Length or Host, Content-Length beside Transfer-Encoding, any coding but plain "chunked".
 *
 * Life:    init, then per request: head until it is there, body until it is done, next.
 * Thread:  none of its own.
 * Memory:  none but the struct.
 * Errors:  a negative return ends the connection; `status`, `error` and `hint` say how to answer.
 */
#ifndef PROTO_HTTP_HTTP_PARSE_H
#define PROTO_HTTP_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/buf.h"
#include "proto/base/limits.h"
#include "proto/base/span.h"

/* Bits, so that a route can name several. */
enum http_parse_method {
	HTTP_PARSE_GET = 1 << 0,
	HTTP_PARSE_HEAD = 1 << 1,
	HTTP_PARSE_POST = 1 << 2,
	HTTP_PARSE_PUT = 1 << 3,
	HTTP_PARSE_DELETE = 1 << 4,
	HTTP_PARSE_OPTIONS = 1 << 5,
	HTTP_PARSE_OTHER = 1 << 6, /* well formed, of no use to anybody here */
};

struct http_parse_field {
	struct span name;
	struct span value; /* without the space around it */
};

/* Spans live until http_parse_next, the body's until the caller's buffer changes. */
struct http_parse_request {
	enum http_parse_method method;
	struct span target; /* as sent */
	struct span path;   /* before '?', still percent-encoded */
	struct span query;  /* after '?'; absent without one */
	struct span host;   /* absent only in HTTP/1.0 */
	uint8_t minor;      /* HTTP/1.minor: 0 or 1 */
	bool keep_alive;
	bool expect_continue;
	bool chunked;
	bool has_length;
	uint64_t length; /* as claimed by Content-Length */
	struct http_parse_field fields[LIMIT_HTTP_FIELDS];
	size_t fields_count;
	struct span body; /* set by the caller when it is complete */
};

struct http_parse_limits {
	size_t line_max; /* request line: 414 */
	size_t head_max; /* request line and fields: 431 */
	size_t body_max; /* body without its framing: 413 */
};

/* What is kept between calls. Members are private, but for status, error and hint. */
struct http_parse {
	struct http_parse_limits limits;
	struct http_parse_request *req;
	size_t seen;         /* bytes of the head already searched for its end */
	size_t line_end;     /* of the request line, without CRLF; 0: not seen */
	size_t line_start;   /* of the line that seen is in */
	uint64_t body_raw;   /* bytes of the body consumed, framing included */
	uint64_t body_bytes; /* of them, the body's own */
	struct buf *body;
	union {
		uint64_t align;
		uint8_t bytes[128];
	} llhttp;
	bool headers_done, in_body, done;
	int status; /* 400, 408 ... after a failure */
	const char *error;
	const char *hint;
};

enum {
	/* Outcome: more bytes are needed. */
	HTTP_PARSE_MORE = 1,
};

void http_parse_init(struct http_parse *p, const struct http_parse_limits *limits);

/*
 * Looks for a complete head in the n bytes at `at`, which are all unconsumed bytes of the connection,
 * and on later calls the same bytes and more. 0: *out is filled and *out_bytes were consumed;
 * HTTP_PARSE_MORE: *out_bytes (empty lines before a request) were consumed.
 */
int http_parse_head(struct http_parse *p, const uint8_t *at, size_t n,
	struct http_parse_request *out, size_t *out_bytes);

/*
 * Takes body bytes, appending them without their framing to `body`, which may be emptied between two
 * calls. 0: the body is complete (at once for a request without one); HTTP_PARSE_MORE. *out_bytes of n
 * were consumed; the rest is the next request.
 */
int http_parse_body(
	struct http_parse *p, const uint8_t *at, size_t n, struct buf *body, size_t *out_bytes);

/* The value of the first field of that name, in any case; absent when there is none. */
struct span http_parse_field(const struct http_parse_request *req, const char *name);

/* "GET"; "OTHER". Static text. */
const char *http_parse_method_name(enum http_parse_method method);

#endif
